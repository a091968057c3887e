// service: calls through a Cluster: keys are found wherever they are, redirects are followed, what crosses slots is refused
// before it is sent. On both real servers.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/serialize.hpp>

#include "embedded/server_files.hpp"
#include "support/service_cluster.hpp"

namespace redoubt {
namespace {

using boost::asio::use_future;
using testing::calls_of;
using testing::contains;
using testing::error_of;

class ServiceCluster : public testing::ServiceClusterTest {};

TEST_P(ServiceCluster, EveryKeyIsFoundFromAnySeed) {
    const embedded::PortReservation nobody;
    RedisServiceConfig given = config();
    given.url = "redis+cluster://127.0.0.1:" + std::to_string(nobody.port()) +
                ",127.0.0.1:" + std::to_string(cluster().node(4).port()) + "/";
    const ProjectIsolatedRedisClient redis = client(given);
    constexpr int keys = 300;
    for (int i = 0; i != keys; ++i) {
        const std::string key = "key" + std::to_string(i);
        redis.set(key, std::to_string(i));
        EXPECT_EQ(redis.async().get(key)(use_future).get(), std::to_string(i));
        redis.async().set("other" + key, "x")(use_future).get();
        EXPECT_EQ(redis.get("other" + key), "x");
    }
    std::uint64_t stored = 0;
    for (std::size_t i = 0; i != 3; ++i) {
        testing::RawClient at = raw(i);
        const auto here = at.strings({"KEYS", "proj:a:*"}).size();
        EXPECT_GT(here, 100u) << i;
        stored += here;
    }
    EXPECT_EQ(stored, 2u * keys);
    EXPECT_EQ(service().metrics_snapshot().nodes.size(), 3u);
    EXPECT_EQ(redis.get("nothing"), std::nullopt);
    EXPECT_EQ(redis.command("PING").text, "PONG");
}

TEST_P(ServiceCluster, AMapThatIsOldCostsOneRedirect) {
    const ProjectIsolatedRedisClient redis = client(config());
    const std::string key = key_at(0);
    redis.set(key, "1");
    for (std::size_t to : {1u, 2u}) {
        const std::size_t from = to - 1;
        cluster().move_slots(slot_of(key), 1, from, to);
        testing::RawClient at = raw(to);
        const std::uint64_t before = calls_of(at, "incr");
        // No retry is left: a redirect is none.
        if (to == 1) {
            EXPECT_EQ(redis.incr(key), 2);
        } else {
            EXPECT_EQ(redis.async().incr(key)(use_future).get(), 3);
        }
        EXPECT_EQ(calls_of(at, "incr"), before + 1);
    }
    for (const NodeSnapshot& node : service().metrics_snapshot().nodes) {
        EXPECT_EQ(node.state, CircuitState::closed) << node.endpoint;
        EXPECT_EQ(node.breaker.failed_calls, 0u) << node.endpoint;
    }
}

TEST_P(ServiceCluster, ASlotOnItsWayIsServedAtBothEnds) {
    const ProjectIsolatedRedisClient redis = client(config());
    const std::string tag = "{" + key_at(0) + "}";
    const std::uint16_t slot = slot_of(tag);
    const std::size_t from = cluster().owner_of(slot);
    const std::size_t to = (from + 1) % 3;
    redis.set(tag + "here", "old");
    cluster().begin_move(slot, from, to);
    EXPECT_EQ(redis.get(tag + "here"), "old");
    EXPECT_EQ(redis.incr(tag + "new"), 1);
    EXPECT_EQ(redis.async().incr(tag + "new")(use_future).get(), 2);
    EXPECT_EQ(redis.incr(tag + "new"), 3);
    EXPECT_EQ(redis.async().get(tag + "here")(use_future).get(), "old");
    // A long value, which comes past the buffers.
    const std::string large(1u << 20, 'x');
    redis.async().set(tag + "large", large)(use_future).get();
    EXPECT_EQ(redis.get(tag + "large"), large);
    EXPECT_EQ(redis.async().get(tag + "large")(use_future).get(), large);
    // As one piece.
    const auto both = redis.transaction().incr(tag + "new").get(tag + "new").execute();
    ASSERT_TRUE(both);
    EXPECT_EQ(std::get<0>(*both), 4);
    EXPECT_EQ(std::get<1>(*both), "4");
    // Of several keys, some of which are at neither end for certain, the server says so itself; nothing was executed.
    const Error later_again =
        error_of([&] { (void)redis.transaction().incr(tag + "new").set(tag + "second", "2").execute(); });
    EXPECT_EQ(later_again.prefix(), "TRYAGAIN");
    EXPECT_EQ(later_again.certainty, Certainty::rejected);
    const auto later = redis.async().transaction().incr(tag + "new").execute()(use_future).get();
    ASSERT_TRUE(later);
    EXPECT_EQ(std::get<0>(*later), 5);
    testing::RawClient there = raw(to);
    EXPECT_GE(calls_of(there, "asking"), 6u);
    cluster().end_move(slot, from, to);
    EXPECT_EQ(there.command({"GET", "proj:a:" + tag + "new"}), "$1\r\n5\r\n");
    EXPECT_EQ(redis.incr(tag + "new"), 6);
    EXPECT_EQ(redis.get(tag + "here"), "old");
}

TEST_P(ServiceCluster, KeysInDifferentSlotsAreRefusedBeforeAByteIsSent) {
    const ProjectIsolatedRedisClient redis = client(config());
    const std::string a = key_at(0);
    const std::string b = key_at(1);
    (void)redis.get(a);
    (void)redis.get(b);
    const auto expect_refused = [&](const Error& error, std::string_view what) {
        EXPECT_EQ(error.kind, ErrorKind::configuration) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent) << error.message();
        EXPECT_TRUE(contains(error.message(), what)) << error.message();
        EXPECT_TRUE(contains(error.message(),
                             "in a Cluster keys that are used together must be in one slot: give them a "
                             "common hash tag"))
            << error.message();
        EXPECT_FALSE(contains(error.message(), a + "'")) << error.message();
    };
    const std::uint64_t before = count_everywhere("rename") + count_everywhere("sinter") + count_everywhere("multi");
    const std::string renaming =
        "the keys of RENAME are in different slots: argument 2 is in another one than argument 1;";
    expect_refused(error_of([&] { redis.rename(a, b); }), renaming);
    expect_refused(error_of([&] { redis.async().rename(a, b)(use_future).get(); }), renaming);
    expect_refused(error_of([&] { (void)redis.command("RENAME", a, b); }), renaming);
    expect_refused(error_of([&] {
                       (void)redis.sinter({a, a, b});
                   }),
                   "the keys of SINTER are in different slots: argument 3 is in another one than argument 1;");
    const std::string crossing =
        "the keys of MULTI are in different slots: those of its command 3 (GET) are in another one than those of its "
        "command 1 (SET);";
    expect_refused(error_of([&] { (void)redis.transaction().set(a, "1").incr(a).get(b).execute(); }), crossing);
    expect_refused(
        error_of([&] { (void)redis.async().transaction().set(a, "1").incr(a).get(b).execute()(use_future).get(); }),
        crossing);
    expect_refused(error_of([&] {
                       (void)redis.transaction().watch({a, b});
                   }),
                   "the keys of WATCH are in different slots: argument 2 is in another one than argument 1;");
    expect_refused(error_of([&] { (void)redis.transaction().watch(a).set(b, "1").execute(); }),
                   "the keys of MULTI are in another slot than those of its WATCH;");
    Watched watched = redis.async().watch(a)(use_future).get();
    expect_refused(
        error_of([&] { (void)redis.async().transaction(std::move(watched)).set(b, "1").execute()(use_future).get(); }),
        "the keys of MULTI are in another slot than those of its WATCH;");
    EXPECT_EQ(count_everywhere("rename") + count_everywhere("sinter") + count_everywhere("multi"), before);
    // With a common tag they are one.
    redis.set("{t}a", "1");
    redis.rename("{t}a", "{t}b");
    EXPECT_EQ(redis.get("{t}b"), "1");
}

TEST_P(ServiceCluster, WatchedTransactionsStayAtTheirNode) {
    const ProjectIsolatedRedisClient redis = client(config());
    for (std::size_t node = 0; node != 3; ++node) {
        const std::string key = key_at(node);
        redis.set(key, "1");
        const auto outcome = redis.transaction().watch(key).incr(key).execute();
        ASSERT_TRUE(outcome);
        EXPECT_EQ(std::get<0>(*outcome), 2);
        Watched watched = redis.async().watch(key)(use_future).get();
        const auto later = redis.async().transaction(std::move(watched)).incr(key).execute()(use_future).get();
        ASSERT_TRUE(later);
        EXPECT_EQ(std::get<0>(*later), 3);
        auto changed = redis.transaction().watch(key);
        redis.set(key, "7");
        EXPECT_FALSE(std::move(changed).incr(key).execute());
        // It moves, and the next ones go where it is.
        cluster().move_slots(slot_of(key), 1, node, (node + 1) % 3);
        const auto moved = redis.transaction().watch(key).incr(key).execute();
        ASSERT_TRUE(moved);
        EXPECT_EQ(std::get<0>(*moved), 8);
        cluster().move_slots(slot_of(key), 1, (node + 1) % 3, node);
        watched = redis.async().watch(key)(use_future).get();
        const auto back = redis.async().transaction(std::move(watched)).incr(key).execute()(use_future).get();
        ASSERT_TRUE(back);
        EXPECT_EQ(std::get<0>(*back), 9);
    }
}

TEST_P(ServiceCluster, BlockingCommandsAndListenersWork) {
    const ProjectIsolatedRedisClient redis = client(config());
    for (std::size_t node = 0; node != 3; ++node) {
        const std::string list = key_at(node);
        auto popped = redis.async().with({.deadline = 20s}).blpop(list, 10s)(use_future);
        redis.rpush(list, "x");
        ASSERT_TRUE(popped.get());
        redis.rpush(list, "y");
        ASSERT_TRUE(redis.blpop(list, 10s));
    }
    Subscriber subscriber = redis.subscriber();
    subscriber.subscribe("news");
    redis.publish("news", "one");
    std::optional<SubscriptionEvent> event = subscriber.receive(10s);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->payload, "one");
}

