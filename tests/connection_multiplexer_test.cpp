// connection: the multiplexer alone: order, splits, certainty, tombstones, deadlines, faults.
#include "connection/multiplexer.hpp"

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

TEST(Multiplexer, AnswersInTheOrderOfSubmission) {
    Rig wire;
    Log log;
    Op a("a", &log), b("b", &log, 2), c("c", &log, 3, true), d("d", &log);
    for (Op* op : {&a, &b, &c}) wire.take(*op);
    EXPECT_EQ(wire.write_all(), "<a><b><c>");
    wire.take(d);
    EXPECT_EQ(wire.write_all(), "<d>");
    EXPECT_EQ(wire.in_flight(), 4u);
    EXPECT_EQ(wire.oldest(), &a);
    EXPECT_EQ(wire.feed("+1\r\n:2\r\n-3\r\n_\r\n#t\r\n*2\r\n:6\r\n:6\r\n+7\r\n"), Progress::drained);
    EXPECT_EQ(log,
              (Log{"a:+1", "a done", "b::2", "b:-3", "b done", "c:_", "c:#t", "c:*2", "c done", "d:+7", "d done"}));
    EXPECT_EQ(c.frames[2], "*2\r\n:6\r\n:6\r\n");
    EXPECT_TRUE(wire.idle());
    EXPECT_EQ(wire.oldest(), nullptr);
}

TEST(Multiplexer, RepliesMaySplitAtEveryByte) {
    const std::string large(3000, 'x');
    const std::vector<std::string> frames{"+OK\r\n",
                                          bulk("a\r\nb"),
                                          ">2\r\n+push\r\n:1\r\n",
                                          "*2\r\n$-1\r\n*1\r\n:5\r\n",
                                          "%1\r\n+k\r\n,1.5\r\n",
                                          bulk(large),
                                          "|1\r\n+a\r\n+b\r\n:9\r\n"};
    std::string bytes;
    for (const std::string& frame : frames) bytes += frame;
    const auto play = [&](const std::vector<std::size_t>& cuts) {
        Rig wire;
        Op first("first", nullptr, 2), second("second", nullptr, 3), third("third");
        for (Op* op : {&first, &second, &third}) wire.take(*op);
        wire.write_all();
        std::size_t at = 0;
        for (const std::size_t cut : cuts) {
            ASSERT_EQ(wire.feed(std::string_view(bytes).substr(at, cut - at)), Progress::drained);
            at = cut;
        }
        ASSERT_EQ(wire.feed(std::string_view(bytes).substr(at)), Progress::drained);
        EXPECT_EQ(first.frames, (std::vector<std::string>{frames[0], frames[1]}));
        EXPECT_EQ(second.frames, (std::vector<std::string>{frames[3], frames[4], frames[5]}));
        EXPECT_EQ(third.frames, (std::vector<std::string>{frames[6]}));
        EXPECT_EQ(first.completed + second.completed + third.completed, 3);
        EXPECT_TRUE(wire.idle());
    };
    std::vector<std::size_t> every_byte;
    for (std::size_t at = 1; at < bytes.size(); ++at) {
        SCOPED_TRACE(at);
        play({at});
        every_byte.push_back(at);
    }
    play(every_byte);
}

// What is known of a command when the wire is lost depends on what the socket took of it.
TEST(Multiplexer, CertaintyFollowsTheLastByteThatTheSocketTook) {
    const std::size_t total = std::string("<one><several><atomic><last>").size();
    for (std::size_t taken = 0; taken <= total; ++taken) {
        for (const std::size_t first : {taken, taken / 2, std::size_t{0}}) {
            SCOPED_TRACE(::testing::Message() << "taken " << taken << ", of it at first " << first);
            Rig wire;
            Op one("one"), several("several", nullptr, 2), atomic("atomic", nullptr, 4, true), last("last");
            std::size_t at = 0;
            for (Op* op : {&one, &several, &atomic, &last}) wire.take(*op);
            EXPECT_EQ(wire.output().size(), total);
            wire.written(first);
            if (first != taken) {
                EXPECT_EQ(wire.output().size(), total - first);  // what it did not take, again
                wire.written(taken - first);
            }
            wire.fail_all(lost());
            for (Op* op : {&one, &several, &atomic, &last}) {
                const std::size_t end = at + op->wire_bytes().size();
                const bool sent = op == &several ? taken > at : taken >= end;
                ASSERT_EQ(op->ends(), 1) << op->name();
                EXPECT_EQ(op->failure->certainty, sent ? Certainty::unknown : Certainty::not_sent) << op->name();
                EXPECT_EQ(op->failure->stage, sent ? Stage::sent : Stage::queued) << op->name();
                EXPECT_EQ(op->failure->kind, ErrorKind::connection);
                EXPECT_EQ(op->failure->reason(), "lost");
                EXPECT_EQ(op->failure_source, FailureSource::wire);
                at = end;
            }
            EXPECT_EQ(wire.in_flight(), 0u);
        }
    }
}

