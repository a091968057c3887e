// service: subscribers on both real servers: own messages alone, nothing lost without a word, nobody left waiting.
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;
using Kind = SubscriptionEvent::Kind;
constexpr auto patience = testing::patience;

std::string line(const std::optional<SubscriptionEvent>& event) {
    if (!event) return "nothing";
    if (event->kind == Kind::gap) return "gap";
    return event->channel + (event->pattern.empty() ? "" : "|" + event->pattern) + "=" + event->payload;
}

class Subscribers : public testing::LiveServiceTest {
protected:
    void publish(const std::string& channel, const std::string& text) { raw().command({"PUBLISH", channel, text}); }
    /// Until the server says so of the pool `alpha`.
    void expect_clients(const std::string& name, std::size_t count) {
        const TimePoint deadline = Clock::now() + patience;
        const auto now = [&] {
            std::size_t found = 0;
            const std::string list = raw().command({"CLIENT", "LIST", "TYPE", "pubsub"});
            for (auto at = list.find("name=" + name); at != std::string::npos; at = list.find("name=" + name, at + 1)) {
                ++found;
            }
            return found;
        };
        while (now() != count && Clock::now() < deadline) std::this_thread::yield();
        EXPECT_EQ(now(), count);
    }
};

TEST_P(Subscribers, HearTheirOwnProjectAlone) {
    for (const Protocol protocol : {Protocol::resp2, Protocol::resp3}) {
        auto settings = config();
        settings.protocol = protocol;
        RedisService service(settings);
        service.initialize();
        Subscriber alpha = service.get_connection("alpha").subscriber();
        Subscriber alphabet = service.get_connection("alphabet").subscriber();
        alpha.subscribe("news", "binary\r\n");
        alpha.psubscribe("n*", "[x]");
        alphabet.psubscribe("*");
        publish("news", "of nobody");
        publish("proj:beta:news", "of beta");
        publish("proj:alpha:news", "of alpha");
        publish("proj:alpha:x", "one of a set");
        publish("proj:alpha:binary\r\n", std::string("\0\r\n\xff", 4));
        publish("proj:alphabet:news", "of alphabet");
        std::vector<std::string> heard;
        while (heard.size() != 4) heard.push_back(line(alpha.receive(patience)));
        std::sort(heard.begin(), heard.begin() + 2);  // a channel and a pattern have no order between them
        EXPECT_EQ(heard, (std::vector<std::string>{"news=of alpha", "news|n*=of alpha", "x|[x]=one of a set",
                                                   "binary\r\n=" + std::string("\0\r\n\xff", 4)}));
        EXPECT_EQ(line(alphabet.receive(patience)), "news|*=of alphabet");
        EXPECT_EQ(line(alpha.receive(1ms)), "nothing");
        EXPECT_EQ(line(alphabet.receive(1ms)), "nothing");
    }
}

TEST_P(Subscribers, HearShardedChannelsAndKeyEvents) {
    testing::RawClient(server()).command({"CONFIG", "SET", "notify-keyspace-events", "KEA"});
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    Subscriber subscriber = redis.subscriber();
    const std::string_view shard = "shard";
    const std::string_view users = "user:*";
    subscriber.subscribe(Subscribed::shard_channel, {&shard, 1});
    subscriber.subscribe(Subscribed::keyspace, {&users, 1});
    raw().command({"SPUBLISH", "proj:alpha:shard", "s"});
    EXPECT_EQ(line(subscriber.receive(patience)), "shard=s");
    service.get_connection("beta").set("user:1", "v");
    redis.set("other", "v");
    redis.set("user:1", "v");
    redis.del("user:1");
    EXPECT_EQ(line(subscriber.receive(patience)), "user:1|user:*=set");
    EXPECT_EQ(line(subscriber.receive(patience)), "user:1|user:*=del");
    subscriber.unsubscribe(Subscribed::keyspace, {&users, 1});
    subscriber.unsubscribe(Subscribed::shard_channel, {&shard, 1});
    expect_clients("redoubt", 0);  // nothing is wanted: it keeps no connection
    subscriber.subscribe("again");
    publish("proj:alpha:again", "1");
    EXPECT_EQ(line(subscriber.receive(patience)), "again=1");
}

