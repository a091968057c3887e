// service: the circuit breaker as its users meet it: set by hand, listened to, opened by a share of failed or slow calls,
// against both real servers.
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include "support/live_service.hpp"
#include "support/notes.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using boost::asio::use_future;
using testing::contains;
using testing::error_of;
using testing::eventually;

/// What a listener heard, from whichever thread.
class Heard {
public:
    CircuitListener listener() {
        return [this](const CircuitStateChange& change) {
            changes_.add(std::string(to_string(change.from)) + '>' + std::string(to_string(change.to)) + ' ');
            const std::lock_guard lock(mutex_);
            endpoint_ = change.endpoint;
        };
    }
    std::string text() const { return changes_.text(); }
    std::string endpoint() const {
        const std::lock_guard lock(mutex_);
        return endpoint_;
    }

private:
    testing::Notes changes_;
    mutable std::mutex mutex_;
    std::string endpoint_;
};

/// Writes down what listeners threw.
class Complaints final : public Telemetry {
public:
    void listener_failed(std::string_view endpoint, std::string_view what) noexcept override {
        notes_.add(std::string(endpoint) + ": " + std::string(what) + '\n');
    }
    std::string text() const { return notes_.text(); }

private:
    testing::Notes notes_;
};

class Breaker : public testing::LiveServiceTest {
protected:
    RedisServiceConfig short_times() {
        RedisServiceConfig given = config();
        given.connection_timeout = 5s;
        given.attempt_timeout = 5s;
        given.operation_timeout = 10s;
        given.circuit_breaker.recovery_timeout = 50ms;
        given.circuit_breaker.success_threshold = 1;
        return given;
    }
    RedisService& start(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->set_telemetry(complaints_);
        service_->initialize();
        return *service_;
    }
    std::uint64_t connections_received() { return std::stoull(raw().info("total_connections_received")); }

    std::shared_ptr<Complaints> complaints_ = std::make_shared<Complaints>();

private:
    std::unique_ptr<RedisService> service_;
};

TEST_P(Breaker, ForcedOpenRefusesAllAndConnectsNobodyUntilItIsReset) {
    RedisService& service = start(short_times());
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    CircuitBreakerHandle breaker = service.circuit_breaker();
    EXPECT_EQ(breaker.endpoint(), server().socket_path());
    EXPECT_EQ(breaker.mode(), CircuitBreakerMode::consecutive);
    const std::uint64_t before = connections_received();
    breaker.force_open();
    // Many times the recovery time.
    const TimePoint until = Clock::now() + 300ms;
    int number = 0;
    do {
        const Error error = error_of([&] { (void)redis.get("k"); });
        EXPECT_EQ(error.kind, ErrorKind::circuit_open);
        EXPECT_EQ(error.retry_after, Duration::zero());
        EXPECT_TRUE(contains(error.message(), "by hand")) << error.message();
        EXPECT_THROW((void)redis.async().get("k")(use_future).get(), RedisCircuitBreakerOpenException);
        const auto other = service.get_connection("other" + std::to_string(++number));
        EXPECT_THROW((void)other.ping(), RedisCircuitBreakerOpenException);
        EXPECT_THROW((void)other.blpop("list", 1s), RedisCircuitBreakerOpenException);
    } while (Clock::now() < until);
    EXPECT_EQ(service.circuit_state(), CircuitState::forced_open);
    EXPECT_EQ(connections_received(), before);
    const json::value health = service.health_check();
    EXPECT_EQ(health.at("status").as_string(), "unhealthy");
    EXPECT_EQ(health.at("factory").at("circuit_breaker").at("state").as_string(), "forced_open");
    EXPECT_TRUE(contains(json::serialize(health.at("advice")), "opened by hand"));

    breaker.reset();
    EXPECT_EQ(redis.get("k"), "v");
    EXPECT_EQ(redis.async().get("k")(use_future).get(), "v");
    const CircuitBreakerMetrics metrics = breaker.metrics();
    EXPECT_EQ(metrics.circuit_opens, 1u);
    EXPECT_GE(metrics.rejected_calls, 4u);
    EXPECT_GE(metrics.time_in(CircuitState::forced_open), 300ms);
    EXPECT_EQ(metrics.time_in(CircuitState::open), Duration::zero());
    EXPECT_EQ(metrics.failed_calls, 0u);
}

TEST_P(Breaker, DisabledLetsEveryCallThroughUntilItIsEnabled) {
    RedisServiceConfig given = short_times();
    given.circuit_breaker.failure_threshold = 2;
    given.circuit_breaker.recovery_timeout = 1h;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    redis.ping();
    CircuitBreakerHandle breaker = service.circuit_breaker();
    breaker.disable();
    EXPECT_EQ(redis.get("k"), std::nullopt);
    EXPECT_EQ(redis.async().get("k")(use_future).get(), std::nullopt);
    EXPECT_TRUE(contains(json::serialize(service.health_check().at("advice")), "disabled by hand"));
    server().kill();
    for (int i = 0; i != 10; ++i) EXPECT_THROW((void)redis.get("k"), RedisConnectionException);
    EXPECT_EQ(breaker.state(), CircuitState::disabled);
    EXPECT_GE(breaker.metrics().failed_calls, 10u);
    breaker.enable();
    EXPECT_EQ(breaker.state(), CircuitState::closed);
    EXPECT_THROW((void)redis.get("k"), RedisConnectionException);
    EXPECT_THROW((void)redis.get("k"), RedisConnectionException);
    EXPECT_EQ(breaker.state(), CircuitState::open);
    EXPECT_THROW((void)redis.get("k"), RedisCircuitBreakerOpenException);
    // An operator who knows better than the hour.
    server().restart();
    breaker.reset();
    EXPECT_EQ(redis.get("k"), std::nullopt);
}

