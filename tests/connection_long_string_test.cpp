// connection: the multiplexer alone: long strings that go to their place as they come.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/multiplexer_rig.hpp"

namespace redoubt {
namespace {

using testing::bulk;
using testing::lost;
using testing::start;
using Rig = testing::MultiplexerRig;
using Op = testing::ScriptedOperation;
using Progress = Multiplexer::Progress;
using Cancelled = Multiplexer::Cancelled;

constexpr std::size_t long_size = 300'000;

/// Takes long strings as they come.
class Taker final : public Op {
public:
    using Op::Op;
    std::string* begin_long_string(std::size_t size) override {
        promised.push_back(size);
        strings.emplace_back();
        return &strings.back();
    }
    void end_long_string(std::size_t size) override { ended.push_back(size); }

    std::vector<std::size_t> promised;
    std::vector<std::string> strings;
    std::vector<std::size_t> ended;
};

std::string text_of(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i != size; ++i) text[i] = static_cast<char>("\r\n$3abc"[i % 7] + static_cast<char>(i % 5));
    return text;
}

TEST(LongString, GoesToItsPlaceInWhateverPiecesItComes) {
    const std::string text = text_of(long_size);
    const std::string stream = "+a\r\n" + bulk(text) + "$1\r\nb\r\n" + bulk(text + "x") + "+c\r\n";
    std::minstd_rand random(5);
    for (int round = 0; round != 60; ++round) {
        Rig wire;
        Op a("a"), b("b"), c("c");
        Taker first("first"), second("second");
        for (Op* op : std::initializer_list<Op*>{&a, &first, &b, &second, &c}) wire.take(*op);
        wire.write_all();
        const std::size_t most = round % 3 == 0 ? 3000 : round % 3 == 1 ? 70'000 : 400'000;
        for (std::size_t at = 0; at != stream.size();) {
            const std::size_t size = std::min<std::size_t>(1 + random() % most, stream.size() - at);
            ASSERT_EQ(wire.feed(std::string_view(stream).substr(at, size)), Progress::drained);
            at += size;
        }
        for (const auto& [op, whole] : {std::pair<Taker&, std::string>(first, text), {second, text + "x"}}) {
            // What came at once was a frame like any other.
            if (op.strings.empty()) {
                ASSERT_EQ(op.frames, std::vector<std::string>{bulk(whole)});
            } else {
                ASSERT_EQ(op.strings, std::vector<std::string>{whole});
                ASSERT_EQ(op.ended, std::vector<std::size_t>{whole.size()});
                ASSERT_TRUE(op.frames.empty());
            }
        }
        for (const Op* op : std::initializer_list<const Op*>{&a, &first, &b, &second, &c}) ASSERT_EQ(op->completed, 1);
        ASSERT_EQ(b.frames, std::vector<std::string>{"$1\r\nb\r\n"});
        ASSERT_TRUE(wire.idle());
        ASSERT_FALSE(wire.awaits_large_reply());
    }
}

TEST(LongString, IsWatchedAsALargeReplyUntilItsEnd) {
    Rig wire;
    Taker op("op");
    wire.take(op);
    wire.write_all();
    EXPECT_EQ(wire.feed("$1000000\r\nabc"), Progress::drained);
    EXPECT_EQ(op.promised, std::vector<std::size_t>{1'000'000});
    EXPECT_EQ(op.strings.front(), "abc");
    EXPECT_TRUE(wire.awaits_large_reply());
    EXPECT_LE(wire.read_space().size(), 128u * 1024) << "the buffer does not grow with the string";
}

TEST(LongString, OfWhoHasGivenUpGoesNowhere) {
    Rig wire;
    auto op = std::make_unique<Taker>("op");
    Taker late("late");
    Op next("next");
    wire.take(*op);
    wire.take(late);
    wire.take(next);
    wire.write_all();
    const std::string frame = bulk(text_of(long_size));
    EXPECT_EQ(wire.feed(frame.substr(0, 1000)), Progress::drained);
    EXPECT_EQ(op->strings.size(), 1u);
    EXPECT_EQ(wire.cancel(*op), Cancelled::tombstone);
    op.reset();
    EXPECT_EQ(wire.cancel(late), Cancelled::tombstone);  // before its string has begun
    EXPECT_EQ(wire.feed(frame.substr(1000) + frame + "+next\r\n"), Progress::drained);
    EXPECT_TRUE(late.promised.empty());
    EXPECT_EQ(next.completed, 1);
    EXPECT_TRUE(wire.idle());
}

TEST(LongString, EndsWithItsWire) {
    Rig wire;
    Taker op("op");
    wire.take(op);
    wire.write_all();
    EXPECT_EQ(wire.feed(bulk(text_of(long_size)).substr(0, 1000)), Progress::drained);
    wire.fail_all(lost());
    EXPECT_EQ(op.completed, 0);
    EXPECT_TRUE(op.ended.empty());
    ASSERT_TRUE(op.failure);
    EXPECT_EQ(op.failure->certainty, Certainty::unknown);
}

TEST(LongString, MustEndWhereItsLengthSays) {
    Rig wire;
    Taker op("op");
    wire.take(op);
    wire.write_all();
    std::string frame = bulk(text_of(long_size));
    EXPECT_EQ(wire.feed(frame.substr(0, 1000)), Progress::drained);
    frame[frame.size() - 1] = 'x';
    EXPECT_EQ(wire.feed(frame.substr(1000)), Progress::fault);
    EXPECT_FALSE(wire.fault().empty());
    EXPECT_EQ(op.completed, 0);
}

TEST(LongString, AreTakenOneByOneByAnOperationOfSeveral) {
    Rig wire;
    Taker op("op", nullptr, 3);
    wire.take(op);
    wire.write_all();
    const std::string text = text_of(long_size);
    const std::string stream = bulk(text) + "+between\r\n" + bulk(text);
    for (std::size_t at = 0; at < stream.size(); at += 50'000) {
        EXPECT_EQ(wire.feed(std::string_view(stream).substr(at, 50'000)), Progress::drained);
    }
    EXPECT_EQ(op.strings, (std::vector<std::string>{text, text}));
    EXPECT_EQ(op.frames, std::vector<std::string>{"+between\r\n"});
    EXPECT_EQ(op.completed, 1);
}

}  // namespace
}  // namespace redoubt
