// service: what one project may take of what it shares with others, and that the others do not notice.
#include <future>
#include <string>
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

TEST_P(Limits, RefuseCallsPastTheRate) {
    for (const PoolMode mode : {PoolMode::dedicated, PoolMode::shared}) {
        // So few a second that the test cannot take long enough for another.
        auto settings = limited({.commands_per_second = 1, .burst = 10});
        settings.pool_mode = mode;
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
    const auto any = service.get_connection("any");
    for (int i = 0; i != 3; ++i) (void)any.ping();
    EXPECT_EQ(error_of([&] { (void)any.ping(); }).kind, ErrorKind::pool_exhausted);
    EXPECT_EQ(service.health_check()["status"], "healthy");  // the library's own project has no limit
}

TEST_P(Limits, RateTransactionsToo) {
    RedisService service(limited({.commands_per_second = 1, .burst = 10}));
    service.initialize();
    const auto loud = service.get_connection("loud");
    int done = 0;
    const Error refused = error_of([&] {
        for (; done != 100; ++done) (void)loud.transaction().watch("k").set("k", "v").execute();
    });
    EXPECT_EQ(refused.kind, ErrorKind::pool_exhausted);
    EXPECT_LE(done, 5);
}

REDOUBT_BOTH_SERVERS(Limits);

}  // namespace
}  // namespace redoubt
