// service: reads from replicas on request: which nodes answer, how old that may be, and what happens when one falls behind,
// hangs or dies. With Sentinels, and with one server, on both real servers.
#include <redoubt/service/service.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/serialize.hpp>

#include <redoubt/resp/command_table.hpp>

#include "embedded/server_files.hpp"
#include "support/replica_reads.hpp"
#include "support/sentinel_group.hpp"

namespace redoubt {
namespace {

using boost::asio::use_future;
using testing::contains;
using testing::endpoint_of;
using testing::error_of;
using testing::eventually;
using testing::read_in_coroutine;

// --- with Sentinels -------------------------------------------------------------------------------------------------

class SentinelReplicas : public testing::ReplicaReadsTest<testing::SentinelGroupTest> {
protected:
    std::uint64_t gets(std::size_t index) { return calls(node(index), "get"); }
    /// WAIT would know of its own connection's writes alone.
    void wait_for_replica(std::size_t master, std::size_t replica) {
        const std::string offset = node(master).info("master_repl_offset");
        ASSERT_TRUE(eventually([&] {
            const std::string reached = node(replica).info("slave_repl_offset");
            return !reached.empty() && std::stoll(reached) >= std::stoll(offset);
        }));
    }
    void wait_for_replicas() {
        wait_for_replica(0, 1);
        wait_for_replica(0, 2);
    }
    RedisServiceConfig reading(ReadFrom from, Duration lag = 5s) {
        RedisServiceConfig given = config();
        given.read_from = from;
        given.max_replica_lag = lag;
        return given;
    }
};

TEST_P(SentinelReplicas, AnswerEveryKindOfReader) {
    const ProjectIsolatedRedisClient redis = connect(reading(ReadFrom::replica));
    for (int i = 0; i != 10; ++i) redis.set("k" + std::to_string(i), std::to_string(i));
    redis.hset("h", "f", "v");
    wait_for_replicas();
    ASSERT_TRUE(become_usable(2));
    const std::uint64_t at_master = gets(0);
    for (int i = 0; i != 10; ++i) {
        const std::string key = "k" + std::to_string(i);
        EXPECT_EQ(redis.get(key), std::to_string(i));
        EXPECT_NE(endpoints().last(), endpoint_of(group().node(0)));
        EXPECT_EQ(redis.async().get(key)(use_future).get(), std::to_string(i));
        EXPECT_NE(endpoints().last(), endpoint_of(group().node(0)));
        EXPECT_EQ(
            boost::asio::co_spawn(boost::asio::system_executor(), read_in_coroutine(redis.async(), key), use_future)
                .get(),
            std::to_string(i));
        const auto several = redis.pipeline().get(key).hget("h", "f").execute();
        EXPECT_EQ(std::get<0>(several), std::to_string(i));
        EXPECT_EQ(std::get<1>(several), "v");
        EXPECT_EQ(std::get<0>(redis.async().pipeline().get(key).exists("h").execute()(use_future).get()),
                  std::to_string(i));
        EXPECT_EQ(redis.command("GET", key).text, std::to_string(i));
    }
    EXPECT_EQ(gets(0), at_master);
    EXPECT_EQ(gets(1) + gets(2), 60u);
    // In turn.
    EXPECT_GT(gets(1), 10u);
    EXPECT_GT(gets(2), 10u);
}

TEST_P(SentinelReplicas, GetNothingButReads) {
    const ProjectIsolatedRedisClient redis = connect(reading(ReadFrom::replica));
    redis.set("k", "v");
    redis.async().hset("h", "f", "v")(use_future).get();
    wait_for_replicas();
    ASSERT_TRUE(become_usable(2));
    const std::uint64_t before = gets(1) + gets(2);
    // What writes, is executed as one, waits, or goes on where it began, is the master's.
    EXPECT_EQ(std::get<1>(redis.pipeline().set("k", "w").get("k").execute()), "w");
    EXPECT_EQ(std::get<0>(redis.pipeline().get("k").set("k", "x").execute()), "w");
    EXPECT_EQ(std::get<1>(redis.async().pipeline().set("k", "y").get("k").execute()(use_future).get()), "y");
    EXPECT_EQ(std::get<0>(*redis.transaction().get("k").execute()), "y");
    EXPECT_EQ(std::get<0>(*redis.async().transaction().get("k").execute()(use_future).get()), "y");
    auto watched = redis.async().watch("k")(use_future).get();
    EXPECT_EQ(std::get<0>(*redis.async().transaction(std::move(watched)).get("k").execute()(use_future).get()), "y");
    EXPECT_EQ(redis.command("GETEX", "k").text, "y");
    (void)redis.async().command("BITFIELD", "k", "GET", "u8", "0")(use_future).get();
    (void)redis.count_keys();
    (void)redis.command("HSCAN", "h", "0");
    (void)redis.command("XREAD", "BLOCK", "10", "STREAMS", "s", "0");
    (void)redis.command("TOUCH", "k");
    EXPECT_EQ(redis.with({.read_from = ReadFrom::master}).get("k"), "y");
    EXPECT_EQ(redis.async().with({.read_from = ReadFrom::master}).get("k")(use_future).get(), "y");
    EXPECT_EQ(gets(1) + gets(2), before);
    for (std::size_t i : {1u, 2u}) {
        auto at = node(i);
        for (const char* const command : {"getex", "bitfield", "scan", "hscan", "xread", "touch"}) {
            EXPECT_EQ(calls(node(i), command), 0u) << command;
        }
        EXPECT_FALSE(contains(at.command({"INFO", "errorstats"}), "READONLY"));
    }
}

TEST_P(SentinelReplicas, ACallMaySayWhereItIsReadItself) {
    RedisServiceConfig given = config();
    given.max_replica_lag = 5s;
    const ProjectIsolatedRedisClient redis = connect(given);
    redis.set("k", "v");
    wait_for_replicas();
    EXPECT_EQ(redis.get("k"), "v");
    // Nobody has asked for replicas, so none was looked at.
    EXPECT_TRUE(service().metrics_snapshot().replicas.empty());
    for (std::size_t i : {1u, 2u}) EXPECT_FALSE(contains(node(i).command({"CLIENT", "LIST"}), "name=redoubt"));
    const std::uint64_t at_master = gets(0);
    const auto preferring = redis.with({.read_from = ReadFrom::replica_preferred});
    EXPECT_EQ(preferring.get("k"), "v");
    ASSERT_TRUE(become_usable(2));
    const std::uint64_t first = gets(0);
    EXPECT_LE(first, at_master + 1);
    EXPECT_EQ(preferring.get("k"), "v");
    EXPECT_EQ(preferring.async().get("k")(use_future).get(), "v");
    EXPECT_EQ(redis.with({.read_from = ReadFrom::replica}).get("k"), "v");
    EXPECT_EQ(gets(0), first);
    for (int i = 0; i != 20; ++i) {
        EXPECT_EQ(redis.with({.read_from = ReadFrom::lowest_latency}).get("k"), "v");
        EXPECT_EQ(redis.async().with({.read_from = ReadFrom::lowest_latency}).get("k")(use_future).get(), "v");
    }
    EXPECT_EQ(redis.get("k"), "v");
    EXPECT_EQ(endpoints().last(), endpoint_of(group().node(0)));
    const std::string metrics = boost::json::serialize(service().get_metrics());
    EXPECT_TRUE(contains(metrics, "\"lag_seconds\":")) << metrics;
    EXPECT_TRUE(contains(metrics, "-replica\"")) << metrics;
    // With READONLY a connection would be refused: there is no Cluster.
    EXPECT_EQ(calls(node(1), "readonly"), 0u);
}

TEST_P(SentinelReplicas, AreLeftWhenTheyDieAndComeBack) {
    RedisServiceConfig given = reading(ReadFrom::replica_preferred);
    given.retry_delay = 20ms;
    const ProjectIsolatedRedisClient redis = connect(given);
    redis.set("k", "v");
    wait_for_replicas();
    ASSERT_TRUE(become_usable(2));
    EXPECT_EQ(redis.get("k"), "v");
    EXPECT_EQ(redis.async().get("k")(use_future).get(), "v");
    for (std::size_t i : {1u, 2u}) {
        group().node(i).kill();
        for (int n = 0; n != 20; ++n) {
            EXPECT_EQ(redis.get("k"), "v");
            EXPECT_EQ(redis.async().get("k")(use_future).get(), "v");
        }
    }
    EXPECT_EQ(endpoints().last(), endpoint_of(group().node(0)));
    ASSERT_TRUE(become_usable(0));
    const auto strict = redis.with({.retries = 0, .read_from = ReadFrom::replica});
    for (const Error& error : {error_of([&] { (void)strict.get("k"); }),
                               error_of([&] { (void)strict.async().get("k")(use_future).get(); })}) {
        EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent) << error.message();
        EXPECT_EQ(error.attempts, 1u);
        EXPECT_EQ(error.operation, "GET");
        EXPECT_TRUE(contains(error.message(), "no replica may be read from (read_from is replica)")) << error.message();
    }
    strict.set("k", "w");  // not a read
    // It waits for one, as long as its retries and its deadline last.
    const auto patient = redis.with({.deadline = 30s, .retries = 1000, .read_from = ReadFrom::replica});
    auto waiting = patient.async().get("k")(use_future);
    group().restart(1);
    EXPECT_EQ(waiting.get(), "w");
    EXPECT_EQ(patient.get("k"), "w");
    EXPECT_EQ(endpoints().last(), endpoint_of(group().node(1)));
}

TEST_P(SentinelReplicas, OneThatHangsOrIsCutOffIsLeftWithinTheBound) {
    constexpr Duration bound = 800ms;
    RedisServiceConfig given = reading(ReadFrom::replica, bound);
    given.max_retries = 50;
    given.retry_delay = 20ms;
    given.retry_delay_max = 100ms;
    const ProjectIsolatedRedisClient redis = connect(given);
    redis.set("k", "v");
    wait_for_replicas();
    ASSERT_TRUE(become_usable(2));
    const auto leaves_in_time = [&](std::size_t index) {
        const std::string endpoint = endpoint_of(group().node(index));
        const TimePoint since = Clock::now();
        const auto is_used = [&] {
            const TimePoint asked = Clock::now();
            const auto now = usable();
            const bool used = std::find(now.begin(), now.end(), endpoint) != now.end();
            EXPECT_TRUE(!used || asked - since <= bound);
            return used;
        };
        EXPECT_TRUE(eventually([&] { return !is_used(); }));
        for (int n = 0; n != 20; ++n) {
            EXPECT_EQ(redis.get("k"), "v");
            EXPECT_EQ(endpoints().last(), endpoint_of(group().node(3 - index)));
            EXPECT_EQ(redis.async().get("k")(use_future).get(), "v");
            EXPECT_EQ(endpoints().last(), endpoint_of(group().node(3 - index)));
        }
    };
    group().node(1).pause();
    leaves_in_time(1);
    group().node(1).resume();
    ASSERT_TRUE(become_usable(2));
    // This one answers, and hears nothing of its master any more.
    const embedded::PortReservation nobody;
    node(2).command({"REPLICAOF", "127.0.0.1", std::to_string(nobody.port())});
    redis.set("other", "w");
    leaves_in_time(2);
    node(2).command({"REPLICAOF", "127.0.0.1", std::to_string(group().node(0).port())});
    EXPECT_TRUE(become_usable(2));
}

TEST_P(SentinelReplicas, ReadsGoOnAfterAFailover) {
    RedisServiceConfig given = reading(ReadFrom::replica_preferred);
    given.retry_delay = 20ms;
    const ProjectIsolatedRedisClient redis = connect(given);
    redis.set("k", "v");
    wait_for_replicas();
    ASSERT_TRUE(become_usable(2));
    EXPECT_EQ(redis.get("k"), "v");
    const std::size_t old = group().kill_master();
    const std::size_t promoted = group().wait_for_another_master(old);
    const std::size_t other = 3 - promoted;
    const auto patient = redis.with({.deadline = 30s, .retries = 1000});
    patient.set("k", "w");
    EXPECT_EQ(endpoints().last(), endpoint_of(group().node(promoted)));
    ASSERT_TRUE(eventually([&] { return usable() == std::vector{endpoint_of(group().node(other))}; }));
    wait_for_replica(promoted, other);
    for (int i = 0; i != 10; ++i) {
        EXPECT_EQ(redis.get("k"), "w");
        EXPECT_EQ(endpoints().last(), endpoint_of(group().node(other)));
        EXPECT_EQ(redis.async().get("k")(use_future).get(), "w");
    }
    for (const NodeSnapshot& one : service().metrics_snapshot().nodes) EXPECT_EQ(one.state, CircuitState::closed);
}

INSTANTIATE_TEST_SUITE_P(Servers, SentinelReplicas, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& test) { return testing::short_name(test.param); });