TEST(Multiplexer, WhileAWriteIsUnderWayAllOfItMayHaveBeenTaken) {
    Rig wire;
    Op under_way("under_way"), behind("behind");
    wire.take(under_way);
    (void)wire.output();
    wire.take(behind);
    wire.fail_all(lost());
    EXPECT_EQ(under_way.failure->certainty, Certainty::unknown);
    EXPECT_EQ(behind.failure->certainty, Certainty::not_sent);
}

TEST(Multiplexer, ACancelledCommandThatIsNotWrittenLeavesNothingBehind) {
    for (std::size_t mask = 0; mask != 64; ++mask) {  // every set of the unwritten ones, in both orders
        for (const bool backwards : {false, true}) {
            SCOPED_TRACE(::testing::Message() << mask << backwards);
            Rig wire;
            Log log;
            Op written("written", &log);
            wire.take(written);
            EXPECT_EQ(wire.output(), "<written>");
            std::vector<std::unique_ptr<Op>> ops;
            for (std::size_t i = 0; i != 6; ++i) {
                ops.push_back(
                    std::make_unique<Op>(std::string(i + 1, static_cast<char>('a' + i)), &log, i == 2 ? 2 : 1));
                wire.take(*ops[i]);
            }
            for (std::size_t step = 0; step != 6; ++step) {
                const std::size_t i = backwards ? 5 - step : step;
                EXPECT_TRUE(wire.is_unwritten(*ops[i]));
                if ((mask >> i & 1) == 0) continue;
                EXPECT_EQ(wire.cancel(*ops[i]), Cancelled::unwritten);
            }
            std::string expected = "<written>", answers = "+0\r\n";
            Log expected_log{"written:+0", "written done"};
            for (std::size_t i = 0; i != 6; ++i) {
                if ((mask >> i & 1) != 0) continue;
                expected += ops[i]->wire_bytes();
                for (std::uint32_t n = 0; n != ops[i]->replies(); ++n) {
                    answers += ":" + std::to_string(i) + "\r\n";
                    expected_log.push_back(ops[i]->name() + "::" + std::to_string(i));
                }
                expected_log.push_back(ops[i]->name() + " done");
            }
            EXPECT_FALSE(wire.is_unwritten(written));
            EXPECT_EQ(wire.write_all(), expected);
            EXPECT_EQ(wire.feed(answers), Progress::drained);
            EXPECT_EQ(log, expected_log);
            EXPECT_TRUE(wire.idle());
        }
    }
}

TEST(Multiplexer, ATombstoneSwallowsExactlyItsReplies) {
    for (const std::size_t answered : {0u, 1u, 2u}) {
        Rig wire;
        Log log;
        Op a("a", &log), gone("gone", &log, 3), b("b", &log);
        for (Op* op : {&a, &gone, &b}) wire.take(*op);
        wire.write_all();
        std::string answers = "+a\r\n";
        for (std::size_t i = 0; i != answered; ++i) answers += ":0\r\n";
        EXPECT_EQ(wire.feed(answers), Progress::drained);
        log.clear();
        EXPECT_EQ(wire.cancel(gone), Cancelled::tombstone);
        EXPECT_EQ(wire.in_flight(), 2u);
        EXPECT_EQ(wire.oldest(), &b);
        answers.clear();
        for (std::size_t i = answered; i != 3; ++i) answers += "$1\r\nx\r\n";
        EXPECT_EQ(wire.feed(answers + "+b\r\n"), Progress::drained);
        EXPECT_EQ(log, (Log{"b:+b", "b done"}));
        EXPECT_EQ(gone.ends(), 0);
        EXPECT_TRUE(wire.idle());
    }
}

