// service: a short run of the chaos against both real servers, its schedule, and the server killed under 1,000 callers.
#include <cstdlib>
#include <iostream>
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

Ran chaos(std::vector<std::string> arguments) {
    // What a thread's cache of freed blocks holds would count as in use, and each thread fills its own slowly.
    std::vector<std::string> environment{"GLIBC_TUNABLES=glibc.malloc.tcache_count=0"};
    for (const std::string name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
        if (const char* const value = std::getenv(name.c_str())) environment.push_back(name + "=" + value);
    }
    arguments.insert(arguments.begin(), REDOUBT_CHAOS);
    return testing::run_program(arguments, environment);
}

class Chaos : public ::testing::TestWithParam<std::string> {};

TEST_P(Chaos, NothingIsLostNothingIsAppliedTwiceNobodyIsLeftHanging) {
    const Ran ran = chaos({"--minutes", "0.1", "--seed", "7", "--server", GetParam()});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_EQ(ran.err, "");
    EXPECT_TRUE(ran.out.starts_with("seed 7\n")) << ran.out;
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("\ncallers stuck +0\n"))) << ran.out;
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("\ndeviations +0\n"))) << ran.out;
    // Else it has proven nothing.
    EXPECT_FALSE(
        std::regex_search(ran.out, std::regex("\n(fault: (SIG|delay|split|drop|reset|half|black).*|"
                                              "outcome: (success|not_sent|unknown)|.*measured recovery) +0\n")))
        << ran.out;
}

TEST_P(Chaos, TheServerIsKilledUnderAThousandCallersAgainAndAgain) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    const Ran ran = chaos({"--cycles", "5", "--server", GetParam()});
#else
    const Ran ran = chaos({"--cycles", "30", "--server", GetParam()});
#endif
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_EQ(ran.err, "");
}

// One of each kind: killed, hanging, asked to step down, and cut off from all others but its clients.
TEST_P(Chaos, WithSentinelsWhatCallersWereToldIsWhatTheNewMasterHas) {
    const Ran ran = chaos({"--topology", "sentinel", "--failovers", "4", "--seed", "7", "--server", GetParam()});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_EQ(ran.err, "");
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("\ndeviations +0\n"))) << ran.out;
    // Else it has proven nothing.
    EXPECT_FALSE(
        std::regex_search(ran.out, std::regex("\n(failover: S.*|outcome: (success|unknown)|keys checked.*) +0\n")))
        << ran.out;
    std::cout << ran.out;  // the time without service
}

// One event of each kind: a master killed, slots moved, a master hanging, one asked to step down.
TEST_P(Chaos, InAClusterADeadMasterCostsItsOwnSlotsAndNothingElseIsLost) {
    const Ran ran = chaos({"--topology", "cluster", "--failovers", "4", "--seed", "7", "--server", GetParam()});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_EQ(ran.err, "");
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("\ndeviations +0\n"))) << ran.out;
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("\nerrors at other slots while a master was away +0\n")))
        << ran.out;
    // Else it has proven nothing.
    EXPECT_FALSE(std::regex_search(
        ran.out,
        std::regex(
            "\n(event: (SIG|CLUSTER|slots).*|slots moved|outcome: success|errors at slots.*|keys checked.*) +0\n")))
        << ran.out;
    std::cout << ran.out;  // the time without service
}

REDOUBT_BOTH_SERVERS(Chaos);

TEST(ChaosSabotage, AWriteThatIsLostAndOneThatIsAppliedTwiceAreNoticed) {
    const Ran ran = chaos({"--minutes", "0.02", "--seed", "1", "--sabotage"});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "was applied, and is not there")) << ran.err;
    EXPECT_TRUE(contains(ran.err, "is there twice")) << ran.err;
    EXPECT_TRUE(contains(ran.out, "deviations")) << ran.out;
}

TEST(ChaosSabotage, SentinelsExcuseOnlyWhatAFailoverCanLose) {
    const Ran ran = chaos({"--topology", "sentinel", "--failovers", "1", "--seed", "1", "--sabotage"});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "was applied, and is not there")) << ran.err;
    EXPECT_TRUE(contains(ran.err, "is there twice")) << ran.err;
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("\ndeviations +2\n"))) << ran.out;
}

TEST(ChaosSabotage, AClusterExcusesOnlyWhatAFailoverCanLose) {
    const Ran ran = chaos({"--topology", "cluster", "--failovers", "1", "--seed", "1", "--sabotage"});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "was applied, and is not there")) << ran.err;
    EXPECT_TRUE(contains(ran.err, "is there twice")) << ran.err;
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("\ndeviations +2\n"))) << ran.out;
}

TEST(ChaosSchedule, IsAFunctionOfItsSeed) {
    const Ran once = chaos({"--seed", "7", "--print-schedule", "60"});
    const Ran again = chaos({"--seed", "7", "--print-schedule", "60"});
    const Ran other = chaos({"--seed", "8", "--print-schedule", "60"});
    EXPECT_EQ(once.status, 0) << once.err;
    EXPECT_EQ(once.out, again.out);
    EXPECT_NE(once.out.substr(7), other.out.substr(7));
    for (const std::string kind : {"delay", "throttle", "split", "drop", "half-close", "reset", "black hole", "SIGKILL",
                                   "SIGTERM", "SIGSTOP", "CLIENT PAUSE", "CLIENT KILL of one"}) {
        EXPECT_TRUE(contains(once.out, kind)) << kind;
    }
}

}  // namespace
}  // namespace redoubt
