// service: a node's circuit breaker in the hands of the people on call: what it is doing, and how to make it do otherwise.
#pragma once

#include <memory>
#include <string>

#include <redoubt/policy/circuit_breaker.hpp>
#include <redoubt/policy/circuit_listeners.hpp>

namespace redoubt {

namespace pool {
class Node;
}

/// Copyable, thread-safe; may outlive the service, and then changes nothing any more. After `close` and `initialize` the
/// service has a new breaker: ask it again. What is set by hand lasts as long as the service does.
class CircuitBreakerHandle {
public:
    explicit CircuitBreakerHandle(std::shared_ptr<pool::Node> node) noexcept;

    const std::string& endpoint() const noexcept;  ///< `host:port` or a path
    CircuitState state() const noexcept;
    CircuitBreakerMode mode() const noexcept;
    CircuitBreakerMetrics metrics() const noexcept;

    /// Takes the node out of service: every call fails at once with RedisCircuitBreakerOpenException (`retry_after()` is 0,
    /// because nobody can say), and nothing connects to it, not even a probe, until `reset` or `disable`. It does not come
    /// back by itself. What is in flight ends as it would.
    void force_open();
    /// Lets every call through, whatever fails; calls are still counted. Ended by `enable` or `reset`.
    void disable();
    void enable();  ///< ends `disable`: CLOSED; does nothing in any other state
    void reset();   ///< CLOSED, from any state, failures and window forgotten; counters go on

    /// Told of every change of state, by whatever it came, from now until the returned object is destroyed.
    [[nodiscard]] CircuitSubscription on_state_change(CircuitListener listener);

private:
    std::shared_ptr<pool::Node> node_;
};

}  // namespace redoubt
