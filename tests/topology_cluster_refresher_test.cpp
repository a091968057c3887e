// topology: the refresher of a Cluster's map by scripts of events.
#include "topology/cluster_refresher.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt::topology {
namespace {

using namespace std::chrono_literals;
using Actions = ClusterRefresher::Actions;
using Kind = RefresherAction::Kind;

const NodeAddress seed0{"s0", 1};
const NodeAddress seed1{"s1", 1};

RefresherAction ask(std::size_t number, const NodeAddress& address) { return {Kind::ask, number, address, {}}; }
const RefresherAction adopt{Kind::adopt, 0, {}, {}};

/// A map with these masters, who share the slots up to `last`.
SlotMap map_of(const std::vector<NodeAddress>& masters, std::uint32_t last = slot_count - 1) {
    std::string frame = "*" + std::to_string(masters.size()) + "\r\n";
    const auto size = static_cast<std::uint32_t>(masters.size());
    for (std::uint32_t i = 0; i != size; ++i) {
        const std::string& host = masters[i].host;
        frame += "*3\r\n:" + std::to_string((last + 1) * i / size) +
                 "\r\n:" + std::to_string((last + 1) * (i + 1) / size - 1) + "\r\n*2\r\n$" +
                 std::to_string(host.size()) + "\r\n" + host + "\r\n:" + std::to_string(masters[i].port) + "\r\n";
    }
    return SlotMap::from_slots(frame, {}).value();
}

class ClusterRefresherTest : public ::testing::Test {
protected:
    static ClusterRefresher::Settings settings() {
        ClusterRefresher::Settings made;
        made.seeds = {seed0, seed1};
        return made;
    }
    TimePoint now = TimePoint{} + 1h;
    ClusterRefresher refresher{settings(), [] { return 0.5; }};
    const NodeAddress a{"a", 7000};
    const NodeAddress b{"b", 7000};
    const NodeAddress c{"c", 7000};
};

TEST_F(ClusterRefresherTest, AsksTheSeedsUntilOneAnswers) {
    EXPECT_EQ(refresher.start(now), Actions{ask(1, seed0)});
    EXPECT_EQ(refresher.on_failed(1, "refused", now), Actions{ask(2, seed1)});
    EXPECT_EQ(refresher.wakes_at(), TimePoint::max());
    EXPECT_EQ(refresher.on_map(2, map_of({a, b, c}), now), Actions{adopt});
    EXPECT_EQ(refresher.map(), map_of({a, b, c}));
    EXPECT_EQ(refresher.wakes_at(), now + 30s);
}

TEST_F(ClusterRefresherTest, SaysWhoSaidWhatWhenNoneAnswersAndPausesLongerEachTime) {
    refresher.start(now);
    refresher.on_failed(1, "refused", now);
    EXPECT_EQ(
        refresher.on_failed(2, "no answer in time", now),
        (Actions{
            {Kind::absent, 0, {}, "no node of the Cluster gives its map: s0:1: refused; s1:1: no answer in time"}}));
    std::vector<Duration> pauses;
    for (std::size_t number = 3; pauses.size() != 6; number += 2) {
        pauses.push_back(refresher.wakes_at() - now);
        EXPECT_EQ(refresher.on_doubt(now), Actions{});  // does not shorten the pause
        now = refresher.wakes_at();
        ASSERT_EQ(refresher.on_time(now), Actions{ask(number, seed0)});
        refresher.on_failed(number, "refused", now);
        refresher.on_failed(number + 1, "refused", now);
    }
    EXPECT_EQ(pauses, (std::vector<Duration>{100ms, 200ms, 400ms, 800ms, 1600ms, 2s}));
}

TEST_F(ClusterRefresherTest, LaterItAsksAnyKnownNodeFirstAndTheSeedsLast) {
    refresher.start(now);
    refresher.on_map(1, map_of({a, b, c}), now);
    now = refresher.wakes_at();
    EXPECT_EQ(refresher.on_time(now), Actions{ask(2, b)});
    EXPECT_EQ(refresher.on_failed(2, "gone", now), Actions{ask(3, c)});
    EXPECT_EQ(refresher.on_failed(3, "gone", now), Actions{ask(4, a)});
    EXPECT_EQ(refresher.on_failed(4, "gone", now), Actions{ask(5, seed0)});
    EXPECT_EQ(refresher.on_failed(5, "gone", now), Actions{ask(6, seed1)});
    // Nobody answers: the old map stays.
    EXPECT_EQ(refresher.on_failed(6, "gone", now), Actions{});
    EXPECT_TRUE(refresher.map().has_value());
    EXPECT_EQ(refresher.wakes_at(), now + 100ms);
}

TEST_F(ClusterRefresherTest, AsksThoseThatAreSilentLast) {
    std::vector<NodeAddress> silent{b};
    ClusterRefresher cautious(
        settings(), [] { return 0.5; },
        [&](const NodeAddress& address) { return std::find(silent.begin(), silent.end(), address) != silent.end(); });
    EXPECT_EQ(cautious.start(now), Actions{ask(1, seed0)});
    cautious.on_map(1, map_of({a, b, c}), now);
    now = cautious.wakes_at();
    EXPECT_EQ(cautious.on_time(now), Actions{ask(2, c)});
    EXPECT_EQ(cautious.on_failed(2, "gone", now), Actions{ask(3, a)});
    EXPECT_EQ(cautious.on_failed(3, "gone", now), Actions{ask(4, seed0)});
    EXPECT_EQ(cautious.on_failed(4, "gone", now), Actions{ask(5, seed1)});
    EXPECT_EQ(cautious.on_failed(5, "gone", now), Actions{ask(6, b)});
    EXPECT_EQ(cautious.on_map(6, map_of({b, c}), now), Actions{adopt});
    // All are: in the usual order.
    silent = {b, c, seed0, seed1};
    now = cautious.wakes_at();
    EXPECT_EQ(cautious.on_time(now), Actions{ask(7, c)});
    EXPECT_EQ(cautious.on_failed(7, "gone", now), Actions{ask(8, b)});
}

TEST_F(ClusterRefresherTest, ManyDoubtsMakeOneRefreshAndOneMore) {
    refresher.start(now);
    refresher.on_map(1, map_of({a, b, c}), now);
    now += 10s;
    EXPECT_EQ(refresher.on_doubt(now), Actions{});
    EXPECT_EQ(refresher.wakes_at(), now + 20ms);
    EXPECT_EQ(refresher.on_doubt(now), Actions{});
    now += 20ms;
    EXPECT_EQ(refresher.on_time(now), Actions{ask(2, b)});
    for (int i = 0; i != 1000; ++i) EXPECT_EQ(refresher.on_doubt(now), Actions{});
    EXPECT_EQ(refresher.on_map(2, map_of({a, b}), now), Actions{adopt});
    EXPECT_EQ(refresher.wakes_at(), now + 20ms);
    now += 20ms;
    EXPECT_EQ(refresher.on_time(now), Actions{ask(3, b)});
    EXPECT_EQ(refresher.on_map(3, map_of({a, b}), now), Actions{});  // nothing new
    EXPECT_EQ(refresher.wakes_at(), now + 30s);
}

TEST_F(ClusterRefresherTest, LooksSoonAgainWhileSlotsAreUncovered) {
    refresher.start(now);
    EXPECT_EQ(refresher.on_map(1, map_of({a, b, c}, 10000), now), Actions{adopt});
    EXPECT_EQ(refresher.wakes_at(), now + 100ms);
}

TEST_F(ClusterRefresherTest, LooksOftenWhileAMasterDoesNotAnswerAndLessSoTheLongerThatLasts) {
    refresher.start(now);
    std::vector<Duration> pauses;
    for (std::size_t number = 1; number != 6; ++number) {
        refresher.on_map(number, map_of({a, b, c}), now, true);
        pauses.push_back(refresher.wakes_at() - now);
        now = refresher.wakes_at();
        refresher.on_time(now);
    }
    EXPECT_EQ(pauses, (std::vector<Duration>{100ms, 200ms, 250ms, 250ms, 250ms}));
    refresher.on_map(6, map_of({a, b, c}), now);
    EXPECT_EQ(refresher.wakes_at(), now + 30s);
    now = refresher.wakes_at();
    refresher.on_time(now);
    refresher.on_map(7, map_of({a, b, c}), now, true);
    EXPECT_EQ(refresher.wakes_at(), now + 100ms);
}

TEST_F(ClusterRefresherTest, LateAnswersAreIgnored) {
    refresher.start(now);
    refresher.on_failed(1, "slow", now);
    EXPECT_EQ(refresher.on_map(1, map_of({c}), now), Actions{});
    EXPECT_EQ(refresher.on_failed(1, "again", now), Actions{});
    EXPECT_EQ(refresher.on_map(2, map_of({a}), now), Actions{adopt});
    EXPECT_EQ(refresher.on_map(2, map_of({b}), now), Actions{});
    EXPECT_EQ(refresher.map(), map_of({a}));
}

// At each step of a refresh the asked node may fail: as long as one answers, it ends with the map.
TEST_F(ClusterRefresherTest, AFailureAtAnyStepOnlyDelaysIt) {
    for (std::size_t failing = 0; failing != 5; ++failing) {
        ClusterRefresher one(settings(), [] { return 0.0; });
        one.start(now);
        one.on_map(1, map_of({a, b, c}), now);
        Actions actions = one.on_time(one.wakes_at());
        for (std::size_t i = 0; i != failing; ++i) {
            ASSERT_EQ(actions.size(), 1u);
            actions = one.on_failed(actions[0].number, "gone", now);
        }
        ASSERT_EQ(actions.size(), 1u) << failing;
        EXPECT_EQ(one.on_map(actions[0].number, map_of({a, b}), now), Actions{adopt});
    }
}

}  // namespace
}  // namespace redoubt::topology