TEST_P(Subscribers, ComeBackWithAGap) {
    auto settings = config();
    settings.retry_delay = 1ms;
    settings.retry_delay_max = 10ms;
    RedisService service(settings);
    service.initialize();
    Subscriber subscriber = service.get_connection("alpha").subscriber();
    subscriber.subscribe("a");
    subscriber.psubscribe("b*");
    for (int round = 0; round != 5; ++round) {
        raw().command({"CLIENT", "KILL", "TYPE", "pubsub"});
        EXPECT_EQ(line(subscriber.receive(patience)), "gap");
        publish("proj:alpha:a", std::to_string(round));
        publish("proj:alpha:bc", std::to_string(round));
        EXPECT_EQ(line(subscriber.receive(patience)), "a=" + std::to_string(round));
        EXPECT_EQ(line(subscriber.receive(patience)), "bc|b*=" + std::to_string(round));
    }
}

TEST_P(Subscribers, ComeBackBehindARestart) {
    auto settings = config();
    settings.retry_delay = 1ms;
    settings.retry_delay_max = 10ms;
    settings.circuit_breaker = {.failure_threshold = 2, .recovery_timeout = 20ms, .success_threshold = 1};
    RedisService service(settings);
    service.initialize();
    Subscriber subscriber = service.get_connection("alpha").subscriber();
    subscriber.subscribe("a");
    server().kill();
    EXPECT_EQ(line(subscriber.receive(10ms)), "nothing");
    server().restart();
    EXPECT_EQ(line(subscriber.receive(patience)), "gap");
    testing::RawClient(server()).command({"PUBLISH", "proj:alpha:a", "back"});
    EXPECT_EQ(line(subscriber.receive(patience)), "a=back");
}

TEST_P(Subscribers, NoticeAServerThatHangs) {
    auto settings = config();
    settings.attempt_timeout = 50ms;
    settings.connection_timeout = 100ms;
    settings.retry_delay = 1ms;
    settings.circuit_breaker = {.failure_threshold = 100};
    RedisService service(settings);
    service.initialize();
    Subscriber subscriber = service.get_connection("alpha").subscriber({.ping_interval = 20ms});
    subscriber.subscribe("a");
    expect_clients("redoubt", 1);
    // Several silences are answered.
    EXPECT_EQ(line(subscriber.receive(200ms)), "nothing");
    server().pause();
    const Error late =
        error_of([&] { service.get_connection("beta").with({.deadline = 500ms}).subscriber().subscribe("b"); });
    EXPECT_EQ(late.kind, ErrorKind::timeout);
    EXPECT_NE(late.cause, nullptr);
    server().resume();
    EXPECT_EQ(line(subscriber.receive(patience)), "gap");
}

TEST_P(Subscribers, SayWhatTheServerRefuses) {
    raw().command({"ACL", "SETUSER", "listener", "on", ">secret", "~*", "+@all", "resetchannels", "&proj:alpha:open"});
    auto settings = config();
    settings.url = "unix://listener:secret@" + server().socket_path();
    RedisService service(settings);
    service.initialize();
    Subscriber subscriber = service.get_connection("alpha").subscriber();
    const Error refused = error_of([&] { subscriber.subscribe("open", "closed"); });
    EXPECT_EQ(refused.kind, ErrorKind::authentication);
    EXPECT_EQ(refused.operation, "SUBSCRIBE");
    EXPECT_FALSE(contains(refused.message(), "proj:alpha:closed")) << refused.message();
    publish("proj:alpha:closed", "1");
    publish("proj:alpha:open", "2");
    EXPECT_EQ(line(subscriber.receive(patience)), "open=2");
}

TEST_P(Subscribers, AreBoundedByThePool) {
    auto settings = config();
    settings.retry_delay = 1ms;
    settings.retry_delay_max = 10ms;
    RedisService service(settings);
    service.initialize();
    const auto redis = service.get_connection("alpha").with({.deadline = 300ms});
    std::vector<Subscriber> all;
    Error refused;
    for (int i = 0; i != 20; ++i) {
        all.push_back(redis.subscriber());
        try {
            all.back().subscribe("a");
        } catch (const RedisException& failure) {
            refused = failure.error();
            break;
        }
    }
    EXPECT_EQ(all.size(), 9u);  // eight may be leased of ten
    ASSERT_NE(refused.cause, nullptr);
    EXPECT_EQ(refused.cause->kind, ErrorKind::pool_exhausted);
    redis.set("k", "others are served");
    all.erase(all.begin());
    publish("proj:alpha:a", "x");
    EXPECT_EQ(line(all.front().receive(patience)), "a=x");
    all.back().subscribe("a");  // one has come free
}

