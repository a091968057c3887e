// service: the server dies, hangs and comes back: breaker, time-outs, certainty, health, and the service's own
// beginning and end, against both real servers.
#include <redoubt/service/service.hpp>

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include "support/live_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::error_of;
using testing::eventually;
using testing::options_for;
using testing::quiet_config;
using testing::RawClient;

/// Writes down what the breaker did.
class Transitions final : public Telemetry {
public:
    void breaker_changed(std::string_view, std::string_view from, std::string_view to) noexcept override {
        const std::lock_guard lock(mutex_);
        seen_.push_back(std::string(from) + " -> " + std::string(to));
    }
    void connection_failed(const Error&) noexcept override {
        const std::lock_guard lock(mutex_);
        ++failures_;
    }
    std::vector<std::string> seen() const {
        const std::lock_guard lock(mutex_);
        return seen_;
    }
    int failures() const {
        const std::lock_guard lock(mutex_);
        return failures_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> seen_;
    int failures_ = 0;
};

class Outage : public testing::LiveServiceTest {
protected:
    RedisServiceConfig short_times() {
        RedisServiceConfig given = config();
        given.connection_timeout = 1s;
        given.attempt_timeout = 300ms;
        given.operation_timeout = 5s;
        given.retry_delay = 10ms;
        given.circuit_breaker.failure_threshold = 3;
        given.circuit_breaker.recovery_timeout = 200ms;
        given.circuit_breaker.success_threshold = 2;
        return given;
    }
    RedisService& start(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->set_telemetry(transitions_);
        service_->initialize();
        return *service_;
    }
    const Transitions& transitions() const { return *transitions_; }

private:
    std::shared_ptr<Transitions> transitions_ = std::make_shared<Transitions>();
    std::unique_ptr<RedisService> service_;
};

TEST_P(Outage, TheBreakerOpensFailsFastAndClosesByItself) {
    RedisService& service = start(short_times());
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    server().kill();

    int failed = 0;
    Error error;
    do {
        error = error_of([&] { (void)redis.get("k"); });
        if (error.kind == ErrorKind::connection) ++failed;
    } while (error.kind == ErrorKind::connection && failed < 10);
    EXPECT_EQ(failed, 3);
    EXPECT_EQ(error.kind, ErrorKind::circuit_open) << error.message();
    EXPECT_EQ(service.circuit_state(), CircuitState::open);
    EXPECT_EQ(error.certainty, Certainty::not_sent);
    EXPECT_EQ(error.attempts, 0U);
    EXPECT_GT(error.retry_after, Duration::zero());
    EXPECT_LE(error.retry_after, 200ms);
    EXPECT_THROW((void)redis.get("k"), RedisCircuitBreakerOpenException);
    // All projects and all surfaces share the node's breaker.
    EXPECT_THROW((void)service.get_connection("beta").get("k"), RedisCircuitBreakerOpenException);
    EXPECT_THROW(redis.pipeline().get("k").execute(), RedisCircuitBreakerOpenException);
    EXPECT_THROW((void)redis.transaction().watch("k"), RedisCircuitBreakerOpenException);
    EXPECT_THROW((void)redis.async().get("k")(boost::asio::use_future).get(), RedisCircuitBreakerOpenException);
    // Probes of a dead server do not close it, and open it again each time.
    EXPECT_TRUE(eventually([&] { return transitions().seen().size() >= 5; }));

    server().restart();
    EXPECT_TRUE(eventually([&] { return service.circuit_state() == CircuitState::closed; }));
    EXPECT_EQ(redis.get("k"), std::nullopt);  // a handle from before, an empty server
    EXPECT_TRUE(redis.set("k", "after"));
    EXPECT_EQ(redis.async().get("k")(boost::asio::use_future).get(), "after");
    const std::vector<std::string> seen = transitions().seen();
    EXPECT_EQ(seen.front(), "closed -> open");
    EXPECT_EQ(seen.at(seen.size() - 2), "open -> half_open");
    EXPECT_EQ(seen.back(), "half_open -> closed");
}

TEST_P(Outage, OneLostConnectionWithManyCallsIsOneFailure) {
    RedisServiceConfig given = short_times();
    given.attempt_timeout = 20s;
    given.operation_timeout = 20s;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha").async();
    redis.ping()(boost::asio::use_future).get();
    server().pause();
    std::vector<std::future<std::int64_t>> calls;
    for (int i = 0; i < 100; ++i) calls.push_back(redis.incr("n")(boost::asio::use_future));
    server().kill();
    for (auto& call : calls) EXPECT_THROW(call.get(), RedisConnectionException);
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    EXPECT_GE(transitions().failures(), 1);
}

TEST_P(Outage, ACallThatConnectsAgainWaitsForTheServer) {
    RedisServiceConfig given = short_times();
    given.connection_timeout = given.attempt_timeout = given.operation_timeout = 30s;
    given.circuit_breaker.failure_threshold = 1000;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    redis.ping();
    (void)redis.async().ping()(boost::asio::use_future).get();
    server().kill();
    server().restart();
    server().pause();  // the kernel accepts for it; the handshakes wait
    std::vector<std::future<std::int64_t>> calls;
    for (int i = 0; i < 4; ++i) {
        calls.push_back(std::async(std::launch::async, [&] { return redis.incr("blocking"); }));
        calls.push_back(redis.async().incr("async")(boost::asio::use_future));
    }
    EXPECT_EQ(calls.front().wait_for(20ms), std::future_status::timeout);
    server().resume();
    for (auto& call : calls) EXPECT_GE(call.get(), 1);
    EXPECT_EQ(redis.mget("blocking", "async"), (std::vector<std::optional<std::string>>{"4", "4"}));
}

TEST_P(Outage, ACallThatWasNotSentIsTriedAgainUntilTheServerIsBack) {
    RedisServiceConfig given = short_times();
    given.circuit_breaker.failure_threshold = 1000;
    given.max_retries = 20;
    given.retry_delay = given.retry_delay_max = 3s;  // the retry budget allows five; a start takes less time
    given.operation_timeout = 30s;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    const auto other = service.get_connection("beta").async();
    redis.ping();
    (void)other.ping()(boost::asio::use_future).get();
    server().kill();
    auto call = std::async(std::launch::async, [&] { return redis.incr("n"); });
    auto awaited = other.incr("n")(boost::asio::use_future);
    EXPECT_TRUE(eventually([&] { return transitions().failures() >= 2; }));
    server().restart();
    EXPECT_EQ(call.get(), 1);
    EXPECT_EQ(awaited.get(), 1);
}

/// How long the call takes to fail, with the error that it ends with.
template <class Call>
std::pair<Duration, Error> timed(Call call) {
    const TimePoint begin = Clock::now();
    Error error = error_of(call);
    return {Clock::now() - begin, std::move(error)};
}

TEST_P(Outage, AHangingServerIsATimeoutInTime) {
    RedisServiceConfig given = short_times();
    given.circuit_breaker.failure_threshold = 1000;
    given.max_retries = 3;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    // On a busy machine a thread may be late once; not five times in a row.
    const auto in_time = [&](Duration limit, const auto& call) {
        Duration best = Duration::max();
        for (int i = 0; i < 5 && best > limit + 50ms; ++i) {
            (void)redis.with({.deadline = 30s}).ping();
            (void)redis.with({.deadline = 30s}).async().ping()(boost::asio::use_future).get();
            server().pause();
            const auto [elapsed, error] = timed(call);
            server().resume();
            EXPECT_EQ(error.kind, ErrorKind::timeout) << error.message();
            EXPECT_EQ(error.certainty, Certainty::unknown) << error.message();
            EXPECT_EQ(error.stage, Stage::sent);
            EXPECT_EQ(error.attempts, 1U) << error.message();  // a write is not tried again
            EXPECT_GE(elapsed, limit - 1ms);
            best = std::min(best, elapsed);
        }
        EXPECT_LE(best, limit + 50ms);
    };
    in_time(100ms, [&] { redis.with({.deadline = 100ms}).incr("n"); });
    in_time(300ms, [&] { redis.incr("n"); });
    in_time(100ms, [&] { redis.async().with({.deadline = 100ms}).incr("n")(boost::asio::use_future).get(); });
    in_time(300ms, [&] { redis.async().incr("n")(boost::asio::use_future).get(); });
}

TEST_P(Outage, AWriteOfUnknownFateIsAppliedAtMostOnceAndAReadIsTriedAgain) {
    RedisServiceConfig given = short_times();
    given.circuit_breaker.failure_threshold = 1000;
    given.max_retries = 10;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    redis.set("n", "0");
    (void)redis.async().get("n")(boost::asio::use_future).get();
    server().pause();
    const Error error = error_of([&] { redis.incr("n"); });
    EXPECT_EQ(error.certainty, Certainty::unknown);
    EXPECT_EQ(error.attempts, 1U);
    auto read = std::async(std::launch::async, [&] { return redis.with({.deadline = 30s}).get("n"); });
    auto awaited = redis.async().with({.deadline = 30s}).get("n")(boost::asio::use_future);
    // Past the first attempt of both.
    EXPECT_EQ(read.wait_for(400ms), std::future_status::timeout);
    server().resume();
    const std::optional<std::string> seen = read.get();
    EXPECT_TRUE(seen == "0" || seen == "1") << seen.value_or("(nil)");
    EXPECT_TRUE(awaited.get().has_value());
    EXPECT_LE(redis.incrby("n", 10), 11);
}

TEST_P(Outage, ACallersShortDeadlineDoesNotOpenTheBreaker) {
    RedisServiceConfig given = short_times();
    given.attempt_timeout = 20s;
    given.operation_timeout = 30s;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    redis.ping();
    (void)redis.async().ping()(boost::asio::use_future).get();
    server().pause();
    const auto hasty = redis.with({.deadline = 5ms});
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(error_of([&] { (void)hasty.get("k"); }).kind, ErrorKind::timeout);
        EXPECT_EQ(error_of([&] { (void)hasty.async().get("k")(boost::asio::use_future).get(); }).kind,
                  ErrorKind::timeout);
        EXPECT_EQ(error_of([&] { (void)service.get_connection("new").with({.deadline = 5ms}).ping(); }).kind,
                  ErrorKind::timeout);
    }
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    server().resume();
    EXPECT_EQ(redis.get("k"), std::nullopt);
    EXPECT_TRUE(transitions().seen().empty());
}

