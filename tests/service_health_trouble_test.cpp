// service: health of a server in trouble: one that hangs, one that comes back, memory that fills up, replicas that are
// lost; and what of it the circuit breaker is told; against both real servers.
#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "support/live_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using testing::contains;
using testing::error_of;
using testing::eventually;

std::string text(const json::value& value) { return std::string(value.as_string()); }

/// Memory alerts, from whichever thread: `healthy>warning `.
class Alerts final : public Telemetry {
public:
    void memory_alert(std::string_view, std::string_view from, std::string_view to, double) noexcept override {
        add(from, to);
    }
    MemoryListener listener() {
        return [this](const MemoryAlert& alert) {
            EXPECT_FALSE(alert.limit_is_machine);
            EXPECT_GT(alert.usage_bytes, 0);
            EXPECT_GT(alert.limit_bytes, 0);
            EXPECT_FALSE(alert.endpoint.empty());
            add(to_string(alert.from), to_string(alert.to));
        };
    }
    std::string heard() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

private:
    void add(std::string_view from, std::string_view to) {
        const std::lock_guard lock(mutex_);
        text_ += std::string(from) + '>' + std::string(to) + ' ';
    }
    mutable std::mutex mutex_;
    std::string text_;
};

class Trouble : public testing::LiveServiceTest {
protected:
    RedisService& start(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->set_telemetry(telemetry_);
        service_->initialize();
        return *service_;
    }
    std::string status() { return text(service_->health_check().at("status")); }
    std::string all() { return json::serialize(service_->health_check()); }

    std::shared_ptr<Alerts> telemetry_ = std::make_shared<Alerts>();
    std::unique_ptr<RedisService> service_;
};

// The best of some, because this machine does other things, too.
TEST_P(Trouble, AHangingServerIsUnhealthyWithinTheDeadlineAndSaysWhatIsWrong) {
    RedisService& service = start(config());
    server().pause();
    for (const Duration deadline : {HealthOptions().deadline, Duration(300ms)}) {
        Duration best = 1h;
        for (int i = 0; i != 3 && best > deadline; ++i) {
            const TimePoint begin = Clock::now();
            const json::value health = service.health_check({.deadline = deadline});
            best = std::min(best, Clock::now() - begin);
            EXPECT_EQ(text(health.at("status")), "unhealthy");
            EXPECT_EQ(text(health.at("test_operations").at("status")), "failed");
            EXPECT_EQ(text(health.at("test_operations").at("failed_step")), "ping");
            EXPECT_EQ(text(health.at("memory").at("status")), "unknown");
            EXPECT_EQ(text(health.at("nodes").at(0).at("status")), "unhealthy");
            EXPECT_TRUE(contains(text(health.at("problems").at(0)), "ping failed: RedisOperationTimeoutException"));
        }
        EXPECT_LE(best, deadline);
    }
    server().resume();
    EXPECT_TRUE(eventually([&] { return status() == "healthy"; }));
}

// Short deadlines of those who ask for health say nothing of the node.
TEST_P(Trouble, ShortDeadlinesAndFullMemoryDoNotOpenTheBreaker) {
    RedisServiceConfig given = config();
    given.attempt_timeout = 30s;
    given.circuit_breaker.failure_threshold = 1;
    RedisService& service = start(given);
    service.get_connection("alpha").set("k", "v");
    (void)service.health_check();
    server().pause();
    for (int i = 0; i != 5; ++i) {
        EXPECT_EQ(text(service.health_check({.deadline = 20ms}).at("status")), "unhealthy");
    }
    server().resume();
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    raw().command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
    raw().command({"CONFIG", "SET", "maxmemory", "1"});
    for (int i = 0; i != 5; ++i) {
        const json::value health = service.health_check();
        EXPECT_EQ(text(health.at("status")), "unhealthy");
        EXPECT_EQ(text(health.at("test_operations").at("failed_step")), "set_get_delete");
        EXPECT_TRUE(contains(text(health.at("test_operations").at("error")), "RedisMemoryException"));
    }
    const json::value health = service.health_check();
    const json::value& breaker = health.at("factory").at("circuit_breaker");
    EXPECT_EQ(text(breaker.at("state")), "closed");
    EXPECT_EQ(breaker.at("metrics").at("failed_calls").to_number<int>(), 0);
    EXPECT_EQ(text(health.at("factory").at("status")), "unhealthy");
}

TEST_P(Trouble, AHalfOpenBreakerIsDegraded) {
    RedisServiceConfig given = config();
    given.attempt_timeout = 50ms;
    given.connection_timeout = 60s;  // so long a probe of a server that hangs takes
    given.circuit_breaker.failure_threshold = 1;
    given.circuit_breaker.recovery_timeout = 50ms;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    server().pause();
    EXPECT_EQ(error_of([&] { (void)redis.get("k"); }).kind, ErrorKind::timeout);
    ASSERT_TRUE(eventually([&] { return service.circuit_state() == CircuitState::half_open; }));
    const json::value health = service.health_check();
    EXPECT_EQ(text(health.at("status")), "degraded") << json::serialize(health);
    EXPECT_EQ(text(health.at("factory").at("status")), "degraded");
    EXPECT_EQ(text(health.at("factory").at("circuit_breaker").at("state")), "half_open");
    EXPECT_EQ(text(health.at("test_operations").at("status")), "skipped");
    EXPECT_TRUE(contains(json::serialize(health.at("problems")), "half_open"));
    server().resume();
    EXPECT_TRUE(eventually([&] { return status() == "healthy"; }));
}

