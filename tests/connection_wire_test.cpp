// connection: the blocking wire with a peer played by the test: pipelining, losses, silence, closing.
#include "connection/blocking_wire.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/blocking_wire_fixture.hpp"

namespace redoubt::connection {
namespace {

using testing::bulk;

using BlockingWireTest = testing::BlockingWireFixture;
using testing::Call;
using testing::closing;
using testing::long_time;
using testing::settings_with;

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

}  // namespace
}  // namespace redoubt::connection
