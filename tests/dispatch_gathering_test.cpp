// dispatch: without a network: which slot a command's keys are in, how commands are split over slots, which of them are
// sent together, and what is sent again.
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/resp/cmd.hpp>
#include <redoubt/resp/command_table.hpp>
#include <redoubt/resp/read_reply.hpp>

#include "connection/server_error.hpp"
#include "dispatch/command_slot.hpp"
#include "dispatch/gathering.hpp"
#include "dispatch/split_command.hpp"

namespace redoubt::dispatch {
namespace {

using topology::slot_of;

const KeyPrefix prefix{"proj:a:"};
const topology::KeySlots slots{prefix.view()};

KeyPlace place(const CommandView& command) { return place_of(command.spec(), command.arguments(), slots); }

TEST(CommandSlot, IsThatOfItsKeysWithThePrefix) {
    EXPECT_EQ(place(cmd::get("k")).slot, slot_of("proj:a:k"));
    EXPECT_EQ(place(cmd::set("k", "{x}v")).slot, slot_of("proj:a:k"));
    EXPECT_EQ(place(cmd::hset("{tag}h", "f", "v")).slot, slot_of("tag"));
    EXPECT_EQ(place(cmd::ping()).slot, no_slot);
    EXPECT_EQ(place(cmd::scan(0)).slot, no_slot);
    // Channels are no keys, but for those of shards.
    EXPECT_EQ(place(cmd::publish("c", "m")).slot, no_slot);
    EXPECT_EQ(place(cmd::pubsub_numsub({"c", "d"})).slot, no_slot);
    EXPECT_EQ(place(cmd::spublish("c", "m")).slot, slot_of("proj:a:c"));
}

TEST(CommandSlot, OfKeysInDifferentOnesTellsWhichWordsTheyAre) {
    const auto expect = [](const CommandView& command, std::uint32_t first, std::uint32_t other) {
        const KeyPlace at = place(command);
        EXPECT_EQ(at.first, first) << command.name();
        EXPECT_EQ(at.other, other) << command.name();
    };
    expect(cmd::mget({"{t}a", "{t}b"}), 1, 0);
    expect(cmd::mget({"a", "a", "b"}), 1, 3);
    expect(cmd::mset({{"a", "1"}, {"b", "2"}}), 1, 3);
    expect(cmd::rename("a", "b"), 1, 2);
    expect(cmd::zunionstore("a", {"b", "c"}), 1, 3);
    const CommandView command = cmd::rename("a", "b");
    const Error error = cross_slot_error(command.spec(), place(command));
    EXPECT_EQ(error.certainty, Certainty::not_sent);
    EXPECT_EQ(error.kind, ErrorKind::configuration);
    EXPECT_NE(
        error.message().find("the keys of RENAME are in different slots: argument 2 is in another one than argument "
                             "1; in a Cluster keys that are used together must be in one slot"),
        std::string::npos)
        << error.message();
}

EncodedCommands encoded(std::initializer_list<CommandView> commands) {
    EncodedCommands all;
    for (const CommandView& command : commands) {
        all.add_place(place(command).slot, command.retry());
        all.append(command, prefix);
    }
    return all;
}

TEST(EncodedPlaces, AreKeptForSeveralCommandsAndSomeCanBeTakenOut) {
    const EncodedCommands one = encoded({cmd::get("a")});
    EXPECT_EQ(one.slot(), slot_of("proj:a:a"));
    EXPECT_TRUE(one.places().empty());
    EXPECT_EQ(encoded({cmd::ping(), cmd::get("a"), cmd::incr("a")}).slot(), slot_of("proj:a:a"));
    const EncodedCommands all = encoded({cmd::get("a"), cmd::incr("b"), cmd::ping(), cmd::get("c")});
    EXPECT_EQ(all.slot(), many_slots);
    ASSERT_EQ(all.places().size(), 4u);
    const std::uint32_t wanted[] = {0, 3};
    const EncodedCommands some = all.select(wanted);
    EXPECT_EQ(some.bytes(),
              std::string(encoded({cmd::get("a")}).bytes()) + std::string(encoded({cmd::get("c")}).bytes()));
    EXPECT_EQ(some.count(), 2u);
    EXPECT_EQ(some.retry(), RetryCategory::read_only);
    EXPECT_EQ(all.retry(), cmd::incr("b").retry());
    const std::uint32_t second[] = {1};
    EXPECT_EQ(EncodedCommands(all).select(second).bytes(), encoded({cmd::incr("b")}).bytes());
}

/// What was read and what failed, in words.
class Notes final : public ReplySink {
public:
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix&) override {
        told[index] = std::string(cursor.take_raw());
        return {};
    }
    void fail(std::uint32_t index, const Error& error) override { told[index] = std::string(error.reason()); }
    std::map<std::uint32_t, std::string> told;
};

class GatheringTest : public ::testing::Test {
protected:
    using Parts = std::vector<Gathering::Part>;
    // Two nodes: of slots below and above the middle.
    Parts next() {
        return gathering.next([this](std::uint16_t slot) -> const void* {
            return slot == no_slot || slot < topology::slot_count / 2 ? &nodes[0] : &nodes[1];
        });
    }
    static Error refused(std::string_view text) { return connection::from_server_error(text, prefix); }
    static std::string key(bool upper, int from = 0) {
        for (int i = from;; ++i) {
            std::string name = "k" + std::to_string(i);
            if ((slots(name) >= topology::slot_count / 2) == upper) return name;
        }
    }
    const std::string low = key(false);
    const std::string high = key(true);
    int nodes[2] = {};
    Notes notes;
    EncodedCommands commands = encoded({cmd::get(low), cmd::get(high), cmd::ping(), cmd::get(low), cmd::get(high)});
    Gathering gathering{commands, notes};
};

TEST_F(GatheringTest, CommandsOfANodeGoTogetherInOrder) {
    EXPECT_EQ(next(), (Parts{{0, 2, 3}, {1, 4}}));
    EXPECT_EQ(gathering.slot_of({2, 3}), slots(low));
    EXPECT_EQ(next(), Parts{});
}

TEST_F(GatheringTest, WhatIsMovedIsSpreadAnewOnceAndThenSentAlone) {
    (void)next();
    gathering.fail(4, refused("MOVED 1 a:1"));
    gathering.fail(0, refused("MOVED 2 a:1"));
    gathering.fail(3, refused("WRONGTYPE no"));
    EXPECT_EQ(next(), (Parts{{0}, {4}}));
    gathering.fail(0, refused("MOVED 2 a:2"));
    gathering.fail(4, refused("MOVED 1 a:1"));
    EXPECT_EQ(next(), (Parts{{0}, {4}}));
    EXPECT_EQ(next(), Parts{});
    EXPECT_EQ(notes.told, (std::map<std::uint32_t, std::string>{{3, "WRONGTYPE no"}}));
}

TEST_F(GatheringTest, WhatIsOnItsWayIsSentAloneInOrder) {
    (void)next();
    gathering.fail(1, refused("MOVED 1 a:1"));
    gathering.fail(0, refused("ASK 1 a:1"));
    gathering.fail(3, refused("ASK 1 a:1"));
    EXPECT_EQ(next(), (Parts{{0}, {1}, {3}}));
    const Gathering::Part part{1};
    gathering.fail_rest(part, 0, refused("CLUSTERDOWN x"));
    EXPECT_EQ(next(), Parts{});
    EXPECT_EQ(notes.told.at(1), "CLUSTERDOWN x");
}

TEST_F(GatheringTest, APartThatFailsFailsWhatItHasNoAnswerTo) {
    const Parts parts = next();
    PartSink sink(gathering, parts[0]);
    ReplyCursor pong("+PONG\r\n");
    (void)sink.read(0, pong, prefix);
    sink.fail(1, refused("WRONGTYPE no"));
    const Error lost = Error::of(ErrorKind::connection, Certainty::unknown, Stage::sent, "lost");
    gathering.fail_rest(parts[0], sink.answered(), lost);
    EXPECT_EQ(notes.told, (std::map<std::uint32_t, std::string>{{0, "+PONG\r\n"}, {2, "WRONGTYPE no"}, {3, "lost"}}));
}

TEST_F(GatheringTest, OnceStoppedNothingIsSentAgain) {
    (void)next();
    gathering.fail(4, refused("MOVED 1 a:1"));
    gathering.stop();
    EXPECT_EQ(next(), Parts{});
    EXPECT_EQ(notes.told.at(4), "MOVED 1 a:1");
}

TEST(Split, OneCommandASlotAndTheirRepliesMakeOne) {
    const std::vector<std::string_view> keys{"a", "b", "{t}x", "a", "{t}y"};
    const CommandView command = cmd::mget(keys);
    EncodedCommands split;
    ASSERT_TRUE(split_over_slots(command.spec(), command.retry(), command.arguments(), prefix, slots, split));
    EXPECT_EQ(split.bytes(), std::string(encoded({cmd::mget({"a", "a"})}).bytes()) +
                                 std::string(encoded({cmd::mget({"b"})}).bytes()) +
                                 std::string(encoded({cmd::mget({"{t}x", "{t}y"})}).bytes()));
    JointSink joint(split, nullptr);
    ReplyCursor first("*2\r\n$1\r\n1\r\n$-1\r\n");
    ReplyCursor second("*1\r\n$1\r\n2\r\n");
    ReplyCursor third("*2\r\n$1\r\n3\r\n_\r\n");
    EXPECT_TRUE(joint.read(2, third, prefix));
    EXPECT_TRUE(joint.read(0, first, prefix));
    EXPECT_TRUE(joint.read(1, second, prefix));
    Notes notes;
    EXPECT_FALSE(joint.finish(notes, prefix, "MGET"));
    EXPECT_EQ(notes.told.at(0), "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n_\r\n");
    EncodedCommands none;
    const CommandView whole = cmd::sinter({"a", "b"});
    EXPECT_FALSE(split_over_slots(whole.spec(), whole.retry(), whole.arguments(), prefix, slots, none));
}

TEST(Split, AScanGoesFromNodeToNode) {
    const auto shard_from = [](std::uint32_t slot) -> std::optional<std::uint16_t> {
        for (const int one : {0, 5461, 10923}) {
            if (static_cast<std::uint32_t>(one) >= slot) return static_cast<std::uint16_t>(one);
        }
        return std::nullopt;
    };
    const auto page = [&](std::uint64_t cursor, std::string_view reply) {
        const CommandView command = cmd::scan(cursor);
        EncodedCommands one;
        EXPECT_FALSE(place_scan(command.spec(), command.retry(), command.arguments(), prefix, shard_from, one));
        JointSink joint(one, shard_from);
        const std::string frame = "*2\r\n" + std::string(reply) + "*0\r\n";
        ReplyCursor at(frame);
        EXPECT_TRUE(joint.read(0, at, prefix));
        Notes notes;
        EXPECT_FALSE(joint.finish(notes, prefix, "SCAN"));
        return std::pair(std::string(one.bytes()), notes.told[0]);
    };
    const auto reply_of = [](std::uint64_t cursor) {
        const std::string text = std::to_string(cursor);
        return "*2\r\n$" + std::to_string(text.size()) + "\r\n" + text + "\r\n*0\r\n";
    };
    const std::string begin(encoded({cmd::scan(0)}).bytes());
    EXPECT_EQ(page(0, "$2\r\n17\r\n"), std::pair(begin, reply_of(17)));
    EXPECT_EQ(page(17, "$1\r\n0\r\n"),
              std::pair(std::string(encoded({cmd::scan(17)}).bytes()), reply_of(scan_cursor(5461, 0))));
    EXPECT_EQ(page(scan_cursor(5461, 0), "$1\r\n3\r\n"), std::pair(begin, reply_of(scan_cursor(5461, 3))));
    EXPECT_EQ(page(scan_cursor(10923, 5), "$1\r\n0\r\n").second, reply_of(0));
    const auto nobody = [](std::uint32_t) { return std::optional<std::uint16_t>(); };
    const CommandView early = cmd::scan(0);
    EncodedCommands none;
    const auto refused = place_scan(early.spec(), early.retry(), early.arguments(), prefix, nobody, none);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->certainty, Certainty::not_sent);
}

