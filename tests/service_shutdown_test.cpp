// service: how a service ends: no new calls, a while for those under way, then the rest fail with what is known of them;
// no thread, descriptor or waiting coroutine is left; against both real servers.
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/async_watch.hpp"
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
using testing::open_descriptors;

std::size_t threads() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
    return count;
}

class Shutdown : public testing::LiveServiceTest {
protected:
    /// Nothing ends a call but its answer, or the service.
    RedisServiceConfig patient(Duration drain) {
        RedisServiceConfig given = config();
        given.attempt_timeout = given.operation_timeout = given.connection_timeout = testing::patience;
        given.drain_timeout = drain;
        return given;
    }
    /// From here on the server takes writes and does not answer them.
    void hold_writes() { raw().command({"CLIENT", "PAUSE", "60000", "WRITE"}); }
    void let_writes_go() { raw().command({"CLIENT", "UNPAUSE"}); }
    void expect_held(std::string_view connections) {
        EXPECT_TRUE(eventually([&] { return raw().info("blocked_clients") == connections; }));
    }
    static std::size_t in_flight(const RedisService& service) {
        const boost::json::object metrics = service.get_metrics();
        return metrics.at("connection_factory")
            .at("pools")
            .at("alpha")
            .at("in_flight_commands")
            .to_number<std::size_t>();
    }
};

TEST_P(Shutdown, CallsUnderWayFinishAndNewOnesAreRefused) {
    RedisService service(patient(testing::patience));
    service.initialize();
    const auto redis = service.get_connection("alpha");
    hold_writes();
    std::vector<std::future<std::int64_t>> calls;
    for (int i = 0; i < 50; ++i) calls.push_back(redis.async().incr("n")(asio::use_future));
    for (int i = 0; i < 4; ++i) calls.push_back(std::async(std::launch::async, [&] { return redis.incr("n"); }));
    // One that has a connection of its own.
    calls.push_back(std::async(std::launch::async, [&] {
        return redis.transaction().watch("w").incr("n").execute().has_value() ? std::int64_t{1} : 0;
    }));
    EXPECT_TRUE(eventually([&] { return in_flight(service) >= 54; }));
    expect_held("3");
    auto closing = std::async(std::launch::async, [&] { service.close(); });
    // As soon as it has begun, nobody gets in.
    Error refused;
    EXPECT_TRUE(eventually([&] {
        const auto outcome = redis.with({.deadline = 1ms}).try_get("k");
        if (!outcome) refused = outcome.error();
        return !outcome && refused.kind == ErrorKind::connection;
    }));
    EXPECT_TRUE(contains(refused.message(), "the service is closed")) << refused.message();
    EXPECT_EQ(refused.certainty, Certainty::not_sent);
    const Error async = error_of([&] { (void)redis.async().get("k")(asio::use_future).get(); });
    EXPECT_TRUE(contains(async.message(), "the service is closed")) << async.message();
    EXPECT_EQ(closing.wait_for(10ms), std::future_status::timeout);
    let_writes_go();
    for (auto& call : calls) EXPECT_GE(call.get(), 1);
    closing.get();
    EXPECT_EQ(raw().strings({"GET", "proj:alpha:n"}).at(0), "55");
    EXPECT_EQ(raw().info("connected_clients"), "1");
}

TEST_P(Shutdown, WhatIsNotAnsweredInTimeFailsWithWhatIsKnown) {
    for (const Duration drain : {Duration::zero(), Duration(200ms)}) {
        const std::size_t threads_before = threads();
        auto service = std::make_unique<RedisService>(patient(drain));
        service->initialize();
        const auto redis = service->get_connection("alpha");
        EXPECT_GE(redis.async().incr("n")(asio::use_future).get(), 1);
        hold_writes();
        std::vector<std::future<std::int64_t>> calls;
        for (int i = 0; i < 50; ++i) calls.push_back(redis.async().incr("n")(asio::use_future));
        for (int i = 0; i < 4; ++i) calls.push_back(std::async(std::launch::async, [&] { return redis.incr("n"); }));
        EXPECT_TRUE(eventually([&] { return in_flight(*service) == 54; }));
        expect_held("2");
        const TimePoint begin = Clock::now();
        service.reset();
        const Duration took = Clock::now() - begin;
        EXPECT_GE(took, drain);
        EXPECT_LT(took, drain + 1s);
        for (auto& call : calls) {
            const Error error = error_of([&] { (void)call.get(); });
            EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
            EXPECT_EQ(error.certainty, Certainty::unknown) << error.message();
            EXPECT_TRUE(contains(error.message(), "the service is closed")) << error.message();
            EXPECT_EQ(error.attempts, 1U);
        }
        let_writes_go();
        calls.clear();
        EXPECT_TRUE(eventually([&] { return threads() == threads_before; })) << threads() << " " << threads_before;
    }
}

