// policy: the circuit breaker against a plain model, over every short sequence of events, and under threads.
#include <redoubt/policy/circuit_breaker.hpp>

#include <array>
#include <atomic>
#include <barrier>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "circuit_breaker_model.hpp"

namespace redoubt {
namespace {

using namespace test;

// --- every sequence of events ---------------------------------------------------------------------------------

class EverySequence : public ::testing::TestWithParam<CircuitBreakerConfig> {
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
        World world{GetParam()};
        replay(world);
        world.check();
        if (world.fault()) FAIL() << described(world);
        ++visited_[static_cast<std::size_t>(world.state())];
        std::array<bool, event_count> possible{};
        for (int i = 0; i < event_count; ++i) possible[static_cast<std::size_t>(i)] = world.can(static_cast<Event>(i));
        if (world.state() == CircuitState::half_open) {
            world.leave_half_open(true);
            World again{GetParam()};
            replay(again);
            again.leave_half_open(false);
            if (world.fault()) FAIL() << described(world);
            if (again.fault()) FAIL() << described(again);
        }
        if (path_.size() == longest_sequence) return;
        for (int i = 0; i < event_count; ++i) {
            if (!possible[static_cast<std::size_t>(i)]) continue;
            path_.push_back(static_cast<Event>(i));
            visit();
            path_.pop_back();
            if (HasFatalFailure()) return;
        }
    }

