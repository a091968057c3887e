// service: what one project may take of what it shares with others, and that the others do not notice.
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;

class Limits : public testing::LiveServiceTest {
protected:
    /// Of the project `loud` alone.
    RedisServiceConfig limited(const ProjectLimits& limits) {
        auto settings = config();
        settings.limits_of_project = [limits](std::string_view project) {
            return project == "loud" ? limits : ProjectLimits{};
        };
        return settings;
    }
};

TEST_P(Limits, RefuseCallsWhoseTurnComesTooLate) {
    for (const PoolMode mode : {PoolMode::dedicated, PoolMode::shared}) {
        // So few a second that the test cannot take long enough for another.
        auto settings = limited({.commands_per_second = 1, .burst = 10});
        settings.pool_mode = mode;
        settings.operation_timeout = 500ms;
        settings.max_retries = 3;  // a refusal that says when is not tried again
        RedisService service(settings);
        service.initialize();
        const auto loud = service.get_connection("loud");
        const auto quiet = service.get_connection("quiet");
        for (int i = 0; i != 4; ++i) loud.set("k", "v");
        for (int i = 0; i != 4; ++i) (void)loud.async().get("k")(asio::use_future).get();
        const auto batch = [&](int commands) {
            auto made = loud.batch<std::optional<std::string>>();
            for (int i = 0; i != commands; ++i) made.get("k");
            return made;
        };
        (void)batch(2).execute();  // each command counts
        const auto before = testing::command_calls(raw());
        const Error refused = error_of([&] { loud.set("k", "w"); });
        EXPECT_EQ(refused.kind, ErrorKind::pool_exhausted);
        EXPECT_EQ(refused.certainty, Certainty::not_sent);
        EXPECT_GT(refused.retry_after, Duration::zero());
        EXPECT_LE(refused.retry_after, 1s);
        EXPECT_TRUE(contains(refused.message(), "commands_per_second")) << refused.message();
        const Error async_refused = error_of([&] { (void)loud.async().get("k")(asio::use_future).get(); });
        EXPECT_EQ(async_refused.kind, ErrorKind::pool_exhausted);
        EXPECT_GT(async_refused.retry_after, Duration::zero());
        EXPECT_EQ(error_of([&] { (void)batch(2).execute(); }).kind, ErrorKind::pool_exhausted);
        EXPECT_EQ(testing::command_calls(raw()), before);
        for (int i = 0; i != 100; ++i) quiet.set("k", "v");
        for (int i = 0; i != 100; ++i) (void)quiet.async().get("k")(asio::use_future).get();
    }
}

// All come through, none before its time; on both sides, and commands of all kinds.
TEST_P(Limits, LetCallsPastTheRateWait) {
    for (const PoolMode mode : {PoolMode::dedicated, PoolMode::shared}) {
        auto settings = limited({.commands_per_second = 200, .burst = 10});
        settings.pool_mode = mode;
        RedisService service(settings);
        service.initialize();
        const auto loud = service.get_connection("loud");
        const TimePoint begin = Clock::now();
        std::vector<std::future<std::optional<std::string>>> all;
        for (int i = 0; i != 30; ++i) all.push_back(loud.async().get("k")(asio::use_future));
        all.push_back(loud.async().lpop("none")(asio::use_future));
        auto popped = loud.async().blpop("none", 10ms)(asio::use_future);
        std::vector<std::thread> threads;
        for (int i = 0; i != 4; ++i) {
            threads.emplace_back([&] {
                for (int call = 0; call != 5; ++call) (void)loud.get("k");
            });
        }
        for (std::thread& thread : threads) thread.join();
        for (auto& one : all) EXPECT_EQ(one.get(), std::nullopt);
        EXPECT_EQ(popped.get(), std::nullopt);
        // 52 commands, of which 10 may come at once.
        EXPECT_GE(Clock::now() - begin, 205ms);
    }
}

// One of 1 MB counts as 62 commands: the next calls wait until they are paid for.
TEST_P(Limits, CountLargeRepliesAsSeveralCommands) {
    auto settings = limited({.commands_per_second = 100, .burst = 1});
    settings.operation_timeout = 300ms;
    RedisService service(settings);
    service.initialize();
    const auto loud = service.get_connection("loud");
    loud.set("large", std::string(1'000'000, 'x'));
    for (const bool blocking : {true, false}) {
        const auto patient = loud.with({.deadline = 5s});
        (void)patient.ping();
        const auto get = [&](const auto& redis) {
            return blocking ? redis.get("large") : redis.async().get("large")(asio::use_future).get();
        };
        (void)get(patient);
        const Error refused = error_of([&] { (void)get(loud); });
        EXPECT_EQ(refused.kind, ErrorKind::pool_exhausted) << refused.message();
        EXPECT_GT(refused.retry_after, 300ms);
        EXPECT_LE(refused.retry_after, 620ms);
    }
}

