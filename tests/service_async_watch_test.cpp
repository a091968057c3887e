// service: WATCH for async callers: conflicts, lost connections, holders that go, and optimistic transactions that are
// tried again; on both servers, with both protocols.
#include <redoubt/service/service.hpp>

#include <array>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;
using testing::eventually;
using testing::expect_runs_out;
using testing::expect_soon;
using testing::run_ready;

int number_of(const std::optional<std::string>& text) { return text ? std::stoi(*text) : 0; }

template <class Operation>
auto wait(Operation&& operation) {
    return std::forward<Operation>(operation)(asio::use_future).get();
}

int metric(const RedisService& service, std::string_view name, std::string_view pool = "alpha") {
    return service.get_metrics().at("connection_factory").at("pools").at(pool).at(name).to_number<int>();
}

/// The parameter is a server's program and a protocol.
class AsyncWatch : public testing::LiveServiceTest {
protected:
    void SetUp() override { start_server(testing::options_for(GetParam().substr(0, GetParam().find('/')))); }
    RedisServiceConfig config() {
        auto settings = LiveServiceTest::config();
        settings.protocol = GetParam().ends_with('2') ? Protocol::resp2 : Protocol::resp3;
        return settings;
    }
    /// One connection can be leased.
    RedisServiceConfig narrow() {
        auto settings = config();
        settings.limits_of_project = [](std::string_view) { return ProjectLimits{.max_connections = 3}; };
        return settings;
    }
    int server_connections() { return std::stoi(raw().info("connected_clients")); }
    static bool none_leased(const RedisService& service) {
        return eventually([&] { return metric(service, "leased_connections") == 0; });
    }
    /// The wires that are there do not watch what they should not.
    static void expect_clean_leases(const ProjectIsolatedRedisClient& redis) {
        redis.set("k", "changed by another");
        for (int i = 0; i != 3; ++i) {
            EXPECT_TRUE(wait(redis.async().transaction(wait(redis.async().watch("other"))).incr("clean").execute()));
        }
        EXPECT_TRUE(redis.transaction().watch("other").incr("clean").execute());
    }
};

TEST_P(AsyncWatch, SeesWhatOthersChange) {
    for (const PoolMode mode : {PoolMode::dedicated, PoolMode::shared}) {
        auto settings = config();
        settings.pool_mode = mode;
        RedisService service(settings);
        service.initialize();
        const std::string project = mode == PoolMode::shared ? "gamma" : "alpha";
        const auto blocking = service.get_connection(project);
        const auto redis = blocking.async();
        Watched watched = wait(redis.watch("k", "l"));
        EXPECT_TRUE(watched);
        EXPECT_EQ(wait(redis.transaction(std::move(watched)).set("n", "1").incr("n").execute()),
                  std::make_optional(std::tuple<bool, std::int64_t>(true, 2)));
        watched = wait(redis.watch("k", "l"));
        blocking.set("l", "changed");
        EXPECT_EQ(wait(redis.transaction(std::move(watched)).incr("n").execute()), std::nullopt);
        EXPECT_FALSE(watched);
        EXPECT_EQ(blocking.get("n"), "2");

        // The keys of other projects, and those of none, are others.
        watched = wait(redis.watch(std::vector<std::string_view>{"k", "l"}));
        service.get_connection("beta").set("k", "changed");
        raw().command({"SET", "k", "changed"});
        EXPECT_TRUE(wait(redis.transaction(std::move(watched)).incr("n").execute()));
        watched = wait(redis.watch("k"));
        raw().command({"SET", "proj:" + project + ":k", "changed"});
        EXPECT_FALSE(wait(redis.transaction(std::move(watched)).incr("n").execute()));

        // The forms that give results keep errors apart by command.
        result<Watched> tried = wait(redis.try_watch("k"));
        ASSERT_TRUE(tried);
        const auto outcome =
            wait(redis.transaction(std::move(*tried)).incr("n").lpush("n", "x").get("n").try_execute());
        ASSERT_TRUE(outcome);
        ASSERT_TRUE(*outcome);
        EXPECT_EQ(*std::get<0>(**outcome), 4);
        EXPECT_EQ(std::get<1>(**outcome).error().prefix(), "WRONGTYPE");
        EXPECT_EQ(*std::get<2>(**outcome), "4");
    }
}

