// policy: a log takes so many lines a second, and every line that it does not take is counted and told once.
#include "policy/log_limit.hpp"

#include <gtest/gtest.h>

namespace redoubt::policy {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint start{1000s};

TEST(LogLimit, TakesTheFirstOfEachSecondAndTellsOfTheRest) {
    LogLimit limit(3);
    for (int i = 0; i != 3; ++i) EXPECT_EQ(limit.admit(start + i * 1ms), 0u);
    for (int i = 0; i != 5; ++i) EXPECT_EQ(limit.admit(start + 900ms), std::nullopt);
    EXPECT_EQ(limit.admit(start + 1s), 5u);
    EXPECT_EQ(limit.admit(start + 1s), 0u);
    EXPECT_EQ(limit.admit(start + 1s), 0u);
    EXPECT_EQ(limit.admit(start + 1s), std::nullopt);
    EXPECT_EQ(limit.admit(start + 9s), 1u);
}

TEST(LogLimit, WhatNothingFollowsIsToldWhenItsSecondIsOver) {
    LogLimit limit(1);
    EXPECT_EQ(limit.take_overdue(start), 0u);
    EXPECT_EQ(limit.admit(start), 0u);
    EXPECT_EQ(limit.admit(start), std::nullopt);
    EXPECT_EQ(limit.admit(start), std::nullopt);
    EXPECT_EQ(limit.take_overdue(start + 999ms), 0u);
    EXPECT_EQ(limit.take_overdue(start + 1s), 2u);
    EXPECT_EQ(limit.take_overdue(start + 2s), 0u);
    EXPECT_EQ(limit.admit(start + 2s), 0u);
}

TEST(LogLimit, InAStormNeitherALineTooManyNorOneUncounted) {
    LogLimit limit(10);
    std::uint64_t written = 0;
    std::uint64_t told = 0;
    for (int i = 0; i != 100'000; ++i) {
        if (const auto before = limit.admit(start + i * 100us)) {
            ++written;
            told += *before;
        }
    }
    told += limit.take_left_out();
    EXPECT_EQ(written, 100u);  // ten seconds
    EXPECT_EQ(written + told, 100'000u);
}

}  // namespace
}  // namespace redoubt::policy