TEST(Multiplexer, DeadlinesFailTheirOwnOperationsOnly) {
    Rig wire;
    Log log;
    Op written("written", &log), patient("patient", &log), unwritten("unwritten", &log), hasty("hasty", &log);
    written.time(2s);
    unwritten.time(2s);
    hasty.time(1h, start + 1s);  // the call's own end comes before the attempt's
    EXPECT_EQ(wire.earliest_deadline(), TimePoint::max());
    wire.take(written);
    wire.take(patient);
    (void)wire.output();
    wire.take(unwritten);
    wire.take(hasty);
    EXPECT_EQ(wire.earliest_deadline(), start + 1s);
    EXPECT_EQ(hasty.attempt_deadline(), start + 1s);
    EXPECT_EQ(wire.expire(start + 1s - 1ns), 0u);
    EXPECT_EQ(wire.expire(start + 1s), 1u);
    EXPECT_EQ(wire.earliest_deadline(), start + 2s);
    EXPECT_EQ(wire.expire(start + 3s), 2u);
    EXPECT_EQ(wire.earliest_deadline(), start + 1h);
    EXPECT_EQ(log, (Log{"hasty failed", "written failed", "unwritten failed"}));
    for (const Op* op : {&written, &unwritten, &hasty}) {
        EXPECT_EQ(op->failure->kind, ErrorKind::timeout);
        EXPECT_EQ(op->failure_source, FailureSource::operation);
        EXPECT_EQ(op->failure->certainty, op == &written ? Certainty::unknown : Certainty::not_sent);
        EXPECT_EQ(op->failure->stage, op == &written ? Stage::sent : Stage::queued);
    }
    EXPECT_EQ(wire.write_all(), "<written><patient>");
    EXPECT_EQ(wire.feed("+late\r\n+mine\r\n"), Progress::drained);
    EXPECT_EQ(patient.frames, (std::vector<std::string>{"+mine\r\n"}));
    EXPECT_EQ(wire.earliest_deadline(), TimePoint::max());
}

TEST(Multiplexer, PushesAnswerNothing) {
    Rig wire;
    EXPECT_EQ(wire.feed(">1\r\n+hello\r\n"), Progress::drained);  // with nothing in flight too
    Op op("op");
    wire.take(op);
    wire.write_all();
    EXPECT_EQ(wire.feed(">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n"), Progress::drained);
    EXPECT_EQ(op.ends(), 0);
    EXPECT_EQ(wire.feed(":1\r\n>1\r\n+bye\r\n"), Progress::drained);
    EXPECT_EQ(op.frames, (std::vector<std::string>{":1\r\n"}));
    EXPECT_TRUE(wire.idle());
}

TEST(Multiplexer, AReplyThatNobodyAskedForIsAFault) {
    Rig idle;
    EXPECT_EQ(idle.feed("+OK\r\n"), Progress::fault);
    EXPECT_NE(idle.fault().find("no command asked for"), std::string_view::npos);

    Rig wire;
    Op op("op"), not_handed_out("not_handed_out");
    wire.take(op);
    wire.write_all();
    wire.take(not_handed_out);  // the server cannot have seen it
    EXPECT_EQ(wire.feed("+1\r\n+2\r\n"), Progress::fault);
    EXPECT_EQ(op.completed, 1);
    EXPECT_EQ(not_handed_out.ends(), 0);
    wire.fail_all(lost());
    EXPECT_EQ(not_handed_out.failure->certainty, Certainty::not_sent);

    Rig tombstones;
    Op gone("gone");
    tombstones.take(gone);
    tombstones.write_all();
    (void)tombstones.cancel(gone);
    EXPECT_EQ(tombstones.feed("+1\r\n+2\r\n"), Progress::fault);
}

TEST(Multiplexer, GarbageIsAFault) {
    for (const char* bytes : {"HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "*-7\r\n", "\r\n", "$3\r\nabcd\r\n"}) {
        Rig wire;
        Op op("op");
        wire.take(op);
        wire.write_all();
        EXPECT_EQ(wire.feed(bytes), Progress::fault) << bytes;
        EXPECT_FALSE(wire.fault().empty()) << bytes;
        EXPECT_EQ(op.ends(), 0) << bytes;
    }
}

TEST(Multiplexer, AReplyThatBreaksIsolationIsAFault) {
    Rig wire;
    Op one("one"), several("several", nullptr, 2);
    one.isolated = several.isolated = false;
    wire.take(one);
    wire.take(several);
    wire.write_all();
    EXPECT_EQ(wire.feed("+1\r\n+2\r\n"), Progress::fault);
    EXPECT_NE(wire.fault().find("not the project's own"), std::string_view::npos);
    EXPECT_EQ(one.completed, 1);  // it has read its reply, and knows
    EXPECT_TRUE(several.frames.empty());

    EXPECT_EQ(wire.process(all), Progress::fault);
    EXPECT_EQ(several.ends(), 0);  // one of its two replies
    wire.fail_all(lost());
    EXPECT_EQ(several.ends(), 1);
    EXPECT_EQ(several.failure->certainty, Certainty::unknown);
}

}  // namespace
}  // namespace redoubt
