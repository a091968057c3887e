// service: a master that Sentinels watch: it is found, and followed by every kind of caller, on both real servers.
#include <redoubt/service/service.hpp>

#include <atomic>
#include <future>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include "embedded/server_files.hpp"
#include "support/processes.hpp"
#include "support/sentinel_group.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::error_of;
using testing::eventually;
using testing::FailoverClock;

constexpr Duration patience = 30s;

class SentinelService : public testing::SentinelGroupTest {};

TEST_P(SentinelService, FindsTheMasterByWhicheverSentinelAnswers) {
    const embedded::PortReservation nobody;
    RedisServiceConfig given = config();
    given.url = "redis+sentinel://127.0.0.1:" + std::to_string(nobody.port()) +
                ",127.0.0.1:" + std::to_string(group().sentinel(1).port()) + "/0?master=mymaster";
    RedisService service(given);
    service.initialize();
    const auto redis = service.get_connection("alpha");
    redis.set("k", "blocking");
    EXPECT_EQ(node(0).command({"GET", "proj:alpha:k"}), "$8\r\nblocking\r\n");
    EXPECT_EQ(redis.async().get("k")(boost::asio::use_future).get(), "blocking");
}

TEST_P(SentinelService, LogsInAtBothKindsOfServers) {
    EmbeddedSentinelOptions guarded = options();
    guarded.password = "data-secret";
    guarded.sentinel_password = "watch-secret";
    guarded.replicas = 1;
    start(guarded);
    RedisService service(config());
    service.initialize();
    service.get_connection("alpha").set("k", "v");

    RedisServiceConfig wrong = config();
    const auto at = wrong.url.find("watch-secret");
    wrong.url.replace(at, 12, "wrong-secret");
    wrong.max_retries = 0;
    RedisService other(wrong);
    const Error error = error_of([&] { other.initialize(); });
    EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
    EXPECT_TRUE(contains(error.message(), "no Sentinel leads to the master 'mymaster'")) << error.message();
    EXPECT_TRUE(contains(error.message(), "WRONGPASS")) << error.message();
    EXPECT_FALSE(contains(error.message(), "wrong-secret")) << error.message();
}

TEST_P(SentinelService, SaysWhatEachSentinelSaidWhenTheMasterIsNotFound) {
    RedisServiceConfig given = config();
    given.url.replace(given.url.find("mymaster"), 8, "othername");
    given.max_retries = 0;
    RedisService service(given);
    const Error error = error_of([&] { service.initialize(); });
    EXPECT_EQ(error.kind, ErrorKind::connection);
    EXPECT_EQ(error.certainty, Certainty::not_sent);
    EXPECT_TRUE(contains(error.message(), "no Sentinel leads to the master 'othername'")) << error.message();
    EXPECT_TRUE(contains(error.message(), "does not know a master of that name")) << error.message();
}

TEST_P(SentinelService, CallsThatComeBeforeTheSentinelsAreThereWaitForThem) {
    for (std::size_t i = 0; i != group().sentinels(); ++i) group().sentinel(i).pause();
    RedisServiceConfig given = config();
    RedisService service(given);
    auto ready = std::async(std::launch::async, [&] { service.initialize(); });
    EXPECT_EQ(ready.wait_for(100ms), std::future_status::timeout);
    for (std::size_t i = 0; i != group().sentinels(); ++i) group().sentinel(i).resume();
    ready.get();
    service.get_connection("alpha").set("k", "v");
}

