// resp: builders of the commands on keys of any type, and of those that need none.
#include <array>

#include "resp/cmd_support.hpp"
#include "resp/read_fields.hpp"

namespace redoubt::cmd {
namespace {

/// TTL, in seconds: -2 no such key, -1 no expiry.
ReadOutcome read_ttl_in_seconds(ReplyCursor& cursor, const KeyPrefix& prefix, KeyTtl& out) {
    std::int64_t seconds = 0;
    if (ReadOutcome outcome = read_reply(cursor, prefix, seconds); !outcome) return outcome;
    out.exists = seconds != -2;
    out.expires.reset();
    if (seconds >= 0) out.expires = std::chrono::seconds{seconds};
    return ReadOutcome::ok();
}

/// -2 no such key, -1 no expiry, else a moment in units of `Unit`.
template <class Unit>
ReadOutcome read_expiry(ReplyCursor& cursor, const KeyPrefix& prefix, KeyExpiry& out) {
    std::int64_t count = 0;
    if (ReadOutcome outcome = read_reply(cursor, prefix, count); !outcome) return outcome;
    out.exists = count != -2;
    out.when.reset();
    if (count >= 0) out.when = std::chrono::sys_time<Unit>(Unit(count));
    return ReadOutcome::ok();
}

ReadOutcome read_idle_time(ReplyCursor& cursor, const KeyPrefix& prefix, std::optional<std::chrono::seconds>& out) {
    std::optional<std::int64_t> count;
    if (ReadOutcome outcome = read_reply(cursor, prefix, count); !outcome) return outcome;
    out.reset();
    if (count) out = std::chrono::seconds(*count);
    return ReadOutcome::ok();
}

using ServerTime = std::chrono::sys_time<std::chrono::microseconds>;

/// [seconds, microseconds], both as text.
ReadOutcome read_time(ReplyCursor& cursor, const KeyPrefix&, ServerTime& out) {
    std::int64_t seconds = 0;
    std::int64_t microseconds = 0;
    const ReadOutcome outcome = resp::read_tuple(cursor, "seconds and microseconds", 2, 2, [&](std::int64_t) {
        const ReadOutcome first = resp::read_count(cursor, seconds);
        return first ? resp::read_count(cursor, microseconds) : first;
    });
    if (outcome) out = ServerTime(std::chrono::seconds(seconds) + std::chrono::microseconds(microseconds));
    return outcome;
}

template <class Reply>
void add_sort_options(Building<Reply>& command, const SortOptions& options) {
    static constexpr std::array<std::string_view, 2> by_nothing{"BY", "nosort"};
    if (options.nosort) command.add(Argument::texts(by_nothing));
    if (options.offset != 0 || options.count) {
        command.add(text("LIMIT"));
        command.add(number(options.offset));
        command.add(number(options.count ? std::int64_t{*options.count} : -1));
    }
    if (options.desc) command.add(text("DESC"));
    if (options.alpha) command.add(text("ALPHA"));
}

Building<std::vector<std::string>> build_sort(const CommandSpec& spec, std::string_view of_key,
                                              const SortOptions& options) {
    auto command = build<std::vector<std::string>>(spec, key(of_key));
    add_sort_options(command, options);
    command.set_retry(RetryCategory::read_only);
    return command;
}

Building<bool> build_expiry(const CommandSpec& spec, std::string_view of_key, std::int64_t number_of,
                            const ExpireOptions& options) {
    auto command = build<bool>(spec, key(of_key), number(number_of));
    if (options.nx) command.add(text("NX"));
    if (options.xx) command.add(text("XX"));
    if (options.gt) command.add(text("GT"));
    if (options.lt) command.add(text("LT"));
    if (options.nx && (options.xx || options.gt || options.lt)) {
        command.set_invalid("nx excludes xx, gt and lt");
    }
    if (options.gt && options.lt) command.set_invalid("gt and lt exclude each other");
    if (options.nx || options.xx || options.gt || options.lt) command.set_retry(RetryCategory::conditional);
    return command;
}

Building<bool> build_time_to_live(const CommandSpec& spec, std::string_view of_key, std::int64_t time_to_live,
                                  const ExpireOptions& options) {
    auto command = build_expiry(spec, of_key, time_to_live, options);
    if (time_to_live <= 0) command.set_invalid("a time to live must be positive; to delete a key, use del()");
    return command;
}

}  // namespace

Command<std::int64_t> del(std::string_view of_key) { return build<std::int64_t>(spec_of("DEL"), key(of_key)); }
Command<std::int64_t> del(TextList keys) { return build_of_keys<std::int64_t>(spec_of("DEL"), keys); }
Command<std::int64_t> del(TextBraces keys) { return del(list_of(keys)); }
Command<std::int64_t> unlink(std::string_view of_key) { return build<std::int64_t>(spec_of("UNLINK"), key(of_key)); }
Command<std::int64_t> unlink(TextList keys) { return build_of_keys<std::int64_t>(spec_of("UNLINK"), keys); }
Command<std::int64_t> unlink(TextBraces keys) { return unlink(list_of(keys)); }
Command<std::int64_t> exists(std::string_view of_key) { return build<std::int64_t>(spec_of("EXISTS"), key(of_key)); }
Command<std::int64_t> exists(TextList keys) { return build_of_keys<std::int64_t>(spec_of("EXISTS"), keys); }
Command<std::int64_t> exists(TextBraces keys) { return exists(list_of(keys)); }
Command<std::int64_t> touch(std::string_view of_key) { return build<std::int64_t>(spec_of("TOUCH"), key(of_key)); }
Command<std::int64_t> touch(TextList keys) { return build_of_keys<std::int64_t>(spec_of("TOUCH"), keys); }
Command<std::int64_t> touch(TextBraces keys) { return touch(list_of(keys)); }

Command<bool> expire(std::string_view of_key, std::chrono::seconds time_to_live, ExpireOptions options) {
    return build_time_to_live(spec_of("EXPIRE"), of_key, time_to_live.count(), options);
}
Command<bool> pexpire(std::string_view of_key, std::chrono::milliseconds time_to_live, ExpireOptions options) {
    return build_time_to_live(spec_of("PEXPIRE"), of_key, time_to_live.count(), options);
}
Command<bool> expireat(std::string_view of_key, std::chrono::sys_seconds when, ExpireOptions options) {
    return build_expiry(spec_of("EXPIREAT"), of_key, when.time_since_epoch().count(), options);
}
Command<bool> pexpireat(std::string_view of_key, std::chrono::sys_time<std::chrono::milliseconds> when,
                        ExpireOptions options) {
    return build_expiry(spec_of("PEXPIREAT"), of_key, when.time_since_epoch().count(), options);
}
Command<KeyTtl> ttl(std::string_view of_key) {
    Building<KeyTtl> command{spec_of("TTL"), read_ttl_in_seconds};
    command.add(key(of_key));
    return command;
}
Command<KeyTtl> pttl(std::string_view of_key) { return build<KeyTtl>(spec_of("PTTL"), key(of_key)); }
Command<KeyExpiry> expiretime(std::string_view of_key) {
    Building<KeyExpiry> command{spec_of("EXPIRETIME"), read_expiry<std::chrono::seconds>};
    command.add(key(of_key));
    return command;
}
Command<KeyExpiry> pexpiretime(std::string_view of_key) {
    Building<KeyExpiry> command{spec_of("PEXPIRETIME"), read_expiry<std::chrono::milliseconds>};
    command.add(key(of_key));
    return command;
}
Command<bool> persist(std::string_view of_key) { return build<bool>(spec_of("PERSIST"), key(of_key)); }

Command<std::string> type(std::string_view of_key) { return build<std::string>(spec_of("TYPE"), key(of_key)); }
Command<Ok> rename(std::string_view of_key, std::string_view new_key) {
    return build<Ok>(spec_of("RENAME"), key(of_key), key(new_key));
}
Command<bool> renamenx(std::string_view of_key, std::string_view new_key) {
    return build<bool>(spec_of("RENAMENX"), key(of_key), key(new_key));
}
Command<bool> copy(std::string_view source, std::string_view destination, bool replace) {
    auto command = build<bool>(spec_of("COPY"), key(source), key(destination));
    if (replace) {
        command.add(text("REPLACE"));
        command.set_retry(RetryCategory::idempotent);
    }
    return command;
}
Command<std::optional<std::string>> dump(std::string_view of_key) {
    return build<std::optional<std::string>>(spec_of("DUMP"), key(of_key));
}

Command<std::optional<std::string>> object_encoding(std::string_view of_key) {
    return build<std::optional<std::string>>(spec_of("OBJECT ENCODING"), key(of_key));
}
Command<std::optional<std::chrono::seconds>> object_idletime(std::string_view of_key) {
    Building<std::optional<std::chrono::seconds>> command{spec_of("OBJECT IDLETIME"), read_idle_time};
    command.add(key(of_key));
    return command;
}
Command<std::optional<std::int64_t>> object_freq(std::string_view of_key) {
    return build<std::optional<std::int64_t>>(spec_of("OBJECT FREQ"), key(of_key));
}
Command<std::optional<std::int64_t>> object_refcount(std::string_view of_key) {
    return build<std::optional<std::int64_t>>(spec_of("OBJECT REFCOUNT"), key(of_key));
}
Command<std::optional<std::int64_t>> memory_usage(std::string_view of_key, std::uint32_t samples) {
    return build<std::optional<std::int64_t>>(spec_of("MEMORY USAGE"), key(of_key), text("SAMPLES"), number(samples));
}

Command<std::vector<std::string>> sort(std::string_view of_key, SortOptions options) {
    return build_sort(spec_of("SORT"), of_key, options);
}
Command<std::vector<std::string>> sort_ro(std::string_view of_key, SortOptions options) {
    return build_sort(spec_of("SORT_RO"), of_key, options);
}
Command<std::int64_t> sort_store(std::string_view destination, std::string_view source, SortOptions options) {
    auto command = build<std::int64_t>(spec_of("SORT"), key(source));
    add_sort_options(command, options);
    command.add(text("STORE"));
    command.add(key(destination));
    refine_store(command, destination, {&source, 1});
    return command;
}

Command<ScanPage> scan(std::uint64_t cursor, ScanOptions options) {
    const std::string_view match = options.match.empty() ? "*" : options.match;
    auto command =
        build<ScanPage>(spec_of("SCAN"), Argument::unsigned_integer(cursor), text("MATCH"), Argument::glob(match));
    add_scan_count(command, options.count);
    if (!options.type.empty()) {
        command.add(text("TYPE"));
        command.add(text(options.type));
    }
    return command;
}

Command<std::string> ping() { return build<std::string>(spec_of("PING")); }
Command<std::string> ping(std::string_view message) { return build<std::string>(spec_of("PING"), text(message)); }
Command<std::string> echo(std::string_view message) { return build<std::string>(spec_of("ECHO"), text(message)); }
Command<ServerTime> time() { return Building<ServerTime>{spec_of("TIME"), read_time}; }

}  // namespace redoubt::cmd
