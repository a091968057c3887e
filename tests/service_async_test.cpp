// service: coroutines and completion tokens on the application's loop and on the service's own, against both real
// servers: every kind of arguments, and many at once.
#include <redoubt/service/service.hpp>

#include <array>
#include <future>
#include <memory>
#include <optional>
#include <span>
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
using testing::expect_runs_out;
using Texts = std::vector<std::string>;
using MaybeText = std::optional<std::string>;

class Async : public testing::LiveServiceTest {
protected:
    /// Runs the coroutine on a loop that is the service's too; the service is closed at its end, and the loop must
    /// then run out.
    template <class Body>
    void on_one_loop(Body body) {
        asio::io_context loop{1};
        RedisService service(loop, config());
        bool ended = false;
        asio::co_spawn(
            loop,
            [&]() -> asio::awaitable<void> {
                co_await service.async_initialize();
                co_await body(service);
            },
            [&](std::exception_ptr failure) {
                ended = true;
                service.close();
                if (failure) std::rethrow_exception(failure);
            });
        expect_runs_out(loop);
        EXPECT_TRUE(ended);
    }
};

asio::awaitable<void> read_own_value(AsyncProjectRedisClient redis, int number, int& right) {
    const std::string key = "k" + std::to_string(number);
    const std::string value = "value " + std::to_string(number);
    EXPECT_TRUE(co_await redis.set(key, value));
    const MaybeText read = co_await redis.get(key);
    if (read == value) ++right;
}

TEST_P(Async, CoroutinesOnTheApplicationsLoop) {
    on_one_loop([](RedisService& service) -> asio::awaitable<void> {
        const auto redis = service.get_connection("alpha").async();
        EXPECT_EQ(co_await redis.get("k"), std::nullopt);
        EXPECT_TRUE(co_await redis.set("k", "v", {.ex = 1h, .nx = true}));
        EXPECT_EQ(co_await redis.get("k"), "v");
        EXPECT_EQ(co_await redis.get("k")(asio::use_awaitable), "v");
        const auto tried = co_await redis.try_lpop("k");
        EXPECT_FALSE(tried);
        EXPECT_EQ(tried.error().prefix(), "WRONGTYPE");
        EXPECT_EQ((co_await redis.command("HSET", "h", "f", "1")).integer, 1);
        bool thrown = false;
        try {
            (void)co_await redis.lpop("k");
        } catch (const RedisServerException& failure) {
            thrown = failure.prefix() == "WRONGTYPE" && failure.project_id() == "alpha";
        }
        EXPECT_TRUE(thrown);
        bool refused = false;
        try {
            (void)co_await redis.command("FLUSHALL");
        } catch (const RedisProjectIsolationException& failure) {
            refused = failure.certainty() == Certainty::not_sent;
        }
        EXPECT_TRUE(refused);
        const boost::json::object health = co_await service.async_health_check();
        EXPECT_EQ(health.at("status").as_string(), "healthy");
    });
    EXPECT_EQ(raw().command({"GET", "proj:alpha:k"}), "$1\r\nv\r\n");
}

TEST_P(Async, AnOperationThatIsKeptIsBegunAnewEachTime) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    const auto kept = redis.incr("n");
    EXPECT_EQ(kept(asio::use_future).get(), 1);
    EXPECT_EQ(kept(asio::use_future).get(), 2);
    const auto refused = redis.command("FLUSHALL");
    EXPECT_THROW((void)refused(asio::use_future).get(), RedisProjectIsolationException);
    EXPECT_THROW((void)refused(asio::use_future).get(), RedisProjectIsolationException);
    auto batch = redis.batch<std::int64_t>();
    for (int i = 0; i < 100; ++i) batch.incr("n");
    const auto twice = std::move(batch).execute();
    EXPECT_EQ(twice(asio::use_future).get().back(), 102);
    EXPECT_EQ(twice(asio::use_future).get().back(), 202);
}

