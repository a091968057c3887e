// service: how async calls end before their answers: cancelled, or closed under way; and that the loop then ends,
// against both real servers.
#include <redoubt/service/service.hpp>

#include <future>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::expect_runs_out;
using testing::expect_soon;
using testing::patience;
using testing::run_ready;
using MaybeText = std::optional<std::string>;

class AsyncEnd : public testing::LiveServiceTest {};

TEST_P(AsyncEnd, ACancelledCallLeavesItsReplyToNobody) {
    asio::io_context loop{1};
    RedisService service(loop, config());
    service.initialize();  // the blocking form needs no loop
    const auto redis = service.get_connection("alpha").async();
    (void)service.get_connection("alpha").set("cancelled", "its value");
    std::optional<Error> cancelled;
    std::optional<MaybeText> total;
    std::vector<std::int64_t> numbers;
    const auto count = [&](std::exception_ptr failure, std::int64_t value) {
        EXPECT_FALSE(failure);
        numbers.push_back(value);
    };
    redis.incr("n")(count);
    expect_soon(loop, [&] { return numbers.size() == 1; });

    server().pause();
    asio::cancellation_signal terminal;
    asio::cancellation_signal gentle;
    redis.incr("n")(count);
    redis.try_get("cancelled")(asio::bind_cancellation_slot(terminal.slot(), [&](result<MaybeText> outcome) {
        ASSERT_FALSE(outcome);
        cancelled = outcome.error();
    }));
    redis.get("cancelled")(
        asio::bind_cancellation_slot(gentle.slot(), [&](std::exception_ptr failure, MaybeText value) {
            EXPECT_FALSE(failure);
            total = std::move(value);
        }));
    redis.incr("n")(count);
    run_ready(loop);
    gentle.emit(asio::cancellation_type::total);  // is not honoured for what is written
    terminal.emit(asio::cancellation_type::terminal);
    run_ready(loop);
    ASSERT_TRUE(cancelled);
    EXPECT_EQ(cancelled->kind, ErrorKind::cancelled);
    EXPECT_EQ(cancelled->certainty, Certainty::unknown);
    EXPECT_EQ(cancelled->stage, Stage::sent);
    redis.incr("n")(count);
    run_ready(loop);
    EXPECT_EQ(numbers.size(), 1U);

    server().resume();
    expect_soon(loop, [&] { return numbers.size() == 4; });
    EXPECT_EQ(numbers, (std::vector<std::int64_t>{1, 2, 3, 4}));
    EXPECT_EQ(total, MaybeText("its value"));
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    service.close();
    expect_runs_out(loop);
}

TEST_P(AsyncEnd, ACoroutineThatIsCancelledStopsAndTheOthersGoOn) {
    asio::io_context loop{1};
    RedisService service(loop, config());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    server().pause();
    asio::cancellation_signal signal;
    bool stopped = false;
    MaybeText other;
    asio::co_spawn(
        loop,
        [&]() -> asio::awaitable<void> {
            try {
                (void)co_await redis.get("k");
            } catch (const RedisCancelledException&) {
                stopped = true;
            }
        },
        asio::bind_cancellation_slot(signal.slot(), asio::detached));
    redis.set_get("k", "v", {})([&](std::exception_ptr, MaybeText) {});
    redis.get("k")([&](std::exception_ptr, MaybeText value) { other = std::move(value); });
    run_ready(loop);
    signal.emit(asio::cancellation_type::terminal);
    run_ready(loop);
    EXPECT_TRUE(stopped);
    server().resume();
    expect_soon(loop, [&] { return other.has_value(); });
    EXPECT_EQ(other, "v");
    service.close();
    expect_runs_out(loop);
}

TEST_P(AsyncEnd, CloseCallsEveryHandlerAndLetsTheLoopEnd) {
    asio::io_context loop{1};
    auto settings = config();
    settings.drain_timeout = 50ms;  // before the attempts' own time is over
    RedisService service(loop, settings);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    MaybeText warm = "not called";
    redis.get("k")([&](std::exception_ptr, MaybeText value) { warm = std::move(value); });
    expect_soon(loop, [&] { return !warm; });
    server().pause();
    std::vector<Error> errors;
    for (int i = 0; i < 100; ++i) {
        redis.try_incr("n")([&](result<std::int64_t> outcome) {
            ASSERT_FALSE(outcome);
            errors.push_back(outcome.error());
        });
    }
    run_ready(loop);
    for (int i = 0; i < 100; ++i) {  // these are not written
        redis.try_incr("n")([&](result<std::int64_t> outcome) {
            ASSERT_FALSE(outcome);
            errors.push_back(outcome.error());
        });
    }
    EXPECT_TRUE(errors.empty());
    service.close();
    expect_runs_out(loop);
    ASSERT_EQ(errors.size(), 200U);
    for (const Error& error : errors) EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
    EXPECT_EQ(errors.front().certainty, Certainty::unknown);

    // A handle that outlives its service gives errors and does not hang.
    bool refused = false;
    redis.try_get("k")([&](result<MaybeText> outcome) { refused = !outcome; });
    expect_runs_out(loop);
    EXPECT_TRUE(refused);
}

TEST_P(AsyncEnd, CloseOfAServiceWithItsOwnThreadsAnswersEveryFuture) {
    auto settings = config();
    settings.drain_timeout = 50ms;
    RedisService service(settings);
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    redis.incr("n")(asio::use_future).get();
    server().pause();
    std::vector<std::future<std::int64_t>> futures;
    for (int i = 0; i < 200; ++i) futures.push_back(redis.incr("n")(asio::use_future));
    service.close();
    for (auto& future : futures) {
        ASSERT_EQ(future.wait_for(patience), std::future_status::ready);
        EXPECT_THROW(future.get(), RedisConnectionException);
    }
}

REDOUBT_BOTH_SERVERS(AsyncEnd);

}  // namespace
}  // namespace redoubt
