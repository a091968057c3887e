// service: the blocking client, its pipelines, batches and transactions, over RESP2 and RESP3 with both real servers.
#include <redoubt/service/client.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::error_of;
using testing::options_for;
using testing::quiet_config;
using testing::RawClient;
using Texts = std::vector<std::string>;
using MaybeTexts = std::vector<std::optional<std::string>>;

class Client : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
protected:
    Client() : server_(options_for(std::get<0>(GetParam()))), raw_(server_) {
        service_ = std::make_unique<RedisService>(quiet_config(server_.url() + "?protocol=" + protocol()));
        service_->initialize();
    }
    std::string protocol() const { return std::get<1>(GetParam()); }
    RawClient& raw() { return raw_; }
    EmbeddedServer& server() { return server_; }
    RedisService& service() { return *service_; }
    ProjectIsolatedRedisClient redis() { return service_->get_connection("alpha"); }
    /// The lines of CLIENT LIST that are the service's.
    Texts connections() {
        Texts lines;
        std::istringstream list(raw_.command({"CLIENT", "LIST"}));
        for (std::string line; std::getline(list, line);) {
            if (contains(line, " name=redoubt ")) lines.push_back(line);
        }
        return lines;
    }

private:
    EmbeddedServer server_;
    RawClient raw_;
    std::unique_ptr<RedisService> service_;
};

TEST_P(Client, SpeaksTheProtocolThatTheUrlAsksFor) {
    redis().ping();
    ASSERT_FALSE(connections().empty());
    for (const std::string& line : connections()) EXPECT_TRUE(contains(line, " resp=" + protocol())) << line;
}

TEST_P(Client, StringsAndKeys) {
    const auto r = redis();
    EXPECT_EQ(r.ping(), "PONG");
    EXPECT_EQ(r.echo("hello"), "hello");
    EXPECT_EQ(r.get("none"), std::nullopt);
    EXPECT_TRUE(r.set("k", "v", {.ex = 1h}));
    EXPECT_FALSE(r.set("k", "w", {.nx = true}));
    EXPECT_GT(r.ttl("k").expires, 3590s);
    EXPECT_EQ(r.set_get("k", "w", {.keepttl = true}), "v");
    EXPECT_EQ(r.getex("k", {.persist = true}), "w");
    EXPECT_EQ(r.pttl("k"), (KeyTtl{true, std::nullopt}));
    EXPECT_EQ(r.append("k", "xyz"), 4);
    EXPECT_EQ(r.getrange("k", 1, -1), "xyz");
    EXPECT_EQ(r.getdel("k"), "wxyz");
    r.mset({{"a", "1"}, {"b", "2"}});
    EXPECT_EQ(r.mget({"a", "none", "b"}), (MaybeTexts{"1", std::nullopt, "2"}));
    EXPECT_EQ(r.mget("b", "a"), (MaybeTexts{"2", "1"}));
    EXPECT_FALSE(r.msetnx({{"c", "3"}, {"a", "0"}}));
    EXPECT_EQ(r.incrby("a", 41), 42);
    EXPECT_EQ(r.decr("a"), 41);
    EXPECT_DOUBLE_EQ(r.incrbyfloat("a", 0.5), 41.5);
    EXPECT_EQ(r.type("a"), "string");
    EXPECT_TRUE(r.expire("a", 10s));
    EXPECT_FALSE(r.expire("a", 1s, {.gt = true}));
    EXPECT_TRUE(r.persist("a"));
    EXPECT_EQ(r.exists("a", "b", "none"), 2);
    EXPECT_EQ(r.del("a", "b", "none"), 2);
    EXPECT_EQ(r.memory_usage("none"), std::nullopt);
}