TEST_P(Limits, EndWithTheService) {
    RedisService service(limited({.commands_per_second = 1, .burst = 1}));
    service.initialize();
    const auto loud = service.get_connection("loud").with({.deadline = 1h});
    loud.set("k", "v");
    auto waiting = loud.async().get("k")(asio::use_future);
    std::thread closer([&] { service.close(); });
    EXPECT_EQ(error_of([&] { (void)loud.get("k"); }).certainty, Certainty::not_sent);
    EXPECT_EQ(error_of([&] { (void)waiting.get(); }).certainty, Certainty::not_sent);
    closer.join();
}

// The bytes of a long pipeline go out as its commands are answered.
TEST_P(Limits, HoldInsideALongPipeline) {
    RedisService service(limited({.max_in_flight = 8}));
    service.initialize();
    const auto loud = service.get_connection("loud");
    constexpr int many = 20'000;
    auto batch = loud.async().batch<std::int64_t>();
    for (int i = 0; i != many; ++i) batch.incr("counter");
    const auto answers = std::move(batch).execute()(asio::use_future).get();
    ASSERT_EQ(answers.size(), static_cast<std::size_t>(many));
    for (int i = 0; i != many; ++i) ASSERT_EQ(answers[static_cast<std::size_t>(i)], i + 1);
    EXPECT_EQ(loud.get("counter"), std::to_string(many));
}

TEST_P(Limits, KeepTheRestWaiting) {
    RedisService service(limited({.max_in_flight = 8}));
    service.initialize();
    const auto loud = service.get_connection("loud");
    loud.set("k", "v");
    (void)loud.async().get("k")(asio::use_future).get();
    server().pause();
    std::vector<std::future<std::optional<std::string>>> all;
    for (int i = 0; i != 100; ++i) all.push_back(loud.async().get("k")(asio::use_future));
    const auto figure = [&](std::string_view name) {
        return service.get_metrics()["connection_factory"]
            .as_object()["pools"]
            .as_object()["loud"]
            .as_object()[name]
            .to_number<std::size_t>();
    };
    const TimePoint limit = Clock::now() + testing::patience;
    while (figure("in_flight_commands") + figure("waiting_callers") != 100 && Clock::now() < limit) {
        std::this_thread::yield();
    }
    EXPECT_EQ(figure("in_flight_commands"), 8u);
    EXPECT_EQ(figure("waiting_callers"), 92u);
    server().resume();
    for (auto& one : all) EXPECT_EQ(one.get(), "v");
}

