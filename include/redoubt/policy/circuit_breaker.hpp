// policy: the circuit breaker, a pure machine that is told the time. Lock-free: any thread may call it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/config.hpp>

namespace redoubt {

/// `forced_open` and `disabled` are set by hand and are left by hand only.
enum class CircuitState : std::uint8_t { closed, open, half_open, forced_open, disabled };
inline constexpr std::size_t circuit_states = 5;
/// `closed`, `open`, `half_open`: the original's words; `forced_open`, `disabled`.
std::string_view to_string(CircuitState state) noexcept;
/// Calls are admitted without a half-open permit, and connections are made.
constexpr bool lets_calls_pass(CircuitState state) noexcept {
    return state == CircuitState::closed || state == CircuitState::disabled;
}

/// What opens a breaker; see CircuitBreakerConfig.
enum class CircuitBreakerMode : std::uint8_t { consecutive, failure_rate, slow_calls, failure_rate_and_slow_calls };
/// `consecutive`, `failure_rate`, `slow_calls`, `failure_rate_and_slow_calls`.
std::string_view to_string(CircuitBreakerMode mode) noexcept;
CircuitBreakerMode mode_of(const CircuitBreakerConfig& config) noexcept;

/// Counters of a breaker since it was made.
struct CircuitBreakerMetrics {
    std::uint64_t total_calls = 0;  ///< admitted calls whose end was recorded
    std::uint64_t successful_calls = 0;
    std::uint64_t failed_calls = 0;
    std::uint64_t rejected_calls = 0;  ///< not admitted
    std::uint64_t slow_calls = 0;      ///< of `total_calls`; counted where slow calls can open the breaker
    std::uint64_t circuit_opens = 0;   ///< transitions into OPEN or FORCED_OPEN from any other state
    std::uint32_t consecutive_failures = 0;
    // What the sliding window holds; nothing in consecutive mode and outside CLOSED.
    std::uint32_t window_calls = 0;
    std::uint32_t window_failures = 0;
    std::uint32_t window_slow_calls = 0;
    Duration time_in_state{};                           ///< since it came to the state in which it is
    std::array<Duration, circuit_states> time_spent{};  ///< in each state, all in all
    /// successful / total; 1 when there was no call yet.
    double success_rate() const noexcept;
    Duration time_in(CircuitState state) const noexcept { return time_spent[static_cast<std::size_t>(state)]; }
};

namespace policy {
class SlidingWindow;
}

/// CLOSED, OPEN, HALF_OPEN. Results carry the generation in which they were admitted; a result of an
/// earlier state is ignored. Many commands lost with one wire are recorded once, by whoever owns the wire.
///
/// What opens it, by configuration: failures in a row (the default), or the share of failed or slow calls in a sliding
/// window. The first is lock-free throughout; a window costs each call's end a short lock. Admission is lock-free in all.
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

    RedisCircuitBreaker(const CircuitBreakerConfig& config, TimePoint now);
    ~RedisCircuitBreaker();
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
    /// `took`: how long the call lasted, where `measures_calls`. A success that was slow can open it, too.
    Change record_success(const Admission& admission, TimePoint now, Duration took = Duration::zero()) noexcept;
    /// The same where it changes nothing but a counter: in CLOSED, in the generation that admitted the call, with no
    /// failure to forget. False otherwise, and nothing was done; so it is always with a sliding window.
    bool count_success(std::uint32_t generation) noexcept {
        const std::uint64_t bits = word_.load(std::memory_order_acquire);
        if (bits != std::uint64_t{generation} << generation_shift) [[unlikely]]
            return false;
        count_one(&Stripe::successes);
        return true;
    }
    Change record_failure(const Admission& admission, TimePoint now, Duration took = Duration::zero()) noexcept;
    /// The call ended without telling anything of the node (cancelled, the caller's own deadline).
    void release(const Admission& admission) noexcept;

