// service: projects with users of their own at the server, on all surfaces; the server alone keeps them apart.
#include <redoubt/service/service.hpp>

#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/acl_service.hpp"
#include "support/loops.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;
using testing::RawClient;
using Texts = std::vector<std::string>;

class AclUsersLive : public testing::AclServiceTest {};

TEST_P(AclUsersLive, AProjectsUserIsMadeWhenItIsFirstUsed) {
    RedisService& service = start();
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    EXPECT_EQ(users(), Texts{"default"});
    EXPECT_TRUE(alpha.set("k", "v"));
    EXPECT_EQ(alpha.get("k"), "v");
    EXPECT_EQ(users(), (Texts{"default", "proj_alpha"}));
    EXPECT_TRUE(is_connected("proj_alpha"));
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}), Texts{"proj:alpha:k"});
}

TEST_P(AclUsersLive, AllSurfacesWork) {
    RedisService& service = start();
    ProjectIsolatedRedisClient redis = service.get_connection("alpha");
    const auto [value, count] = redis.pipeline().getdel("none").incr("n").execute();
    EXPECT_EQ(value, std::nullopt);
    EXPECT_EQ(count, 1);
    const auto done = redis.transaction().watch("n").incr("n").get("n").execute();
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(std::get<1>(*done), "2");
    EXPECT_EQ(redis.command("TIME").elements.size(), 2u);
    EXPECT_EQ(redis.command("OBJECT", "ENCODING", "n").text, "int");
    redis.rpush("list", "x");
    EXPECT_TRUE(redis.blpop("list", 1s).has_value());
    EXPECT_EQ(redis.async().get("n")(asio::use_future).get(), "2");
}

TEST_P(AclUsersLive, ASubscriberListensAsTheProjectsUser) {
    RedisService& service = start();
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    Subscriber subscriber = alpha.subscriber();
    subscriber.subscribe("news");
    // The server compares a pattern with the user's own as a text, so the library filters.
    subscriber.psubscribe("user:*");
    EXPECT_TRUE(contains(raw().command({"CLIENT", "LIST", "TYPE", "pubsub"}), " user=proj_alpha "));
    raw().command({"PUBLISH", "proj:beta:news", "of beta"});
    raw().command({"PUBLISH", "proj:alpha:other", "not asked for"});
    raw().command({"PUBLISH", "proj:alpha:user:1", "by pattern"});
    raw().command({"PUBLISH", "proj:alpha:news", "by name"});
    Texts heard;
    for (int i = 0; i < 2; ++i) {
        const std::optional<SubscriptionEvent> event = subscriber.receive(20s);
        ASSERT_TRUE(event.has_value());
        heard.push_back(event->payload);
    }
    EXPECT_EQ(heard, (Texts{"by pattern", "by name"}));
}

TEST_P(AclUsersLive, ASubscriberHearsOfItsOwnKeysAlone) {
    raw().command({"CONFIG", "SET", "notify-keyspace-events", "KEA"});
    RedisService& service = start();
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    Subscriber subscriber = alpha.subscriber();
    const std::array<std::string_view, 2> names{"user:*", "order:?"};
    subscriber.subscribe(Subscribed::keyspace, names);
    subscriber.psubscribe("n*");
    service.get_connection("beta").set("user:1", "v");
    alpha.set("other", "v");
    alpha.set("order:1", "v");
    alpha.del("order:1");
    alpha.set("user:1", "v");
    raw().command({"PUBLISH", "proj:alpha:news", "news"});
    Texts heard;
    for (int i = 0; i < 4; ++i) {
        const std::optional<SubscriptionEvent> event = subscriber.receive(20s);
        ASSERT_TRUE(event.has_value());
        heard.push_back(event->channel + "|" + event->pattern + "=" + event->payload);
    }
    EXPECT_EQ(heard, (Texts{"order:1|order:?=set", "order:1|order:?=del", "user:1|user:*=set", "news|n*=news"}));
    RawClient as_alpha = raw_as("alpha");
    for (const char* pattern : {"__keyspace@0__:*", "__keyspace@0__:proj:beta:*", "__keyevent@0__:set", "*"}) {
        EXPECT_TRUE(as_alpha.command({"PSUBSCRIBE", pattern}).starts_with("-NOPERM")) << pattern;
    }
}

