// connection: what both drivers of a wire are told.
#pragma once

#include <redoubt/base/clock.hpp>
#include <redoubt/base/config.hpp>
#include <redoubt/base/error.hpp>

#include "connection/multiplexer.hpp"

namespace redoubt::connection {

struct WireSettings {
    ReplyLimits reply_limits;
    Multiplexer::Limits queue_limits;
    Duration attempt_timeout{};  ///< the watchdog: no progress for so long on an unanswered command
    Duration busy_poll{};        ///< look for replies for so long before sleeping; 0: off
    Duration loss_timeout{};     ///< see Transport::set_loss_timeout; 0: its default
    /// Leaves the loop to others after little work, at the price of some throughput: for a project with limits.
    bool short_turns = false;
    Duration read_pace{};  ///< between two reads of a large reply, with short turns; 0: as it comes
};

/// The wire broke, or its peer did: counts against the node's breaker.
inline Error lost_error(std::string detail) {
    return Error::with_detail(ErrorKind::connection, Certainty::unknown, Stage::sent, std::move(detail));
}
/// The peer broke the protocol; or a reply was past the limits, which is no failure of the node.
inline Error fault_error(const Multiplexer& multiplexer) {
    Error error = lost_error(std::string(multiplexer.fault()));
    if (multiplexer.is_over_limit()) error.kind = ErrorKind::reply_type;
    return error;
}
inline Error stalled_error() {
    return Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent,
                     "the server made no progress within attempt_timeout; the connection was closed");
}
inline Error queue_full_error() {
    return Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire,
                     "the wire's queue is full (max_queued_commands or max_queued_bytes)");
}
inline Error wire_closed_error() {
    return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::queued, "the connection was closed");
}

}  // namespace redoubt::connection
