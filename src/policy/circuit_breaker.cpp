// policy: the circuit breaker, a pure machine that is told the time. Lock-free: any thread may call it.
#include <redoubt/policy/circuit_breaker.hpp>

#include <algorithm>

#include "policy/sliding_window.hpp"

namespace redoubt {

namespace {

constexpr unsigned count_bits = 20;
constexpr unsigned permit_bits = 10;
constexpr unsigned generation_bits = 31;
constexpr unsigned top = count_bits + permit_bits + generation_bits;
constexpr std::uint64_t one_permit = std::uint64_t{1} << count_bits;

constexpr std::uint64_t mask(unsigned bits) noexcept { return (std::uint64_t{1} << bits) - 1; }

constexpr CircuitState state_of(std::uint64_t bits) noexcept { return static_cast<CircuitState>(bits >> top); }
constexpr std::uint32_t generation_of(std::uint64_t bits) noexcept {
    return static_cast<std::uint32_t>((bits >> (count_bits + permit_bits)) & mask(generation_bits));
}
constexpr std::uint64_t count_of(std::uint64_t bits) noexcept { return bits & mask(count_bits); }

constexpr bool is_open(CircuitState state) noexcept {
    return state == CircuitState::open || state == CircuitState::forced_open;
}
constexpr std::size_t index_of(CircuitState state) noexcept { return static_cast<std::size_t>(state); }

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
        case CircuitState::forced_open: return "forced_open";
        case CircuitState::disabled: return "disabled";
    }
    return "invalid";
}

std::string_view to_string(CircuitBreakerMode mode) noexcept {
    switch (mode) {
        case CircuitBreakerMode::consecutive: return "consecutive";
        case CircuitBreakerMode::failure_rate: return "failure_rate";
        case CircuitBreakerMode::slow_calls: return "slow_calls";
        case CircuitBreakerMode::failure_rate_and_slow_calls: return "failure_rate_and_slow_calls";
    }
    return "invalid";
}

