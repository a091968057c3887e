// service: every call of every surface is told to the telemetries that watch calls, exactly once, whatever becomes of it.
#include <atomic>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace redoubt::testing;

/// One call as it was told, in plain values.
struct Told {
    std::string operation;
    std::uint32_t commands = 0;
    std::string each;
    std::string text;
    std::thread::id started_on;
    bool ok = false;
    std::string error;  // the exception's name
    std::string reply_error;
    std::uint32_t attempts = 0;
    std::string endpoint;
    Duration duration{};
    int retries = 0;
    int ends = 0;
};

/// Keeps what it is told of the projects of tests.
class Recorder final : public Telemetry {
public:
    bool watches_calls() const noexcept override { return watches_; }
    void* call_started(const CallInfo& call) noexcept override {
        auto told = std::make_unique<Told>();
        told->operation = call.operation;
        told->commands = call.commands;
        told->each = call.each;
        if (call.text != nullptr) told->text = call.text->redacted(100);
        told->started_on = std::this_thread::get_id();
        const std::lock_guard lock(mutex_);
        ++started_;
        all_.push_back(std::move(told));
        return all_.back().get();
    }
    void call_retried(void* started, const Error&, Duration) noexcept override {
        const std::lock_guard lock(mutex_);
        ++static_cast<Told*>(started)->retries;
    }
    void call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept override {
        const std::lock_guard lock(mutex_);
        auto& told = *static_cast<Told*>(outcome.started);
        EXPECT_EQ(told.operation, call.operation);
        EXPECT_EQ(told.commands, call.commands);
        EXPECT_EQ(call.context, nullptr);
        EXPECT_EQ(call.text, nullptr);
        ++told.ends;
        told.ok = outcome.error == nullptr;
        if (outcome.error != nullptr) told.error = to_string(outcome.error->kind);
        if (outcome.reply_error != nullptr) told.reply_error = outcome.reply_error->prefix();
        told.attempts = outcome.attempts;
        told.endpoint = outcome.endpoint;
        told.duration = outcome.duration;
        of_tests_ += call.project_id != "_redoubt";
    }

    void watch(bool watches) noexcept { watches_ = watches; }
    int started() {
        const std::lock_guard lock(mutex_);
        return started_;
    }
    /// Those that were told since, oldest first; each has ended exactly once.
    std::vector<Told> take() {
        const std::lock_guard lock(mutex_);
        std::vector<Told> out;
        for (const auto& told : std::exchange(all_, {})) {
            EXPECT_EQ(told->ends, 1) << told->operation;
            out.push_back(*told);
        }
        return out;
    }
    /// The only one. @throws std::logic_error
    Told one() {
        std::vector<Told> all = take();
        if (all.size() != 1) throw std::logic_error(std::to_string(all.size()) + " calls were told instead of one");
        return std::move(all.front());
    }

private:
    std::atomic<bool> watches_{true};
    std::mutex mutex_;
    std::vector<std::unique_ptr<Told>> all_;
    int started_ = 0;
    int of_tests_ = 0;
};

class Telemetries : public LiveServiceTest {
protected:
    ProjectIsolatedRedisClient start(RedisServiceConfig config) {
        service_ = std::make_unique<RedisService>(std::move(config));
        service_->add_telemetry(recorder_);
        service_->initialize();
        (void)recorder_->take();
        return service_->get_connection("alpha");
    }
    ProjectIsolatedRedisClient start() { return start(config()); }

    std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
    std::unique_ptr<RedisService> service_;
};

