// service: a short run of the soak against both real servers, and that it notices what is wrong: each kind of check is
// made to fail once.
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

Ran soak(std::vector<std::string> arguments) {
    std::vector<std::string> environment;
    for (const std::string name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
        if (const char* const value = std::getenv(name.c_str())) environment.push_back(name + "=" + value);
    }
    arguments.insert(arguments.begin(), REDOUBT_SOAK);
    return testing::run_program(arguments, environment);
}

class Soak : public ::testing::TestWithParam<std::string> {};

TEST_P(Soak, EveryReplyIsTheCallersOwnWhileTheNetworkFails) {
    const Ran ran = soak({"300000", "--server", GetParam()});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    // Else it has proven nothing.
    EXPECT_FALSE(std::regex_search(ran.out, std::regex("(wires lost|fault.*|unknown) +0\n"))) << ran.out;
    EXPECT_EQ(ran.err, "");
}

REDOUBT_BOTH_SERVERS(Soak);

TEST(SoakSabotage, TwoRepliesThatChangePlacesAreNoticed) {
    const Ran ran = soak({"200000", "--sabotage", "swap"});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "DEVIATION")) << ran.err;
    EXPECT_TRUE(contains(ran.err, "but of this caller")) << ran.err;
}

TEST(SoakSabotage, AnAppliedWriteThatIsGoneIsNoticed) {
    const Ran ran = soak({"200000", "--sabotage", "forget"});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "nil, but SET")) << ran.err;
}

TEST(SoakSabotage, AWriteThatIsAppliedTwiceIsNoticed) {
    const Ran ran = soak({"200000", "--sabotage", "twice"});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "at most")) << ran.err;
}

TEST(SoakSabotage, ACallThatNeverEndsIsNoticed) {
    const Ran ran = soak({"2000", "--sabotage", "stall", "--patience", "2"});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "nothing has moved for 2 s")) << ran.err;
}

}  // namespace
}  // namespace redoubt