TEST_P(Subscribers, AreToldWhenItEnds) {
    std::optional<RedisService> service;
    service.emplace(config());
    service->initialize();
    const auto redis = service->get_connection("alpha");
    Subscriber subscriber = redis.subscriber();
    subscriber.subscribe("a");
    publish("proj:alpha:a", "heard");
    auto loop = std::async(std::launch::async, [&] {
        std::vector<std::string> all;
        for (const SubscriptionEvent& event : subscriber) {
            all.push_back(line(event));
            if (all.size() == 2) subscriber.close();
        }
        return all;
    });
    publish("proj:alpha:a", "and more");
    ASSERT_EQ(loop.wait_for(patience), std::future_status::ready);
    EXPECT_EQ(loop.get(), (std::vector<std::string>{"a=heard", "a=and more"}));
    EXPECT_TRUE(contains(error_of([&] { subscriber.subscribe("b"); }).message(), "the subscriber is closed"));
    expect_clients("redoubt", 0);

    Subscriber other = redis.subscriber();
    other.subscribe("a");
    auto waiting = std::async(std::launch::async, [&] { return error_of([&] { (void)other.receive(patience); }); });
    service->close();
    ASSERT_EQ(waiting.wait_for(patience), std::future_status::ready);
    EXPECT_EQ(waiting.get().kind, ErrorKind::connection);
    EXPECT_EQ(error_of([&] { redis.subscriber().subscribe("a"); }).kind, ErrorKind::connection);
    service.reset();
    EXPECT_EQ(error_of([&] { (void)other.receive(1ms); }).kind, ErrorKind::connection);
}

TEST_P(Subscribers, ServeCoroutinesOnAnyLoop) {
    using namespace asio::experimental::awaitable_operators;
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    asio::io_context loop;
    std::vector<std::string> heard;
    bool timed_out = false;
    asio::co_spawn(
        loop,
        [&]() -> asio::awaitable<void> {
            Subscriber subscriber = redis.subscriber();
            co_await subscriber.async_subscribe(Subscribed::channel, "a", "b");
            asio::steady_timer timer(co_await asio::this_coro::executor, 20ms);
            auto first = co_await (subscriber.async_receive() || timer.async_wait(asio::use_awaitable));
            timed_out = first.index() == 1;
            for (int i = 0; i != 100; ++i) publish("proj:alpha:a", std::to_string(i));
            for (int i = 0; i != 100; ++i) heard.push_back(line(co_await subscriber.async_receive()));
        },
        [](std::exception_ptr failed) {
            if (failed) std::rethrow_exception(failed);
        });
    testing::expect_runs_out(loop);
    EXPECT_TRUE(timed_out);
    ASSERT_EQ(heard.size(), 100u);
    for (int i = 0; i != 100; ++i) EXPECT_EQ(heard[static_cast<std::size_t>(i)], "a=" + std::to_string(i));
}

TEST_P(Subscribers, OutliveTheLoopsOfTheirCallers) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    Subscriber subscriber = redis.subscriber();
    {
        asio::io_context loop;
        bool subscribed = false;
        asio::co_spawn(loop, subscriber.async_subscribe(Subscribed::channel, "a"),
                       [&](std::exception_ptr failed) { subscribed = !failed; });
        loop.run();  // ends when the subscription stands, not at its deadline
        EXPECT_TRUE(subscribed);
        asio::co_spawn(
            loop,
            [&]() -> asio::awaitable<void> {
                for (;;) (void)co_await subscriber.async_receive();
            },
            asio::detached);
        loop.restart();
        loop.run_for(10ms);  // it is destroyed while the coroutine waits
    }
    publish("proj:alpha:a", "later");
    EXPECT_EQ(line(subscriber.receive(patience)), "a=later");
    // Called, and begun when the subscriber is somewhere else.
    asio::io_context loop;
    auto event = asio::co_spawn(loop, subscriber.async_receive(), asio::use_future);
    Subscriber moved = std::move(subscriber);
    publish("proj:alpha:a", "moved");
    loop.run();
    EXPECT_EQ(line(event.get()), "a=moved");
    // For ever is a time, too.
    redis.with({.deadline = Duration::max()}).subscriber().subscribe("b");
}