TEST_P(Limits, BoundOneReply) {
    RedisService service(limited({.max_reply_bytes = 100'000}));
    service.initialize();
    const auto loud = service.get_connection("loud");
    const auto quiet = service.get_connection("quiet");
    const std::string large(200'000, 'x');
    loud.set("large", large);
    quiet.set("large", large);
    // It is the caller's own doing: no failure of the server, and none that is tried again.
    for (int i = 0; i != 10; ++i) {
        const Error blocking = error_of([&] { (void)loud.with({.retries = 3}).get("large"); });
        EXPECT_EQ(blocking.kind, ErrorKind::reply_type) << blocking.message();
        EXPECT_EQ(blocking.certainty, Certainty::applied);
        EXPECT_EQ(blocking.attempts, 1u);
        EXPECT_EQ(error_of([&] { (void)loud.async().get("large")(asio::use_future).get(); }).kind,
                  ErrorKind::reply_type);
    }
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    EXPECT_EQ(quiet.get("large"), large);
    EXPECT_EQ(loud.strlen("large"), 200'000);
}

TEST_P(Limits, BoundConnections) {
    RedisService service(limited({.max_connections = 3}));
    service.initialize();
    const auto loud = service.get_connection("loud").with({.deadline = 200ms});
    auto first = service.get_connection("loud").async().blpop("none", 100ms)(asio::use_future);
    auto second = loud.async().with({.deadline = 20ms}).blpop("none", 60s)(asio::use_future);
    EXPECT_EQ(error_of([&] { (void)second.get(); }).kind, ErrorKind::pool_exhausted);  // two are never leased
    EXPECT_EQ(first.get(), std::nullopt);
    loud.set("k", "v");
    auto settings = config();
    settings.project_limits.max_connections = 2;
    RedisService refused(settings);
    refused.initialize();
    EXPECT_EQ(error_of([&] { (void)refused.get_connection("any"); }).kind, ErrorKind::configuration);
}

TEST_P(Limits, ComeFromTheEnvironment) {
    const auto settings = RedisServiceConfig::from_env([&](std::string_view name) -> std::optional<std::string> {
        if (name == "REDIS_URL") return server().url() + "?project_burst=3";
        if (name == "REDIS_PROJECT_COMMANDS_PER_SECOND") return "1";
        if (name == "REDIS_PROJECT_MAX_IN_FLIGHT") return "100";
        return std::nullopt;
    });
    EXPECT_EQ(settings.project_limits.max_in_flight, 100u);
    RedisService service(settings);
    service.initialize();
    const auto any = service.get_connection("any").with({.deadline = 500ms});
    for (int i = 0; i != 3; ++i) (void)any.ping();
    EXPECT_EQ(error_of([&] { (void)any.ping(); }).kind, ErrorKind::pool_exhausted);
    EXPECT_EQ(service.health_check()["status"], "healthy");  // the library's own project has no limit
}

TEST_P(Limits, RateTransactionsToo) {
    RedisService service(limited({.commands_per_second = 1, .burst = 10}));
    service.initialize();
    const auto loud = service.get_connection("loud").with({.deadline = 500ms});
    int done = 0;
    const Error refused = error_of([&] {
        for (; done != 100; ++done) (void)loud.transaction().watch("k").set("k", "v").execute();
    });
    EXPECT_EQ(refused.kind, ErrorKind::pool_exhausted);
    EXPECT_LE(done, 5);
}

TEST_P(Limits, SayWhatIsKnownOfAPipelineWithAReplyThatIsTooLarge) {
    RedisService service(limited({.max_in_flight = 16, .max_reply_bytes = 100'000}));
    service.initialize();
    const auto loud = service.get_connection("loud");
    loud.append("large", std::string(50'000, 'x'));
    loud.append("large", std::string(150'000, 'x'));
    // So large that it goes out as it is answered: most of it has not left when the reply comes.
    for (const bool async : {false, true}) {
        auto batch = loud.batch<std::optional<std::string>>();
        auto async_batch = loud.async().batch<std::optional<std::string>>();
        for (int i = 0; i != 20'000; ++i) {
            const std::string key = i == 100 ? "large" : "another key that is not there " + std::to_string(i);
            async ? (void)async_batch.get(key) : (void)batch.get(key);
        }
        const Error error = error_of([&] {
            async ? (void)std::move(async_batch).execute()(asio::use_future).get() : (void)std::move(batch).execute();
        });
        EXPECT_EQ(error.kind, ErrorKind::reply_type) << error.message();
        EXPECT_EQ(error.certainty, Certainty::unknown) << error.message();
    }
}

TEST_P(Limits, OneThatNoLongerWaitsForItsRateLetsTheOthersGo) {
    asio::io_context loop{1};
    auto settings = limited({.commands_per_second = 1, .burst = 1});
    settings.pool_mode = PoolMode::shared;
    settings.operation_timeout = testing::patience;
    RedisService service(loop, settings);
    service.initialize();
    const auto loud = service.get_connection("loud").async();
    const auto quiet = service.get_connection("quiet").async();
    int done = 0;
    const auto count = [&](const auto& outcome) { done += outcome ? 1 : 0; };
    quiet.try_set("k", "v")(count);
    loud.try_set("k", "v")(count);
    testing::expect_soon(loop, [&] { return done == 2; });

    asio::cancellation_signal signal;
    bool cancelled = false;
    auto batch = loud.batch<std::optional<std::string>>();
    for (int i = 0; i != 30; ++i) batch.get("k");  // its turn comes in half a minute
    std::move(batch).try_execute()(
        asio::bind_cancellation_slot(signal.slot(), [&](const auto& outcome) { cancelled = !outcome; }));
    loud.try_get("k")(count);  // behind it
    testing::run_ready(loop);
    const TimePoint begin = Clock::now();
    signal.emit(asio::cancellation_type::terminal);
    quiet.try_get("k")(count);
    testing::expect_soon(loop, [&] { return done == 4; });
    EXPECT_TRUE(cancelled);
    EXPECT_LT(Clock::now() - begin, 15s);
    service.close();
    testing::expect_runs_out(loop);
}

TEST_P(Limits, DoNotMakeACallWaitThatTheBreakerRefuses) {
    auto settings = limited({.commands_per_second = 1, .burst = 1});
    settings.operation_timeout = 10s;
    RedisService service(settings);
    service.initialize();
    const auto loud = service.get_connection("loud");
    loud.set("k", "v");
    service.circuit_breaker().force_open();
    const TimePoint begin = Clock::now();
    for (int i = 0; i != 5; ++i) EXPECT_EQ(error_of([&] { (void)loud.get("k"); }).kind, ErrorKind::circuit_open);
    EXPECT_EQ(error_of([&] { (void)loud.transaction().watch("k"); }).kind, ErrorKind::circuit_open);
    EXPECT_LT(Clock::now() - begin, 1s);
}

TEST_P(Limits, MayBeAskedForByACallbackThatUsesTheService) {
    auto settings = config();
    RedisService* asked = nullptr;
    settings.limits_of_project = [&](std::string_view project) {
        if (project == "first") (void)asked->get_connection("second").get("k");
        if (project == "first") (void)asked->get_metrics();
        return ProjectLimits{};
    };
    RedisService service(settings);
    asked = &service;
    service.initialize();
    EXPECT_EQ(service.get_connection("first").get("k"), std::nullopt);
}

REDOUBT_BOTH_SERVERS(Limits);

}  // namespace
}  // namespace redoubt
