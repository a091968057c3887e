// service: a server that hangs while callers go on: the bounds of queues hold, every call ends exactly once by success,
// time-out or RedisPoolExhausted, and afterwards everything works. Against both real servers, stopped by SIGSTOP.
#include <atomic>
#include <cstdint>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include <unistd.h>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::expect_runs_out;
using testing::expect_soon;
using testing::patience;
using testing::run_ready;

std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t all = 0;
    std::size_t resident = 0;
    file >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t allowed_growth = 400u << 20u;  // it keeps 256 MB of what was freed
#else
constexpr std::size_t allowed_growth = 100u << 20u;
#endif

/// How the calls of a test ended.
struct Ends {
    std::atomic<int> stored{0};
    std::atomic<int> timed_out{0};
    std::atomic<int> exhausted{0};
    std::atomic<int> others{0};
    int sum() const { return stored + timed_out + exhausted + others; }

    template <class T>
    void count(const result<T>& outcome) {
        if (outcome) {
            ++stored;
            return;
        }
        const Error error = outcome.error();
        if (error.kind == ErrorKind::timeout) {
            ++timed_out;
        } else if (error.kind == ErrorKind::pool_exhausted) {
            ++exhausted;
            EXPECT_EQ(error.certainty, Certainty::not_sent);
        } else {
            ++others;
            ADD_FAILURE() << error.message();
        }
    }
};

class Backpressure : public testing::LiveServiceTest {
protected:
    RedisServiceConfig small_queues() {
        RedisServiceConfig given = config();
        given.max_queued_commands = 50;
        given.max_queued_bytes = 64u << 10u;
        given.max_waiting = 20;
        given.connection_timeout = given.attempt_timeout = given.operation_timeout = patience;
        given.circuit_breaker.failure_threshold = 1'000'000;
        return given;
    }
    static void expect_works(const ProjectIsolatedRedisClient& redis) {
        EXPECT_TRUE(redis.set("after", "all"));
        EXPECT_EQ(redis.async().get("after")(asio::use_future).get(), "all");
    }
};

TEST_P(Backpressure, CallsWaitBehindAFullWireAndTheirNumberIsBounded) {
    asio::io_context loop{1};
    RedisService service(loop, small_queues());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    int ready = 0;
    redis.ping()([&](std::exception_ptr, const std::string&) { ++ready; });
    expect_soon(loop, [&] { return ready == 1; });

    server().pause();
    Ends ends;
    std::vector<int> ended(1000);
    for (int& times : ended) {
        redis.try_incr("n")([&](const result<std::int64_t>& outcome) {
            ++times;
            ends.count(outcome);
        });
        if (&times - ended.data() == 500) run_ready(loop);
    }
    run_ready(loop);
    constexpr int taken = 50 + 20;  // by the wire, and by the line for it
    EXPECT_EQ(ends.exhausted, 1000 - taken);
    server().resume();
    expect_soon(loop, [&] { return ends.sum() == 1000; });
    EXPECT_EQ(ends.stored, taken);
    std::int64_t last = 0;
    redis.incr("n")([&](std::exception_ptr, std::int64_t value) { last = value; });
    expect_soon(loop, [&] { return last != 0; });
    EXPECT_EQ(last, taken + 1) << "one that was refused was applied";
    service.close();
    expect_runs_out(loop);
    for (const int times : ended) EXPECT_EQ(times, 1);
}

TEST_P(Backpressure, TheBytesOfAWireAreBoundedAndSoIsMemory) {
    RedisServiceConfig given = small_queues();
    given.max_queued_commands = 1'000'000;
    asio::io_context loop{1};
    RedisService service(loop, given);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    int ready = 0;
    redis.ping()([&](std::exception_ptr, const std::string&) { ++ready; });
    expect_soon(loop, [&] { return ready == 1; });

    server().pause();
    const std::size_t before = resident_bytes();
    const std::string value(10'000, 'v');
    Ends ends;
    constexpr int calls = 60'000;  // 600 MB, were they kept
    for (int i = 0; i < calls; ++i) {
        redis.try_set("k", value)([&](const result<bool>& outcome) { ends.count(outcome); });
        if (i % 50 == 0) run_ready(loop);  // a caller that never lets the loop run has only itself to blame
    }
    run_ready(loop);
    EXPECT_GT(ends.exhausted, calls - 1000);
    EXPECT_EQ(ends.stored, 0);
    EXPECT_LT(resident_bytes(), before + allowed_growth);
    server().resume();
    expect_soon(loop, [&] { return ends.sum() == calls; });
    EXPECT_GT(ends.stored, 0);
    service.close();
    expect_runs_out(loop);
}

TEST_P(Backpressure, TheNumberOfCallsThatWaitForAConnectionIsBounded) {
    asio::io_context loop{1};
    RedisService service(loop, small_queues());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    raw().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});  // what `initialize` left at rest
    server().pause();
    Ends ends;
    for (int i = 0; i < 200; ++i) {
        redis.try_incr("n")([&](const result<std::int64_t>& outcome) { ends.count(outcome); });
    }
    run_ready(loop);
    EXPECT_EQ(ends.exhausted, 180);
    server().resume();
    expect_soon(loop, [&] { return ends.sum() == 200; });
    EXPECT_EQ(ends.stored, 20);
    service.close();
    expect_runs_out(loop);
}

TEST_P(Backpressure, ThreadsAndFuturesEachEndOnceInTime) {
    RedisServiceConfig given = small_queues();
    given.io_threads = 2;
    given.attempt_timeout = 5s;
    given.operation_timeout = 300ms;
    RedisService service(given);
    service.initialize();
    const auto redis = service.get_connection("alpha");
    (void)redis.ping();
    (void)redis.async().ping()(asio::use_future).get();

    server().pause();
    Ends blocking;
    Ends async;
    constexpr int threads = 12;
    constexpr int calls = 100;
    std::vector<std::future<void>> callers;
    for (int thread = 0; thread < threads; ++thread) {
        callers.push_back(std::async(std::launch::async, [&, thread] {
            if (thread % 2 == 0) {
                blocking.count(redis.try_incr("n"));
                return;
            }
            std::vector<std::future<result<std::int64_t>>> futures;
            for (int i = 0; i < calls; ++i) futures.push_back(redis.async().try_incr("n")(asio::use_future));
            for (auto& future : futures) {
                ASSERT_EQ(future.wait_for(patience), std::future_status::ready);
                async.count(future.get());
            }
        }));
    }
    for (auto& caller : callers) {
        ASSERT_EQ(caller.wait_for(patience), std::future_status::ready);
        caller.get();
    }
    EXPECT_EQ(blocking.timed_out, threads / 2);
    EXPECT_EQ(async.sum(), threads / 2 * calls);
    EXPECT_EQ(async.timed_out, 50);  // those that were on the wire
    EXPECT_EQ(async.exhausted, threads / 2 * calls - 50);
    server().resume();
    const auto patient = redis.with({.deadline = patience});
    // The wire is full until the server has answered what timed out.
    EXPECT_TRUE(testing::eventually([&] { return patient.async().try_ping()(asio::use_future).get().has_value(); }));
    expect_works(patient);
    EXPECT_LE(patient.incr("n"), 50 + threads / 2 + 1) << "one that was refused was applied";
}

REDOUBT_BOTH_SERVERS(Backpressure);

}  // namespace
}  // namespace redoubt