CircuitBreakerMode mode_of(const CircuitBreakerConfig& config) noexcept {
    const bool failures = config.failure_rate_threshold > 0;
    const bool slow = config.slow_call_rate_threshold > 0;
    if (failures) return slow ? CircuitBreakerMode::failure_rate_and_slow_calls : CircuitBreakerMode::failure_rate;
    return slow ? CircuitBreakerMode::slow_calls : CircuitBreakerMode::consecutive;
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

RedisCircuitBreaker::Word RedisCircuitBreaker::next_word(const Word& word, CircuitState state,
                                                         std::uint32_t count) noexcept {
    return {state, static_cast<std::uint32_t>((word.generation + 1) & mask(generation_bits)), 0, count};
}

RedisCircuitBreaker::Word RedisCircuitBreaker::closed_after(const Word& word) const noexcept {
    return next_word(word, CircuitState::closed, window_ ? window_mark : 0);
}

// The configuration was checked by whoever read it. The bounds here are those of the word and of the clock,
// so that nothing can overflow whatever is passed.
RedisCircuitBreaker::RedisCircuitBreaker(const CircuitBreakerConfig& config, TimePoint now)
    : half_open_at_(Duration::min().count()),
      in_state_since_(ticks(now)),
      origin_(now),
      recovery_timeout_(std::clamp(config.recovery_timeout, Duration{1}, Duration{24h * 365})),
      slow_duration_(config.slow_call_duration),
      failure_rate_(config.failure_rate_threshold),
      slow_rate_(config.slow_call_rate_threshold),
      failure_threshold_(std::clamp(config.failure_threshold, 1u, 1'000'000u)),
      success_threshold_(std::clamp(config.success_threshold, 1u, 1'000'000u)),
      half_open_permits_(std::clamp(config.half_open_permits, 1u, 1'000u)),
      minimum_calls_(std::max(config.minimum_calls, 1u)),
      mode_(mode_of(config)) {
    if (mode_ != CircuitBreakerMode::consecutive) {
        window_ = std::make_unique<policy::SlidingWindow>(config.window_calls, config.window_time, now);
        // A window by number never holds more.
        if (config.window_time <= Duration::zero())
            minimum_calls_ = std::min(minimum_calls_, std::max(config.window_calls, 1u));
    }
    word_.store(pack({CircuitState::closed, 0, 0, window_ ? window_mark : 0}), std::memory_order_relaxed);
}

RedisCircuitBreaker::~RedisCircuitBreaker() = default;

void RedisCircuitBreaker::count_one(std::atomic<std::uint64_t> Stripe::*counter) noexcept {
    // One number a thread for all breakers, from 1 and never given twice: 0 says that it has none yet. Of the initial
    // model, so that reaching it is no call in a shared library either.
    [[gnu::tls_model("initial-exec")]] thread_local constinit std::uint64_t thread = 0;
    if (thread == 0) [[unlikely]] {
        static std::atomic<std::uint64_t> last_thread{0};
        thread = last_thread.fetch_add(1, std::memory_order_relaxed) + 1;
    }
    if (thread <= owned_stripes) {
        auto& value = stripes_[thread - 1].*counter;
        value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    } else {
        (stripes_[owned_stripes + thread % shared_stripes].*counter).fetch_add(1, std::memory_order_relaxed);
    }
}

void RedisCircuitBreaker::count_call(bool failed, bool slow) noexcept {
    count_one(failed ? &Stripe::failures : &Stripe::successes);
    if (slow) count_one(&Stripe::slow);
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
    if (next.state == CircuitState::open) postpone_half_open(now);
    const CircuitState from = state_of(bits);
    moves_begun_.fetch_add(1);
    const bool moved =
        word_.compare_exchange_weak(bits, pack(next), std::memory_order_acq_rel, std::memory_order_acquire);
    if (moved && from != next.state) {
        if (is_open(next.state) && !is_open(from)) opens_.fetch_add(1, std::memory_order_relaxed);
        raise_to(in_state_since_, ticks(now));
        const Duration::rep at = (now - origin_).count();
        spent_[index_of(from)].fetch_add(at);
        spent_[index_of(next.state)].fetch_sub(at);
    }
    moves_ended_.fetch_add(1);
    return moved;
}

RedisCircuitBreaker::Admission RedisCircuitBreaker::admit_beyond_closed(std::uint64_t bits, TimePoint now) noexcept {
    for (;;) {
        Word word = unpack(bits);
        switch (word.state) {
            case CircuitState::closed: return {true, false, word.generation, {}, false};
            case CircuitState::open: {
                const TimePoint ends = half_open_at();
                if (now < ends) return reject(ends - now);
                word = next_word(word, CircuitState::half_open);
                word.permits = 1;
                if (move_to(bits, word, now)) return {true, true, word.generation, {}, true};
                break;
            }
            case CircuitState::half_open:
                if (word.permits >= half_open_permits_) return reject({});
                if (word_.compare_exchange_weak(bits, bits + one_permit, std::memory_order_acq_rel,
                                                std::memory_order_acquire))
                    return {true, true, word.generation, {}, false};
                break;
            case CircuitState::forced_open: return reject({});
            case CircuitState::disabled: return {true, false, word.generation, {}, false};
        }
    }
}

RedisCircuitBreaker::Admission RedisCircuitBreaker::refuse_beyond_closed(std::uint64_t bits, TimePoint now) noexcept {
    if (state_of(bits) == CircuitState::open) return reject(std::max(half_open_at() - now, Duration::zero()));
    if (state_of(bits) == CircuitState::disabled) return {true, false, generation_of(bits), {}, false};
    return reject({});
}

RedisCircuitBreaker::Change RedisCircuitBreaker::record_success(const Admission& admission, TimePoint now,
                                                                Duration took) noexcept {
    const bool slow = is_slow(took);
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    for (;;) {
        if (!admission.admitted || generation_of(bits) != admission.generation) return {};
        const CircuitState state = state_of(bits);
        if (state == CircuitState::closed) {
            if (window_) return record_in_window(bits, false, slow, now);
            // The hot path ends here: with no failure to forget, the word is not written.
            if (count_of(bits) == 0 ||
                word_.compare_exchange_weak(bits, bits - count_of(bits), std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
                count_one(&Stripe::successes);
                return {};
            }
            continue;
        }
        if (state == CircuitState::disabled) {
            count_call(false, slow);
            return {};
        }
        const Word word = unpack(bits);
        // A generation of OPEN admits nobody, and a permit is there unless one was ended twice.
        if (state != CircuitState::half_open || word.permits == 0) return {};
        // A slow probe says that the node is as it was.
        if (slow || word.count + 1 >= success_threshold_) {
            const Word next = slow ? next_word(word, CircuitState::open) : closed_after(word);
            if (!move_to(bits, next, now)) continue;
            count_call(false, slow);
            return {true, CircuitState::half_open, next.state};
        }
        if (word_.compare_exchange_weak(bits, bits - one_permit + 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
            count_one(&Stripe::successes);
            return {};
        }
    }
}

RedisCircuitBreaker::Change RedisCircuitBreaker::record_failure(const Admission& admission, TimePoint now,
                                                                Duration took) noexcept {
    const bool slow = is_slow(took);
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    for (;;) {
        if (!admission.admitted || generation_of(bits) != admission.generation) return {};
        const Word word = unpack(bits);
        if (is_open(word.state)) return {};
        if (word.state == CircuitState::half_open && word.permits == 0) return {};
        if (word.state == CircuitState::closed && window_) return record_in_window(bits, true, slow, now);
        if (word.state == CircuitState::disabled) {
            count_call(true, slow);
            return {};
        }
        const std::uint32_t failures = word.state == CircuitState::closed ? word.count + 1 : 1;
        if (word.state == CircuitState::half_open || failures >= failure_threshold_) {
            if (!move_to(bits, next_word(word, CircuitState::open, failures), now)) continue;
            count_call(true, slow);
            return {true, word.state, CircuitState::open};
        }
        if (word_.compare_exchange_weak(bits, bits + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
            count_call(true, slow);
            return {};
        }
    }
}

// `bits` are CLOSED, in the generation that admitted the call.
RedisCircuitBreaker::Change RedisCircuitBreaker::record_in_window(std::uint64_t bits, bool failed, bool slow,
                                                                  TimePoint now) noexcept {
    const std::uint32_t generation = generation_of(bits);
    const auto sums = window_->add(generation, now, failed, slow);
    if (!sums) return {};
    count_call(failed, slow);
    if (sums->calls < minimum_calls_) return {};
    // A quotient is rounded as the decimal fraction of the configuration was, so that 7 of 100 are 0.07.
    const auto reaches = [&](std::uint32_t count, double rate) {
        return rate > 0 && static_cast<double>(count) / sums->calls >= rate;
    };
    if (!reaches(sums->failures, failure_rate_) && !reaches(sums->slow, slow_rate_)) return {};
    while (state_of(bits) == CircuitState::closed && generation_of(bits) == generation) {
        const auto in_a_row =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(sums->failures_in_a_row, mask(count_bits)));
        if (move_to(bits, next_word(unpack(bits), CircuitState::open, in_a_row), now))
            return {true, CircuitState::closed, CircuitState::open};
    }
    return {};
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

// A new generation each time, so that what was admitted before does not count in it.
RedisCircuitBreaker::Change RedisCircuitBreaker::go(CircuitState state, TimePoint now) noexcept {
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    for (;;) {
        const Word word = unpack(bits);
        const Word next = state == CircuitState::closed ? closed_after(word) : next_word(word, state);
        if (move_to(bits, next, now)) return {word.state != state, word.state, state};
    }
}

RedisCircuitBreaker::Change RedisCircuitBreaker::force_open(TimePoint now) noexcept {
    return go(CircuitState::forced_open, now);
}

RedisCircuitBreaker::Change RedisCircuitBreaker::disable(TimePoint now) noexcept {
    return go(CircuitState::disabled, now);
}

RedisCircuitBreaker::Change RedisCircuitBreaker::enable(TimePoint now) noexcept {
    std::uint64_t bits = word_.load(std::memory_order_acquire);
    while (state_of(bits) == CircuitState::disabled) {
        if (move_to(bits, closed_after(unpack(bits)), now)) return {true, CircuitState::disabled, CircuitState::closed};
    }
    return {};
}

RedisCircuitBreaker::Change RedisCircuitBreaker::reset(TimePoint now) noexcept { return go(CircuitState::closed, now); }

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
        sum.slow_calls += stripe.slow.load(std::memory_order_relaxed);
    }
    sum.total_calls = sum.successful_calls + sum.failed_calls;
    sum.circuit_opens = opens_.load(std::memory_order_relaxed);
    Word word;
    // Transitions are rare and short. Should they never end, the times are those of one of them.
    for (int tries = 0; tries != 1000; ++tries) {
        const std::uint64_t ended = moves_ended_.load();
        word = unpack(word_.load(std::memory_order_acquire));
        for (std::size_t i = 0; i != circuit_states; ++i) sum.time_spent[i] = Duration{spent_[i].load()};
        if (moves_begun_.load() == ended) break;
    }
    sum.time_spent[index_of(word.state)] += now - origin_;
    for (Duration& spent : sum.time_spent) spent = std::max(spent, Duration::zero());
    const TimePoint since{Duration{in_state_since_.load(std::memory_order_relaxed)}};
    sum.time_in_state = std::max(now - since, Duration::zero());
    if (word.state == CircuitState::closed && window_) {
        const policy::SlidingWindow::Sums window = window_->sums(word.generation, now);
        sum.consecutive_failures = window.failures_in_a_row;
        sum.window_calls = window.calls;
        sum.window_failures = window.failures;
        sum.window_slow_calls = window.slow;
    } else if (word.state == CircuitState::closed || word.state == CircuitState::open) {
        sum.consecutive_failures = word.count;
    }
    return sum;
}

}  // namespace redoubt
