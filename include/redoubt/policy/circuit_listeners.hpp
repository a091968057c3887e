// policy: who is told when a breaker changes its state.
#pragma once

#include <functional>
#include <string_view>

#include <redoubt/base/listeners.hpp>
#include <redoubt/policy/circuit_breaker.hpp>

namespace redoubt {

struct CircuitStateChange {
    std::string_view endpoint;  ///< of the breaker's node; valid during the call
    CircuitState from = CircuitState::closed;
    CircuitState to = CircuitState::closed;
};

/// Called from whichever thread changed the state, a caller's or an I/O thread, after the change and under no lock that a
/// call has to take. So it should be quick, and must not block on an I/O thread. It must not throw; what it throws is
/// logged and goes no further. One thread tells at a time, all changes in the order in which they came to it: also those
/// that another thread, or a listener, made meanwhile. The breaker's `state` is what holds.
using CircuitListener = std::function<void(const CircuitStateChange&)>;

/// A listener is told for as long as this lives.
using CircuitSubscription = ListenerHandle;
/// Of one breaker. Thread-safe.
using CircuitListeners = Listeners<CircuitStateChange>;

}  // namespace redoubt
