// service: commands that wait at the server, on every surface and both real servers: each has a connection of its own,
// and nobody else waits for it.
#include <future>
#include <optional>
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
using testing::expect_runs_out;
using testing::expect_soon;
using MaybeElement = std::optional<KeyedElement>;
using MaybeMember = std::optional<KeyedMember>;

class BlockingCommands : public testing::LiveServiceTest {
protected:
    void wait_for_blocked_clients(int count) {
        const std::string expected = "blocked_clients:" + std::to_string(count) + "\r";
        const TimePoint deadline = Clock::now() + testing::patience;
        while (!contains(raw().command({"INFO", "clients"}), expected) && Clock::now() < deadline) {
            std::this_thread::yield();
        }
        EXPECT_TRUE(contains(raw().command({"INFO", "clients"}), expected));
    }
};

TEST_P(BlockingCommands, TakeWhatIsThereAndStripTheKey) {
    RedisService service(config());
    service.initialize();
    const auto r = service.get_connection("alpha");
    r.rpush("l", {"a", "b", "c"});
    EXPECT_EQ(r.blpop("l", 1s), (MaybeElement{{"l", "a"}}));
    EXPECT_EQ(r.brpop({"none", "l"}, 1s), (MaybeElement{{"l", "c"}}));
    EXPECT_EQ(r.blmove("l", "m", ListEnd::left, ListEnd::right, 1s), "b");
    EXPECT_EQ(r.blpop({"l", "none"}, 10ms), std::nullopt);
    EXPECT_EQ(r.blmove("l", "m", ListEnd::left, ListEnd::right, 10ms), std::nullopt);
    r.zadd("z", 1, "low");
    r.zadd("z", 9, "high");
    EXPECT_EQ(r.bzpopmax({"none", "z"}, 1s), (MaybeMember{{"z", "high", 9}}));
    EXPECT_EQ(r.bzpopmin("z", 1s), (MaybeMember{{"z", "low", 1}}));
    EXPECT_EQ(r.bzpopmin("z", 10ms), std::nullopt);
    EXPECT_EQ(service.get_connection("beta").blpop("m", 10ms), std::nullopt);
}

TEST_P(BlockingCommands, LeaveTheOthersAlone) {
    RedisService service(config());
    service.initialize();
    const auto r = service.get_connection("alpha");
    auto waiting = std::async(std::launch::async, [&] { return r.blpop("l", 60s); });
    auto async = r.async().blpop("m", 60s)(asio::use_future);
    wait_for_blocked_clients(2);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(r.incr("n"), i + 1);
    r.rpush("l", "x");
    r.rpush("m", "y");
    EXPECT_EQ(waiting.get(), (MaybeElement{{"l", "x"}}));
    EXPECT_EQ(async.get(), (MaybeElement{{"m", "y"}}));
    wait_for_blocked_clients(0);
}

// Longer than one attempt may last otherwise, and than a whole call.
TEST_P(BlockingCommands, MayWaitLongerThanOtherCallsMayLast) {
    RedisServiceConfig short_times = config();
    short_times.attempt_timeout = 500ms;  // servers end a wait up to 100 ms late
    short_times.operation_timeout = 600ms;
    RedisService service(short_times);
    service.initialize();
    const auto r = service.get_connection("alpha").with({.deadline = std::nullopt});
    const TimePoint begin = Clock::now();
    EXPECT_EQ(r.blpop("l", 800ms), std::nullopt);
    EXPECT_EQ(r.async().blpop("l", 800ms)(asio::use_future).get(), std::nullopt);
    EXPECT_GE(Clock::now() - begin, 1500ms);
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
}

