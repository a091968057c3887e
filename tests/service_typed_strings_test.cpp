// service: every typed command on strings, and those without keys, on all four surfaces of both servers; and the list of
// all typed commands.
#include <cstdio>

#include "support/surfaces.hpp"

namespace redoubt {
namespace {

using MaybeText = std::optional<std::string>;

class TypedStrings : public testing::TypedCommandsTest {};

const std::chrono::sys_seconds far_moment{4000000000s};

const auto strings = [](auto& surface) {
    EXPECT_EQ(CALL(get, "k"), std::nullopt);
    EXPECT_TRUE(CALL(set, "k", "v", {.ex = 1h, .nx = true}));
    EXPECT_FALSE(CALL(set, "k", "w", {.nx = true}));
    EXPECT_EQ(CALL(get, "k"), "v");
    EXPECT_EQ(CALL(set_get, "k", "w", {.keepttl = true}), "v");
    EXPECT_EQ(CALL(getset, "k", "v"), "w");
    EXPECT_EQ(CALL(getex, "k", {.exat = far_moment}), "v");
    EXPECT_EQ(CALL(getdel, "k"), "v");
    EXPECT_TRUE(CALL(setnx, "k", "v"));
    EXPECT_FALSE(CALL(setnx, "k", "v"));
    CALL(setex, "k", 1h, "v");
    CALL(psetex, "k", 1h, "hello");
    const std::vector<TextPair> pairs{{"a", "1"}, {"b", "2"}};
    CALL(mset, pairs);
    EXPECT_FALSE(CALL(msetnx, pairs));
    EXPECT_EQ(CALL(mget, "a", "none", "b"), (std::vector<MaybeText>{"1", std::nullopt, "2"}));
    EXPECT_EQ(CALL(getrange, "k", 1, -2), "ell");
    EXPECT_EQ(CALL(setrange, "k", 1, "a"), 5);
    EXPECT_EQ(CALL(append, "k", "!"), 6);
    EXPECT_EQ(CALL(strlen, "k"), 6);
    EXPECT_EQ(CALL(incr, "a"), 2);
    EXPECT_EQ(CALL(decr, "a"), 1);
    EXPECT_EQ(CALL(incrby, "a", 9), 10);
    EXPECT_EQ(CALL(decrby, "a", 20), -10);
    EXPECT_EQ(CALL(incrbyfloat, "b", 0.5), 2.5);
    CALL(set, "x", "ohmytext");
    CALL(set, "y", "mynewtext");
    EXPECT_EQ(CALL(lcs, "x", "y"), "mytext");
    EXPECT_EQ(CALL(lcs_length, "x", "y"), 6);
    EXPECT_EQ(CALL(lcs_matches, "x", "y"), (LcsMatches{{{{4, 7}, {5, 8}, 4}, {{2, 3}, {0, 1}, 2}}, 6}));
    EXPECT_EQ(CALL(lcs_matches, "x", "y", 3), (LcsMatches{{{{4, 7}, {5, 8}, 4}}, 6}));
};

TEST_P(TypedStrings, Strings) { on_every_surface("strings", strings); }

TEST_P(TypedStrings, WithoutKeys) {
    on_every_surface("server", [](auto& surface) {
        EXPECT_EQ(CALL(ping), "PONG");
        EXPECT_EQ(CALL(ping, "hi"), "hi");
        EXPECT_EQ(CALL(echo, "hi"), "hi");
        const auto apart = CALL(time) - std::chrono::system_clock::now();
        EXPECT_LT(apart, 1h);
        EXPECT_GT(apart, -1h);
    });
}

REDOUBT_TYPED_COMMANDS(TypedStrings);

// What typed_commands.txt says is what the clients have, each name once and with a reason where a surface is left out.
TEST(TypedCommands, TheListIsTheWholeList) {
    const std::set<std::string> everywhere{"async", "blocking", "pipeline", "transaction"};
    std::set<std::string> written;
    for (const testing::TypedCommand& command : testing::typed_commands()) {
        EXPECT_TRUE(written.insert(command.name).second) << command.name << " stands twice";
        EXPECT_EQ(command.builder, "cmd::" + command.name);
        EXPECT_FALSE(command.surfaces.empty()) << command.name;
        EXPECT_TRUE(
            std::includes(everywhere.begin(), everywhere.end(), command.surfaces.begin(), command.surfaces.end()))
            << command.name;
        EXPECT_EQ(command.surfaces == everywhere, command.exception.empty()) << command.name;
    }
    std::set<std::string> listed;
#define REDOUBT_COMMAND(name, parameters, arguments) listed.insert(#name);
#define REDOUBT_KEYS_COMMAND(name) listed.insert(#name);
#define REDOUBT_MEMBERS_COMMAND(name) listed.insert(#name);
#include <redoubt/service/commands.inc>
#undef REDOUBT_COMMAND
#undef REDOUBT_KEYS_COMMAND
#undef REDOUBT_MEMBERS_COMMAND
    EXPECT_EQ(written, listed);
    EXPECT_GE(listed.size(), 200U);
    std::printf("typed commands: %zu\n", listed.size());
}

}  // namespace
}  // namespace redoubt
