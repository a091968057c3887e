// policy: a plain model of the circuit breaker, and a world that drives both with the same events.
#pragma once

#include <array>
#include <optional>
#include <span>

#include <redoubt/policy/circuit_breaker.hpp>

namespace redoubt::test {

using Breaker = RedisCircuitBreaker;

inline constexpr Duration recovery = 60s;
inline constexpr TimePoint start{1'000h};

inline CircuitBreakerConfig config_of(std::uint32_t failures, std::uint32_t successes, std::uint32_t permits) {
    return {.failure_threshold = failures,
            .recovery_timeout = recovery,
            .success_threshold = successes,
            .half_open_permits = permits};
}

/// With a window of the last `calls`, or of `time` if that is above zero.
inline CircuitBreakerConfig windowed(double failure_rate, double slow_rate, std::uint32_t calls, std::uint32_t minimum,
                                     Duration time = Duration::zero()) {
    CircuitBreakerConfig config = config_of(1, 2, 1);
    config.failure_rate_threshold = failure_rate;
    config.slow_call_rate_threshold = slow_rate;
    config.slow_call_duration = 1s;
    config.window_calls = calls;
    config.window_time = time;
    config.minimum_calls = minimum;
    return config;
}

inline void open(Breaker& breaker, TimePoint now) {
    while (breaker.state() == CircuitState::closed) breaker.record_failure(breaker.admit(now), now);
}

enum class Event {
    admit,
    admit_if_closed,
    success,
    slow_success,
    failure,
    slow_failure,
    release,
    half_recovery,
    whole_recovery,
    force_open,
    disable,
    enable,
    reset
};
inline constexpr int event_count = 13;
inline constexpr const char* event_names[] = {
    "admit",         "admit_if_closed", "success",    "slow_success", "failure", "slow_failure", "release",
    "half_recovery", "whole_recovery",  "force_open", "disable",      "enable",  "reset"};
/// What calls and time do, and what hands do: together they would be too many.
using Events = std::span<const Event>;
inline constexpr Event by_calls[] = {
    Event::admit,        Event::admit_if_closed, Event::success,       Event::slow_success,   Event::failure,
    Event::slow_failure, Event::release,         Event::half_recovery, Event::whole_recovery, Event::reset};
inline constexpr Event by_hand[] = {Event::admit,      Event::success, Event::failure, Event::whole_recovery,
                                    Event::force_open, Event::disable, Event::enable,  Event::reset};
/// Not longer than the limit of a slow call, and longer.
inline constexpr Duration quick = 1s;
inline constexpr Duration long_time = 1s + Duration{1};

// Sanitizers cost a factor that two events make up for.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::size_t longest_sequence = 6;
#else
inline constexpr std::size_t longest_sequence = 8;
#endif

/// What the breaker should do, without packing, threads or generations: an era ends whenever the state does or might.
struct Model {
    struct Ticket {
        int era = 0;
        bool probe = false;
    };
    struct Past {
        TimePoint at;
        bool failed;
        bool slow;
    };

    explicit Model(const CircuitBreakerConfig& breaker_config) : config(breaker_config) {}

    CircuitBreakerConfig config;
    CircuitState state = CircuitState::closed;
    int era = 0;
    std::uint32_t failures = 0;
    std::uint32_t successes = 0;
    std::uint32_t probes = 0;
    TimePoint opened{};
    TimePoint changed = start;
    CircuitBreakerMetrics metrics;
    std::array<Past, longest_sequence> past{};  // of this era, in CLOSED
    std::size_t past_size = 0;

    bool by_window() const { return config.failure_rate_threshold > 0 || config.slow_call_rate_threshold > 0; }
    bool slow_matters() const { return config.slow_call_rate_threshold > 0; }
    static bool is_open(CircuitState state) {
        return state == CircuitState::open || state == CircuitState::forced_open;
    }

    void go(CircuitState next, TimePoint now) {
        ++era;
        if (next == CircuitState::open) opened = now;
        if (is_open(next) && !is_open(state)) ++metrics.circuit_opens;
        if (next != state) {
            metrics.time_spent[static_cast<std::size_t>(state)] += now - changed;
            changed = now;
        }
        state = next;
        successes = probes = 0;
        past_size = 0;
        if (next == CircuitState::closed) failures = 0;
    }

    std::optional<Ticket> admit(TimePoint now, bool only_if_closed) {
        if (state == CircuitState::closed || state == CircuitState::disabled) return Ticket{era, false};
        if (!only_if_closed && state != CircuitState::forced_open) {
            if (state == CircuitState::open && now >= opened + recovery) go(CircuitState::half_open, now);
            if (state == CircuitState::half_open && probes < config.half_open_permits) {
                ++probes;
                return Ticket{era, true};
            }
        }
        ++metrics.rejected_calls;
        return std::nullopt;
    }

    /// What is in the window: by number the last ones, by time those of this tenth and the nine before.
    CircuitBreakerMetrics window(TimePoint now) const {
        CircuitBreakerMetrics sums;
        for (std::size_t i = 0; i != past_size; ++i) {
            const Past& call = past[i];
            if (config.window_time > Duration::zero()) {
                const Duration tenth = config.window_time / 10;
                if ((now - start) / tenth - (call.at - start) / tenth > 9) continue;
            } else if (past_size - i > config.window_calls) {
                continue;
            }
            ++sums.window_calls;
            if (call.failed) ++sums.window_failures;
            if (call.slow) ++sums.window_slow_calls;
        }
        return sums;
    }

    void end_by_window(bool failed, bool slow, TimePoint now) {
        failures = failed ? failures + 1 : 0;
        past[past_size++] = {now, failed, slow};
        const CircuitBreakerMetrics sums = window(now);
        if (sums.window_calls < config.minimum_calls) return;
        const auto reached = [&](std::uint32_t count, double rate) {
            return rate > 0 && count >= rate * sums.window_calls;
        };
        if (reached(sums.window_failures, config.failure_rate_threshold) ||
            reached(sums.window_slow_calls, config.slow_call_rate_threshold))
            go(CircuitState::open, now);
    }

    void end(Ticket ticket, bool failed, bool took_long, TimePoint now) {
        if (ticket.era != era) return;
        const bool slow = took_long && slow_matters();
        ++(failed ? metrics.failed_calls : metrics.successful_calls);
        if (slow) ++metrics.slow_calls;
        if (state == CircuitState::disabled) return;
        if (ticket.probe) {
            --probes;
            if (failed || slow) {
                failures = failed ? 1 : 0;
                go(CircuitState::open, now);
            } else {
                failures = 0;
                if (++successes == config.success_threshold) go(CircuitState::closed, now);
            }
        } else if (by_window()) {
            end_by_window(failed, slow, now);
        } else {
            failures = failed ? failures + 1 : 0;
            if (failures == config.failure_threshold) go(CircuitState::open, now);
        }
    }

    void release(Ticket ticket) {
        if (ticket.era == era && ticket.probe) --probes;
    }
};

/// A breaker and its model, driven by the same events. `fault` tells the first difference or broken invariant.
class World {
public:
    explicit World(const CircuitBreakerConfig& config) : config_(config), breaker_(config, start), model_(config) {}

    bool can(Event event) const {
        switch (event) {
            case Event::success:
            case Event::failure:
            case Event::release: return oldest_ != newest_;
            // Where it makes no difference how long a call takes.
            case Event::slow_success:
            case Event::slow_failure: return oldest_ != newest_ && model_.slow_matters();
            default: return true;
        }
    }

    void apply(Event event) {
        const CircuitState before = model_.state;
        switch (event) {
            case Event::admit: admit(false); break;
            case Event::admit_if_closed: admit(true); break;
            case Event::success: end(false, false); break;
            case Event::slow_success: end(false, true); break;
            case Event::failure: end(true, false); break;
            case Event::slow_failure: end(true, true); break;
            case Event::release: {
                const Call call = take_oldest();
                model_.release(call.expected);
                breaker_.release(call.admission);
                break;
            }
            case Event::half_recovery: now_ += recovery / 2; break;
            case Event::whole_recovery: now_ += recovery; break;
            case Event::force_open:
                model_.go(CircuitState::forced_open, now_);
                expect_change(breaker_.force_open(now_), before);
                break;
            case Event::disable:
                model_.go(CircuitState::disabled, now_);
                expect_change(breaker_.disable(now_), before);
                break;
            case Event::enable:
                if (before == CircuitState::disabled) model_.go(CircuitState::closed, now_);
                expect_change(breaker_.enable(now_), before);
                break;
            case Event::reset:
                model_.go(CircuitState::closed, now_);
                expect_change(breaker_.reset(now_), before);
                break;
        }
    }

    /// Compares all that can be seen of the two.
    void check() {
        if (breaker_.state() != model_.state) return fail("state");
        if (model_.state == CircuitState::open && breaker_.half_open_at() != model_.opened + recovery)
            return fail("half_open_at");
        const auto seen = breaker_.metrics(now_);
        if (seen.successful_calls != model_.metrics.successful_calls) return fail("successful_calls");
        if (seen.failed_calls != model_.metrics.failed_calls) return fail("failed_calls");
        if (seen.total_calls != seen.successful_calls + seen.failed_calls) return fail("total_calls");
        if (seen.rejected_calls != model_.metrics.rejected_calls) return fail("rejected_calls");
        if (seen.circuit_opens != model_.metrics.circuit_opens) return fail("circuit_opens");
        if (seen.slow_calls != model_.metrics.slow_calls) return fail("slow_calls");
        if (seen.time_in_state != now_ - model_.changed) return fail("time_in_state");
        for (std::size_t i = 0; i != circuit_states; ++i) {
            const bool here = i == static_cast<std::size_t>(model_.state);
            if (seen.time_spent[i] != model_.metrics.time_spent[i] + (here ? now_ - model_.changed : Duration::zero()))
                return fail("time_spent");
        }
        const CircuitBreakerMetrics window = model_.window(now_);
        if (model_.state == CircuitState::closed && model_.by_window() &&
            (seen.window_calls != window.window_calls || seen.window_failures != window.window_failures ||
             seen.window_slow_calls != window.window_slow_calls))
            return fail("window");
        if (model_.state == CircuitState::closed && seen.consecutive_failures != model_.failures)
            return fail("consecutive_failures");
        std::uint32_t probes = 0;
        for (std::size_t i = oldest_; i < newest_; ++i)
            if (calls_[i].admission.probe && calls_[i].expected.era == model_.era) ++probes;
        if (probes > config_.half_open_permits) return fail("more probes in flight than permits");
    }

    /// Ends the world: HALF_OPEN must be left by successes, or by one failure.
    void leave_half_open(bool by_success) {
        while (oldest_ != newest_) breaker_.release(take_oldest().admission);
        const std::uint32_t needed = by_success ? config_.success_threshold : 1;
        for (std::uint32_t i = 0; i < needed && breaker_.state() == CircuitState::half_open; ++i) {
            const auto probe = breaker_.admit(now_);
            if (!probe || !probe.probe) return fail("no permit although no probe is in flight");
            if (by_success)
                breaker_.record_success(probe, now_);
            else
                breaker_.record_failure(probe, now_);
        }
        if (breaker_.state() != (by_success ? CircuitState::closed : CircuitState::open))
            fail("HALF_OPEN was not left");
    }

    CircuitState state() const { return breaker_.state(); }
    const char* fault() const { return fault_; }

private:
    struct Call {
        Breaker::Admission admission;
        Model::Ticket expected;
    };

    void fail(const char* what) {
        if (!fault_) fault_ = what;
    }

    Call take_oldest() { return calls_[oldest_++]; }

    void end(bool failed, bool took_long) {
        const CircuitState before = model_.state;
        const Call call = take_oldest();
        const bool everyday = before == CircuitState::closed && !model_.by_window() && model_.failures == 0 &&
                              call.expected.era == model_.era;
        model_.end(call.expected, failed, took_long, now_);
        // What the dispatcher tries first, which must leave alone whatever is not everyday.
        if (!failed && !call.admission.probe) {
            const bool counted = breaker_.count_success(call.admission.generation);
            if (counted != everyday) return fail("count_success");
            if (counted) return;
        }
        const Duration took = took_long ? long_time : quick;
        expect_change(failed ? breaker_.record_failure(call.admission, now_, took)
                             : breaker_.record_success(call.admission, now_, took),
                      before);
    }

    void admit(bool only_if_closed) {
        const CircuitState before = model_.state;
        const bool too_early = before == CircuitState::open && now_ < model_.opened + recovery;
        const auto expected = model_.admit(now_, only_if_closed);
        const auto admission = only_if_closed ? breaker_.admit_if_closed(now_) : breaker_.admit(now_);
        if (too_early && admission.admitted) return fail("OPEN let a call through before its time");
        if (only_if_closed && admission.probe) return fail("admit_if_closed spent a permit");
        if (admission.admitted != expected.has_value()) return fail("admitted");
        if (admission.began_half_open != (before == CircuitState::open && expected.has_value()))
            return fail("began_half_open");
        if (!expected) {
            const Duration wait = too_early ? model_.opened + recovery - now_ : Duration::zero();
            if (admission.retry_after != wait) fail("retry_after");
            return;
        }
        if (admission.probe != expected->probe) return fail("probe");
        calls_[newest_++] = {admission, *expected};
    }

    void expect_change(const Breaker::Change& change, CircuitState before) {
        if (change.changed != (before != model_.state)) return fail("changed");
        if (change.changed && (change.from != before || change.to != model_.state)) fail("from, to");
    }

    CircuitBreakerConfig config_;
    Breaker breaker_;
    Model model_;
    TimePoint now_ = start;
    std::array<Call, longest_sequence> calls_{};  // a sequence admits no more than its length
    std::size_t oldest_ = 0;
    std::size_t newest_ = 0;
    const char* fault_ = nullptr;
};

}  // namespace redoubt::test
