// isolation: a short run of the fuzzer against both real servers, and that it notices each rule of the parser that is off.
#include <cstdlib>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isolation/rules.hpp"
#include "support/live_service.hpp"
#include "support/run_program.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::Ran;

Ran fuzz(std::vector<std::string> arguments) {
    std::vector<std::string> environment;
    for (const std::string name : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
        if (const char* const value = std::getenv(name.c_str())) environment.push_back(name + "=" + value);
    }
    arguments.insert(arguments.begin(), REDOUBT_ISOLATION_FUZZ);
    return testing::run_program(arguments, environment);
}

class IsolationFuzz : public ::testing::TestWithParam<std::string> {};

TEST_P(IsolationFuzz, NoCallReachesWhatBelongsToAnother) {
    const Ran ran = fuzz({"300000", "--server", GetParam(), "--seed", "3"});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_EQ(ran.err, "");
    // Else it has proven nothing.
    EXPECT_TRUE(std::regex_search(ran.out, std::regex("\nallowed commands accepted +([0-9]+) of \\1\n"))) << ran.out;
    EXPECT_FALSE(std::regex_search(ran.out, std::regex("(executed|saw|alone|canaries|refused|errors) +0\n")))
        << ran.out;
}

REDOUBT_BOTH_SERVERS(IsolationFuzz);

class IsolationSabotage : public ::testing::TestWithParam<std::string_view> {};

TEST_P(IsolationSabotage, ARuleThatIsOffIsNoticed) {
    const Ran ran = fuzz({"3000000", "--sabotage", std::string(GetParam())});
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.err, "DEVIATION: ")) << ran.err;
}

INSTANTIATE_TEST_SUITE_P(EachRule, IsolationSabotage, ::testing::ValuesIn(isolation::rule_names),
                         [](const auto& parameter) {
                             std::string name(parameter.param);
                             for (char& byte : name) byte = byte == '-' ? '_' : byte;
                             return name;
                         });

}  // namespace
}  // namespace redoubt
