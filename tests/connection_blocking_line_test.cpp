// connection: the blocking wire when its queue is full: callers wait in line, in order, and never for ever.
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

using testing::bulk;
using testing::Call;
using testing::closing;
using testing::eventually;
using testing::long_time;
using testing::settings_with;

class BlockingLineTest : public testing::BlockingWireFixture {
protected:
    std::unique_ptr<BlockingWire> make_narrow_wire(std::size_t max_commands, std::size_t max_bytes = 1u << 20,
                                                   Duration attempt_timeout = long_time) {
        WireSettings settings = settings_with(attempt_timeout);
        settings.queue_limits = {max_commands, max_bytes};
        auto wire = std::make_unique<BlockingWire>(listener_.connect(), settings);
        peer_ = listener_.accept();
        return wire;
    }
    static void expect_no_room(const Call& call) {
        expect_failure(call, ErrorKind::timeout, Certainty::not_sent, FailureSource::operation);
        EXPECT_EQ(call.error()->stage, Stage::waiting_for_wire);
        EXPECT_NE(call.error()->message().find("max_queued_commands"), std::string::npos) << call.error()->message();
        EXPECT_NE(call.error()->message().find("max_queued_bytes"), std::string::npos);
    }
};

TEST_F(BlockingLineTest, CallersAreServedInTheOrderInWhichTheyCame) {
    const auto wire = make_narrow_wire(1);
    std::vector<std::unique_ptr<Call>> calls;
    std::vector<std::future<bool>> runs;
    for (std::size_t i = 0; i != 5; ++i) {
        calls.push_back(std::make_unique<Call>(std::to_string(i)));
        runs.push_back(run(*wire, *calls.back()));
        if (i == 0) {
            EXPECT_EQ(peer_.read(3), "<0>");
        }
        ASSERT_TRUE(eventually([&] { return wire->waiting() == i; }));
    }
    for (std::size_t i = 0; i != 5; ++i) {
        const std::string name = std::to_string(i);
        if (i != 0) {
            EXPECT_EQ(peer_.read(3), "<" + name + ">");
        }
        EXPECT_FALSE(peer_.readable()) << "one at a time";
        peer_.write(bulk(name));
        expect_answer(runs[i], *calls[i], name);
    }
    EXPECT_EQ(wire->waiting(), 0u);
}

TEST_F(BlockingLineTest, WhoFindsNoRoomInTimeWasNotSentAndHoldsUpNobody) {
    const auto wire = make_narrow_wire(1);
    Call first("first"), hasty("hasty", 20ms), last("last");
    auto running = run(*wire, first);
    EXPECT_EQ(peer_.read(7), "<first>");
    auto hurrying = run(*wire, hasty);
    ASSERT_TRUE(eventually([&] { return wire->waiting() == 1; }));
    auto later = run(*wire, last);
    EXPECT_TRUE(hurrying.get());
    expect_no_room(hasty);
    peer_.write(bulk("first"));
    expect_answer(running, first, "first");
    EXPECT_EQ(peer_.read(6), "<last>");
    peer_.write(bulk("last"));
    expect_answer(later, last, "last");
    EXPECT_TRUE(wire->is_open());
}

// Nobody waits for the answer that fills the queue: whoever stands in line must read it.
TEST_F(BlockingLineTest, TombstonesAloneFillTheQueue) {
    const auto wire = make_narrow_wire(1);
    Call forgotten("forgotten", 10ms), hasty("hasty", 20ms), last("last");
    EXPECT_TRUE(wire->run(forgotten, Clock::now()));
    EXPECT_EQ(peer_.read(11), "<forgotten>");
    EXPECT_TRUE(wire->run(hasty, Clock::now()));
    expect_no_room(hasty);
    auto running = run(*wire, last);
    ASSERT_TRUE(eventually([&] { return wire->waiting() == 1; }));
    peer_.write(bulk("forgotten"));
    EXPECT_EQ(peer_.read(6), "<last>");
    peer_.write(bulk("last"));
    expect_answer(running, last, "last");
}

