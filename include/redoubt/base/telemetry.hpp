// base: the interface through which the rooms tell what happens; service listens and logs, otel will too.
#pragma once

#include <cstdint>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>

namespace redoubt {

/// A call, as its caller made it. The views live as long as the call.
struct CallInfo {
    std::string_view operation;   ///< the name in the command table, such as `GET`; of several: `PIPELINE`, `MULTI`
    std::uint32_t commands = 1;   ///< how many it sends together
    std::string_view project_id;  ///< empty: of no project
};

/// How a call ended.
struct CallOutcome {
    std::string_view endpoint;     ///< where its last attempt went; empty: nowhere
    Duration duration{};           ///< from the caller's call to its answer: waiting, every attempt and pause
    std::uint32_t attempts = 0;    ///< 0: it ended before the first
    const Error* error = nullptr;  ///< null: it has its replies
};

/// Called from whichever thread it happens on, so implementations are thread-safe, quick, and never throw.
/// Default: nothing is done; and nothing here costs a call that succeeds, unless calls are watched.
class Telemetry {
public:
    virtual ~Telemetry() = default;
    /// Whether `call_ended` is wanted. Asked once, when the telemetry is set.
    virtual bool watches_calls() const noexcept { return false; }
    /// Every call of every client, also those that were refused before anything was sent.
    virtual void call_ended(const CallInfo& /*call*/, const CallOutcome& /*outcome*/) noexcept {}
    /// A node's breaker changed its state: `closed`, `open`, `half_open`, `forced_open`, `disabled`.
    virtual void breaker_changed(std::string_view /*endpoint*/, std::string_view /*from*/,
                                 std::string_view /*to*/) noexcept {}
    /// A connection could not be made, or broke.
    virtual void connection_failed(const Error& /*error*/) noexcept {}
    /// A server's memory crossed a threshold, up or down: `healthy`, `warning`, `critical`. `usage_fraction`: of its limit.
    virtual void memory_alert(std::string_view /*endpoint*/, std::string_view /*from*/, std::string_view /*to*/,
                              double /*usage_fraction*/) noexcept {}
    /// A listener of whatever kind threw, which it must not; with what it threw.
    virtual void listener_failed(std::string_view /*endpoint*/, std::string_view /*what*/) noexcept {}
};

}  // namespace redoubt
