// resp: builders of the commands on strings.
#include "resp/cmd_support.hpp"
#include "resp/read_fields.hpp"

namespace redoubt::cmd {
namespace {

using Text = std::optional<std::string>;

/// EX, PX, EXAT or PXAT of SET and GETEX; says how many were given.
template <class Reply, class Options>
int add_expiry(Building<Reply>& command, const Options& options) {
    int given = 0;
    const auto add = [&](std::string_view word, std::int64_t count, std::string_view complaint) {
        ++given;
        command.add(text(word));
        command.add(number(count));
        if (count <= 0) command.set_invalid(complaint);
    };
    constexpr std::string_view not_positive = "a time to live must be positive";
    constexpr std::string_view too_early = "a moment of expiry must be after 1970";
    if (options.ex) add("EX", options.ex->count(), not_positive);
    if (options.px) add("PX", options.px->count(), not_positive);
    if (options.exat) add("EXAT", options.exat->time_since_epoch().count(), too_early);
    if (options.pxat) add("PXAT", options.pxat->time_since_epoch().count(), too_early);
    return given;
}

template <class Reply>
Building<Reply> build_set(std::string_view of_key, std::string_view value, const SetOptions& options) {
    auto command = build<Reply>(spec_of("SET"), key(of_key), text(value));
    if (options.nx) command.add(text("NX"));
    if (options.xx) command.add(text("XX"));
    if (options.nx && options.xx) command.set_invalid("nx and xx exclude each other");
    int expiries = add_expiry(command, options);
    if (options.keepttl) {
        command.add(text("KEEPTTL"));
        ++expiries;
    }
    if (expiries > 1) command.set_invalid("ex, px, exat, pxat and keepttl exclude each other");
    if (options.nx || options.xx || options.keepttl) command.set_retry(RetryCategory::conditional);
    return command;
}

template <class Reply>
Building<Reply> build_of_pairs(const CommandSpec& spec, PairList values) {
    auto command = build<Reply>(spec, Argument::key_pairs(values));
    if (values.empty()) command.set_invalid("it needs at least one key with its value");
    return command;
}

}  // namespace

Command<Text> get(std::string_view of_key) { return build<Text>(spec_of("GET"), key(of_key)); }
Command<bool> set(std::string_view of_key, std::string_view value, SetOptions options) {
    return build_set<bool>(of_key, value, options);
}
Command<Text> set_get(std::string_view of_key, std::string_view value, SetOptions options) {
    auto command = build_set<Text>(of_key, value, options);
    command.add(text("GET"));
    command.set_retry(RetryCategory::conditional);
    return command;
}
Command<Text> getset(std::string_view of_key, std::string_view value) {
    return build<Text>(spec_of("GETSET"), key(of_key), text(value));
}
Command<Text> getex(std::string_view of_key, GetExOptions options) {
    auto command = build<Text>(spec_of("GETEX"), key(of_key));
    int expiries = add_expiry(command, options);
    if (options.persist) {
        command.add(text("PERSIST"));
        ++expiries;
    }
    if (expiries == 0) command.set_retry(RetryCategory::read_only);
    if (expiries > 1) command.set_invalid("ex, px, exat, pxat and persist exclude each other");
    // A moment that has passed deletes the key, and the second try would find nothing.
    if (options.exat || options.pxat) command.set_retry(RetryCategory::conditional);
    return command;
}
Command<Text> getdel(std::string_view of_key) { return build<Text>(spec_of("GETDEL"), key(of_key)); }
Command<bool> setnx(std::string_view of_key, std::string_view value) {
    return build<bool>(spec_of("SETNX"), key(of_key), text(value));
}
Command<Ok> setex(std::string_view of_key, std::chrono::seconds time_to_live, std::string_view value) {
    auto command = build<Ok>(spec_of("SETEX"), key(of_key));
    add_positive(command, time_to_live.count());
    command.add(text(value));
    return command;
}
Command<Ok> psetex(std::string_view of_key, std::chrono::milliseconds time_to_live, std::string_view value) {
    auto command = build<Ok>(spec_of("PSETEX"), key(of_key));
    add_positive(command, time_to_live.count());
    command.add(text(value));
    return command;
}

Command<std::vector<Text>> mget(TextList keys) { return build_of_keys<std::vector<Text>>(spec_of("MGET"), keys); }
Command<std::vector<Text>> mget(TextBraces keys) { return mget(list_of(keys)); }
Command<Ok> mset(PairList values) { return build_of_pairs<Ok>(spec_of("MSET"), values); }
Command<Ok> mset(PairBraces values) { return mset(list_of(values)); }
Command<bool> msetnx(PairList values) { return build_of_pairs<bool>(spec_of("MSETNX"), values); }
Command<bool> msetnx(PairBraces values) { return msetnx(list_of(values)); }

Command<std::string> getrange(std::string_view of_key, std::int64_t start, std::int64_t end) {
    return build<std::string>(spec_of("GETRANGE"), key(of_key), number(start), number(end));
}
Command<std::int64_t> setrange(std::string_view of_key, std::uint32_t offset, std::string_view value) {
    return build<std::int64_t>(spec_of("SETRANGE"), key(of_key), number(offset), text(value));
}
Command<std::int64_t> append(std::string_view of_key, std::string_view value) {
    return build<std::int64_t>(spec_of("APPEND"), key(of_key), text(value));
}
Command<std::int64_t> strlen(std::string_view of_key) { return build<std::int64_t>(spec_of("STRLEN"), key(of_key)); }

Command<std::int64_t> incr(std::string_view of_key) { return build<std::int64_t>(spec_of("INCR"), key(of_key)); }
Command<std::int64_t> decr(std::string_view of_key) { return build<std::int64_t>(spec_of("DECR"), key(of_key)); }
Command<std::int64_t> incrby(std::string_view of_key, std::int64_t by) {
    return build<std::int64_t>(spec_of("INCRBY"), key(of_key), number(by));
}
Command<std::int64_t> decrby(std::string_view of_key, std::int64_t by) {
    return build<std::int64_t>(spec_of("DECRBY"), key(of_key), number(by));
}
Command<double> incrbyfloat(std::string_view of_key, double by) {
    auto command = build<double>(spec_of("INCRBYFLOAT"), key(of_key));
    add_real(command, by);
    return command;
}

Command<std::string> lcs(std::string_view first, std::string_view second) {
    return build<std::string>(spec_of("LCS"), key(first), key(second));
}
Command<std::int64_t> lcs_length(std::string_view first, std::string_view second) {
    return build<std::int64_t>(spec_of("LCS"), key(first), key(second), text("LEN"));
}
Command<LcsMatches> lcs_matches(std::string_view first, std::string_view second, std::uint32_t min_length) {
    auto command = build<LcsMatches>(spec_of("LCS"), key(first), key(second), text("IDX"));
    if (min_length != 0) {
        command.add(text("MINMATCHLEN"));
        command.add(number(min_length));
    }
    command.add(text("WITHMATCHLEN"));
    return command;
}

}  // namespace redoubt::cmd

namespace redoubt {
namespace {

ReadOutcome read_range(ReplyCursor& cursor, const KeyPrefix& prefix, ByteRange& out) {
    return resp::read_tuple(cursor, "a range", 2, 2, [&](std::int64_t) {
        const ReadOutcome start = read_reply(cursor, prefix, out.start);
        return start ? read_reply(cursor, prefix, out.end) : start;
    });
}

}  // namespace

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, LcsMatches& out) {
    constexpr std::string_view expected = "matches and their length";
    out = {};
    return resp::read_named_fields(cursor, expected, [&](std::string_view name, ReplyCursor& at) {
        if (name == "len") return read_reply(at, prefix, out.length);
        if (name == "matches") {
            return resp::read_each(at, expected, out.matches, [&](ReplyCursor& each, LcsMatches::Match& one) {
                return resp::read_tuple(each, expected, 3, 3, [&](std::int64_t) {
                    return resp::read_in_turn([&] { return read_range(each, prefix, one.first); },
                                              [&] { return read_range(each, prefix, one.second); },
                                              [&] { return read_reply(each, prefix, one.length); });
                });
            });
        }
        at.skip();
        return ReadOutcome::ok();
    });
}

}  // namespace redoubt
