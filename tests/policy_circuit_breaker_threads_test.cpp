// policy: the circuit breaker under threads: each change told once, no permit and no count lost.
#include <redoubt/policy/circuit_breaker.hpp>

#include <array>
#include <atomic>
#include <barrier>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "circuit_breaker_model.hpp"

namespace redoubt {
namespace {

using namespace test;

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
            if (chance() % 8192 == 0) breaker.force_open(now);
            if (chance() % 8192 == 0) breaker.disable(now);
            if (chance() % 512 == 0) breaker.enable(now);
            if (chance() % 512 == 0) breaker.reset(now);
        }
    };
    std::vector<std::jthread> all;
    for (unsigned i = 0; i < threads; ++i) all.emplace_back(run, i + 1);
    all.clear();
    EXPECT_EQ(too_many, 0u);
    EXPECT_GT(probes, 20u);

    // Every call has ended: all the permits must be there, and no more.
    const TimePoint end = start + Duration{clock.load()};
    if (breaker.state() != CircuitState::half_open) {
        breaker.reset(end);
        open(breaker, end);
    }
    const TimePoint later = end + recovery;
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

TEST(CircuitBreakerThreads, NobodyBeginsHalfOpenByTheTimeOfAnEarlierOpen) {
    Breaker breaker{config_of(1, 1, 1), start};
    open(breaker, start);
    std::atomic<Duration::rep> opened{0};
    std::atomic<bool> done{false};
    const auto call = [&] {
        while (!done) {
            const auto admission = breaker.admit(start + Duration{opened.load()} + recovery);
            breaker.release(admission);
        }
    };
    std::vector<std::jthread> callers;
    for (int i = 0; i < 3; ++i) callers.emplace_back(call);
    int left_early = 0;
    for (Duration::rep at = 1; at <= 20'000; ++at) {
        breaker.reset(start + Duration{at});
        open(breaker, start + Duration{at});
        // No caller knows this time yet, so each of them comes one tick too early.
        for (int spin = 0; spin < 20; ++spin)
            if (breaker.state() != CircuitState::open) ++left_early;
        if (at % 64 == 0) std::this_thread::yield();
        if (breaker.state() != CircuitState::open) ++left_early;
        opened = at;
    }
    done = true;
    callers.clear();
    EXPECT_EQ(left_early, 0);
}

TEST(CircuitBreakerThreads, AWindowLosesNoCallAndOpensOnce) {
    constexpr int threads = 4;
    constexpr int calls = 5'000;
    constexpr int rounds = 20;
    Breaker breaker{windowed(0.9, 0, threads * calls + 1, threads * calls + 1), start};
    std::barrier gate{threads};
    std::atomic<int> opened{0};
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> all;
        for (int i = 0; i < threads; ++i)
            all.emplace_back([&, i] {
                for (int round = 0; round < rounds; ++round) {
                    for (int call = 0; call < calls; ++call)
                        if (breaker.record_failure(breaker.admit(start), start)) ++wrong;
                    gate.arrive_and_wait();
                    if (i == 0 && breaker.metrics(start).window_failures != threads * calls) ++wrong;
                    gate.arrive_and_wait();
                    const auto last = breaker.admit(start);
                    gate.arrive_and_wait();
                    if (breaker.record_failure(last, start)) ++opened;
                    gate.arrive_and_wait();
                    if (i == 0) breaker.reset(start);
                    gate.arrive_and_wait();
                }
            });
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(opened, rounds);
    EXPECT_EQ(breaker.metrics(start).circuit_opens, static_cast<std::uint64_t>(rounds));
}

TEST(CircuitBreakerThreads, TheTimesInAllStatesAddUp) {
    constexpr int threads = 4;
    Breaker breaker{config_of(1, 1, 1), start};
    std::atomic<Duration::rep> clock{0};
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::jthread reader([&] {
        while (!done)
            for (const Duration spent : breaker.metrics(start + 1h).time_spent)
                if (spent > 2h) ++wrong;
    });
    {
        std::vector<std::jthread> all;
        for (int i = 0; i < threads; ++i)
            all.emplace_back([&, i] {
                for (int round = 0; round < 20'000; ++round) {
                    const TimePoint now = start + Duration{++clock};
                    switch ((round + i) % 4) {
                        case 0: breaker.force_open(now); break;
                        case 1: breaker.disable(now); break;
                        case 2: breaker.enable(now); break;
                        default: breaker.reset(now); break;
                    }
                }
            });
    }
    done = true;
    reader.join();
    EXPECT_EQ(wrong, 0);
    const auto metrics = breaker.metrics(start + 1h);
    Duration sum{};
    for (const Duration spent : metrics.time_spent) sum += spent;
    // Times of threads that passed each other are off by what lay between them: ticks here.
    EXPECT_NEAR(static_cast<double>(sum.count()), static_cast<double>(Duration{1h}.count()), 1e6);
}

}  // namespace
}  // namespace redoubt
