// resp: builders of the commands on strings; those on their bits are in bitmaps.hpp.
#pragma once

#include <redoubt/resp/cmd/keys.hpp>

namespace redoubt {

using PairList = std::span<const TextPair>;
using PairBraces = std::initializer_list<TextPair>;

/// At most one of the five about expiry, at most one of nx and xx: `{.ex = 1h, .nx = true}`.
struct SetOptions {
    std::optional<std::chrono::seconds> ex = std::nullopt;
    std::optional<std::chrono::milliseconds> px = std::nullopt;
    std::optional<std::chrono::sys_seconds> exat = std::nullopt;
    std::optional<std::chrono::sys_time<std::chrono::milliseconds>> pxat = std::nullopt;
    bool keepttl = false;  ///< keeps the expiry that the key has; by default SET takes it away
    bool nx = false;       ///< only if there is no such key
    bool xx = false;       ///< only if there is one
};

/// At most one of them. None: the expiry stays, and GETEX is a plain read.
struct GetExOptions {
    std::optional<std::chrono::seconds> ex = std::nullopt;
    std::optional<std::chrono::milliseconds> px = std::nullopt;
    std::optional<std::chrono::sys_seconds> exat = std::nullopt;
    std::optional<std::chrono::sys_time<std::chrono::milliseconds>> pxat = std::nullopt;
    bool persist = false;  ///< takes the expiry away
};

/// Bytes from `start` to `end`, both included.
struct ByteRange {
    std::int64_t start = 0;
    std::int64_t end = 0;
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// What LCS ... IDX says: the parts that two values share, of which some may be too short to be told.
struct LcsMatches {
    struct Match {
        ByteRange first;
        ByteRange second;
        std::int64_t length = 0;
        friend bool operator==(const Match&, const Match&) = default;
    };
    std::vector<Match> matches;
    std::int64_t length = 0;  ///< of the whole subsequence
    friend bool operator==(const LcsMatches&, const LcsMatches&) = default;
};

static_assert(std::is_trivially_destructible_v<SetOptions> && std::is_trivially_copyable_v<SetOptions>);
static_assert(std::is_trivially_destructible_v<GetExOptions> && std::is_trivially_copyable_v<GetExOptions>);

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, LcsMatches& out);

namespace cmd {

/// The value, or nullopt when there is no such key.
Command<std::optional<std::string>> get(std::string_view key);
/// Sets the value. False only when nx or xx was not met.
Command<bool> set(std::string_view key, std::string_view value, SetOptions options = {});
/// SET ... GET: sets the value and returns the one before. With nx or xx: whether it was set is not said.
Command<std::optional<std::string>> set_get(std::string_view key, std::string_view value, SetOptions options = {});
Command<std::optional<std::string>> getset(std::string_view key, std::string_view value);  ///< SET ... GET, older
/// The value; sets or takes away the expiry.
Command<std::optional<std::string>> getex(std::string_view key, GetExOptions options = {});
/// The value; deletes the key.
Command<std::optional<std::string>> getdel(std::string_view key);
Command<bool> setnx(std::string_view key, std::string_view value);  ///< sets it unless it exists
Command<Ok> setex(std::string_view key, std::chrono::seconds time_to_live, std::string_view value);
Command<Ok> psetex(std::string_view key, std::chrono::milliseconds time_to_live, std::string_view value);

/// The values in the keys' order; nullopt for one that does not exist or is no string.
Command<std::vector<std::optional<std::string>>> mget(TextList keys);
Command<std::vector<std::optional<std::string>>> mget(TextBraces keys);
/// Sets all of them, at once: `mset({{"a", "1"}, {"b", "2"}})`.
Command<Ok> mset(PairList values);
Command<Ok> mset(PairBraces values);
/// Sets all of them, or none when one of the keys exists.
Command<bool> msetnx(PairList values);
Command<bool> msetnx(PairBraces values);

/// The bytes from `start` to `end`, both included; negative ones count from the end.
Command<std::string> getrange(std::string_view key, std::int64_t start, std::int64_t end);
/// Overwrites from `offset` on, and returns the new length.
Command<std::int64_t> setrange(std::string_view key, std::uint32_t offset, std::string_view value);
/// Appends, and returns the new length.
Command<std::int64_t> append(std::string_view key, std::string_view value);
Command<std::int64_t> strlen(std::string_view key);  ///< its length in bytes

/// Each of these returns the new number; a key that does not exist counts as 0.
Command<std::int64_t> incr(std::string_view key);
Command<std::int64_t> decr(std::string_view key);
Command<std::int64_t> incrby(std::string_view key, std::int64_t by);
Command<std::int64_t> decrby(std::string_view key, std::int64_t by);
Command<double> incrbyfloat(std::string_view key, double by);

/// The longest common subsequence of two values; its length; where its parts stand, the last first.
Command<std::string> lcs(std::string_view first, std::string_view second);
Command<std::int64_t> lcs_length(std::string_view first, std::string_view second);
Command<LcsMatches> lcs_matches(std::string_view first, std::string_view second, std::uint32_t min_length = 0);

}  // namespace cmd
}  // namespace redoubt