    std::vector<Event> path_;
    std::array<std::uint64_t, 3> visited_{};
};

TEST_P(EverySequence, DoesWhatTheModelDoes) {
    visit();
    // A sequence of events that never leaves CLOSED would prove little.
    EXPECT_GT(visited_[0], 10'000u);
    EXPECT_GT(visited_[1], 10'000u);
    EXPECT_GT(visited_[2], 1'000u);
}

INSTANTIATE_TEST_SUITE_P(Thresholds, EverySequence,
                         ::testing::Values(config_of(1, 1, 1), config_of(2, 2, 1), config_of(2, 3, 2)),
                         [](const auto& sequences) {
                             const auto& config = sequences.param;
                             return fmt::format("failures{}_successes{}_permits{}", config.failure_threshold,
                                                config.success_threshold, config.half_open_permits);
                         });

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
    breaker.force_open(start);
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
    breaker.force_open(start);
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

TEST(CircuitBreaker, ForceOpenInOpenStartsTheTimeAgainWithoutAChange) {
    Breaker breaker{config_of(1, 1, 1), start};
    EXPECT_TRUE(breaker.force_open(start));
    EXPECT_FALSE(breaker.force_open(start + 30s));
    EXPECT_FALSE(breaker.admit(start + recovery));
    EXPECT_TRUE(breaker.admit(start + 30s + recovery));
    EXPECT_EQ(breaker.metrics(start).circuit_opens, 1u);
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

// --- threads --------------------------------------------------------------------------------------------------

TEST(CircuitBreakerThreads, EachTransitionIsToldToExactlyOneThread) {
    constexpr int threads = 4;
    constexpr int rounds = 500;
    Breaker breaker{config_of(threads, threads - 1, threads - 1), start};
    std::barrier gate{threads};
    std::array<std::atomic<int>, 5> told{};  // opened, refused, probes, began, closed
    const auto run = [&] {
        for (int round = 0; round < rounds; ++round) {
            const TimePoint now = start + round * recovery;
            const auto call = breaker.admit(now);
            gate.arrive_and_wait();
            if (breaker.record_failure(call, now)) ++told[0];
            gate.arrive_and_wait();
            if (!breaker.admit(now + recovery - Duration{1})) ++told[1];
            gate.arrive_and_wait();
            const auto probe = breaker.admit(now + recovery);
            if (probe.probe) ++told[2];
            if (probe.began_half_open) ++told[3];
            gate.arrive_and_wait();
            if (breaker.record_success(probe, now + recovery)) ++told[4];
            gate.arrive_and_wait();
        }
    };
    std::vector<std::jthread> all;
    for (int i = 0; i < threads; ++i) all.emplace_back(run);
    all.clear();
    EXPECT_EQ(told[0], rounds);
    EXPECT_EQ(told[1], rounds * threads);
    EXPECT_EQ(told[2], rounds * (threads - 1));
    EXPECT_EQ(told[3], rounds);
    EXPECT_EQ(told[4], rounds);
    const auto metrics = breaker.metrics(start + rounds * recovery);
    EXPECT_EQ(metrics.circuit_opens, static_cast<std::uint64_t>(rounds));
    EXPECT_EQ(metrics.failed_calls, static_cast<std::uint64_t>(rounds * threads));
    EXPECT_EQ(metrics.successful_calls, static_cast<std::uint64_t>(rounds * (threads - 1)));
    EXPECT_EQ(metrics.rejected_calls, static_cast<std::uint64_t>(rounds * (threads + 1)));
}

TEST(CircuitBreakerThreads, ChanceNeverExceedsThePermitsNorLosesOne) {
    constexpr int threads = 4;
    constexpr int calls = 30'000;
    constexpr std::uint32_t permits = 2;
    Breaker breaker{config_of(2, 3, permits), start};
    std::atomic<Duration::rep> clock{0};
    std::vector<std::atomic<std::uint32_t>> in_flight(std::size_t{1} << 20);
    std::atomic<std::uint64_t> too_many{0};
    std::atomic<std::uint64_t> probes{0};
    const auto run = [&](unsigned seed) {
        std::minstd_rand chance{seed};
        for (int i = 0; i < calls; ++i) {
            const TimePoint now = start + Duration{clock.fetch_add(recovery.count() / 8)};
            const auto admission = chance() % 8 == 0 ? breaker.admit_if_closed(now) : breaker.admit(now);
            if (!admission) continue;
            // A generation belongs to one HALF_OPEN, and a permit is counted out before it is given back.
            auto& flying = in_flight[admission.generation % in_flight.size()];
            if (admission.probe) {
                ++probes;
                if (flying.fetch_add(1) + 1 > permits) ++too_many;
            }
            if (chance() % 4 == 0) std::this_thread::yield();
            if (admission.probe) flying.fetch_sub(1);
            switch (chance() % 4) {
                case 0: breaker.release(admission); break;
                case 1: breaker.record_failure(admission, now); break;
                default: breaker.record_success(admission, now); break;
            }
            if (chance() % 512 == 0) breaker.force_open(now);
            if (chance() % 512 == 0) breaker.reset(now);
        }
    };
    std::vector<std::jthread> all;
    for (unsigned i = 0; i < threads; ++i) all.emplace_back(run, i + 1);
    all.clear();
    EXPECT_EQ(too_many, 0u);
    EXPECT_GT(probes, 100u);

    // Every call has ended: all the permits must be there, and no more.
    if (breaker.state() != CircuitState::half_open) breaker.force_open(start + Duration{clock.load()});
    const TimePoint later = start + Duration{clock.load()} + recovery;
    for (std::uint32_t i = 0; i < permits; ++i) EXPECT_TRUE(breaker.admit(later).probe);
    EXPECT_FALSE(breaker.admit(later));
}

TEST(CircuitBreakerThreads, LosesNoCountWithMoreThreadsThanCounters) {
    constexpr int threads = 24;
    constexpr int calls = 2'000;
    Breaker breaker{config_of(1, 1, 1), start};
    std::barrier gate{threads};
    std::vector<std::jthread> all;
    for (int i = 0; i < threads; ++i)
        all.emplace_back([&] {
            gate.arrive_and_wait();
            for (int call = 0; call < calls; ++call) breaker.record_success(breaker.admit(start), start);
        });
    all.clear();
    EXPECT_EQ(breaker.metrics(start).successful_calls, static_cast<std::uint64_t>(threads * calls));
}

TEST(CircuitBreakerThreads, NobodyBeginsHalfOpenByATimeThatWasForcedFurther) {
    Breaker breaker{config_of(1, 1, 1), start};
    breaker.force_open(start);
    std::atomic<Duration::rep> forced{0};
    std::atomic<bool> done{false};
    const auto call = [&] {
        while (!done) {
            const auto admission = breaker.admit(start + Duration{forced.load()} + recovery);
            breaker.release(admission);
        }
    };
    std::vector<std::jthread> callers;
    for (int i = 0; i < 3; ++i) callers.emplace_back(call);
    int left_early = 0;
    for (Duration::rep at = 1; at <= 20'000; ++at) {
        breaker.force_open(start + Duration{at});
        // No caller knows this time yet, so each of them comes one tick too early.
        for (int spin = 0; spin < 20; ++spin)
            if (breaker.state() != CircuitState::open) ++left_early;
        if (at % 64 == 0) std::this_thread::yield();
        if (breaker.state() != CircuitState::open) ++left_early;
        forced = at;
    }
    done = true;
    callers.clear();
    EXPECT_EQ(left_early, 0);
}

}  // namespace
}  // namespace redoubt
