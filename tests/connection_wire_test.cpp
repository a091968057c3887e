// connection: the blocking wire with a peer played by the test: pipelining, hand-over, deadlines, losses, closing.
#include "connection/blocking_wire.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/processes.hpp"
#include "support/scripted_peer.hpp"

namespace redoubt::connection {
namespace {

using testing::bulk;
using testing::eventually;

constexpr Duration long_time = std::chrono::minutes(1);

WireSettings settings_with(Duration attempt_timeout = long_time) {
    return {ReplyLimits{}, Multiplexer::Limits{}, attempt_timeout};
}
Error closing() { return Error::of(ErrorKind::connection, Certainty::unknown, Stage::sent, "closing"); }

/// Sends `<name>` and keeps its answer.
class Call final : public BlockingOperation {
public:
    explicit Call(std::string name, Duration deadline = long_time, Duration attempt_timeout = long_time)
        : bytes_("<" + std::move(name) + ">") {
        set_timing(Clock::now() + deadline, attempt_timeout);
    }
    std::size_t encoded_bound() const noexcept override { return bytes_.size(); }
    char* encode(char* out) const noexcept override {
        std::memcpy(out, bytes_.data(), bytes_.size());
        return out + bytes_.size();
    }
    bool on_reply(std::string_view frame) override {
        answer += frame;
        return true;
    }
    std::string answer;

private:
    std::string bytes_;
};

class BlockingWireTest : public ::testing::Test {
protected:
    std::unique_ptr<BlockingWire> make_wire(Duration attempt_timeout = long_time) {
        auto wire = std::make_unique<BlockingWire>(listener_.connect(), settings_with(attempt_timeout));
        peer_ = listener_.accept();
        return wire;
    }
    std::unique_ptr<BlockingWire> make_echo_wire(testing::EchoPeer::Answer answer = [](const std::string& name) {
        return bulk(name);
    }) {
        auto wire = make_wire();
        echo_ = std::make_unique<testing::EchoPeer>(std::move(peer_), std::move(answer));
        return wire;
    }
    /// Runs the call on a thread of its own.
    static std::future<bool> run(BlockingWire& wire, Call& call) {
        return std::async(std::launch::async, [&] { return wire.run(call, Clock::now()); });
    }
    static void expect_answer(std::future<bool>& run, const Call& call, const std::string& name) {
        ASSERT_EQ(run.wait_for(10s), std::future_status::ready) << name;
        EXPECT_TRUE(run.get());
        EXPECT_FALSE(call.error()) << call.error()->message();
        EXPECT_EQ(call.answer, bulk(name));
    }
    static void expect_failure(const Call& call, ErrorKind kind, Certainty certainty, FailureSource source) {
        ASSERT_TRUE(call.error());
        EXPECT_EQ(call.error()->kind, kind) << call.error()->message();
        EXPECT_EQ(call.error()->certainty, certainty) << call.error()->message();
        EXPECT_EQ(call.failure_source(), source) << call.error()->message();
    }