// A call that pauses before another attempt does not make it.
TEST_P(Shutdown, NothingIsTriedAgainOnceItCloses) {
    RedisServiceConfig given = patient(testing::patience);
    given.max_retries = 5;
    given.retry_delay = given.retry_delay_max = 1h;
    RedisService service(given);
    service.initialize();
    const auto redis = service.get_connection("alpha").with({.deadline = 10h});
    EXPECT_TRUE(redis.set("k", "v"));
    raw().command({"REPLICAOF", "127.0.0.1", "1"});
    auto blocking = std::async(std::launch::async, [&] { return error_of([&] { redis.set("k", "w"); }); });
    auto async = redis.async().set("k", "w")(asio::use_future);
    EXPECT_TRUE(eventually([&] { return testing::metric(service, "retries") == 2; }));  // both wait for the second
    const TimePoint begin = Clock::now();
    service.close();
    EXPECT_LT(Clock::now() - begin, 5s);
    for (const Error& error : {blocking.get(), error_of([&] { (void)async.get(); })}) {
        EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
        EXPECT_TRUE(contains(error.message(), "the service is closed")) << error.message();
    }
}

TEST_P(Shutdown, ADialUnderWayIsCutShort) {
    RedisService service(patient(50ms));
    service.initialize();
    const auto redis = service.get_connection("alpha");
    server().pause();  // the kernel takes the connections; nobody answers
    auto blocking = std::async(std::launch::async, [&] { return error_of([&] { (void)redis.get("k"); }); });
    auto leased =
        std::async(std::launch::async, [&] { return error_of([&] { (void)redis.transaction().watch("k"); }); });
    auto async = redis.async().get("k")(asio::use_future);
    auto blocked = redis.async().with({.deadline = 1h}).blpop("k", 10s)(asio::use_future);
    const auto opening = [&] {
        const boost::json::object metrics = service.get_metrics();
        return metrics.at("connection_factory").at("pools").at("alpha").at("waiting_callers").to_number<int>();
    };
    EXPECT_TRUE(eventually([&] { return opening() >= 1; }));
    const TimePoint begin = Clock::now();
    service.close();
    EXPECT_LT(Clock::now() - begin, 1s);
    for (const Error& error :
         {blocking.get(), leased.get(), error_of([&] { (void)async.get(); }), error_of([&] { (void)blocked.get(); })}) {
        EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent) << error.message();
    }
    server().resume();
    EXPECT_TRUE(eventually([&] { return raw().info("connected_clients") == "1"; }));
}

TEST_P(Shutdown, AHundredTimesOverLeavesNothingBehind) {
    RedisServiceConfig given = patient(5ms);
    given.io_threads = 2;
    given.health_check_interval = 1ms;
    RedisService service(given);
    std::size_t descriptors = 0;
    std::size_t running = 0;
    std::int64_t failed = 0;
    for (int cycle = 0; cycle < 101; ++cycle) {
        if (cycle == 1) {  // what the library keeps for good is there now
            descriptors = open_descriptors();
            running = threads();
        }
        service.initialize();
        const auto redis = service.get_connection("alpha");
        const auto other = service.get_connection("beta").async();
        EXPECT_TRUE(redis.set("k", "v"));
        EXPECT_EQ(redis.async().get("k")(asio::use_future).get(), "v");
        if (cycle % 10 == 9) server().pause();
        std::vector<std::future<std::optional<std::string>>> calls;
        for (int i = 0; i < 20; ++i) {
            calls.push_back(redis.async().get("k")(asio::use_future));
            calls.push_back(other.get("k")(asio::use_future));
        }
        service.close();
        for (auto& call : calls) {
            // Its value is set by a thread of Asio's, which may be a little behind.
            ASSERT_EQ(call.wait_for(testing::patience), std::future_status::ready);
            try {
                (void)call.get();
            } catch (const RedisConnectionException&) {
                ++failed;
            }
        }
        if (cycle % 10 == 9) server().resume();
    }
    EXPECT_TRUE(eventually([&] { return threads() == running; })) << threads() << " " << running;
    EXPECT_EQ(open_descriptors(), descriptors);
    EXPECT_GE(failed, 400);
    EXPECT_TRUE(eventually([&] { return raw().info("connected_clients") == "1"; }));
    std::printf("101 cycles: %zu descriptors and %zu threads before and after, %lld calls failed by close\n",
                descriptors, running, static_cast<long long>(failed));
}

TEST_P(Shutdown, OnAnApplicationsLoopCallsFinishWhileItRuns) {
    asio::io_context loop{1};
    RedisService service(loop, patient(testing::patience));
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    int answered = 0;
    int refused = 0;
    const auto count = [&](const result<std::int64_t>& outcome) { ++(outcome ? answered : refused); };
    redis.try_incr("n")(count);
    expect_soon(loop, [&] { return answered == 1; });
    hold_writes();
    for (int i = 0; i < 50; ++i) redis.try_incr("n")(count);
    testing::run_ready(loop);
    expect_held("1");
    service.close();  // comes back at once: the loop is ours to run
    redis.try_incr("n")(count);
    testing::run_ready(loop);
    EXPECT_EQ(answered, 1);
    EXPECT_EQ(refused, 1);
    let_writes_go();
    expect_runs_out(loop);
    EXPECT_EQ(answered, 51);
    EXPECT_EQ(refused, 1);
}

