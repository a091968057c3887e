// resp: builders of the commands on streams and their consumer groups.
#include <array>
#include <limits>

#include "resp/cmd_support.hpp"

namespace redoubt::cmd {
namespace {

using Entries = std::vector<StreamEntry>;
using Streams = std::vector<StreamEntries>;
using Texts = std::vector<std::string>;
using Wait = std::chrono::milliseconds;

template <class Reply>
void add_count(Building<Reply>& command, std::optional<std::uint32_t> count) {
    if (!count) return;
    command.add(text("COUNT"));
    command.add(number(*count));
    if (*count == 0) command.set_invalid("count must not be 0");
}

template <class Reply>
void add_trim(Building<Reply>& command, const StreamTrim& trim) {
    static constexpr std::array<std::string_view, 2> maxlen_about{"MAXLEN", "~"};
    static constexpr std::array<std::string_view, 2> minid_about{"MINID", "~"};
    const std::size_t words = trim.approximate ? 2 : 1;
    if (trim.maxlen) {
        command.add(Argument::texts(TextList(maxlen_about).first(words)));
        command.add(Argument::unsigned_integer(*trim.maxlen));
        if (*trim.maxlen > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
            command.set_invalid("maxlen must be below 2^63");
        }
    }
    if (!trim.minid.empty()) {
        command.add(Argument::texts(TextList(minid_about).first(words)));
        command.add(text(trim.minid));
    }
    if (trim.maxlen && !trim.minid.empty()) command.set_invalid("maxlen and minid exclude each other");
    const bool trims = trim.maxlen || !trim.minid.empty();
    if (trim.approximate && !trims) command.set_invalid("approximate needs a maxlen or a minid");
    if (trim.limit) {
        command.add(text("LIMIT"));
        command.add(number(*trim.limit));
        if (!trim.approximate) command.set_invalid("a limit needs approximate");
    }
}

template <class Reply, class AddFields>
Building<Reply> build_add(std::string_view of_key, bool existing, const XaddOptions& options, AddFields add_fields) {
    auto command = build<Reply>(spec_of("XADD"), key(of_key));
    if (existing) command.add(text("NOMKSTREAM"));
    add_trim(command, options.trim);
    command.add(text(options.id));
    if (options.id.empty()) command.set_invalid("an id must not be empty");
    add_fields(command);
    // An id that the caller chose is refused the second time, for it is not behind the last one any more.
    if (!options.id.ends_with('*')) command.set_retry(RetryCategory::conditional);
    return command;
}

template <class Reply>
Building<Reply> build_add(std::string_view of_key, bool existing, const XaddOptions& options, PairList fields) {
    auto command = build_add<Reply>(of_key, existing, options,
                                    [&](Building<Reply>& adding) { adding.add(Argument::pairs(fields)); });
    if (fields.empty()) command.set_invalid("it needs at least one field with its value");
    return command;
}

/// [COUNT n] [BLOCK ms]
template <class Options>
void add_read_options(Building<Streams>& command, const Options& options) {
    add_count(command, options.count);
    if (!options.block) return;
    command.add(text("BLOCK"));
    command.add(number(options.block->count()));
    if (*options.block < Wait::zero()) command.set_invalid("a wait must not be negative; 0 is for ever");
    if (*options.block > std::chrono::hours(24 * 365)) command.set_invalid("a wait must not be longer than a year");
    command.set_block_time(*options.block == Wait::zero() ? CommandView::forever : Duration(*options.block));
}

void add_streams(Building<Streams>& command, PairList streams) {
    command.add(text("STREAMS"));
    command.add(Argument::pair_keys(streams));
    command.add(Argument::pair_values(streams));
    if (streams.empty()) command.set_invalid("it needs at least one stream");
}
void add_streams(Building<Streams>& command, std::string_view of_key, std::string_view after) {
    command.add(text("STREAMS"));
    command.add(key(of_key));
    command.add(text(after));
}

Building<Streams> build_group_read(std::string_view group, std::string_view consumer,
                                   const XreadGroupOptions& options) {
    auto command = build<Streams>(spec_of("XREADGROUP"), text("GROUP"), text(group), text(consumer));
    add_read_options(command, options);
    if (options.noack) command.add(text("NOACK"));
    return command;
}

template <class Reply>
void add_min_idle(Building<Reply>& command, Wait min_idle) {
    command.add(number(min_idle.count()));
    if (min_idle < Wait::zero()) command.set_invalid("an idle time must not be negative");
}

template <class Reply>
Building<Reply> build_claim(std::string_view of_key, std::string_view group, std::string_view consumer, Wait min_idle,
                            TextList ids, const XclaimOptions& options) {
    auto command = build<Reply>(spec_of("XCLAIM"), key(of_key), text(group), text(consumer));
    add_min_idle(command, min_idle);
    command.add(Argument::texts(ids));
    if (ids.empty()) command.set_invalid("it needs at least one id");
    if (options.idle) {
        command.add(text("IDLE"));
        add_min_idle(command, *options.idle);
    }
    if (options.time) {
        command.add(text("TIME"));
        command.add(number(options.time->time_since_epoch().count()));
    }
    if (options.idle && options.time) command.set_invalid("idle and time exclude each other");
    if (options.retrycount) {
        command.add(text("RETRYCOUNT"));
        command.add(number(*options.retrycount));
    }
    if (options.force) command.add(text("FORCE"));
    return command;
}

template <class Reply>
Building<Reply> build_autoclaim(std::string_view of_key, std::string_view group, std::string_view consumer,
                                Wait min_idle, std::string_view start, std::uint32_t count) {
    auto command = build<Reply>(spec_of("XAUTOCLAIM"), key(of_key), text(group), text(consumer));
    add_min_idle(command, min_idle);
    command.add(text(start));
    add_count(command, count);
    return command;
}

/// The ids alone: deliveries are not counted, but the second time finds entries that were touched just now.
template <class Reply>
Building<Reply> just_ids(Building<Reply> command) {
    command.add(text("JUSTID"));
    command.set_retry(RetryCategory::conditional);
    return command;
}

}  // namespace

Command<std::string> xadd(std::string_view of_key, std::string_view field, std::string_view value,
                          XaddOptions options) {
    return build_add<std::string>(of_key, false, options, [&](Building<std::string>& adding) {
        adding.add(text(field));
        adding.add(text(value));
    });
}
Command<std::string> xadd(std::string_view of_key, PairList fields, XaddOptions options) {
    return build_add<std::string>(of_key, false, options, fields);
}
Command<std::string> xadd(std::string_view of_key, PairBraces fields, XaddOptions options) {
    return xadd(of_key, list_of(fields), options);
}
Command<std::optional<std::string>> xadd_existing(std::string_view of_key, PairList fields, XaddOptions options) {
    return build_add<std::optional<std::string>>(of_key, true, options, fields);
}
Command<std::optional<std::string>> xadd_existing(std::string_view of_key, PairBraces fields, XaddOptions options) {
    return xadd_existing(of_key, list_of(fields), options);
}
Command<std::int64_t> xlen(std::string_view of_key) { return build<std::int64_t>(spec_of("XLEN"), key(of_key)); }
Command<Entries> xrange(std::string_view of_key, std::string_view start, std::string_view end,
                        std::optional<std::uint32_t> count) {
    auto command = build<Entries>(spec_of("XRANGE"), key(of_key), text(start), text(end));
    add_count(command, count);
    return command;
}
Command<Entries> xrevrange(std::string_view of_key, std::string_view end, std::string_view start,
                           std::optional<std::uint32_t> count) {
    auto command = build<Entries>(spec_of("XREVRANGE"), key(of_key), text(end), text(start));
    add_count(command, count);
    return command;
}
Command<std::int64_t> xdel(std::string_view of_key, std::string_view id) {
    return build<std::int64_t>(spec_of("XDEL"), key(of_key), text(id));
}
Command<std::int64_t> xdel(std::string_view of_key, TextList ids) {
    return build_of_texts<std::int64_t>(spec_of("XDEL"), of_key, ids);
}
Command<std::int64_t> xdel(std::string_view of_key, TextBraces ids) { return xdel(of_key, list_of(ids)); }
Command<std::int64_t> xtrim(std::string_view of_key, StreamTrim trim) {
    auto command = build<std::int64_t>(spec_of("XTRIM"), key(of_key));
    add_trim(command, trim);
    if (!trim.maxlen && trim.minid.empty()) command.set_invalid("it needs a maxlen or a minid");
    return command;
}
Command<Streams> xread(std::string_view of_key, std::string_view after, XreadOptions options) {
    auto command = build<Streams>(spec_of("XREAD"));
    add_read_options(command, options);
    add_streams(command, of_key, after);
    return command;
}
Command<Streams> xread(PairList streams, XreadOptions options) {
    auto command = build<Streams>(spec_of("XREAD"));
    add_read_options(command, options);
    add_streams(command, streams);
    return command;
}
Command<Streams> xread(PairBraces streams, XreadOptions options) { return xread(list_of(streams), options); }
Command<Ok> xsetid(std::string_view of_key, std::string_view last_id) {
    return build<Ok>(spec_of("XSETID"), key(of_key), text(last_id));
}
Command<StreamInfo> xinfo_stream(std::string_view of_key) {
    return build<StreamInfo>(spec_of("XINFO STREAM"), key(of_key));
}

Command<Ok> xgroup_create(std::string_view of_key, std::string_view group, XgroupCreateOptions options) {
    auto command = build<Ok>(spec_of("XGROUP CREATE"), key(of_key), text(group), text(options.id));
    if (options.mkstream) command.add(text("MKSTREAM"));
    if (options.entries_read) {
        command.add(text("ENTRIESREAD"));
        command.add(number(*options.entries_read));
        if (*options.entries_read < 0) command.set_invalid("entries_read must not be negative");
    }
    return command;
}
Command<bool> xgroup_destroy(std::string_view of_key, std::string_view group) {
    return build<bool>(spec_of("XGROUP DESTROY"), key(of_key), text(group));
}
Command<bool> xgroup_createconsumer(std::string_view of_key, std::string_view group, std::string_view consumer) {
    return build<bool>(spec_of("XGROUP CREATECONSUMER"), key(of_key), text(group), text(consumer));
}
Command<std::int64_t> xgroup_delconsumer(std::string_view of_key, std::string_view group, std::string_view consumer) {
    return build<std::int64_t>(spec_of("XGROUP DELCONSUMER"), key(of_key), text(group), text(consumer));
}
Command<Ok> xgroup_setid(std::string_view of_key, std::string_view group, std::string_view id,
                         std::optional<std::int64_t> entries_read) {
    auto command = build<Ok>(spec_of("XGROUP SETID"), key(of_key), text(group), text(id));
    if (entries_read) {
        command.add(text("ENTRIESREAD"));
        command.add(number(*entries_read));
        if (*entries_read < 0) command.set_invalid("entries_read must not be negative");
    }
    return command;
}

Command<Streams> xreadgroup(std::string_view group, std::string_view consumer, std::string_view of_key,
                            std::string_view after, XreadGroupOptions options) {
    auto command = build_group_read(group, consumer, options);
    add_streams(command, of_key, after);
    return command;
}
Command<Streams> xreadgroup(std::string_view group, std::string_view consumer, PairList streams,
                            XreadGroupOptions options) {
    auto command = build_group_read(group, consumer, options);
    add_streams(command, streams);
    return command;
}
Command<Streams> xreadgroup(std::string_view group, std::string_view consumer, PairBraces streams,
                            XreadGroupOptions options) {
    return xreadgroup(group, consumer, list_of(streams), options);
}
Command<std::int64_t> xack(std::string_view of_key, std::string_view group, std::string_view id) {
    return build<std::int64_t>(spec_of("XACK"), key(of_key), text(group), text(id));
}
Command<std::int64_t> xack(std::string_view of_key, std::string_view group, TextList ids) {
    auto command = build<std::int64_t>(spec_of("XACK"), key(of_key), text(group), Argument::texts(ids));
    if (ids.empty()) command.set_invalid("it needs at least one id");
    return command;
}
Command<std::int64_t> xack(std::string_view of_key, std::string_view group, TextBraces ids) {
    return xack(of_key, group, list_of(ids));
}
Command<PendingSummary> xpending(std::string_view of_key, std::string_view group) {
    return build<PendingSummary>(spec_of("XPENDING"), key(of_key), text(group));
}
Command<std::vector<PendingEntry>> xpending_range(std::string_view of_key, std::string_view group, std::uint32_t count,
                                                  XpendingOptions options) {
    auto command = build<std::vector<PendingEntry>>(spec_of("XPENDING"), key(of_key), text(group));
    if (options.idle) {
        command.add(text("IDLE"));
        add_min_idle(command, *options.idle);
    }
    command.add(text(options.start));
    command.add(text(options.end));
    command.add(number(count));
    if (count == 0) command.set_invalid("count must not be 0");
    if (!options.consumer.empty()) command.add(text(options.consumer));
    return command;
}
Command<Entries> xclaim(std::string_view of_key, std::string_view group, std::string_view consumer, Wait min_idle,
                        TextList ids, XclaimOptions options) {
    return build_claim<Entries>(of_key, group, consumer, min_idle, ids, options);
}
Command<Entries> xclaim(std::string_view of_key, std::string_view group, std::string_view consumer, Wait min_idle,
                        TextBraces ids, XclaimOptions options) {
    return xclaim(of_key, group, consumer, min_idle, list_of(ids), options);
}
Command<Texts> xclaim_ids(std::string_view of_key, std::string_view group, std::string_view consumer, Wait min_idle,
                          TextList ids, XclaimOptions options) {
    return just_ids(build_claim<Texts>(of_key, group, consumer, min_idle, ids, options));
}
Command<Texts> xclaim_ids(std::string_view of_key, std::string_view group, std::string_view consumer, Wait min_idle,
                          TextBraces ids, XclaimOptions options) {
    return xclaim_ids(of_key, group, consumer, min_idle, list_of(ids), options);
}
Command<AutoclaimPage> xautoclaim(std::string_view of_key, std::string_view group, std::string_view consumer,
                                  Wait min_idle, std::string_view start, std::uint32_t count) {
    return build_autoclaim<AutoclaimPage>(of_key, group, consumer, min_idle, start, count);
}
Command<AutoclaimIds> xautoclaim_ids(std::string_view of_key, std::string_view group, std::string_view consumer,
                                     Wait min_idle, std::string_view start, std::uint32_t count) {
    return just_ids(build_autoclaim<AutoclaimIds>(of_key, group, consumer, min_idle, start, count));
}
Command<std::vector<StreamGroupInfo>> xinfo_groups(std::string_view of_key) {
    return build<std::vector<StreamGroupInfo>>(spec_of("XINFO GROUPS"), key(of_key));
}
Command<std::vector<StreamConsumerInfo>> xinfo_consumers(std::string_view of_key, std::string_view group) {
    return build<std::vector<StreamConsumerInfo>>(spec_of("XINFO CONSUMERS"), key(of_key), text(group));
}

}  // namespace redoubt::cmd