    testing::Listener listener_;
    testing::PeerSocket peer_;
    std::unique_ptr<testing::EchoPeer> echo_;
};

TEST_F(BlockingWireTest, ManyThreadsShareItAndEachGetsItsOwnAnswers) {
    for (const int threads : {1, 8, 64}) {
        const auto wire = make_echo_wire();
        const int rounds = 6400 / threads;
        std::atomic<int> right{0};
        {
            std::vector<std::jthread> callers;
            for (int t = 0; t != threads; ++t) {
                callers.emplace_back([&, t] {
                    for (int i = 0; i != rounds; ++i) {
                        const std::string name = std::to_string(t) + "." + std::to_string(i);
                        Call call(name);
                        if (wire->run(call, Clock::now()) && !call.error() && call.answer == bulk(name)) ++right;
                    }
                });
            }
        }
        EXPECT_EQ(right, threads * rounds);
        EXPECT_EQ(wire->in_flight(), 0u);
        EXPECT_TRUE(wire->is_open());
        EXPECT_FALSE(wire->take_loss());
        echo_.reset();
    }
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

TEST_F(BlockingWireTest, APeerThatClosesHalfWayThroughAReplyFailsAllOnce) {
    for (const std::string half : {"", "$5\r\nab", "+x\r\n$5\r\nother"}) {
        const auto wire = make_wire();
        Call first("1"), second("2"), third("3");
        auto a = run(*wire, first);
        peer_.read(3);
        auto b = run(*wire, second);
        peer_.read(3);
        auto c = run(*wire, third);
        peer_.read(3);
        peer_.write(half);
        peer_.close();
        EXPECT_TRUE(a.get() && b.get() && c.get());
        if (half.starts_with("+x")) {
            EXPECT_EQ(first.answer, "+x\r\n");
            EXPECT_FALSE(first.error());
        } else {
            expect_failure(first, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
        }
        expect_failure(second, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
        expect_failure(third, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
        EXPECT_FALSE(wire->is_open());
        EXPECT_TRUE(wire->take_loss());
        EXPECT_FALSE(wire->take_loss()) << "one lost wire is told once";
        Call late("late");
        EXPECT_FALSE(wire->run(late, Clock::now()));
        EXPECT_FALSE(late.error());
    }
}

TEST_F(BlockingWireTest, GarbageClosesTheWire) {
    const auto wire = make_wire();
    Call call("call");
    auto running = run(*wire, call);
    peer_.read(6);
    peer_.write("HTTP/1.1 400 Bad Request\r\n");
    EXPECT_TRUE(running.get());
    expect_failure(call, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
    EXPECT_EQ(peer_.read_some(), "");
}

// A busy machine may be late once; it is not late each time.
TEST_F(BlockingWireTest, ASilentPeerIsAnErrorAfterTheAttemptTimeout) {
    constexpr Duration timeout = 100ms;
    Duration quickest = long_time;
    for (int i = 0; i != 5; ++i) {
        const auto wire = make_wire(timeout);
        Call call("call", long_time, timeout), follower("follower", long_time, timeout);
        const TimePoint begin = Clock::now();
        auto running = run(*wire, follower);
        EXPECT_TRUE(wire->run(call, Clock::now()));
        EXPECT_TRUE(running.get());
        const Duration took = Clock::now() - begin;
        EXPECT_GE(took, timeout);
        quickest = std::min(quickest, took);
        // Whoever reads finds the wire at fault; the other may have seen its own time end first.
        EXPECT_TRUE(call.failure_source() == FailureSource::wire || follower.failure_source() == FailureSource::wire);
        for (const Call* one : {&call, &follower}) {
            ASSERT_TRUE(one->error());
            EXPECT_EQ(one->error()->kind, ErrorKind::timeout);
            EXPECT_EQ(one->error()->certainty, Certainty::unknown);
        }
        EXPECT_FALSE(wire->is_open());
        const auto loss = wire->take_loss();
        ASSERT_TRUE(loss);
        EXPECT_EQ(loss->reason(), stalled_error().reason());
    }
    EXPECT_LE(quickest, timeout + 50ms);
}

TEST_F(BlockingWireTest, APeerThatDoesNotReadHoldsUpAllAndThenServesThem) {
    const auto wire = make_wire();
    const std::string large(8 << 20, 'x');
    Call big(large);
    auto running = run(*wire, big);
    ASSERT_TRUE(peer_.readable(10'000));
    ASSERT_TRUE(eventually([&] { return wire->in_flight() == 1; }));
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
    ASSERT_TRUE(eventually([&] { return wire->in_flight() == 9; }));
    EXPECT_EQ(running.wait_for(0s), std::future_status::timeout);
    echo_ = std::make_unique<testing::EchoPeer>(std::move(peer_));
    expect_answer(running, big, large);
    for (std::size_t i = 0; i != 8; ++i) expect_answer(runs[i], *calls[i], "s" + std::to_string(i));
}

TEST_F(BlockingWireTest, WhatAPeerThatNeverReadsDidNotGetWasNotSent) {
    const std::string large(8 << 20, 'x');
    {
        const auto wire = make_wire(100ms);
        Call big(large, long_time, 100ms);
        EXPECT_TRUE(wire->run(big, Clock::now()));
        expect_failure(big, ErrorKind::timeout, Certainty::not_sent, FailureSource::wire);  // its last byte is here
        EXPECT_FALSE(wire->is_open());
    }
    const auto wire = make_wire(1s);
    Call big(large, long_time, 1s), small("small", long_time, 1s);
    auto running = run(*wire, big);
    ASSERT_TRUE(peer_.readable(10'000));
    EXPECT_TRUE(wire->run(small, Clock::now()));
    EXPECT_TRUE(running.get());
    ASSERT_TRUE(big.error() && small.error());
    EXPECT_EQ(small.error()->certainty, Certainty::not_sent);
    EXPECT_FALSE(wire->is_open());
}

TEST_F(BlockingWireTest, CloseFromAnotherThreadReturnsAllCallers) {
    const auto wire = make_wire();
    std::vector<std::unique_ptr<Call>> calls;
    std::vector<std::future<bool>> runs;
    for (int i = 0; i != 8; ++i) {
        calls.push_back(std::make_unique<Call>(std::to_string(i)));
        runs.push_back(run(*wire, *calls.back()));
    }
    peer_.read(8 * 3);
    wire->close(closing());
    for (std::size_t i = 0; i != 8; ++i) {
        ASSERT_EQ(runs[i].wait_for(10s), std::future_status::ready);
        EXPECT_TRUE(runs[i].get());
        expect_failure(*calls[i], ErrorKind::connection, Certainty::unknown, FailureSource::wire);
        EXPECT_EQ(calls[i]->error()->reason(), "closing");
    }
    EXPECT_FALSE(wire->take_loss()) << "closed on purpose";
    EXPECT_EQ(peer_.read_some(), "") << "the peer sees it at once";
    wire->close(closing());
}

TEST_F(BlockingWireTest, AWireWhosePeerLeftWhileItRestedIsNotTouched) {
    for (const bool says_something : {false, true}) {
        const auto wire = make_wire();
        if (says_something) {
            peer_.write("+unasked\r\n");
        } else {
            peer_.close();
        }
        Call call("call");
        EXPECT_FALSE(wire->run(call, wire->last_used() + 1s));
        EXPECT_FALSE(call.error());
        EXPECT_EQ(call.answer, "");
        EXPECT_FALSE(wire->is_open());
        EXPECT_FALSE(wire->take_loss()) << "nothing was lost with it";
        if (!says_something) continue;
        EXPECT_EQ(peer_.read_some(), "") << "not a byte was sent";
    }
}

TEST_F(BlockingWireTest, TheConnectionCanBeTakenBackWhenNothingIsUnderWay) {
    const auto wire = make_wire();
    Call call("call");
    auto running = run(*wire, call);
    peer_.read(6);
    EXPECT_FALSE(wire->detach());
    peer_.write(bulk("call"));
    expect_answer(running, call, "call");
    auto transport = wire->detach();
    ASSERT_TRUE(transport && transport->is_open());
    EXPECT_FALSE(wire->is_open());
    EXPECT_FALSE(wire->detach());
    EXPECT_FALSE(wire->run(call, Clock::now()));

    BlockingWire second(std::move(*transport), settings_with());
    Call again("again");
    auto later = run(second, again);
    peer_.read(7);
    peer_.write(bulk("again"));
    expect_answer(later, again, "again");
    Call tombstone("tombstone", 10ms);
    EXPECT_TRUE(second.run(tombstone, Clock::now()));
    EXPECT_FALSE(second.detach()) << "an answer is still to come";
}

TEST_F(BlockingWireTest, AFullQueueRefusesAtOnce) {
    WireSettings settings = settings_with();
    settings.queue_limits.max_commands = 1;
    BlockingWire wire(listener_.connect(), settings);
    peer_ = listener_.accept();
    Call first("first"), second("second");
    auto running = run(wire, first);
    peer_.read(7);
    EXPECT_TRUE(wire.run(second, Clock::now()));
    expect_failure(second, ErrorKind::pool_exhausted, Certainty::not_sent, FailureSource::operation);
    peer_.write(bulk("first"));
    expect_answer(running, first, "first");
}

}  // namespace
}  // namespace redoubt::connection
