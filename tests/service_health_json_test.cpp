// service: the health JSON: the original's shape field by field, what stands beside it, how long it takes, that it leaves
// nothing behind, and that it does not grow with the number of projects; against both real servers.
#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>
#include <boost/json.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using testing::contains;
using testing::eventually;

/// The original's example, but for the name of the pool.
constexpr std::string_view original = R"({
  "status": "healthy",
  "timestamp": 1697523456.789,
  "service": "redis",
  "factory": {
    "status": "healthy",
    "pools": {
      "alpha": {"created_connections": 5, "available_connections": 3, "max_connections": 10}
    },
    "circuit_breaker": {
      "state": "closed",
      "metrics": {"total_calls": 100, "success_rate": 0.98, "circuit_opens": 0}
    }
  },
  "test_operations": {
    "status": "passed",
    "response_times_ms": {"ping": 0.17, "set_get_delete": 0.42}
  },
  "memory": {
    "status": "healthy",
    "usage_percentage": 0.23,
    "usage_bytes": 117760,
    "max_memory_bytes": 512000
  }
})";

std::string type_of(const json::value& value) {
    if (value.is_uint64() || value.is_int64()) return "integer";
    return std::string(json::to_string(value.kind()));
}

/// What of the example is not in `seen` with the same type, by its path.
void compare(const json::value& example, const json::value& seen, const std::string& path,
             std::vector<std::string>& faults) {
    if (type_of(example) != type_of(seen)) {
        faults.push_back(path + ": " + type_of(example) + " became " + type_of(seen));
        return;
    }
    if (!example.is_object()) return;
    for (const auto& [name, field] : example.as_object()) {
        const json::value* const found = seen.as_object().if_contains(name);
        const std::string at = path + "." + std::string(name);
        found == nullptr ? faults.push_back(at + " is missing") : compare(field, *found, at, faults);
    }
}

class HealthJson : public testing::LiveServiceTest {
protected:
    RedisService& start() { return start(config()); }
    RedisService& start(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->initialize();
        return *service_;
    }

private:
    std::unique_ptr<RedisService> service_;
};

TEST(OriginalExample, ComparisonFindsWhatIsMissingAndWhatIsOfAnotherType) {
    json::value other = json::parse(original);
    other.at("memory").as_object().erase("usage_bytes");
    other.at("timestamp") = "now";
    std::vector<std::string> faults;
    compare(json::parse(original), other, "", faults);
    EXPECT_EQ(faults, (std::vector<std::string>{".timestamp: double became string", ".memory.usage_bytes is missing"}));
}

TEST_P(HealthJson, HasEveryFieldOfTheOriginalWithItsType) {
    RedisService& service = start();
    service.get_connection("alpha").set("k", "v");
    const json::value health = service.health_check();
    std::vector<std::string> faults;
    compare(json::parse(original), health, "", faults);
    EXPECT_EQ(faults, std::vector<std::string>{});
    EXPECT_EQ(health.at("status").as_string(), "healthy") << json::serialize(health);
    EXPECT_EQ(json::serialize(health.at("problems")), "[]");
}

