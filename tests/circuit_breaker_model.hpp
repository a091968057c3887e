// policy: a plain model of the circuit breaker, and a world that drives both with the same events.
#pragma once

#include <array>
#include <optional>

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

enum class Event {
    admit,
    admit_if_closed,
    success,
    failure,
    release,
    half_recovery,
    whole_recovery,
    force_open,
    reset
};
inline constexpr int event_count = 9;
inline constexpr const char* event_names[] = {"admit",         "admit_if_closed", "success",    "failure", "release",
                                              "half_recovery", "whole_recovery",  "force_open", "reset"};

// Sanitizers cost a factor that two events make up for.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::size_t longest_sequence = 6;
#else
inline constexpr std::size_t longest_sequence = 8;
#endif

/// What the breaker should do, without packing, threads or generations: an era ends whenever the state does.
struct Model {
    struct Ticket {
        int era = 0;
        bool probe = false;
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

    void go(CircuitState next, TimePoint now) {
        ++era;
        if (next == CircuitState::open) {
            opened = now;
            if (state != CircuitState::open) ++metrics.circuit_opens;
        }
        if (next != state) changed = now;
        state = next;
        successes = probes = 0;
    }

    std::optional<Ticket> admit(TimePoint now, bool only_if_closed) {
        if (state == CircuitState::closed) return Ticket{era, false};
        if (!only_if_closed) {
            if (state == CircuitState::open && now >= opened + recovery) go(CircuitState::half_open, now);
            if (state == CircuitState::half_open && probes < config.half_open_permits) {
                ++probes;
                return Ticket{era, true};
            }
        }
        ++metrics.rejected_calls;
        return std::nullopt;
    }

    void succeed(Ticket ticket, TimePoint now) {
        if (ticket.era != era) return;
        ++metrics.successful_calls;
        failures = 0;
        if (!ticket.probe) return;
        --probes;
        if (++successes == config.success_threshold) go(CircuitState::closed, now);
    }

    void fail(Ticket ticket, TimePoint now) {
        if (ticket.era != era) return;
        ++metrics.failed_calls;
        failures = ticket.probe ? 1 : failures + 1;
        if (ticket.probe || failures == config.failure_threshold) go(CircuitState::open, now);
    }

    void release(Ticket ticket) {
        if (ticket.era == era && ticket.probe) --probes;
    }

    void reset(TimePoint now) {
        go(CircuitState::closed, now);
        failures = 0;
    }
};

/// A breaker and its model, driven by the same events. `fault` tells the first difference or broken invariant.
class World {
public:
    explicit World(const CircuitBreakerConfig& config) : config_(config), breaker_(config, start), model_(config) {}

    bool can(Event event) const {
        const bool ends_call = event == Event::success || event == Event::failure || event == Event::release;
        return !ends_call || oldest_ != newest_;
    }

    void apply(Event event) {
        const CircuitState before = model_.state;
        switch (event) {
            case Event::admit: admit(false); break;
            case Event::admit_if_closed: admit(true); break;
            case Event::success: {
                const Call call = take_oldest();
                model_.succeed(call.expected, now_);
                expect_change(breaker_.record_success(call.admission, now_), before);
                break;
            }
            case Event::failure: {
                const Call call = take_oldest();
                model_.fail(call.expected, now_);
                expect_change(breaker_.record_failure(call.admission, now_), before);
                break;
            }
            case Event::release: {
                const Call call = take_oldest();
                model_.release(call.expected);
                breaker_.release(call.admission);
                break;
            }
            case Event::half_recovery: now_ += recovery / 2; break;
            case Event::whole_recovery: now_ += recovery; break;
            case Event::force_open:
                model_.go(CircuitState::open, now_);
                expect_change(breaker_.force_open(now_), before);
                break;
            case Event::reset:
                model_.reset(now_);
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
        if (seen.time_in_state != now_ - model_.changed) return fail("time_in_state");
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