TEST_P(AsyncWatch, UsesItsConnectionsAgain) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    for (int i = 0; i != 4; ++i) wait(redis.set("k", "0"));
    const int before = server_connections();
    for (int i = 0; i != 100; ++i) {
        Watched watched = wait(redis.watch("k"));
        if (i % 2 == 0) wait(redis.set("k", std::to_string(i)));
        EXPECT_EQ(wait(redis.transaction(std::move(watched)).incr("n").execute()).has_value(), i % 2 == 1);
    }
    EXPECT_TRUE(none_leased(service));
    // One is still on its way back when the next is wanted.
    EXPECT_LE(server_connections(), before + 2);
    EXPECT_EQ(wait(redis.get("n")), "50");
    EXPECT_TRUE(eventually([&] { return metric(service, "in_flight_commands") == 0; }));
}

TEST_P(AsyncWatch, TwoCoroutinesFightOverACounterAndLoseNoUpdate) {
    asio::io_context loop{1};
    RedisService service(loop, config());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    constexpr int rounds = 1000;
    int conflicts = 0;
    int ended = 0;
    const auto fight = [&]() -> asio::awaitable<void> {
        for (int round = 0; round != rounds; ++round) {
            int tries = 0;
            const auto done = co_await redis.transact(
                "n", 1'000'000, [&](WatchedTransaction<> t) -> asio::awaitable<WatchedTransaction<bool, std::int64_t>> {
                    ++tries;
                    const std::string next = std::to_string(number_of(co_await redis.get("n")) + 1);
                    co_return std::move(t).set("n", next).incr("written");
                });
            EXPECT_TRUE(done.has_value());
            conflicts += tries - 1;
        }
    };
    for (int i = 0; i != 2; ++i) {
        asio::co_spawn(loop, fight(), [&](std::exception_ptr failure) {
            EXPECT_FALSE(failure);
            if (++ended == 2) service.close();
        });
    }
    expect_runs_out(loop);
    EXPECT_EQ(ended, 2);
    EXPECT_EQ(raw().strings({"GET", "proj:alpha:n"}).front(), std::to_string(2 * rounds));
    EXPECT_EQ(raw().strings({"GET", "proj:alpha:written"}).front(), std::to_string(2 * rounds));
    EXPECT_GT(conflicts, 0);
}

TEST_P(AsyncWatch, TransactGivesUpAfterItsAttemptsAndLeavesNothingBehind) {
    RedisService service(config());
    service.initialize();
    const auto blocking = service.get_connection("alpha");
    const auto redis = blocking.async();
    const auto run = [&](auto awaitable) {
        return asio::co_spawn(asio::system_executor(), std::move(awaitable), asio::use_future).get();
    };
    int calls = 0;
    const auto spoil = [&](WatchedTransaction<> t) -> asio::awaitable<WatchedTransaction<bool>> {
        co_await redis.set("k", std::to_string(++calls));
        co_return std::move(t).set("k", "mine");
    };
    EXPECT_EQ(run(redis.transact("k", 3, spoil)), std::nullopt);
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(blocking.get("k"), "3");
    EXPECT_EQ(run(redis.transact("k", 0, spoil)), std::nullopt);
    EXPECT_EQ(calls, 4);
    for (int i = 0; i != 20; ++i) {
        const auto thrower = [&](WatchedTransaction<> t) -> asio::awaitable<WatchedTransaction<bool>> {
            if (i >= 0) throw std::runtime_error("of the caller");
            co_return std::move(t).set("k", "x");
        };
        EXPECT_THROW(run(redis.transact("k", 3, thrower)), std::runtime_error);
    }
    // One that reads nothing need not be a coroutine.
    const std::array<std::string_view, 2> keys{"k", "l"};
    EXPECT_EQ(run(redis.transact(TextList(keys), 3,
                                 [](WatchedTransaction<> t) { return std::move(t).set("k", "done").incr("n"); })),
              std::make_optional(std::tuple<bool, std::int64_t>(true, 1)));
    EXPECT_TRUE(none_leased(service));
    expect_clean_leases(blocking);
}

