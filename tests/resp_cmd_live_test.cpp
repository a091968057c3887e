// resp: the builders against real servers, in both protocols: each command is taken, and its reply is read as the
// type that the builder says.
#include <redoubt/resp/cmd.hpp>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "support/encoded.hpp"
#include "support/live_server.hpp"

namespace redoubt {
namespace {

using namespace std::chrono_literals;

using Texts = std::vector<std::string>;
using MaybeText = std::optional<std::string>;

class BuildersLive : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {
protected:
    void SetUp() override {
        const auto [name, protocol] = GetParam();
        const std::optional<std::string> program = testing::find_program(name);
        ASSERT_TRUE(program) << name << " is missing: apt-get install redis-server valkey-server";
        server_ = std::make_unique<testing::LiveServer>(*program);
        ASSERT_FALSE(server_->ask({"HELLO", protocol}).is_error());
    }

    /// Sends the command and reads its reply; a failure when the server refuses it or the reader cannot read it.
    template <class Reply>
    Reply run(const Command<Reply>& command) {
        EXPECT_EQ(command.invalid(), "") << command.name();
        const std::string frame = server_->frame_of(testing::encoded(command, prefix_));
        ReplyCursor cursor{frame};
        Reply reply{};
        if (cursor.peek().is_error()) {
            ADD_FAILURE() << command.name() << ": " << cursor.peek().text;
            return reply;
        }
        const ReadOutcome outcome = command.reader()(cursor, prefix_, reply);
        EXPECT_TRUE(outcome) << command.name() << ": expected " << outcome.expected() << ", got " << frame;
        EXPECT_TRUE(cursor.at_end()) << command.name();
        return reply;
    }
    testing::LiveServer& server() { return *server_; }

private:
    const KeyPrefix prefix_{"proj:a:"};
    std::unique_ptr<testing::LiveServer> server_;
};

TEST_P(BuildersLive, Strings) {
    EXPECT_EQ(run(cmd::get("k")), std::nullopt);
    EXPECT_TRUE(run(cmd::set("k", "v", {.ex = 1h, .nx = true})));
    EXPECT_FALSE(run(cmd::set("k", "w", {.nx = true})));
    EXPECT_EQ(server().ask({"GET", "proj:a:k"}).text, "v");
    EXPECT_EQ(run(cmd::set_get("k", "w", {.keepttl = true})), "v");
    EXPECT_EQ(run(cmd::getset("k", "v")), "w");
    EXPECT_EQ(run(cmd::getex("k")), "v");
    EXPECT_EQ(run(cmd::getex("k", {.px = 90s})), "v");
    EXPECT_EQ(run(cmd::getdel("k")), "v");
    EXPECT_TRUE(run(cmd::setnx("k", "v")));
    run(cmd::setex("k", 1h, "v"));
    run(cmd::psetex("k", 1h, "hello"));
    run(cmd::mset({{"a", "1"}, {"b", "2"}}));
    EXPECT_FALSE(run(cmd::msetnx({{"a", "1"}, {"c", "2"}})));
    EXPECT_EQ(run(cmd::mget({"a", "none", "b"})), (std::vector<MaybeText>{"1", std::nullopt, "2"}));
    EXPECT_EQ(run(cmd::getrange("k", 1, 2)), "el");
    EXPECT_EQ(run(cmd::setrange("k", 1, "a")), 5);
    EXPECT_EQ(run(cmd::append("k", "!")), 6);
    EXPECT_EQ(run(cmd::strlen("k")), 6);
    EXPECT_EQ(run(cmd::incr("a")), 2);
    EXPECT_EQ(run(cmd::decr("a")), 1);
    EXPECT_EQ(run(cmd::incrby("a", 9)), 10);
    EXPECT_EQ(run(cmd::decrby("a", 20)), -10);
    EXPECT_EQ(run(cmd::incrbyfloat("b", 0.5)), 2.5);
    EXPECT_FALSE(run(cmd::setbit("bits", 7, true)));
    EXPECT_TRUE(run(cmd::getbit("bits", 7)));
    EXPECT_EQ(run(cmd::bitcount("bits")), 1);
    EXPECT_EQ(run(cmd::bitcount("bits", 0, -1)), 1);
    EXPECT_EQ(run(cmd::bitpos("bits", true)), 7);
    EXPECT_TRUE(run(cmd::pfadd("p", {"x", "y"})));
    EXPECT_TRUE(run(cmd::pfadd("q", "z")));
    EXPECT_EQ(run(cmd::pfcount({"p", "q"})), 3);
    run(cmd::pfmerge("r", {"p", "q"}));
    EXPECT_EQ(run(cmd::pfcount("r")), 3);
}

TEST_P(BuildersLive, Keys) {
    run(cmd::mset({{"a", "1"}, {"b", "2"}, {"c", "3"}}));
    server().ask({"SET", "proj:other:x", "1"});
    EXPECT_EQ(run(cmd::exists({"a", "b", "none"})), 2);
    EXPECT_EQ(run(cmd::touch("a")), 1);
    EXPECT_EQ(run(cmd::ttl("none")), (KeyTtl{false, std::nullopt}));
    EXPECT_EQ(run(cmd::pttl("a")), (KeyTtl{true, std::nullopt}));
    EXPECT_TRUE(run(cmd::expire("a", 1h)));
    EXPECT_FALSE(run(cmd::expire("a", 1min, {.gt = true})));
    EXPECT_FALSE(run(cmd::pexpire("a", 1s, {.nx = true})));
    EXPECT_EQ(run(cmd::ttl("a")).expires, 3600s);
    EXPECT_TRUE(run(cmd::persist("a")));
    EXPECT_TRUE(run(cmd::expireat("a", std::chrono::sys_seconds{4000000000s})));
    EXPECT_TRUE(run(cmd::pexpireat("a", std::chrono::sys_seconds{4000000001s}, {.xx = true})));
    EXPECT_EQ(run(cmd::type("a")), "string");
    run(cmd::rename("a", "d"));
    EXPECT_FALSE(run(cmd::renamenx("d", "b")));
    EXPECT_TRUE(run(cmd::copy("d", "e")));
    EXPECT_FALSE(run(cmd::copy("d", "e")));
    EXPECT_TRUE(run(cmd::copy("d", "e", true)));
    EXPECT_TRUE(run(cmd::dump("d")).has_value());
    EXPECT_EQ(run(cmd::dump("none")), std::nullopt);
    EXPECT_EQ(run(cmd::object_encoding("d")), "int");
    EXPECT_LT(run(cmd::object_idletime("d")), 60s);
    EXPECT_TRUE(run(cmd::object_refcount("d")).has_value());
    EXPECT_TRUE(run(cmd::memory_usage("d")).has_value());
    const ScanPage page = run(cmd::scan(0, {.count = 1000, .type = "string"}));
    EXPECT_EQ(page.cursor, 0U);
    EXPECT_EQ(page.keys.size(), 4U);
    EXPECT_EQ(run(cmd::scan(0, {.match = "b*", .count = 1000})).keys, Texts{"b"});
    EXPECT_EQ(run(cmd::unlink("b")), 1);
    EXPECT_EQ(run(cmd::del({"c", "d", "e", "x"})), 3);
    EXPECT_EQ(run(cmd::ping()), "PONG");
    EXPECT_EQ(run(cmd::ping("hi")), "hi");
    EXPECT_EQ(run(cmd::echo("hi")), "hi");
}

TEST_P(BuildersLive, Hashes) {
    EXPECT_EQ(run(cmd::hset("h", {{"a", "1"}, {"b", "2"}})), 2);
    EXPECT_EQ(run(cmd::hset("h", "c", "3")), 1);
    EXPECT_FALSE(run(cmd::hsetnx("h", "c", "4")));
    EXPECT_EQ(run(cmd::hget("h", "a")), "1");
    EXPECT_EQ(run(cmd::hmget("h", {"a", "none"})), (std::vector<MaybeText>{"1", std::nullopt}));
    EXPECT_EQ(run(cmd::hgetall("h")), (StringMap{{"a", "1"}, {"b", "2"}, {"c", "3"}}));
    EXPECT_TRUE(run(cmd::hgetall("none")).empty());
    EXPECT_TRUE(run(cmd::hexists("h", "a")));
    EXPECT_EQ(run(cmd::hlen("h")), 3);
    EXPECT_EQ(run(cmd::hstrlen("h", "a")), 1);
    EXPECT_EQ(run(cmd::hkeys("h")).size(), 3U);
    EXPECT_EQ(run(cmd::hvals("h")).size(), 3U);
    EXPECT_EQ(run(cmd::hincrby("h", "a", 4)), 5);
    EXPECT_EQ(run(cmd::hincrbyfloat("h", "a", 0.25)), 5.25);
    EXPECT_TRUE(run(cmd::hrandfield("h")).has_value());
    EXPECT_EQ(run(cmd::hrandfield("none")), std::nullopt);
    EXPECT_EQ(run(cmd::hrandfield("h", 2)).size(), 2U);
    EXPECT_EQ(run(cmd::hrandfield_with_values("h", -5)).size(), 5U);
    EXPECT_EQ(run(cmd::hscan("h", 0, {.match = "*", .count = 100})).fields.size(), 3U);
    EXPECT_EQ(run(cmd::hdel("h", {"a", "none"})), 1);
}

TEST_P(BuildersLive, Lists) {
    EXPECT_EQ(run(cmd::rpush("l", {"a", "b", "c"})), 3);
    EXPECT_EQ(run(cmd::lpush("l", "z")), 4);
    EXPECT_EQ(run(cmd::lpushx("none", "z")), 0);
    EXPECT_EQ(run(cmd::rpushx("l", {"a"})), 5);
    EXPECT_EQ(run(cmd::lrange("l", 0, -1)), (Texts{"z", "a", "b", "c", "a"}));
    EXPECT_EQ(run(cmd::llen("l")), 5);
    EXPECT_EQ(run(cmd::lindex("l", -1)), "a");
    EXPECT_EQ(run(cmd::lindex("l", 99)), std::nullopt);
    run(cmd::lset("l", 0, "y"));
    EXPECT_EQ(run(cmd::linsert("l", ListPlace::before, "b", "x")), 6);
    EXPECT_EQ(run(cmd::lpos("l", "a")), 1);
    EXPECT_EQ(run(cmd::lpos("l", "none", {.rank = -1, .maxlen = 3})), std::nullopt);
    EXPECT_EQ(run(cmd::lpos_all("l", "a")), (std::vector<std::int64_t>{1, 5}));
    EXPECT_EQ(run(cmd::lrem("l", 0, "a")), 2);
    EXPECT_EQ(run(cmd::lmove("l", "m", ListEnd::left, ListEnd::right)), "y");
    EXPECT_EQ(run(cmd::rpoplpush("l", "m")), "c");
    EXPECT_EQ(run(cmd::lpop("m")), "c");
    EXPECT_EQ(run(cmd::rpop("m", 5)), Texts{"y"});
    EXPECT_EQ(run(cmd::lpop("none", 5)), Texts{});
    EXPECT_EQ(run(cmd::rpop("none")), std::nullopt);
    run(cmd::ltrim("l", 0, 0));
    EXPECT_EQ(run(cmd::llen("l")), 1);
}

TEST_P(BuildersLive, Sets) {
    EXPECT_EQ(run(cmd::sadd("s", {"a", "b", "c"})), 3);
    EXPECT_EQ(run(cmd::sadd("t", "b")), 1);
    EXPECT_EQ(run(cmd::srem("s", "none")), 0);
    EXPECT_EQ(run(cmd::smembers("s")).size(), 3U);
    EXPECT_TRUE(run(cmd::sismember("s", "a")));
    EXPECT_EQ(run(cmd::smismember("s", {"a", "none"})), (std::vector<bool>{true, false}));
    EXPECT_EQ(run(cmd::scard("s")), 3);
    EXPECT_TRUE(run(cmd::srandmember("s")).has_value());
    EXPECT_EQ(run(cmd::srandmember("s", -5)).size(), 5U);
    EXPECT_EQ(run(cmd::sdiff({"s", "t"})).size(), 2U);
    EXPECT_EQ(run(cmd::sinter({"s", "t"})), Texts{"b"});
    EXPECT_EQ(run(cmd::sunion({"s", "t"})).size(), 3U);
    EXPECT_EQ(run(cmd::sdiffstore("d", {"s", "t"})), 2);
    EXPECT_EQ(run(cmd::sinterstore("d", {"s", "t"})), 1);
    EXPECT_EQ(run(cmd::sunionstore("d", {"s", "t"})), 3);
    EXPECT_EQ(run(cmd::sintercard({"s", "d"}, 2)), 2);
    EXPECT_EQ(run(cmd::sscan("s", 0)).members.size(), 3U);
    EXPECT_TRUE(run(cmd::smove("s", "t", "a")));
    EXPECT_EQ(run(cmd::spop("s", 10)).size(), 2U);
    EXPECT_EQ(run(cmd::spop("s")), std::nullopt);
}

TEST_P(BuildersLive, SortedSets) {
    using Members = std::vector<ScoredMember>;
    EXPECT_EQ(run(cmd::zadd("z", {{1, "a"}, {2, "b"}, {3, "c"}})), 3);
    EXPECT_EQ(run(cmd::zadd("z", 5, "c", {.xx = true, .gt = true, .ch = true})), 1);
    EXPECT_EQ(run(cmd::zadd_incr("z", 1, "none", {.xx = true})), std::nullopt);
    EXPECT_EQ(run(cmd::zadd_incr("z", 1, "a")), 2);
    EXPECT_EQ(run(cmd::zincrby("z", -1, "a")), 1);
    EXPECT_EQ(run(cmd::zcard("z")), 3);
    EXPECT_EQ(run(cmd::zcount("z", ScoreBound::open(1), ScoreBound::highest())), 2);
    EXPECT_EQ(run(cmd::zlexcount("z", LexBound::lowest(), LexBound::highest())), 3);
    EXPECT_EQ(run(cmd::zscore("z", "b")), 2);
    EXPECT_EQ(run(cmd::zmscore("z", {"b", "none"})), (std::vector<std::optional<double>>{2, std::nullopt}));
    EXPECT_EQ(run(cmd::zrank("z", "b")), 1);
    EXPECT_EQ(run(cmd::zrevrank("z", "none")), std::nullopt);
    EXPECT_EQ(run(cmd::zrange("z", 0, -1, true)), (Texts{"c", "b", "a"}));
    EXPECT_EQ(run(cmd::zrange_with_scores("z", 0, 0)), (Members{{"a", 1}}));
    EXPECT_EQ(run(cmd::zrange_by_score("z", 2, ScoreBound::open(5))), Texts{"b"});
    EXPECT_EQ(run(cmd::zrange_by_score("z", 1, 5, {.rev = true, .offset = 1, .count = 1})), Texts{"b"});
    EXPECT_EQ(run(cmd::zrange_by_score_with_scores("z", ScoreBound::lowest(), 1)), (Members{{"a", 1}}));
    EXPECT_EQ(run(cmd::zrange_by_lex("z", LexBound::closed("a"), LexBound::highest(), {.offset = 2})), Texts{"c"});
    EXPECT_EQ(run(cmd::zrangestore("y", "z", 0, 1)), 2);
    EXPECT_EQ(run(cmd::zrangestore_by_score("y", "z", 1, 5, {.rev = true, .count = 2})), 2);
    EXPECT_EQ(run(cmd::zdiff({"z", "y"})), Texts{"a"});
    EXPECT_EQ(run(cmd::zdiff_with_scores({"z", "y"})), (Members{{"a", 1}}));
    EXPECT_EQ(run(cmd::zinter({"z", "y"})), (Texts{"b", "c"}));
    const std::vector<double> weights{1, 0.5};
    EXPECT_EQ(run(cmd::zinter_with_scores({"z", "y"}, {.weights = weights})), (Members{{"b", 3}, {"c", 7.5}}));
    EXPECT_EQ(run(cmd::zunion({"z", "y"}, {.aggregate = Aggregate::max})), (Texts{"a", "b", "c"}));
    EXPECT_EQ(run(cmd::zunion_with_scores({"y"})), (Members{{"b", 2}, {"c", 5}}));
    EXPECT_EQ(run(cmd::zdiffstore("d", {"z", "y"})), 1);
    EXPECT_EQ(run(cmd::zinterstore("d", {"z", "y"}, {.weights = weights})), 2);
    EXPECT_EQ(run(cmd::zunionstore("d", {"z", "y"})), 3);
    EXPECT_EQ(run(cmd::zintercard({"z", "y"}, 1)), 1);
    EXPECT_TRUE(run(cmd::zrandmember("z")).has_value());
    EXPECT_EQ(run(cmd::zrandmember("z", 2)).size(), 2U);
    EXPECT_EQ(run(cmd::zrandmember_with_scores("z", -4)).size(), 4U);
    EXPECT_EQ(run(cmd::zscan("z", 0)).members.size(), 3U);
    EXPECT_EQ(run(cmd::zpopmin("z")), (Members{{"a", 1}}));
    EXPECT_EQ(run(cmd::zpopmax("z", 5)), (Members{{"c", 5}, {"b", 2}}));
    EXPECT_EQ(run(cmd::zrem("d", {"a", "none"})), 1);
    EXPECT_EQ(run(cmd::zremrangebyrank("d", 0, 0)), 1);
    EXPECT_EQ(run(cmd::zremrangebyscore("d", 0, 1)), 0);
    EXPECT_EQ(run(cmd::zremrangebylex("d", LexBound::lowest(), LexBound::open("zz"))), 1);
}

INSTANTIATE_TEST_SUITE_P(Servers, BuildersLive,
                         ::testing::Combine(::testing::Values("redis-server", "valkey-server"),
                                            ::testing::Values("2", "3")),
                         [](const auto& parameter) {
                             const std::string name{std::get<0>(parameter.param)};
                             return name.substr(0, name.find('-')) + "_resp" + std::get<1>(parameter.param);
                         });

}  // namespace
}  // namespace redoubt
