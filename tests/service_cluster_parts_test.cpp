// service: what a Cluster's nodes do in parts: pipelines, commands of many keys and scans, put together again in order. On
// both real servers.
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_future.hpp>

#include "support/service_cluster.hpp"

namespace redoubt {
namespace {

using boost::asio::use_future;
using testing::calls_of;
using testing::contains;
using testing::error_of;

class ServiceClusterParts : public testing::ServiceClusterTest {};

TEST_P(ServiceClusterParts, PipelinesAreSplitByNodeAndTheirAnswersPutBack) {
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
TEST_P(ServiceClusterParts, APartThatIsRefusedByTheServerFailsTheWhole) {
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

TEST_P(ServiceClusterParts, APartOfAPipelineFailsItsOwnCommandsOnly) {
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

TEST_P(ServiceClusterParts, CommandsOfManyKeysAreSplitAndJoined) {
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

TEST_P(ServiceClusterParts, AScanWalksAllMasters) {
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
REDOUBT_BOTH_SERVERS(ServiceClusterParts);

}  // namespace
}  // namespace redoubt
