// service: slots move under load, on both real servers: a short run of `./dev migration`, and that it notices what is wrong.
#include <cstdlib>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_service.hpp"
#include "support/run_program.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::Ran;

Ran migration(std::vector<std::string> arguments) {
    std::vector<std::string> environment;
    for (const std::string name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
        if (const char* const value = std::getenv(name.c_str())) environment.push_back(name + "=" + value);
    }
    arguments.insert(arguments.begin(), REDOUBT_MIGRATION);
    return testing::run_program(arguments, environment);
}

class Migration : public ::testing::TestWithParam<std::string> {};

TEST_P(Migration, SlotsMoveUnderLoadWithoutAnErrorOrADeviation) {
    const Ran ran =
        migration({"100", "--rate", "4000", "--any-rate", "--keys", "6000", "--dwell", "20", "--server", GetParam()});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_EQ(ran.err, "");
    EXPECT_TRUE(contains(ran.out, "100 with ")) << ran.out;
    // Else it has proven nothing.
    EXPECT_FALSE(std::regex_search(ran.out, std::regex("[ ,]0 (keys in|MOVED|ASK|TRYAGAIN)"))) << ran.out;
}

REDOUBT_BOTH_SERVERS(Migration);

TEST(MigrationSabotage, WhatIsStoredOtherwiseIsNoticed) {
    const Ran ran = migration({"3", "--rate", "2000", "--any-rate", "--keys", "6000", "--sabotage"});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "a counter of")) << ran.err;
    EXPECT_TRUE(contains(ran.err, "a value of its own was read as \"none of ours\"")) << ran.err;
    EXPECT_TRUE(contains(ran.err, "was read as \"migration-a/c0:text")) << ran.err;
    EXPECT_TRUE(std::regex_search(ran.err, std::regex("the masters have [0-9]+ keys in place of"))) << ran.err;
    EXPECT_TRUE(contains(ran.out, "deviations 5")) << ran.out;
}

}  // namespace
}  // namespace redoubt
