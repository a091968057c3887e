// dispatch: calls through the topology of a Cluster: each goes to the node of its slot, redirects are followed in place,
// a node that dies costs its own slots, and slots that move under load cost nobody anything. On both real servers.
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "embedded/server_files.hpp"
#include "support/cluster_group.hpp"
#include "support/dispatch_rig.hpp"

namespace redoubt::dispatch {
namespace {

using testing::CallOutcome;
using testing::contains;
using testing::DispatchRig;

class DispatchCluster : public testing::ClusterTest {
protected:
    static void expect_told(const CallOutcome& outcome, std::string_view text) { EXPECT_EQ(outcome.told(), text); }
    std::uint64_t calls(std::size_t node, const std::string& command) {
        testing::RawClient at = raw(node);
        return testing::command_calls(at)[command];
    }
};

TEST_P(DispatchCluster, CallsGoToTheNodesOfTheirSlots) {
    const embedded::PortReservation nobody;
    RedisServiceConfig given = config();
    // One seed is gone, the other is a replica.
    given.url = "redis+cluster://127.0.0.1:" + std::to_string(nobody.port()) +
                ",127.0.0.1:" + std::to_string(cluster().node(4).port()) + "/";
    DispatchRig rig(given);
    // What comes before the map is known waits for it.
    expect_told(rig.start(cmd::ping()).get(), "PONG");
    for (int i = 0; i != 60; ++i) {
        const std::string key = "key" + std::to_string(i);
        expect_told(rig.run(cmd::set(key, std::to_string(i))), "OK");
        expect_told(rig.start(cmd::get(key)).get(), std::to_string(i));
    }
    std::size_t stored = 0;
    for (std::size_t i = 0; i != 3; ++i) {
        testing::RawClient at = raw(i);
        const std::size_t here = at.strings({"KEYS", "proj:a:*"}).size();
        EXPECT_GT(here, 0u);
        EXPECT_EQ(calls(i, "set"), here) << "no call went elsewhere first";
        stored += here;
    }
    EXPECT_EQ(stored, 60u);
    std::size_t nodes = 0;
    rig.topology().for_each_node([&](pool::Node& node) {
        ++nodes;
        EXPECT_EQ(node.breaker().metrics(Clock::now()).failed_calls, 0u);
    });
    EXPECT_EQ(nodes, 3u);
}

TEST_P(DispatchCluster, RedirectsAreFollowedWithoutARetry) {
    DispatchRig rig(config());
    const std::string tag = "{" + key_at(0) + "}";
    const std::uint16_t slot = slot_of(tag);
    const std::size_t from = cluster().owner_of(slot);
    const std::size_t to = (from + 1) % 3;
    expect_told(rig.run(cmd::set(tag + "old", "1")), "OK");
    cluster().begin_move(slot, from, to);
    expect_told(rig.run(cmd::get(tag + "old")), "1");
    expect_told(rig.run(cmd::incr(tag + "new")), "1");
    expect_told(rig.start(cmd::incr(tag + "new")).get(), "2");
    expect_told(rig.run(cmd::get(tag + "new")), "2");
    expect_told(rig.start(cmd::get(tag + "new")).get(), "2");
    EXPECT_GE(calls(to, "asking"), 4u);
    cluster().end_move(slot, from, to);
    const std::uint64_t before = calls(from, "get");
    expect_told(rig.start(cmd::get(tag + "old")).get(), "1");
    expect_told(rig.run(cmd::get(tag + "new")), "2");
    expect_told(rig.start(cmd::get(tag + "new")).get(), "2");
    EXPECT_EQ(calls(from, "get"), before) << "refused there, which is no call, and then no more";
    rig.topology().for_each_node(
        [](pool::Node& node) { EXPECT_EQ(node.breaker().metrics(Clock::now()).failed_calls, 0u) << node.endpoint(); });
}

TEST_P(DispatchCluster, ADeadMasterCostsItsOwnSlotsUntilAnotherHasThem) {
    RedisServiceConfig given = config();
    DispatchRig rig(given);
    const std::string dead = key_at(0);
    const std::string living[] = {key_at(1), key_at(2)};
    expect_told(rig.run(cmd::set(dead, "1")), "OK");
    for (const std::string& key : living) expect_told(rig.run(cmd::set(key, "1")), "OK");
    testing::RawClient master = raw(0);
    ASSERT_TRUE(testing::replicas_have_it(master, 1, "proj:a:" + key_at(0, 1000)));
    ASSERT_EQ(cluster().kill_owner_of(slot_of(dead)), 0u);
    // Until the breaker has opened, and then some.
    for (int i = 0; i != 8; ++i) {
        EXPECT_TRUE(rig.run(cmd::set(dead, "2")).error);
        EXPECT_TRUE(rig.start(cmd::set(dead, "2")).get().error);
        for (const std::string& key : living) {
            expect_told(rig.run(cmd::get(key)), "1");
            expect_told(rig.start(cmd::get(key)).get(), "1");
        }
        // What has no key leaves a node whose breaker has opened.
        if (i > 3) expect_told(rig.run(cmd::ping()), "PONG");
    }
    cluster().wait_for_another_owner(slot_of(dead), 0);
    // The map is found by itself, however little is called.
    const TimePoint deadline = Clock::now() + 20s;
    CallOutcome outcome = rig.run(cmd::get(dead));
    while (outcome.error && Clock::now() < deadline) outcome = rig.run(cmd::get(dead));
    expect_told(outcome, "1");
    expect_told(rig.start(cmd::set(dead, "3")).get(), "OK");
}

TEST_P(DispatchCluster, SlotsMoveUnderLoadWithoutAnError) {
    RedisServiceConfig given;
    given.url = cluster().url();
    DispatchRig rig(given);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> operations{0};
    std::mutex mutex;
    std::vector<std::string> troubles;
    constexpr std::size_t keys = 300;
    std::vector<std::vector<int>> applied(4, std::vector<int>(keys));
    const auto name = [](std::size_t writer, std::size_t key) {
        return "w" + std::to_string(writer) + ":" + std::to_string(key);
    };
    const auto write = [&](std::size_t writer) {
        for (std::size_t i = 0; !stop; ++i) {
            const std::size_t key = i % keys;
            const std::string appended = name(writer, key);
            const CommandView command = cmd::append(appended, "x");
            const CallOutcome outcome = writer % 2 == 0 ? rig.run(command) : rig.start(command).get();
            ++applied[writer][key];
            ++operations;
            if (!outcome.error) continue;
            const std::lock_guard lock(mutex);
            troubles.push_back(outcome.told());
        }
    };
    std::vector<std::thread> writers;
    for (std::size_t i = 0; i != applied.size(); ++i) writers.emplace_back(write, i);
    try {
        cluster().move_slots(0, 200, 0, 1);
        cluster().move_slots(6000, 100, 1, 2);
    } catch (const RedisException& failure) {
        const std::lock_guard lock(mutex);
        troubles.emplace_back(failure.what());
    }
    while (operations < 5000) std::this_thread::yield();
    stop = true;
    for (std::thread& one : writers) one.join();
    ASSERT_TRUE(troubles.empty()) << troubles.size() << " of " << operations << ": " << troubles.front();
    for (std::size_t writer = 0; writer != applied.size(); ++writer) {
        for (std::size_t key = 0; key != keys; ++key) {
            EXPECT_EQ(rig.run(cmd::get(name(writer, key))).text.size(), static_cast<std::size_t>(applied[writer][key]));
        }
    }
    RecordProperty("operations", static_cast<int>(operations.load()));
}

TEST_P(DispatchCluster, OneThatServesNothingIsNoCluster) {
    EmbeddedServerOptions options = testing::options_for(GetParam());
    options.tcp = true;
    EmbeddedServer alone(options);
    DispatchRig rig(testing::quiet_config("redis+cluster://127.0.0.1:" + std::to_string(alone.port()) + "/"));
    for (const CallOutcome& outcome : {rig.run(cmd::get("k")), rig.start(cmd::get("k")).get()}) {
        ASSERT_TRUE(outcome.error);
        EXPECT_EQ(outcome.error->kind, ErrorKind::connection);
        EXPECT_EQ(outcome.error->certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(outcome.told(), "no node of the Cluster gives its map: 127.0.0.1:")) << outcome.told();
        EXPECT_TRUE(contains(outcome.told(), "cluster support disabled")) << outcome.told();
    }
}

REDOUBT_BOTH_SERVERS(DispatchCluster);

}  // namespace
}  // namespace redoubt::dispatch
