// dispatch: calls through the topology of Sentinels: the master is found, and when it is another one, calls of every kind
// go there, those that hang at the old one at once. On both real servers.
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "embedded/server_files.hpp"
#include "support/dispatch_rig.hpp"
#include "support/processes.hpp"
#include "support/sentinel_group.hpp"

namespace redoubt::dispatch {
namespace {

using testing::CallOutcome;
using testing::contains;
using testing::DispatchRig;
using testing::eventually;
using testing::FailoverClock;

class DispatchSentinel : public testing::SentinelGroupTest {
protected:
    std::string endpoint_of(std::size_t index) { return "127.0.0.1:" + std::to_string(group().node(index).port()); }
    void expect_replicated() { EXPECT_TRUE(testing::replicas_have_it(node(0), 2)); }
    void for_each_sentinel(const std::function<void(EmbeddedServer&)>& visit) {
        for (std::size_t i = 0; i != group().sentinels(); ++i) visit(group().sentinel(i));
    }
};

TEST_P(DispatchSentinel, TheMasterIsFoundByWhicheverSentinelAnswers) {
    const embedded::PortReservation nobody;
    RedisServiceConfig given = config();
    given.url = "redis+sentinel://127.0.0.1:" + std::to_string(nobody.port()) +
                ",127.0.0.1:" + std::to_string(group().sentinel(1).port()) + "/0?master=mymaster";
    DispatchRig rig(given);
    EXPECT_EQ(rig.run(cmd::set("k", "v")).told(), "OK");
    EXPECT_EQ(rig.start(cmd::get("k")).get().told(), "v");
    EXPECT_EQ(node(0).command({"GET", "proj:a:k"}), "$1\r\nv\r\n");
    EXPECT_EQ(rig.endpoint(), endpoint_of(0));
    std::size_t nodes = 0;
    rig.topology().for_each_node([&](pool::Node& one) { nodes += one.endpoint() == endpoint_of(0) ? 1 : 100; });
    EXPECT_EQ(nodes, 1u);
}

TEST_P(DispatchSentinel, EachSentinelsWordIsToldWhenTheMasterIsNotFound) {
    RedisServiceConfig given = config();
    given.url.replace(given.url.find("mymaster"), 8, "othername");
    given.max_retries = 0;
    DispatchRig rig(given);
    for (const CallOutcome& outcome : {rig.run(cmd::get("k")), rig.start(cmd::get("k")).get()}) {
        ASSERT_TRUE(outcome.error);
        EXPECT_EQ(outcome.error->kind, ErrorKind::connection);
        EXPECT_EQ(outcome.error->certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(outcome.told(), "no Sentinel leads to the master 'othername': 127.0.0.1:"))
            << outcome.told();
        EXPECT_TRUE(contains(outcome.told(), ": does not know a master of that name")) << outcome.told();
    }
}

TEST_P(DispatchSentinel, BothLoginsAreUsedAndAWrongOneIsNamedWithoutItsSecret) {
    EmbeddedSentinelOptions guarded = options();
    guarded.password = "data-secret";
    guarded.sentinel_password = "watch-secret";
    guarded.replicas = 1;
    start(guarded);
    DispatchRig rig(config());
    EXPECT_EQ(rig.run(cmd::set("k", "v")).told(), "OK");
    RedisServiceConfig wrong = config();
    wrong.url.replace(wrong.url.find("watch-secret"), 12, "wrong-secret");
    wrong.max_retries = 0;
    DispatchRig other(wrong);
    const CallOutcome outcome = other.run(cmd::get("k"));
    EXPECT_TRUE(contains(outcome.told(), "no Sentinel leads to the master 'mymaster'")) << outcome.told();
    EXPECT_TRUE(contains(outcome.told(), "WRONGPASS")) << outcome.told();
    EXPECT_FALSE(contains(outcome.told(), "wrong-secret")) << outcome.told();
}

TEST_P(DispatchSentinel, CallsThatComeBeforeTheSentinelsAnswerWaitForThem) {
    for_each_sentinel([](EmbeddedServer& one) { one.pause(); });
    DispatchRig rig(config());
    auto blocking = std::async(std::launch::async, [&] { return rig.run(cmd::set("k", "v")); });
    auto async = rig.start(cmd::set("k", "v"));
    EXPECT_EQ(blocking.wait_for(100ms), std::future_status::timeout);
    EXPECT_EQ(async.wait_for(0ms), std::future_status::timeout);
    for_each_sentinel([](EmbeddedServer& one) { one.resume(); });
    EXPECT_EQ(blocking.get().told(), "OK");
    EXPECT_EQ(async.get().told(), "OK");
}

// Who waits for a hung master's answer is moved as soon as there is another one, long before its own time is over.
TEST_P(DispatchSentinel, CallersAtAHungMasterAreMovedWithinASecondOfThePromotion) {
    RedisServiceConfig given = config();
    given.attempt_timeout = 60s;
    given.operation_timeout = 60s;
    DispatchRig rig(given);
    ASSERT_EQ(rig.run(cmd::set("k", "v")).told(), "OK");
    ASSERT_EQ(rig.start(cmd::get("k")).get().told(), "v");
    expect_replicated();
    FailoverClock clock(group());
    const TimePoint began = Clock::now();
    group().node(0).pause();
    auto blocking = std::async(std::launch::async, [&] { return rig.run(cmd::get("k")); });
    auto async = rig.start(cmd::get("k"));
    auto written = rig.start(cmd::incr("n"));
    auto popping = rig.start(cmd::blpop("queue", 50s));
    const TimePoint promoted = clock.announced(began);
    EXPECT_EQ(blocking.get().told(), "v");
    EXPECT_EQ(async.get().told(), "v");
    const CallOutcome unknown = written.get();
    EXPECT_LT(Clock::now() - promoted, 1s);
    // It may have been executed there, and so may the pop, whichever of the two it was.
    ASSERT_TRUE(unknown.error);
    EXPECT_EQ(unknown.error->certainty, Certainty::unknown) << unknown.told();
    EXPECT_EQ(rig.run(cmd::set("k", "new")).told(), "OK");
    EXPECT_LT(Clock::now() - promoted, 1s);
    const std::size_t heir = group().wait_for_another_master(0);
    EXPECT_EQ(rig.endpoint(), endpoint_of(heir));
    EXPECT_EQ(node(heir).command({"GET", "proj:a:k"}), "$3\r\nnew\r\n");
    if (popping.wait_for(0ms) == std::future_status::timeout) node(heir).command({"RPUSH", "proj:a:queue", "job"});
    (void)popping.get();
    group().node(0).resume();
}

// Nothing fails, and so nobody who only reads is to notice, whichever way it reads.
TEST_P(DispatchSentinel, ReadersDoNotNoticeAFailoverOnRequest) {
    DispatchRig rig(config());
    ASSERT_EQ(rig.run(cmd::set("k", "v")).told(), "OK");
    expect_replicated();
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> reads{0};
    std::vector<std::thread> readers;
    for (int i = 0; i != 4; ++i) {
        readers.emplace_back([&, async = i % 2 == 1] {
            while (!stop) {
                const CallOutcome got = async ? rig.start(cmd::get("k")).get() : rig.run(cmd::get("k"));
                EXPECT_EQ(got.told(), "v");
                ++reads;
            }
        });
    }
    const std::size_t old = group().begin_failover();
    const std::size_t heir = group().wait_for_another_master(old);
    EXPECT_TRUE(eventually([&] { return rig.endpoint() == endpoint_of(heir); }));
    EXPECT_TRUE(eventually([&, before = reads.load()] { return reads.load() > before + 1000; }));
    stop = true;
    for (std::thread& one : readers) one.join();
    EXPECT_EQ(rig.run(cmd::set("moved", "yes")).told(), "OK");
    EXPECT_EQ(node(heir).command({"GET", "proj:a:moved"}), "$3\r\nyes\r\n");
}

// Somebody has made another node the master and told the Sentinels so, who announce nothing.
TEST_P(DispatchSentinel, AReadonlyAnswerIsRejectedAndMakesItLookAgain) {
    DispatchRig rig(config());
    ASSERT_EQ(rig.run(cmd::set("k", "v")).told(), "OK");
    const std::string port = std::to_string(group().node(1).port());
    for_each_sentinel([](EmbeddedServer& one) { testing::RawClient(one).command({"SENTINEL", "REMOVE", "mymaster"}); });
    node(1).command({"REPLICAOF", "NO", "ONE"});
    node(0).command({"REPLICAOF", "127.0.0.1", port});
    const CallOutcome refused = rig.run(cmd::set("k", "refused"), {.retries = 0});
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->prefix(), "READONLY") << refused.told();
    EXPECT_EQ(refused.error->certainty, Certainty::rejected);
    for_each_sentinel([&](EmbeddedServer& one) {
        testing::RawClient(one).command({"SENTINEL", "MONITOR", "mymaster", "127.0.0.1", port, "2"});
    });
    const TimePoint told = Clock::now();
    EXPECT_TRUE(eventually([&] { return rig.run(cmd::set("k", "new"), {.retries = 0}).told() == "OK"; }));
    EXPECT_LT(Clock::now() - told, 3s);
    EXPECT_EQ(rig.endpoint(), endpoint_of(1));
    EXPECT_EQ(node(1).command({"GET", "proj:a:k"}), "$3\r\nnew\r\n");
}

TEST_P(DispatchSentinel, AListenerHearsTheNewMaster) {
    DispatchRig rig(config());
    ASSERT_EQ(rig.run(cmd::set("k", "v")).told(), "OK");
    const auto listener = rig.dispatcher().listen(rig.prefix(), {});
    const pool::Listener::Names names{{Subscribed::channel, "news"}};
    listener->add(names);
    const auto listeners_of = [&](std::size_t index) {
        return node(index).command({"PUBSUB", "NUMSUB", "proj:a:news"}).find(":1\r\n") != std::string::npos;
    };
    EXPECT_TRUE(eventually([&] { return listeners_of(0); }));
    EXPECT_EQ(group().kill_master(), 0u);
    const std::size_t heir = group().wait_for_another_master(0);
    EXPECT_TRUE(eventually([&] { return listeners_of(heir); }));
    node(heir).command({"PUBLISH", "proj:a:news", "hello"});
    std::string heard;
    EXPECT_TRUE(eventually([&] {
        for (auto event = listener->next(); event && *event; event = listener->next()) heard = (*event)->payload;
        return heard == "hello";
    }));
    listener->remove(names);
}

INSTANTIATE_TEST_SUITE_P(BothServers, DispatchSentinel, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return testing::short_name(parameter.param); });

}  // namespace
}  // namespace redoubt::dispatch