TEST_P(AclUsersLive, OnTheApplicationsOwnLoop) {
    asio::io_context loop{1};
    RedisService service(loop, acl_config());
    bool ended = false;
    asio::co_spawn(
        loop,
        [&]() -> asio::awaitable<void> {
            co_await service.async_initialize();
            AsyncProjectRedisClient alpha = service.get_connection("alpha").async();
            AsyncProjectRedisClient beta = service.get_connection("beta").async();
            EXPECT_TRUE(co_await alpha.set("k", "a"));
            EXPECT_TRUE(co_await beta.set("k", "b"));
            const std::optional<std::string> read = co_await alpha.get("k");
            EXPECT_EQ(read, "a");
            const ScanPage page = co_await alpha.scan(0);
            EXPECT_EQ(page.keys, Texts{"k"});
        },
        [&](std::exception_ptr failure) {
            ended = true;
            service.close();
            if (failure) std::rethrow_exception(failure);
        });
    testing::expect_runs_out(loop);
    EXPECT_TRUE(ended);
    EXPECT_EQ(users(), (Texts{"default", "proj_alpha", "proj_beta", "redoubt_scan"}));
}

TEST_P(AclUsersLive, ScanRunsAsAUserWithNothingElse) {
    RedisService& service = start();
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    ProjectIsolatedRedisClient beta = service.get_connection("beta");
    alpha.set("one", "1");
    beta.set("two", "2");
    EXPECT_FALSE(is_connected("redoubt_scan"));
    EXPECT_EQ(alpha.scan(0).keys, Texts{"one"});
    EXPECT_EQ(beta.scan(0).keys, Texts{"two"});
    EXPECT_EQ(alpha.command("SCAN", "0").elements.at(1).elements.at(0).text, "one");
    EXPECT_EQ(beta.async().scan(0)(asio::use_future).get().keys, Texts{"two"});
    EXPECT_EQ(std::get<0>(alpha.pipeline().scan(0).execute()).keys, Texts{"one"});
    EXPECT_TRUE(is_connected("redoubt_scan"));
    // The scan user's own connection can do nothing with a key.
    RawClient scan(server());
    ASSERT_EQ(log_in(scan, "redoubt_scan", secret_of(":scan")), "+OK\r\n");
    EXPECT_TRUE(scan.command({"SCAN", "0"}).starts_with("*2"));
    for (const Texts& words : {Texts{"GET", "proj:alpha:one"}, Texts{"DEL", "proj:alpha:one"}, Texts{"KEYS", "*"},
                               Texts{"TYPE", "proj:alpha:one"}, Texts{"INFO"}, Texts{"SELECT", "1"}}) {
        EXPECT_TRUE(scan.command(words).starts_with("-NOPERM")) << words.front();
    }
    // With other commands in one piece it would have to be two users at once.
    const Error mixed = error_of([&] { (void)alpha.pipeline().get("one").scan(0).execute(); });
    EXPECT_EQ(mixed.kind, ErrorKind::authentication);
    EXPECT_TRUE(contains(mixed.message(), "NOPERM")) << mixed.message();
    // Its pool is listed, kept and closed like any other; it is no project.
    const boost::json::object metrics = service.get_metrics();
    EXPECT_TRUE(metrics.at("connection_factory").at("pools").as_object().contains("_scan-0"));
    EXPECT_EQ(metrics.at("connection_factory").at("projects_count").to_number<int>(), 2);
}

