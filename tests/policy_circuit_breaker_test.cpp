// policy: the circuit breaker against a plain model, over every short sequence of events.
#include <redoubt/policy/circuit_breaker.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "circuit_breaker_model.hpp"

namespace redoubt {
namespace {

using namespace test;

// --- every sequence of events ---------------------------------------------------------------------------------

struct Sequences {
    const char* name;
    CircuitBreakerConfig config;
    Events events;
};

class EverySequence : public ::testing::TestWithParam<Sequences> {
protected:
    void replay(World& world) const {
        for (const Event event : path_) world.apply(event);
    }

    std::string described(const World& world) const {
        std::string text = world.fault();
        text += " after";
        for (const Event event : path_) text += fmt::format(" {}", event_names[static_cast<int>(event)]);
        return text;
    }

    /// Every sequence is checked at its end alone: its beginnings are sequences of their own.
    void visit() {
        World world{GetParam().config};
        replay(world);
        world.check();
        if (world.fault()) FAIL() << described(world);
        ++visited_[static_cast<std::size_t>(world.state())];
        std::array<bool, event_count> possible{};
        for (const Event event : GetParam().events) possible[static_cast<std::size_t>(event)] = world.can(event);
        if (world.state() == CircuitState::half_open) {
            world.leave_half_open(true);
            World again{GetParam().config};
            replay(again);
            again.leave_half_open(false);
            if (world.fault()) FAIL() << described(world);
            if (again.fault()) FAIL() << described(again);
        }
        if (path_.size() == longest_sequence) return;
        for (const Event event : GetParam().events) {
            if (!possible[static_cast<std::size_t>(event)]) continue;
            path_.push_back(event);
            visit();
            path_.pop_back();
            if (HasFatalFailure()) return;
        }
    }

