// service: every typed command on hashes, lists and sets, on all four surfaces of both servers.
#include "support/surfaces.hpp"

namespace redoubt {
namespace {

using testing::sorted;
using Texts = std::vector<std::string>;
using MaybeText = std::optional<std::string>;
using Fields = std::vector<std::pair<std::string, std::string>>;

class TypedCollections : public testing::TypedCommandsTest {};

const auto hashes = [](auto& surface) {
    const std::vector<TextPair> pairs{{"a", "1"}, {"b", "2"}};
    EXPECT_EQ(CALL(hset, "h", pairs), 2);
    EXPECT_EQ(CALL(hset, "h", "c", "3"), 1);
    EXPECT_FALSE(CALL(hsetnx, "h", "c", "4"));
    EXPECT_EQ(CALL(hget, "h", "a"), "1");
    EXPECT_EQ(CALL(hget, "h", "none"), std::nullopt);
    EXPECT_EQ(CALL(hmget, "h", "a", "none"), (std::vector<MaybeText>{"1", std::nullopt}));
    EXPECT_EQ(CALL(hgetall, "h"), (StringMap{{"a", "1"}, {"b", "2"}, {"c", "3"}}));
    EXPECT_EQ(CALL(hgetall, "none"), StringMap{});
    EXPECT_TRUE(CALL(hexists, "h", "a"));
    EXPECT_EQ(CALL(hlen, "h"), 3);
    EXPECT_EQ(CALL(hstrlen, "h", "a"), 1);
    EXPECT_EQ(sorted(CALL(hkeys, "h")), (Texts{"a", "b", "c"}));
    EXPECT_EQ(sorted(CALL(hvals, "h")), (Texts{"1", "2", "3"}));
    EXPECT_EQ(CALL(hincrby, "h", "a", 4), 5);
    EXPECT_EQ(CALL(hincrbyfloat, "h", "a", 0.25), 5.25);
    EXPECT_TRUE(CALL(hrandfield, "h").has_value());
    EXPECT_EQ(CALL(hrandfield, "none"), std::nullopt);
    EXPECT_EQ(sorted(CALL(hrandfield, "h", 5)), (Texts{"a", "b", "c"}));
    EXPECT_EQ(sorted(CALL(hrandfield_with_values, "h", 5)), (Fields{{"a", "5.25"}, {"b", "2"}, {"c", "3"}}));
    EXPECT_EQ(CALL(hscan, "h", 0, {.match = "b*", .count = 100}).fields, (Fields{{"b", "2"}}));
    EXPECT_EQ(CALL(hdel, "h", "a", "none"), 1);
};

const auto lists = [](auto& surface) {
    EXPECT_EQ(CALL(rpush, "l", "a", "b", "c"), 3);
    EXPECT_EQ(CALL(lpush, "l", "z"), 4);
    EXPECT_EQ(CALL(lpushx, "none", "z"), 0);
    EXPECT_EQ(CALL(rpushx, "l", "a"), 5);
    EXPECT_EQ(CALL(lrange, "l", 0, -1), (Texts{"z", "a", "b", "c", "a"}));
    EXPECT_EQ(CALL(llen, "l"), 5);
    EXPECT_EQ(CALL(lindex, "l", -1), "a");
    EXPECT_EQ(CALL(lindex, "l", 99), std::nullopt);
    CALL(lset, "l", 0, "y");
    EXPECT_EQ(CALL(linsert, "l", ListPlace::before, "b", "x"), 6);
    EXPECT_EQ(CALL(lpos, "l", "a"), 1);
    EXPECT_EQ(CALL(lpos, "l", "none", {.rank = -1, .maxlen = 3}), std::nullopt);
    EXPECT_EQ(CALL(lpos_all, "l", "a"), (std::vector<std::int64_t>{1, 5}));
    EXPECT_EQ(CALL(lrem, "l", 0, "a"), 2);
    EXPECT_EQ(CALL(lmove, "l", "m", ListEnd::left, ListEnd::right), "y");
    EXPECT_EQ(CALL(rpoplpush, "l", "m"), "c");
    EXPECT_EQ(CALL(lpop, "m"), "c");
    EXPECT_EQ(CALL(rpop, "m", 5), Texts{"y"});
    EXPECT_EQ(CALL(lpop, "none", 5), Texts{});
    EXPECT_EQ(CALL(rpop, "none"), std::nullopt);
    CALL(ltrim, "l", 0, 0);
    EXPECT_EQ(CALL(lrange, "l", 0, -1), Texts{"x"});
    const std::vector<std::string_view> two{"none", "l"};
    CALL(rpush, "l", "b", "c", "d", "e", "f", "g", "h");
    EXPECT_EQ(CALL(lmpop, two, ListEnd::left, 2), (KeyedElements{"l", {"x", "b"}}));
    EXPECT_EQ(CALL(lmpop, "none", ListEnd::left), std::nullopt);
    // In a transaction nothing waits: what is not there at once is nil.
    EXPECT_EQ(CALL(blpop, two, 1s), (KeyedElement{"l", "c"}));
    EXPECT_EQ(CALL(blpop, "none", 1ms), std::nullopt);
    EXPECT_EQ(CALL(brpop, two, 1s), (KeyedElement{"l", "h"}));
    EXPECT_EQ(CALL(blmpop, two, ListEnd::right, 1s, 2), (KeyedElements{"l", {"g", "f"}}));
    EXPECT_EQ(CALL(blmpop, "none", ListEnd::right, 1ms), std::nullopt);
    EXPECT_EQ(CALL(blmove, "l", "m", ListEnd::left, ListEnd::right, 1s), "d");
    EXPECT_EQ(CALL(brpoplpush, "l", "m", 1s), "e");
    EXPECT_EQ(CALL(brpoplpush, "l", "m", 1ms), std::nullopt);
    EXPECT_EQ(CALL(lrange, "m", 0, -1), (Texts{"e", "d"}));
};

const auto sets = [](auto& surface) {
    EXPECT_EQ(CALL(sadd, "s", "a", "b", "c"), 3);
    EXPECT_EQ(CALL(sadd, "t", "b"), 1);
    EXPECT_EQ(CALL(srem, "s", "none"), 0);
    EXPECT_EQ(sorted(CALL(smembers, "s")), (Texts{"a", "b", "c"}));
    EXPECT_TRUE(CALL(sismember, "s", "a"));
    EXPECT_EQ(CALL(smismember, "s", "a", "none"), (std::vector<bool>{true, false}));
    EXPECT_EQ(CALL(scard, "s"), 3);
    EXPECT_TRUE(CALL(srandmember, "s").has_value());
    EXPECT_EQ(CALL(srandmember, "s", -5).size(), 5U);
    EXPECT_EQ(sorted(CALL(sdiff, "s", "t")), (Texts{"a", "c"}));
    EXPECT_EQ(CALL(sinter, "s", "t"), Texts{"b"});
    EXPECT_EQ(sorted(CALL(sunion, "s", "t")), (Texts{"a", "b", "c"}));
    EXPECT_EQ(CALL(sdiffstore, "d", "s", "t"), 2);
    EXPECT_EQ(CALL(sinterstore, "d", "s", "t"), 1);
    EXPECT_EQ(CALL(sunionstore, "d", "s", "t"), 3);
    const std::vector<std::string_view> two{"s", "d"};
    EXPECT_EQ(CALL(sintercard, two, 2), 2);
    EXPECT_EQ(sorted(CALL(sscan, "s", 0).members), (Texts{"a", "b", "c"}));
    EXPECT_TRUE(CALL(smove, "s", "t", "a"));
    EXPECT_EQ(sorted(CALL(spop, "s", 10)), (Texts{"b", "c"}));
    EXPECT_EQ(CALL(spop, "s"), std::nullopt);
};

TEST_P(TypedCollections, Hashes) { on_every_surface("hashes", hashes); }
TEST_P(TypedCollections, Lists) { on_every_surface("lists", lists); }
TEST_P(TypedCollections, Sets) { on_every_surface("sets", sets); }

REDOUBT_TYPED_COMMANDS(TypedCollections);

}  // namespace
}  // namespace redoubt