/// The library is not asked at all: the connection sends what it likes.
TEST_P(AclUsersLive, TheServerAloneKeepsProjectsApart) {
    RedisService& service = start();
    service.get_connection("a").set("k", "own");
    service.get_connection("b").set("k", "canary");
    service.get_connection("b").rpush("list", "canary");
    RawClient as_a = raw_as("a");
    EXPECT_EQ(as_a.command({"GET", "proj:a:k"}), "$3\r\nown\r\n");
    const std::string before = raw().command({"DUMP", "proj:b:k"});
    const std::vector<Texts> attempts{
        {"GET", "proj:b:k"},
        {"SET", "proj:b:k", "x"},
        {"DEL", "proj:b:k"},
        {"UNLINK", "proj:b:k", "proj:a:k"},
        {"MGET", "proj:a:k", "proj:b:k"},
        {"MSET", "proj:a:k", "1", "proj:b:k", "2"},
        {"RENAME", "proj:b:k", "proj:a:x"},
        {"RENAME", "proj:a:k", "proj:b:x"},
        {"COPY", "proj:b:k", "proj:a:x"},
        {"COPY", "proj:a:k", "proj:b:k", "DB", "1"},
        {"EXPIRE", "proj:b:k", "1"},
        {"TYPE", "proj:b:k"},
        {"EXISTS", "proj:b:k"},
        {"DUMP", "proj:b:k"},
        {"OBJECT", "ENCODING", "proj:b:k"},
        {"MEMORY", "USAGE", "proj:b:k"},
        {"SORT", "proj:a:k", "BY", "proj:b:*", "GET", "proj:b:*"},
        {"SORT", "proj:b:list", "STORE", "proj:a:x"},
        {"LMPOP", "1", "proj:b:list", "LEFT"},
        {"BLPOP", "proj:b:list", "0.01"},
        {"LMOVE", "proj:b:list", "proj:a:x", "LEFT", "LEFT"},
        {"GEORADIUS", "proj:a:g", "0", "0", "1", "km", "STORE", "proj:a:x", "STORE", "proj:b:x"},
        {"PFMERGE", "proj:b:h"},
        {"BITOP", "AND", "proj:a:x", "proj:b:k"},
        {"XREAD", "STREAMS", "proj:b:s", "0"},
        {"WATCH", "proj:b:k"},
        {"EVAL", "return redis.call('GET', 'proj:b:k')", "0"},
        {"EVAL_RO", "return redis.call('GET', 'proj:b:k')", "0"},
        {"SCRIPT", "LOAD", "return 1"},
        {"FCALL", "f", "1", "proj:b:k"},
        {"FUNCTION", "LIST"},
        {"PUBLISH", "proj:b:c", "x"},
        {"SPUBLISH", "proj:b:c", "x"},
        {"SUBSCRIBE", "proj:b:c"},
        {"SSUBSCRIBE", "proj:b:c"},
        {"PSUBSCRIBE", "*"},
        {"PSUBSCRIBE", "proj:*"},
        {"PUBSUB", "CHANNELS"},
        {"PUBSUB", "NUMSUB", "proj:b:c"},
        {"PUBSUB", "NUMPAT"},
        {"KEYS", "*"},
        {"SCAN", "0"},
        {"RANDOMKEY"},
        {"DBSIZE"},
        {"FLUSHDB"},
        {"FLUSHALL"},
        {"MOVE", "proj:a:k", "1"},
        {"SWAPDB", "0", "1"},
        {"SELECT", "1"},
        {"CONFIG", "GET", "*"},
        {"CONFIG", "SET", "maxmemory", "1mb"},
        {"ACL", "LIST"},
        {"ACL", "WHOAMI"},
        {"ACL", "SETUSER", "proj_a", "allkeys"},
        {"CLIENT", "LIST"},
        {"CLIENT", "KILL", "ID", "1"},
        {"CLIENT", "TRACKING", "ON", "BCAST"},
        {"CLIENT", "NO-EVICT", "ON"},
        {"MONITOR"},
        {"SLOWLOG", "GET"},
        {"INFO"},
        {"DEBUG", "OBJECT", "proj:b:k"},
        {"MIGRATE", "127.0.0.1", "1", "proj:a:k", "0", "1"},
        {"RESTORE", "proj:a:x", "0", "x"},
        {"CLUSTER", "GETKEYSINSLOT", "1", "1"},
        {"REPLICAOF", "NO", "ONE"},
        {"SHUTDOWN", "NOSAVE"},
        {"LATENCY", "HISTORY", "command"},
        {"MODULE", "LIST"},
        {"COMMAND", "GETKEYS", "GET", "k"},
    };
    for (const Texts& words : attempts) {
        const std::string answer = as_a.command(words);
        EXPECT_TRUE(answer.starts_with("-")) << words.front() << ": " << answer;
        EXPECT_FALSE(contains(answer, "canary")) << words.front();
    }
    // An identity cannot be changed without its secret; AUTH inside MULTI neither.
    EXPECT_TRUE(as_a.command({"AUTH", "proj_b", secret_of("a")}).starts_with("-WRONGPASS"));
    EXPECT_TRUE(as_a.command({"GET", "proj:b:k"}).starts_with("-NOPERM"));
    EXPECT_EQ(raw().command({"DUMP", "proj:b:k"}), before);
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}), (Texts{"proj:a:k", "proj:b:k", "proj:b:list"}));
    std::printf("%s: %zu attempts refused by the server alone\n", GetParam().c_str(), attempts.size());
}