    std::vector<Event> path_;
    std::array<std::uint64_t, circuit_states> visited_{};
};

TEST_P(EverySequence, DoesWhatTheModelDoes) {
    visit();
    // Sequences that never leave CLOSED would prove little.
    const bool hands = GetParam().events.data() == by_hand;
    EXPECT_GT(visited_[0], 10'000u);
    EXPECT_GT(visited_[1], hands ? 10u : 1'000u);
    EXPECT_GT(visited_[2], hands || longest_sequence < 8 ? 1u : 100u);
    EXPECT_GT(std::min(visited_[3], visited_[4]) + (hands ? 0 : 10'001u), 10'000u);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, EverySequence,
    ::testing::Values(Sequences{"failures1_successes1_permits1", config_of(1, 1, 1), by_calls},
                      Sequences{"failures2_successes2_permits1", config_of(2, 2, 1), by_calls},
                      Sequences{"failures2_successes3_permits2", config_of(2, 3, 2), by_calls},
                      Sequences{"failures1_by_hand", config_of(1, 1, 1), by_hand},
                      Sequences{"half_of_2_fail", windowed(0.5, 0, 2, 2), by_calls},
                      Sequences{"all_of_3_fail_of_at_least_2", windowed(1, 0, 3, 2), by_calls},
                      Sequences{"half_of_a_minute_fail", windowed(0.5, 0, 1, 2, recovery), by_calls},
                      Sequences{"half_of_2_are_slow", windowed(0, 0.5, 2, 2), by_calls},
                      Sequences{"all_of_a_minute_are_slow", windowed(0, 1, 1, 2, recovery), by_calls},
                      Sequences{"all_of_2_fail_or_half_are_slow", windowed(1, 0.5, 2, 2), by_calls},
                      Sequences{"half_of_1_fail_by_hand", windowed(0.5, 0, 1, 1), by_hand}),
    [](const auto& sequences) { return std::string{sequences.param.name}; });

// --- what the sequences are too short for -------------------------------------------------------------------

TEST(CircuitBreaker, OpensAtTheFifthFailureInARowByDefault) {
    Breaker breaker{CircuitBreakerConfig{}, start};
    const auto fail = [&] { return breaker.record_failure(breaker.admit(start), start); };
    for (int i = 0; i < 4; ++i) EXPECT_FALSE(fail());
    breaker.record_success(breaker.admit(start), start);
    for (int i = 0; i < 4; ++i) EXPECT_FALSE(fail());
    EXPECT_EQ(breaker.metrics(start).consecutive_failures, 4u);
    const auto change = fail();
    EXPECT_TRUE(change);
    EXPECT_EQ(change.from, CircuitState::closed);
    EXPECT_EQ(change.to, CircuitState::open);
    EXPECT_EQ(breaker.half_open_at(), start + 60s);
    EXPECT_EQ(breaker.admit(start + 59s).retry_after, 1s);
    EXPECT_EQ(breaker.metrics(start).consecutive_failures, 5u);
    EXPECT_DOUBLE_EQ(breaker.metrics(start).success_rate(), 0.1);
}

TEST(CircuitBreaker, CallsInFlightWhenItOpensDoNotCountLater) {
    Breaker breaker{config_of(1, 1, 1), start};
    const auto slow = breaker.admit(start);
    breaker.record_failure(breaker.admit(start), start);
    const auto probe = breaker.admit(start + recovery);
    ASSERT_TRUE(probe.probe);
    EXPECT_FALSE(breaker.record_failure(slow, start + recovery));
    EXPECT_EQ(breaker.state(), CircuitState::half_open);
    EXPECT_TRUE(breaker.record_success(probe, start + recovery));
    EXPECT_FALSE(breaker.record_failure(slow, start + recovery));
    EXPECT_EQ(breaker.state(), CircuitState::closed);
}

TEST(CircuitBreaker, APermitOfAnEarlierHalfOpenIsNotGivenBackTwice) {
    Breaker breaker{config_of(1, 5, 2), start};
    open(breaker, start);
    const auto old = breaker.admit(start + recovery);
    const auto lost = breaker.admit(start + recovery);
    ASSERT_TRUE(old.probe && lost.probe);
    breaker.record_failure(lost, start + recovery);
    const auto later = start + 2 * recovery;
    ASSERT_TRUE(breaker.admit(later).probe);
    ASSERT_TRUE(breaker.admit(later).probe);
    breaker.release(old);
    EXPECT_FALSE(breaker.admit(later));
}

TEST(CircuitBreaker, AnAdmissionEndedTwiceTakesNoPermitOfAnother) {
    Breaker breaker{config_of(1, 9, 1), start};
    open(breaker, start);
    const auto probe = breaker.admit(start + recovery);
    breaker.release(probe);
    breaker.release(probe);
    EXPECT_TRUE(breaker.admit(start + recovery));
    EXPECT_FALSE(breaker.admit(start + recovery));
}

TEST(CircuitBreaker, ARefusalCannotBeRecorded) {
    Breaker breaker{config_of(1, 1, 1), start};
    const Breaker::Admission refused{};
    EXPECT_FALSE(breaker.record_failure(refused, start));
    EXPECT_EQ(breaker.state(), CircuitState::closed);
    EXPECT_EQ(breaker.metrics(start).total_calls, 0u);
}

TEST(CircuitBreaker, ForcedOpenDoesNotRecoverByItself) {
    Breaker breaker{config_of(1, 1, 1), start};
    const auto before = breaker.admit(start);
    EXPECT_TRUE(breaker.force_open(start));
    EXPECT_FALSE(breaker.force_open(start + 30s));
    EXPECT_FALSE(breaker.record_success(before, start + 30s));
    const auto refused = breaker.admit(start + 1000 * recovery);
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.retry_after, Duration::zero());
    EXPECT_FALSE(breaker.enable(start));
    EXPECT_EQ(breaker.state(), CircuitState::forced_open);
    EXPECT_EQ(breaker.metrics(start).circuit_opens, 1u);
    const auto change = breaker.reset(start + 2000 * recovery);
    EXPECT_TRUE(change && change.from == CircuitState::forced_open && change.to == CircuitState::closed);
    EXPECT_EQ(breaker.metrics(start + 2000 * recovery).time_in(CircuitState::forced_open), 2000 * recovery);
    EXPECT_TRUE(breaker.admit(start));
}

TEST(CircuitBreaker, DisabledAdmitsAllAndCounts) {
    Breaker breaker{config_of(1, 1, 1), start};
    EXPECT_TRUE(breaker.disable(start));
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(breaker.record_failure(breaker.admit_if_closed(start), start));
    EXPECT_FALSE(breaker.count_success(breaker.admit(start).generation));
    EXPECT_FALSE(breaker.record_success(breaker.admit(start), start));
    EXPECT_EQ(breaker.state(), CircuitState::disabled);
    EXPECT_EQ(breaker.metrics(start).failed_calls, 10u);
    EXPECT_EQ(breaker.metrics(start).successful_calls, 1u);
    const auto late = breaker.admit(start);
    EXPECT_TRUE(breaker.enable(start));
    EXPECT_FALSE(breaker.record_failure(late, start));  // admitted when it did not matter
    EXPECT_EQ(breaker.state(), CircuitState::closed);
}

TEST(CircuitBreaker, TellsItsMode) {
    const auto told = [](const CircuitBreakerConfig& config) {
        const Breaker breaker{config, start};
        return std::string(to_string(breaker.mode())) + (breaker.measures_calls() ? " measured" : "");
    };
    EXPECT_EQ(told({}), "consecutive");
    EXPECT_EQ(told(windowed(0.5, 0, 10, 5)), "failure_rate");
    EXPECT_EQ(told(windowed(0, 0.5, 10, 5)), "slow_calls measured");
    EXPECT_EQ(told(windowed(0.5, 0.5, 10, 5)), "failure_rate_and_slow_calls measured");
}

TEST(CircuitBreaker, TheShareIsComparedAsItWasWritten) {
    // As a product, 0.07 * 100 is a little more than 7.
    for (std::uint32_t percent = 1; percent <= 100; ++percent) {
        const double rate = std::stod(fmt::format("{:.2f}", percent / 100.0));
        Breaker breaker{windowed(rate, 0, 100, 100), start};
        const auto end = [&](bool failed) {
            const auto call = breaker.admit(start);
            ASSERT_TRUE(call);
            failed ? breaker.record_failure(call, start) : breaker.record_success(call, start);
        };
        for (std::uint32_t i = 0; i < 100 - percent; ++i) end(false);
        for (std::uint32_t i = 1; i < percent; ++i) end(true);
        end(false);  // one less than the share
        EXPECT_EQ(breaker.state(), CircuitState::closed) << percent;
        EXPECT_EQ(breaker.metrics(start).window_failures, percent - 1) << percent;
        // Failures push the successes out, and the first does it.
        end(true);
        EXPECT_EQ(breaker.state(), percent == 100 ? CircuitState::closed : CircuitState::open) << percent;
    }
}

TEST(CircuitBreaker, OldCallsLeaveTheWindowByNumber) {
    Breaker breaker{windowed(0.5, 0, 10, 4), start};
    for (int i = 0; i < 1000; ++i) {  // four of ten at any time
        const auto call = breaker.admit(start);
        ASSERT_TRUE(call) << i;
        i % 10 >= 6 ? breaker.record_failure(call, start) : breaker.record_success(call, start);
    }
    const auto metrics = breaker.metrics(start);
    EXPECT_EQ(metrics.window_calls, 10u);
    EXPECT_EQ(metrics.window_failures, 4u);
    EXPECT_EQ(metrics.consecutive_failures, 4u);
    EXPECT_EQ(metrics.total_calls, 1000u);
    breaker.record_failure(breaker.admit(start), start);
    EXPECT_EQ(breaker.state(), CircuitState::open);
    EXPECT_EQ(breaker.metrics(start).window_calls, 0u);
}

TEST(CircuitBreaker, OldCallsLeaveTheWindowByTime) {
    Breaker breaker{windowed(0.5, 0, 1, 4, 10s), start};
    const auto fail = [&](TimePoint at) { return breaker.record_failure(breaker.admit(at), at); };
    const auto held = [&](TimePoint at) { return breaker.metrics(at).window_calls; };
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(fail(start + 500ms));
    EXPECT_EQ(held(start + 9'999ms), 3u);
    EXPECT_EQ(held(start + 10s), 0u);
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(fail(start + 10s));
    EXPECT_FALSE(fail(start + 20s));
    EXPECT_EQ(held(start + 20s), 1u);
    // A thread that comes with an earlier time does not bring the past back.
    EXPECT_FALSE(fail(start + 5s));
    EXPECT_EQ(held(start + 20s), 2u);
    EXPECT_FALSE(fail(start + 29s));
    EXPECT_TRUE(fail(start + 29s));
    // Far ahead, too, it holds what belongs there.
    EXPECT_TRUE(breaker.reset(start + 30s));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(fail(start + 10'000h));
    EXPECT_EQ(held(start + 10'000h), 3u);
}

TEST(CircuitBreaker, ASlowProbeOpensItAgainOnlyWhereSlownessMatters) {
    for (const bool matters : {true, false}) {
        Breaker breaker{windowed(0.5, matters ? 0.5 : 0, 4, 1), start};
        open(breaker, start);
        const auto probe = breaker.admit(start + recovery);
        ASSERT_TRUE(probe.probe);
        const auto change = breaker.record_success(probe, start + recovery, long_time);
        EXPECT_EQ(static_cast<bool>(change), matters);
        EXPECT_EQ(breaker.state(), matters ? CircuitState::open : CircuitState::half_open);
        EXPECT_EQ(breaker.metrics(start).slow_calls, matters ? 1u : 0u);
    }
}

TEST(CircuitBreaker, TakesTheLargestThresholdsThatTheConfigurationAllows) {
    Breaker breaker{config_of(1'000'000, 1'000'000, 1'000), start};
    for (int i = 0; i < 999'999; ++i) breaker.record_failure(breaker.admit(start), start);
    ASSERT_EQ(breaker.state(), CircuitState::closed);
    ASSERT_TRUE(breaker.record_failure(breaker.admit(start), start));
    const auto later = start + recovery;
    std::vector<Breaker::Admission> probes;
    while (const auto probe = breaker.admit(later)) probes.push_back(probe);
    EXPECT_EQ(probes.size(), 1'000u);
    for (int i = 0; i < 999'999; ++i) {
        ASSERT_FALSE(breaker.record_success(probes.back(), later));
        probes.back() = breaker.admit(later);
    }
    EXPECT_TRUE(breaker.record_success(probes.back(), later));
    EXPECT_EQ(breaker.state(), CircuitState::closed);
}

TEST(CircuitBreaker, NamesItsStatesAsTheOriginalDoes) {
    EXPECT_EQ(to_string(CircuitState::closed), "closed");
    EXPECT_EQ(to_string(CircuitState::open), "open");
    EXPECT_EQ(to_string(CircuitState::half_open), "half_open");
    EXPECT_DOUBLE_EQ(CircuitBreakerMetrics{}.success_rate(), 1.0);
}

}  // namespace
}  // namespace redoubt