TEST_P(HealthJson, TellsMoreBesideIt) {
    RedisService& service = start();
    service.get_connection("alpha").set("k", "v");
    const json::value health = service.health_check();
    const bool valkey = contains(GetParam(), "valkey");
    EXPECT_EQ(health.at("server").at("kind").as_string(), valkey ? "valkey" : "redis");
    EXPECT_TRUE(contains(server().version(), std::string_view(health.at("server").at("version").as_string())));
    EXPECT_EQ(health.at("server").at("role").as_string(), "master");
    EXPECT_GE(health.at("server").at("uptime_seconds").to_number<int>(), 0);
    EXPECT_EQ(
        json::serialize(health.at("replication")),
        R"({"role":"master","lag_bytes":0,"lag_seconds":0,"good_replicas":0,"expected_replicas":0,"replicas":[]})");
    const json::value& node = health.at("nodes").as_array().at(0);
    EXPECT_EQ(health.at("nodes").as_array().size(), 1u);
    EXPECT_EQ(node.at("endpoint").as_string(), server().socket_path());
    EXPECT_EQ(node.at("role").as_string(), "master");
    EXPECT_EQ(node.at("status").as_string(), "healthy");
    EXPECT_EQ(node.at("circuit_breaker").as_string(), "closed");
    EXPECT_EQ(json::serialize(health.at("factory").at("queues")),
              R"({"waiting_callers":0,"queued_commands":0,"queued_bytes":0})");
    EXPECT_EQ(health.at("factory").at("pools_omitted").at("count").to_number<int>(), 0);
    EXPECT_GT(health.at("uptime_seconds").as_double(), 0);
    EXPECT_GT(health.at("duration_ms").as_double(), 0);
    const json::value& memory = health.at("memory");
    EXPECT_EQ(memory.at("limit").as_string(), "maxmemory");
    EXPECT_EQ(memory.at("eviction_policy").as_string(), "allkeys-lru");
    EXPECT_GT(memory.at("fragmentation_ratio").as_double(), 0);
    EXPECT_EQ(memory.at("evicted_keys").to_number<int>(), 0);
    EXPECT_TRUE(memory.at("evicted_keys_per_second").is_null());  // nothing to compare with yet
    EXPECT_EQ(memory.at("thresholds").at("warning").as_double(), 0.8);
    EXPECT_EQ(memory.at("thresholds").at("critical").as_double(), 0.9);

    raw().command({"CONFIG", "SET", "maxmemory", "0"});
    const json::value unlimited = service.health_check();
    EXPECT_EQ(unlimited.at("memory").at("limit").as_string(), "machine");
    EXPECT_EQ(unlimited.at("status").as_string(), "healthy");
    EXPECT_TRUE(contains(json::serialize(unlimited.at("advice")), "no memory limit"));
}

TEST_P(HealthJson, IsTheSameOnALoop) {
    boost::asio::io_context loop{1};
    RedisService service(loop, config());
    json::value health;
    boost::asio::co_spawn(
        loop,
        [&]() -> boost::asio::awaitable<void> {
            co_await service.async_initialize();
            (void)co_await service.get_connection("alpha").async().set("k", "v");
            health = co_await service.async_health_check({.deadline = 5s});
        },
        [&](std::exception_ptr failure) {
            service.close();
            if (failure) std::rethrow_exception(failure);
        });
    testing::expect_runs_out(loop);
    std::vector<std::string> faults;
    compare(json::parse(original), health, "", faults);
    EXPECT_EQ(faults, std::vector<std::string>{});
    EXPECT_EQ(health.at("status").as_string(), "healthy");
}

// Of a healthy server; the best of some, because this machine does other things, too.
TEST_P(HealthJson, TakesLessThanATenthOfASecond) {
    RedisService& service = start();
    double best = 1e9;
    for (int i = 0; i != 10; ++i) {
        const TimePoint begin = Clock::now();
        EXPECT_EQ(service.health_check().at("status").as_string(), "healthy");
        best = std::min(best, std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    }
    EXPECT_LT(best, 100.0);
}

// Of many at once none undoes another's probe, and none leaves a key.
TEST_P(HealthJson, ProbesStayOutOfEachOthersWayAndOfTheProjects) {
    RedisService& service = start();
    RedisService other(config());
    other.initialize();
    service.get_connection("alpha").set("health", "mine");
    raw().command({"CONFIG", "RESETSTAT"});
    std::vector<std::future<void>> threads;
    for (int i = 0; i != 4; ++i) {
        threads.push_back(std::async(std::launch::async, [&service, &other, i] {
            for (int round = 0; round != 25; ++round) {
                const json::value health = (i % 2 == 0 ? service : other).health_check();
                EXPECT_EQ(health.at("test_operations").at("status").as_string(), "passed") << json::serialize(health);
            }
        }));
    }
    for (auto& thread : threads) thread.get();
    const auto calls = testing::command_calls(raw());
    EXPECT_EQ(calls.at("set"), 100u);
    EXPECT_EQ(calls.at("del"), 100u);
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}), std::vector<std::string>{"proj:alpha:health"});
    EXPECT_EQ(service.get_connection("alpha").get("health"), "mine");
}

