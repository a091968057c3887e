// service: every typed command on keys of any type, bitmaps and hyperloglogs, on all four surfaces of both servers.
#include <limits>

#include "support/surfaces.hpp"

namespace redoubt {
namespace {

using Texts = std::vector<std::string>;

class TypedKeys : public testing::TypedCommandsTest {};

const std::chrono::sys_seconds far_moment{4000000000s};

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

TEST_P(TypedKeys, Bitmaps) { on_every_surface("bitmaps", bitmaps); }
TEST_P(TypedKeys, Hyperloglogs) { on_every_surface("hyperloglogs", hyperloglogs); }
TEST_P(TypedKeys, Keys) { on_every_surface("keys", keys); }

REDOUBT_TYPED_COMMANDS(TypedKeys);

}  // namespace
}  // namespace redoubt
