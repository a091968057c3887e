// resp: builders of the commands that wait at the server.
#include "resp/cmd_support.hpp"
#include "resp/reading.hpp"

namespace redoubt::cmd {
namespace {

using Wait = std::chrono::milliseconds;
using Element = std::optional<KeyedElement>;
using Member = std::optional<KeyedMember>;

/// The time is the last argument, in seconds.
template <class Reply>
void add_wait(Building<Reply>& command, Wait wait) {
    command.add(Argument::real(std::chrono::duration<double>(wait).count()));
    if (wait < Wait::zero()) command.set_invalid("a wait must not be negative; 0 is for ever");
    if (wait > std::chrono::hours(24 * 365)) command.set_invalid("a wait must not be longer than a year");
    command.set_block_time(wait == Wait::zero() ? CommandView::forever : Duration(wait));
}

/// Nil, or an array of `size` with the key first. The rest is read by `read_rest`.
template <class Out, class ReadRest>
ReadOutcome read_keyed(ReplyCursor& cursor, const KeyPrefix& prefix, std::int64_t size, std::string_view expected,
                       std::optional<Out>& out, ReadRest read_rest) {
    const ReplyCursor before = cursor;
    const ReplyNode head = cursor.next();
    out.reset();
    if (head.is_null()) return ReadOutcome::ok();
    if (!resp::is_list(head) || head.integer != size) return resp::refuse(cursor, before, expected, head);
    const ReplyNode key = cursor.next();
    if (!key.is_string()) return resp::refuse(cursor, before, expected, key);
    const auto own = prefix.strip(key.text);
    if (!own) return ReadOutcome::foreign_key();
    out.emplace().key = *own;
    if (const ReadOutcome rest = read_rest(*out); !rest) return resp::refuse(cursor, before, expected, rest.got());
    return ReadOutcome::ok();
}

ReadOutcome read_element(ReplyCursor& cursor, const KeyPrefix& prefix, Element& out) {
    return read_keyed(cursor, prefix, 2, "a key and an element, or nil", out,
                      [&](KeyedElement& keyed) { return read_reply(cursor, prefix, keyed.element); });
}

ReadOutcome read_member(ReplyCursor& cursor, const KeyPrefix& prefix, Member& out) {
    return read_keyed(cursor, prefix, 3, "a key, a member and its score, or nil", out, [&](KeyedMember& keyed) {
        const ReadOutcome member = read_reply(cursor, prefix, keyed.member);
        return member ? read_reply(cursor, prefix, keyed.score) : member;
    });
}

template <class Reply>
Building<Reply> build_pop(const CommandSpec& spec, typename Command<Reply>::Reader read, Argument keys, Wait wait) {
    Building<Reply> command{spec, read};
    command.add(keys);
    if (keys.count() == 0) command.set_invalid("it needs at least one key");
    add_wait(command, wait);
    return command;
}

Building<Element> pop_element(const CommandSpec& spec, Argument keys, Wait wait) {
    return build_pop<Element>(spec, read_element, keys, wait);
}
Building<Member> pop_member(const CommandSpec& spec, Argument keys, Wait wait) {
    return build_pop<Member>(spec, read_member, keys, wait);
}

Argument end_of(ListEnd end) { return text(end == ListEnd::left ? "LEFT" : "RIGHT"); }

}  // namespace

Command<Element> blpop(std::string_view of_key, Wait wait) { return pop_element(spec_of("BLPOP"), key(of_key), wait); }
Command<Element> blpop(TextList keys, Wait wait) { return pop_element(spec_of("BLPOP"), Argument::keys(keys), wait); }
Command<Element> blpop(TextBraces keys, Wait wait) { return blpop(list_of(keys), wait); }
Command<Element> brpop(std::string_view of_key, Wait wait) { return pop_element(spec_of("BRPOP"), key(of_key), wait); }
Command<Element> brpop(TextList keys, Wait wait) { return pop_element(spec_of("BRPOP"), Argument::keys(keys), wait); }
Command<Element> brpop(TextBraces keys, Wait wait) { return brpop(list_of(keys), wait); }

Command<std::optional<std::string>> blmove(std::string_view source, std::string_view destination, ListEnd from,
                                           ListEnd to, Wait wait) {
    auto command =
        build<std::optional<std::string>>(spec_of("BLMOVE"), key(source), key(destination), end_of(from), end_of(to));
    add_wait(command, wait);
    return command;
}

Command<Member> bzpopmin(std::string_view of_key, Wait wait) {
    return pop_member(spec_of("BZPOPMIN"), key(of_key), wait);
}
Command<Member> bzpopmin(TextList keys, Wait wait) {
    return pop_member(spec_of("BZPOPMIN"), Argument::keys(keys), wait);
}
Command<Member> bzpopmin(TextBraces keys, Wait wait) { return bzpopmin(list_of(keys), wait); }
Command<Member> bzpopmax(std::string_view of_key, Wait wait) {
    return pop_member(spec_of("BZPOPMAX"), key(of_key), wait);
}
Command<Member> bzpopmax(TextList keys, Wait wait) {
    return pop_member(spec_of("BZPOPMAX"), Argument::keys(keys), wait);
}
Command<Member> bzpopmax(TextBraces keys, Wait wait) { return bzpopmax(list_of(keys), wait); }

}  // namespace redoubt::cmd