TEST_P(Client, HashesListsAndSets) {
    const auto r = redis();
    EXPECT_EQ(r.hset("h", {{"a", "1"}, {"b", "2"}}), 2);
    EXPECT_EQ(r.hset("h", "a", "3"), 0);
    EXPECT_EQ(r.hgetall("h"), (StringMap{{"a", "3"}, {"b", "2"}}));
    EXPECT_EQ(r.hmget("h", "b", "none"), (MaybeTexts{"2", std::nullopt}));
    EXPECT_EQ(r.hincrby("h", "a", 4), 7);
    EXPECT_TRUE(r.hexists("h", "a"));
    EXPECT_EQ(r.hscan("h", 0, {.match = "b*"}).fields, (std::vector<std::pair<std::string, std::string>>{{"b", "2"}}));
    EXPECT_EQ(r.hrandfield_with_values("h", 5).size(), 2U);
    EXPECT_EQ(r.hgetall("none"), StringMap{});

    EXPECT_EQ(r.rpush("l", "a", "b", "c", "b"), 4);
    EXPECT_EQ(r.lrange("l", 0, -1), (Texts{"a", "b", "c", "b"}));
    EXPECT_EQ(r.lpos_all("l", "b"), (std::vector<std::int64_t>{1, 3}));
    EXPECT_EQ(r.lpos("l", "none"), std::nullopt);
    EXPECT_EQ(r.lmove("l", "m", ListEnd::left, ListEnd::right), "a");
    EXPECT_EQ(r.linsert("l", ListPlace::before, "c", "x"), 4);
    EXPECT_EQ(r.lpop("l", 2), (Texts{"b", "x"}));
    EXPECT_EQ(r.rpop("none"), std::nullopt);

    EXPECT_EQ(r.sadd("s", {"a", "b", "c"}), 3);
    EXPECT_EQ(r.smismember("s", "a", "none"), (std::vector<bool>{true, false}));
    Texts members = r.smembers("s");
    std::sort(members.begin(), members.end());
    EXPECT_EQ(members, (Texts{"a", "b", "c"}));
    EXPECT_EQ(r.sintercard({"s", "s"}, 2), 2);
    EXPECT_TRUE(r.smove("s", "t", "a"));
}

TEST_P(Client, SortedSets) {
    const auto r = redis();
    const std::array<ScoreMemberView, 3> members{{{1, "a"}, {2.5, "b"}, {4, "c"}}};
    EXPECT_EQ(r.zadd("z", members), 3);
    EXPECT_EQ(r.zadd("z", 3, "b", {.gt = true, .ch = true}), 1);
    EXPECT_EQ(r.zadd_incr("z", 1, "none", {.xx = true}), std::nullopt);
    EXPECT_EQ(r.zscore("z", "b"), 3.0);
    EXPECT_EQ(r.zmscore("z", "a", "none"), (std::vector<std::optional<double>>{1.0, std::nullopt}));
    EXPECT_EQ(r.zrank("z", "c"), 2);
    EXPECT_EQ(r.zrange("z", 0, -1, true), (Texts{"c", "b", "a"}));
    EXPECT_EQ(r.zrange_by_score_with_scores("z", ScoreBound::open(1), ScoreBound::highest(), {.count = 1}),
              (std::vector<ScoredMember>{{"b", 3}}));
    EXPECT_EQ(r.zcount("z", 1, 3), 2);
    const std::array<double, 1> twice{2};
    EXPECT_EQ(r.zunion_with_scores({"z"}, {.weights = twice}),
              (std::vector<ScoredMember>{{"a", 2}, {"b", 6}, {"c", 8}}));
    EXPECT_EQ(r.zpopmin("z"), (std::vector<ScoredMember>{{"a", 1}}));
    EXPECT_EQ(r.zscan("z", 0).members.size(), 2U);
}

TEST_P(Client, TryFormsReturnTheErrorThatTheOthersThrow) {
    const auto r = redis();
    EXPECT_TRUE(*r.try_set("text", "not a number"));
    EXPECT_EQ(*r.try_get("text"), "not a number");
    const auto incremented = r.try_incr("text");
    ASSERT_FALSE(incremented);
    EXPECT_EQ(incremented.error().kind, ErrorKind::server);
    EXPECT_EQ(incremented.error().certainty, Certainty::rejected);
    const auto popped = r.try_lpop("text");
    ASSERT_FALSE(popped);
    EXPECT_EQ(popped.error().prefix(), "WRONGTYPE");
    EXPECT_EQ(popped.error().operation, "LPOP");
    EXPECT_EQ(popped.error().attempts, 1U);
    try {
        r.lpop("text");
        FAIL() << "took a string for a list";
    } catch (const RedisServerException& failure) {
        EXPECT_EQ(failure.prefix(), "WRONGTYPE");
        EXPECT_EQ(failure.project_id(), "alpha");
        EXPECT_EQ(failure.endpoint(), server().socket_path());
        EXPECT_FALSE(contains(failure.what(), "not a number")) << failure.what();
    }
    EXPECT_FALSE(r.try_command(std::array<std::string_view, 1>{"FLUSHALL"}));
}

