// resp: builders of the commands on strings, bits and hyperloglogs.
#include "resp/cmd_support.hpp"

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

Command<bool> setbit(std::string_view of_key, std::uint32_t offset, bool bit) {
    return build<bool>(spec_of("SETBIT"), key(of_key), number(offset), number(bit ? 1 : 0));
}
Command<bool> getbit(std::string_view of_key, std::uint32_t offset) {
    return build<bool>(spec_of("GETBIT"), key(of_key), number(offset));
}
Command<std::int64_t> bitcount(std::string_view of_key) {
    return build<std::int64_t>(spec_of("BITCOUNT"), key(of_key));
}
Command<std::int64_t> bitcount(std::string_view of_key, std::int64_t start, std::int64_t end) {
    return build<std::int64_t>(spec_of("BITCOUNT"), key(of_key), number(start), number(end));
}
Command<std::int64_t> bitpos(std::string_view of_key, bool bit) {
    return build<std::int64_t>(spec_of("BITPOS"), key(of_key), number(bit ? 1 : 0));
}

Command<bool> pfadd(std::string_view of_key, std::string_view element) {
    return build<bool>(spec_of("PFADD"), key(of_key), text(element));
}
Command<bool> pfadd(std::string_view of_key, TextList elements) {
    return build_of_texts<bool>(spec_of("PFADD"), of_key, elements);
}
Command<bool> pfadd(std::string_view of_key, TextBraces elements) { return pfadd(of_key, list_of(elements)); }
Command<std::int64_t> pfcount(std::string_view of_key) { return build<std::int64_t>(spec_of("PFCOUNT"), key(of_key)); }
Command<std::int64_t> pfcount(TextList keys) { return build_of_keys<std::int64_t>(spec_of("PFCOUNT"), keys); }
Command<std::int64_t> pfcount(TextBraces keys) { return pfcount(list_of(keys)); }
Command<Ok> pfmerge(std::string_view destination, TextList sources) {
    auto command = build<Ok>(spec_of("PFMERGE"), key(destination), Argument::keys(sources));
    if (sources.empty()) command.set_invalid("it needs at least one source");
    return command;
}
Command<Ok> pfmerge(std::string_view destination, TextBraces sources) { return pfmerge(destination, list_of(sources)); }

}  // namespace redoubt::cmd