TEST_P(Outage, ABlockingCallOnTheServicesOwnThreadIsRefused) {
    RedisService& service = start(short_times());
    const auto redis = service.get_connection("alpha");
    std::promise<std::vector<Error>> promise;
    redis.async().ping()([&](std::exception_ptr, std::string) {  // runs on the service's loop
        std::vector<Error> errors;
        if (const auto call = redis.try_get("k"); !call) errors.push_back(call.error());
        if (const auto piped = redis.pipeline().get("k").try_execute(); !piped) errors.push_back(piped.error());
        try {
            (void)redis.transaction().watch("k");
        } catch (const RedisException& failure) {
            errors.push_back(failure.error());
        }
        promise.set_value(std::move(errors));
    });
    const std::vector<Error> errors = promise.get_future().get();
    ASSERT_EQ(errors.size(), 3U);
    for (const Error& error : errors) {
        EXPECT_EQ(error.kind, ErrorKind::configuration);
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(error.message(), "async()")) << error.message();
    }
    EXPECT_EQ(redis.get("k"), std::nullopt);
}

TEST_P(Outage, UseBeforeInitializeAndAfterCloseIsAClearError) {
    RedisService service(short_times());
    const auto unusable = [&] {
        const Error error = error_of([&] { (void)service.get_connection("alpha"); });
        EXPECT_EQ(error.kind, ErrorKind::connection);
        EXPECT_TRUE(contains(error.message(), "initialize")) << error.message();
        EXPECT_THROW(service.health_check(), RedisConnectionException);
        EXPECT_THROW((void)service.circuit_state(), RedisConnectionException);
        EXPECT_FALSE(service.get_metrics().at("initialized").as_bool());
    };
    unusable();
    service.close();  // nothing to do
    service.initialize();
    service.initialize();  // again: nothing to do
    EXPECT_TRUE(service.get_metrics().at("initialized").as_bool());
    const auto old = service.get_connection("alpha");
    old.set("k", "v");
    service.close();
    service.close();
    unusable();
    const Error error = error_of([&] { (void)old.get("k"); });
    EXPECT_EQ(error.kind, ErrorKind::connection);
    EXPECT_EQ(error.certainty, Certainty::not_sent);
    EXPECT_TRUE(contains(error.message(), "closed")) << error.message();
    EXPECT_THROW((void)old.transaction().watch("k"), RedisConnectionException);
    EXPECT_EQ(raw().info("connected_clients"), "1");

    service.initialize();
    EXPECT_EQ(service.get_connection("alpha").get("k"), "v");
    EXPECT_THROW((void)old.get("k"), RedisConnectionException);  // of the service before
}

