// service: every typed command on strings, bitmaps, hyperloglogs and keys, and without keys, on all four surfaces of both
// servers; and the list of all typed commands.
#include <cstdio>

#include "support/surfaces.hpp"

namespace redoubt {
namespace {

using Texts = std::vector<std::string>;
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

const auto bitmaps = [](auto& surface) {
    EXPECT_FALSE(CALL(setbit, "bits", 7, true));
    EXPECT_TRUE(CALL(getbit, "bits", 7));
    CALL(setbit, "bits", 8, true);
    EXPECT_EQ(CALL(bitcount, "bits"), 2);
    EXPECT_EQ(CALL(bitcount, "bits", 1, 1), 1);
    EXPECT_EQ(CALL(bitcount, "bits", 6, 7, BitUnit::bit), 1);
    EXPECT_EQ(CALL(bitpos, "bits", true), 7);
    EXPECT_EQ(CALL(bitpos, "bits", true, 1), 8);
    EXPECT_EQ(CALL(bitpos, "bits", false, 7, 15, BitUnit::bit), 9);
    const std::vector<std::string_view> sources{"bits", "other"};
    CALL(setbit, "other", 0, true);
    EXPECT_EQ(CALL(bitop, BitOperator::bit_or, "joined", sources), 2);
    EXPECT_EQ(CALL(bitcount, "joined"), 3);
    EXPECT_EQ(CALL(bitop_not, "joined", "other"), 1);
    EXPECT_EQ(CALL(bitcount, "joined"), 7);
    using Op = BitfieldOperation;
    using Numbers = std::vector<std::optional<std::int64_t>>;
    const std::vector<Op> operations{
        Op::set(BitfieldType::u(8), 1, 0).nth(),
        Op::incrby(BitfieldType::u(8), 8, 300, Op::Overflow::sat),
        Op::incrby(BitfieldType::u(8), 8, 1, Op::Overflow::fail),
        Op::incrby(BitfieldType::u(8), 8, 2),
        Op::get(BitfieldType::i(8), 1).nth(),
        Op::set(BitfieldType::i(64), 64, std::numeric_limits<std::int64_t>::min()),
    };
    EXPECT_EQ(CALL(bitfield, "field", operations), (Numbers{0, 255, std::nullopt, 1, 1, 0}));
    const std::vector<Op> reads{Op::get(BitfieldType::u(8), 8), Op::get(BitfieldType::i(64), 1).nth()};
    EXPECT_EQ(CALL(bitfield_ro, "field", reads),
              (std::vector<std::int64_t>{1, std::numeric_limits<std::int64_t>::min()}));
};

const auto hyperloglogs = [](auto& surface) {
    EXPECT_TRUE(CALL(pfadd, "p", "x", "y"));
    EXPECT_FALSE(CALL(pfadd, "p", "x"));
    EXPECT_TRUE(CALL(pfadd, "q", "z"));
    EXPECT_EQ(CALL(pfcount, "p"), 2);
    EXPECT_EQ(CALL(pfcount, "p", "q"), 3);
    CALL(pfmerge, "r", "p", "q");
    EXPECT_EQ(CALL(pfcount, "r"), 3);
};

const auto keys = [](auto& surface) {
    surface.raw().command({"MSET", surface.stored("a"), "1", surface.stored("b"), "2", surface.stored("c"), "3"});
    EXPECT_EQ(CALL(exists, "a", "b", "none"), 2);
    EXPECT_EQ(CALL(touch, "a"), 1);
    EXPECT_EQ(CALL(ttl, "none"), (KeyTtl{false, std::nullopt}));
    EXPECT_EQ(CALL(pttl, "a"), (KeyTtl{true, std::nullopt}));
    EXPECT_EQ(CALL(expiretime, "none"), (KeyExpiry{false, std::nullopt}));
    EXPECT_EQ(CALL(pexpiretime, "a"), (KeyExpiry{true, std::nullopt}));
    EXPECT_TRUE(CALL(expire, "a", 1h));
    EXPECT_FALSE(CALL(expire, "a", 1min, {.gt = true}));
    EXPECT_FALSE(CALL(pexpire, "a", 1s, {.nx = true}));
    EXPECT_GT(CALL(ttl, "a").expires, 3500s);
    EXPECT_TRUE(CALL(persist, "a"));
    EXPECT_TRUE(CALL(expireat, "a", far_moment));
    EXPECT_EQ(CALL(expiretime, "a"), (KeyExpiry{true, far_moment}));
    EXPECT_TRUE(CALL(pexpireat, "a", far_moment + 7ms, {.xx = true}));
    EXPECT_EQ(CALL(pexpiretime, "a"), (KeyExpiry{true, far_moment + 7ms}));
    EXPECT_EQ(CALL(type, "a"), "string");
    EXPECT_EQ(CALL(type, "none"), "none");
    CALL(rename, "a", "d");
    EXPECT_FALSE(CALL(renamenx, "d", "b"));
    EXPECT_TRUE(CALL(copy, "d", "e"));
    EXPECT_FALSE(CALL(copy, "d", "e"));
    EXPECT_TRUE(CALL(copy, "d", "e", true));
    EXPECT_TRUE(CALL(dump, "d").has_value());
    EXPECT_EQ(CALL(dump, "none"), std::nullopt);
    EXPECT_EQ(CALL(object_encoding, "d"), "int");
    EXPECT_LT(CALL(object_idletime, "d"), 60s);
    EXPECT_GE(CALL(object_refcount, "d"), 1);
    EXPECT_GT(CALL(memory_usage, "d"), 10);
    EXPECT_EQ(CALL(memory_usage, "none", 0), std::nullopt);
    surface.raw().command({"CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"});
    EXPECT_TRUE(CALL(object_freq, "d").has_value());
    surface.raw().command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
    const ScanPage page = CALL(scan, 0, {.count = 1000, .type = "string"});
    EXPECT_EQ(page.cursor, 0U);
    EXPECT_EQ(testing::sorted(page.keys), (Texts{"b", "c", "d", "e"}));
    EXPECT_EQ(CALL(unlink, "b"), 1);
    EXPECT_EQ(CALL(del, "c", "d", "e", "none"), 3);
    surface.raw().command({"RPUSH", surface.stored("l"), "3", "1", "20"});
    EXPECT_EQ(CALL(sort, "l"), (Texts{"1", "3", "20"}));
    EXPECT_EQ(CALL(sort, "l", {.desc = true, .alpha = true, .count = 2}), (Texts{"3", "20"}));
    EXPECT_EQ(CALL(sort_ro, "l", {.nosort = true, .offset = 1}), (Texts{"1", "20"}));
    EXPECT_EQ(CALL(sort_store, "sorted", "l"), 3);
    EXPECT_EQ(CALL(sort_ro, "sorted", {.nosort = true}), (Texts{"1", "3", "20"}));
};

TEST_P(TypedStrings, Strings) { on_every_surface("strings", strings); }
TEST_P(TypedStrings, Bitmaps) { on_every_surface("bitmaps", bitmaps); }
TEST_P(TypedStrings, Hyperloglogs) { on_every_surface("hyperloglogs", hyperloglogs); }
TEST_P(TypedStrings, Keys) { on_every_surface("keys", keys); }

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
