// policy: the circuit breaker, a pure machine that is told the time. Lock-free: any thread may call it.
#include <redoubt/policy/circuit_breaker.hpp>

#include <algorithm>

namespace redoubt {

namespace {

constexpr unsigned count_bits = 20;
constexpr unsigned permit_bits = 10;
constexpr unsigned generation_bits = 32;
constexpr unsigned top = count_bits + permit_bits + generation_bits;
constexpr std::uint64_t one_permit = std::uint64_t{1} << count_bits;

constexpr std::uint64_t mask(unsigned bits) noexcept { return (std::uint64_t{1} << bits) - 1; }

constexpr CircuitState state_of(std::uint64_t bits) noexcept { return static_cast<CircuitState>(bits >> top); }
constexpr std::uint32_t generation_of(std::uint64_t bits) noexcept {
    return static_cast<std::uint32_t>((bits >> (count_bits + permit_bits)) & mask(generation_bits));
}
constexpr std::uint64_t count_of(std::uint64_t bits) noexcept { return bits & mask(count_bits); }

/// `atomic = max(atomic, value)`.
void raise_to(std::atomic<Duration::rep>& atomic, Duration::rep value) noexcept {
    auto seen = atomic.load(std::memory_order_relaxed);
    while (seen < value && !atomic.compare_exchange_weak(seen, value, std::memory_order_release)) {}
}

Duration::rep ticks(TimePoint time) noexcept { return time.time_since_epoch().count(); }

}  // namespace

std::string_view to_string(CircuitState state) noexcept {
    switch (state) {
        case CircuitState::closed: return "closed";
        case CircuitState::open: return "open";
        case CircuitState::half_open: return "half_open";
    }
    return "invalid";
}

double CircuitBreakerMetrics::success_rate() const noexcept {
    return total_calls == 0 ? 1.0 : static_cast<double>(successful_calls) / static_cast<double>(total_calls);
}

// The header's inline `admit` reads the same layout.
std::uint64_t RedisCircuitBreaker::pack(const Word& word) noexcept {
    static_assert(state_shift == top);
    static_assert(generation_shift == count_bits + permit_bits);
    static_assert(CircuitState::closed == CircuitState{});
    return std::uint64_t{static_cast<std::uint8_t>(word.state)} << state_shift |
           std::uint64_t{word.generation} << (count_bits + permit_bits) | std::uint64_t{word.permits} << count_bits |
           word.count;
}

RedisCircuitBreaker::Word RedisCircuitBreaker::unpack(std::uint64_t bits) noexcept {
    return {state_of(bits), generation_of(bits), static_cast<std::uint32_t>(bits >> count_bits & mask(permit_bits)),
            static_cast<std::uint32_t>(count_of(bits))};
}

// The configuration was checked by whoever read it. The bounds here are those of the word and of the clock,
// so that nothing can overflow whatever is passed.
RedisCircuitBreaker::RedisCircuitBreaker(const CircuitBreakerConfig& config, TimePoint now) noexcept
    : word_(pack({})),
      half_open_at_(Duration::min().count()),
      in_state_since_(ticks(now)),
      recovery_timeout_(std::clamp(config.recovery_timeout, Duration{1}, Duration{24h * 365})),
      failure_threshold_(std::clamp(config.failure_threshold, 1u, 1'000'000u)),
      success_threshold_(std::clamp(config.success_threshold, 1u, 1'000'000u)),
      half_open_permits_(std::clamp(config.half_open_permits, 1u, 1'000u)) {}

void RedisCircuitBreaker::count_one(std::atomic<std::uint64_t> Stripe::*counter) noexcept {
    // One number a thread for all breakers, from 1 and never given twice: 0 says that it has none yet.
    static std::atomic<std::uint64_t> last_thread{0};
    thread_local constinit std::uint64_t thread = 0;
    if (thread == 0) thread = last_thread.fetch_add(1, std::memory_order_relaxed) + 1;
    if (thread <= owned_stripes) {
        auto& value = stripes_[thread - 1].*counter;
        value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    } else {
        (stripes_[owned_stripes + thread % shared_stripes].*counter).fetch_add(1, std::memory_order_relaxed);
    }
}

RedisCircuitBreaker::Admission RedisCircuitBreaker::reject(Duration retry_after) noexcept {
    count_one(&Stripe::rejections);
    Admission refusal;
    refusal.retry_after = retry_after;
    return refusal;
}

void RedisCircuitBreaker::postpone_half_open(TimePoint now) noexcept {
    raise_to(half_open_at_, ticks(now + recovery_timeout_));
}

bool RedisCircuitBreaker::move_to(std::uint64_t& bits, const Word& next, TimePoint now) noexcept {
    const bool opens = next.state == CircuitState::open;
    if (opens) postpone_half_open(now);
    const CircuitState from = state_of(bits);
    if (!word_.compare_exchange_weak(bits, pack(next), std::memory_order_acq_rel, std::memory_order_acquire))
        return false;
    if (opens && from != CircuitState::open) opens_.fetch_add(1, std::memory_order_relaxed);
    if (from != next.state) raise_to(in_state_since_, ticks(now));
    return true;
}

RedisCircuitBreaker::Admission RedisCircuitBreaker::admit_beyond_closed(std::uint64_t bits, TimePoint now) noexcept {
    for (;;) {
        Word word = unpack(bits);
        switch (word.state) {
            case CircuitState::closed: return {true, false, word.generation, {}, false};
            case CircuitState::open: {
                const TimePoint ends = half_open_at();
                if (now < ends) return reject(ends - now);
                word = {CircuitState::half_open, word.generation + 1, 1, 0};
                if (move_to(bits, word, now)) return {true, true, word.generation, {}, true};
                break;
            }
            case CircuitState::half_open:
                if (word.permits >= half_open_permits_) return reject({});
                if (word_.compare_exchange_weak(bits, bits + one_permit, std::memory_order_acq_rel,
                                                std::memory_order_acquire))
                    return {true, true, word.generation, {}, false};
                break;
        }
    }
}

RedisCircuitBreaker::Admission RedisCircuitBreaker::refuse_beyond_closed(std::uint64_t bits, TimePoint now) noexcept {
    if (state_of(bits) == CircuitState::open) return reject(std::max(half_open_at() - now, Duration::zero()));
    return reject({});
}

RedisCircuitBreaker::Change RedisCircuitBreaker::record_success(const Admission& admission, TimePoint now) noexcept {
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    for (;;) {
        if (!admission.admitted || generation_of(bits) != admission.generation) return {};
        if (state_of(bits) == CircuitState::closed) {
            // The hot path ends here: with no failure to forget, the word is not written.
            if (count_of(bits) == 0 ||
                word_.compare_exchange_weak(bits, bits - count_of(bits), std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
                count_one(&Stripe::successes);
                return {};
            }
            continue;
        }
        Word word = unpack(bits);
        // An OPEN generation admits nobody, and a permit is there unless one was ended twice.
        if (word.state != CircuitState::half_open || word.permits == 0) return {};
        if (word.count + 1 >= success_threshold_) {
            if (!move_to(bits, {CircuitState::closed, word.generation + 1, 0, 0}, now)) continue;
            count_one(&Stripe::successes);
            return {true, CircuitState::half_open, CircuitState::closed};
        }
        if (word_.compare_exchange_weak(bits, bits - one_permit + 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
            count_one(&Stripe::successes);
            return {};
        }
    }
}

RedisCircuitBreaker::Change RedisCircuitBreaker::record_failure(const Admission& admission, TimePoint now) noexcept {
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    for (;;) {
        if (!admission.admitted || generation_of(bits) != admission.generation) return {};
        const Word word = unpack(bits);
        if (word.state == CircuitState::open) return {};
        if (word.state == CircuitState::half_open && word.permits == 0) return {};
        const std::uint32_t failures = word.state == CircuitState::closed ? word.count + 1 : 1;
        if (word.state == CircuitState::half_open || failures >= failure_threshold_) {
            if (!move_to(bits, {CircuitState::open, word.generation + 1, 0, failures}, now)) continue;
            count_one(&Stripe::failures);
            return {true, word.state, CircuitState::open};
        }
        if (word_.compare_exchange_weak(bits, bits + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
            count_one(&Stripe::failures);
            return {};
        }
    }
}

void RedisCircuitBreaker::release(const Admission& admission) noexcept {
    if (!admission.probe) return;
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    for (;;) {
        const Word word = unpack(bits);
        // A permit of an earlier HALF_OPEN went with it.
        if (word.state != CircuitState::half_open || word.generation != admission.generation || word.permits == 0)
            return;
        if (word_.compare_exchange_weak(bits, bits - one_permit, std::memory_order_acq_rel, std::memory_order_acquire))
            return;
    }
}

RedisCircuitBreaker::Change RedisCircuitBreaker::force_open(TimePoint now) noexcept {
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    for (;;) {
        const Word word = unpack(bits);
        // A new generation even from OPEN: a caller that has read the old time must not begin HALF_OPEN with it.
        const std::uint32_t failures = word.state == CircuitState::half_open ? 0 : word.count;
        if (!move_to(bits, {CircuitState::open, word.generation + 1, 0, failures}, now)) continue;
        return {word.state != CircuitState::open, word.state, CircuitState::open};
    }
}

RedisCircuitBreaker::Change RedisCircuitBreaker::reset(TimePoint now) noexcept {
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    for (;;) {
        const Word word = unpack(bits);
        if (!move_to(bits, {CircuitState::closed, word.generation + 1, 0, 0}, now)) continue;
        return {word.state != CircuitState::closed, word.state, CircuitState::closed};
    }
}

CircuitState RedisCircuitBreaker::state() const noexcept { return state_of(word_.load(std::memory_order_acquire)); }

TimePoint RedisCircuitBreaker::half_open_at() const noexcept {
    return TimePoint{Duration{half_open_at_.load(std::memory_order_acquire)}};
}

CircuitBreakerMetrics RedisCircuitBreaker::metrics(TimePoint now) const noexcept {
    CircuitBreakerMetrics sum;
    for (const Stripe& stripe : stripes_) {
        sum.successful_calls += stripe.successes.load(std::memory_order_relaxed);
        sum.failed_calls += stripe.failures.load(std::memory_order_relaxed);
        sum.rejected_calls += stripe.rejections.load(std::memory_order_relaxed);
    }
    sum.total_calls = sum.successful_calls + sum.failed_calls;
    sum.circuit_opens = opens_.load(std::memory_order_relaxed);
    const Word word = unpack(word_.load(std::memory_order_acquire));
    if (word.state != CircuitState::half_open) sum.consecutive_failures = word.count;
    const TimePoint since{Duration{in_state_since_.load(std::memory_order_relaxed)}};
    sum.time_in_state = std::max(now - since, Duration::zero());
    return sum;
}

}  // namespace redoubt