TEST_P(Async, PipelinesBatchesAndTransactions) {
    on_one_loop([](RedisService& service) -> asio::awaitable<void> {
        const auto redis = service.get_connection("alpha").async();
        const auto [set, number] = co_await redis.pipeline().set("a", "1").incr("a").execute();
        EXPECT_TRUE(set);
        EXPECT_EQ(number, 2);
        const auto parts = co_await redis.pipeline().lpop("a").get("a").try_execute();
        EXPECT_TRUE(parts);
        EXPECT_FALSE(std::get<0>(*parts));
        EXPECT_EQ(*std::get<1>(*parts), "2");

        auto batch = redis.batch<std::int64_t>();
        for (int i = 0; i < 500; ++i) batch.incr("n");
        const std::vector<std::int64_t> values = co_await std::move(batch).execute();
        EXPECT_EQ(values.size(), 500U);
        EXPECT_EQ(values.back(), 500);

        const auto done = co_await redis.transaction().incr("a").get("a").execute();
        EXPECT_EQ(done, std::make_tuple(std::int64_t{3}, MaybeText("3")));
        const auto inside = co_await redis.transaction().lpop("a").incr("a").try_execute();
        EXPECT_TRUE(inside && inside->has_value());
        const Error wrong_type = std::get<0>(**inside).error();
        EXPECT_EQ(wrong_type.certainty, Certainty::unknown);
        EXPECT_EQ(wrong_type.operation, "LPOP");
        EXPECT_EQ(wrong_type.origin->project_id, "alpha");
        EXPECT_EQ(*std::get<1>(**inside), 4);
    });
}

// GCC 12 miscompiles temporaries with destructors in a co_await: every kind of options and lists, under ASan too.
TEST_P(Async, ListsAndOptionsInsideACoAwait) {
    on_one_loop([](RedisService& service) -> asio::awaitable<void> {
        const auto redis = service.get_connection("alpha").async();
        const std::string text = "a value that is too long for the small string";
        EXPECT_TRUE(co_await redis.set(text + "1", text + text, {.px = 90s, .nx = true}));
        EXPECT_EQ(co_await redis.set_get(text + "1", "w", {.keepttl = true}), text + text);
        EXPECT_EQ(co_await redis.getex(text + "1", {.persist = true}), "w");
        EXPECT_TRUE(co_await redis.expire(text + "1", 1h, {.nx = true}));
        EXPECT_TRUE(co_await redis.pexpireat(text + "1", std::chrono::sys_seconds{4000000000s}, {.gt = true}));
        // What is expected has braces too, so it stands in expressions of its own.
        const ScanPage page = co_await redis.scan(0, {.match = "a value*", .count = 1000u, .type = "string"});
        EXPECT_EQ(page.keys, Texts{text + "1"});

        const std::array<TextPair, 2> pairs{{{"f", "1"}, {"g", "2"}}};
        EXPECT_EQ(co_await redis.hset("h", pairs), 2);
        const StringMap map = co_await redis.hgetall("h");
        EXPECT_EQ(map, (StringMap{{"f", "1"}, {"g", "2"}}));
        EXPECT_EQ((co_await redis.hscan("h", 0, {.match = "g", .count = 10u})).fields.size(), 1U);
        EXPECT_EQ(co_await redis.rpush("l", text, std::string("b"), "c", std::string_view("b")), 4);
        EXPECT_EQ(co_await redis.lpos("l", "b", {.rank = -1}), 3);
        EXPECT_EQ((co_await redis.lpos_all("l", "b", 0, {.maxlen = 2})).size(), 1U);

        const std::array<ScoreMemberView, 2> members{{{1, "x"}, {2, "y"}}};
        EXPECT_EQ(co_await redis.zadd("z", members, {.ch = true}), 2);
        EXPECT_EQ(co_await redis.zadd("z", 5, "x", {.xx = true, .gt = true, .ch = true}), 1);
        const Texts best =
            co_await redis.zrange_by_score("z", ScoreBound::open(1), ScoreBound::highest(), {.rev = true, .count = 1u});
        EXPECT_EQ(best, Texts{"x"});
        EXPECT_TRUE(
            (co_await redis.zrange_by_lex("z", LexBound::open("a"), LexBound::highest(), {.offset = 5})).empty());
        const std::array<std::string_view, 1> sets{"z"};
        const std::array<double, 1> weights{3};
        const auto joined = co_await redis.zunion_with_scores(sets, {.weights = weights, .aggregate = Aggregate::max});
        EXPECT_EQ(joined, (std::vector<ScoredMember>{{"y", 6}, {"x", 15}}));
        EXPECT_EQ((co_await redis.zscan("z", 0, {.count = 5u})).members.size(), 2U);

        const std::vector<std::string_view> keys{"h", "l", "none"};
        EXPECT_EQ(co_await redis.exists(keys), 2);
        const auto values = co_await redis.mget(text + "1", "none");
        EXPECT_EQ(values, (std::vector<MaybeText>{"w", std::nullopt}));
        EXPECT_EQ(co_await redis.with({.deadline = 30s, .retries = 1u}).del("h", text + "1"), 2);
        const auto [mset, gone] = co_await redis.pipeline().mset(pairs).del("f", "g").execute();
        EXPECT_EQ(gone, 2);
        EXPECT_EQ(mset, Ok{});
    });
}