TEST_P(Subscribers, ServeLoopsOfSeveralThreads) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    Subscriber subscriber = redis.subscriber({.max_buffered = 1'000'000});
    subscriber.subscribe("a");
    constexpr int count = 2000;
    asio::thread_pool pool(3);
    auto received = asio::co_spawn(
        pool,
        [&]() -> asio::awaitable<int> {
            int next = 0;
            while (next != count) {
                const SubscriptionEvent event = co_await subscriber.async_receive();
                if (event.payload != std::to_string(next)) co_return -1;
                ++next;
            }
            co_return next;
        },
        asio::use_future);
    for (int i = 0; i != count; ++i) publish("proj:alpha:a", std::to_string(i));
    ASSERT_EQ(received.wait_for(patience), std::future_status::ready);
    EXPECT_EQ(received.get(), count);
}

TEST_P(Subscribers, ServeTheApplicationsOwnLoop) {
    asio::io_context loop;
    std::string heard;
    RedisService service(loop, config());
    asio::co_spawn(
        loop,
        [&]() -> asio::awaitable<void> {
            co_await service.async_initialize();
            const auto redis = service.get_connection("alpha");
            Subscriber subscriber = redis.subscriber();
            co_await subscriber.async_subscribe(Subscribed::channel, "a");
            publish("proj:alpha:a", "here");
            heard = line(co_await subscriber.async_receive());
            subscriber.close();
            service.close();
        },
        [](std::exception_ptr failed) {
            if (failed) std::rethrow_exception(failed);
        });
    testing::expect_runs_out(loop);
    EXPECT_EQ(heard, "a=here");
}

TEST_P(Subscribers, LoseNothingInAFlood) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    Subscriber subscriber = redis.subscriber({.max_buffered = 1'000'000});
    Subscriber paused = redis.subscriber({.max_buffered = 10, .overflow = SubscriptionOverflow::pause});
    subscriber.subscribe("a");
    paused.subscribe("a");
    constexpr int count = 20'000;
    auto publisher = std::async(std::launch::async, [&] {
        testing::RawClient flood(server());
        for (int i = 0; i != count; ++i) flood.command({"PUBLISH", "proj:alpha:a", std::to_string(i)});
    });
    for (Subscriber* one : {&subscriber, &paused}) {
        for (int i = 0; i != count; ++i) ASSERT_EQ(line(one->receive(patience)), "a=" + std::to_string(i));
        EXPECT_EQ(one->dropped(), 0u);
    }
    publisher.get();
}

TEST_P(Subscribers, LeaveNothingBehindWhenTheyGoBeforeTheyAreConnected) {
    auto settings = config();
    settings.max_connects_per_second = 1;  // so they wait for their turn
    settings.limits_of_project = [](std::string_view) { return ProjectLimits{.max_connections = 3}; };
    settings.connection_timeout = testing::patience;
    RedisService service(settings);
    service.initialize();
    const auto redis = service.get_connection("alpha");
    (void)redis.async().get("k")(boost::asio::use_future).get();
    int gone = 0;
    for (int i = 0; i != 40; ++i) {
        Subscriber subscriber = redis.with({.deadline = 2ms}).subscriber();
        try {
            subscriber.subscribe("news");
        } catch (const RedisOperationTimeoutException&) {
            ++gone;
        }
    }
    EXPECT_GT(gone, 20);
    // One connection of the project can be leased: it is free.
    EXPECT_EQ(redis.blpop("none", 10ms), std::nullopt);
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
}

TEST_P(Subscribers, RefuseWhatCannotBe) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    EXPECT_EQ(error_of([&] { (void)redis.subscriber({.max_buffered = 0}); }).kind, ErrorKind::configuration);
    EXPECT_EQ(error_of([&] { (void)redis.subscriber({.ping_interval = 0s}); }).kind, ErrorKind::configuration);
    // On the service's own I/O thread a blocking wait would wait for itself.
    auto refused = std::make_shared<std::promise<ErrorKind>>();
    auto outcome = refused->get_future();
    redis.async().ping()([refused, redis](std::exception_ptr, const std::string&) {
        refused->set_value(error_of([&] { redis.subscriber().subscribe("a"); }).kind);
    });
    ASSERT_EQ(outcome.wait_for(patience), std::future_status::ready);
    EXPECT_EQ(outcome.get(), ErrorKind::configuration);
}

REDOUBT_BOTH_SERVERS(Subscribers);

}  // namespace
}  // namespace redoubt