TEST_P(AsyncWatch, OneThatIsDroppedUnusedLeavesNothingBehind) {
    RedisService service(config());
    service.initialize();
    const auto blocking = service.get_connection("alpha");
    const auto redis = blocking.async();
    wait(redis.get("k"));
    blocking.get("k");
    const int before = server_connections();
    for (int i = 0; i != 30; ++i) {
        { const Watched dropped = wait(redis.watch("k")); }
        redis.watch("k")([](std::exception_ptr, const Watched& watched) { EXPECT_TRUE(watched); });  // on the loop
        { const auto unexecuted = redis.transaction(wait(redis.watch("k"))).incr("n"); }
        { const auto not_begun = redis.transaction(wait(redis.watch("k"))).incr("n").execute(); }
        blocking.set("k", std::to_string(i));
        EXPECT_TRUE(wait(redis.transaction(wait(redis.watch("n"))).incr("n").execute()));
    }
    EXPECT_TRUE(none_leased(service));
    expect_clean_leases(blocking);
    EXPECT_EQ(blocking.get("n"), "30");
    EXPECT_TRUE(none_leased(service));
    EXPECT_TRUE(eventually([&] { return server_connections() <= before + 2; }));
    EXPECT_TRUE(eventually([&] { return metric(service, "in_flight_commands") == 0; }));
}

