// service: writes that replicas must confirm before their call succeeds (WAIT). On both real servers.
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include "support/cluster_group.hpp"
#include "support/sentinel_group.hpp"

namespace redoubt {
namespace {

using boost::asio::use_future;
using testing::contains;
using testing::error_of;

constexpr Duration patient = 10s;  // replicas confirm at once; the machine may be busy
constexpr Duration hasty = 50ms;

std::string bulk(const std::string& value) { return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n"; }

CallOptions acks(std::uint32_t replicas, Duration within) { return {.replica_acks = {replicas, within}}; }

/// It was executed, and too few have confirmed it.
void expect_shortfall(const Error& error, const std::string& operation, const std::string& said) {
    EXPECT_EQ(error.kind, ErrorKind::timeout) << error.reason();
    EXPECT_EQ(error.certainty, Certainty::applied);
    EXPECT_EQ(error.attempts, 1u);
    EXPECT_EQ(error.operation, operation);
    EXPECT_TRUE(contains(error.reason(), said)) << error.reason();
}

class ServiceReplicaAcks : public testing::SentinelGroupTest {
protected:
    ProjectIsolatedRedisClient client() {
        service_ = std::make_unique<RedisService>(config());
        service_->initialize();
        return service_->get_connection("a");
    }
    std::uint64_t waits() {
        testing::RawClient master = node(0);
        return testing::command_calls(master)["wait"];
    }
    std::string at_replica(std::size_t index, const std::string& key) {
        return node(index).command({"GET", "proj:a:" + key});
    }
    RedisService& service() { return *service_; }

private:
    std::unique_ptr<RedisService> service_;
};

TEST_P(ServiceReplicaAcks, WhatIsConfirmedIsAtTheReplicas) {
    const ProjectIsolatedRedisClient redis = client().with(acks(2, patient));
    for (int i = 0; i != 20; ++i) {
        const std::string value = "v" + std::to_string(i);
        redis.set("blocking", value);
        redis.async().set("async", value)(use_future).get();
        (void)redis.pipeline().set("piped", value).incr("n").execute();
        (void)redis.async().transaction().set("atomic", value).incr("n").execute()(use_future).get();
        (void)redis.transaction().watch("n").set("watched", value).execute();
        for (const std::string key : {"blocking", "async", "piped", "atomic", "watched"}) {
            ASSERT_EQ(at_replica(1, key), bulk(value)) << key;
            ASSERT_EQ(at_replica(2, key), bulk(value)) << key;
        }
    }
    EXPECT_EQ(waits(), 5u * 20);
}

TEST_P(ServiceReplicaAcks, WithoutEnoughReplicasTheCallSaysThatItWasExecuted) {
    const ProjectIsolatedRedisClient plain = client();
    const ProjectIsolatedRedisClient redis = plain.with(acks(3, hasty));
    const std::string said = "of 3 replicas confirmed it within 50 ms";
    expect_shortfall(error_of([&] { redis.incr("n"); }), "INCR", said);
    expect_shortfall(error_of([&] { redis.async().incr("n")(use_future).get(); }), "INCR", said);
    EXPECT_EQ(plain.get("n"), "2");
    // That it was confirmed by none does not hide what the server says of the command itself.
    const Error wrong = error_of([&] { redis.lpush("n", "x"); });
    EXPECT_EQ(wrong.kind, ErrorKind::server);
    EXPECT_EQ(wrong.prefix(), "WRONGTYPE");
    EXPECT_EQ(error_of([&] { redis.async().lpush("n", "x")(use_future).get(); }).prefix(), "WRONGTYPE");
    // Of several commands all were executed.
    EXPECT_EQ(error_of([&] { (void)redis.pipeline().incr("n").incr("n").execute(); }).certainty, Certainty::applied);
    EXPECT_EQ(error_of([&] { (void)redis.transaction().incr("n").incr("n").execute(); }).certainty, Certainty::applied);
    EXPECT_EQ(error_of([&] { (void)redis.transaction().watch("n").incr("n").execute(); }).certainty,
              Certainty::applied);
    EXPECT_EQ(
        error_of([&] { (void)redis.async().pipeline().incr("n").incr("n").execute()(use_future).get(); }).certainty,
        Certainty::applied);
    EXPECT_EQ(plain.get("n"), "9");
    // What one handle wants is nobody else's concern, and the breaker's neither.
    EXPECT_EQ(plain.incr("n"), 10);
    EXPECT_EQ(service().circuit_breaker().state(), CircuitState::closed);
}

TEST_P(ServiceReplicaAcks, ReplicasThatHangConfirmNothing) {
    const ProjectIsolatedRedisClient redis = client();
    group().node(1).pause();
    redis.with(acks(1, patient)).set("k", "1");
    expect_shortfall(error_of([&] { redis.with(acks(2, hasty)).set("k", "2"); }), "SET",
                     "of 2 replicas confirmed it within 50 ms");
    group().node(1).resume();
    redis.with(acks(2, patient)).set("k", "3");
    EXPECT_EQ(at_replica(1, "k"), bulk("3"));
}

TEST_P(ServiceReplicaAcks, ReadsAskForNothing) {
    const ProjectIsolatedRedisClient redis = client();
    redis.set("k", "v");
    const ProjectIsolatedRedisClient careful = redis.with(acks(3, hasty));
    EXPECT_EQ(careful.get("k"), "v");
    EXPECT_EQ(careful.async().get("k")(use_future).get(), "v");
    EXPECT_EQ(std::get<0>(careful.pipeline().get("k").exists("k").execute()), "v");
    EXPECT_EQ(waits(), 0u);
}

TEST_P(ServiceReplicaAcks, WhoWaitsHoldsNobodyUp) {
    const ProjectIsolatedRedisClient redis = client();
    redis.set("k", "v");
    auto blocked = std::async(std::launch::async, [&] { return error_of([&] { redis.with(acks(3, 3s)).incr("n"); }); });
    auto async = redis.async().with(acks(3, 3s)).incr("n")(use_future);
    testing::RawClient master = node(0);
    while (master.info("blocked_clients") != "2") std::this_thread::yield();
    for (int i = 0; i != 100; ++i) {
        ASSERT_EQ(redis.get("k"), "v");
        ASSERT_EQ(redis.async().get("k")(use_future).get(), "v");
    }
    EXPECT_EQ(master.info("blocked_clients"), "2");
    expect_shortfall(blocked.get(), "INCR", "within 3000 ms");
    expect_shortfall(error_of([&] { async.get(); }), "INCR", "within 3000 ms");
}

TEST_P(ServiceReplicaAcks, ALostConnectionDoesNotHideThatItWasExecuted) {
    const ProjectIsolatedRedisClient redis = client();
    auto blocked =
        std::async(std::launch::async, [&] { return error_of([&] { redis.with(acks(3, 10s)).incr("n"); }); });
    auto async = redis.async().with(acks(3, 10s)).incr("n")(use_future);
    testing::RawClient master = node(0);
    while (master.info("blocked_clients") != "2") std::this_thread::yield();
    (void)master.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    for (const Error& error : {blocked.get(), error_of([&] { async.get(); })}) {
        EXPECT_EQ(error.kind, ErrorKind::connection);
        EXPECT_EQ(error.certainty, Certainty::applied);
        EXPECT_EQ(error.attempts, 1u);
    }
    EXPECT_EQ(redis.get("n"), "2");
}

TEST_P(ServiceReplicaAcks, WhatCannotBeWantedIsRefusedBeforeItIsSent) {
    const ProjectIsolatedRedisClient redis = client();
    for (const CallOptions& wrong : {acks(1, Duration::zero()), acks(1, -1s), acks(1, 25h), acks(0x80000000u, 1s)}) {
        for (const Error& error :
             {error_of([&] { redis.with(wrong).incr("n"); }),
              error_of([&] { redis.async().with(wrong).incr("n")(use_future).get(); }),
              error_of([&] { (void)redis.with(wrong).transaction().watch("n").incr("n").execute(); })}) {
            EXPECT_EQ(error.kind, ErrorKind::configuration) << error.reason();
            EXPECT_EQ(error.certainty, Certainty::not_sent);
            EXPECT_TRUE(contains(error.reason(), "replica_acks.")) << error.reason();
        }
    }
    EXPECT_EQ(redis.get("n"), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Servers, ServiceReplicaAcks, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return testing::short_name(parameter.param); });

class ServiceReplicaAcksOfACluster : public testing::ClusterTest {};

TEST_P(ServiceReplicaAcksOfACluster, EveryPartOfASplitCommandIsConfirmed) {
    RedisService service(config());
    service.initialize();
    const ProjectIsolatedRedisClient redis = service.get_connection("a");
    const std::string first = key_at(0);
    const std::string second = key_at(1);
    const std::string third = key_at(2);
    redis.with(acks(1, patient)).mset({{first, "1"}, {second, "2"}, {third, "3"}});
    const auto at_replica = [&](std::size_t node, const std::string& key) {
        testing::RawClient replica = raw(node);
        (void)replica.command({"READONLY"});
        return replica.command({"GET", "proj:a:" + key});
    };
    EXPECT_EQ(at_replica(3, first), bulk("1"));
    EXPECT_EQ(at_replica(4, second), bulk("2"));
    EXPECT_EQ(at_replica(5, third), bulk("3"));
    (void)redis.with(acks(1, patient)).async().del(first, second)(use_future).get();
    EXPECT_EQ(at_replica(3, first), "$-1\r\n");
    EXPECT_EQ(at_replica(4, second), "$-1\r\n");
    // One replica each is all there are.
    const ProjectIsolatedRedisClient wishful = redis.with(acks(2, hasty));
    for (const Error& error :
         {error_of([&] {
              wishful.mset({{first, "4"}, {second, "5"}});
          }),
          error_of([&] { wishful.async().del(first, third)(use_future).get(); }),
          error_of([&] { (void)wishful.pipeline().incr("x").incr("y").incr("z").execute(); }), error_of([&] {
              (void)wishful.async().pipeline().incr("x").incr("y").incr("z").execute()(use_future).get();
          })}) {
        EXPECT_EQ(error.kind, ErrorKind::timeout) << error.reason();
        EXPECT_EQ(error.certainty, Certainty::applied);
        EXPECT_TRUE(contains(error.reason(), "of 2 replicas")) << error.reason();
    }
    EXPECT_EQ(redis.get(second), "5");
    EXPECT_EQ(redis.get(first), std::nullopt);
    EXPECT_EQ(redis.get("x"), "2");
    EXPECT_EQ(redis.get("y"), "2");
}

INSTANTIATE_TEST_SUITE_P(Servers, ServiceReplicaAcksOfACluster, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return testing::short_name(parameter.param); });

}  // namespace
}  // namespace redoubt
