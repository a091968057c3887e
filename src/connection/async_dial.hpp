// connection: opening and trying a connection from a coroutine. Not on the fast path: clarity first.
#pragma once

#include <optional>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "connection/dialer.hpp"

namespace redoubt::connection {

/// Opens a connection on the coroutine's executor.
boost::asio::awaitable<DialOutcome> async_dial(SessionSettings settings, const TlsContext* tls, TimePoint deadline);

/// Sends PING over a connection that nobody else uses, and waits for its answer; an error, when it did not come or
/// is not PONG.
boost::asio::awaitable<std::optional<Error>> async_ping(Transport& transport, ReplyLimits limits, TimePoint deadline);

}  // namespace redoubt::connection