TEST_P(Async, AThousandCoroutinesEachReadTheirOwnValue) {
    on_one_loop([](RedisService& service) -> asio::awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        int right = 0;
        int ended = 0;
        asio::steady_timer all(executor, asio::steady_timer::time_point::max());
        for (int i = 0; i < 1000; ++i) {
            asio::co_spawn(executor, read_own_value(service.get_connection("alpha").async(), i, right),
                           [&](std::exception_ptr failure) {
                               EXPECT_FALSE(failure);
                               if (++ended == 1000) all.cancel();
                           });
        }
        boost::system::error_code ignored;
        co_await all.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        EXPECT_EQ(right, 1000);
    });
}

TEST_P(Async, CoroutinesOfAnotherLoop) {
    RedisServiceConfig given = config();
    given.io_threads = 2;
    RedisService service(given);
    service.initialize();
    asio::io_context loop{1};
    const auto here = std::this_thread::get_id();
    std::array<int, 2> right{};
    int ended = 0;
    for (int i = 0; i < 1000; ++i) {
        const std::size_t project = i % 2 == 0 ? 0 : 1;
        asio::co_spawn(
            loop, read_own_value(service.get_connection(project == 0 ? "alpha" : "beta").async(), i, right[project]),
            [&](std::exception_ptr failure) {
                EXPECT_FALSE(failure);
                EXPECT_EQ(std::this_thread::get_id(), here);
                ++ended;
            });
    }
    expect_runs_out(loop);  // the service's connections are no work of this loop, waiting calls are
    EXPECT_EQ(ended, 1000);
    EXPECT_EQ(right, (std::array<int, 2>{500, 500}));
}

TEST_P(Async, CompletionTokens) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    std::future<bool> set = redis.set("k", "v")(asio::use_future);
    EXPECT_TRUE(set.get());
    std::future<MaybeText> got = redis.get("k")(asio::use_future);
    EXPECT_EQ(got.get(), "v");
    EXPECT_THROW(redis.lpop("k")(asio::use_future).get(), RedisServerException);
    EXPECT_EQ(redis.try_get("k")(asio::use_future).get().value(), "v");

    std::promise<MaybeText> promise;
    redis.get("k")([&](std::exception_ptr failure, MaybeText value) {
        if (failure) {
            promise.set_exception(failure);
        } else {
            promise.set_value(std::move(value));
        }
    });
    EXPECT_EQ(promise.get_future().get(), "v");

    asio::io_context loop{1};
    MaybeText on_loop;
    redis.get("k")(asio::bind_executor(loop, [&](std::exception_ptr, MaybeText value) { on_loop = std::move(value); }));
    expect_runs_out(loop);
    EXPECT_EQ(on_loop, "v");

    // An operation is a value: it may be kept, moved, and begun later.
    std::string key = "later";
    auto operation = redis.set(key, std::string("a temporary that is gone when the operation begins"));
    key = "changed";
    EXPECT_TRUE(std::move(operation)(asio::use_future).get());
    EXPECT_EQ(redis.get("later")(asio::use_future).get(), "a temporary that is gone when the operation begins");
}

REDOUBT_BOTH_SERVERS(Async);

}  // namespace
}  // namespace redoubt
