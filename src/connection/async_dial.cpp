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

asio::awaitable<std::optional<Error>> async_ping(Transport& transport, ReplyLimits limits, TimePoint deadline) {
    resp::ReplyScanner scanner(limits);
    std::string_view unsent = "*1\r\n$4\r\nPING\r\n";
    std::string answer;
    for (;;) {
        char buffer[256];
        const bool writing = !unsent.empty();
        const IoResult result = writing ? transport.write(unsent) : transport.read(buffer);
        switch (result.status) {
            case IoStatus::ok: break;
            case IoStatus::want_read:
            case IoStatus::want_write:
                if (Clock::now() >= deadline) {
                    co_return Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent,
                                        "no answer to PING in time");
                }
                try {
                    co_await wait_for(transport.fd(), result.status == IoStatus::want_write ? POLLOUT : POLLIN,
                                      deadline);
                } catch (const std::exception& failure) {
                    co_return lost_error(failure.what());
                }
                continue;
            default: co_return lost_error(transport.describe(result));
        }
        if (writing) {
            unsent.remove_prefix(result.bytes);
            continue;
        }
        answer.append(buffer, result.bytes);
        switch (scanner.scan(answer)) {
            case resp::ReplyScanner::Status::need_more: continue;
            case resp::ReplyScanner::Status::error: co_return lost_error(std::string(scanner.error()));
            case resp::ReplyScanner::Status::complete: break;
        }
        const ReplyNode reply = ReplyCursor(answer).next();
        if (!reply.is_error()) co_return std::nullopt;
        Error refused = from_server_error(reply.text, KeyPrefix{});
        // A server that cannot save (MISCONF) refuses even PING; but it answers, and serves what it can.
        if (!is_node_failure(refused.prefix())) co_return std::nullopt;
        co_return refused;
    }
}

}  // namespace redoubt::connection