    /// FORCED_OPEN: refuses every call and every probe until `reset`, `disable` or the end of the service. Unlike OPEN it
    /// does not recover by itself: whoever takes a node out of service wants it to stay out.
    Change force_open(TimePoint now) noexcept;
    /// DISABLED: admits every call, whatever fails, until `enable` or `reset`. Calls are still counted.
    Change disable(TimePoint now) noexcept;
    Change enable(TimePoint now) noexcept;  ///< DISABLED to CLOSED; nothing in any other state
    Change reset(TimePoint now) noexcept;   ///< any state to CLOSED, failures and window forgotten, counters kept

    CircuitBreakerMode mode() const noexcept { return mode_; }
    /// How long calls take matters.
    bool measures_calls() const noexcept { return slow_rate_ > 0; }
    CircuitState state() const noexcept;
    /// When OPEN ends; meaningful in OPEN only.
    TimePoint half_open_at() const noexcept;
    CircuitBreakerMetrics metrics(TimePoint now) const noexcept;

private:
    /// State, generation and counts in one word, so that each transition is one compare-and-swap and each
    /// check in CLOSED one load. From the top: state 3 bits, generation 31, permits 10, count 20. `permits` are
    /// the probes in flight; `count` is the successes in HALF_OPEN, and else the failures in a row. With a window, which
    /// knows better, CLOSED has `window_mark` there, which sends each call's end past `count_success`.
    static constexpr unsigned generation_shift = 30;
    static constexpr unsigned state_shift = 61;
    static constexpr std::uint32_t window_mark = 1;
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
        std::atomic<std::uint64_t> slow{0};
    };
    static constexpr std::uint64_t owned_stripes = 8;
    static constexpr std::uint64_t shared_stripes = 8;

    static std::uint64_t pack(const Word& word) noexcept;
    static Word unpack(std::uint64_t bits) noexcept;

    static Word next_word(const Word& word, CircuitState state, std::uint32_t count = 0) noexcept;
    Word closed_after(const Word& word) const noexcept;
    bool is_slow(Duration took) const noexcept { return slow_rate_ > 0 && took > slow_duration_; }

    /// `admit_if_closed` in any state but CLOSED.
    Admission refuse_beyond_closed(std::uint64_t bits, TimePoint now) noexcept;
    /// `admit` in any state but CLOSED.
    Admission admit_beyond_closed(std::uint64_t bits, TimePoint now) noexcept;
    Admission reject(Duration retry_after) noexcept;
    /// Tries to replace `bits` by `next` in another state or generation; on failure `bits` is what is there.
    bool move_to(std::uint64_t& bits, const Word& next, TimePoint now) noexcept;
    Change go(CircuitState state, TimePoint now) noexcept;
    Change record_in_window(std::uint64_t bits, bool failed, bool slow, TimePoint now) noexcept;
    void count_call(bool failed, bool slow) noexcept;
    /// Lets no OPEN that starts at `now` or later end before its time.
    void postpone_half_open(TimePoint now) noexcept;
    void count_one(std::atomic<std::uint64_t> Stripe::*counter) noexcept;

    alignas(64) std::atomic<std::uint64_t> word_;
    /// When OPEN ends. Only ever moves forward, and moves before the word says OPEN: whoever sees OPEN sees a
    /// time that belongs to it or to a later one.
    std::atomic<Duration::rep> half_open_at_;
    std::atomic<Duration::rep> in_state_since_;
    std::atomic<std::uint64_t> opens_{0};
    /// For each state the times at which it was left less those at which it was entered, since `origin_`: sums, so that
    /// threads may add theirs in any order. They are whole while no transition is under way.
    std::array<std::atomic<Duration::rep>, circuit_states> spent_{};
    std::atomic<std::uint64_t> moves_begun_{0};
    std::atomic<std::uint64_t> moves_ended_{0};
    TimePoint origin_;
    Duration recovery_timeout_;
    Duration slow_duration_;
    double failure_rate_;
    double slow_rate_;
    std::uint32_t failure_threshold_;
    std::uint32_t success_threshold_;
    std::uint32_t half_open_permits_;
    std::uint32_t minimum_calls_;
    CircuitBreakerMode mode_;
    std::unique_ptr<policy::SlidingWindow> window_;  // null in consecutive mode
    std::array<Stripe, owned_stripes + shared_stripes> stripes_;
};

}  // namespace redoubt
