// connection: the multiplexer alone: its limits, its memory, and what its own callbacks may do to it.
#include "connection/multiplexer.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/multiplexer_rig.hpp"

namespace redoubt {
namespace {

using testing::all;
using testing::bulk;
using testing::Log;
using testing::lost;
using testing::start;
using Rig = testing::MultiplexerRig;
using Op = testing::ScriptedOperation;
using Progress = Multiplexer::Progress;
using Cancelled = Multiplexer::Cancelled;

TEST(Multiplexer, QueuesAreBounded) {
    Rig wire({.max_commands = 2, .max_pending_bytes = 10});
    Op a("a"), b("b"), c("c"), large("large-large");
    wire.take(a);
    wire.take(b);
    EXPECT_FALSE(wire.submit(c, start));
    EXPECT_EQ(wire.cancel(b), Cancelled::unwritten);
    wire.take(c);
    EXPECT_EQ(wire.write_all(), "<a><c>");
    EXPECT_EQ(wire.cancel(a), Cancelled::tombstone);
    EXPECT_FALSE(wire.submit(b, start)) << "tombstones count";
    EXPECT_EQ(wire.feed("+1\r\n"), Progress::drained);
    wire.take(large);  // one may pass the limit, else a large command could never be sent
    EXPECT_EQ(wire.feed("+2\r\n"), Progress::drained);
    EXPECT_FALSE(wire.submit(b, start));
    (void)wire.output();
    EXPECT_TRUE(wire.submit(b, start)) << "what was handed out is not pending";
}

// Five commands, of which two may be unanswered; in one of them is text that looks like another.
TEST(Multiplexer, HandsOutALongOneByItsWindow) {
    const std::string ping = "*1\r\n$4\r\nPING\r\n";
    const std::string echo = "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n*1\r\n";
    Rig wire({.window = 2}, 20);
    Op large("large", nullptr, 5), next("next");
    large.bytes(ping + echo + ping + echo + ping).ready();
    wire.take(large);
    EXPECT_EQ(wire.write_all(), ping + echo);
    EXPECT_FALSE(wire.has_output());
    wire.take(next);
    EXPECT_FALSE(wire.has_output()) << "it stands behind the rest";
    EXPECT_EQ(wire.feed("+1\r\n"), Progress::drained);
    EXPECT_EQ(wire.output(), ping);
    wire.written(3);
    EXPECT_EQ(wire.feed("+2\r\n"), Progress::drained);
    EXPECT_EQ(wire.write_all(), ping.substr(3) + echo);
    EXPECT_EQ(wire.feed("+3\r\n+4\r\n"), Progress::drained);
    EXPECT_EQ(wire.write_all(), ping + "<next>");
    EXPECT_EQ(wire.feed("+5\r\n+next\r\n"), Progress::drained);
    EXPECT_EQ(large.completed, 1);
    EXPECT_EQ(next.completed, 1);
    EXPECT_TRUE(wire.idle());

    // Given up in the middle: the rest goes out, for the server has the beginning.
    Op again("again", nullptr, 5);
    again.bytes(ping + echo + ping + echo + ping).ready();
    wire.take(again);
    EXPECT_EQ(wire.write_all(), ping + echo);
    EXPECT_EQ(wire.cancel(again), Cancelled::tombstone);
    EXPECT_EQ(wire.write_all(), ping + echo + ping);
    EXPECT_EQ(wire.feed("+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n"), Progress::drained);
    EXPECT_TRUE(wire.idle());
}

TEST(Multiplexer, MayBeUsedFromItsOwnCallbacks) {
    Rig wire;
    Log log;
    Op a("a", &log), b("b", &log), c("c", &log), d("d", &log), next("next", &log);
    for (Op* op : {&a, &b, &c}) wire.take(*op);
    wire.write_all();
    wire.take(d);
    a.then = [&] {
        EXPECT_EQ(wire.cancel(b), Cancelled::tombstone);
        EXPECT_EQ(wire.cancel(d), Cancelled::unwritten);
        EXPECT_TRUE(wire.submit(next, start));
        EXPECT_EQ(wire.write_all(), "<next>");
    };
    EXPECT_EQ(wire.feed("+a\r\n+b\r\n+c\r\n+next\r\n"), Progress::drained);
    EXPECT_EQ(log, (Log{"a:+a", "a done", "c:+c", "c done", "next:+next", "next done"}));
    EXPECT_TRUE(wire.idle());

    // The same operation again, more often than the ring has places, from inside its own end.
    int rounds = 100;
    a.then = [&] {
        if (--rounds == 0) return;
        EXPECT_TRUE(wire.submit(a, start));
        wire.write_all();
        wire.put("+again\r\n");
    };
    wire.take(a);
    wire.write_all();
    EXPECT_EQ(wire.feed("+again\r\n"), Progress::drained);
    EXPECT_EQ(rounds, 0);
    EXPECT_EQ(a.completed, 101);
}

TEST(Multiplexer, MayBeEmptiedFromItsOwnCallbacks) {
    Rig wire;
    Op a("a"), b("b"), c("c"), later("later");
    for (Op* op : {&a, &b, &c}) wire.take(*op);
    wire.write_all();
    a.then = [&] { wire.fail_all(lost()); };
    EXPECT_EQ(wire.feed("+a\r\n"), Progress::drained);
    EXPECT_EQ(a.completed, 1);
    EXPECT_EQ(b.failed + c.failed, 2);

    // A failure may submit again, during `expire` and during `fail_all`; that is no part of what is failing.
    Rig other;
    for (Op* op : {&a, &b, &c}) other.take(op->time(1s));
    a.then = [&] { EXPECT_TRUE(other.submit(later, start + 1s)); };
    b.then = [&] { EXPECT_EQ(other.cancel(later), Cancelled::unwritten); };
    c.then = [&] { EXPECT_TRUE(other.submit(later, start + 1s)); };
    EXPECT_EQ(other.expire(start + 1s), 3u);
    EXPECT_EQ(other.in_flight(), 1u);
    EXPECT_EQ(later.ends(), 0);
    EXPECT_EQ(other.earliest_deadline(), later.attempt_deadline());
    later.then = [&] { EXPECT_TRUE(other.submit(a, start)); };
    other.fail_all(lost());
    EXPECT_EQ(later.failed, 1);
    EXPECT_EQ(other.in_flight(), 1u);
}

TEST(Multiplexer, StopsAfterAsManyRepliesAsItWasAsked) {
    for (std::size_t step = 1; step != 6; ++step) {
        Rig wire;
        std::vector<std::unique_ptr<Op>> ops;
        std::string answers;
        for (int i = 0; i != 7; ++i) {
            ops.push_back(std::make_unique<Op>("op"));
            wire.take(*ops.back());
            answers += ":" + std::to_string(i) + "\r\n>1\r\n+push\r\n";
        }
        wire.write_all();
        wire.put(answers + ":");
        std::size_t rounds = 1;
        for (; wire.process(step) == Progress::more; ++rounds) {
            const auto done = std::count_if(ops.begin(), ops.end(), [](const auto& op) { return op->completed == 1; });
            ASSERT_EQ(static_cast<std::size_t>(done), rounds * step);
        }
        EXPECT_EQ(rounds, 7 / step + 1);
        EXPECT_EQ(ops[6]->frames, (std::vector<std::string>{":6\r\n"}));
        EXPECT_EQ(wire.process(step), Progress::drained) << "an incomplete frame is not looked at again";
    }
}

TEST(Multiplexer, GivesBackItsMemoryWhenIdleAndWorksOn) {
    Rig wire;
    Op op("op");
    wire.take(op);
    wire.release_memory();  // not idle: nothing is lost
    EXPECT_EQ(wire.write_all(), "<op>");
    wire.put("+o");
    wire.release_memory();
    EXPECT_EQ(wire.feed("k\r\n"), Progress::drained);
    for (int round = 0; round != 3; ++round) {
        wire.release_memory();
        Op large("large");
        large.bytes(std::string(400'000, 'l'));
        wire.take(large);
        wire.take(op);
        EXPECT_EQ(wire.write_all().size(), 400'004u);
        EXPECT_EQ(wire.feed(bulk(std::string(500'000, 'v')) + "+ok\r\n"), Progress::drained);
        EXPECT_EQ(large.frames.at(0).size(), 500'011u);
    }
    EXPECT_EQ(op.completed, 4);
    EXPECT_TRUE(wire.idle());
}

}  // namespace
}  // namespace redoubt
