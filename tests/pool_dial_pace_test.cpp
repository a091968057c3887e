// pool: when another connection to a node may be opened, under a fake clock: pauses after failures, and the service's rate.
#include "pool/dial_pace.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace redoubt::pool {
namespace {

using namespace std::chrono_literals;
const TimePoint start = TimePoint{} + 1h;

TEST(DialPace, DoesNotHoldUpTheFirstNorWhatFollowsASuccess) {
    DialPace pace;
    EXPECT_EQ(pace.begin(nullptr, start, 1s, 0.999), Duration::zero());
    pace.ended(false);
    EXPECT_EQ(pace.begin(nullptr, start, 1s, 0.999), Duration::zero());
    pace.ended(true);
    EXPECT_GT(pace.begin(nullptr, start, 1s, 0.999), Duration::zero());
    pace.ended(false);
    EXPECT_EQ(pace.begin(nullptr, start, 1s, 0.999), Duration::zero());
}

TEST(DialPace, AfterFailuresItPausesWithFullJitterOverATimeThatDoubles) {
    DialPace pace;
    std::vector<Duration> halves;
    for (int i = 0; i != 6; ++i) {
        pace.ended(true);
        EXPECT_EQ(pace.begin(nullptr, start, 1s, 0.0), Duration::zero());
        halves.push_back(*pace.begin(nullptr, start, 1s, 0.5));
    }
    EXPECT_EQ(halves, (std::vector<Duration>{5ms, 10ms, 20ms, 40ms, 40ms, 40ms}));
    for (int i = 0; i != 100; ++i) pace.ended(true);
    EXPECT_EQ(pace.begin(nullptr, start, 1s, 0.5), Duration{40ms});
    EXPECT_EQ(pace.begin(nullptr, start, 0s, 0.5), Duration{40ms});  // the caller's deadline is the caller's matter
}

TEST(DialPace, AllPoolsTogetherKeepToTheServicesRate) {
    policy::RateLimit limit(100, 2);
    std::vector<DialPace> pools(5);
    std::vector<Duration> waits;
    for (DialPace& pool : pools) waits.push_back(*pool.begin(&limit, start, 1s, 0.5));
    EXPECT_EQ(waits, (std::vector<Duration>{0ms, 0ms, 10ms, 20ms, 30ms}));
    EXPECT_EQ(pools[0].begin(&limit, start, 39ms, 0.5), std::nullopt);
    pools[0].ended(true);
    EXPECT_EQ(pools[0].begin(&limit, start, 40ms, 0.5), Duration{40ms});  // the longer of the two
    EXPECT_EQ(pools[0].begin(&limit, start + 1h, 40ms, 0.5), Duration{5ms});
}

}  // namespace
}  // namespace redoubt::pool