TEST_P(Client, RequiredReadsNameWhatIsMissing) {
    const auto r = redis();
    r.set("k", "v");
    r.hset("h", "f", "v");
    EXPECT_EQ(r.get_required("k"), "v");
    EXPECT_EQ(r.hget_required("h", "f"), "v");
    EXPECT_THROW(r.hget_required("h", "none"), RedisKeyNotFoundException);
    try {
        r.get_required("no such\r\nkey");
        FAIL() << "found what is not there";
    } catch (const RedisKeyNotFoundException& failure) {
        EXPECT_TRUE(contains(failure.what(), "no such")) << failure.what();
        EXPECT_TRUE(contains(failure.what(), "alpha")) << failure.what();
        EXPECT_EQ(std::string_view(failure.what()).find_first_of("\r\n"), std::string_view::npos);
    }
}

TEST_P(Client, RawCommandsGiveValues) {
    const auto r = redis();
    EXPECT_EQ(r.command("HSET", "h", "field", "1").integer, 1);
    EXPECT_EQ(r.command("get", std::string("none")).type, RespType::null);
    const Value all = r.command("HGETALL", "h");
    ASSERT_EQ(all.elements.size(), 2U);
    EXPECT_EQ(all.type, protocol() == "3" ? RespType::map : RespType::array);
    EXPECT_EQ(all.elements[1].text, "1");
    EXPECT_THROW(r.command("LPOP", "h"), RedisServerException);
}

TEST_P(Client, AHandleOfItsOwnHasItsOwnDefaults) {
    const auto hasty = redis().with({.deadline = 1ns});
    const Error error = error_of([&] { (void)hasty.get("k"); });
    EXPECT_EQ(error.kind, ErrorKind::timeout);
    EXPECT_EQ(redis().get("k"), std::nullopt);
    const auto patient = hasty.with({.deadline = 5s, .retries = 0u});
    EXPECT_EQ(patient.get("k"), std::nullopt);
    EXPECT_EQ(patient.project_id(), "alpha");
}

TEST_P(Client, PipelinesKeepErrorsApart) {
    const auto r = redis();
    auto outcome = r.pipeline().set("s", "text").incr("s").get("s").lrange("none", 0, -1).try_execute();
    ASSERT_TRUE(outcome);
    EXPECT_TRUE(*std::get<0>(*outcome));
    ASSERT_FALSE(std::get<1>(*outcome));
    EXPECT_EQ(std::get<1>(*outcome).error().kind, ErrorKind::server);
    EXPECT_EQ(*std::get<2>(*outcome), "text");
    EXPECT_EQ(*std::get<3>(*outcome), Texts{});
    EXPECT_THROW(r.pipeline().incr("s").get("s").execute(), RedisServerException);
    auto [number, text] = r.pipeline().incr("n").get("s").execute();
    EXPECT_EQ(number, 1);
    EXPECT_EQ(text, "text");
}

TEST_P(Client, BatchesAnswerInOrder) {
    const auto r = redis();
    auto batch = r.batch<std::int64_t>();
    for (int i = 0; i < 2000; ++i) batch.incr("n");
    EXPECT_EQ(batch.size(), 2000U);
    const std::vector<std::int64_t> values = std::move(batch).execute();
    ASSERT_EQ(values.size(), 2000U);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], static_cast<std::int64_t>(i) + 1);

    r.set("text", "x");
    auto mixed = r.batch<std::int64_t>();
    mixed.incr("n");
    mixed.incr("text");
    mixed.incr("n");
    const auto outcome = std::move(mixed).try_execute();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(*outcome->at(0), 2001);
    EXPECT_FALSE(outcome->at(1));
    EXPECT_EQ(*outcome->at(2), 2002);
    EXPECT_TRUE(r.batch<bool>().execute().empty());
}

TEST_P(Client, TransactionsExecuteAllOrNone) {
    const auto r = redis();
    const auto done = r.transaction().set("a", "1").incr("a").get("a").execute();
    ASSERT_TRUE(done);
    EXPECT_EQ(*done, std::make_tuple(true, std::int64_t{2}, std::optional<std::string>("2")));

    // What fails inside EXEC could have been raised after a write: its certainty is unknown.
    r.set("text", "x");
    const auto parts = r.transaction().incr("a").incr("text").incr("a").try_execute();
    ASSERT_TRUE(parts);
    ASSERT_TRUE(parts->has_value());
    EXPECT_EQ(*std::get<0>(**parts), 3);
    ASSERT_FALSE(std::get<1>(**parts));
    const Error failed = std::get<1>(**parts).error();
    EXPECT_EQ(failed.certainty, Certainty::unknown);
    EXPECT_EQ(failed.operation, "INCR");
    ASSERT_NE(failed.origin, nullptr);
    EXPECT_EQ(failed.origin->project_id, "alpha");
    EXPECT_EQ(*std::get<2>(**parts), 4);
    const Error first = error_of([&] { r.transaction().set("b", "1").incr("text").execute(); });
    EXPECT_EQ(first.certainty, Certainty::unknown);
    EXPECT_EQ(first.operation, "INCR");
    EXPECT_EQ(first.origin->project_id, "alpha");
    EXPECT_EQ(r.get("a"), "4");
}

