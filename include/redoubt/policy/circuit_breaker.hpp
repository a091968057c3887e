// policy: the circuit breaker, a pure machine that is told the time. Lock-free: any thread may call it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/config.hpp>

namespace redoubt {

enum class CircuitState : std::uint8_t { closed, open, half_open };
/// `closed`, `open`, `half_open`: the original's words.
std::string_view to_string(CircuitState state) noexcept;

/// Counters of a breaker since it was made.
struct CircuitBreakerMetrics {
    std::uint64_t total_calls = 0;       ///< admitted calls whose end was recorded
    std::uint64_t successful_calls = 0;
    std::uint64_t failed_calls = 0;
    std::uint64_t rejected_calls = 0;    ///< not admitted
    std::uint64_t circuit_opens = 0;     ///< transitions into OPEN
    std::uint32_t consecutive_failures = 0;
    Duration time_in_state{};
    /// successful / total; 1 when there was no call yet.
    double success_rate() const noexcept;
};

/// CLOSED, OPEN, HALF_OPEN. Results carry the generation in which they were admitted; a result of an
/// earlier state is ignored. Many commands lost with one wire are recorded once, by whoever owns the wire.
class RedisCircuitBreaker {
public:
    /// The right to make one call. Must end in exactly one of `record_success`, `record_failure` or
    /// `release`; a half-open permit that is not ended blocks recovery.
    struct Admission {
        bool admitted = false;
        bool probe = false;             ///< holds a half-open permit
        std::uint32_t generation = 0;
        Duration retry_after{};         ///< when refused: time until HALF_OPEN; 0 while half-open
        explicit operator bool() const noexcept { return admitted; }
    };

    RedisCircuitBreaker(const CircuitBreakerConfig& config, TimePoint now) noexcept;
    RedisCircuitBreaker(const RedisCircuitBreaker&) = delete;
    RedisCircuitBreaker& operator=(const RedisCircuitBreaker&) = delete;

    /// A call asks to pass. CLOSED: yes. OPEN before its time: no. Past it, or in HALF_OPEN: yes while
    /// permits are left. One atomic load in CLOSED.
    Admission admit(TimePoint now) noexcept;
    /// As `admit`, but only in CLOSED: for callers that must not be spent as probes.
    Admission admit_if_closed(TimePoint now) noexcept;

    /// Each returns the state it led to when it changed it, so that the owner can tell its listeners.
    struct Change {
        bool changed = false;
        CircuitState from = CircuitState::closed;
        CircuitState to = CircuitState::closed;
        explicit operator bool() const noexcept { return changed; }
    };
    Change record_success(const Admission& admission, TimePoint now) noexcept;
    Change record_failure(const Admission& admission, TimePoint now) noexcept;
    /// The call ended without telling anything of the node (cancelled, the caller's own deadline).
    void release(const Admission& admission) noexcept;

    Change force_open(TimePoint now) noexcept;  ///< opens; recovers by itself as from any OPEN
    Change reset(TimePoint now) noexcept;       ///< CLOSED, failures forgotten, counters kept

    CircuitState state() const noexcept;
    /// When OPEN ends; meaningful in OPEN only.
    TimePoint half_open_at() const noexcept;
    CircuitBreakerMetrics metrics(TimePoint now) const noexcept;

private:
    // The helper that implements the machine owns this section.
};

}  // namespace redoubt
