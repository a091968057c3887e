// admin: a stream of events; see the header.
#include "admin/event_stream.hpp"

#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace redoubt::admin {

namespace asio = boost::asio;

EventStream::EventStream(const asio::any_io_executor& executor, std::size_t max_buffered)
    : max_buffered_(max_buffered), changed_(executor, asio::steady_timer::time_point::max()) {}

bool EventStream::push(std::string_view text) {
    if (closed_) return false;
    if (text.size() > max_buffered_ - buffered_.size()) {
        // What waits would reach the client late, and then end in any case.
        buffered_.clear();
        close();
        return false;
    }
    buffered_.append(text);
    changed_.cancel();
    return true;
}

void EventStream::close() {
    if (std::exchange(closed_, true)) return;
    changed_.cancel();
    if (const auto listener = std::exchange(listener_, nullptr)) listener();
}

void EventStream::on_close(std::function<void()> listener) {
    if (closed_) return listener();
    listener_ = std::move(listener);
}

asio::awaitable<std::string> EventStream::next() {
    while (buffered_.empty() && !closed_) {
        boost::system::error_code ignored;
        co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return std::exchange(buffered_, {});
}

}  // namespace redoubt::admin
