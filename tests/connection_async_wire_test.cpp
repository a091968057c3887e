// connection: the async wire with a peer played by the test: pipelining, deadlines, losses, a peer that does not read.
#include "connection/async_wire.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "support/scripted_peer.hpp"

namespace redoubt::connection {
namespace {

namespace asio = boost::asio;
using testing::bulk;
using testing::Log;
using Op = testing::ScriptedOperation;

Error closing() { return Error::of(ErrorKind::connection, Certainty::unknown, Stage::sent, "closing"); }

class AsyncWireTest : public ::testing::Test, public AsyncWire::Owner {
protected:
    void open(Duration attempt_timeout = 1min, const Multiplexer::Limits& limits = {}) {
        wire_ = std::make_shared<AsyncWire>(loop_.get_executor(), listener_.connect(),
                                            WireSettings{ReplyLimits{}, limits, attempt_timeout}, *this);
        peer_ = listener_.accept();
        wire_->start();
    }
    ~AsyncWireTest() override {
        if (wire_) wire_->close(closing());
        turn();
    }
    void on_wire_lost(AsyncWire& wire, const Error& error) override {
        EXPECT_EQ(&wire, wire_.get());
        losses_.push_back(error);
    }
    /// All that is ready now.
    void turn() {
        loop_.restart();
        loop_.poll();
    }
    /// Runs the loop until the condition holds; false when it does not within ten seconds.
    bool run_until(const std::function<bool()>& condition) {
        const TimePoint deadline = Clock::now() + 10s;
        while (!condition()) {
            if (Clock::now() >= deadline) return false;
            loop_.restart();
            loop_.run_one_for(10ms);
        }
        return true;
    }
    void submit(Op& op) { EXPECT_FALSE(wire_->submit(op, wire_->now())); }
    static void expect_failure(const Op& op, ErrorKind kind, Certainty certainty, FailureSource source) {
        ASSERT_EQ(op.ends(), 1) << op.name();
        ASSERT_EQ(op.failed, 1) << op.name();
        EXPECT_EQ(op.failure->kind, kind) << op.failure->message();
        EXPECT_EQ(op.failure->certainty, certainty) << op.failure->message();
        EXPECT_EQ(op.failure_source, source) << op.failure->message();
    }