TEST_P(Outage, AFailedInitializeLeavesTheServiceReadyForAnother) {
    const RedisServiceConfig given = short_times();
    server().kill();
    RedisService service(given);
    const Error error = error_of([&] { service.initialize(); });
    EXPECT_EQ(error.kind, ErrorKind::connection);
    EXPECT_TRUE(contains(error.message(), server().socket_path())) << error.message();
    EXPECT_FALSE(service.get_metrics().at("initialized").as_bool());
    server().restart();
    service.initialize();
    EXPECT_EQ(service.get_connection("alpha").ping(), "PONG");
}

TEST_P(Outage, CloseWhileBlockingCallsWaitEndsThem) {
    RedisServiceConfig given = short_times();
    given.attempt_timeout = 60s;
    given.operation_timeout = 60s;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    redis.ping();
    server().pause();
    std::vector<std::future<Error>> calls;
    for (int i = 0; i < 4; ++i) {
        calls.push_back(std::async(std::launch::async, [&] { return error_of([&] { redis.incr("n"); }); }));
    }
    const auto in_flight = [&] {
        const boost::json::object metrics = service.get_metrics();
        const auto& pools = metrics.at("connection_factory").at("pools").as_object();
        return pools.at("alpha").at("in_flight_commands").to_number<int>();
    };
    EXPECT_TRUE(eventually([&] { return in_flight() == 4; }));
    service.close();
    for (auto& call : calls) {
        const Error error = call.get();
        EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
        EXPECT_EQ(error.certainty, Certainty::unknown) << error.message();
    }
}

REDOUBT_BOTH_SERVERS(Outage);

}  // namespace
}  // namespace redoubt
