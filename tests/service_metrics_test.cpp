// service: the snapshot of all figures, and its document: the original's names, bounded however many pools there are.
#include <set>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "service/metrics_snapshot.hpp"
#include "support/live_service.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using namespace redoubt::testing;

MetricsSnapshot snapshot_of_pools(std::size_t count) {
    MetricsSnapshot snapshot;
    snapshot.initialized = true;
    snapshot.endpoint = "localhost:5240";
    for (std::size_t i = 0; i != count; ++i) {
        PoolSnapshot pool;
        pool.name = "p" + std::to_string(i);
        pool.created = i;
        pool.max = 10;
        pool.retries = 1;
        snapshot.pools.push_back(pool);
    }
    NodeSnapshot node;
    node.endpoint = "localhost:5240";
    snapshot.nodes.push_back(node);
    return snapshot;
}

TEST(MetricsDocument, HasTheOriginalsNames) {
    const json::value document = to_json(snapshot_of_pools(2));
    EXPECT_EQ(document.at("initialized"), true);
    EXPECT_EQ(document.at("connection_factory").at("pools_count"), 2);
    EXPECT_EQ(document.at("connection_factory").at("circuit_breaker").at("state"), "closed");
    EXPECT_EQ(document.at("connection_factory").at("totals").at("retries"), 2);
    EXPECT_EQ(document.at("connection_factory").at("pools_omitted").at("count"), 0);
    EXPECT_FALSE(document.as_object().contains("memory"));
    EXPECT_EQ(to_json(MetricsSnapshot{}), (json::object{{"initialized", false}}));
}

TEST(MetricsDocument, ListsTheBusiestPoolsAndSumsUpTheRest) {
    const json::value factory = to_json(snapshot_of_pools(250)).at("connection_factory");
    EXPECT_EQ(factory.at("pools_count"), 250);
    EXPECT_EQ(factory.at("pools").as_object().size(), 100u);
    EXPECT_TRUE(factory.at("pools").as_object().contains("p249"));
    EXPECT_TRUE(factory.at("pools").as_object().contains("p150"));
    EXPECT_FALSE(factory.at("pools").as_object().contains("p149"));
    EXPECT_EQ(factory.at("pools_omitted").at("count"), 150);
    EXPECT_EQ(factory.at("pools_omitted").at("created_connections"), 149 * 150 / 2);
    EXPECT_EQ(factory.at("totals").at("created_connections"), 249 * 250 / 2);
}

TEST(MetricsDocument, ShowsTheWorstNodesBreakerAndEach) {
    MetricsSnapshot snapshot = snapshot_of_pools(1);
    NodeSnapshot open;
    open.endpoint = "localhost:5241";
    open.state = CircuitState::open;
    open.transitions[static_cast<std::size_t>(CircuitState::open)] = 3;
    snapshot.nodes.insert(snapshot.nodes.begin(), open);
    EXPECT_EQ(snapshot.circuit_state(), CircuitState::open);
    const json::value factory = to_json(snapshot).at("connection_factory");
    EXPECT_EQ(factory.at("circuit_breaker").at("state"), "open");
    EXPECT_EQ(factory.at("circuit_breaker").at("metrics").at("transitions_to").at("open"), 3);
    EXPECT_EQ(factory.at("nodes").at("localhost:5240").at("circuit_breaker").at("state"), "closed");
}

TEST(MetricsLabels, SumUpThePoolsThatAreOther) {
    base::BoundedLabels labels(2);
    const std::vector<PoolSnapshot> pools = service::pools_by_label(snapshot_of_pools(5), labels);
    ASSERT_EQ(pools.size(), 3u);
    EXPECT_EQ(pools[0].name, "other");
    EXPECT_EQ(pools[0].created, 2u + 3 + 4);
    EXPECT_EQ(pools[0].max, 30u);
    EXPECT_EQ(pools[1].name, "p0");
    EXPECT_EQ(pools[2].name, "p1");
}

TEST(MetricsMemory, IsReadFromAHealthDocument) {
    EXPECT_FALSE(service::memory_of({}));
    EXPECT_FALSE(service::memory_of({{"memory", {{"status", "unknown"}}}}));
    const auto memory = service::memory_of(
        {{"memory",
          {{"status", "warning"}, {"usage_percentage", 0.85}, {"usage_bytes", 85}, {"max_memory_bytes", 100}}}});
    ASSERT_TRUE(memory);
    EXPECT_EQ(memory->status, "warning");
    EXPECT_EQ(memory->usage_fraction, 0.85);
    EXPECT_EQ(memory->max_bytes, 100);
}

class Metrics : public LiveServiceTest {};

TEST_P(Metrics, CountWhatHappened) {
    RedisService service(config());
    const auto source = service.metrics_source();
    EXPECT_FALSE(source().initialized);
    service.initialize();
    service.get_connection("alpha").set("k", "v");
    MetricsSnapshot snapshot = source();
    EXPECT_TRUE(snapshot.initialized);
    EXPECT_EQ(snapshot.projects, 1u);
    EXPECT_EQ(snapshot.pools.size(), 2u);  // and the library's own
    ASSERT_EQ(snapshot.nodes.size(), 1u);
    EXPECT_EQ(snapshot.nodes[0].connections_opened, 2u);
    EXPECT_EQ(snapshot.nodes[0].connections_failed, 0u);
    EXPECT_EQ(snapshot.totals().created, 2u);

    service.circuit_breaker().force_open();
    service.circuit_breaker().reset();
    snapshot = service.metrics_snapshot();
    EXPECT_EQ(snapshot.nodes[0].transitions_to(CircuitState::forced_open), 1u);
    EXPECT_EQ(snapshot.nodes[0].transitions_to(CircuitState::closed), 1u);

    service.close();
    EXPECT_FALSE(source().initialized);
}

TEST_P(Metrics, SharedPoolsAreNamedByTheirLane) {
    RedisServiceConfig shared = config();
    shared.pool_mode = PoolMode::shared;
    RedisService service(shared);
    service.initialize();
    for (const char* project : {"a", "b", "c"}) service.get_connection(project).set("k", "v");
    const MetricsSnapshot snapshot = service.metrics_snapshot();
    EXPECT_EQ(snapshot.projects, 3u);
    for (const PoolSnapshot& pool : snapshot.pools) EXPECT_TRUE(pool.name.starts_with("shared-")) << pool.name;
}

REDOUBT_BOTH_SERVERS(Metrics);

}  // namespace
}  // namespace redoubt
