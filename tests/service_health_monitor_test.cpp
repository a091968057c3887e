// service: the background monitor: one round after the other, what it keeps, who it tells, what it logs; against both real
// servers.
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "support/captured_log.hpp"
#include "support/live_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using testing::contains;
using testing::eventually;

/// The changes that a listener heard, as a chain.
class Chain {
public:
    HealthListener listener() {
        return [this](const HealthChange& change) {
            const std::lock_guard lock(mutex_);
            EXPECT_EQ(change.from, statuses_.back());
            EXPECT_NE(change.to, change.from);
            EXPECT_EQ(change.health.at("status").as_string(), change.to);
            statuses_.emplace_back(change.to);
        };
    }
    std::vector<std::string> statuses() const {
        const std::lock_guard lock(mutex_);
        return statuses_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> statuses_{"healthy"};
};

class HealthMonitor : public testing::LiveServiceTest {
protected:
    RedisServiceConfig watching(Duration interval) {
        RedisServiceConfig given = config();
        given.health_check_interval = interval;
        given.circuit_breaker.failure_threshold = 2;
        given.circuit_breaker.recovery_timeout = 50ms;
        return given;
    }
    std::unique_ptr<RedisService> start(const RedisServiceConfig& given) {
        auto service = std::make_unique<RedisService>(given);
        service->initialize();
        return service;
    }
};

TEST_P(HealthMonitor, RoundsFollowEachOtherAndNeverOverlap) {
    testing::RawClient observer(server());
    observer.command({"MONITOR"});
    const auto service = start(watching(1ms));
    // As the server sees them. CONFIG and ACL are not shown.
    const std::vector<std::string> round{"PING", "PING", "INFO", "SET", "GET", "DEL"};
    std::vector<std::string> seen;
    std::string key;
    while (seen.size() < 20 * round.size()) {
        const std::string line = observer.read_frame();
        std::size_t begin = line.find("] \"");
        if (begin == std::string::npos) continue;
        begin += 3;
        const std::string name = line.substr(begin, line.find('"', begin) - begin);
        // initialize() and the handshake come first.
        if (name == "HELLO" || name == "CLIENT" || name == "SELECT" || (seen.empty() && name != "PING")) continue;
        if (name == "SET") {
            key = line.substr(line.find("\"proj:_redoubt:health:"));
            key = key.substr(0, key.find('"', 1) + 1);
        }
        if (name == "GET" || name == "DEL") {
            EXPECT_TRUE(contains(line, key)) << line << ' ' << key;
        }
        seen.push_back(name);
    }
    // The PING of initialize().
    seen.erase(seen.begin());
    for (std::size_t i = 0; i != seen.size(); ++i) ASSERT_EQ(seen[i], round[i % round.size()]) << i;
}

TEST_P(HealthMonitor, KeepsTheLastHundred) {
    const auto service = start(watching(1ms));
    EXPECT_TRUE(eventually([&] { return service->health_history().size() >= 3; }));
    ASSERT_TRUE(eventually([&] { return service->health_history().size() == 100; }));
    const double oldest = service->health_history().at(0).at("timestamp").as_double();
    EXPECT_TRUE(eventually([&] { return service->health_history().at(0).at("timestamp").as_double() > oldest; }));
    const json::array history = service->health_history();
    EXPECT_EQ(history.size(), 100u);
    double before = 0;
    for (const json::value& health : history) {
        const double end = health.at("timestamp").as_double();
        // It began after the one before it had ended.
        EXPECT_GE(end - health.at("duration_ms").as_double() / 1000, before - 0.001);
        before = end;
        EXPECT_EQ(health.at("status").as_string(), "healthy");
        EXPECT_FALSE(health.at("factory").as_object().contains("pools"));
        EXPECT_TRUE(health.at("factory").as_object().contains("pools_omitted"));
    }
    EXPECT_TRUE(service->last_health().at("factory").as_object().contains("pools"));
    EXPECT_GE(service->last_health().at("timestamp").as_double(), before);
}

TEST_P(HealthMonitor, TellsOfEachTransitionInOrder) {
    testing::CapturedLog log(spdlog::level::info);
    Chain chain;
    auto service = std::make_unique<RedisService>(watching(5ms));
    const ListenerHandle bad =
        service->add_health_listener([](const HealthChange&) { throw std::runtime_error("no"); });
    const ListenerHandle listening = service->add_health_listener(chain.listener());
    service->initialize();
    ASSERT_TRUE(eventually([&] { return service->health_history().size() > 2; }));
    EXPECT_EQ(chain.statuses().size(), 1u);  // healthy from the beginning is no change
    server().kill();
    ASSERT_TRUE(eventually([&] { return chain.statuses().back() == "unhealthy"; }));
    server().restart();
    ASSERT_TRUE(eventually([&] { return chain.statuses().back() == "healthy"; }));
    EXPECT_GE(log.count("warning: health: healthy -> unhealthy: ping failed: "), 1u) << log.text();
    EXPECT_GE(log.count("warning: health: unhealthy -> ") + log.count("warning: health: degraded -> healthy"), 1u);
    EXPECT_GE(log.count("threw: no"), 2u);

    // They outlive a service that is closed and initialized.
    service->close();
    EXPECT_THROW((void)service->health_history(), RedisConnectionException);
    service->initialize();
    EXPECT_TRUE(eventually([&] { return !service->health_history().empty(); }));
    const std::size_t told = chain.statuses().size();
    server().kill();
    EXPECT_TRUE(eventually([&] { return chain.statuses().size() > told; }));
}

TEST_P(HealthMonitor, AnEndedListenerHearsNothingMore) {
    Chain chain;
    const auto service = start(watching(5ms));
    ListenerHandle listening = service->add_health_listener(chain.listener());
    Chain other;
    const ListenerHandle stays = service->add_health_listener(other.listener());
    listening.end();
    server().kill();
    ASSERT_TRUE(eventually([&] { return other.statuses().size() > 1; }));
    EXPECT_EQ(chain.statuses().size(), 1u);
}

TEST_P(HealthMonitor, AlertsOfMemoryOnceThoughBothLook) {
    testing::CapturedLog log(spdlog::level::info);
    raw().command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
    raw().command({"SETRANGE", "proj:alpha:big", "40000000", "x"});
    const auto service = start(watching(5ms));
    const auto used = static_cast<double>(std::stoll(raw().info("used_memory")));
    raw().command({"CONFIG", "SET", "maxmemory", std::to_string(static_cast<std::int64_t>(used / 0.85))});
    ASSERT_TRUE(eventually([&] {
        (void)service->health_check();
        const json::object last = service->last_health();
        return !last.empty() && last.at("status").as_string() == "degraded";
    }));
    const std::size_t rounds = service->health_history().size();
    ASSERT_TRUE(eventually([&] { return service->health_history().size() > std::min<std::size_t>(rounds + 5, 99); }));
    EXPECT_EQ(log.count("warning: memory of "), 1u) << log.text();
    EXPECT_EQ(log.count("healthy -> warning, 85."), 1u) << log.text();
}

TEST_P(HealthMonitor, AnIntervalOfZeroTurnsItOff) {
    const auto service = start(watching(Duration::zero()));
    EXPECT_EQ(service->health_check().at("status").as_string(), "healthy");
    EXPECT_TRUE(service->last_health().empty());
    EXPECT_TRUE(service->health_history().empty());
}

REDOUBT_BOTH_SERVERS(HealthMonitor);

}  // namespace
}  // namespace redoubt