TEST_P(Shutdown, ALoopThatEndsFirstTakesItsCallsAlong) {
    (void)raw();
    const std::size_t descriptors = open_descriptors();
    const auto token = std::make_shared<int>(0);
    {
        asio::io_context loop{1};
        RedisService service(loop, patient(1h));
        service.initialize();
        const auto redis = service.get_connection("alpha");
        bool ready = false;
        redis.async().incr("n")([&](std::exception_ptr, std::int64_t) { ready = true; });
        expect_soon(loop, [&] { return ready; });
        const auto new_one = service.get_connection("new").async();
        hold_writes();
        const auto never = [token](const result<std::int64_t>&) { ADD_FAILURE() << "its loop does not run"; };
        for (int i = 0; i < 20; ++i) redis.async().try_incr("n")(never);
        asio::co_spawn(
            loop,
            [](AsyncProjectRedisClient client, std::shared_ptr<int>) -> asio::awaitable<void> {
                (void)co_await client.incr("n");
            }(redis.async(), token),
            asio::detached);
        redis.async().with({.deadline = 1h}).try_blpop("list", 1h)([token](const auto&) { ADD_FAILURE(); });
        testing::run_ready(loop);
        EXPECT_TRUE(eventually([&] { return raw().info("blocked_clients") != "0"; }));
        // One that connects, one that was only just made, and one from another thread that has not arrived.
        new_one.try_incr("n")(never);
        std::thread([&] { redis.async().try_incr("n")(never); }).join();
        EXPECT_GT(token.use_count(), 20);
        service.close();
    }
    EXPECT_EQ(token.use_count(), 1);
    EXPECT_EQ(open_descriptors(), descriptors);
    let_writes_go();
    EXPECT_TRUE(eventually([&] { return raw().info("connected_clients") == "1"; }));
}

TEST_P(Shutdown, HandlesMayOutliveTheLoop) {
    (void)raw();
    const std::size_t descriptors = open_descriptors();
    {
        std::optional<ProjectIsolatedRedisClient> redis;
        std::optional<Subscriber> subscriber;
        std::optional<Watched> watched;
        {
            asio::io_context loop{1};
            RedisService service(loop, patient(1h));
            service.initialize();
            redis = service.get_connection("alpha");
            int ready = 0;
            redis->async().incr("n")([&](std::exception_ptr, std::int64_t) { ++ready; });
            redis->async().watch("k")([&](std::exception_ptr, Watched got) {
                watched = std::move(got);
                ++ready;
            });
            subscriber = redis->subscriber();
            asio::co_spawn(loop, subscriber->async_subscribe(Subscribed::channel, "news"),
                           [&](std::exception_ptr) { ++ready; });
            expect_soon(loop, [&] { return ready == 3; });
            // One waits for a connection, others for their replies, one for a message.
            hold_writes();
            redis->async().try_incr("n")([](const auto&) { ADD_FAILURE(); });
            redis->async().with({.deadline = 1h}).try_blpop("list", 1h)([](const auto&) { ADD_FAILURE(); });
            testing::run_ready(loop);
            service.close();
        }
        EXPECT_EQ(error_of([&] { redis->set("k", "v"); }).certainty, Certainty::not_sent);
    }
    EXPECT_EQ(open_descriptors(), descriptors);
    let_writes_go();
    EXPECT_TRUE(eventually([&] { return raw().info("connected_clients") == "1"; }));
}

TEST_P(Shutdown, AHandlerMayCloseTheServiceThatCallsIt) {
    std::promise<void> closed;
    RedisService service(patient(testing::patience));
    service.initialize();
    const auto redis = service.get_connection("alpha");
    hold_writes();
    auto held = redis.async().incr("n")(asio::use_future);
    auto blocking = std::async(std::launch::async, [&] { return redis.incr("n"); });
    expect_held("2");
    // On another connection: this one's answers wait behind the one that is held.
    service.get_connection("beta").async().ping()([&](std::exception_ptr, const std::string&) {
        service.close();
        closed.set_value();
    });
    closed.get_future().get();
    EXPECT_EQ(held.wait_for(10ms), std::future_status::timeout);
    EXPECT_EQ(blocking.wait_for(0ms), std::future_status::timeout);
    let_writes_go();
    EXPECT_EQ(held.get() + blocking.get(), 3);
    EXPECT_TRUE(eventually([&] { return raw().info("connected_clients") == "1"; }));
    service.initialize();
    EXPECT_EQ(service.get_connection("alpha").incr("n"), 3);
}

REDOUBT_BOTH_SERVERS(Shutdown);

}  // namespace
}  // namespace redoubt
