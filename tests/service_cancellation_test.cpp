// service: cancellation at random moments and of random types: each handler is called exactly once, nobody gets another
// call's reply, no wire is lost by it, and what it says of a write is true.
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::expect_runs_out;
using testing::expect_soon;
using MaybeText = std::optional<std::string>;

constexpr std::array<asio::cancellation_type, 4> types{asio::cancellation_type::total, asio::cancellation_type::partial,
                                                       asio::cancellation_type::terminal, asio::cancellation_type::all};

/// A call and its end. Lives as long as the test, so a second call of its handler is seen.
struct Call {
    asio::cancellation_signal signal;
    int ended = 0;
    std::string wanted;  // of a GET
};

class Cancellation : public testing::LiveServiceTest {
protected:
    std::mt19937 random_{77'003};
    std::size_t below(std::size_t bound) { return random_() % bound; }

    void store_values() {
        for (std::size_t i = 0; i < keys; ++i) {
            raw().command({"SET", "proj:alpha:k" + std::to_string(i), value(i)});
        }
    }
    static std::string value(std::size_t i) { return "value " + std::to_string(i) + std::string(i * 7, '.'); }
    static constexpr std::size_t keys = 20;
    struct Increments {
        std::int64_t applied = 0;
        std::int64_t unknown = 0;
        std::int64_t cancelled = 0;
    } increments_;

    void begin_get(const AsyncProjectRedisClient& redis, Call& call) {
        const std::size_t key = below(keys);
        call.wanted = value(key);
        redis.try_get("k" + std::to_string(key))(
            asio::bind_cancellation_slot(call.signal.slot(), [&call](const result<MaybeText>& outcome) {
                ++call.ended;
                if (outcome) {
                    EXPECT_EQ(*outcome, call.wanted);
                } else {
                    EXPECT_EQ(outcome.error().kind, ErrorKind::cancelled) << outcome.error().message();
                }
            }));
    }
    void begin_incr(const AsyncProjectRedisClient& redis, Call& call) {
        redis.try_incr("n")(
            asio::bind_cancellation_slot(call.signal.slot(), [this, &call](const result<std::int64_t>& outcome) {
                ++call.ended;
                if (outcome) {
                    ++increments_.applied;
                    return;
                }
                const Error error = outcome.error();
                EXPECT_EQ(error.kind, ErrorKind::cancelled) << error.message();
                ++increments_.cancelled;
                if (error.certainty == Certainty::unknown) ++increments_.unknown;
            }));
    }
    /// Emits a random type `turns` turns of the loop from now.
    static void cancel_later(asio::io_context& loop, Call& call, asio::cancellation_type type, std::size_t turns) {
        asio::post(loop, [&loop, &call, type, turns] {
            if (turns != 0) return cancel_later(loop, call, type, turns - 1);
            call.signal.emit(type);
        });
    }
};

TEST_P(Cancellation, AtRandomMomentsOnTheApplicationsLoop) {
    asio::io_context loop{1};
    RedisServiceConfig given = config();
    given.attempt_timeout = given.operation_timeout = testing::patience;
    RedisService service(loop, given);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    store_values();
    int ready = 0;
    redis.ping()([&](std::exception_ptr, const std::string&) { ++ready; });
    expect_soon(loop, [&] { return ready == 1; });
    const std::string connections = raw().info("total_connections_received");

    std::vector<std::unique_ptr<Call>> calls;
    for (int round = 0; round < 300; ++round) {
        // In some rounds the server hangs, so that what is cancelled is certainly sent and unanswered.
        const bool hangs = below(10) == 0;
        if (hangs) server().pause();
        const std::size_t first = calls.size();
        for (std::size_t i = below(30) + 1; i != 0; --i) {
            Call& call = *calls.emplace_back(std::make_unique<Call>());
            if (below(2) == 0) {
                begin_get(redis, call);
            } else {
                begin_incr(redis, call);
            }
            if (below(3) != 0) cancel_later(loop, call, types[below(types.size())], below(12));
            if (below(4) == 0) loop.poll_one();
        }
        if (hangs) {
            testing::run_ready(loop);
            server().resume();
        }
        expect_soon(loop, [&] {
            for (std::size_t i = first; i < calls.size(); ++i) {
                if (calls[i]->ended == 0) return false;
            }
            return true;
        });
    }
    MaybeText afterwards;
    redis.get("k3")([&](std::exception_ptr, MaybeText text) { afterwards = std::move(text); });
    expect_soon(loop, [&] { return afterwards.has_value(); });
    EXPECT_EQ(afterwards, value(3));
    EXPECT_EQ(raw().info("total_connections_received"), connections) << "a cancellation cost a wire";
    EXPECT_GT(increments_.cancelled, 100);
    EXPECT_GT(increments_.unknown, 10);
    const std::int64_t stored = std::stoll(raw().strings({"GET", "proj:alpha:n"}).at(0));
    EXPECT_GE(stored, increments_.applied);
    EXPECT_LE(stored, increments_.applied + increments_.unknown);
    service.close();
    expect_runs_out(loop);
    for (const auto& call : calls) EXPECT_EQ(call->ended, 1);
}

TEST_P(Cancellation, OfHandlersOnAnotherLoopAtRandomMoments) {
    // Before the service, so that it outlives the service's threads: they may still be inside `post` to it when its
    // last handler has run.
    asio::io_context loop{1};
    RedisServiceConfig given = config();
    given.io_threads = 2;
    given.attempt_timeout = given.operation_timeout = testing::patience;
    RedisService service(given);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    store_values();
    EXPECT_EQ(redis.ping()(asio::use_future).get(), "PONG");
    const std::string connections = raw().info("total_connections_received");
    std::vector<std::unique_ptr<Call>> calls;
    int cancelled = 0;
    for (int round = 0; round < 300; ++round) {
        const bool hangs = below(10) == 0;
        if (hangs) server().pause();
        const std::size_t first = calls.size();
        for (std::size_t i = below(30) + 1; i != 0; --i) {
            Call& call = *calls.emplace_back(std::make_unique<Call>());
            const std::size_t key = below(keys);
            call.wanted = value(key);
            redis.try_get("k" + std::to_string(key))(asio::bind_cancellation_slot(
                call.signal.slot(), asio::bind_executor(loop, [&call, &cancelled](const result<MaybeText>& outcome) {
                    ++call.ended;
                    if (outcome) {
                        EXPECT_EQ(*outcome, call.wanted);
                    } else {
                        EXPECT_EQ(outcome.error().kind, ErrorKind::cancelled) << outcome.error().message();
                        ++cancelled;
                    }
                })));
            cancel_later(loop, call, types[below(types.size())], below(12));
            loop.poll_one();
        }
        if (hangs) {
            for (std::size_t i = first; i < calls.size(); ++i) {
                asio::post(loop, [&call = *calls[i]] { call.signal.emit(asio::cancellation_type::terminal); });
            }
            // Answered though the server is not there.
            expect_runs_out(loop);
            server().resume();
        }
        expect_runs_out(loop);
    }
    EXPECT_GT(cancelled, 100);
    EXPECT_EQ(raw().info("total_connections_received"), connections) << "a cancellation cost a wire";
    for (const auto& call : calls) {
        EXPECT_EQ(call->ended, 1);
        call->signal.emit(asio::cancellation_type::terminal);  // too late: nothing happens
    }
    EXPECT_EQ(redis.get("k3")(asio::use_future).get(), value(3));
    service.close();
    for (const auto& call : calls) call->signal.emit(asio::cancellation_type::terminal);
}

TEST_P(Cancellation, OfCoroutinesOnAThreadPoolUnderLoad) {
    using namespace asio::experimental::awaitable_operators;
    RedisServiceConfig given = config();
    given.io_threads = 2;
    given.attempt_timeout = given.operation_timeout = testing::patience;
    RedisService service(given);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    store_values();
    EXPECT_EQ(redis.ping()(asio::use_future).get(), "PONG");
    const std::string connections = raw().info("total_connections_received");
    std::atomic<std::int64_t> applied{0};
    std::atomic<std::int64_t> begun{0};
    std::atomic<int> answered{0};
    std::atomic<int> timers_first{0};
    std::atomic<int> wrong{0};
    asio::thread_pool pool{4};
    for (int one = 0; one < 100; ++one) {
        // A cancellation slot belongs to one thread at a time, as Asio says: on a pool of several, to a strand.
        asio::co_spawn(
            asio::make_strand(pool),
            [&, one]() -> asio::awaitable<void> {
                std::minstd_rand random(static_cast<unsigned>(one + 1));
                asio::steady_timer timer(co_await asio::this_coro::executor);
                for (int i = 0; i < 200; ++i) {
                    const std::size_t key = random() % keys;
                    const std::string name = "k" + std::to_string(key);
                    timer.expires_after(std::chrono::microseconds(random() % 3000));
                    if (random() % 2 == 0) {
                        const auto first =
                            co_await (redis.get(name)(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
                        if (first.index() == 0) {
                            ++(std::get<0>(first) == value(key) ? answered : wrong);
                        } else {
                            ++timers_first;
                        }
                    } else {
                        ++begun;
                        const auto first =
                            co_await (redis.incr("n")(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
                        if (first.index() == 0) ++applied;
                    }
                    // The same coroutine goes on with calls of its own, and nobody's reply but theirs.
                    if (co_await redis.get(name)(asio::use_awaitable) != value(key)) ++wrong;
                }
            },
            asio::detached);
    }
    pool.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(answered, 100);
    EXPECT_GT(timers_first, 100);
    EXPECT_EQ(raw().info("total_connections_received"), connections) << "a cancellation cost a wire";
    const std::int64_t stored = std::stoll(raw().strings({"GET", "proj:alpha:n"}).at(0));
    EXPECT_GE(stored, applied);
    EXPECT_LE(stored, begun);
    std::printf(
        "100 coroutines, 20000 races: %d answers first, %d timers first, %lld of %lld INCR known as applied, %lld "
        "stored\n",
        answered.load(), timers_first.load(), static_cast<long long>(applied.load()),
        static_cast<long long>(begun.load()), static_cast<long long>(stored));
}

// A wait without end can be ended from there, too.
TEST_P(Cancellation, OfABlockingCommandOfAnotherLoop) {
    asio::io_context loop{1};
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    asio::cancellation_signal signal;
    std::optional<Error> error;
    redis.try_blpop(
        "list", 0ms)(asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(loop, [&](const auto& outcome) {
                                                      if (!outcome) error = outcome.error();
                                                  })));
    EXPECT_TRUE(testing::eventually([&] { return raw().info("blocked_clients") == "1"; }));
    asio::post(loop, [&] { signal.emit(asio::cancellation_type::terminal); });
    expect_runs_out(loop);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, ErrorKind::cancelled) << error->message();
    EXPECT_EQ(error->certainty, Certainty::unknown);
    EXPECT_TRUE(testing::eventually([&] { return raw().info("blocked_clients") == "0"; }));
}

REDOUBT_BOTH_SERVERS(Cancellation);

}  // namespace
}  // namespace redoubt