TEST_P(Breaker, ListenersHearEveryChangeAndOneThatThrowsHarmsNobody) {
    RedisServiceConfig given = short_times();
    given.circuit_breaker.failure_threshold = 1;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    redis.ping();
    CircuitBreakerHandle breaker = service.circuit_breaker();
    Heard all;
    Heard some;
    auto for_all = breaker.on_state_change(all.listener());
    auto thrower = breaker.on_state_change([](const CircuitStateChange&) { throw std::runtime_error("no thanks"); });
    {
        const auto for_some = breaker.on_state_change(some.listener());
        breaker.force_open();
        breaker.force_open();  // no change
        breaker.reset();
    }
    EXPECT_EQ(some.text(), "closed>forced_open forced_open>closed ");
    EXPECT_EQ(complaints_->text(), server().socket_path() + ": no thanks\n" + server().socket_path() + ": no thanks\n");
    thrower.end();
    EXPECT_EQ(all.endpoint(), server().socket_path());

    // A listener may use the service, too: its own call is refused or not by the state that it hears of.
    std::promise<ErrorKind> refused;
    std::once_flag once;
    auto caller = breaker.on_state_change([&](const CircuitStateChange& change) {
        if (change.to != CircuitState::open) return;
        std::call_once(once, [&] { refused.set_value(error_of([&] { (void)redis.get("k"); }).kind); });
    });
    server().kill();
    EXPECT_THROW((void)redis.get("k"), RedisException);
    EXPECT_EQ(refused.get_future().get(), ErrorKind::circuit_open);
    server().restart();
    EXPECT_TRUE(eventually([&] { return breaker.state() == CircuitState::closed; }));
    EXPECT_TRUE(eventually([&] { return all.text().ends_with("half_open>closed "); }));
    EXPECT_TRUE(contains(all.text(), "closed>open open>half_open ")) << all.text();
    EXPECT_EQ(some.text(), "closed>forced_open forced_open>closed ");
}

TEST_P(Breaker, AShareOfFailuresOpensItThoughSuccessesAreAmongThem) {
    RedisServiceConfig given = short_times();
    given.attempt_timeout = 50ms;
    given.circuit_breaker.failure_threshold = 1;  // says nothing in this mode
    given.circuit_breaker.failure_rate_threshold = 0.3;
    given.circuit_breaker.window_calls = 20;
    given.circuit_breaker.minimum_calls = 10;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    CircuitBreakerHandle breaker = service.circuit_breaker();
    EXPECT_EQ(breaker.mode(), CircuitBreakerMode::failure_rate);
    for (int round = 0; breaker.state() == CircuitState::closed; ++round) {
        ASSERT_LT(round, 20);
        EXPECT_TRUE(redis.try_ping() || breaker.state() != CircuitState::closed);
        server().pause();
        (void)redis.try_get("k");
        server().resume();
    }
    EXPECT_GE(breaker.metrics().total_calls, 10u);
    EXPECT_GT(breaker.metrics().successful_calls, 0u);
    const json::value shown = service.get_metrics().at("connection_factory").at("circuit_breaker");
    EXPECT_EQ(shown.at("mode").as_string(), "failure_rate");
    EXPECT_GE(shown.at("metrics").at("seconds_in_states").at("closed").as_double(), 0.0);
    EXPECT_EQ(shown.at("metrics").at("slow_calls").to_number<int>(), 0);
    EXPECT_TRUE(shown.at("window").at("calls").is_number());
    EXPECT_TRUE(eventually([&] { return breaker.state() == CircuitState::closed; }));
    EXPECT_TRUE(redis.set("k", "after"));
}

TEST_P(Breaker, SlowAnswersOpenItOnBothSurfacesAndAWaitOfTheCallersChoiceDoesNot) {
    RedisServiceConfig given = short_times();
    given.circuit_breaker.recovery_timeout = 10ms;
    given.circuit_breaker.slow_call_rate_threshold = 0.5;
    given.circuit_breaker.slow_call_duration = 100ms;
    given.circuit_breaker.window_time = 1h;
    given.circuit_breaker.minimum_calls = 4;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    CircuitBreakerHandle breaker = service.circuit_breaker();
    EXPECT_EQ(breaker.mode(), CircuitBreakerMode::slow_calls);
    for (const bool async : {false, true}) {
        breaker.reset();
        for (int i = 0; i != 4; ++i) {
            if (async) {
                EXPECT_EQ(redis.async().blpop("nothing", 150ms)(use_future).get(), std::nullopt);
            } else {
                EXPECT_EQ(redis.blpop("nothing", 150ms), std::nullopt);
            }
        }
        EXPECT_EQ(breaker.state(), CircuitState::closed);
        EXPECT_EQ(breaker.metrics().window_slow_calls, 0u);
        EXPECT_GE(breaker.metrics().window_calls, 4u);
        const std::uint64_t opens = breaker.metrics().circuit_opens;
        // All succeed, late.
        for (int i = 0; breaker.metrics().circuit_opens == opens; ++i) {
            ASSERT_LT(i, 20);
            raw().command({"CLIENT", "PAUSE", "150"});
            if (async) {
                (void)redis.async().try_get("k")(use_future).get();
            } else {
                (void)redis.try_get("k");
            }
        }
        EXPECT_EQ(breaker.metrics().failed_calls, 0u);
        EXPECT_GE(breaker.metrics().slow_calls, 4u);
        EXPECT_TRUE(eventually([&] { return breaker.state() == CircuitState::closed; }));
    }
}

REDOUBT_BOTH_SERVERS(Breaker);

}  // namespace
}  // namespace redoubt
