// policy: who is told when a breaker changes its state.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

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

/// A listener is told for as long as this lives. Movable; distinct objects may be used from distinct threads.
class CircuitSubscription {
public:
    CircuitSubscription() = default;
    ~CircuitSubscription() { end(); }
    CircuitSubscription(CircuitSubscription&& other) noexcept = default;
    CircuitSubscription& operator=(CircuitSubscription&& other) noexcept;

    /// Once it returns the listener is not called any more: a call of it that is under way on another thread is waited
    /// for. May be called by the listener itself, or by another one of the same breaker; then it does not wait.
    void end() noexcept;

private:
    friend class CircuitListeners;
    struct Entry;
    struct Registry;
    CircuitSubscription(std::weak_ptr<Registry> registry, std::shared_ptr<Entry> entry) noexcept;

    std::weak_ptr<Registry> registry_;
    std::shared_ptr<Entry> entry_;
};

/// Of one breaker. Thread-safe.
class CircuitListeners {
public:
    CircuitListeners();
    [[nodiscard]] CircuitSubscription add(CircuitListener listener);
    /// Tells each; `failed` gets the texts of what they throw.
    void tell(const CircuitStateChange& change, const std::function<void(std::string_view what)>& failed) const;

private:
    std::shared_ptr<CircuitSubscription::Registry> registry_;
};

}  // namespace redoubt