// --- with one server ------------------------------------------------------------------------------------------------

class NoReplicas : public testing::LiveServiceTest {};

TEST_P(NoReplicas, AreReadFromWhereThereIsOneServer) {
    RedisServiceConfig given = config();
    given.read_from = ReadFrom::replica;
    EXPECT_THROW(RedisService{given}, RedisConfigurationException);
    for (const ReadFrom from : {ReadFrom::replica_preferred, ReadFrom::lowest_latency}) {
        given.read_from = from;
        given.max_retries = 3;
        RedisService service(given);
        service.initialize();
        const auto redis = service.get_connection("a");
        redis.set("k", "v");
        EXPECT_EQ(redis.get("k"), "v");
        EXPECT_EQ(redis.async().get("k")(use_future).get(), "v");
        const auto strict = redis.with({.read_from = ReadFrom::replica});
        for (const Error& error : {error_of([&] { (void)strict.get("k"); }),
                                   error_of([&] { (void)strict.async().get("k")(use_future).get(); })}) {
            EXPECT_EQ(error.kind, ErrorKind::configuration) << error.message();
            EXPECT_EQ(error.certainty, Certainty::not_sent) << error.message();
            EXPECT_TRUE(contains(error.message(), "allowed: master, replica_preferred or lowest_latency"))
                << error.message();
        }
        strict.set("k", "w");
        EXPECT_EQ(redis.get("k"), "w");
    }
}

// A replica refuses what the server does not call readonly.
TEST_P(NoReplicas, TheTableNamesOnlyWhatTheServerCallsReadonly) {
    std::size_t known = 0;
    for (const CommandSpec& spec : command_table()) {
        if (!spec.at_replicas) continue;
        std::string name(spec.name);
        std::replace(name.begin(), name.end(), ' ', '|');
        const std::string answer = raw().command({"COMMAND", "INFO", name});
        if (answer == "*1\r\n*-1\r\n" || answer == "*1\r\n$-1\r\n") continue;  // of another version
        EXPECT_TRUE(contains(answer, "+readonly\r\n")) << name << ' ' << answer;
        EXPECT_FALSE(contains(answer, "+write\r\n")) << name;
        ++known;
    }
    EXPECT_GT(known, 60u);
}

INSTANTIATE_TEST_SUITE_P(Servers, NoReplicas, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& test) { return testing::short_name(test.param); });

}  // namespace
}  // namespace redoubt
