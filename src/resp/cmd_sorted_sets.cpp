// resp: builders of the commands on sorted sets; those on ranges are in cmd_sorted_set_ranges.cpp.
#include "resp/cmd_support.hpp"
#include "resp/read_fields.hpp"

namespace redoubt::cmd {
namespace {

using Texts = std::vector<std::string>;
using Members = std::vector<ScoredMember>;
using Popped = std::optional<KeyedMembers>;

/// NX XX GT LT CH of ZADD.
template <class Reply>
void add_zadd_options(Building<Reply>& command, const ZaddOptions& options) {
    if (options.nx) command.add(text("NX"));
    if (options.xx) command.add(text("XX"));
    if (options.gt) command.add(text("GT"));
    if (options.lt) command.add(text("LT"));
    if (options.ch) command.add(text("CH"));
    if (options.nx && (options.xx || options.gt || options.lt)) command.set_invalid("nx excludes xx, gt and lt");
    if (options.gt && options.lt) command.set_invalid("gt and lt exclude each other");
    if (options.nx || options.xx || options.gt || options.lt) command.set_retry(RetryCategory::conditional);
}

/// [WEIGHTS w..] [AGGREGATE MIN|MAX]
template <class Reply>
void add_join(Building<Reply>& command, TextList keys, const ZjoinOptions& options) {
    if (!options.weights.empty()) {
        if (options.weights.size() != keys.size()) command.set_invalid("weights need one for each key");
        for (const double weight : options.weights) {
            if (std::isnan(weight)) command.set_invalid("a weight must not be NaN");
        }
        command.add(text("WEIGHTS"));
        command.add(Argument::reals(options.weights));
    }
    if (options.aggregate != Aggregate::sum) {
        command.add(text("AGGREGATE"));
        command.add(text(options.aggregate == Aggregate::min ? "MIN" : "MAX"));
    }
}

template <class Reply>
Building<Reply> build_join(const CommandSpec& spec, TextList keys, const ZjoinOptions& options) {
    auto command = build<Reply>(spec);
    add_counted_keys(command, keys);
    add_join(command, keys, options);
    return command;
}

Building<std::int64_t> build_join_store(const CommandSpec& spec, std::string_view destination, TextList keys,
                                        const ZjoinOptions& options) {
    auto command = build<std::int64_t>(spec, key(destination));
    add_counted_keys(command, keys);
    add_join(command, keys, options);
    refine_store(command, destination, keys);
    return command;
}

}  // namespace

ReadOutcome read_popped(ReplyCursor& cursor, const KeyPrefix& prefix, Popped& out) {
    return resp::read_keyed(cursor, prefix, 2, "a key and members with scores, or nil", out,
                            [&](KeyedMembers& keyed) { return read_reply(cursor, prefix, keyed.members); });
}

Command<std::int64_t> zadd(std::string_view of_key, double score, std::string_view member, ZaddOptions options) {
    auto command = build<std::int64_t>(spec_of("ZADD"), key(of_key));
    add_zadd_options(command, options);
    add_real(command, score);
    command.add(text(member));
    return command;
}
Command<std::int64_t> zadd(std::string_view of_key, ScoreList members, ZaddOptions options) {
    auto command = build<std::int64_t>(spec_of("ZADD"), key(of_key));
    add_zadd_options(command, options);
    command.add(Argument::scores(members));
    if (members.empty()) command.set_invalid("it needs at least one member");
    for (const ScoreMemberView& entry : members) {
        if (std::isnan(entry.score)) command.set_invalid("a number must not be NaN");
    }
    return command;
}
Command<std::int64_t> zadd(std::string_view of_key, ScoreBraces members, ZaddOptions options) {
    return zadd(of_key, list_of(members), options);
}
Command<std::optional<double>> zadd_incr(std::string_view of_key, double by, std::string_view member,
                                         ZaddOptions options) {
    auto command = build<std::optional<double>>(spec_of("ZADD"), key(of_key));
    add_zadd_options(command, options);
    command.set_retry(RetryCategory::accumulating);
    command.add(text("INCR"));
    add_real(command, by);
    command.add(text(member));
    return command;
}
Command<double> zincrby(std::string_view of_key, double by, std::string_view member) {
    auto command = build<double>(spec_of("ZINCRBY"), key(of_key));
    add_real(command, by);
    command.add(text(member));
    return command;
}
Command<std::int64_t> zrem(std::string_view of_key, std::string_view member) {
    return build<std::int64_t>(spec_of("ZREM"), key(of_key), text(member));
}
Command<std::int64_t> zrem(std::string_view of_key, TextList members) {
    return build_of_texts<std::int64_t>(spec_of("ZREM"), of_key, members);
}
Command<std::int64_t> zrem(std::string_view of_key, TextBraces members) { return zrem(of_key, list_of(members)); }

Command<std::int64_t> zcard(std::string_view of_key) { return build<std::int64_t>(spec_of("ZCARD"), key(of_key)); }
Command<std::optional<double>> zscore(std::string_view of_key, std::string_view member) {
    return build<std::optional<double>>(spec_of("ZSCORE"), key(of_key), text(member));
}
Command<std::vector<std::optional<double>>> zmscore(std::string_view of_key, TextList members) {
    return build_of_texts<std::vector<std::optional<double>>>(spec_of("ZMSCORE"), of_key, members);
}
Command<std::vector<std::optional<double>>> zmscore(std::string_view of_key, TextBraces members) {
    return zmscore(of_key, list_of(members));
}
Command<std::optional<std::int64_t>> zrank(std::string_view of_key, std::string_view member) {
    return build<std::optional<std::int64_t>>(spec_of("ZRANK"), key(of_key), text(member));
}
Command<std::optional<std::int64_t>> zrevrank(std::string_view of_key, std::string_view member) {
    return build<std::optional<std::int64_t>>(spec_of("ZREVRANK"), key(of_key), text(member));
}

// Always with a count: without one the reply of RESP3 has another shape.
Command<Members> zpopmin(std::string_view of_key, std::uint32_t count) {
    return build<Members>(spec_of("ZPOPMIN"), key(of_key), number(count));
}
Command<Members> zpopmax(std::string_view of_key, std::uint32_t count) {
    return build<Members>(spec_of("ZPOPMAX"), key(of_key), number(count));
}
Command<Popped> zmpop(std::string_view of_key, ScoreEnd from, std::uint32_t count) {
    return build_multi_pop<Popped>(spec_of("ZMPOP"), key(of_key), from, count);
}
Command<Popped> zmpop(TextList keys, ScoreEnd from, std::uint32_t count) {
    return build_multi_pop<Popped>(spec_of("ZMPOP"), Argument::keys(keys), from, count);
}
Command<Popped> zmpop(TextBraces keys, ScoreEnd from, std::uint32_t count) { return zmpop(list_of(keys), from, count); }
Command<std::optional<std::string>> zrandmember(std::string_view of_key) {
    return build<std::optional<std::string>>(spec_of("ZRANDMEMBER"), key(of_key));
}
Command<Texts> zrandmember(std::string_view of_key, std::int64_t count) {
    return build<Texts>(spec_of("ZRANDMEMBER"), key(of_key), number(count));
}
Command<Members> zrandmember_with_scores(std::string_view of_key, std::int64_t count) {
    return with_scores(build<Members>(spec_of("ZRANDMEMBER"), key(of_key), number(count)));
}

Command<Texts> zdiff(TextList keys) { return build_join<Texts>(spec_of("ZDIFF"), keys, {}); }
Command<Texts> zdiff(TextBraces keys) { return zdiff(list_of(keys)); }
Command<Members> zdiff_with_scores(TextList keys) {
    return with_scores(build_join<Members>(spec_of("ZDIFF"), keys, {}));
}
Command<Members> zdiff_with_scores(TextBraces keys) { return zdiff_with_scores(list_of(keys)); }
Command<Texts> zinter(TextList keys, ZjoinOptions options) {
    return build_join<Texts>(spec_of("ZINTER"), keys, options);
}
Command<Texts> zinter(TextBraces keys, ZjoinOptions options) { return zinter(list_of(keys), options); }
Command<Members> zinter_with_scores(TextList keys, ZjoinOptions options) {
    return with_scores(build_join<Members>(spec_of("ZINTER"), keys, options));
}
Command<Members> zinter_with_scores(TextBraces keys, ZjoinOptions options) {
    return zinter_with_scores(list_of(keys), options);
}
Command<Texts> zunion(TextList keys, ZjoinOptions options) {
    return build_join<Texts>(spec_of("ZUNION"), keys, options);
}
Command<Texts> zunion(TextBraces keys, ZjoinOptions options) { return zunion(list_of(keys), options); }
Command<Members> zunion_with_scores(TextList keys, ZjoinOptions options) {
    return with_scores(build_join<Members>(spec_of("ZUNION"), keys, options));
}
Command<Members> zunion_with_scores(TextBraces keys, ZjoinOptions options) {
    return zunion_with_scores(list_of(keys), options);
}
Command<std::int64_t> zdiffstore(std::string_view destination, TextList keys) {
    return build_join_store(spec_of("ZDIFFSTORE"), destination, keys, {});
}
Command<std::int64_t> zdiffstore(std::string_view destination, TextBraces keys) {
    return zdiffstore(destination, list_of(keys));
}
Command<std::int64_t> zinterstore(std::string_view destination, TextList keys, ZjoinOptions options) {
    return build_join_store(spec_of("ZINTERSTORE"), destination, keys, options);
}
Command<std::int64_t> zinterstore(std::string_view destination, TextBraces keys, ZjoinOptions options) {
    return zinterstore(destination, list_of(keys), options);
}
Command<std::int64_t> zunionstore(std::string_view destination, TextList keys, ZjoinOptions options) {
    return build_join_store(spec_of("ZUNIONSTORE"), destination, keys, options);
}
Command<std::int64_t> zunionstore(std::string_view destination, TextBraces keys, ZjoinOptions options) {
    return zunionstore(destination, list_of(keys), options);
}
Command<std::int64_t> zintercard(TextList keys, std::uint32_t limit) {
    auto command = build<std::int64_t>(spec_of("ZINTERCARD"));
    add_counted_keys(command, keys);
    if (limit != 0) {
        command.add(text("LIMIT"));
        command.add(number(limit));
    }
    return command;
}
Command<std::int64_t> zintercard(TextBraces keys, std::uint32_t limit) { return zintercard(list_of(keys), limit); }

Command<SortedSetScanPage> zscan(std::string_view of_key, std::uint64_t cursor, MemberScanOptions options) {
    auto command = build<SortedSetScanPage>(spec_of("ZSCAN"), key(of_key), Argument::unsigned_integer(cursor));
    add_member_scan(command, options);
    return command;
}

}  // namespace redoubt::cmd
