// base: the interface through which the rooms tell what happens; service listens and logs, otel will too.
#pragma once

#include <string_view>

#include <redoubt/base/error.hpp>

namespace redoubt {

/// Called from whichever thread it happens on, so implementations are thread-safe, quick, and never throw.
/// Nothing here is on the path of a call that succeeds. Default: nothing is done.
class Telemetry {
public:
    virtual ~Telemetry() = default;
    /// A node's breaker changed its state: `closed`, `open`, `half_open`, `forced_open`, `disabled`.
    virtual void breaker_changed(std::string_view /*endpoint*/, std::string_view /*from*/,
                                 std::string_view /*to*/) noexcept {}
    /// A connection could not be made, or broke.
    virtual void connection_failed(const Error& /*error*/) noexcept {}
    /// A listener for state changes of a breaker threw, which it must not; with what it threw.
    virtual void listener_failed(std::string_view /*endpoint*/, std::string_view /*what*/) noexcept {}
};

}  // namespace redoubt