TEST_P(HealthJson, OfAHundredAndFiftyProjectsTheBusiestHundredAreNamed) {
    RedisService& service = start();
    constexpr int projects = 150;
    for (int i = 0; i != projects; ++i) service.get_connection("p" + std::to_string(i)).set("k", "v");
    // The last ones by name and by time are the busy ones.
    std::vector<std::future<std::optional<KeyedElement>>> waiting;
    for (int i = 140; i != projects; ++i) {
        waiting.push_back(
            service.get_connection("p" + std::to_string(i)).async().blpop("list", 60s)(boost::asio::use_future));
    }
    ASSERT_TRUE(eventually([&] { return raw().info("blocked_clients") == "10"; }));

    const json::value health = service.health_check();
    EXPECT_EQ(health.at("status").as_string(), "healthy");
    const json::value& factory = health.at("factory");
    EXPECT_EQ(factory.at("pools").as_object().size(), 100u);
    EXPECT_EQ(factory.at("pools_count").to_number<int>(), projects + 1);  // ours
    EXPECT_EQ(factory.at("projects_count").to_number<int>(), projects);
    EXPECT_EQ(factory.at("pools_omitted").at("count").to_number<int>(), projects + 1 - 100);
    int created = factory.at("pools_omitted").at("created_connections").to_number<int>();
    EXPECT_EQ(created, projects + 1 - 100);
    for (const auto& [name, pool] : factory.at("pools").as_object()) {
        created += pool.at("created_connections").to_number<int>();
    }
    EXPECT_EQ(created, factory.at("created_connections").to_number<int>());
    for (int i = 140; i != projects; ++i) {
        const json::value* const busy = factory.at("pools").as_object().if_contains("p" + std::to_string(i));
        ASSERT_NE(busy, nullptr) << i;
        EXPECT_EQ(busy->at("in_flight_commands").to_number<int>(), 1);
    }
    EXPECT_EQ(factory.at("queues").at("queued_commands").to_number<int>(), 10);
    EXPECT_TRUE(contains(json::serialize(health.at("advice")), "another project's keys"));
    for (int i = 140; i != projects; ++i) raw().command({"RPUSH", "proj:p" + std::to_string(i) + ":list", "x"});
    for (auto& one : waiting) EXPECT_TRUE(one.get());
}

// What is on the way to a server that does not answer.
TEST_P(HealthJson, QueuesCountCommandsAndBytes) {
    RedisServiceConfig given = config();
    given.attempt_timeout = given.operation_timeout = testing::patience;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    (void)redis.async().get("k")(boost::asio::use_future).get();
    server().pause();
    std::vector<std::future<void>> waiting;
    std::vector<std::future<bool>> async;
    const std::string value(1000, 'x');
    for (int i = 0; i != 5; ++i) {
        async.push_back(redis.async().set("k" + std::to_string(i), value)(boost::asio::use_future));
    }
    waiting.push_back(std::async(std::launch::async, [&] { (void)redis.set("blocking", value); }));
    const auto queues = [&] {
        const json::value health = service.health_check({.deadline = 20ms});
        return health.at("factory").at("queues");
    };
    EXPECT_TRUE(eventually([&] { return queues().at("queued_commands").to_number<int>() >= 6; }));
    EXPECT_GE(queues().at("queued_bytes").to_number<int>(), 6000);
    server().resume();
    for (auto& one : async) (void)one.get();
    for (auto& one : waiting) one.get();
    EXPECT_TRUE(eventually([&] { return queues().at("queued_bytes").to_number<int>() == 0; }));
}

REDOUBT_BOTH_SERVERS(HealthJson);

}  // namespace
}  // namespace redoubt
