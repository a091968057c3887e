// admin: a long-lived answer (server-sent events): what its route pushes, what the client has taken.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace redoubt::admin {

/// A route makes one, returns it in its Response and pushes into it from then on; the server writes. Chunks that were
/// pushed before are sent first. It is closed by the route, when the client is gone or too slow to keep within
/// `max_buffered` bytes, and when the server ends. On the server's loop only.
class EventStream {
public:
    static constexpr std::size_t default_max_buffered = 256u << 10;

    explicit EventStream(const boost::asio::any_io_executor& executor, std::size_t max_buffered = default_max_buffered);
    EventStream(const EventStream&) = delete;
    EventStream& operator=(const EventStream&) = delete;

    /// Sends the text as it is: a whole event, `data: ...\n\n`. False: the stream is closed, the text is dropped. Text
    /// that would not fit closes it, because a feed with a hole in it would lie.
    bool push(std::string_view text);
    /// What was pushed is still sent.
    void close();
    bool is_closed() const noexcept { return closed_; }
    /// Called once, when it is closed by whomever; at once if it is closed.
    void on_close(std::function<void()> listener);

    // For the server.
    /// What is to be sent next; empty: it is closed and everything was sent.
    boost::asio::awaitable<std::string> next();

private:
    std::size_t max_buffered_;
    std::string buffered_;
    bool closed_ = false;
    std::function<void()> listener_;
    boost::asio::steady_timer changed_;  // never expires: it is cancelled when there is something to do
};

}  // namespace redoubt::admin
