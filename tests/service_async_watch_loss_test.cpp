// service: WATCH for async callers whose connections are lost, who cancel, and whose service closes; on both servers, with
// both protocols.
#include <redoubt/service/service.hpp>

#include <array>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/async_watch.hpp"
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
using testing::metric;
using testing::run_ready;
using testing::wait;

class AsyncWatchLoss : public testing::AsyncWatchTest {};

TEST_P(AsyncWatchLoss, ConnectionsLostBetweenWatchAndExecAreNotReplaced) {
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

TEST_P(AsyncWatchLoss, WatchItselfIsTriedAgain) {
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

TEST_P(AsyncWatchLoss, ALossDuringExecIsUnknown) {
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

TEST_P(AsyncWatchLoss, Cancellation) {
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

TEST_P(AsyncWatchLoss, TheServiceClosesWhileTheyAreHeld) {
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

REDOUBT_ASYNC_WATCH(AsyncWatchLoss);

}  // namespace
}  // namespace redoubt
