// otel: the metrics, collected by the real SDK: their names and units, their attributes, and that these are bounded.
#include <array>
#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/otel_sdk.hpp"

namespace redoubt {
namespace {

using namespace std::chrono_literals;
using namespace redoubt::testing;

class OtelMetrics : public LiveServiceTest {
protected:
    RedisService& start(RedisServiceConfig config, OtelOptions options = {}) {
        service_ = std::make_unique<RedisService>(std::move(config));
        add_otel_telemetry(*service_, std::move(options));
        service_->initialize();
        return *service_;
    }
    ProjectIsolatedRedisClient redis(const std::string& project = "alpha") { return service_->get_connection(project); }
    /// Collects until it holds, because figures are those of a moment.
    template <class Condition>
    bool eventually(Condition condition) {
        const TimePoint deadline = Clock::now() + patience;
        while (Clock::now() < deadline) {
            if (condition(sdk_.metrics())) return true;
        }
        return false;
    }
    Strings always(const std::string& operation) {
        return {{"db.system.name", "redis"},
                {"db.operation.name", operation},
                {"db.namespace", "0"},
                {"server.address", server().socket_path()},
                {"redoubt.project.id", "alpha"}};
    }
    /// How many calls ended with exactly these attributes.
    std::uint64_t calls(Strings attributes) {
        const auto metrics = sdk_.metrics();
        for (const Point& point : metrics.at("db.client.operation.duration").points) {
            if (point.attributes == attributes) return point.count;
        }
        return 0;
    }