TEST_P(AsyncWatch, ThreadsDropThemWhileOthersCall) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    std::vector<std::thread> threads;
    for (int t = 0; t != 4; ++t) {
        threads.emplace_back([&redis, t] {
            for (int i = 0; i != 50; ++i) {
                Watched watched = wait(redis.watch("k"));
                if ((i + t) % 3 == 0) continue;
                if ((i + t) % 3 == 1) {
                    std::thread([taken = std::move(watched)] {}).join();
                } else {
                    EXPECT_TRUE(wait(redis.transaction(std::move(watched)).incr("n").execute()));
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(none_leased(service));
    expect_clean_leases(service.get_connection("alpha"));
}

TEST_P(AsyncWatch, ConnectionsLostBetweenWatchAndExecAreNotReplaced) {
    auto settings = config();
    settings.max_retries = 3;
    settings.retry_delay = 20s;  // a retry would be seen
    settings.retry_delay_max = 20s;
    RedisService service(settings);
    service.initialize();
    const auto blocking = service.get_connection("alpha");
    const auto redis = blocking.async();
    const auto expect_not_sent = [&](Watched watched) {
        const TimePoint begin = Clock::now();
        const Error error = error_of([&] { (void)wait(redis.transaction(std::move(watched)).incr("n").execute()); });
        EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent) << error.message();
        EXPECT_EQ(error.attempts, 1U);
        EXPECT_LT(Clock::now() - begin, 10s);
    };
    // Of several, and with others to go to.
    std::vector<Watched> all;
    for (int i = 0; i != 3; ++i) all.push_back(wait(redis.watch("k")));
    raw().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    for (Watched& watched : all) expect_not_sent(std::move(watched));
    EXPECT_TRUE(none_leased(service));

    // It is closed, and its lease has ended, before anybody asks.
    Watched lost = wait(redis.watch("k"));
    raw().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    EXPECT_TRUE(none_leased(service));
    expect_not_sent(std::move(lost));
    EXPECT_FALSE(blocking.get("n"));

    Watched watched = wait(redis.watch("k"));
    server().kill();
    expect_not_sent(std::move(watched));
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
}

TEST_P(AsyncWatch, WatchItselfIsTriedAgain) {
    auto settings = config();
    settings.operation_timeout = 60s;
    settings.max_retries = 1000;
    settings.retry_delay = 1ms;
    settings.retry_delay_max = 10ms;
    settings.circuit_breaker.failure_threshold = 1'000'000;
    RedisService service(settings);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    EXPECT_TRUE(wait(redis.transaction(wait(redis.watch("k"))).incr("n").execute()));
    server().kill();
    auto watch = redis.try_watch("k")(asio::use_future);
    server().restart();
    result<Watched> watched = watch.get();
    // The budget of retries may end before the server is there again.
    if (!watched) {
        EXPECT_EQ(watched.error().certainty, Certainty::not_sent) << watched.error().message();
        EXPECT_GT(watched.error().attempts, 1U);
        watched = wait(redis.try_watch("k"));
    }
    ASSERT_TRUE(watched);
    EXPECT_TRUE(wait(redis.transaction(std::move(*watched)).incr("n").execute()));
    EXPECT_TRUE(none_leased(service));
}

TEST_P(AsyncWatch, ALossDuringExecIsUnknown) {
    asio::io_context loop{1};
    auto settings = config();
    settings.max_retries = 3;
    settings.attempt_timeout = 1s;
    RedisService service(loop, settings);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    for (const bool killed : {false, true}) {
        std::optional<Watched> watched;
        redis.watch("k")([&](std::exception_ptr, Watched got) { watched = std::move(got); });
        expect_soon(loop, [&] { return watched.has_value(); });
        ASSERT_TRUE(*watched);
        server().pause();
        std::optional<Error> error;
        redis.transaction(std::move(*watched)).incr("n").try_execute()([&](const auto& outcome) {
            ASSERT_FALSE(outcome);
            error = outcome.error();
        });
        run_ready(loop);
        EXPECT_FALSE(error);
        if (killed) server().kill();
        expect_soon(loop, [&] { return error.has_value(); });
        EXPECT_EQ(error->kind, killed ? ErrorKind::connection : ErrorKind::timeout) << error->message();
        EXPECT_EQ(error->certainty, Certainty::unknown) << error->message();
        EXPECT_EQ(error->attempts, 1U);
        expect_soon(loop, [&] { return metric(service, "leased_connections") == 0; });
        if (!killed) server().resume();
    }
    service.close();
    expect_runs_out(loop);
}

TEST_P(AsyncWatch, Cancellation) {
    asio::io_context loop{1};
    RedisService service(loop, narrow());
    service.initialize();
    const auto blocking = service.get_connection("alpha");
    const auto redis = blocking.async();
    blocking.set("k", "0");  // its connection is there, and it takes none that rests
    std::optional<Watched> watched;
    std::optional<Error> error;
    const auto watch = [&] {
        watched.reset();
        redis.watch("k")([&](std::exception_ptr, Watched got) { watched = std::move(got); });
        expect_soon(loop, [&] { return watched.has_value(); });
        EXPECT_TRUE(*watched);
    };
    const auto ends = [&](const auto& outcome) {
        ASSERT_FALSE(outcome);
        error = outcome.error();
    };
    const auto expect_cancelled = [&](asio::cancellation_signal& signal, asio::cancellation_type type,
                                      Certainty certainty) {
        error.reset();
        signal.emit(type);
        expect_soon(loop, [&] { return error.has_value(); });
        EXPECT_EQ(error->kind, ErrorKind::cancelled) << error->message();
        EXPECT_EQ(error->certainty, certainty) << error->message();
    };
    {  // WATCH that waits for a connection
        watch();
        asio::cancellation_signal signal;
        redis.try_watch("k")(asio::bind_cancellation_slot(signal.slot(), ends));
        run_ready(loop);
        EXPECT_EQ(metric(service, "waiting_callers"), 1);
        expect_cancelled(signal, asio::cancellation_type::total, Certainty::not_sent);
        EXPECT_EQ(metric(service, "waiting_callers"), 0);
    }
    {  // EXEC that is not written: the connection still watches, and is closed
        asio::cancellation_signal signal;
        error.reset();
        asio::post(loop, [&] {
            redis.transaction(std::move(*watched))
                .incr("n")
                .try_execute()(asio::bind_cancellation_slot(signal.slot(), ends));
            signal.emit(asio::cancellation_type::total);
        });
        expect_soon(loop, [&] { return error.has_value(); });
        EXPECT_EQ(error->kind, ErrorKind::cancelled) << error->message();
        EXPECT_EQ(error->certainty, Certainty::not_sent) << error->message();
        expect_soon(loop, [&] { return metric(service, "leased_connections") == 0; });
    }
    {  // the next lease, the only one there can be, watches nothing of it
        blocking.set("k", "changed");
        std::optional<bool> executed;
        redis.watch("other")([&](std::exception_ptr, Watched other) {
            redis.transaction(std::move(other))
                .incr("next")
                .execute()([&](std::exception_ptr failure, const auto& outcome) {
                    executed = !failure && outcome.has_value();
                });
        });
        expect_soon(loop, [&] { return executed.has_value(); });
        EXPECT_TRUE(*executed);
    }
    {  // WATCH that is written
        watch();
        bool executed = false;
        redis.transaction(std::move(*watched)).incr("before").execute()([&](std::exception_ptr failure, const auto&) {
            executed = !failure;
        });
        expect_soon(loop, [&] { return executed && metric(service, "leased_connections") == 0; });
        server().pause();
        asio::cancellation_signal signal;
        redis.try_watch("k")(asio::bind_cancellation_slot(signal.slot(), ends));
        run_ready(loop);
        expect_cancelled(signal, asio::cancellation_type::terminal, Certainty::unknown);
        server().resume();
        expect_soon(loop, [&] { return metric(service, "leased_connections") == 0; });
    }
    {  // EXEC that is written
        watch();
        server().pause();
        asio::cancellation_signal signal;
        redis.transaction(std::move(*watched))
            .incr("n")
            .try_execute()(asio::bind_cancellation_slot(signal.slot(), ends));
        run_ready(loop);
        error.reset();
        signal.emit(asio::cancellation_type::total);  // is not honoured for what is written
        run_ready(loop);
        EXPECT_FALSE(error);
        expect_cancelled(signal, asio::cancellation_type::terminal, Certainty::unknown);
        server().resume();
        expect_soon(loop, [&] { return metric(service, "leased_connections") == 0; });
    }
    blocking.set("k", "changed");
    watch();
    std::optional<bool> executed;
    redis.transaction(std::move(*watched))
        .incr("after")
        .execute()(
            [&](std::exception_ptr failure, const auto& outcome) { executed = !failure && outcome.has_value(); });
    expect_soon(loop, [&] { return executed.has_value(); });
    EXPECT_TRUE(*executed);
    service.close();
    expect_runs_out(loop);
}

TEST_P(AsyncWatch, TheServiceClosesWhileTheyAreHeld) {
    std::vector<Watched> survivors;
    {
        RedisService service(config());
        service.initialize();
        const auto redis = service.get_connection("alpha").async();
        for (int i = 0; i != 4; ++i) survivors.push_back(wait(redis.watch("k")));
        service.close();
        const Error error =
            error_of([&] { (void)wait(redis.transaction(std::move(survivors.back())).incr("n").execute()); });
        EXPECT_EQ(error.certainty, Certainty::not_sent) << error.message();
        survivors.pop_back();
        EXPECT_TRUE(eventually([&] { return server_connections() == 1; }));
        std::thread([taken = std::move(survivors.back())] {}).join();
        survivors.pop_back();
    }
    survivors.pop_back();  // after the service
    // One outlives everything, and goes on another thread.
    std::thread([taken = std::move(survivors.back())] {}).join();

    // The same where the loop is the application's.
    asio::io_context loop{1};
    std::optional<Watched> last;
    {
        RedisService service(loop, config());
        service.initialize();
        const auto redis = service.get_connection("alpha").async();
        redis.watch("k")([&](std::exception_ptr, Watched got) { last = std::move(got); });
        expect_soon(loop, [&] { return last.has_value(); });
        EXPECT_TRUE(*last);
        service.close();
        expect_runs_out(loop);
    }
    EXPECT_TRUE(eventually([&] { return server_connections() == 1; }));
    last.reset();
    run_ready(loop);
}

TEST_P(AsyncWatch, MoreThanThereAreConnectionsWaitForTheirTurn) {
    RedisService service(narrow());
    service.initialize();
    const auto blocking = service.get_connection("alpha");
    const auto redis = blocking.async();
    std::optional<Watched> first = wait(redis.watch("k"));
    const Error late = error_of([&] { (void)wait(redis.with({.deadline = 50ms}).watch("k")); });
    EXPECT_EQ(late.kind, ErrorKind::pool_exhausted) << late.message();
    EXPECT_EQ(late.certainty, Certainty::not_sent);
    EXPECT_TRUE(contains(late.message(), "leased (max_connections)")) << late.message();
    EXPECT_EQ(late.operation, "WATCH");
    const Error blocked = error_of([&] { (void)blocking.with({.deadline = 50ms}).transaction().watch("k"); });
    EXPECT_EQ(blocked.kind, ErrorKind::pool_exhausted) << blocked.message();

    auto second = redis.watch("k")(asio::use_future);
    EXPECT_TRUE(eventually([&] { return metric(service, "waiting_callers") == 1; }));
    first.reset();
    EXPECT_TRUE(second.get());  // and goes at once
    std::vector<std::future<std::optional<std::tuple<std::int64_t>>>> all;
    for (int i = 0; i != 20; ++i) {
        all.push_back(
            asio::co_spawn(asio::system_executor(),
                           redis.transact("n", 1000, [](WatchedTransaction<> t) { return std::move(t).incr("n"); }),
                           asio::use_future));
    }
    for (auto& one : all) EXPECT_TRUE(one.get());
    EXPECT_EQ(blocking.get("n"), "20");
    EXPECT_TRUE(none_leased(service));
}

TEST_P(AsyncWatch, CountsAgainstTheRateOfItsProject) {
    auto settings = config();
    settings.operation_timeout = 500ms;
    settings.limits_of_project = [](std::string_view) { return ProjectLimits{.commands_per_second = 1, .burst = 5}; };
    RedisService service(settings);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    EXPECT_TRUE(wait(redis.transaction(wait(redis.watch("k"))).incr("n").execute()));  // WATCH, MULTI, INCR, EXEC
    Watched watched = wait(redis.watch("k"));
    const Error error = error_of([&] {
        (void)wait(redis.transaction(std::move(watched))
                       .incr("n")
                       .incr("n")
                       .incr("n")
                       .incr("n")
                       .incr("n")
                       .incr("n")
                       .incr("n")
                       .incr("n")
                       .execute());
    });
    EXPECT_EQ(error.kind, ErrorKind::pool_exhausted);
    EXPECT_EQ(error.certainty, Certainty::not_sent);
    EXPECT_TRUE(contains(error.message(), "commands_per_second")) << error.message();
    EXPECT_TRUE(none_leased(service));
}

TEST_P(AsyncWatch, WhatIsWrongWithThemIsSaidBeforeAByteIsSent) {
    RedisService service(config());
    service.initialize();
    const auto blocking = service.get_connection("alpha");
    const auto redis = blocking.async();
    const auto refusal = [&](auto operation) {
        const Error error = error_of([&] { (void)wait(std::move(operation)); });
        EXPECT_EQ(error.kind, ErrorKind::configuration) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_EQ(error.origin->project_id, "alpha");
        return error.message();
    };
    EXPECT_TRUE(contains(refusal(redis.watch()), "WATCH needs a key"));
    EXPECT_TRUE(contains(refusal(redis.transaction(Watched()).incr("n").execute()), "watch() of the same project"));
    Watched foreign = wait(service.get_connection("beta").async().watch("k"));
    EXPECT_TRUE(
        contains(refusal(redis.transaction(std::move(foreign)).incr("n").execute()), "watch() of the same project"));

    // An operation that is begun twice: another WATCH, but not another EXEC, which would depend on nothing.
    const auto watch = redis.watch("k");
    Watched one = wait(watch);
    Watched other = wait(watch);
    EXPECT_EQ(metric(service, "leased_connections"), 2);
    const auto execute = redis.transaction(std::move(one)).incr("n").execute();
    EXPECT_TRUE(wait(execute));
    EXPECT_TRUE(contains(refusal(execute), "by another transaction"));
    blocking.set("k", "changed");
    EXPECT_FALSE(wait(redis.transaction(std::move(other)).incr("n").execute()));
    EXPECT_EQ(blocking.get("n"), "1");
    EXPECT_EQ(testing::command_calls(raw())["watch"], 3U);

    // Refused by the server while it was queued: EXEC says so, and the connection watches nothing any more.
    Watched watched = wait(redis.watch("k"));
    raw().command({"CONFIG", "SET", "maxmemory", "1"});
    const Error refused = error_of([&] { (void)wait(redis.transaction(std::move(watched)).incr("n").execute()); });
    EXPECT_EQ(refused.prefix(), "EXECABORT") << refused.message();
    ASSERT_TRUE(refused.cause);
    EXPECT_EQ(refused.cause->kind, ErrorKind::memory);
    EXPECT_EQ(refused.certainty, Certainty::rejected);
    raw().command({"CONFIG", "SET", "maxmemory", "0"});
    expect_clean_leases(blocking);
}

INSTANTIATE_TEST_SUITE_P(BothServers, AsyncWatch,
                         ::testing::Values("redis-server/resp2", "redis-server/resp3", "valkey-server/resp2",
                                           "valkey-server/resp3"),
                         [](const auto& parameter) {
                             return testing::short_name(parameter.param) +
                                    parameter.param.substr(parameter.param.find('/') + 1);
                         });

}  // namespace
}  // namespace redoubt