    testing::Listener listener_;
    testing::PeerSocket peer_;
    asio::io_context loop_{1};
    std::shared_ptr<AsyncWire> wire_;
    std::vector<Error> losses_;
};

TEST_F(AsyncWireTest, WhatGathersInOneTurnGoesOutTogetherAndIsAnsweredInOrder) {
    open();
    Log log;
    Op a("a", &log), b("b", &log, 2), c("c", &log);
    submit(a);
    submit(b);
    EXPECT_FALSE(peer_.readable()) << "not before the loop turns";
    submit(c);
    turn();
    EXPECT_EQ(peer_.read_some(), "<a><b><c>");
    peer_.write("+1\r\n+2\r\n+3\r\n$");
    EXPECT_TRUE(run_until([&] { return b.completed == 1; }));
    EXPECT_EQ(wire_->in_flight(), 1u);
    peer_.write("1\r\nx\r\n");
    EXPECT_TRUE(run_until([&] { return c.completed == 1; }));
    EXPECT_EQ(log, (Log{"a:+1", "a done", "b:+2", "b:+3", "b done", "c:$1", "c done"}));
}

/// One call of a coroutine.
asio::awaitable<void> call(AsyncWire& wire, Op& op) {
    return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
        [&](auto handler) {
            const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            op.then = [shared] { std::move (*shared)(); };
            EXPECT_FALSE(wire.submit(op, wire.now()));
        },
        asio::use_awaitable);
}

TEST_F(AsyncWireTest, ManyCoroutinesShareItAndEachGetsItsOwnAnswers) {
    for (const int coroutines : {1, 8, 200}) {
        open();
        const testing::EchoPeer echo(std::move(peer_));
        int right = 0, ended = 0;
        const int rounds = 4000 / coroutines;
        for (int c = 0; c != coroutines; ++c) {
            asio::co_spawn(
                loop_,
                [&, c]() -> asio::awaitable<void> {
                    for (int i = 0; i != rounds; ++i) {
                        Op op(std::to_string(c) + "." + std::to_string(i));
                        co_await call(*wire_, op);
                        right += op.completed == 1 && op.frames == std::vector<std::string>{bulk(op.name())} ? 1 : 0;
                    }
                    ++ended;
                },
                asio::detached);
        }
        EXPECT_TRUE(run_until([&] { return ended == coroutines; }));
        EXPECT_EQ(right, rounds * coroutines);
        EXPECT_EQ(wire_->in_flight(), 0u);
        wire_->close(closing());
        turn();
    }
}

TEST_F(AsyncWireTest, APeerThatClosesHalfWayThroughAReplyFailsAllAndIsToldOnce) {
    open();
    Op answered("answered"), half("half"), last("last"), unwritten("unwritten");
    for (Op* op : {&answered, &half, &last}) submit(*op);
    turn();
    peer_.read(std::string("<answered><half><last>").size());
    peer_.write("+1\r\n$10\r\nabc");
    EXPECT_TRUE(run_until([&] { return answered.completed == 1; }));
    bool refused = false;
    half.then = [&] { refused = wire_->submit(answered, Clock::now()).has_value(); };
    submit(unwritten);
    peer_.close();
    EXPECT_TRUE(run_until([&] { return last.failed == 1; }));
    expect_failure(half, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
    expect_failure(last, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
    expect_failure(unwritten, ErrorKind::connection, Certainty::not_sent, FailureSource::wire);
    EXPECT_EQ(losses_.size(), 1u);
    EXPECT_TRUE(refused) << "a closed wire takes nothing";
    EXPECT_FALSE(wire_->is_open());
    turn();
    EXPECT_EQ(half.ends() + last.ends(), 2);
}

TEST_F(AsyncWireTest, GarbageAndUnaskedRepliesCloseTheWire) {
    for (const std::string bytes : {"HTTP/1.1 400 Bad Request\r\n", "+1\r\n+2\r\n"}) {
        losses_.clear();
        open();
        Op op("op");
        submit(op);
        turn();
        peer_.read(4);
        peer_.write(bytes);
        EXPECT_TRUE(run_until([&] { return !wire_->is_open(); }));
        EXPECT_EQ(losses_.size(), 1u);
        EXPECT_EQ(op.ends(), 1);
        EXPECT_EQ(peer_.read_some(), "");
    }
}

// A busy machine may be late once; it is not late each time.
TEST_F(AsyncWireTest, ASilentPeerIsOneFailureOfTheWireAfterTheAttemptTimeout) {
    constexpr Duration timeout = 100ms;
    Duration quickest = 1min;
    for (int i = 0; i != 5; ++i) {
        losses_.clear();
        open(timeout);
        Op a("a"), b("b");
        const TimePoint begin = Clock::now();
        submit(a.time(timeout));
        submit(b.time(timeout));
        EXPECT_TRUE(run_until([&] { return b.ends() == 1; }));
        const Duration took = Clock::now() - begin;
        EXPECT_GE(took, timeout);
        quickest = std::min(quickest, took);
        expect_failure(a, ErrorKind::timeout, Certainty::unknown, FailureSource::wire);
        expect_failure(b, ErrorKind::timeout, Certainty::unknown, FailureSource::wire);
        ASSERT_EQ(losses_.size(), 1u);
        EXPECT_EQ(losses_[0].reason(), stalled_error().reason());
        wire_->close(closing());
        turn();
    }
    EXPECT_LE(quickest, timeout + 50ms);
}

TEST_F(AsyncWireTest, ACallsOwnDeadlineLeavesATombstone) {
    open();
    Op hasty("hasty"), patient("patient");
    submit(hasty.time(1min, Clock::now() + 20ms));
    submit(patient);
    EXPECT_TRUE(run_until([&] { return hasty.ends() == 1; }));
    expect_failure(hasty, ErrorKind::timeout, Certainty::unknown, FailureSource::operation);
    EXPECT_EQ(wire_->in_flight(), 2u);
    peer_.read(std::string("<hasty><patient>").size());
    peer_.write(bulk("hasty") + bulk("patient"));
    EXPECT_TRUE(run_until([&] { return patient.completed == 1; }));
    EXPECT_EQ(patient.frames, (std::vector<std::string>{bulk("patient")}));
    EXPECT_TRUE(hasty.frames.empty());
    EXPECT_TRUE(losses_.empty());
}

TEST_F(AsyncWireTest, CancelsUnwrittenAndWritten) {
    open();
    Op written("written"), unwritten("unwritten"), last("last");
    submit(written);
    turn();
    submit(unwritten);
    submit(last);
    EXPECT_FALSE(wire_->is_unwritten(written));
    EXPECT_TRUE(wire_->is_unwritten(unwritten));
    EXPECT_EQ(wire_->cancel(written), Multiplexer::Cancelled::tombstone);
    EXPECT_EQ(wire_->cancel(unwritten), Multiplexer::Cancelled::unwritten);
    turn();
    EXPECT_EQ(peer_.read(15), "<written><last>");
    peer_.write("+1\r\n+2\r\n");
    EXPECT_TRUE(run_until([&] { return last.completed == 1; }));
    EXPECT_EQ(last.frames, (std::vector<std::string>{"+2\r\n"}));
    EXPECT_EQ(written.ends() + unwritten.ends(), 0);
}

TEST_F(AsyncWireTest, APeerThatDoesNotReadHoldsUpAllAndThenServesThem) {
    open();
    Op big(std::string(8 << 20, 'x'));
    submit(big);
    turn();
    std::vector<std::unique_ptr<Op>> ops;
    for (int i = 0; i != 100; ++i) {
        ops.push_back(std::make_unique<Op>("op" + std::to_string(i)));
        submit(*ops.back());
        turn();
        EXPECT_TRUE(wire_->is_unwritten(*ops.back())) << "the socket is full";
    }
    Op hasty("hasty");
    submit(hasty.time(20ms));
    EXPECT_TRUE(run_until([&] { return hasty.ends() == 1; }));
    expect_failure(hasty, ErrorKind::timeout, Certainty::not_sent, FailureSource::operation);
    EXPECT_EQ(wire_->in_flight(), 101u);
    const testing::EchoPeer echo(std::move(peer_));
    EXPECT_TRUE(run_until([&] { return ops.back()->completed == 1; }));
    EXPECT_EQ(big.frames.at(0).size(), bulk(big.name()).size());
    for (const auto& op : ops) EXPECT_EQ(op->frames, (std::vector<std::string>{bulk(op->name())}));
}

TEST_F(AsyncWireTest, WhatAPeerThatNeverReadsDidNotGetWasNotSent) {
    open(100ms);
    Op big(std::string(8 << 20, 'x')), several(std::string(8 << 20, 'y'), nullptr, 2), small("small");
    for (Op* op : {&big, &several, &small}) submit(op->time(1min));
    EXPECT_TRUE(run_until([&] { return small.ends() == 1; }));
    for (const Op* op : {&big, &several, &small}) {
        expect_failure(*op, ErrorKind::timeout, Certainty::not_sent, FailureSource::wire);
    }
    EXPECT_EQ(losses_.size(), 1u);
}

TEST_F(AsyncWireTest, QueuesAreBounded) {
    open(1min, {.max_commands = 1, .max_pending_bytes = 1000});
    Op first("first"), second("second");
    submit(first);
    const std::optional<Error> refused = wire_->submit(second, Clock::now());
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->kind, ErrorKind::pool_exhausted);
    EXPECT_EQ(refused->certainty, Certainty::not_sent);
    EXPECT_EQ(second.ends(), 0) << "nothing is called back";
    wire_->close(closing());
    EXPECT_EQ(first.ends(), 1);
}

TEST_F(AsyncWireTest, CloseFailsAllAndTellsNobodyElse) {
    open();
    Op sent("sent"), queued("queued");
    submit(sent);
    turn();
    submit(queued);
    wire_->close(closing());
    expect_failure(sent, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
    expect_failure(queued, ErrorKind::connection, Certainty::not_sent, FailureSource::wire);
    EXPECT_EQ(sent.failure->reason(), "closing");
    EXPECT_TRUE(losses_.empty());
    turn();
    EXPECT_EQ(peer_.read(6), "<sent>");
    EXPECT_EQ(peer_.read_some(), "");
    Op late("late");
    EXPECT_TRUE(wire_->submit(late, Clock::now()));
}

TEST_F(AsyncWireTest, MayBeClosedByWhomItAnswers) {
    open();
    Op first("first"), second("second"), third("third");
    for (Op* op : {&first, &second, &third}) submit(*op);
    first.then = [&] { wire_->close(closing()); };
    turn();
    peer_.write("+1\r\n+2\r\n+3\r\n");
    EXPECT_TRUE(run_until([&] { return first.ends() == 1; }));
    expect_failure(second, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
    expect_failure(third, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
    EXPECT_TRUE(losses_.empty());
}

TEST_F(AsyncWireTest, TheConnectionCanBeTakenBack) {
    open();
    Op op("op");
    submit(op);
    turn();
    peer_.read(4);
    peer_.write("+1\r\n");
    EXPECT_TRUE(run_until([&] { return op.completed == 1; }));
    Transport transport = wire_->detach();
    EXPECT_FALSE(wire_->is_open());
    EXPECT_TRUE(transport.is_open());
    EXPECT_TRUE(transport.is_quiet());
    EXPECT_EQ(transport.write("hello").bytes, 5u);
    EXPECT_EQ(peer_.read(5), "hello");
    turn();
}

}  // namespace
}  // namespace redoubt::connection
