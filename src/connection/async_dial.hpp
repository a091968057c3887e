// connection: opening and trying a connection from a coroutine. Not on the fast path: clarity first.
#pragma once

#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include <redoubt/base/result.hpp>

#include "connection/dialer.hpp"
#include "resp/scanner.hpp"

namespace redoubt::connection {

/// Opens a connection on the coroutine's executor.
boost::asio::awaitable<DialOutcome> async_dial(SessionSettings settings, const TlsContext* tls, TimePoint deadline);

/// The frames that come over one connection that nobody else uses, one after the other.
class FrameReader {
public:
    FrameReader(Transport& transport, const ReplyLimits& limits) : transport_(transport), scanner_(limits) {}
    /// The next frame, or why it did not come.
    boost::asio::awaitable<result<std::string>> next(TimePoint deadline);
    /// Sends these bytes and waits for one frame.
    boost::asio::awaitable<result<std::string>> exchange(std::string bytes, TimePoint deadline);

private:
    Transport& transport_;
    resp::ReplyScanner scanner_;
    std::string input_;
};

/// Sends PING over a connection that nobody else uses, and waits for its answer; an error, when it did not come or
/// is not PONG.
boost::asio::awaitable<std::optional<Error>> async_ping(Transport& transport, ReplyLimits limits, TimePoint deadline);

}  // namespace redoubt::connection