TEST_P(Telemetries, ACallOfEachSurface) {
    const auto redis = start();
    redis.set("k", "v");
    Told told = recorder_->one();
    EXPECT_EQ(told.operation, "SET");
    EXPECT_EQ(told.commands, 1u);
    EXPECT_EQ(told.text, "SET ? ?");
    EXPECT_TRUE(told.ok);
    EXPECT_EQ(told.attempts, 1u);
    EXPECT_EQ(told.endpoint, server().socket_path());
    EXPECT_GT(told.duration, Duration::zero());
    EXPECT_EQ(told.started_on, std::this_thread::get_id());

    EXPECT_EQ(redis.async().get("k")(asio::use_future).get(), "v");
    told = recorder_->one();
    EXPECT_EQ(told.operation, "GET");
    EXPECT_EQ(told.text, "GET ?");
    EXPECT_TRUE(told.ok);
    EXPECT_EQ(told.attempts, 1u);
    EXPECT_EQ(told.endpoint, server().socket_path());
    EXPECT_EQ(told.started_on, std::this_thread::get_id());

    (void)redis.pipeline().get("k").incr("n").execute();
    told = recorder_->one();
    EXPECT_EQ(told.operation, "PIPELINE");
    EXPECT_EQ(told.commands, 2u);
    EXPECT_EQ(told.each, "");
    EXPECT_EQ(told.text, "GET ?; INCR ?");

    (void)redis.async().pipeline().get("k").get("k").execute()(asio::use_future).get();
    told = recorder_->one();
    EXPECT_EQ(told.operation, "PIPELINE");
    EXPECT_EQ(told.each, "GET");

    auto batch = redis.batch<std::optional<std::string>>();
    for (int i = 0; i != 7; ++i) batch.get("k");
    (void)std::move(batch).execute();
    EXPECT_EQ(recorder_->one().commands, 7u);

    (void)redis.transaction().incr("n").incr("n").execute();
    told = recorder_->one();
    EXPECT_EQ(told.operation, "MULTI");
    EXPECT_EQ(told.commands, 2u);
    EXPECT_EQ(told.each, "INCR");
    (void)redis.async().transaction().incr("n").set("k", "v").execute()(asio::use_future).get();
    EXPECT_EQ(recorder_->one().commands, 2u);

    (void)redis.command("HSET", "h", "field", "1");
    EXPECT_EQ(recorder_->one().operation, "HSET");
    (void)redis.blpop("nothing", 10ms);
    EXPECT_EQ(recorder_->one().operation, "BLPOP");
    (void)redis.keys();
    for (const Told& each : recorder_->take()) EXPECT_EQ(each.operation, "SCAN");
}

TEST_P(Telemetries, WatchedTransactions) {
    const auto redis = start();
    (void)redis.transaction().watch("k").incr("n").execute();
    std::vector<Told> told = recorder_->take();
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0].operation, "WATCH");
    EXPECT_EQ(told[1].operation, "MULTI");
    EXPECT_EQ(told[1].commands, 1u);

    asio::io_context loop{1};
    const auto async = redis.async();
    asio::co_spawn(
        loop,
        [&]() -> asio::awaitable<void> {
            auto watched = co_await async.watch("k");
            (void)co_await async.transaction(std::move(watched)).incr("n").execute();
        },
        asio::detached);
    expect_runs_out(loop);
    told = recorder_->take();
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0].operation, "WATCH");
    EXPECT_EQ(told[1].operation, "MULTI");
    EXPECT_TRUE(told[1].ok);
}

