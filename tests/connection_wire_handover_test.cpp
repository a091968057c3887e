// connection: the blocking wire under many threads: who leads, who takes over, and that nobody is left behind.
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/blocking_wire_fixture.hpp"
#include "support/processes.hpp"

namespace redoubt::connection {
namespace {

using BlockingWireTest = testing::BlockingWireFixture;
using testing::bulk;
using testing::Call;
using testing::eventually;
using testing::long_time;

TEST_F(BlockingWireTest, TheLeadGoesToWhoeverStillWaits) {
    const auto wire = make_wire();
    std::vector<std::unique_ptr<Call>> calls;
    std::vector<std::future<bool>> runs;
    for (int i = 0; i != 4; ++i) {
        calls.push_back(std::make_unique<Call>(std::to_string(i)));
        runs.push_back(run(*wire, *calls.back()));
        EXPECT_EQ(peer_.read(3), "<" + std::to_string(i) + ">");  // so that their order is known
    }
    EXPECT_EQ(wire->in_flight(), 4u);
    for (std::size_t i = 0; i != 4; ++i) {
        peer_.write(bulk(std::to_string(i)));
        expect_answer(runs[i], *calls[i], std::to_string(i));
        EXPECT_EQ(wire->in_flight(), 3 - i);
    }
}

TEST_F(BlockingWireTest, AFollowersDeadlinePassesWhileAnotherLeads) {
    const auto wire = make_wire();
    Call leader("leader"), follower("follower", 20ms), last("last");
    auto leading = run(*wire, leader);
    EXPECT_EQ(peer_.read(8), "<leader>");
    EXPECT_TRUE(wire->run(follower, Clock::now()));
    expect_failure(follower, ErrorKind::timeout, Certainty::unknown, FailureSource::operation);
    EXPECT_EQ(follower.error()->stage, Stage::sent);
    EXPECT_EQ(peer_.read(10), "<follower>");
    EXPECT_EQ(wire->in_flight(), 2u);  // its tombstone
    auto later = run(*wire, last);
    EXPECT_EQ(peer_.read(6), "<last>");
    peer_.write(bulk("leader"));
    expect_answer(leading, leader, "leader");
    peer_.write(bulk("follower") + bulk("last"));
    expect_answer(later, last, "last");
    EXPECT_EQ(follower.answer, "");
    EXPECT_TRUE(wire->is_open()) << "a caller's own deadline says nothing about the wire";
    EXPECT_FALSE(wire->take_loss());
}

TEST_F(BlockingWireTest, ALeadersDeadlinePassesAndAnotherTakesTheLead) {
    const auto wire = make_wire();
    Call leader("leader", 50ms), follower("follower");
    auto leading = run(*wire, leader);
    EXPECT_EQ(peer_.read(8), "<leader>");
    auto following = run(*wire, follower);
    EXPECT_EQ(peer_.read(10), "<follower>");
    EXPECT_TRUE(leading.get());
    expect_failure(leader, ErrorKind::timeout, Certainty::unknown, FailureSource::operation);
    peer_.write(bulk("leader") + bulk("follower"));
    expect_answer(following, follower, "follower");
    EXPECT_EQ(leader.answer, "");
    EXPECT_TRUE(wire->is_open());
}

// The leader's time and its successor's end together, a little more or less: the lead is never lost between them.
TEST_F(BlockingWireTest, TheLeadIsNotLostWhenASuccessorGivesUpAsItIsNamed) {
    const auto wire = make_wire();
    int sent = 0;
    for (int round = 0; round != 400; ++round) {
        Call leader("1", 2ms), successor("2", 2ms + std::chrono::microseconds(50) * (round % 30));
        auto leading = run(*wire, leader);
        EXPECT_TRUE(wire->run(successor, Clock::now()));
        EXPECT_TRUE(leading.get());
        ASSERT_TRUE(leader.error() && successor.error());
        for (const Call* call : {&leader, &successor}) sent += call->error()->certainty == Certainty::unknown;
    }
    Call last("3", 10s);
    auto running = run(*wire, last);
    peer_.read(static_cast<std::size_t>(3 * (sent + 1)));
    std::string answers;
    for (int i = 0; i != sent; ++i) answers += "+x\r\n";
    peer_.write(answers + bulk("3"));
    expect_answer(running, last, "3");
}

// Each call ends once, with its own answer or without one, whatever the others do and whenever the peer leaves.
TEST_F(BlockingWireTest, NobodyGetsAnothersAnswerWhenMostGiveUpOrThePeerLeaves) {
    for (const bool leaves : {false, true}) {
        std::atomic<int> answered{0}, right{0}, failed{0}, refused{0};
        const auto wire = make_echo_wire([&](const std::string& name) {
            if (leaves && ++answered == 1000) echo_->hang_up();
            return bulk(name);
        });
        {
            std::vector<std::jthread> callers;
            for (int t = 0; t != 16; ++t) {
                callers.emplace_back([&, t] {
                    for (int i = 0; i != 200; ++i) {
                        const std::string name = std::to_string(t) + "." + std::to_string(i);
                        const bool hasty = !leaves && i % 4 != 0;
                        Call call(name, hasty ? Duration(std::chrono::microseconds(5 * (i % 40))) : long_time);
                        const bool ran = wire->run(call, Clock::now());
                        EXPECT_TRUE(call.answer.empty() || call.answer == bulk(name));
                        EXPECT_EQ(ran && !call.error(), !call.answer.empty());
                        ++(!ran ? refused : call.error() ? failed : right);
                    }
                });
            }
        }
        EXPECT_EQ(right + failed + refused, 3200);
        EXPECT_GE(right, 800);
        EXPECT_GE(failed, 1);
        EXPECT_EQ(refused > 0, leaves);
        EXPECT_EQ(wire->is_open(), !leaves);
        EXPECT_EQ(wire->take_loss().has_value(), leaves);
        if (leaves) continue;
        Call last("last");
        EXPECT_TRUE(wire->run(last, Clock::now()));
        EXPECT_EQ(last.answer, bulk("last"));
        EXPECT_EQ(wire->in_flight(), 0u);
    }
}

TEST_F(BlockingWireTest, APeerThatDoesNotReadHoldsUpAllAndThenServesThem) {
    const auto wire = make_wire();
    Call leader("leader");
    auto leading = run(*wire, leader);
    EXPECT_EQ(peer_.read(8), "<leader>");
    const std::string large(8 << 20, 'x');
    Call big(large);
    auto running = run(*wire, big);
    ASSERT_TRUE(peer_.readable(10'000));
    ASSERT_TRUE(eventually([&] { return wire->in_flight() == 2; }));
    Call hasty("hasty", 30ms);
    EXPECT_TRUE(wire->run(hasty, Clock::now()));
    expect_failure(hasty, ErrorKind::timeout, Certainty::not_sent, FailureSource::operation);  // never handed out
    EXPECT_EQ(hasty.error()->stage, Stage::queued);
    std::vector<std::unique_ptr<Call>> calls;
    std::vector<std::future<bool>> runs;
    for (int i = 0; i != 8; ++i) {
        calls.push_back(std::make_unique<Call>("s" + std::to_string(i)));
        runs.push_back(run(*wire, *calls.back()));
    }
    ASSERT_TRUE(eventually([&] { return wire->in_flight() == 10; }));
    EXPECT_EQ(running.wait_for(0s), std::future_status::timeout);
    // Whoever leads has no answer before all is written: it must have been told to wait for that too.
    echo_ = std::make_unique<testing::EchoPeer>(std::move(peer_), [&](const std::string& name) {
        return name == large ? bulk("leader") + bulk(large) : bulk(name);
    });
    expect_answer(leading, leader, "leader");
    expect_answer(running, big, large);
    for (std::size_t i = 0; i != 8; ++i) expect_answer(runs[i], *calls[i], "s" + std::to_string(i));
}

}  // namespace
}  // namespace redoubt::connection
