// base: the interface through which the rooms tell what happens; service listens and logs, otel and admin measure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>

namespace redoubt {

/// What surrounds a call at its caller, such as the trace that it belongs to: made by whoever makes the telemetry that
/// understands it (`otel::current_context`), and given to calls as `CallOptions::context`.
class CallContext {
public:
    virtual ~CallContext() = default;
    CallContext(const CallContext&) = delete;
    CallContext& operator=(const CallContext&) = delete;

protected:
    CallContext() = default;
};

/// The commands of a call in words, made when it is asked for.
class CallText {
public:
    /// `SET ? ?`, and several as `GET ?; DEL ? ?`: each name as in the command table, and a `?` for every argument, keys and
    /// options too. What is longer than `most` bytes ends with `...`.
    virtual std::string redacted(std::size_t most) const = 0;

protected:
    ~CallText() = default;
};

/// A call, as its caller made it. The views live as long as the call.
struct CallInfo {
    /// The name in the command table, such as `GET`; of several: `PIPELINE`, `MULTI`. Empty: words that were refused
    /// because they begin with no command of the table.
    std::string_view operation{};
    std::uint32_t commands = 1;     ///< how many it sends together; of a transaction, those between MULTI and EXEC
    std::string_view project_id{};  ///< empty: of no project
    std::string_view each{};        ///< of several: the name that all of them have; empty: they differ
    std::string_view endpoint{};    ///< of the server, as configured: `localhost:5240`, `[::1]:5240`, `/run/redis.sock`
    std::uint32_t database = 0;     ///< its number at the server
    const CallContext* context = nullptr;  ///< the caller's; in `call_started` only
    const CallText* text = nullptr;        ///< in `call_started` only, and null when nothing was encoded
};

/// How a call ended.
struct CallOutcome {
    std::string_view endpoint{};   ///< where its last attempt went; empty: nowhere
    Duration duration{};           ///< from the caller's call to its answer: waiting, every attempt and pause
    std::uint32_t attempts = 0;    ///< 0: it ended before the first
    const Error* error = nullptr;  ///< null: it has its replies
    /// Of several commands that have their replies: the first that was answered with an error, or not read.
    const Error* reply_error = nullptr;
    void* started = nullptr;  ///< what `call_started` returned; null: it was not asked
};

/// Called from whichever thread it happens on, so implementations are thread-safe, quick, and never throw.
/// Default: nothing is done; and nothing here costs a call that succeeds, unless calls are watched.
class Telemetry {
public:
    virtual ~Telemetry() = default;
    /// Whether calls are to be told of. Asked when the service is initialized, and again at each round of its upkeep (every
    /// 30 seconds, or more often), so the answer may change.
    virtual bool watches_calls() const noexcept { return false; }
    /// A call begins: on the thread on which its caller made it, before anything else is done for it. What this returns is
    /// given to `call_retried` and `call_ended`.
    virtual void* call_started(const CallInfo& /*call*/) noexcept { return nullptr; }
    /// An attempt failed, and there will be another after the pause.
    virtual void call_retried(void* /*started*/, const Error& /*error*/, Duration /*pause*/) noexcept {}
    /// Every call of every client ends here exactly once, also those that were refused before anything was sent, were
    /// cancelled, or were lost with their loop; before its caller is told.
    virtual void call_ended(const CallInfo& /*call*/, const CallOutcome& /*outcome*/) noexcept {}
    /// A node's breaker changed its state: `closed`, `open`, `half_open`, `forced_open`, `disabled`.
    virtual void breaker_changed(std::string_view /*endpoint*/, std::string_view /*from*/,
                                 std::string_view /*to*/) noexcept {}
    /// A connection could not be made, or broke.
    virtual void connection_failed(const Error& /*error*/) noexcept {}
    /// A connection was opened, its handshake included. The pool: as get_metrics() names it.
    virtual void connection_opened(std::string_view /*endpoint*/, std::string_view /*pool*/,
                                   Duration /*took*/) noexcept {}
    /// Somebody waited so long for a connection of its own (a blocking command, WATCH, a large call). Ordinary commands
    /// share connections, and neither wait for nor give back one.
    virtual void connection_obtained(std::string_view /*endpoint*/, std::string_view /*pool*/,
                                     Duration /*waited*/) noexcept {}
    /// It was given back, or closed, after so long.
    virtual void connection_returned(std::string_view /*endpoint*/, std::string_view /*pool*/,
                                     Duration /*used*/) noexcept {}
    /// A server's memory crossed a threshold, up or down: `healthy`, `warning`, `critical`. `usage_fraction`: of its limit.
    virtual void memory_alert(std::string_view /*endpoint*/, std::string_view /*from*/, std::string_view /*to*/,
                              double /*usage_fraction*/) noexcept {}
    /// A listener of whatever kind threw, which it must not; with what it threw.
    virtual void listener_failed(std::string_view /*endpoint*/, std::string_view /*what*/) noexcept {}
};

}  // namespace redoubt
