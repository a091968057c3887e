// resp: what the builders of commands.inc refuse, and the readers that some of them have of their own.
#include <limits>
#include <string>
#include <vector>

#include "support/golden.hpp"

namespace redoubt {
namespace {

using namespace std::chrono_literals;
using testing::read_as;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
const std::chrono::sys_seconds moment{1700000000s};
const std::chrono::sys_time<std::chrono::milliseconds> exact_moment{1700000000123ms};

TEST(Builders, RefuseOptionsThatExcludeEachOther) {
    EXPECT_EQ(cmd::set("k", "v", {.ex = 1s, .px = 1ms}).invalid(), "ex, px, exat, pxat and keepttl exclude each other");
    EXPECT_EQ(cmd::set("k", "v", {.ex = 1s, .keepttl = true}).invalid(),
              "ex, px, exat, pxat and keepttl exclude each other");
    EXPECT_EQ(cmd::set("k", "v", {.nx = true, .xx = true}).invalid(), "nx and xx exclude each other");
    EXPECT_EQ(cmd::set_get("k", "v", {.nx = true, .xx = true}).invalid(), "nx and xx exclude each other");
    EXPECT_EQ(cmd::getex("k", {.ex = 1s, .persist = true}).invalid(),
              "ex, px, exat, pxat and persist exclude each other");
    EXPECT_EQ(cmd::expire("k", 1s, {.nx = true, .gt = true}).invalid(), "nx excludes xx, gt and lt");
    EXPECT_EQ(cmd::expire("k", 1s, {.gt = true, .lt = true}).invalid(), "gt and lt exclude each other");
    EXPECT_EQ(cmd::zadd("z", 1, "m", {.nx = true, .lt = true}).invalid(), "nx excludes xx, gt and lt");
    EXPECT_EQ(cmd::zadd_incr("z", 1, "m", {.gt = true, .lt = true}).invalid(), "gt and lt exclude each other");
    EXPECT_FALSE(cmd::set("k", "v", {.ex = 1s, .px = 1ms, .exat = moment, .pxat = exact_moment, .keepttl = true})
                     .invalid()
                     .empty());
}

TEST(Builders, RefuseNumbersWithoutMeaning) {
    for (const auto duration : {0s, -1s}) {
        EXPECT_EQ(cmd::set("k", "v", {.ex = duration}).invalid(), "a time to live must be positive");
        EXPECT_EQ(cmd::set("k", "v", {.px = duration}).invalid(), "a time to live must be positive");
        EXPECT_EQ(cmd::setex("k", duration, "v").invalid(), "a time to live must be positive");
        EXPECT_EQ(cmd::psetex("k", duration, "v").invalid(), "a time to live must be positive");
        EXPECT_EQ(cmd::expire("k", duration).invalid(), "a time to live must be positive; to delete a key, use del()");
        EXPECT_FALSE(cmd::pexpire("k", duration).invalid().empty());
    }
    EXPECT_FALSE(cmd::set("k", "v", {.exat = std::chrono::sys_seconds{0s}}).invalid().empty());
    EXPECT_EQ(cmd::zadd("z", not_a_number, "m").invalid(), "a number must not be NaN");
    EXPECT_EQ(cmd::zadd("z", {{not_a_number, "m"}}).invalid(), "a number must not be NaN");
    EXPECT_EQ(cmd::zcount("z", not_a_number, 1).invalid(), "a bound must not be NaN");
    EXPECT_EQ(cmd::incrbyfloat("k", not_a_number).invalid(), "a number must not be NaN");
    EXPECT_FALSE(cmd::lpos("l", "e", {.rank = 0}).invalid().empty());
    EXPECT_EQ(cmd::lmpop("l", ListEnd::left, 0).invalid(), "count must not be 0");
    EXPECT_EQ(cmd::zmpop(TextList{}, ScoreEnd::lowest).invalid(), "it needs at least one key");
    EXPECT_EQ(cmd::blmpop("l", ListEnd::left, -1s).invalid(), "a wait must not be negative; 0 is for ever");
    EXPECT_EQ(cmd::bzmpop("z", ScoreEnd::lowest, 0s).block_time(), CommandView::forever);
    EXPECT_EQ(cmd::scan(0, {.count = 0}).invalid(), "count must be from 1 to 10000");
    EXPECT_EQ(cmd::scan(0, {.count = 10001}).invalid(), "count must be from 1 to 10000");
    EXPECT_EQ(cmd::hscan("h", 0, {.count = 0}).invalid(), "count must be from 1 to 10000");
}

TEST(Builders, RefuseEmptyLists) {
    EXPECT_EQ(cmd::del(TextList{}).invalid(), "it needs at least one key");
    EXPECT_EQ(cmd::mget(TextList{}).invalid(), "it needs at least one key");
    EXPECT_EQ(cmd::zunion(TextList{}).invalid(), "it needs at least one key");
    EXPECT_EQ(cmd::sintercard(TextList{}).invalid(), "it needs at least one key");
    EXPECT_FALSE(cmd::mset(PairList{}).invalid().empty());
    EXPECT_FALSE(cmd::hset("h", PairList{}).invalid().empty());
    EXPECT_FALSE(cmd::sadd("s", TextList{}).invalid().empty());
    EXPECT_FALSE(cmd::zadd("z", ScoreList{}).invalid().empty());
    EXPECT_FALSE(cmd::sunionstore("d", TextList{}).invalid().empty());
    const std::vector<double> weights{1};
    EXPECT_EQ(cmd::zunion({"a", "b"}, {.weights = weights}).invalid(), "weights need one for each key");
}

TEST(Builders, ReadersOfTheirOwn) {
    EXPECT_EQ(read_as(cmd::ttl("k"), ":-2\r\n"), (KeyTtl{false, std::nullopt}));
    EXPECT_EQ(read_as(cmd::ttl("k"), ":-1\r\n"), (KeyTtl{true, std::nullopt}));
    EXPECT_EQ(read_as(cmd::ttl("k"), ":7\r\n"), (KeyTtl{true, 7000ms}));
    EXPECT_EQ(read_as(cmd::pttl("k"), ":7\r\n"), (KeyTtl{true, 7ms}));
    EXPECT_EQ(read_as(cmd::lpop("l", 2), "*-1\r\n"), std::vector<std::string>{});
    EXPECT_EQ(read_as(cmd::rpop("l", 2), "_\r\n"), std::vector<std::string>{});
    EXPECT_EQ(read_as(cmd::lpop("l", 2), "*1\r\n$1\r\na\r\n"), std::vector<std::string>{"a"});
    EXPECT_TRUE(read_as(cmd::set("k", "v"), "+OK\r\n"));
    EXPECT_FALSE(read_as(cmd::set("k", "v", {.nx = true}), "$-1\r\n"));
    EXPECT_EQ(read_as(cmd::expiretime("k"), ":-2\r\n"), (KeyExpiry{false, std::nullopt}));
    EXPECT_EQ(read_as(cmd::pexpiretime("k"), ":-1\r\n"), (KeyExpiry{true, std::nullopt}));
    EXPECT_EQ(read_as(cmd::expiretime("k"), ":1700000000\r\n"), (KeyExpiry{true, moment}));
    EXPECT_EQ(read_as(cmd::pexpiretime("k"), ":1700000000123\r\n"), (KeyExpiry{true, exact_moment}));
    EXPECT_EQ(read_as(cmd::object_idletime("k"), ":7\r\n"), 7s);
    EXPECT_EQ(read_as(cmd::object_idletime("k"), "$-1\r\n"), std::nullopt);
    EXPECT_EQ(read_as(cmd::time(), "*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n"), moment + 123456us);
    const LcsMatches matches{{{{4, 7}, {5, 8}, 4}}, 6};
    const std::string match = "*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n";
    EXPECT_EQ(read_as(cmd::lcs_matches("a", "b"), "*4\r\n$7\r\nmatches\r\n" + match + "$3\r\nlen\r\n:6\r\n"), matches);
    EXPECT_EQ(read_as(cmd::lcs_matches("a", "b"), "%2\r\n$7\r\nmatches\r\n" + match + "$3\r\nlen\r\n:6\r\n"), matches);
    const std::string popped = "*2\r\n$8\r\nproj:a:l\r\n*1\r\n";
    EXPECT_EQ(read_as(cmd::lmpop("l", ListEnd::left), popped + "$1\r\nx\r\n"), (KeyedElements{"l", {"x"}}));
    EXPECT_EQ(read_as(cmd::zmpop("l", ScoreEnd::lowest), popped + "*2\r\n$1\r\nx\r\n,1.5\r\n"),
              (KeyedMembers{"l", {{"x", 1.5}}}));
    EXPECT_EQ(read_as(cmd::zmpop("l", ScoreEnd::lowest), popped + "*2\r\n$1\r\nx\r\n$3\r\n1.5\r\n"),
              (KeyedMembers{"l", {{"x", 1.5}}}));
    EXPECT_EQ(read_as(cmd::lmpop("l", ListEnd::left), "*-1\r\n"), std::nullopt);
    EXPECT_EQ(testing::refused_as(cmd::lmpop("l", ListEnd::left), "*2\r\n$8\r\nproj:b:l\r\n*1\r\n$1\r\nx\r\n").status(),
              ReadOutcome::Status::foreign_key);
    EXPECT_EQ(testing::refused_as(cmd::lmpop("l", ListEnd::left), ":1\r\n").got(), RespType::integer);
    EXPECT_EQ(testing::refused_as(cmd::time(), "*1\r\n$1\r\n1\r\n").expected(), "seconds and microseconds");
}

}  // namespace
}  // namespace redoubt