TEST(Split, APartialFailureSaysWhichKeysAreCertain) {
    const CommandView command = cmd::mset({{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}});
    EncodedCommands split;
    ASSERT_TRUE(split_over_slots(command.spec(), command.retry(), command.arguments(), prefix, slots, split));
    ASSERT_EQ(split.count(), 4u);
    JointSink joint(split, nullptr);
    ReplyCursor ok("+OK\r\n");
    ASSERT_TRUE(joint.read(0, ok, prefix));
    joint.fail(3, Error::of(ErrorKind::connection, Certainty::unknown, Stage::sent, "lost"));
    joint.fail(1, connection::from_server_error("OOM no memory", prefix));
    joint.fail(2, connection::from_server_error("OOM no memory", prefix));
    Notes notes;
    const std::optional<Error> error = joint.finish(notes, prefix, "MSET");
    ASSERT_TRUE(error);
    EXPECT_TRUE(notes.told.empty());
    EXPECT_EQ(error->reason(),
              "in a Cluster MSET is sent slot by slot, and is not atomic; of its 4 keys key 1: applied; key 4: "
              "unknown; keys 2-3: rejected");
    EXPECT_EQ(error->certainty, Certainty::unknown);
    EXPECT_EQ(error->kind, ErrorKind::connection);
    ASSERT_TRUE(error->cause);
    EXPECT_EQ(error->cause->reason(), "lost");
}

}  // namespace
}  // namespace redoubt::dispatch