TEST_P(Trouble, ABreakerOpenedByHandIsUnhealthyUntilItIsReset) {
    RedisService& service = start(config());
    service.circuit_breaker().force_open();
    const json::value health = service.health_check();
    EXPECT_EQ(text(health.at("status")), "unhealthy");
    EXPECT_EQ(text(health.at("nodes").at(0).at("circuit_breaker")), "forced_open");
    EXPECT_TRUE(contains(json::serialize(health.at("advice")), "opened by hand"));
    service.circuit_breaker().reset();
    EXPECT_EQ(status(), "healthy");
}

TEST_P(Trouble, MemoryWarnsAtItsThresholdsOnceACrossing) {
    RedisService& service = start(config());
    Alerts heard;
    const ListenerHandle listening = service.add_memory_listener(heard.listener());
    const ListenerHandle bad = service.add_memory_listener([](const MemoryAlert&) { throw std::runtime_error("no"); });
    // So large that what the server needs besides does not count.
    raw().command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
    raw().command({"SETRANGE", "proj:alpha:big", "40000000", "x"});
    const auto use = [&](double fraction) {
        const auto used = static_cast<double>(std::stoll(raw().info("used_memory")));
        raw().command({"CONFIG", "SET", "maxmemory", std::to_string(static_cast<std::int64_t>(used / fraction))});
        const json::value health = service.health_check();
        EXPECT_NEAR(health.at("memory").at("usage_percentage").as_double(), fraction, 0.005);
        (void)service.health_check();  // the same again is no crossing
        return text(health.at("memory").at("status")) + ' ' + text(health.at("status"));
    };
    EXPECT_EQ(use(0.70), "healthy healthy");
    EXPECT_EQ(use(0.81), "warning degraded");
    EXPECT_EQ(use(0.79), "warning degraded");  // within the margin
    EXPECT_EQ(use(0.91), "critical unhealthy");
    EXPECT_EQ(use(0.89), "critical unhealthy");
    EXPECT_EQ(use(0.85), "warning degraded");
    EXPECT_EQ(use(0.50), "healthy healthy");
    EXPECT_EQ(use(0.95), "critical unhealthy");
    const std::string told = "healthy>warning warning>critical critical>warning warning>healthy healthy>critical ";
    EXPECT_EQ(heard.heard(), told);
    EXPECT_EQ(telemetry_->heard(), told);
}

TEST_P(Trouble, EvictedKeysAreCountedAndTheirRateIsTold) {
    RedisServiceConfig given = config();
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    (void)service.health_check();
    const std::string value(10'000, 'x');
    const auto used = std::stoll(raw().info("used_memory"));
    raw().command({"CONFIG", "SET", "maxmemory", std::to_string(used + 1'000'000)});
    int written = 0;
    // The rate needs two looks a second apart.
    EXPECT_TRUE(eventually([&] {
        for (int i = 0; i != 20; ++i) (void)redis.try_set("k" + std::to_string(written++), value);
        const json::value memory = service.health_check().at("memory");
        const json::value& rate = memory.at("evicted_keys_per_second");
        return memory.at("evicted_keys").to_number<int>() > 0 && rate.is_double() && rate.as_double() > 0;
    })) << all();
}

TEST_P(Trouble, ALostReplicaIsDegraded) {
    EmbeddedServerOptions options = testing::options_for(GetParam());
    options.tcp = true;
    options.extra_arguments = {"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"};
    start_server(options);
    RedisService& service = start(config());
    EXPECT_EQ(status(), "healthy");

    EmbeddedServerOptions second = testing::options_for(GetParam());
    second.extra_arguments = {"--replicaof", "127.0.0.1", std::to_string(server().port())};
    EmbeddedServer replica(second);
    const auto good = [&] { return service.health_check().at("replication").at("good_replicas").to_number<int>(); };
    ASSERT_TRUE(eventually([&] { return good() == 1; })) << all();
    const json::value with = service.health_check();
    EXPECT_EQ(text(with.at("status")), "healthy");
    EXPECT_EQ(text(with.at("replication").at("replicas").at(0).at("state")), "online");
    EXPECT_GE(with.at("replication").at("replicas").at(0).at("lag_bytes").to_number<std::int64_t>(), 0);

    // A service on the replica itself: it is read, not written to.
    RedisService of_replica(testing::quiet_config(replica.url()));
    of_replica.initialize();
    const json::value there = of_replica.health_check();
    EXPECT_EQ(text(there.at("status")), "healthy") << json::serialize(there);
    EXPECT_EQ(text(there.at("replication").at("role")), "replica");
    EXPECT_EQ(text(there.at("replication").at("link_status")), "up");
    EXPECT_EQ(text(there.at("server").at("role")), "replica");
    EXPECT_FALSE(there.at("test_operations").at("response_times_ms").as_object().contains("set_get_delete"));

    replica.kill();
    ASSERT_TRUE(eventually([&] { return good() == 0; }));
    const json::value without = service.health_check();
    EXPECT_EQ(text(without.at("status")), "degraded");
    EXPECT_TRUE(contains(json::serialize(without.at("problems")), "0 of 1 replicas are good"));
    replica.restart();
    EXPECT_TRUE(eventually([&] { return status() == "healthy"; })) << all();

    server().kill();
    ASSERT_TRUE(eventually([&] { return text(of_replica.health_check().at("status")) == "degraded"; }));
    const json::value alone = of_replica.health_check();
    EXPECT_EQ(text(alone.at("replication").at("link_status")), "down");
    EXPECT_TRUE(contains(json::serialize(alone.at("problems")), "has lost its master"));
}

REDOUBT_BOTH_SERVERS(Trouble);

}  // namespace
}  // namespace redoubt
