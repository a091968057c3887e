// policy: memory alerts: one a crossing, whichever way, and none for usage that goes back and forth over a threshold.
#include <redoubt/policy/memory_alert.hpp>

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt {
namespace {

/// A script: usages in, what is told of each out (`-` for nothing).
std::string play(MemoryAlarm& alarm, const std::vector<double>& usages) {
    std::string told;
    for (const double usage : usages) {
        const auto change = alarm.observe(usage);
        if (!told.empty()) told += ' ';
        told += change ? std::string(to_string(change->from)) + '>' + std::string(to_string(change->to)) : "-";
    }
    return told;
}

TEST(MemoryAlarm, TellsEachCrossingOnce) {
    MemoryAlarm alarm(0.8, 0.9);
    EXPECT_EQ(alarm.level(), MemoryLevel::healthy);
    EXPECT_EQ(play(alarm, {0.0, 0.79, 0.80, 0.85, 0.89, 0.90, 0.99, 1.2}),
              "- - healthy>warning - - warning>critical - -");
    EXPECT_EQ(alarm.level(), MemoryLevel::critical);
    EXPECT_EQ(play(alarm, {0.87, 0.85, 0.77, 0.5}), "critical>warning - warning>healthy -");
}

TEST(MemoryAlarm, ALevelIsLeftOnlyTwoHundredthsBelowItsThreshold) {
    MemoryAlarm alarm(0.8, 0.9);
    EXPECT_EQ(play(alarm, {0.80, 0.79, 0.801, 0.781, 0.80, 0.78}), "healthy>warning - - - - -");
    EXPECT_EQ(play(alarm, {0.779, 0.799, 0.80}), "warning>healthy - healthy>warning");
    EXPECT_EQ(play(alarm, {0.90, 0.89, 0.905, 0.881, 0.879}), "warning>critical - - - critical>warning");
}

TEST(MemoryAlarm, AJumpOverBothIsOneAlert) {
    MemoryAlarm alarm(0.8, 0.9);
    EXPECT_EQ(play(alarm, {0.1, 0.95, 0.1}), "- healthy>critical critical>healthy");
}

TEST(MemoryAlarm, ThresholdsNearerThanTheMarginAndNearZeroCanBeLeft) {
    MemoryAlarm close(0.80, 0.81);
    EXPECT_EQ(play(close, {0.81, 0.795, 0.789, 0.779}), "healthy>critical - critical>warning warning>healthy");
    MemoryAlarm low(0.01, 0.02);
    EXPECT_EQ(play(low, {0.03, 0.0185, 0.0179, 0.0091, 0.0089}),
              "healthy>critical - critical>warning - warning>healthy");
    MemoryAlarm whole(0.5, 1.0);
    EXPECT_EQ(play(whole, {0.999, 1.0}), "healthy>warning warning>critical");
}

// Whatever the usage does: changes chain up, none is to where it was, and the level is never one that the usage excludes.
TEST(MemoryAlarm, HoldsForRandomUsage) {
    std::mt19937 random(7);
    std::uniform_real_distribution<double> step(-0.05, 0.05);
    MemoryAlarm alarm(0.8, 0.9);
    MemoryLevel level = MemoryLevel::healthy;
    double usage = 0.75;
    int changes = 0;
    for (int i = 0; i != 100'000; ++i) {
        usage = std::min(std::max(usage + step(random), 0.6), 1.1);
        if (const auto change = alarm.observe(usage)) {
            ASSERT_EQ(change->from, level);
            ASSERT_NE(change->to, level);
            level = change->to;
            ++changes;
        }
        ASSERT_EQ(alarm.level(), level);
        if (usage >= 0.9) {
            ASSERT_EQ(level, MemoryLevel::critical) << usage;
        }
        if (usage >= 0.8) {
            ASSERT_NE(level, MemoryLevel::healthy) << usage;
        }
        if (usage < 0.88) {
            ASSERT_NE(level, MemoryLevel::critical) << usage;
        }
        if (usage < 0.78) {
            ASSERT_EQ(level, MemoryLevel::healthy) << usage;
        }
    }
    EXPECT_GT(changes, 1000);
}

}  // namespace
}  // namespace redoubt
