// resp: builders of the commands on keys of any type. A builder's views, spans and lists must stay valid until
// the command is encoded: for a call made in one expression, temporaries in it live long enough.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <redoubt/resp/command.hpp>
#include <redoubt/resp/read_reply.hpp>

namespace redoubt {

using TextList = std::span<const std::string_view>;
using TextBraces = std::initializer_list<std::string_view>;

/// When an expiry is set: only where there is none (nx), is one (xx), or later (gt) or sooner (lt) than it.
struct ExpireOptions {
    bool nx = false;
    bool xx = false;
    bool gt = false;
    bool lt = false;
};

struct ScanOptions {
    std::string_view match = {};                        ///< a glob over the project's own keys; empty: all
    std::optional<std::uint32_t> count = std::nullopt;  ///< keys looked at for each page, 1 to 10000
    std::string_view type = {};  ///< `string`, `list`, `set`, `zset`, `hash`, `stream`; empty: any
};

/// How SORT orders and cuts.
struct SortOptions {
    bool desc = false;
    bool alpha = false;   ///< compares bytes; else every element must be a number
    bool nosort = false;  ///< leaves the order as it is: only cuts
    std::uint32_t offset = 0;
    std::optional<std::uint32_t> count = std::nullopt;  ///< at most so many
};

/// When a key expires.
struct KeyExpiry {
    bool exists = false;                                                   ///< false: no such key
    std::optional<std::chrono::sys_time<std::chrono::milliseconds>> when;  ///< nullopt: never
    friend bool operator==(const KeyExpiry&, const KeyExpiry&) = default;
};

static_assert(std::is_trivially_destructible_v<SortOptions> && std::is_trivially_copyable_v<SortOptions>);
static_assert(std::is_trivially_destructible_v<ExpireOptions> && std::is_trivially_copyable_v<ExpireOptions>);
static_assert(std::is_trivially_destructible_v<ScanOptions> && std::is_trivially_copyable_v<ScanOptions>);
static_assert(std::is_trivially_destructible_v<Command<std::string>> &&
              std::is_trivially_copyable_v<Command<std::string>>);

namespace cmd {

/// Deletes; says how many there were.
Command<std::int64_t> del(std::string_view key);
Command<std::int64_t> del(TextList keys);
Command<std::int64_t> del(TextBraces keys);
/// As DEL; the memory is freed later, by another thread of the server.
Command<std::int64_t> unlink(std::string_view key);
Command<std::int64_t> unlink(TextList keys);
Command<std::int64_t> unlink(TextBraces keys);
/// How many of them exist; one that is named twice counts twice.
Command<std::int64_t> exists(std::string_view key);
Command<std::int64_t> exists(TextList keys);
Command<std::int64_t> exists(TextBraces keys);
/// Marks as used now, for eviction; says how many exist.
Command<std::int64_t> touch(std::string_view key);
Command<std::int64_t> touch(TextList keys);
Command<std::int64_t> touch(TextBraces keys);

/// Sets the time to live, which must be positive. False: no such key, or a condition was not met.
Command<bool> expire(std::string_view key, std::chrono::seconds time_to_live, ExpireOptions options = {});
Command<bool> pexpire(std::string_view key, std::chrono::milliseconds time_to_live, ExpireOptions options = {});
/// Sets the moment of expiry; one in the past deletes the key.
Command<bool> expireat(std::string_view key, std::chrono::sys_seconds when, ExpireOptions options = {});
Command<bool> pexpireat(std::string_view key, std::chrono::sys_time<std::chrono::milliseconds> when,
                        ExpireOptions options = {});
/// The time to live, in whole seconds.
Command<KeyTtl> ttl(std::string_view key);
/// The time to live, in milliseconds.
Command<KeyTtl> pttl(std::string_view key);
/// The moment of expiry, in whole seconds; in milliseconds.
Command<KeyExpiry> expiretime(std::string_view key);
Command<KeyExpiry> pexpiretime(std::string_view key);
/// Takes the expiry away. False: there was none, or no such key.
Command<bool> persist(std::string_view key);

/// `string`, `list`, `set`, `zset`, `hash`, `stream`, or `none`.
Command<std::string> type(std::string_view key);
/// Renames over whatever is there. An error reply when there is no such key.
Command<Ok> rename(std::string_view key, std::string_view new_key);
/// Renames unless `new_key` exists.
Command<bool> renamenx(std::string_view key, std::string_view new_key);
/// Copies within the project. False: nothing to copy, or `destination` exists and is not to be replaced.
Command<bool> copy(std::string_view source, std::string_view destination, bool replace = false);
/// The value in the server's own serialised form.
Command<std::optional<std::string>> dump(std::string_view key);

/// How the server stores it, such as `listpack`.
Command<std::optional<std::string>> object_encoding(std::string_view key);
/// How long it was not used; not with an LFU eviction policy.
Command<std::optional<std::chrono::seconds>> object_idletime(std::string_view key);
/// How often it is used, on a logarithmic scale; only with an LFU eviction policy.
Command<std::optional<std::int64_t>> object_freq(std::string_view key);
/// How often the server's object is shared.
Command<std::optional<std::int64_t>> object_refcount(std::string_view key);
/// The bytes that key and value take, estimated from `samples` elements of a collection (0: all).
Command<std::optional<std::int64_t>> memory_usage(std::string_view key, std::uint32_t samples = 5);

/// The sorted elements of a list, set or sorted set. Patterns (BY, GET) are not offered: they read other keys.
Command<std::vector<std::string>> sort(std::string_view key, SortOptions options = {});
/// The same, which a replica may serve.
Command<std::vector<std::string>> sort_ro(std::string_view key, SortOptions options = {});
/// The same, stored as a list over `destination`; says how many elements that has.
Command<std::int64_t> sort_store(std::string_view destination, std::string_view source, SortOptions options = {});

/// One page of the project's keys. Start with 0, go on with the page's cursor until that is 0. The server walks
/// the keys of all projects: pages may be empty.
Command<ScanPage> scan(std::uint64_t cursor, ScanOptions options = {});

}  // namespace cmd
}  // namespace redoubt