TEST_P(Client, ACommandRefusedInsideMultiAbortsTheTransaction) {
    // The server refuses INCR when it is queued, and with it all.
    ASSERT_EQ(raw().command({"ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-incr"}), "+OK\r\n");
    RedisService limited(quiet_config("unix://limited:secret@" + server().socket_path() + "?protocol=" + protocol()));
    limited.initialize();
    const auto r = limited.get_connection("alpha");
    const Error error = error_of([&] { r.transaction().set("a", "1").incr("a").execute(); });
    EXPECT_EQ(error.kind, ErrorKind::server);
    EXPECT_EQ(error.prefix(), "EXECABORT");
    EXPECT_EQ(error.certainty, Certainty::rejected);
    ASSERT_TRUE(error.cause);
    EXPECT_EQ(error.cause->prefix(), "NOPERM");
    EXPECT_EQ(r.get("a"), std::nullopt);
    EXPECT_TRUE(r.transaction().set("a", "1").execute());
    EXPECT_THROW(r.incr("a"), RedisAuthenticationException);
}

TEST_P(Client, WatchSeesWhatOthersChange) {
    const auto r = redis();
    r.set("stock", "1");
    auto conflicting = r.transaction().watch("stock");
    r.set("stock", "2");
    EXPECT_EQ(std::move(conflicting).set("sold", "1").execute(), std::nullopt);
    EXPECT_EQ(r.get("sold"), std::nullopt);

    auto quiet = r.transaction().watch({"stock", "other"});
    EXPECT_EQ(r.get("stock"), "2");
    EXPECT_EQ(std::move(quiet).incr("sold").execute(), std::make_tuple(std::int64_t{1}));
    // Only the project's own key is watched.
    auto apart = r.transaction().watch("stock");
    service().get_connection("beta").set("stock", "9");
    EXPECT_EQ(std::move(apart).incr("sold").execute(), std::make_tuple(std::int64_t{2}));
}

TEST_P(Client, TransactionsWithWatchUseOneConnectionAgainAndAgain) {
    const auto r = redis();
    auto first = r.transaction().watch("k");
    EXPECT_EQ(r.get("n"), std::nullopt);  // on the shared connection, beside the leased one
    EXPECT_TRUE(std::move(first).incr("n").execute());
    const std::size_t before = connections().size();
    for (int i = 0; i < 30; ++i) {
        auto watched = r.transaction().watch("k");
        if (i % 2 == 0) r.set("k", std::to_string(i));
        EXPECT_EQ(std::move(watched).incr("n").execute().has_value(), i % 2 == 1);
    }
    EXPECT_EQ(connections().size(), before);
    EXPECT_EQ(r.get("n"), "16");
    // One that is given up with its WATCH leaves nothing behind for the next.
    { auto abandoned = r.transaction().watch("k"); }
    r.set("k", "changed");
    EXPECT_TRUE(r.transaction().watch("n").incr("n").execute().has_value());
    EXPECT_LE(connections().size(), before + 1);
}

TEST_P(Client, ThreadsShareAHandle) {
    const auto r = redis();
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 300; ++i) {
                const std::string value = std::to_string(t) + ":" + std::to_string(i);
                if (!r.set("k" + std::to_string(t), value) || r.get("k" + std::to_string(t)) != value) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_LE(connections().size(), 10U);
}

TEST_P(Client, LargeValuesAndReplies) {
    const auto r = redis();
    const std::string large(8 << 20, 'x');
    r.set("large", large);
    EXPECT_EQ(r.get("large"), large);
    auto batch = r.batch<std::int64_t>();
    for (int i = 0; i < 5000; ++i) batch.rpush("list", "element " + std::to_string(i));
    std::move(batch).execute();
    const Texts all = r.lrange("list", 0, -1);
    ASSERT_EQ(all.size(), 5000U);
    EXPECT_EQ(all.back(), "element 4999");
}

INSTANTIATE_TEST_SUITE_P(BothServers, Client,
                         ::testing::Combine(::testing::ValuesIn(testing::server_programs()),
                                            ::testing::Values("2", "3")),
                         [](const auto& parameter) {
                             return testing::short_name(std::get<0>(parameter.param)) + "_resp" +
                                    std::get<1>(parameter.param);
                         });

}  // namespace
}  // namespace redoubt
