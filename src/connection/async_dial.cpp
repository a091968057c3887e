// connection: dialing on Asio; see the header.
#include "connection/async_dial.hpp"

#include <exception>
#include <memory>
#include <string>

#include <poll.h>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <redoubt/resp/reply.hpp>

#include "connection/server_error.hpp"
#include "connection/wire_settings.hpp"
#include "resp/scanner.hpp"

namespace redoubt::connection {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

// Watches a descriptor that somebody else owns.
struct Watch {
    Watch(const asio::any_io_executor& executor, int fd) : descriptor(executor, fd), timer(executor) {}
    ~Watch() { (void)descriptor.release(); }
    Descriptor descriptor;
    asio::steady_timer timer;
};

// Returns when the descriptor is ready or the time is over; which of them, its caller finds out by trying.
asio::awaitable<void> wait_for(int fd, short events, TimePoint until) {
    const auto executor = co_await asio::this_coro::executor;
    const auto watch = std::make_shared<Watch>(executor, fd);
    watch->timer.expires_at(until);
    watch->timer.async_wait([weak = std::weak_ptr<Watch>(watch)](const boost::system::error_code& failed) {
        if (failed) return;
        if (const auto alive = weak.lock()) alive->descriptor.cancel();
    });
    boost::system::error_code ignored;
    co_await watch->descriptor.async_wait((events & POLLOUT) != 0 ? Descriptor::wait_write : Descriptor::wait_read,
                                          asio::redirect_error(asio::use_awaitable, ignored));
    watch->timer.cancel();
}

// After a read or write that was not possible at once: nullopt when it may be tried again.
asio::awaitable<std::optional<Error>> wait_after(Transport& transport, const IoResult& result, TimePoint deadline) {
    const bool to_write = result.status == IoStatus::want_write;
    if (!to_write && result.status != IoStatus::want_read) co_return lost_error(transport.describe(result));
    if (Clock::now() >= deadline) {
        co_return Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent, "no answer in time");
    }
    std::optional<Error> refused;
    try {
        co_await wait_for(transport.fd(), to_write ? POLLOUT : POLLIN, deadline);
    } catch (const boost::system::system_error& failure) {
        if (failure.code() == asio::error::operation_aborted) throw;  // the coroutine is being stopped
        refused = lost_error(failure.what());
    } catch (const std::exception& failure) {
        refused = lost_error(failure.what());
    }
    co_return refused;
}

}  // namespace

asio::awaitable<DialOutcome> async_dial(SessionSettings settings, const TlsContext* tls, TimePoint deadline) {
    Dialer dialer(settings, tls, deadline);
    for (;;) {
        switch (dialer.step(Clock::now())) {
            case Dialer::State::ready: co_return DialOutcome{dialer.take(), std::nullopt};
            case Dialer::State::failed: co_return DialOutcome{Transport{}, dialer.error()};
            case Dialer::State::waiting: break;
        }
        std::string refused;
        try {
            co_await wait_for(dialer.wait_fd(), dialer.wait_events(), dialer.wait_until());
        } catch (const boost::system::system_error& failure) {
            if (failure.code() == asio::error::operation_aborted) co_return DialOutcome{Transport{}, dial_given_up()};
            refused = failure.what();
        } catch (const std::exception& failure) {
            refused = failure.what();
        }
        if (!refused.empty()) dialer.give_up(refused);
    }
}

asio::awaitable<result<std::string>> FrameReader::exchange(std::string bytes, TimePoint deadline) {
    for (std::string_view unsent = bytes; !unsent.empty();) {
        const IoResult written = transport_.write(unsent);
        if (written.status == IoStatus::ok) {
            unsent.remove_prefix(written.bytes);
            continue;
        }
        if (const std::optional<Error> failed = co_await wait_after(transport_, written, deadline)) co_return *failed;
    }
    co_return co_await next(deadline);
}

asio::awaitable<result<std::string>> FrameReader::next(TimePoint deadline) {
    for (;;) {
        if (!input_.empty()) {
            switch (scanner_.scan(input_)) {
                case resp::ReplyScanner::Status::need_more: break;
                case resp::ReplyScanner::Status::error: co_return lost_error(std::string(scanner_.error()));
                case resp::ReplyScanner::Status::complete: {
                    std::string frame = input_.substr(0, scanner_.size());
                    input_.erase(0, frame.size());
                    co_return frame;
                }
            }
        }
        char buffer[4096];
        const IoResult got = transport_.read(buffer);
        if (got.status == IoStatus::ok) {
            input_.append(buffer, got.bytes);
            continue;
        }
        if (const std::optional<Error> failed = co_await wait_after(transport_, got, deadline)) co_return *failed;
    }
}

asio::awaitable<std::optional<Error>> async_ping(Transport& transport, ReplyLimits limits, TimePoint deadline) {
    FrameReader frames(transport, limits);
    const std::string ping = "*1\r\n$4\r\nPING\r\n";
    const result<std::string> answer = co_await frames.exchange(ping, deadline);
    if (!answer) co_return answer.error();
    const ReplyNode reply = ReplyCursor(*answer).next();
    if (!reply.is_error()) co_return std::nullopt;
    Error refused = from_server_error(reply.text, KeyPrefix{});
    // A server that cannot save (MISCONF) refuses even PING; but it answers, and serves what it can.
    if (!is_node_failure(refused.prefix())) co_return std::nullopt;
    co_return refused;
}

}  // namespace redoubt::connection