TEST_P(Telemetries, CallsThatAreRefusedBeforeTheyAreSent) {
    const auto redis = start();
    const auto refused = [&](const char* operation, const char* error) {
        const Told told = recorder_->one();
        EXPECT_EQ(told.operation, operation);
        EXPECT_EQ(told.error, error);
        EXPECT_EQ(told.attempts, 0u);
        EXPECT_EQ(told.endpoint, "");
    };
    const std::array<std::string_view, 1> flush{"FLUSHALL"};
    EXPECT_FALSE(redis.try_command(flush));
    refused("FLUSHALL", "RedisProjectIsolationException");
    const std::array<std::string_view, 1> unknown{"NO-SUCH-COMMAND"};
    EXPECT_FALSE(redis.try_command(unknown));
    refused("", "RedisProjectIsolationException");
    EXPECT_EQ(error_of([&] { (void)redis.async().command("FLUSHALL")(asio::use_future).get(); }).kind,
              ErrorKind::isolation);
    refused("FLUSHALL", "RedisProjectIsolationException");

    EXPECT_FALSE(redis.try_mget(TextList()));  // it needs a key
    refused("MGET", "RedisConfigurationException");
    EXPECT_FALSE(redis.async().try_mget(TextList())(asio::use_future).get());
    refused("MGET", "RedisConfigurationException");
    EXPECT_FALSE(redis.pipeline().mget(TextList()).get("k").try_execute());
    refused("PIPELINE", "RedisConfigurationException");
    EXPECT_FALSE(redis.try_run(Script("return 1")));
    refused("EVALSHA", "RedisProjectIsolationException");
    EXPECT_FALSE(redis.try_blpop("k", 0s));  // for ever needs a deadline
    refused("BLPOP", "RedisConfigurationException");

    service_->circuit_breaker().force_open();
    EXPECT_FALSE(redis.try_get("k"));
    refused("GET", "RedisCircuitBreakerOpenException");
    EXPECT_FALSE(redis.async().try_get("k")(asio::use_future).get());
    refused("GET", "RedisCircuitBreakerOpenException");
    EXPECT_EQ(error_of([&] { (void)redis.transaction().watch("k"); }).kind, ErrorKind::circuit_open);
    refused("WATCH", "RedisCircuitBreakerOpenException");
    service_->circuit_breaker().reset();

    service_->close();
    EXPECT_FALSE(redis.try_get("k"));
    EXPECT_EQ(recorder_->one().error, "RedisConnectionException");
    EXPECT_FALSE(redis.async().try_get("k")(asio::use_future).get());
    refused("GET", "RedisConnectionException");
}

TEST_P(Telemetries, AnEmptyBatchIsNoCall) {
    const auto redis = start();
    (void)redis.batch<std::optional<std::string>>().execute();
    (void)redis.async().batch<std::optional<std::string>>().execute()(asio::use_future).get();
    EXPECT_TRUE(recorder_->take().empty());
}

TEST_P(Telemetries, ErrorsOfOneAndOfSeveral) {
    const auto redis = start();
    redis.set("text", "v");
    (void)recorder_->take();
    EXPECT_FALSE(redis.try_lpush("text", "x"));
    Told told = recorder_->one();
    EXPECT_EQ(told.error, "RedisServerException");
    EXPECT_EQ(told.attempts, 1u);
    EXPECT_FALSE(redis.async().try_lpush("text", "x")(asio::use_future).get());
    EXPECT_EQ(recorder_->one().error, "RedisServerException");
    (void)redis.pipeline().get("text").lpush("text", "x").try_execute();
    told = recorder_->one();
    EXPECT_TRUE(told.ok);
    EXPECT_EQ(told.reply_error, "WRONGTYPE");
    (void)redis.async().pipeline().get("text").lpush("text", "x").try_execute()(asio::use_future).get();
    EXPECT_EQ(recorder_->one().reply_error, "WRONGTYPE");
}

TEST_P(Telemetries, CallsThatAreCancelledOrLostWithTheirLoop) {
    auto loop = std::make_unique<asio::io_context>(1);
    service_ = std::make_unique<RedisService>(*loop, config());
    service_->add_telemetry(recorder_);
    auto ready = asio::co_spawn(*loop, service_->async_initialize(), asio::use_future);
    expect_soon(*loop, [&] { return ready.wait_for(0s) == std::future_status::ready; });
    (void)recorder_->take();
    const auto redis = service_->get_connection("alpha").async();

    asio::cancellation_signal signal;
    bool ended = false;
    redis.try_blpop("never", 0s)(asio::bind_cancellation_slot(signal.slot(), [&](auto outcome) {
        EXPECT_EQ(outcome.error().kind, ErrorKind::cancelled);
        ended = true;
    }));
    run_ready(*loop);
    signal.emit(asio::cancellation_type::terminal);
    expect_soon(*loop, [&] { return ended; });
    EXPECT_EQ(recorder_->one().error, "RedisCancelledException");

    redis.with({.deadline = 60s}).try_blpop("never", 30s)(asio::detached);
    run_ready(*loop);
    redis.try_get("k")(asio::detached);  // begun, and on its way
    service_.reset();
    loop.reset();
    const std::vector<Told> lost = recorder_->take();
    ASSERT_EQ(lost.size(), 2u);
    for (const Told& told : lost) EXPECT_FALSE(told.ok);
}

