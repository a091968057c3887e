// policy: the circuit breaker, a pure machine that is told the time. Lock-free: any thread may call it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
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
    std::uint64_t total_calls = 0;  ///< admitted calls whose end was recorded
    std::uint64_t successful_calls = 0;
    std::uint64_t failed_calls = 0;
    std::uint64_t rejected_calls = 0;  ///< not admitted
    std::uint64_t circuit_opens = 0;   ///< transitions into OPEN
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
        bool probe = false;  ///< holds a half-open permit
        std::uint32_t generation = 0;
        Duration retry_after{};        ///< when refused: time until HALF_OPEN; 0 while half-open
        bool began_half_open = false;  ///< this call moved OPEN to HALF_OPEN, which no `Change` tells
        explicit operator bool() const noexcept { return admitted; }
    };

    RedisCircuitBreaker(const CircuitBreakerConfig& config, TimePoint now) noexcept;
    RedisCircuitBreaker(const RedisCircuitBreaker&) = delete;
    RedisCircuitBreaker& operator=(const RedisCircuitBreaker&) = delete;

    /// A call asks to pass. CLOSED: yes. OPEN before its time: no. Past it, or in HALF_OPEN: yes while
    /// permits are left. One atomic load in CLOSED.
    Admission admit(TimePoint now) noexcept {
        const std::uint64_t bits = word_.load(std::memory_order_acquire);
        if (bits >> state_shift != 0) [[unlikely]]
            return admit_beyond_closed(bits, now);
        return {true, false, static_cast<std::uint32_t>(bits >> generation_shift), {}, false};
    }
    /// As `admit`, but only in CLOSED: for callers that must not be spent as probes.
    Admission admit_if_closed(TimePoint now) noexcept {
        const std::uint64_t bits = word_.load(std::memory_order_acquire);
        if (bits >> state_shift != 0) [[unlikely]]
            return refuse_beyond_closed(bits, now);
        return {true, false, static_cast<std::uint32_t>(bits >> generation_shift), {}, false};
    }

    /// Each returns the state it led to when it changed it, so that the owner can tell its listeners.
    struct Change {
        bool changed = false;
        CircuitState from = CircuitState::closed;
        CircuitState to = CircuitState::closed;
        explicit operator bool() const noexcept { return changed; }
    };
    Change record_success(const Admission& admission, TimePoint now) noexcept;
    /// The same where it changes nothing but a counter: in CLOSED, in the generation that admitted the call, with no
    /// failure to forget. False otherwise, and nothing was done.
    bool count_success(std::uint32_t generation) noexcept {
        const std::uint64_t bits = word_.load(std::memory_order_acquire);
        if (bits != std::uint64_t{generation} << generation_shift) [[unlikely]]
            return false;
        count_one(&Stripe::successes);
        return true;
    }
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
    /// State, generation and counts in one word, so that each transition is one compare-and-swap and each
    /// check in CLOSED one load. From the top: state 2 bits, generation 32, permits 10, count 20. `permits` are
    /// the probes in flight; `count` is the successes in HALF_OPEN, and else the failures in a row.
    static constexpr unsigned generation_shift = 30;
    static constexpr unsigned state_shift = 62;
    struct Word {
        CircuitState state = CircuitState::closed;
        std::uint32_t generation = 0;
        std::uint32_t permits = 0;
        std::uint32_t count = 0;
    };
    /// Counters of calls are spread over cache lines, because many threads end calls at once. Each of the
    /// first threads of the process owns one and counts in it without a locked instruction; the others share
    /// the rest.
    struct alignas(64) Stripe {
        std::atomic<std::uint64_t> successes{0};
        std::atomic<std::uint64_t> failures{0};
        std::atomic<std::uint64_t> rejections{0};
    };
    static constexpr std::uint64_t owned_stripes = 8;
    static constexpr std::uint64_t shared_stripes = 8;

    static std::uint64_t pack(const Word& word) noexcept;
    static Word unpack(std::uint64_t bits) noexcept;

    /// `admit_if_closed` in any state but CLOSED.
    Admission refuse_beyond_closed(std::uint64_t bits, TimePoint now) noexcept;
    /// `admit` in any state but CLOSED.
    Admission admit_beyond_closed(std::uint64_t bits, TimePoint now) noexcept;
    Admission reject(Duration retry_after) noexcept;
    /// Tries to replace `bits` by `next` in another state or generation; on failure `bits` is what is there.
    bool move_to(std::uint64_t& bits, const Word& next, TimePoint now) noexcept;
    /// Lets no OPEN that starts at `now` or later end before its time.
    void postpone_half_open(TimePoint now) noexcept;
    void count_one(std::atomic<std::uint64_t> Stripe::*counter) noexcept;

    alignas(64) std::atomic<std::uint64_t> word_;
    /// When OPEN ends. Only ever moves forward, and moves before the word says OPEN: whoever sees OPEN sees a
    /// time that belongs to it or to a later one.
    std::atomic<Duration::rep> half_open_at_;
    std::atomic<Duration::rep> in_state_since_;
    std::atomic<std::uint64_t> opens_{0};
    Duration recovery_timeout_;
    std::uint32_t failure_threshold_;
    std::uint32_t success_threshold_;
    std::uint32_t half_open_permits_;
    std::array<Stripe, owned_stripes + shared_stripes> stripes_;
};

}  // namespace redoubt