// Who waits for a hung master's answer, blocking or not, is moved as soon as there is another one, long before its own
// time is over.
TEST_P(SentinelService, CallersAtAHungMasterAreMovedWithinASecondOfThePromotion) {
    RedisServiceConfig given = config();
    given.attempt_timeout = 60s;
    given.operation_timeout = 60s;
    RedisService service(given);
    service.initialize();
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    ASSERT_EQ(redis.async().get("k")(boost::asio::use_future).get(), "v");
    ASSERT_TRUE(testing::replicas_have_it(node(0), 2));
    FailoverClock clock(group());
    const TimePoint began = Clock::now();
    group().node(0).pause();
    auto blocking = std::async(std::launch::async, [&] {
        const auto got = redis.get("k");
        return std::pair(got, Clock::now());
    });
    auto async = redis.async().get("k")(boost::asio::use_future);
    auto written = redis.async().incr("n")(boost::asio::use_future);
    const TimePoint promoted = clock.announced(began);
    const auto [got, at] = blocking.get();
    EXPECT_EQ(got, "v");
    EXPECT_EQ(async.get(), "v");
    EXPECT_LT(Clock::now() - promoted, 1s);
    EXPECT_LT(at - promoted, 1s);
    // It may have been executed there.
    EXPECT_EQ(error_of([&] { written.get(); }).certainty, Certainty::unknown);
    redis.set("k", "new");
    // A Sentinel that has not followed yet would name the one that hangs.
    EXPECT_EQ(node(group().wait_for_another_master(0)).command({"GET", "proj:alpha:k"}), "$3\r\nnew\r\n");
    group().node(0).resume();
}

// Nothing fails, and so nobody who only reads is to notice, whichever way it reads.
TEST_P(SentinelService, ReadersDoNotNoticeAFailoverOnRequest) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    ASSERT_TRUE(testing::replicas_have_it(node(0), 2));
    std::atomic<std::size_t> reads{0};
    const auto read = [&](const std::stop_token& stop, auto get) {
        while (!stop.stop_requested()) {
            EXPECT_EQ(get(), "v");
            ++reads;
        }
    };
    std::vector<std::jthread> readers;
    for (int i = 0; i != 2; ++i) {
        readers.emplace_back([&](const std::stop_token& stop) { read(stop, [&] { return redis.get("k"); }); });
        readers.emplace_back([&](const std::stop_token& stop) {
            read(stop, [&] { return redis.async().get("k")(boost::asio::use_future).get(); });
        });
    }
    const std::size_t old = group().begin_failover();
    const std::size_t heir = group().wait_for_another_master(old);
    EXPECT_TRUE(eventually([&, before = reads.load()] { return reads.load() > before + 1000; }));
    EXPECT_TRUE(eventually([&] {
        try {
            redis.set("moved", "yes");
        } catch (const RedisException& failure) {
            if (failure.error().certainty == Certainty::unknown) return false;
            throw;
        }
        return true;
    }));
    readers.clear();
    EXPECT_EQ(node(heir).command({"GET", "proj:alpha:moved"}), "$3\r\nyes\r\n");
}

// Somebody has made another node the master and told the Sentinels so, who announce nothing.
TEST_P(SentinelService, AReadonlyAnswerIsRejectedAndMakesItLookAgain) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    const std::string port0 = std::to_string(group().node(0).port());
    const std::string port1 = std::to_string(group().node(1).port());
    for (std::size_t i = 0; i != group().sentinels(); ++i) {
        testing::RawClient(group().sentinel(i)).command({"SENTINEL", "REMOVE", "mymaster"});
    }
    node(1).command({"REPLICAOF", "NO", "ONE"});
    node(0).command({"REPLICAOF", "127.0.0.1", port1});
    const Error error = error_of([&] { redis.with({.retries = 0}).set("k", "refused"); });
    EXPECT_EQ(error.prefix(), "READONLY") << error.message();
    EXPECT_EQ(error.certainty, Certainty::rejected);
    for (std::size_t i = 0; i != group().sentinels(); ++i) {
        testing::RawClient(group().sentinel(i)).command({"SENTINEL", "MONITOR", "mymaster", "127.0.0.1", port1, "2"});
    }
    EXPECT_TRUE(eventually([&] {
        try {
            redis.with({.retries = 0}).set("k", "new");
            return true;
        } catch (const RedisServerException& refused) {
            if (refused.prefix() != "READONLY") throw;
            return false;
        } catch (const RedisConnectionException&) {
            return false;  // the server closes its clients' connections when it becomes a replica
        }
    }));
    EXPECT_EQ(node(1).command({"GET", "proj:alpha:k"}), "$3\r\nnew\r\n");
}

