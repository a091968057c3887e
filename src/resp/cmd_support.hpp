// resp: what the builders share: adding arguments, and refusing what the server would refuse or misread.
#pragma once

#include <algorithm>
#include <cmath>

#include <redoubt/resp/cmd.hpp>

#include "resp/building.hpp"
#include "resp/command_rows.hpp"

namespace redoubt::cmd {

using resp::Building;
using resp::spec_of;

inline Argument key(std::string_view value) { return Argument::key(value); }
inline Argument text(std::string_view value) { return Argument::text(value); }
inline Argument number(std::int64_t value) { return Argument::integer(value); }

inline TextList list_of(TextBraces braces) { return {braces.begin(), braces.size()}; }
inline PairList list_of(PairBraces braces) { return {braces.begin(), braces.size()}; }
inline ScoreList list_of(ScoreBraces braces) { return {braces.begin(), braces.size()}; }

/// A command with these arguments, read by the reader of its reply type.
template <class Reply, class... Arguments>
Building<Reply> build(const CommandSpec& spec, Arguments... arguments) {
    typename Command<Reply>::Reader reader = &read_reply;
    Building<Reply> command{spec, reader};
    (command.add(arguments), ...);
    return command;
}

/// DEL a b c: without a single key the server could only answer with an error.
template <class Reply>
Building<Reply> build_of_keys(const CommandSpec& spec, TextList keys) {
    auto command = build<Reply>(spec, Argument::keys(keys));
    if (keys.empty()) command.set_invalid("it needs at least one key");
    return command;
}

/// SADD key a b c.
template <class Reply>
Building<Reply> build_of_texts(const CommandSpec& spec, std::string_view of_key, TextList texts) {
    auto command = build<Reply>(spec, key(of_key), Argument::texts(texts));
    if (texts.empty()) command.set_invalid("it needs at least one element");
    return command;
}

/// ZUNION 2 a b: the count, then the keys.
template <class Reply>
void add_counted_keys(Building<Reply>& command, TextList keys) {
    command.add(number(static_cast<std::int64_t>(keys.size())));
    command.add(Argument::keys(keys));
    if (keys.empty()) command.set_invalid("it needs at least one key");
}

template <class Reply>
void add_real(Building<Reply>& command, double value) {
    command.add(Argument::real(value));
    if (std::isnan(value)) command.set_invalid("a number must not be NaN");
}

/// Twice is once only where the destination is not itself a source.
template <class Reply>
void refine_store(Building<Reply>& command, std::string_view destination, TextList sources) {
    const bool reads_itself = std::find(sources.begin(), sources.end(), destination) != sources.end();
    command.set_retry(reads_itself ? RetryCategory::accumulating : RetryCategory::idempotent);
}

template <class Reply>
void add_positive(Building<Reply>& command, std::int64_t time_to_live) {
    command.add(number(time_to_live));
    if (time_to_live <= 0) command.set_invalid("a time to live must be positive");
}

/// [COUNT n] of the SCAN family. More than this in one step holds up every other client of the server.
template <class Reply>
void add_scan_count(Building<Reply>& command, std::optional<std::uint32_t> count) {
    if (!count) return;
    if (*count < 1 || *count > 10000) command.set_invalid("count must be from 1 to 10000");
    command.add(text("COUNT"));
    command.add(number(*count));
}

template <class Reply>
void add_member_scan(Building<Reply>& command, const MemberScanOptions& options) {
    if (!options.match.empty()) {
        command.add(text("MATCH"));
        command.add(text(options.match));
    }
    add_scan_count(command, options.count);
}

template <class Reply>
Building<Reply> with_scores(Building<Reply> command) {
    command.add(text("WITHSCORES"));
    return command;
}

inline Argument end_of(ListEnd end) { return text(end == ListEnd::left ? "LEFT" : "RIGHT"); }
inline Argument end_of(ScoreEnd end) { return text(end == ScoreEnd::lowest ? "MIN" : "MAX"); }

/// LMPOP, ZMPOP and those that wait: [wait] numkeys key.. end COUNT n. A run of one key is one key.
template <class Reply, class End>
void add_multi_pop(Building<Reply>& command, Argument keys, End from, std::uint32_t count) {
    command.add(number(static_cast<std::int64_t>(keys.count())));
    command.add(keys);
    if (keys.count() == 0) command.set_invalid("it needs at least one key");
    command.add(end_of(from));
    command.add(text("COUNT"));
    command.add(number(count));
    if (count == 0) command.set_invalid("count must not be 0");
}
ReadOutcome read_popped(ReplyCursor& cursor, const KeyPrefix& prefix, std::optional<KeyedElements>& out);
ReadOutcome read_popped(ReplyCursor& cursor, const KeyPrefix& prefix, std::optional<KeyedMembers>& out);

template <class Reply, class End>
Building<Reply> build_multi_pop(const CommandSpec& spec, Argument keys, End from, std::uint32_t count) {
    Building<Reply> command{spec, read_popped};
    add_multi_pop(command, keys, from, count);
    return command;
}

/// For a count form (LPOP key n) that answers nil where there is no such key: an empty list.
inline ReadOutcome read_list_or_nil(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::string>& out) {
    if (!cursor.peek().is_null()) return read_reply(cursor, prefix, out);
    cursor.skip();
    out.clear();
    return ReadOutcome::ok();
}

}  // namespace redoubt::cmd
