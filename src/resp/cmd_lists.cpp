// resp: builders of the commands on lists.
#include "resp/cmd_support.hpp"
#include "resp/read_fields.hpp"

namespace redoubt::cmd {
namespace {

using Text = std::optional<std::string>;

Building<std::int64_t> build_push(const CommandSpec& spec, std::string_view of_key, TextList elements) {
    return build_of_texts<std::int64_t>(spec, of_key, elements);
}
Building<std::int64_t> build_push(const CommandSpec& spec, std::string_view of_key, std::string_view element) {
    return build<std::int64_t>(spec, key(of_key), text(element));
}

Building<std::vector<std::string>> build_pop(const CommandSpec& spec, std::string_view of_key, std::uint32_t count) {
    Building<std::vector<std::string>> command{spec, read_list_or_nil};
    command.add(key(of_key));
    command.add(number(count));
    return command;
}

template <class Reply>
void add_lpos(Building<Reply>& command, const LposOptions& options) {
    if (options.rank == 0) command.set_invalid("a rank of 0 has no meaning: 1 is the first match, -1 the last");
    if (options.rank != 1) {
        command.add(text("RANK"));
        command.add(number(options.rank));
    }
    if (options.maxlen != 0) {
        command.add(text("MAXLEN"));
        command.add(number(options.maxlen));
    }
}

using Popped = std::optional<KeyedElements>;

}  // namespace

ReadOutcome read_popped(ReplyCursor& cursor, const KeyPrefix& prefix, Popped& out) {
    return resp::read_keyed(cursor, prefix, 2, "a key and elements, or nil", out,
                            [&](KeyedElements& keyed) { return read_reply(cursor, prefix, keyed.elements); });
}

Command<std::int64_t> lpush(std::string_view of_key, std::string_view element) {
    return build_push(spec_of("LPUSH"), of_key, element);
}
Command<std::int64_t> lpush(std::string_view of_key, TextList elements) {
    return build_push(spec_of("LPUSH"), of_key, elements);
}
Command<std::int64_t> lpush(std::string_view of_key, TextBraces elements) { return lpush(of_key, list_of(elements)); }
Command<std::int64_t> rpush(std::string_view of_key, std::string_view element) {
    return build_push(spec_of("RPUSH"), of_key, element);
}
Command<std::int64_t> rpush(std::string_view of_key, TextList elements) {
    return build_push(spec_of("RPUSH"), of_key, elements);
}
Command<std::int64_t> rpush(std::string_view of_key, TextBraces elements) { return rpush(of_key, list_of(elements)); }
Command<std::int64_t> lpushx(std::string_view of_key, std::string_view element) {
    return build_push(spec_of("LPUSHX"), of_key, element);
}
Command<std::int64_t> lpushx(std::string_view of_key, TextList elements) {
    return build_push(spec_of("LPUSHX"), of_key, elements);
}
Command<std::int64_t> lpushx(std::string_view of_key, TextBraces elements) { return lpushx(of_key, list_of(elements)); }
Command<std::int64_t> rpushx(std::string_view of_key, std::string_view element) {
    return build_push(spec_of("RPUSHX"), of_key, element);
}
Command<std::int64_t> rpushx(std::string_view of_key, TextList elements) {
    return build_push(spec_of("RPUSHX"), of_key, elements);
}
Command<std::int64_t> rpushx(std::string_view of_key, TextBraces elements) { return rpushx(of_key, list_of(elements)); }

Command<Text> lpop(std::string_view of_key) { return build<Text>(spec_of("LPOP"), key(of_key)); }
Command<std::vector<std::string>> lpop(std::string_view of_key, std::uint32_t count) {
    return build_pop(spec_of("LPOP"), of_key, count);
}
Command<Text> rpop(std::string_view of_key) { return build<Text>(spec_of("RPOP"), key(of_key)); }
Command<std::vector<std::string>> rpop(std::string_view of_key, std::uint32_t count) {
    return build_pop(spec_of("RPOP"), of_key, count);
}
Command<Text> lmove(std::string_view source, std::string_view destination, ListEnd from, ListEnd to) {
    return build<Text>(spec_of("LMOVE"), key(source), key(destination), end_of(from), end_of(to));
}
Command<Text> rpoplpush(std::string_view source, std::string_view destination) {
    return build<Text>(spec_of("RPOPLPUSH"), key(source), key(destination));
}

Command<std::int64_t> llen(std::string_view of_key) { return build<std::int64_t>(spec_of("LLEN"), key(of_key)); }
Command<Text> lindex(std::string_view of_key, std::int64_t index) {
    return build<Text>(spec_of("LINDEX"), key(of_key), number(index));
}
Command<Ok> lset(std::string_view of_key, std::int64_t index, std::string_view element) {
    return build<Ok>(spec_of("LSET"), key(of_key), number(index), text(element));
}
Command<std::int64_t> linsert(std::string_view of_key, ListPlace place, std::string_view pivot,
                              std::string_view element) {
    return build<std::int64_t>(spec_of("LINSERT"), key(of_key), text(place == ListPlace::before ? "BEFORE" : "AFTER"),
                               text(pivot), text(element));
}
Command<std::vector<std::string>> lrange(std::string_view of_key, std::int64_t start, std::int64_t stop) {
    return build<std::vector<std::string>>(spec_of("LRANGE"), key(of_key), number(start), number(stop));
}
Command<Ok> ltrim(std::string_view of_key, std::int64_t start, std::int64_t stop) {
    auto command = build<Ok>(spec_of("LTRIM"), key(of_key), number(start), number(stop));
    // Keeping the first or the last n again changes nothing; any other range cuts off more each time.
    if ((start == 0 && (stop >= 0 || stop == -1)) || (start < 0 && stop == -1)) {
        command.set_retry(RetryCategory::idempotent);
    }
    return command;
}
Command<std::int64_t> lrem(std::string_view of_key, std::int64_t count, std::string_view element) {
    auto command = build<std::int64_t>(spec_of("LREM"), key(of_key), number(count), text(element));
    if (count == 0) command.set_retry(RetryCategory::idempotent);
    return command;
}
Command<std::optional<std::int64_t>> lpos(std::string_view of_key, std::string_view element, LposOptions options) {
    auto command = build<std::optional<std::int64_t>>(spec_of("LPOS"), key(of_key), text(element));
    add_lpos(command, options);
    return command;
}
Command<std::vector<std::int64_t>> lpos_all(std::string_view of_key, std::string_view element, std::uint32_t count,
                                            LposOptions options) {
    auto command =
        build<std::vector<std::int64_t>>(spec_of("LPOS"), key(of_key), text(element), text("COUNT"), number(count));
    add_lpos(command, options);
    return command;
}

Command<Popped> lmpop(std::string_view of_key, ListEnd from, std::uint32_t count) {
    return build_multi_pop<Popped>(spec_of("LMPOP"), key(of_key), from, count);
}
Command<Popped> lmpop(TextList keys, ListEnd from, std::uint32_t count) {
    return build_multi_pop<Popped>(spec_of("LMPOP"), Argument::keys(keys), from, count);
}
Command<Popped> lmpop(TextBraces keys, ListEnd from, std::uint32_t count) { return lmpop(list_of(keys), from, count); }

}  // namespace redoubt::cmd