TEST_P(SentinelService, SubscribersAndBlockingCommandsGoToTheNewMaster) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    Subscriber subscriber = redis.subscriber();
    subscriber.subscribe("news");
    auto popped = std::async(std::launch::async, [&redis, until = Clock::now() + 2 * patience] {
        std::string last;
        while (Clock::now() < until) {
            try {
                if (const auto got = redis.blpop("queue", 20s)) return got->element;
            } catch (const RedisException& failure) {
                last = failure.what();
                std::this_thread::yield();  // its connection was lost with the master, and it comes again
            }
        }
        return "nothing came: " + last;
    });
    const std::size_t old = group().kill_master();
    const std::size_t heir = group().wait_for_another_master(old);
    EXPECT_TRUE(eventually([&] {
        return node(heir).command({"PUBSUB", "NUMSUB", "proj:alpha:news"}).find(":1\r\n") != std::string::npos;
    }));
    node(heir).command({"PUBLISH", "proj:alpha:news", "hello"});
    bool heard = false;
    for (const TimePoint until = Clock::now() + patience; !heard && Clock::now() < until;) {
        if (const auto event = subscriber.receive(1s)) heard = event->payload == "hello";
    }
    EXPECT_TRUE(heard);
    node(heir).command({"RPUSH", "proj:alpha:queue", "job"});
    EXPECT_EQ(popped.get(), "job");
}

TEST_P(SentinelService, HealthListsTheMasterAndItsReplicasWithTheirLag) {
    group().wait_until_whole();
    RedisService service(config());
    service.initialize();
    const boost::json::value health = service.health_check();
    EXPECT_EQ(health.at("status").as_string(), "healthy") << boost::json::serialize(health);
    const boost::json::array& nodes = health.at("nodes").as_array();
    ASSERT_EQ(nodes.size(), 3u) << boost::json::serialize(health);
    std::set<std::string> endpoints;
    for (const boost::json::value& one : nodes) {
        endpoints.emplace(one.at("endpoint").as_string());
        EXPECT_EQ(one.at("role").as_string(), endpoints.size() == 1 ? "master" : "replica");
        if (endpoints.size() == 1) continue;
        EXPECT_EQ(one.at("state").as_string(), "online");
        EXPECT_EQ(one.at("master"), nodes.front().at("endpoint"));
        EXPECT_GE(one.at("lag_bytes").to_number<std::int64_t>(), 0);
        EXPECT_LE(one.at("lag_seconds").to_number<std::int64_t>(), 10);
    }
    for (std::size_t i = 0; i != 3; ++i) {
        EXPECT_TRUE(endpoints.contains("127.0.0.1:" + std::to_string(group().node(i).port())));
    }
}

TEST_P(SentinelService, ClosingEndsTheSearch) {
    for (std::size_t i = 0; i != group().sentinels(); ++i) group().sentinel(i).pause();
    RedisServiceConfig given = config();
    RedisService service(given);
    auto ready = std::async(std::launch::async, [&] { service.initialize(); });
    EXPECT_EQ(ready.wait_for(50ms), std::future_status::timeout);
    for (std::size_t i = 0; i != group().sentinels(); ++i) group().sentinel(i).resume();
    ready.get();
    for (std::size_t i = 0; i != group().sentinels(); ++i) group().sentinel(i).pause();
    const TimePoint began = Clock::now();
    service.close();
    EXPECT_LT(Clock::now() - began, 5s);
}

INSTANTIATE_TEST_SUITE_P(BothServers, SentinelService, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return testing::short_name(parameter.param); });

}  // namespace
}  // namespace redoubt
