// resp: builders of the commands that wait at the server.
#include "resp/cmd_support.hpp"
#include "resp/read_fields.hpp"

namespace redoubt::cmd {
namespace {

using Wait = std::chrono::milliseconds;
using Element = std::optional<KeyedElement>;
using Member = std::optional<KeyedMember>;
using Elements = std::optional<KeyedElements>;
using Members = std::optional<KeyedMembers>;

/// The time, in seconds.
template <class Reply>
void add_wait(Building<Reply>& command, Wait wait) {
    command.add(Argument::real(std::chrono::duration<double>(wait).count()));
    if (wait < Wait::zero()) command.set_invalid("a wait must not be negative; 0 is for ever");
    if (wait > std::chrono::hours(24 * 365)) command.set_invalid("a wait must not be longer than a year");
    command.set_block_time(wait == Wait::zero() ? CommandView::forever : Duration(wait));
}

ReadOutcome read_element(ReplyCursor& cursor, const KeyPrefix& prefix, Element& out) {
    return resp::read_keyed(cursor, prefix, 2, "a key and an element, or nil", out,
                            [&](KeyedElement& keyed) { return read_reply(cursor, prefix, keyed.element); });
}

ReadOutcome read_member(ReplyCursor& cursor, const KeyPrefix& prefix, Member& out) {
    return resp::read_keyed(cursor, prefix, 3, "a key, a member and its score, or nil", out, [&](KeyedMember& keyed) {
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

/// The time is the first argument.
template <class Reply, class End>
Building<Reply> build_waiting_pop(const CommandSpec& spec, Argument keys, End from, Wait wait, std::uint32_t count) {
    Building<Reply> command{spec, read_popped};
    add_wait(command, wait);
    add_multi_pop(command, keys, from, count);
    return command;
}

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

Command<std::optional<std::string>> brpoplpush(std::string_view source, std::string_view destination, Wait wait) {
    auto command = build<std::optional<std::string>>(spec_of("BRPOPLPUSH"), key(source), key(destination));
    add_wait(command, wait);
    return command;
}
Command<Elements> blmpop(std::string_view of_key, ListEnd from, Wait wait, std::uint32_t count) {
    return build_waiting_pop<Elements>(spec_of("BLMPOP"), key(of_key), from, wait, count);
}
Command<Elements> blmpop(TextList keys, ListEnd from, Wait wait, std::uint32_t count) {
    return build_waiting_pop<Elements>(spec_of("BLMPOP"), Argument::keys(keys), from, wait, count);
}
Command<Elements> blmpop(TextBraces keys, ListEnd from, Wait wait, std::uint32_t count) {
    return blmpop(list_of(keys), from, wait, count);
}
Command<Members> bzmpop(std::string_view of_key, ScoreEnd from, Wait wait, std::uint32_t count) {
    return build_waiting_pop<Members>(spec_of("BZMPOP"), key(of_key), from, wait, count);
}
Command<Members> bzmpop(TextList keys, ScoreEnd from, Wait wait, std::uint32_t count) {
    return build_waiting_pop<Members>(spec_of("BZMPOP"), Argument::keys(keys), from, wait, count);
}
Command<Members> bzmpop(TextBraces keys, ScoreEnd from, Wait wait, std::uint32_t count) {
    return bzmpop(list_of(keys), from, wait, count);
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