TEST_P(ServiceCluster, ShardedChannelsAreHeardAtTheirNodeAlsoWhenThatIsAnotherOne) {
    const ProjectIsolatedRedisClient redis = client(config());
    const std::string channel = key_at(1);
    Subscriber subscriber = redis.subscriber();
    subscriber.subscribe(Subscribed::shard_channel, std::vector<std::string_view>{channel});
    EXPECT_EQ(redis.spublish(channel, "one"), 1);
    std::optional<SubscriptionEvent> event = subscriber.receive(10s);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->payload, "one");
    EXPECT_EQ(event->by, Subscribed::shard_channel);
    cluster().move_slots(slot_of(channel), 1, 1, 2);
    event = subscriber.receive(20s);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->kind, SubscriptionEvent::Kind::gap);
    EXPECT_EQ(redis.async().spublish(channel, "two")(use_future).get(), 1);
    event = subscriber.receive(10s);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->payload, "two");
    // A second place is refused.
    const std::string other = key_at(0);
    for (const Error& error :
         {error_of([&] { subscriber.subscribe(Subscribed::shard_channel, std::vector<std::string_view>{other}); }),
          error_of([&] { subscriber.subscribe("news"); })}) {
        EXPECT_TRUE(contains(error.message(), "in a Cluster a subscriber listens at one node")) << error.message();
    }
    Subscriber events = redis.subscriber();
    const Error scattered =
        error_of([&] { events.subscribe(Subscribed::keyspace, std::vector<std::string_view>{"*"}); });
    EXPECT_TRUE(contains(scattered.message(), "each node of a Cluster tells of the events of its own keys alone"));
}

