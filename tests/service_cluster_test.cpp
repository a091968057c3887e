// service: calls through a Cluster: keys are found wherever they are, redirects are followed, what crosses slots is refused
// before it is sent. On both real servers.
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/serialize.hpp>

#include "embedded/server_files.hpp"
#include "support/cluster_group.hpp"

namespace redoubt {
namespace {

using boost::asio::use_future;
using testing::contains;
using testing::error_of;

std::uint64_t calls_of(testing::RawClient& raw, const std::string& command) {
    return testing::command_calls(raw)[command];
}

class ServiceCluster : public testing::ClusterTest {
protected:
    ProjectIsolatedRedisClient client(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->initialize();
        return service_->get_connection("a");
    }
    RedisService& service() { return *service_; }
    std::uint64_t count_everywhere(const std::string& command) {
        std::uint64_t count = 0;
        for (std::size_t i = 0; i != cluster().nodes(); ++i) {
            testing::RawClient at = raw(i);
            count += calls_of(at, command);
        }
        return count;
    }

private:
    std::unique_ptr<RedisService> service_;
};

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

TEST_P(ServiceCluster, PipelinesAreSplitByNodeAndTheirAnswersPutBack) {
    const ProjectIsolatedRedisClient redis = client(config());
    const auto order = [&](std::string_view when) {
        constexpr int count = 200;
        for (const bool async : {false, true}) {
            const std::string name = std::string(async ? "async" : "blocking") + std::string(when);
            auto writes = redis.batch<std::int64_t>();
            for (int i = 0; i != count; ++i) {
                const std::string key = name + std::to_string(i);
                writes.incrby(key, i);
                writes.incr(key);
            }
            std::vector<std::int64_t> values;
            if (async) {
                auto same = redis.async().batch<std::int64_t>();
                for (int i = 0; i != count; ++i) {
                    const std::string key = name + std::to_string(i);
                    same.incrby(key, i);
                    same.incr(key);
                }
                values = std::move(same).execute()(use_future).get();
            } else {
                values = std::move(writes).execute();
            }
            ASSERT_EQ(values.size(), 2u * count);
            for (int i = 0; i != count; ++i) {
                EXPECT_EQ(values[2 * static_cast<std::size_t>(i)], i) << name;
                EXPECT_EQ(values[2 * static_cast<std::size_t>(i) + 1], i + 1) << name;
            }
        }
    };
    order("whole");
    // Some of the slots are elsewhere now, and nobody has told us.
    cluster().move_slots(0, 200, 0, 1);
    order("moved");
    // Some are on their way.
    const std::string tag = "{" + key_at(2) + "}";
    const std::size_t from = cluster().owner_of(slot_of(tag));
    const std::size_t to = (from + 1) % 3;
    cluster().begin_move(slot_of(tag), from, to);
    auto [one, two, three, four] =
        redis.pipeline().incr(tag + "n").set(key_at(0), "x").incr(tag + "n").get(key_at(0)).execute();
    EXPECT_EQ(one, 1);
    EXPECT_EQ(three, 2);
    EXPECT_EQ(four, "x");
    auto later =
        redis.async().pipeline().incr(tag + "n").set(key_at(0), "y").get(tag + "n").execute()(use_future).get();
    EXPECT_EQ(std::get<0>(later), 3);
    EXPECT_EQ(std::get<2>(later), "3");
    cluster().end_move(slot_of(tag), from, to);
    // What fails is one part alone.
    const std::string list = key_at(1);
    redis.rpush(list, "x");
    const auto check = [&](const auto& outcome) {
        ASSERT_TRUE(outcome);
        EXPECT_EQ(*std::get<0>(*outcome), "y");
        ASSERT_FALSE(std::get<1>(*outcome));
        EXPECT_EQ(std::get<1>(*outcome).error().prefix(), "WRONGTYPE");
        EXPECT_EQ(std::get<1>(*outcome).error().operation, "INCR");
        EXPECT_EQ(*std::get<2>(*outcome), "3");
    };
    check(redis.pipeline().get(key_at(0)).incr(list).get(tag + "n").try_execute());
    check(redis.async().pipeline().get(key_at(0)).incr(list).get(tag + "n").try_execute()(use_future).get());
}

// Of a slot on its way, some keys of which are at neither end for certain.
TEST_P(ServiceCluster, APartThatIsRefusedByTheServerFailsTheWhole) {
    const ProjectIsolatedRedisClient redis = client(config()).with({.retries = 0});
    const std::string tag = "{" + key_at(0) + "}";
    const std::string here = tag + "here";
    const std::string gone = tag + "gone";
    const std::size_t from = cluster().owner_of(slot_of(tag));
    for (const std::string& elsewhere : {key_at(from, 1000), key_at((from + 1) % 3)}) {
        redis.set(here, "1");
        redis.set(elsewhere, "1");
        cluster().begin_move(slot_of(tag), from, (from + 1) % 3);
        const auto check = [](const Error& error, std::string_view what) {
            EXPECT_EQ(error.kind, ErrorKind::server) << error.message();
            ASSERT_TRUE(error.cause) << error.message();
            EXPECT_EQ(error.cause->prefix(), "TRYAGAIN") << error.message();
            EXPECT_TRUE(contains(error.message(), what)) << error.message();
        };
        const std::string_view fates = "of its 3 keys key 1: applied; keys 2-3: rejected";
        const std::vector<std::string_view> keys{elsewhere, here, gone};
        const std::vector<TextPair> pairs{{elsewhere, "2"}, {here, "2"}, {gone, "2"}};
        check(error_of([&] { (void)redis.mget(keys); }), fates);
        check(error_of([&] { (void)redis.async().mget(keys)(use_future).get(); }), fates);
        check(error_of([&] { redis.mset(pairs); }), fates);
        check(error_of([&] { redis.async().mset(pairs)(use_future).get(); }), fates);
        check(error_of([&] { (void)redis.exists(keys); }), fates);
        check(error_of([&] { (void)redis.async().del(elsewhere, here, gone)(use_future).get(); }), fates);
        EXPECT_EQ(redis.get(here), "1");
        EXPECT_EQ(redis.get(elsewhere), std::nullopt);
        cluster().end_move(slot_of(tag), from, (from + 1) % 3);
        cluster().move_slots(slot_of(tag), 1, (from + 1) % 3, from);
    }
}

TEST_P(ServiceCluster, APartOfAPipelineFailsItsOwnCommandsOnly) {
    const ProjectIsolatedRedisClient redis = client(config());
    const std::string dead = key_at(0);
    const std::string living = key_at(1);
    redis.set(living, "1");
    redis.set(dead, "1");
    cluster().node(0).kill();
    const auto check = [&](const auto& outcome) {
        ASSERT_TRUE(outcome);
        EXPECT_EQ(*std::get<0>(*outcome), "1");
        ASSERT_FALSE(std::get<1>(*outcome));
        EXPECT_EQ(std::get<1>(*outcome).error().kind, ErrorKind::connection);
        EXPECT_EQ(*std::get<2>(*outcome), "1");
    };
    check(redis.pipeline().get(living).get(dead).get(living).try_execute());
    check(redis.async().pipeline().get(living).get(dead).get(living).try_execute()(use_future).get());
    // The same of one command over several slots.
    for (const Error& error : {error_of([&] {
                                   (void)redis.del({living, dead});
                               }),
                               error_of([&] { redis.async().del("x" + living, dead)(use_future).get(); })}) {
        EXPECT_NE(error.certainty, Certainty::not_sent) << error.message();
        EXPECT_TRUE(contains(error.message(), "is not atomic; of its 2 keys key 1: applied; key 2: "))
            << error.message();
    }
    EXPECT_EQ(redis.get(living), std::nullopt);
}

TEST_P(ServiceCluster, CommandsOfManyKeysAreSplitAndJoined) {
    const ProjectIsolatedRedisClient redis = client(config());
    std::vector<std::string> names;
    std::vector<TextPair> pairs;
    for (int i = 0; i != 50; ++i) names.push_back("m" + std::to_string(i));
    for (const std::string& name : names) pairs.emplace_back(name, name);
    std::vector<std::string_view> keys(names.begin(), names.end());
    redis.mset(pairs);
    keys.push_back("absent");
    keys.push_back(names[7]);
    const auto expect_values = [&](const std::vector<std::optional<std::string>>& values) {
        ASSERT_EQ(values.size(), keys.size());
        for (std::size_t i = 0; i != names.size(); ++i) EXPECT_EQ(values[i], names[i]);
        EXPECT_EQ(values[50], std::nullopt);
        EXPECT_EQ(values[51], names[7]);
    };
    expect_values(redis.mget(keys));
    expect_values(redis.async().mget(keys)(use_future).get());
    EXPECT_EQ(redis.exists(keys), 51);
    EXPECT_EQ(redis.async().touch(keys)(use_future).get(), 51);
    const Value raw = redis.command("MGET", "m1", "m2", "absent");
    ASSERT_EQ(raw.elements.size(), 3u);
    EXPECT_EQ(raw.elements[1].text, "m2");
    redis.command("MSET", "m1", "new", "m2", "newer");
    EXPECT_EQ(redis.get("m2"), "newer");
    EXPECT_EQ(redis.async().command("DEL", "m1", "m2", "m3")(use_future).get().integer, 3);
    EXPECT_EQ(redis.unlink(keys), 47);
    EXPECT_EQ(redis.async().del("m4", "m5")(use_future).get(), 0);
    // Inside a pipeline each command has one answer.
    const Error refused = error_of([&] { (void)redis.pipeline().mget({"m1", "m2"}).execute(); });
    EXPECT_EQ(refused.kind, ErrorKind::configuration);
    EXPECT_EQ(refused.certainty, Certainty::not_sent);
}

TEST_P(ServiceCluster, AScanWalksAllMasters) {
    const ProjectIsolatedRedisClient redis = client(config());
    std::set<std::string> stored;
    for (int i = 0; i != 500; ++i) {
        redis.set("s" + std::to_string(i), "x");
        stored.insert("s" + std::to_string(i));
    }
    std::set<std::string> found;
    for (const std::string& key : redis.scan({.match = "s*", .count = 20})) found.insert(key);
    EXPECT_EQ(found, stored);
    EXPECT_EQ(redis.keys("s*").size(), stored.size());
    EXPECT_EQ(boost::asio::co_spawn(boost::asio::system_executor(), redis.async().count_keys("s*"), use_future).get(),
              stored.size());
    found.clear();
    std::string cursor = "0";
    do {
        const Value page = redis.command("SCAN", cursor, "COUNT", "30");
        cursor = page.elements.at(0).text;
        for (const Value& key : page.elements.at(1).elements) found.insert(key.text);
    } while (cursor != "0");
    EXPECT_EQ(found, stored);
    const DeleteKeysProgress gone = redis.delete_all_keys({.batch = 50});
    EXPECT_TRUE(gone.finished);
    EXPECT_EQ(gone.deleted, stored.size());
    EXPECT_EQ(redis.count_keys(), 0u);
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
    cluster().move_slots(0, 300, 0, 1);
    cluster().move_slots(6000, 100, 1, 2);
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
