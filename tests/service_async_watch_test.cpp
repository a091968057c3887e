// service: WATCH for async callers: conflicts, holders that go, optimistic transactions that are tried again, limits, and
// what is refused; on both servers, with both protocols.
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

class AsyncWatch : public testing::AsyncWatchTest {};

int number_of(const std::optional<std::string>& text) { return text ? std::stoi(*text) : 0; }

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

REDOUBT_ASYNC_WATCH(AsyncWatch);

}  // namespace
}  // namespace redoubt
