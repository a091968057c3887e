// service: a node's circuit breaker by hand; see the header.
#include <redoubt/service/circuit_breaker_handle.hpp>

#include <utility>

#include "pool/node.hpp"

namespace redoubt {

CircuitBreakerHandle::CircuitBreakerHandle(std::shared_ptr<pool::Node> node) noexcept : node_(std::move(node)) {}

const std::string& CircuitBreakerHandle::endpoint() const noexcept { return node_->endpoint(); }
CircuitState CircuitBreakerHandle::state() const noexcept { return node_->breaker().state(); }
CircuitBreakerMode CircuitBreakerHandle::mode() const noexcept { return node_->breaker().mode(); }
CircuitBreakerMetrics CircuitBreakerHandle::metrics() const noexcept { return node_->breaker().metrics(Clock::now()); }

void CircuitBreakerHandle::force_open() { node_->force_open(Clock::now()); }
void CircuitBreakerHandle::disable() { node_->disable(Clock::now()); }
void CircuitBreakerHandle::enable() { node_->enable(Clock::now()); }
void CircuitBreakerHandle::reset() { node_->reset(Clock::now()); }

CircuitSubscription CircuitBreakerHandle::on_state_change(CircuitListener listener) {
    return node_->listeners().add(std::move(listener));
}

}  // namespace redoubt