TEST_P(AclUsersLive, WhatNoUserIsGrantedTheClientRefusesItself) {
    RedisService& service = start();
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    alpha.set("k", "v");
    const Error merge = error_of([&] { (void)alpha.command("PFMERGE", "x", "y"); });
    EXPECT_EQ(merge.kind, ErrorKind::isolation);
    EXPECT_EQ(merge.certainty, Certainty::not_sent);
    EXPECT_TRUE(contains(merge.message(), "PFCOUNT")) << merge.message();
    EXPECT_EQ(error_of([&] { alpha.async().command("PFMERGE", "x", "y")(asio::use_future).get(); }).kind,
              ErrorKind::isolation);
    const Error radius = error_of([&] { (void)alpha.command("GEORADIUS", "g", "0", "0", "1", "km", "STORE", "x"); });
    EXPECT_EQ(radius.kind, ErrorKind::isolation);
}

TEST_P(AclUsersLive, ARightThatWasTakenAwayIsAnAuthenticationError) {
    RedisService& service = start();
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    alpha.set("k", "v");
    raw().command({"ACL", "SETUSER", "proj_alpha", "-get"});
    const Error refused = error_of([&] { (void)alpha.get("k"); });
    EXPECT_EQ(refused.kind, ErrorKind::authentication);
    EXPECT_EQ(refused.certainty, Certainty::rejected);
    EXPECT_TRUE(contains(refused.message(), "NOPERM")) << refused.message();
    EXPECT_TRUE(contains(refused.message(), "alpha")) << refused.message();
    // A project is set up anew, whatever was done to its user.
    service.admin().provision_project("alpha");
    EXPECT_EQ(alpha.get("k"), "v");
}

TEST_P(AclUsersLive, OnlyTheDatabaseOfTheConfiguration) {
    RedisServiceConfig given = acl_config();
    given.url += "?db=3";
    start(given).get_connection("alpha").set("k", "v");
    RawClient alpha = raw_as("alpha");
    EXPECT_EQ(alpha.command({"SELECT", "3"}), "+OK\r\n");
    EXPECT_EQ(alpha.command({"GET", "proj:alpha:k"}), "$1\r\nv\r\n");
    for (const char* other : {"0", "1", "33"}) {
        EXPECT_TRUE(alpha.command({"SELECT", other}).starts_with("-NOPERM")) << other;
    }
}

TEST_P(AclUsersLive, OnlyAScriptProjectsUserMayRunScripts) {
    RedisServiceConfig given = acl_config();
    given.script_projects = "beta, gamma";
    RedisService& service = start(given);
    for (const char* project : {"alpha", "beta", "gamma"}) service.get_connection(project).set("k", project);
    EXPECT_TRUE(raw_as("alpha").command({"EVAL", "return 1", "0"}).starts_with("-NOPERM"));
    for (const char* project : {"beta", "gamma"}) {
        RawClient connection = raw_as(project);
        EXPECT_EQ(connection.command({"EVAL", "return 1", "0"}), ":1\r\n");
        // The key that a script does not declare is where the client's wall ends and the server's holds.
        const std::string answer = connection.command({"EVAL", "return redis.call('GET', 'proj:alpha:k')", "0"});
        EXPECT_TRUE(answer.starts_with("-")) << answer;
    }
}

REDOUBT_BOTH_SERVERS(AclUsersLive);

}  // namespace
}  // namespace redoubt
