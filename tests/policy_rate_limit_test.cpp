// policy: the rate limit under a fake clock, and from several threads.
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "policy/rate_limit.hpp"

namespace redoubt::policy {
namespace {

using namespace std::chrono_literals;
const TimePoint start = TimePoint{} + 1h;

TEST(RateLimit, GivesABurstAndThenItsRate) {
    RateLimit limit(100, 5);
    for (int i = 0; i != 5; ++i) EXPECT_FALSE(limit.admit(1, start)) << i;
    EXPECT_EQ(limit.admit(1, start), std::optional<Duration>(10ms));
    EXPECT_EQ(limit.admit(1, start + 9ms), std::optional<Duration>(1ms));
    EXPECT_FALSE(limit.admit(1, start + 10ms));
    EXPECT_TRUE(limit.admit(1, start + 10ms));
    for (int i = 0; i != 5; ++i) EXPECT_FALSE(limit.admit(1, start + 1min)) << i;  // pauses do not add up
    EXPECT_TRUE(limit.admit(1, start + 1min));
}

TEST(RateLimit, LetsALargeOneInWhenTheBucketIsFullAndIsPaidFor) {
    RateLimit limit(100, 5);
    EXPECT_FALSE(limit.admit(1, start));
    EXPECT_EQ(limit.admit(50, start), std::optional<Duration>(10ms));
    EXPECT_FALSE(limit.admit(50, start + 10ms));
    EXPECT_EQ(limit.admit(1, start + 10ms), std::optional<Duration>(460ms));  // 50 are owed, and 5 may be open
    EXPECT_FALSE(limit.admit(1, start + 470ms));
}

TEST(RateLimit, ReservesATimeForEach) {
    RateLimit limit(100, 2);
    EXPECT_EQ(limit.reserve(1, start), Duration::zero());
    EXPECT_EQ(limit.reserve(1, start), Duration::zero());
    EXPECT_EQ(limit.reserve(1, start), Duration(10ms));
    EXPECT_EQ(limit.reserve(5, start), Duration(30ms)) << "more than a burst: when the bucket is full";
    EXPECT_EQ(limit.wait_of(1, 0, start), Duration(70ms));
    EXPECT_EQ(limit.wait_of(1, 3, start), Duration(100ms));
    EXPECT_EQ(limit.admit(1, start), std::optional<Duration>(70ms)) << "asking takes nothing";
    limit.give_back(5);
    EXPECT_EQ(limit.reserve(1, start), Duration(20ms));
    EXPECT_EQ(limit.reserve(1, start + 1min), Duration::zero());
}

// The definition itself: in no window are there more than its rate allows, and one burst.
TEST(RateLimit, HoldsInEveryWindow) {
    std::minstd_rand random(7);
    for (int round = 0; round != 200; ++round) {
        const std::uint32_t rate = static_cast<std::uint32_t>(1 + random() % 1000);
        const std::uint32_t burst = static_cast<std::uint32_t>(1 + random() % 50);
        RateLimit limit(rate, burst);
        std::vector<TimePoint> admitted;
        TimePoint now = start;
        for (int i = 0; i != 500; ++i) {
            now += std::chrono::microseconds(random() % 4000);
            if (!limit.admit(1, now)) admitted.push_back(now);
        }
        for (std::size_t from = 0; from != admitted.size(); ++from) {
            for (std::size_t to = from; to != admitted.size(); ++to) {
                const double seconds = std::chrono::duration<double>(admitted[to] - admitted[from]).count();
                ASSERT_LE(static_cast<double>(to - from + 1), burst + rate * seconds * 1.001 + 1e-6);
            }
        }
        ASSERT_FALSE(admitted.empty());
    }
}

TEST(RateLimit, ThoseWhoWaitHavePlacesOneAfterAnother) {
    RateLimit limit(100, 3);
    for (int i = 0; i != 3; ++i) EXPECT_EQ(limit.reserve(1, start, 1s), Duration::zero()) << i;
    EXPECT_EQ(limit.reserve(1, start, 1s), Duration{10ms});
    EXPECT_EQ(limit.reserve(1, start, 1s), Duration{20ms});
    EXPECT_EQ(limit.reserve(1, start, 29ms), std::nullopt);  // and takes nothing
    EXPECT_EQ(limit.reserve(1, start, 30ms), Duration{30ms});
    EXPECT_EQ(limit.reserve(1, start + 35ms, 1s), Duration{5ms});
    for (int i = 0; i != 3; ++i) EXPECT_EQ(limit.reserve(1, start + 1min, 0s), Duration::zero()) << i;
    EXPECT_EQ(limit.reserve(1, start + 1min, 0s), std::nullopt);
    EXPECT_EQ(limit.reserve(1, start + 1min, -1s), std::nullopt);
}

TEST(RateLimit, GivesSeveralThreadsNoMoreThanOne) {
    RateLimit limit(1, 1000);
    std::atomic<int> admitted{0};
    std::vector<std::thread> threads;
    for (int i = 0; i != 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round != 1000; ++round) admitted += limit.admit(1, start) ? 0 : 1;
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(admitted, 1000);
}

}  // namespace
}  // namespace redoubt::policy
