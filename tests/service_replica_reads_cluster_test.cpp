// service: reads from the replicas of a Cluster: those of the slot's own shard answer, and a shard without one costs the
// others nothing. On both real servers.
#include <redoubt/service/service.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include "support/cluster_group.hpp"
#include "support/replica_reads.hpp"

namespace redoubt {
namespace {

using boost::asio::use_future;
using testing::contains;
using testing::endpoint_of;
using testing::error_of;
using testing::eventually;

class ClusterReplicas : public testing::ReplicaReadsTest<testing::ClusterTest> {
protected:
    std::uint64_t gets(std::size_t index) { return calls(raw(index), "get"); }
    RedisServiceConfig reading(ReadFrom from) {
        RedisServiceConfig given = config();
        given.read_from = from;
        given.max_replica_lag = 5s;
        return given;
    }
};

TEST_P(ClusterReplicas, OfTheSlotsOwnShardAnswer) {
    const ProjectIsolatedRedisClient redis = connect(reading(ReadFrom::replica));
    const std::vector<std::string> keys{key_at(0), key_at(1), key_at(2)};
    for (std::size_t i = 0; i != 3; ++i) {
        redis.set(keys[i], std::to_string(i));
        (void)redis.async().incr(keys[i])(use_future).get();
    }
    for (std::size_t i = 0; i != 3; ++i) ASSERT_EQ(raw(i).command({"GET", "proj:a:" + keys[i]}).substr(0, 1), "$");
    ASSERT_TRUE(become_usable(3));
    // Replication is asynchronous: all of them have it.
    ASSERT_TRUE(eventually([&] {
        for (std::size_t i = 0; i != 3; ++i) {
            if (raw(i).info("master_repl_offset") != raw(3 + i).info("slave_repl_offset")) return false;
        }
        return true;
    }));
    for (std::size_t i = 0; i != 3; ++i) {
        const std::uint64_t before = gets(i);
        const std::uint64_t of_replica = gets(3 + i);
        EXPECT_EQ(redis.get(keys[i]), std::to_string(i + 1));
        EXPECT_EQ(endpoints().last(), endpoint_of(cluster().node(3 + i)));
        EXPECT_EQ(redis.async().get(keys[i])(use_future).get(), std::to_string(i + 1));
        EXPECT_EQ(endpoints().last(), endpoint_of(cluster().node(3 + i)));
        EXPECT_EQ(gets(i), before);
        EXPECT_EQ(gets(3 + i), of_replica + 2);
        // A connection to a master never is one that reads old data when that becomes a replica.
        EXPECT_EQ(calls(raw(i), "readonly"), 0u);
        EXPECT_GE(calls(raw(3 + i), "readonly"), 1u);
    }
    // Over several slots, in parts.
    const std::vector<std::optional<std::string>> all{"1", "2", "3"};
    EXPECT_EQ(redis.mget({keys[0], keys[1], keys[2]}), all);
    EXPECT_EQ(redis.async().mget({keys[0], keys[1], keys[2]})(use_future).get(), all);
    const auto several = redis.pipeline().get(keys[2]).get(keys[0]).strlen(keys[1]).execute();
    EXPECT_EQ(std::get<0>(several), "3");
    EXPECT_EQ(std::get<1>(several), "1");
    EXPECT_EQ(std::get<2>(several), 1);
    EXPECT_EQ(std::get<0>(redis.async().pipeline().get(keys[1]).get(keys[2]).execute()(use_future).get()), "2");
    for (std::size_t i = 0; i != 3; ++i) {
        EXPECT_EQ(calls(raw(i), "mget"), 0u);
        EXPECT_EQ(calls(raw(3 + i), "mget"), 2u);
        EXPECT_EQ(calls(raw(i), "strlen"), 0u);
        EXPECT_FALSE(contains(raw(3 + i).command({"INFO", "errorstats"}), "MOVED"));
    }
    // Not of reads alone, so not of any replica's.
    EXPECT_EQ(std::get<1>(redis.pipeline().incr(keys[0]).get(keys[0]).execute()), "2");
    EXPECT_EQ(std::get<0>(*redis.transaction().get(keys[0]).execute()), "2");
}

TEST_P(ClusterReplicas, OneThatDiesCostsItsOwnShardNothing) {
    RedisServiceConfig given = reading(ReadFrom::replica_preferred);
    given.max_retries = 3;
    given.retry_delay = 20ms;
    const ProjectIsolatedRedisClient redis = connect(given);
    const std::string key = key_at(0);
    const std::string other = key_at(1);
    redis.set(key, "v");
    redis.set(other, "w");
    ASSERT_TRUE(become_usable(3));
    ASSERT_TRUE(eventually([&] { return redis.get(key) == "v" && redis.get(other) == "w"; }));
    cluster().node(3).kill();
    for (int i = 0; i != 20; ++i) {
        EXPECT_EQ(redis.get(key), "v");
        EXPECT_EQ(redis.async().get(key)(use_future).get(), "v");
    }
    EXPECT_EQ(endpoints().last(), endpoint_of(cluster().node(0)));
    ASSERT_TRUE(become_usable(2));
    const auto strict = redis.with({.retries = 0, .read_from = ReadFrom::replica});
    EXPECT_TRUE(contains(error_of([&] { (void)strict.get(key); }).message(), "no replica may be read from"));
    EXPECT_EQ(strict.get(other), "w");
    EXPECT_EQ(endpoints().last(), endpoint_of(cluster().node(4)));
    cluster().node(3).restart();
    EXPECT_TRUE(become_usable(3));
    EXPECT_TRUE(eventually([&] {
        (void)redis.get(key);
        return endpoints().last() == endpoint_of(cluster().node(3));
    }));
}

TEST_P(ClusterReplicas, OneThatServesAnotherShardNowSendsReadersToTheMaster) {
    const ProjectIsolatedRedisClient redis = connect(reading(ReadFrom::replica_preferred));
    const std::string key = key_at(0);
    redis.set(key, "v");
    ASSERT_TRUE(become_usable(3));
    ASSERT_TRUE(eventually([&] { return redis.get(key) == "v"; }));
    ASSERT_EQ(raw(3).command({"CLUSTER", "REPLICATE", cluster().node_id(1)}), "+OK\r\n");
    // No retry is left: that a node sends a call elsewhere is none.
    for (int i = 0; i != 50; ++i) {
        EXPECT_EQ(redis.get(key), "v");
        EXPECT_EQ(redis.async().get(key)(use_future).get(), "v");
    }
    EXPECT_TRUE(contains(raw(3).command({"INFO", "errorstats"}), "MOVED"));
    EXPECT_EQ(endpoints().last(), endpoint_of(cluster().node(0)));
}

TEST_P(ClusterReplicas, ReadsGoOnAfterAFailover) {
    RedisServiceConfig given = reading(ReadFrom::replica_preferred);
    given.max_retries = 1000;
    given.retry_delay = 20ms;
    given.retry_delay_max = 100ms;
    given.operation_timeout = 60s;
    given.retry_budget = 1'000'000;
    const ProjectIsolatedRedisClient redis = connect(given);
    const std::string key = key_at(0);
    redis.set(key, "v");
    ASSERT_TRUE(become_usable(3));
    ASSERT_TRUE(eventually([&] { return redis.get(key) == "v"; }));
    ASSERT_EQ(cluster().kill_owner_of(slot_of(key)), 0u);
    ASSERT_EQ(cluster().wait_for_another_owner(slot_of(key), 0), 3u);
    ASSERT_TRUE(eventually([&] { return usable().size() == 2; }));
    ASSERT_TRUE(eventually([&] {
        try {
            redis.set(key, "w");
            return true;
        } catch (const RedisException&) {
            return false;
        }
    }));
    EXPECT_EQ(redis.get(key), "w");
    EXPECT_EQ(redis.async().get(key)(use_future).get(), "w");
    EXPECT_EQ(endpoints().last(), endpoint_of(cluster().node(3)));
    // Who was the master is a replica now, and is read from.
    cluster().node(0).restart();
    cluster().wait_until_whole();
    ASSERT_TRUE(eventually([&] { return usable().size() == 3; }));
    EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(redis.get(key), "w");
        return endpoints().last() == endpoint_of(cluster().node(0));
    }));
}

INSTANTIATE_TEST_SUITE_P(Servers, ClusterReplicas, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& test) { return testing::short_name(test.param); });

}  // namespace
}  // namespace redoubt
