// service: every typed command on streams, consumer groups and channels, on all four surfaces of both servers.
#include "support/surfaces.hpp"

namespace redoubt {
namespace {

using Texts = std::vector<std::string>;

class TypedStreams : public testing::TypedCommandsTest {};

const auto streams = [](auto& surface) {
    const std::vector<TextPair> pairs{{"a", "1"}, {"b", "2"}};
    EXPECT_EQ(CALL(xadd, "s", pairs, {.id = "1-1"}), "1-1");
    EXPECT_EQ(CALL(xadd, "s", "f", "v", {.id = "1-*"}), "1-2");
    EXPECT_EQ(CALL(xadd_existing, "none", pairs), std::nullopt);
    EXPECT_EQ(CALL(xadd_existing, "s", pairs, {.id = "3-0"}), "3-0");
    EXPECT_EQ(CALL(xlen, "s"), 3);
    const StreamEntry first{"1-1", {{"a", "1"}, {"b", "2"}}};
    const StreamEntry second{"1-2", {{"f", "v"}}};
    const StreamEntry third{"3-0", {{"a", "1"}, {"b", "2"}}};
    EXPECT_EQ(CALL(xrange, "s"), (std::vector{first, second, third}));
    EXPECT_EQ(CALL(xrange, "s", "(1-1", "+", 1), std::vector{second});
    EXPECT_EQ(CALL(xrevrange, "s", "+", "1-2"), (std::vector{third, second}));
    EXPECT_EQ(CALL(xrange, "none"), std::vector<StreamEntry>{});
    EXPECT_EQ(CALL(xread, "s", "1-2"), (std::vector<StreamEntries>{{"s", {third}}}));
    EXPECT_EQ(CALL(xread, "s", "3-0"), std::vector<StreamEntries>{});
    const std::vector<TextPair> from{{"t", "0"}, {"s", "0"}};
    CALL(xadd, "t", "f", "v", {.id = "1-2"});
    EXPECT_EQ(CALL(xread, from, {.count = 1, .block = 1s}),
              (std::vector<StreamEntries>{{"t", {second}}, {"s", {first}}}));
    EXPECT_EQ(CALL(xread, "s", "$", {.block = 1ms}), std::vector<StreamEntries>{});
    const StreamInfo info = CALL(xinfo_stream, "s");
    EXPECT_EQ(info.length, 3);
    EXPECT_EQ(info.groups, 0);
    EXPECT_EQ(info.entries_added, 3);
    EXPECT_EQ(info.last_generated_id, "3-0");
    EXPECT_EQ(info.first_entry, first);
    EXPECT_EQ(info.last_entry, third);
    EXPECT_EQ(CALL(xdel, "s", "1-2"), 1);
    EXPECT_EQ(CALL(xdel, "s", "1-2", "9-9"), 0);
    EXPECT_EQ(CALL(xtrim, "s", {.maxlen = 1}), 1);
    EXPECT_EQ(CALL(xtrim, "s", {.minid = "2", .approximate = true, .limit = 10}), 0);
    CALL(xsetid, "s", "7-0");
    EXPECT_EQ(CALL(xinfo_stream, "s").last_generated_id, "7-0");
    EXPECT_EQ(CALL(xadd, "s", pairs, {.id = "8-0", .trim = {.maxlen = 1}}), "8-0");
    EXPECT_EQ(CALL(xlen, "s"), 1);
};

const auto groups = [](auto& surface) {
    using Streams = std::vector<StreamEntries>;
    CALL(xgroup_create, "s", "g", {.id = "0", .mkstream = true});
    CALL(xgroup_create, "s", "h", {.id = "$", .entries_read = 0});
    EXPECT_TRUE(CALL(xgroup_createconsumer, "s", "g", "idler"));
    EXPECT_FALSE(CALL(xgroup_createconsumer, "s", "g", "idler"));
    std::vector<StreamEntry> entries;
    for (const std::string id : {"1-0", "2-0", "3-0"}) {
        surface.raw().command({"XADD", surface.stored("s"), id, "f", "v"});
        entries.push_back({id, {{"f", "v"}}});
    }
    EXPECT_EQ(CALL(xreadgroup, "g", "c", "s", ">", {.count = 2}), (Streams{{"s", {entries[0], entries[1]}}}));
    const std::vector<TextPair> own{{"s", "0"}};
    EXPECT_EQ(CALL(xreadgroup, "g", "c", own, {.count = 1}), (Streams{{"s", {entries[0]}}}));
    EXPECT_EQ(CALL(xreadgroup, "g", "d", "s", ">", {.block = 1s}), (Streams{{"s", {entries[2]}}}));
    EXPECT_EQ(CALL(xreadgroup, "g", "d", "s", ">", {.block = 1ms}), Streams{});
    EXPECT_EQ(CALL(xpending, "s", "g"), (PendingSummary{3, "1-0", "3-0", {{"c", 2}, {"d", 1}}}));
    EXPECT_EQ(CALL(xpending, "s", "h"), PendingSummary{});
    const std::vector<PendingEntry> pending =
        CALL(xpending_range, "s", "g", 10, {.start = "2", .consumer = "c", .idle = 0s});
    ASSERT_EQ(pending.size(), 1U);
    EXPECT_EQ(pending[0].id, "2-0");
    EXPECT_EQ(pending[0].consumer, "c");
    EXPECT_EQ(pending[0].deliveries, 1);
    EXPECT_LT(pending[0].idle, 60s);

    const std::vector<std::string_view> one{"1-0"};
    const std::vector<std::string_view> two{"1-0", "2-0"};
    EXPECT_EQ(CALL(xclaim, "s", "g", "d", 1h, two), std::vector<StreamEntry>{});
    EXPECT_EQ(CALL(xclaim, "s", "g", "d", 0s, one, {.idle = 5s, .retrycount = 7}), std::vector{entries[0]});
    EXPECT_EQ(CALL(xpending_range, "s", "g", 1).front().deliveries, 7);
    EXPECT_GE(CALL(xpending_range, "s", "g", 1).front().idle, 5s);
    EXPECT_EQ(CALL(xclaim_ids, "s", "g", "e", 0s, two), (Texts{"1-0", "2-0"}));
    const AutoclaimIds ids = CALL(xautoclaim_ids, "s", "g", "f", 0s, "0-0", 2);
    EXPECT_EQ(ids.ids, (Texts{"1-0", "2-0"}));
    EXPECT_EQ(ids.next, "3-0");
    surface.raw().command({"XDEL", surface.stored("s"), "2-0"});
    // A consumer's own pending entries are told of though they are gone.
    EXPECT_EQ(CALL(xreadgroup, "g", "f", "s", "1-0"), (Streams{{"s", {{"2-0", {}, true}}}}));
    const AutoclaimPage page = CALL(xautoclaim, "s", "g", "c", 0s);
    EXPECT_EQ(page.next, "0-0");
    EXPECT_EQ(page.entries, (std::vector{entries[0], entries[2]}));
    EXPECT_EQ(page.deleted, Texts{"2-0"});

    const std::vector<StreamGroupInfo> info = CALL(xinfo_groups, "s");
    ASSERT_EQ(info.size(), 2U);
    EXPECT_EQ(info[0].name, "g");
    EXPECT_EQ(info[0].pending, 2);
    EXPECT_EQ(info[0].consumers, 5);
    EXPECT_EQ(info[0].last_delivered_id, "3-0");
    const std::vector<StreamConsumerInfo> consumers = CALL(xinfo_consumers, "s", "g");
    ASSERT_EQ(consumers.size(), 5U);
    EXPECT_EQ(consumers[0].name, "c");
    EXPECT_EQ(consumers[0].pending, 2);
    EXPECT_LT(consumers[0].idle, 60s);
    EXPECT_EQ(CALL(xack, "s", "g", "1-0"), 1);
    EXPECT_EQ(CALL(xack, "s", "g", two), 0);
    EXPECT_EQ(CALL(xgroup_delconsumer, "s", "g", "c"), 1);
    CALL(xgroup_setid, "s", "h", "0", 0);
    EXPECT_EQ(CALL(xreadgroup, "h", "c", "s", ">", {.noack = true}), (Streams{{"s", {entries[0], entries[2]}}}));
    EXPECT_EQ(CALL(xpending, "s", "h").count, 0);
    EXPECT_TRUE(CALL(xgroup_destroy, "s", "h"));
    EXPECT_FALSE(CALL(xgroup_destroy, "s", "h"));
};

TEST_P(TypedStreams, Streams) { on_every_surface("streams", streams); }
TEST_P(TypedStreams, ConsumerGroups) { on_every_surface("consumer groups", groups); }

TEST_P(TypedStreams, Channels) {
    on_every_surface("channels", [](auto& surface) {
        // A connection of another library that listens to the project's channels, and to those of another project.
        testing::RawClient listener(surface.server());
        listener.command({"SUBSCRIBE", surface.stored("c")});
        listener.command({"SUBSCRIBE", "proj:other:c"});
        testing::RawClient shard_listener(surface.server());
        shard_listener.command({"SSUBSCRIBE", surface.stored("c")});
        EXPECT_EQ(CALL(publish, "c", "hello"), 1);
        EXPECT_EQ(CALL(publish, "none", "hello"), 0);
        EXPECT_EQ(CALL(spublish, "c", "hello"), 1);
        EXPECT_EQ(CALL(pubsub_numsub, "c", "none"), (ChannelCounts{{"c", 1}, {"none", 0}}));
        EXPECT_EQ(CALL(pubsub_shardnumsub, "c", "none"), (ChannelCounts{{"c", 1}, {"none", 0}}));
        EXPECT_EQ(CALL(pubsub_channels), Texts{"c"});
        EXPECT_EQ(CALL(pubsub_channels, "x*"), Texts{});
        EXPECT_EQ(CALL(pubsub_shardchannels), Texts{"c"});
    });
}

REDOUBT_TYPED_COMMANDS(TypedStreams);

}  // namespace
}  // namespace redoubt
