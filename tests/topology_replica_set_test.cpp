// topology: which replica a read goes to, and why none, without a server.
#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <redoubt/base/telemetry.hpp>

#include "topology/replica_set.hpp"

namespace redoubt::topology {
namespace {

using Kind = ReplicaSet::Choice::Kind;

class ReplicaSetTest : public ::testing::Test {
protected:
    ReplicaSetTest() {
        config.max_replica_lag = 1s;
        set.set_followers(7, {0, 1, 2});
    }
    void answers(std::uint16_t number, Duration answer_time, Duration lag = Duration::zero()) {
        set.at(number).set_fresh_as_of(now - lag);
        set.at(number).answer_time.forget();
        set.at(number).answer_time.note(answer_time);
    }
    ReplicaSet::Choice choose(ReadFrom from, const pool::Node* avoid = nullptr) {
        return set.choose(7, from, master, avoid, now);
    }
    std::set<std::uint16_t> chosen(ReadFrom from, const pool::Node* avoid = nullptr) {
        std::set<std::uint16_t> found;
        for (int i = 0; i != 12; ++i) found.insert(choose(from, avoid).number);
        return found;
    }
    std::string why() { return std::string(set.refusal(7, now).reason()); }

    const TimePoint now = Clock::now();
    boost::asio::io_context io;
    RedisServiceConfig config;
    Target target;
    std::shared_ptr<Telemetry> telemetry = std::make_shared<Telemetry>();
    pool::Node master{config, target, telemetry};
    ReplicaSet set{config, target, io.get_executor(), telemetry, nullptr, true};
    std::array<std::uint16_t, 3> numbers{set.number_of({"127.0.0.1", 1}), set.number_of({"127.0.0.1", 2}),
                                         set.number_of({"::1", 1})};
};

TEST_F(ReplicaSetTest, NumbersStay) {
    EXPECT_EQ(numbers, (std::array<std::uint16_t, 3>{0, 1, 2}));
    EXPECT_EQ(set.number_of({"127.0.0.1", 2}), 1);
    EXPECT_EQ(set.at(2).node->endpoint(), "[::1]:1");
    EXPECT_TRUE(set.at(0).node->session().read_only);
    EXPECT_FALSE(master.session().read_only);
}

TEST_F(ReplicaSetTest, OnlyThoseWithinTheBoundAreAskedInTurn) {
    EXPECT_EQ(choose(ReadFrom::replica).kind, Kind::none);
    EXPECT_EQ(choose(ReadFrom::replica_preferred).kind, Kind::master);
    EXPECT_EQ(choose(ReadFrom::lowest_latency).kind, Kind::master);
    answers(0, 1ms);
    answers(1, 9ms, 1s);
    answers(2, 1ms, 1001ms);
    EXPECT_EQ(chosen(ReadFrom::replica), (std::set<std::uint16_t>{0, 1}));
    EXPECT_EQ(chosen(ReadFrom::replica_preferred), (std::set<std::uint16_t>{0, 1}));
    // Of another master none is known.
    EXPECT_EQ(set.choose(3, ReadFrom::replica, master, nullptr, now).kind, Kind::none);
    EXPECT_EQ(set.choose(0xffff, ReadFrom::replica_preferred, master, nullptr, now).kind, Kind::master);
}

TEST_F(ReplicaSetTest, WhoeverHasJustFailedIsLast) {
    answers(0, 1ms);
    answers(1, 1ms);
    const pool::Node* const first = set.at(0).node.get();
    EXPECT_EQ(chosen(ReadFrom::replica, first), (std::set<std::uint16_t>{1}));
    EXPECT_EQ(chosen(ReadFrom::lowest_latency, first), (std::set<std::uint16_t>{1}));
    set.set_followers(7, {0});
    EXPECT_EQ(chosen(ReadFrom::replica, first), (std::set<std::uint16_t>{0}));
    EXPECT_EQ(choose(ReadFrom::replica_preferred, first).kind, Kind::master);
    EXPECT_EQ(choose(ReadFrom::lowest_latency, first).kind, Kind::master);
    master.force_open(now);
    EXPECT_EQ(choose(ReadFrom::replica_preferred, first).kind, Kind::replica);
}

TEST_F(ReplicaSetTest, AnOpenBreakerIsPassedOver) {
    answers(0, 1ms);
    answers(1, 1ms);
    set.at(0).node->force_open(now);
    EXPECT_EQ(chosen(ReadFrom::replica), (std::set<std::uint16_t>{1}));
    set.at(1).node->force_open(now);
    EXPECT_EQ(choose(ReadFrom::replica).kind, Kind::none);
    EXPECT_EQ(choose(ReadFrom::replica_preferred).kind, Kind::master);
}

TEST_F(ReplicaSetTest, TheFastestOfAllIsAskedForTheLowestLatency) {
    answers(0, 5ms);
    answers(1, 3ms);
    EXPECT_EQ(choose(ReadFrom::lowest_latency).number, 1);  // the master's is not known yet
    set.answer_time_of_master(7).note(4ms);
    EXPECT_EQ(choose(ReadFrom::lowest_latency).number, 1);
    answers(0, 2ms);
    EXPECT_EQ(choose(ReadFrom::lowest_latency).number, 0);
    answers(0, 9ms);
    answers(1, 9ms);
    EXPECT_EQ(choose(ReadFrom::lowest_latency).kind, Kind::master);
    master.force_open(now);
    EXPECT_EQ(choose(ReadFrom::lowest_latency).kind, Kind::replica);
}

TEST_F(ReplicaSetTest, SaysWhyNoneMayBeAsked) {
    answers(0, 1ms);
    set.at(0).node->force_open(now);
    answers(1, 1ms, 2s);
    EXPECT_EQ(why(),
              "no replica may be read from (read_from is replica): of 3 known, 2 are not known to be within "
              "max_replica_lag (1000 ms) of the master, and of 1 the circuit breaker is open");
    const Error error = set.refusal(8, now);
    EXPECT_EQ(error.kind, ErrorKind::connection);
    EXPECT_EQ(error.certainty, Certainty::not_sent);
    EXPECT_EQ(error.reason(),
              "no replica may be read from (read_from is replica): no replica is known that follows the master");
}

TEST_F(ReplicaSetTest, TheAnswerTimeIsSmoothed) {
    AnswerTime time;
    EXPECT_EQ(time.get(), Duration::zero());
    time.note(8ms);
    EXPECT_EQ(time.get(), 8ms);
    time.note(4ms);
    EXPECT_EQ(time.get(), 7ms);
}

}  // namespace
}  // namespace redoubt::topology
