// dispatch: what all calls of a service have in common.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>

#include "base/telemetry_list.hpp"
#include "policy/retry.hpp"

namespace redoubt::dispatch {

/// From the configuration; a call's options are merged over it.
struct CallSettings {
    Duration operation_timeout{};
    Duration attempt_timeout{};
    policy::RetrySettings retry;
    std::uint32_t database = 0;  ///< at the server; for telemetries
    std::shared_ptr<base::TelemetryList> telemetry = no_telemetry();

    static const std::shared_ptr<base::TelemetryList>& no_telemetry();
};

/// How long one attempt may last when the server may hold it for `block_time` before it answers.
inline Duration attempt_time(const CallSettings& settings, Duration block_time) noexcept {
    constexpr Duration longest = std::chrono::hours(24 * 365);  // far from the clock's overflow
    return std::min(block_time, longest) + settings.attempt_timeout;
}
/// How long a whole call may last whose caller does not say: one that blocks is as long as its one attempt.
inline Duration call_time(const CallSettings& settings, Duration block_time) noexcept {
    return block_time == Duration::zero() ? settings.operation_timeout : attempt_time(settings, block_time);
}
/// The same of a call that lasts `longer` for something else than its commands.
inline Duration call_time(const CallSettings& settings, Duration block_time, Duration longer) noexcept {
    return call_time(settings, block_time) + longer;
}
inline Error service_closed_error() {
    return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::admission, "the service is closed");
}
inline Error endless_wait_error() {
    return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                     "a wait of 0 is for ever: give the call a deadline (with({.deadline = ...})) or, async, a "
                     "cancellation slot");
}

}  // namespace redoubt::dispatch