TEST_F(BlockingLineTest, TheWholeTimeOfAnAttemptIncludesTheLine) {
    const auto wire = make_narrow_wire(1);
    Call first("first"), second("second", 300ms);
    auto running = run(*wire, first);
    EXPECT_EQ(peer_.read(7), "<first>");
    auto waiting = run(*wire, second);
    ASSERT_TRUE(eventually([&] { return wire->waiting() == 1; }));
    peer_.write(bulk("first"));
    expect_answer(running, first, "first");
    EXPECT_EQ(peer_.read(8), "<second>");
    ASSERT_EQ(waiting.wait_for(10s), std::future_status::ready);
    expect_failure(second, ErrorKind::timeout, Certainty::unknown, FailureSource::operation);
}

TEST_F(BlockingLineTest, BytesFillTheQueueTooAndALargeOperationGetsInAlone) {
    const auto wire = make_narrow_wire(1000, 100);
    const std::string large(8 << 20, 'x');
    Call big(large), second(std::string(200, 'y')), third("third"), hasty("hasty", 20ms);
    auto running = run(*wire, big);
    ASSERT_TRUE(peer_.readable(10'000));
    // The first does not go into the socket; the second is pending, and full.
    auto following = run(*wire, second);
    ASSERT_TRUE(eventually([&] { return wire->in_flight() == 2; }));
    EXPECT_TRUE(wire->run(hasty, Clock::now()));
    expect_no_room(hasty);
    auto later = run(*wire, third);
    ASSERT_TRUE(eventually([&] { return wire->waiting() == 1; }));
    echo_ = std::make_unique<testing::EchoPeer>(std::move(peer_));
    expect_answer(running, big, large);
    expect_answer(following, second, std::string(200, 'y'));
    expect_answer(later, third, "third");
}

TEST_F(BlockingLineTest, WhoStandsInLineWhenTheWireEndsMayGoToAnother) {
    for (const bool closed_on_purpose : {false, true}) {
        const auto wire = make_narrow_wire(1);
        Call first("first"), second("second"), third("third");
        auto running = run(*wire, first);
        EXPECT_EQ(peer_.read(7), "<first>");
        auto a = run(*wire, second);
        auto b = run(*wire, third);
        ASSERT_TRUE(eventually([&] { return wire->waiting() == 2; }));
        if (closed_on_purpose) {
            wire->close(closing());
        } else {
            peer_.close();
        }
        for (auto* one : {&running, &a, &b}) ASSERT_EQ(one->wait_for(10s), std::future_status::ready);
        EXPECT_TRUE(running.get());
        expect_failure(first, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
        EXPECT_FALSE(a.get() || b.get()) << "not touched";
        EXPECT_FALSE(second.error() || third.error());
        EXPECT_EQ(wire->take_loss().has_value(), !closed_on_purpose);
    }
}

TEST_F(BlockingLineTest, ASilentPeerIsFoundOutByThoseInLine) {
    const auto wire = make_narrow_wire(1, 1u << 20, 50ms);
    Call forgotten("forgotten", 5ms);
    EXPECT_TRUE(wire->run(forgotten, Clock::now()));
    Call patient("patient");
    EXPECT_FALSE(wire->run(patient, Clock::now()));
    EXPECT_FALSE(wire->is_open());
    const auto loss = wire->take_loss();
    ASSERT_TRUE(loss);
    EXPECT_EQ(loss->reason(), stalled_error().reason());
}

TEST_F(BlockingLineTest, ManyThreadsThroughANarrowQueue) {
    WireSettings settings = settings_with();
    settings.queue_limits = {3, 40};
    BlockingWire wire(listener_.connect(), settings);
    testing::EchoPeer echo(listener_.accept());
    std::atomic<int> right{0};
    {
        std::vector<std::jthread> callers;
        for (int t = 0; t != 16; ++t) {
            callers.emplace_back([&, t] {
                for (int i = 0; i != 200; ++i) {
                    const std::string name = std::to_string(t) + "." + std::to_string(i);
                    Call call(name);
                    if (wire.run(call, Clock::now()) && !call.error() && call.answer == bulk(name)) ++right;
                }
            });
        }
    }
    EXPECT_EQ(right, 3200);
    EXPECT_EQ(wire.in_flight() + wire.waiting(), 0u);
}

}  // namespace
}  // namespace redoubt::connection