TEST_P(BlockingCommands, AWaitForEverNeedsAnEnd) {
    RedisService service(config());
    service.initialize();
    const auto r = service.get_connection("alpha");
    const Error blocking = error_of([&] { (void)r.blpop("l", 0s); });
    const Error async = error_of([&] { (void)r.async().blpop("l", 0s)(asio::use_future).get(); });
    for (const Error& error : {blocking, async}) {
        EXPECT_EQ(error.kind, ErrorKind::configuration);
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(error.message(), "deadline")) << error.message();
    }
    const auto hasty = r.with({.deadline = 100ms});
    for (const Error& error : {error_of([&] { (void)hasty.blpop("l", 0s); }),
                               error_of([&] { (void)hasty.async().blpop("l", 0s)(asio::use_future).get(); })}) {
        EXPECT_EQ(error.kind, ErrorKind::timeout);
        EXPECT_EQ(error.certainty, Certainty::unknown);
    }
    // The connections on which nobody waits any more are closed: an element does not get lost on them.
    wait_for_blocked_clients(0);
    r.rpush("l", "kept");
    EXPECT_EQ(r.lpop("l"), "kept");
    EXPECT_EQ(error_of([&] { (void)r.blpop("l", -1ms); }).kind, ErrorKind::configuration);
}

TEST_P(BlockingCommands, CancellingOneClosesItsConnection) {
    asio::io_context loop{1};
    RedisService service(loop, config());
    asio::cancellation_signal signal;
    std::optional<ErrorKind> kind;
    std::optional<Certainty> certainty;
    const auto wait = [&]() -> asio::awaitable<void> {
        const auto r = service.get_connection("alpha").async();
        try {
            (void)co_await r.blpop("l", 0s);  // for ever: the slot is its end
        } catch (const RedisException& failure) {
            kind = failure.error().kind;
            certainty = failure.certainty();
        }
    };
    asio::co_spawn(
        loop, [&]() -> asio::awaitable<void> { co_await service.async_initialize(); }, asio::detached);
    loop.run_for(50ms);
    asio::co_spawn(loop, wait(), asio::bind_cancellation_slot(signal.slot(), asio::detached));
    expect_soon(loop, [&] { return contains(raw().command({"INFO", "clients"}), "blocked_clients:1\r"); });
    signal.emit(asio::cancellation_type::terminal);
    expect_soon(loop, [&] { return kind.has_value(); });
    EXPECT_EQ(kind, ErrorKind::cancelled);
    EXPECT_EQ(certainty, Certainty::unknown);
    expect_soon(loop, [&] { return contains(raw().command({"INFO", "clients"}), "blocked_clients:0\r"); });
    service.close();
    expect_runs_out(loop);
}

TEST_P(BlockingCommands, InPipelinesAndTransactions) {
    RedisService service(config());
    service.initialize();
    const auto r = service.get_connection("alpha");
    const auto [first, pushed, second] = r.pipeline().blpop("l", 10ms).rpush("l", "a").blpop("l", 1s).execute();
    EXPECT_EQ(first, std::nullopt);
    EXPECT_EQ(pushed, 1);
    EXPECT_EQ(second, (MaybeElement{{"l", "a"}}));
    // Inside a transaction none waits.
    const auto done = r.transaction().blpop("l", 60s).incr("n").execute();
    EXPECT_EQ(done, std::make_tuple(MaybeElement{}, std::int64_t{1}));
    auto batch = r.batch<MaybeElement>();
    batch.blpop("l", 10ms);
    batch.brpop("l", 10ms);
    EXPECT_EQ(std::move(batch).execute(), (std::vector<MaybeElement>{std::nullopt, std::nullopt}));
}

TEST_P(BlockingCommands, EndWithTheService) {
    std::future<MaybeElement> blocking;
    std::future<MaybeElement> async;
    {
        RedisService service(config());
        service.initialize();
        const auto r = service.get_connection("alpha");
        blocking = std::async(std::launch::async, [r] { return r.blpop("l", 60s); });
        async = r.async().blpop("l", 60s)(asio::use_future);
        wait_for_blocked_clients(2);
    }
    for (std::future<MaybeElement>* const one : {&blocking, &async}) {
        const Error error = error_of([&] { (void)one->get(); });
        EXPECT_EQ(error.kind, ErrorKind::connection);
        EXPECT_EQ(error.certainty, Certainty::unknown);
    }
}

REDOUBT_BOTH_SERVERS(BlockingCommands);

}  // namespace
}  // namespace redoubt
