// otel: what only a Cluster and its replicas have figures of, collected by the real SDK, and the same for Prometheus.
#include <fstream>
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <redoubt/otel/otel_telemetry.hpp>

#include "support/cluster_group.hpp"
#include "support/otel_sdk.hpp"
#include "support/replica_reads.hpp"

namespace redoubt {
namespace {

using testing::eventually;
using testing::OtelSdk;

class OtelCluster : public testing::ClusterTest {
protected:
    OtelSdk sdk_;
};

TEST_P(OtelCluster, TellsOfSlotsAndOfReplicas) {
    // A replica that has got nothing yet is called `loading`.
    for (std::size_t i = 0; i != 3; ++i) raw(i).command({"SET", "proj:a:" + key_at(i), "v"});
    for (std::size_t i = 0; i != cluster().nodes(); ++i) {
        ASSERT_TRUE(eventually([&] { return !testing::contains(raw(i).command({"CLUSTER", "SHARDS"}), "loading"); }));
    }
    RedisServiceConfig given = config();
    given.read_from = ReadFrom::replica_preferred;
    given.max_replica_lag = 5s;
    RedisService service(given);
    add_otel_telemetry(service);
    service.initialize();
    const ProjectIsolatedRedisClient redis = service.get_connection("a");
    ASSERT_TRUE(eventually([&] {
        (void)redis.get("k");
        const auto replicas = service.metrics_snapshot().replicas;
        return replicas.size() == 3 && std::all_of(replicas.begin(), replicas.end(), [](const ReplicaSnapshot& one) {
                   return one.within_bound && one.lag && one.answer_time;
               });
    }));

    std::set<std::string> expected;
    std::ifstream file(std::string(REDOUBT_SOURCE_DIR) + "/tests/data/otel_metrics.txt");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("redoubt.cluster.") || line.starts_with("redoubt.replica.")) expected.insert(line);
    }
    EXPECT_EQ(expected.size(), 6U);
    const auto metrics = sdk_.metrics();
    std::set<std::string> seen;
    for (const auto& [name, metric] : metrics) {
        if (!name.starts_with("redoubt.cluster.") && !name.starts_with("redoubt.replica.")) continue;
        seen.insert(fmt::format("{} | {} | {}", name, metric.type, metric.unit));
    }
    EXPECT_EQ(seen, expected);

    double served = 0;
    for (std::size_t i = 0; i != cluster().nodes(); ++i) {
        const testing::Strings node{{"server.address", "127.0.0.1"},
                                    {"server.port", std::to_string(cluster().node(i).port())},
                                    {"redoubt.cluster.role", i < 3 ? "master" : "replica"}};
        EXPECT_EQ(metrics.at("redoubt.cluster.node_online").at(node).value, 1);
        const double slots = metrics.at("redoubt.cluster.slots").at(node).value;
        EXPECT_EQ(slots > 0, i < 3);
        served += slots;
    }
    EXPECT_EQ(served, 16384);
    EXPECT_EQ(metrics.at("redoubt.cluster.uncovered_slots").at({}).value, 0);
    for (std::size_t i = 3; i != 6; ++i) {
        const testing::Strings node{{"server.port", std::to_string(cluster().node(i).port())},
                                    {"redoubt.replica.master", testing::endpoint_of(cluster().node(i - 3))}};
        EXPECT_EQ(metrics.at("redoubt.replica.within_bound").at(node).value, 1);
        EXPECT_LT(metrics.at("redoubt.replica.lag").at(node).value, 5);
        EXPECT_GT(metrics.at("redoubt.replica.answer_time").at(node).value, 0);
    }

    // A replica that is gone: it may not be read from, and that is said.
    cluster().node(3).kill();
    const testing::Strings dead{{"server.port", std::to_string(cluster().node(3).port())}};
    EXPECT_TRUE(eventually([&] {
        (void)redis.get("k");
        const auto now = sdk_.metrics();
        return now.at("redoubt.replica.within_bound").at(dead).value == 0;
    }));
    cluster().node(3).restart();
}

REDOUBT_BOTH_SERVERS(OtelCluster);

}  // namespace
}  // namespace redoubt
