// resp: the bytes, retry categories, refusals and readers of the builders of commands_streams.inc.
#include "support/golden.hpp"

namespace redoubt {
namespace {

using namespace std::chrono_literals;
using enum RetryCategory;
using testing::covered;
using testing::read_as;
using testing::refused_as;

const std::chrono::sys_time<std::chrono::milliseconds> moment{1700000000123ms};

void check_streams() {
    const std::vector<std::string_view> two{"1-1", "2-1"};
    const std::vector<TextPair> pairs{{"a", "1"}, {"b", "2"}};
    SENDS(xadd, ("s", "f", "v"), accumulating, "XADD <s * f v");
    SENDS(xadd, ("s", pairs), accumulating, "XADD <s * a 1 b 2");
    SENDS(xadd, ("s", {{"a", "1"}}, {.id = "5-*"}), accumulating, "XADD <s 5-* a 1");
    SENDS(xadd, ("s", "f", "v", {.id = "5-1", .trim = {.maxlen = 10}}), conditional, "XADD <s MAXLEN 10 5-1 f v");
    SENDS(xadd, ("s", pairs, {.trim = {.minid = "3", .approximate = true, .limit = 0}}), accumulating,
          "XADD <s MINID ~ 3 LIMIT 0 * a 1 b 2");
    SENDS(xadd_existing, ("s", pairs), accumulating, "XADD <s NOMKSTREAM * a 1 b 2");
    SENDS(xadd_existing, ("s", {{"a", "1"}}, {.id = "1"}), conditional, "XADD <s NOMKSTREAM 1 a 1");
    SENDS(xlen, ("s"), read_only, "XLEN <s");
    SENDS(xrange, ("s"), read_only, "XRANGE <s - +");
    SENDS(xrange, ("s", "(1-1", "2", 10), read_only, "XRANGE <s (1-1 2 COUNT 10");
    SENDS(xrevrange, ("s"), read_only, "XREVRANGE <s + -");
    SENDS(xrevrange, ("s", "9", "1", 10), read_only, "XREVRANGE <s 9 1 COUNT 10");
    SENDS(xdel, ("s", "1-1"), idempotent, "XDEL <s 1-1");
    SENDS(xdel, ("s", two), idempotent, "XDEL <s 1-1 2-1");
    SENDS(xdel, ("s", {"1-1"}), idempotent, "XDEL <s 1-1");
    SENDS(xtrim, ("s", {.maxlen = 1000, .approximate = true, .limit = 5}), idempotent,
          "XTRIM <s MAXLEN ~ 1000 LIMIT 5");
    SENDS(xtrim, ("s", {.minid = "5-1"}), idempotent, "XTRIM <s MINID 5-1");
    SENDS(xread, ("s", "0"), read_only, "XREAD STREAMS <s 0");
    SENDS(xread, (pairs, {.count = 7}), read_only, "XREAD COUNT 7 STREAMS <a <b 1 2");
    SENDS(xread, ({{"a", "0"}, {"b", "$"}}, {.count = 7, .block = 1500ms}), read_only,
          "XREAD COUNT 7 BLOCK 1500 STREAMS <a <b 0 $");
    SENDS(xsetid, ("s", "5-1"), idempotent, "XSETID <s 5-1");
    SENDS(xinfo_stream, ("s"), read_only, "XINFO STREAM <s");
}

void check_groups() {
    const std::vector<std::string_view> two{"1-1", "2-1"};
    const std::vector<TextPair> pairs{{"a", ">"}, {"b", "0"}};
    SENDS(xgroup_create, ("s", "g"), conditional, "XGROUP CREATE <s g $");
    SENDS(xgroup_create, ("s", "g", {.id = "0", .mkstream = true, .entries_read = 5}), conditional,
          "XGROUP CREATE <s g 0 MKSTREAM ENTRIESREAD 5");
    SENDS(xgroup_destroy, ("s", "g"), idempotent, "XGROUP DESTROY <s g");
    SENDS(xgroup_createconsumer, ("s", "g", "c"), idempotent, "XGROUP CREATECONSUMER <s g c");
    SENDS(xgroup_delconsumer, ("s", "g", "c"), idempotent, "XGROUP DELCONSUMER <s g c");
    SENDS(xgroup_setid, ("s", "g", "5-1"), idempotent, "XGROUP SETID <s g 5-1");
    SENDS(xgroup_setid, ("s", "g", "$", 9), idempotent, "XGROUP SETID <s g $ ENTRIESREAD 9");
    SENDS(xreadgroup, ("g", "c", "s", ">"), accumulating, "XREADGROUP GROUP g c STREAMS <s >");
    SENDS(xreadgroup, ("STREAMS", "GROUP", pairs, {.count = 1, .block = 0ms, .noack = true}), accumulating,
          "XREADGROUP GROUP STREAMS GROUP COUNT 1 BLOCK 0 NOACK STREAMS <a <b > 0");
    SENDS(xreadgroup, ("g", "c", {{"s", "0"}}), accumulating, "XREADGROUP GROUP g c STREAMS <s 0");
    SENDS(xack, ("s", "g", "1-1"), idempotent, "XACK <s g 1-1");
    SENDS(xack, ("s", "g", two), idempotent, "XACK <s g 1-1 2-1");
    SENDS(xack, ("s", "g", {"1-1"}), idempotent, "XACK <s g 1-1");
    SENDS(xpending, ("s", "g"), read_only, "XPENDING <s g");
    SENDS(xpending_range, ("s", "g", 10), read_only, "XPENDING <s g - + 10");
    SENDS(xpending_range, ("s", "g", 10, {.start = "1", .end = "2", .consumer = "c", .idle = 9s}), read_only,
          "XPENDING <s g IDLE 9000 1 2 10 c");
    SENDS(xclaim, ("s", "g", "c", 1s, two), accumulating, "XCLAIM <s g c 1000 1-1 2-1");
    SENDS(xclaim, ("s", "g", "c", 0s, {"1-1"}, {.idle = 5ms, .retrycount = 3, .force = true}), accumulating,
          "XCLAIM <s g c 0 1-1 IDLE 5 RETRYCOUNT 3 FORCE");
    SENDS(xclaim_ids, ("s", "g", "c", 1s, two, {.time = moment}), conditional,
          "XCLAIM <s g c 1000 1-1 2-1 TIME 1700000000123 JUSTID");
    SENDS(xclaim_ids, ("s", "g", "c", 1s, {"1-1"}), conditional, "XCLAIM <s g c 1000 1-1 JUSTID");
    SENDS(xautoclaim, ("s", "g", "c", 1s), accumulating, "XAUTOCLAIM <s g c 1000 0-0 COUNT 100");
    SENDS(xautoclaim_ids, ("s", "g", "c", 1s, "5-1", 7), conditional, "XAUTOCLAIM <s g c 1000 5-1 COUNT 7 JUSTID");
    SENDS(xinfo_groups, ("s"), read_only, "XINFO GROUPS <s");
    SENDS(xinfo_consumers, ("s", "g"), read_only, "XINFO CONSUMERS <s g");
}

void check_channels() {
    const std::vector<std::string_view> two{"a", "b"};
    SENDS(publish, ("c", "hello"), accumulating, "PUBLISH <c hello");
    SENDS(spublish, ("c", "hello"), accumulating, "SPUBLISH <c hello");
    SENDS(pubsub_numsub, (two), read_only, "PUBSUB NUMSUB <a <b");
    SENDS(pubsub_numsub, ({"a"}), read_only, "PUBSUB NUMSUB <a");
    SENDS(pubsub_shardnumsub, (two), read_only, "PUBSUB SHARDNUMSUB <a <b");
    SENDS(pubsub_shardnumsub, ({"a"}), read_only, "PUBSUB SHARDNUMSUB <a");
    SENDS(pubsub_channels, (), read_only, "PUBSUB CHANNELS <*");
    SENDS(pubsub_channels, ("news.*"), read_only, "PUBSUB CHANNELS <news.*");
    SENDS(pubsub_shardchannels, (), read_only, "PUBSUB SHARDCHANNELS <*");
}

TEST(BuildersOfStreams, SendWhatTheySayAndNoneIsLeftOut) {
    check_streams();
    check_groups();
    check_channels();
    std::set<std::string> listed;
#define REDOUBT_COMMAND(name, parameters, arguments) listed.insert(#name);
#define REDOUBT_KEYS_COMMAND(name) listed.insert(#name);
#define REDOUBT_MEMBERS_COMMAND(name) listed.insert(#name);
#include <redoubt/service/commands_streams.inc>
#undef REDOUBT_COMMAND
#undef REDOUBT_KEYS_COMMAND
#undef REDOUBT_MEMBERS_COMMAND
    EXPECT_EQ(covered(), listed);
}

TEST(BuildersOfStreams, RefuseWhatTheServerWouldRefuseOrMisread) {
    const std::vector<TextPair> pairs{{"a", "1"}};
    const auto complaint = [&](XaddOptions options) { return cmd::xadd("s", pairs, options).invalid(); };
    EXPECT_EQ(complaint({.trim = {.maxlen = 1, .minid = "1"}}), "maxlen and minid exclude each other");
    EXPECT_EQ(complaint({.trim = {.maxlen = 1, .limit = 1}}), "a limit needs approximate");
    EXPECT_EQ(complaint({.trim = {.approximate = true}}), "approximate needs a maxlen or a minid");
    EXPECT_EQ(complaint({.trim = {.maxlen = std::uint64_t{1} << 63U}}), "maxlen must be below 2^63");
    EXPECT_EQ(complaint({.id = ""}), "an id must not be empty");
    EXPECT_EQ(cmd::xadd("s", PairList{}).invalid(), "it needs at least one field with its value");
    EXPECT_EQ(cmd::xtrim("s", {}).invalid(), "it needs a maxlen or a minid");
    EXPECT_EQ(cmd::xread(PairList{}).invalid(), "it needs at least one stream");
    EXPECT_EQ(cmd::xread("s", "0", {.count = 0}).invalid(), "count must not be 0");
    EXPECT_EQ(cmd::xread("s", "0", {.block = -1ms}).invalid(), "a wait must not be negative; 0 is for ever");
    EXPECT_EQ(cmd::xread("s", "0", {.block = 24h * 366}).invalid(), "a wait must not be longer than a year");
    EXPECT_EQ(cmd::xreadgroup("g", "c", PairList{}).invalid(), "it needs at least one stream");
    EXPECT_EQ(cmd::xrange("s", "-", "+", 0).invalid(), "count must not be 0");
    EXPECT_EQ(cmd::xdel("s", TextList{}).invalid(), "it needs at least one element");
    EXPECT_EQ(cmd::xack("s", "g", TextList{}).invalid(), "it needs at least one id");
    EXPECT_EQ(cmd::xpending_range("s", "g", 0).invalid(), "count must not be 0");
    EXPECT_EQ(cmd::xclaim("s", "g", "c", 1s, TextList{}).invalid(), "it needs at least one id");
    EXPECT_EQ(cmd::xclaim("s", "g", "c", -1s, {"1"}).invalid(), "an idle time must not be negative");
    EXPECT_EQ(cmd::xclaim("s", "g", "c", 1s, {"1"}, {.idle = 1ms, .time = moment}).invalid(),
              "idle and time exclude each other");
    EXPECT_EQ(cmd::xautoclaim("s", "g", "c", 1s, "0", 0).invalid(), "count must not be 0");
    EXPECT_EQ(cmd::xgroup_create("s", "g", {.entries_read = -1}).invalid(), "entries_read must not be negative");
    EXPECT_EQ(cmd::xgroup_setid("s", "g", "1", -1).invalid(), "entries_read must not be negative");
    EXPECT_EQ(cmd::pubsub_numsub(TextList{}).invalid(), "it needs at least one channel");
}

TEST(BuildersOfStreams, SayHowLongTheyMayBlock) {
    EXPECT_EQ(cmd::xread("s", "0").block_time(), Duration::zero());
    EXPECT_EQ(cmd::xread("s", "$", {.block = 1500ms}).block_time(), Duration(1500ms));
    EXPECT_EQ(cmd::xread("s", "$", {.block = 0ms}).block_time(), CommandView::forever);
    EXPECT_EQ(cmd::xreadgroup("g", "c", "s", ">", {.block = 2s}).block_time(), Duration(2s));
}

TEST(BuildersOfStreams, ReadBothProtocols) {
    const std::string entry = "*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
    const StreamEntry read{"1-1", {{"f", "v"}}};
    const std::vector<StreamEntries> streams{{"s", {read}}};
    const std::string name = "$8\r\nproj:a:s\r\n";
    EXPECT_EQ(read_as(cmd::xread("s", "0"), "*1\r\n*2\r\n" + name + "*1\r\n" + entry), streams);
    EXPECT_EQ(read_as(cmd::xread("s", "0"), "%1\r\n" + name + "*1\r\n" + entry), streams);
    EXPECT_EQ(read_as(cmd::xread("s", "0"), "*-1\r\n"), std::vector<StreamEntries>{});
    EXPECT_EQ(read_as(cmd::xread("s", "0"), "_\r\n"), std::vector<StreamEntries>{});
    for (const std::string head : {"%1\r\n", "*1\r\n*2\r\n"}) {
        EXPECT_EQ(refused_as(cmd::xread("s", "0"), head + "$8\r\nproj:b:s\r\n*1\r\n" + entry).status(),
                  ReadOutcome::Status::foreign_key);
        EXPECT_EQ(refused_as(cmd::xread("s", "0"), head + name + ":1\r\n").expected(), "streams with their entries");
    }
    const std::vector<StreamEntry> deleted{{"1-1", {}, true}};
    EXPECT_EQ(read_as(cmd::xrange("s"), "*1\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n"), deleted);
    EXPECT_EQ(read_as(cmd::xrange("s"), "*1\r\n*2\r\n$3\r\n1-1\r\n_\r\n"), deleted);
    EXPECT_EQ(read_as(cmd::xrange("s"), "*0\r\n"), std::vector<StreamEntry>{});

    EXPECT_EQ(read_as(cmd::xpending("s", "g"), "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"), PendingSummary{});
    EXPECT_EQ(
        read_as(cmd::xpending("s", "g"), "*4\r\n:2\r\n$3\r\n1-1\r\n$3\r\n2-1\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n2\r\n"),
        (PendingSummary{2, "1-1", "2-1", {{"c", 2}}}));
    EXPECT_EQ(read_as(cmd::xpending_range("s", "g", 1), "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nc\r\n:5\r\n:2\r\n"),
              (std::vector<PendingEntry>{{"1-1", "c", 5ms, 2}}));
    const std::string next = "$3\r\n0-0\r\n";
    const AutoclaimPage page =
        read_as(cmd::xautoclaim("s", "g", "c", 1s), "*3\r\n" + next + "*1\r\n" + entry + "*1\r\n$3\r\n9-1\r\n");
    EXPECT_EQ(page.next, "0-0");
    EXPECT_EQ(page.entries, std::vector{read});
    EXPECT_EQ(page.deleted, std::vector<std::string>{"9-1"});
    // Before Redis 7.0 there were two parts.
    EXPECT_EQ(read_as(cmd::xautoclaim_ids("s", "g", "c", 1s), "*2\r\n" + next + "*1\r\n$3\r\n1-1\r\n").ids,
              std::vector<std::string>{"1-1"});
    // What a later server may add is skipped.
    const StreamInfo info = read_as(cmd::xinfo_stream("s"), "*6\r\n$6\r\nlength\r\n:1\r\n$5\r\nadded\r\n*1\r\n:1\r\n" +
                                                                ("$11\r\nfirst-entry\r\n" + entry));
    EXPECT_EQ(info.length, 1);
    EXPECT_EQ(info.first_entry, read);
    EXPECT_EQ(info.last_entry, std::nullopt);
    const auto consumers = read_as(cmd::xinfo_consumers("s", "g"),
                                   "*1\r\n%4\r\n$4\r\nname\r\n$1\r\nc\r\n$7\r\npending\r\n:3\r\n$4\r\nidle\r\n:7\r\n"
                                   "$8\r\ninactive\r\n:-1\r\n");
    ASSERT_EQ(consumers.size(), 1U);
    EXPECT_EQ(consumers[0].pending, 3);
    EXPECT_EQ(consumers[0].idle, 7ms);
    EXPECT_EQ(consumers[0].inactive, std::nullopt);
    EXPECT_EQ(refused_as(cmd::xinfo_groups("s"), "*1\r\n:1\r\n").expected(), "facts about groups");
}

TEST(BuildersOfStreams, ChannelsAreStrippedAndForeignOnesFound) {
    EXPECT_EQ(read_as(cmd::pubsub_numsub({"c"}), "*2\r\n$8\r\nproj:a:c\r\n:2\r\n"), (ChannelCounts{{"c", 2}}));
    EXPECT_EQ(read_as(cmd::pubsub_numsub({"c"}), "%1\r\n$8\r\nproj:a:c\r\n:2\r\n"), (ChannelCounts{{"c", 2}}));
    EXPECT_EQ(refused_as(cmd::pubsub_numsub({"c"}), "*2\r\n$8\r\nproj:b:c\r\n:2\r\n").status(),
              ReadOutcome::Status::foreign_key);
    EXPECT_EQ(read_as(cmd::pubsub_channels(), "*2\r\n$8\r\nproj:b:c\r\n$8\r\nproj:a:c\r\n"),
              std::vector<std::string>{"c"});
}

}  // namespace
}  // namespace redoubt