TEST_P(Telemetries, RetriesAreTold) {
    RedisServiceConfig retries = config();
    retries.max_retries = 2;
    retries.retry_delay = 1ms;
    retries.attempt_timeout = 30ms;
    retries.connection_timeout = 30ms;  // a new connection hangs, too
    retries.circuit_breaker.failure_threshold = 1000;
    const auto redis = start(retries);
    redis.set("k", "v");
    (void)redis.async().get("k")(asio::use_future).get();
    (void)recorder_->take();
    server().pause();
    EXPECT_FALSE(redis.try_get("k"));
    Told told = recorder_->one();
    EXPECT_EQ(told.retries, 2);
    EXPECT_EQ(told.attempts, 3u);
    EXPECT_FALSE(told.ok);
    // Another project's, whose retry budget is whole.
    EXPECT_FALSE(service_->get_connection("other").async().try_get("k")(asio::use_future).get());
    told = recorder_->one();
    EXPECT_EQ(told.retries, 2);
    EXPECT_EQ(told.attempts, 3u);
    server().resume();
    const MetricsSnapshot snapshot = service_->metrics_snapshot();
    EXPECT_EQ(snapshot.totals().retries, 4u);
}

TEST_P(Telemetries, SeveralAreToldEachOfItsOwn) {
    const auto second = std::make_shared<Recorder>();
    const auto idle = std::make_shared<Recorder>();
    idle->watch(false);
    service_ = std::make_unique<RedisService>(config());
    service_->add_telemetry(recorder_);
    service_->add_telemetry(idle);
    service_->add_telemetry(nullptr);
    service_->add_telemetry(second);
    service_->initialize();
    (void)recorder_->take();
    (void)second->take();
    service_->get_connection("alpha").set("k", "v");
    (void)service_->get_connection("alpha").async().get("k")(asio::use_future).get();
    EXPECT_EQ(recorder_->take().size(), 2u);
    EXPECT_EQ(second->take().size(), 2u);
    EXPECT_EQ(idle->started(), 0);
}

TEST_P(Telemetries, SettingOneTakesTheOthersPlace) {
    const auto other = std::make_shared<Recorder>();
    service_ = std::make_unique<RedisService>(config());
    service_->add_telemetry(other);
    service_->set_telemetry(recorder_);
    service_->initialize();
    service_->get_connection("alpha").set("k", "v");
    EXPECT_EQ(other->started(), 0);
    EXPECT_GT(recorder_->started(), 0);
}

// Many threads, blocking and async, while another telemetry begins and stops to watch.
TEST_P(Telemetries, ThreadsAndRefreshesLoseNoEnd) {
    const auto fickle = std::make_shared<Recorder>();
    RedisServiceConfig often = config();
    often.idle_timeout = 200ms;  // so upkeep comes every 50 ms
    service_ = std::make_unique<RedisService>(often);
    service_->add_telemetry(recorder_);
    service_->add_telemetry(fickle);
    service_->initialize();
    (void)recorder_->take();
    constexpr int calls = 2000;
    std::vector<std::thread> threads;
    for (int t = 0; t != 4; ++t) {
        threads.emplace_back([&, t] {
            const auto redis = service_->get_connection("p" + std::to_string(t));
            for (int i = 0; i != calls; ++i) {
                if (t == 0) fickle->watch(i % 2 == 0);
                if (i % 2 == 0) {
                    (void)redis.get("k");
                } else {
                    (void)redis.async().get("k")(asio::use_future).get();
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    service_.reset();
    EXPECT_EQ(recorder_->take().size(), 4u * calls);
    (void)fickle->take();
}

REDOUBT_BOTH_SERVERS(Telemetries);

}  // namespace
}  // namespace redoubt