TEST_P(ServiceCluster, ScriptsRunWhereTheirKeysAreAndAreFollowed) {
    RedisServiceConfig given = config();
    given.environment = Environment::development;
    given.allow_unconfined_scripts = true;
    const ProjectIsolatedRedisClient redis = client(given);
    const Script add("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    const Script forge("redis.call('INCR', KEYS[1]) return redis.error_reply('MOVED ' .. ARGV[1])");
    for (std::size_t node = 0; node != 3; ++node) {
        const std::string key = key_at(node);
        EXPECT_EQ(redis.run<std::int64_t>(add, {key}, {"2"}), 2);
        const std::vector<std::string_view> keys{key};
        const std::vector<std::string_view> arguments{"3"};
        EXPECT_EQ(boost::asio::co_spawn(boost::asio::system_executor(),
                                        redis.async().run<std::int64_t>(add, keys, arguments), use_future)
                      .get(),
                  5);
        const std::string lie =
            std::to_string(slot_of(key)) + " 127.0.0.1:" + std::to_string(cluster().node((node + 1) % 3).port());
        const Error forged = error_of([&] { (void)redis.run<std::int64_t>(forge, {key}, {lie}); });
        EXPECT_EQ(forged.prefix(), "MOVED");
        EXPECT_EQ(forged.certainty, Certainty::unknown);
        EXPECT_EQ(redis.get(key), "6") << "it was run once, and the lie was not believed";
        cluster().move_slots(slot_of(key), 1, node, (node + 1) % 3);
        EXPECT_EQ(redis.run<std::int64_t>(add, {key}, {"4"}), 10);
        cluster().move_slots(slot_of(key), 1, (node + 1) % 3, node);
        EXPECT_EQ(boost::asio::co_spawn(boost::asio::system_executor(),
                                        redis.async().run<std::int64_t>(add, keys, arguments), use_future)
                      .get(),
                  13);
    }
}

TEST_P(ServiceCluster, ADeadMasterCostsOnlyItsOwnSlots) {
    RedisServiceConfig given = config();
    given.max_retries = 20;
    given.retry_delay = 100ms;
    given.retry_delay_max = 500ms;
    given.operation_timeout = 30s;
    given.retry_budget = 1000;
    const ProjectIsolatedRedisClient redis = client(given);
    const ProjectIsolatedRedisClient hasty = redis.with({.retries = 0});
    const std::string dead = key_at(0);
    std::vector<std::string> living;
    for (std::size_t i = 0; i != 20; ++i) living.push_back(key_at(1 + i % 2));
    redis.set(dead, "1");
    for (const std::string& key : living) redis.set(key, "1");
    testing::RawClient master = raw(0);
    ASSERT_TRUE(testing::replicas_have_it(master, 1, "proj:a:" + key_at(0, 1000)));
    ASSERT_EQ(cluster().kill_owner_of(slot_of(dead)), 0u);
    const Error gone = error_of([&] { redis.with({.retries = 0}).set(dead, "2"); });
    EXPECT_NE(gone.certainty, Certainty::applied);
    for (const std::string& key : living) {
        EXPECT_EQ(hasty.get(key), "1");
        EXPECT_EQ(hasty.async().get(key)(use_future).get(), "1");
    }
    cluster().wait_for_another_owner(slot_of(dead), 0);
    EXPECT_EQ(redis.get(dead), "1");
    EXPECT_EQ(redis.async().get(dead)(use_future).get(), "1");
    redis.set(dead, "3");
    EXPECT_EQ(redis.get(dead), "3");
    EXPECT_EQ(redis.command("PING").text, "PONG");
}

TEST_P(ServiceCluster, KeysOfAProjectCanBeKeptTogether) {
    RedisServiceConfig together = config();
    together.key_colocation = true;
    const ProjectIsolatedRedisClient redis = client(together);
    redis.set("x", "1");
    const auto both = redis.transaction().incr("x").set("y", "2").execute();
    ASSERT_TRUE(both);
    EXPECT_EQ(std::get<0>(*both), 2);
    EXPECT_EQ(redis.keys().size(), 2u);
    testing::RawClient owner = raw(cluster().owner_of(topology::slot_of("a")));
    EXPECT_EQ(owner.sorted_strings({"KEYS", "proj:{a}:*"}), (std::vector<std::string>{"proj:{a}:x", "proj:{a}:y"}));
    RedisService other(config());
    const Error refused = error_of([&] { other.initialize(); });
    EXPECT_EQ(refused.kind, ErrorKind::configuration);
    EXPECT_TRUE(contains(refused.message(),
                         "key_colocation (REDIS_KEY_COLOCATION) is no, but other services keep a "
                         "project's keys together (proj:{id}:key) in this Cluster"))
        << refused.message();
    RedisServiceConfig alone = testing::quiet_config("redis://localhost:1");
    alone.key_colocation = true;
    const Error nowhere = error_of([&] { RedisService service(alone); });
    EXPECT_TRUE(contains(nowhere.message(), "key_colocation (REDIS_KEY_COLOCATION) is \"yes\"")) << nowhere.message();
}

TEST_P(ServiceCluster, HealthNamesSlotsThatNobodyServes) {
    EmbeddedClusterOptions options;
    options.replicas = 0;
    start(options);
    const ProjectIsolatedRedisClient redis = client(config());
    redis.set("k", "1");
    boost::json::object health = service().health_check();
    EXPECT_EQ(health.at("status").as_string(), "healthy") << boost::json::serialize(health);
    const boost::json::value& figures = health.at("factory").at("cluster");
    EXPECT_EQ(figures.at("slots_covered").to_number<int>(), 16384);
    EXPECT_EQ(figures.at("nodes").as_array().size(), 3u);
    testing::RawClient second = raw(1);
    testing::RawClient third = raw(2);
    testing::RawClient first = raw(0);
    for (testing::RawClient* one : {&first, &second, &third}) {
        EXPECT_EQ(one->command({"CLUSTER", "DELSLOTS", "100", "101", "102", "7"}), "+OK\r\n");
    }
    const auto deadline = Clock::now() + 30s;
    const std::string tagged = testing::key_where("proj:a:", [](std::uint16_t slot) { return slot == 7; });
    while (health.at("status").as_string() != "unhealthy" && Clock::now() < deadline) {
        (void)redis.try_get(tagged);  // says that the map is old
        health = service().health_check();
    }
    EXPECT_EQ(health.at("status").as_string(), "unhealthy");
    EXPECT_EQ(health.at("problems").as_array().front().as_string(), "no master serves the slots 7, 100-102");
}

TEST_P(ServiceCluster, SlotsMoveUnderLoadWithoutAnError) {
    RedisServiceConfig given;
    given.url = cluster().url();
    const ProjectIsolatedRedisClient redis = client(given);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> operations{0};
    std::vector<std::string> troubles;
    std::mutex mutex;
    const auto trouble = [&](const std::string& what) {
        const std::lock_guard lock(mutex);
        troubles.push_back(what);
    };
    constexpr std::size_t keys = 400;
    std::vector<std::vector<std::int64_t>> applied(4, std::vector<std::int64_t>(keys));
    const auto name = [](std::size_t writer, std::size_t key) {
        return "w" + std::to_string(writer) + ":" + std::to_string(key);
    };
    const auto write = [&](std::size_t writer) {
        for (std::size_t i = 0; !stop; ++i) {
            const std::size_t key = i % keys;
            try {
                const std::int64_t value = writer % 2 == 0 ? redis.incr(name(writer, key))
                                                           : redis.async().incr(name(writer, key))(use_future).get();
                if (value != ++applied[writer][key]) trouble(name(writer, key) + " is " + std::to_string(value));
                ++operations;
            } catch (const RedisException& failure) {
                trouble(failure.what());
            }
        }
    };
    std::vector<std::thread> writers;
    for (std::size_t i = 0; i != applied.size(); ++i) writers.emplace_back(write, i);
    try {
        cluster().move_slots(0, 300, 0, 1);
        cluster().move_slots(6000, 100, 1, 2);
    } catch (const RedisException& failure) {
        trouble(failure.what());
    }
    while (operations < 5000 && troubles.empty()) std::this_thread::yield();
    stop = true;
    for (std::thread& one : writers) one.join();
    EXPECT_TRUE(troubles.empty()) << troubles.size() << ": " << troubles.front();
    for (std::size_t writer = 0; writer != applied.size(); ++writer) {
        for (std::size_t key = 0; key != keys; ++key) {
            if (applied[writer][key] == 0) continue;
            EXPECT_EQ(redis.get(name(writer, key)), std::to_string(applied[writer][key]));
        }
    }
    RecordProperty("operations", static_cast<int>(operations.load()));
}

TEST_P(ServiceCluster, OneThatServesNothingIsNoCluster) {
    EmbeddedServerOptions options = testing::options_for(GetParam());
    options.tcp = true;
    EmbeddedServer alone(options);
    RedisServiceConfig given = testing::quiet_config("redis+cluster://127.0.0.1:" + std::to_string(alone.port()) + "/");
    const Error error = error_of([&] { client(given); });
    EXPECT_EQ(error.kind, ErrorKind::connection);
    EXPECT_EQ(error.certainty, Certainty::not_sent);
    EXPECT_TRUE(contains(error.message(), "no node of the Cluster gives its map: 127.0.0.1:")) << error.message();
    EXPECT_TRUE(contains(error.message(), "cluster support disabled")) << error.message();
}

REDOUBT_BOTH_SERVERS(ServiceCluster);

}  // namespace
}  // namespace redoubt