    OtelSdk sdk_;
    std::unique_ptr<RedisService> service_;
};

Strings with(Strings attributes, Strings more) {
    more.merge(attributes);
    return more;
}

TEST_P(OtelMetrics, NamesKindsAndUnitsAreThoseOfTheGoldenFile) {
    RedisServiceConfig monitored = config();
    monitored.health_check_interval = 20ms;
    start(monitored);
    redis().set("k", "v");
    (void)redis().with({.deadline = 5s}).blpop("nothing", 10ms);

    std::vector<std::string> expected;
    std::ifstream file(std::string(REDOUBT_SOURCE_DIR) + "/tests/data/otel_metrics.txt");
    for (std::string line; std::getline(file, line) && line != "# With a Cluster, or reads from replicas:";) {
        if (!line.starts_with('#')) expected.push_back(line);
    }
    ASSERT_FALSE(expected.empty());
    ASSERT_TRUE(file);
    std::vector<std::string> seen;
    eventually([&](const auto& metrics) {
        seen.clear();
        for (const auto& [name, metric] : metrics) {
            seen.push_back(fmt::format("{} | {} | {}", name, metric.type, metric.unit));
        }
        return seen == expected;
    });
    EXPECT_EQ(seen, expected);
}

TEST_P(OtelMetrics, DurationsOfCallsByHowTheyEnded) {
    start(config());
    redis().set("k", "v");
    EXPECT_FALSE(redis().try_lpush("k", "x"));
    server().pause();
    EXPECT_FALSE(redis().with({.deadline = 50ms}).try_get("k"));
    server().resume();
    service_->circuit_breaker().force_open();
    EXPECT_FALSE(redis().try_get("k"));
    service_->circuit_breaker().reset();
    (void)redis().pipeline().get("a").get("b").execute();

    EXPECT_EQ(calls(always("SET")), 1u);
    EXPECT_EQ(calls(with(always("LPUSH"), {{"error.type", "WRONGTYPE"}, {"db.response.status_code", "WRONGTYPE"}})),
              1u);
    EXPECT_EQ(calls(with(always("GET"), {{"error.type", "RedisOperationTimeoutException"}})), 1u);
    EXPECT_EQ(calls(with(always("GET"), {{"error.type", "RedisCircuitBreakerOpenException"}})), 1u);
    EXPECT_EQ(calls(always("PIPELINE GET")), 1u);

    const auto metrics = sdk_.metrics();
    const Point& timed_out =
        metrics.at("db.client.operation.duration").at({{"error.type", "RedisOperationTimeoutException"}});
    EXPECT_GE(timed_out.value, 0.05);
    EXPECT_LT(timed_out.value, 10.0);
    EXPECT_EQ(timed_out.boundaries, (std::vector<double>{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}));
}

TEST_P(OtelMetrics, ProjectsPastTheBoundAreOther) {
    start(config(), {.max_projects = 2});
    (void)redis("a").get("k");
    (void)redis("b").get("k");
    (void)redis("c").get("k");
    (void)redis("d").get("k");
    std::set<std::string> projects;
    std::uint64_t others = 0;
    const auto metrics = sdk_.metrics();
    for (const Point& point : metrics.at("db.client.operation.duration").points) {
        const std::string& project = point.attributes.at("redoubt.project.id");
        projects.insert(project);
        if (project == "other" && point.attributes.at("db.operation.name") == "GET") others += point.count;
    }
    EXPECT_EQ(projects.size(), 3u);  // `_redoubt`, which pinged first, and `a`
    EXPECT_TRUE(projects.contains("other"));
    EXPECT_EQ(others, 3u);
    std::set<std::string> pools;
    for (const Point& point : metrics.at("db.client.connection.max").points) {
        pools.insert(point.attributes.at("db.client.connection.pool.name"));
    }
    EXPECT_EQ(pools, (std::set<std::string>{"_redoubt", "a", "other"}));
    EXPECT_EQ(metrics.at("db.client.connection.max").at({{"db.client.connection.pool.name", "other"}}).value, 3 * 10);
}

TEST_P(OtelMetrics, ConnectionsByState) {
    RedisServiceConfig small = config();
    start(small);
    redis().set("k", "v");
    auto watched = redis().transaction().watch("k");
    const Strings pool{{"db.client.connection.pool.name", "alpha"}};
    const auto count = [&](const auto& metrics, const char* state) {
        return metrics.at("db.client.connection.count").at(with(pool, {{"db.client.connection.state", state}})).value;
    };
    EXPECT_TRUE(eventually([&](const auto& m) { return count(m, "used") == 1 && count(m, "idle") == 1; }));
    (void)std::move(watched).set("k", "w").execute();
    EXPECT_TRUE(eventually([&](const auto& m) { return count(m, "used") == 0 && count(m, "idle") == 2; }));
    const auto metrics = sdk_.metrics();
    EXPECT_EQ(metrics.at("db.client.connection.max").at(pool).value, 10);
    EXPECT_EQ(metrics.at("db.client.connection.idle.max").at(pool).value, 10);
    EXPECT_EQ(metrics.at("db.client.connection.idle.min").at(pool).value, 0);
    EXPECT_EQ(metrics.at("db.client.connection.pending_requests").at(pool).value, 0);
    EXPECT_EQ(metrics.at("db.client.connection.create_time").at(pool).count, 2u);
    EXPECT_EQ(metrics.at("db.client.connection.wait_time").at(pool).count, 1u);
    EXPECT_EQ(metrics.at("db.client.connection.use_time").at(pool).count, 1u);
    EXPECT_GT(metrics.at("db.client.connection.create_time").at(pool).value, 0.0);
}

TEST_P(OtelMetrics, BreakerRefusalsAndTimeouts) {
    RedisServiceConfig small = config();
    small.max_waiting = 1;
    start(small);
    const double refusals = sdk_.metrics().at("redoubt.isolation.refusals").points.at(0).value;
    const std::array<std::string_view, 1> refused{"FLUSHALL"};
    EXPECT_FALSE(redis().try_command(refused));
    service_->circuit_breaker().force_open();
    const auto state = [](const auto& metrics, const char* name) {
        return metrics.at("redoubt.circuit_breaker.state").at({{"redoubt.circuit_breaker.state", name}}).value;
    };
    EXPECT_TRUE(eventually([&](const auto& m) { return state(m, "forced_open") == 1 && state(m, "closed") == 0; }));
    service_->circuit_breaker().reset();
    EXPECT_TRUE(eventually([&](const auto& m) { return state(m, "forced_open") == 0 && state(m, "closed") == 1; }));
    const auto metrics = sdk_.metrics();
    const Metric& transitions = metrics.at("redoubt.circuit_breaker.transitions");
    EXPECT_EQ(transitions.at({{"redoubt.circuit_breaker.state", "forced_open"}}).value, 1);
    EXPECT_EQ(transitions.at({{"redoubt.circuit_breaker.state", "closed"}}).value, 1);
    EXPECT_EQ(metrics.at("redoubt.isolation.refusals").points.at(0).value, refusals + 1);

    // All connections that may be leased are, and nobody gives one back in time.
    std::vector<Transaction<service::Blocking>> leases;
    for (int i = 0; i != 8; ++i) leases.push_back(redis().transaction().watch("k"));
    EXPECT_EQ(error_of([&] { (void)redis().with({.deadline = 20ms}).transaction().watch("k"); }).kind,
              ErrorKind::pool_exhausted);
    EXPECT_TRUE(eventually([&](const auto& m) {
        return m.at("db.client.connection.timeouts").at({{"db.client.connection.pool.name", "alpha"}}).value == 1;
    }));
}

// The SDK goes on asking: while the service closes, and when there is none any more.
TEST_P(OtelMetrics, AServiceMayGoWhileItIsAskedForItsFigures) {
    std::atomic<bool> ended{false};
    std::thread asks([&] {
        while (!ended) (void)sdk_.metrics();
    });
    for (int i = 0; i != 20; ++i) {
        start(config());
        (void)redis().get("k");
        service_.reset();
    }
    ended = true;
    asks.join();
    EXPECT_TRUE(sdk_.metrics().contains("db.client.operation.duration"));
}

REDOUBT_BOTH_SERVERS(OtelMetrics);

}  // namespace
}  // namespace redoubt
