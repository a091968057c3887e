// service: health_check() and get_metrics() have the original's fields and types, and tell of a server in trouble,
// against both real servers.
#include <redoubt/service/service.hpp>

#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "support/live_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using testing::contains;
using testing::eventually;

class Health : public testing::LiveServiceTest {
protected:
    RedisService& start(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->initialize();
        return *service_;
    }
    RedisServiceConfig short_times() {
        RedisServiceConfig given = config();
        given.attempt_timeout = 5s;
        given.circuit_breaker.failure_threshold = 2;
        given.circuit_breaker.recovery_timeout = 100ms;
        return given;
    }

private:
    std::unique_ptr<RedisService> service_;
};

TEST_P(Health, HasTheOriginalsFieldsAndTypes) {
    RedisService& service = start(short_times());
    service.get_connection("alpha").set("k", "v");
    const double before = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    const json::value health = service.health_check();
    EXPECT_EQ(health.at("status").as_string(), "healthy");
    EXPECT_GE(health.at("timestamp").as_double(), before - 1);
    EXPECT_LE(health.at("timestamp").as_double(), before + 60);
    EXPECT_EQ(health.at("service").as_string(), "redis");

    const json::value& factory = health.at("factory");
    EXPECT_EQ(factory.at("status").as_string(), "healthy");
    const json::value& pool = factory.at("pools").at("alpha");
    EXPECT_EQ(pool.at("created_connections").to_number<int>(), 1);
    EXPECT_EQ(pool.at("available_connections").to_number<int>(), 1);
    EXPECT_EQ(pool.at("max_connections").to_number<int>(), 10);
    const json::value& breaker = factory.at("circuit_breaker");
    EXPECT_EQ(breaker.at("state").as_string(), "closed");
    EXPECT_GE(breaker.at("metrics").at("total_calls").to_number<int>(), 5);
    EXPECT_EQ(breaker.at("metrics").at("success_rate").as_double(), 1.0);
    EXPECT_EQ(breaker.at("metrics").at("circuit_opens").to_number<int>(), 0);
    EXPECT_EQ(breaker.at("mode").as_string(), "consecutive");
    EXPECT_EQ(breaker.at("metrics").at("slow_calls").to_number<int>(), 0);
    EXPECT_GT(breaker.at("metrics").at("seconds_in_states").at("closed").as_double(), 0.0);
    EXPECT_EQ(breaker.at("metrics").at("seconds_in_states").at("open").as_double(), 0.0);
    EXPECT_FALSE(breaker.as_object().contains("window"));

    const json::value& tests = health.at("test_operations");
    EXPECT_EQ(tests.at("status").as_string(), "passed");
    EXPECT_GT(tests.at("response_times_ms").at("ping").as_double(), 0.0);
    EXPECT_GT(tests.at("response_times_ms").at("set_get_delete").as_double(), 0.0);

    const json::value& memory = health.at("memory");
    EXPECT_EQ(memory.at("status").as_string(), "healthy");
    EXPECT_GT(memory.at("usage_percentage").as_double(), 0.0);
    EXPECT_LT(memory.at("usage_percentage").as_double(), 0.8);
    EXPECT_GT(memory.at("usage_bytes").to_number<std::int64_t>(), 100'000);
    EXPECT_EQ(memory.at("max_memory_bytes").to_number<std::int64_t>(), 64 << 20);

    const json::value metrics = service.get_metrics();
    EXPECT_TRUE(metrics.at("initialized").as_bool());
    EXPECT_GE(metrics.at("connection_factory").at("pools_count").to_number<int>(), 1);
    EXPECT_EQ(metrics.at("connection_factory").at("circuit_breaker").at("state").as_string(), "closed");
    // The probe leaves no key behind.
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}), std::vector<std::string>{"proj:alpha:k"});
}

TEST_P(Health, AHangingServerIsUnhealthyWithinTwoSeconds) {
    RedisService& service = start(short_times());
    server().pause();
    const TimePoint begin = Clock::now();
    const json::value health = service.health_check();
    const Duration elapsed = Clock::now() - begin;
    EXPECT_EQ(health.at("status").as_string(), "unhealthy");
    EXPECT_EQ(health.at("test_operations").at("status").as_string(), "failed");
    EXPECT_TRUE(contains(std::string_view(health.at("test_operations").at("error").as_string()),
                         "RedisOperationTimeoutException"));
    EXPECT_EQ(health.at("memory").at("status").as_string(), "unknown");
    EXPECT_LT(elapsed, 3s);  // two, and what a busy machine adds
    server().resume();
    EXPECT_TRUE(eventually([&] { return service.health_check().at("status").as_string() == "healthy"; }));
}

TEST_P(Health, ADeadServerIsUnhealthyAndAnOpenBreakerSaysSo) {
    RedisService& service = start(short_times());
    server().kill();
    EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(service.health_check().at("status").as_string(), "unhealthy");
        return service.circuit_state() == CircuitState::open;
    }));
    const json::value health = service.health_check();
    EXPECT_EQ(health.at("status").as_string(), "unhealthy");
    EXPECT_NE(health.at("factory").at("circuit_breaker").at("state").as_string(), "closed");
    EXPECT_GE(health.at("factory").at("circuit_breaker").at("metrics").at("circuit_opens").to_number<int>(), 1);
    server().restart();
    EXPECT_TRUE(eventually([&] { return service.circuit_state() == CircuitState::closed; }));
    EXPECT_EQ(service.health_check().at("status").as_string(), "healthy");
}

TEST_P(Health, MemoryNearTheLimitIsDegradedAndOverItUnhealthy) {
    RedisServiceConfig given = short_times();
    given.memory_warning_threshold = 0.5;
    RedisService& service = start(given);
    raw().command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
    const std::int64_t used = std::stoll(raw().info("used_memory"));
    raw().command({"CONFIG", "SET", "maxmemory", std::to_string(used * 10 / 7)});
    const json::value near = service.health_check();
    EXPECT_EQ(near.at("memory").at("status").as_string(), "warning");
    EXPECT_EQ(near.at("status").as_string(), "degraded");
    EXPECT_TRUE(contains(json::serialize(near.at("advice")), "no eviction policy"));

    raw().command({"CONFIG", "SET", "maxmemory", std::to_string(used / 2)});
    const json::value over = service.health_check();
    EXPECT_EQ(over.at("memory").at("status").as_string(), "critical");
    EXPECT_EQ(over.at("status").as_string(), "unhealthy");
    EXPECT_THROW((void)service.get_connection("alpha").set("k", "v"), RedisMemoryException);
    EXPECT_EQ(service.get_connection("alpha").get("k"), std::nullopt);
}

TEST_P(Health, TheMonitorLooksByItself) {
    RedisServiceConfig given = short_times();
    given.health_check_interval = 20ms;
    RedisService& service = start(given);
    EXPECT_TRUE(eventually([&] { return !service.last_health().empty(); }));
    EXPECT_EQ(service.last_health().at("status").as_string(), "healthy");
    server().kill();
    EXPECT_TRUE(eventually([&] { return service.last_health().at("status").as_string() == "unhealthy"; }));
    server().restart();
    EXPECT_TRUE(eventually([&] { return service.last_health().at("status").as_string() == "healthy"; }));
}

REDOUBT_BOTH_SERVERS(Health);

}  // namespace
}  // namespace redoubt
