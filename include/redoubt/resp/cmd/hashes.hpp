// resp: builders of the commands on hashes.
#pragma once

#include <redoubt/resp/cmd/strings.hpp>

namespace redoubt {

/// Of HSCAN, SSCAN and ZSCAN: the glob is over fields or members, which carry no prefix.
struct MemberScanOptions {
    std::string_view match = {};                        ///< empty: all
    std::optional<std::uint32_t> count = std::nullopt;  ///< looked at for each page, 1 to 10000
};

static_assert(std::is_trivially_destructible_v<MemberScanOptions> && std::is_trivially_copyable_v<MemberScanOptions>);

namespace cmd {

/// Sets one field, or several: `hset("h", {{"a", "1"}, {"b", "2"}})`. Says how many are new.
Command<std::int64_t> hset(std::string_view key, std::string_view field, std::string_view value);
Command<std::int64_t> hset(std::string_view key, PairList fields);
Command<std::int64_t> hset(std::string_view key, PairBraces fields);
/// Sets the field unless it exists.
Command<bool> hsetnx(std::string_view key, std::string_view field, std::string_view value);
Command<std::optional<std::string>> hget(std::string_view key, std::string_view field);  ///< the value
/// The values in the fields' order; nullopt for one that does not exist.
Command<std::vector<std::optional<std::string>>> hmget(std::string_view key, TextList fields);
Command<std::vector<std::optional<std::string>>> hmget(std::string_view key, TextBraces fields);
/// The whole hash; empty when there is no such key.
Command<StringMap> hgetall(std::string_view key);
/// Deletes fields; says how many there were.
Command<std::int64_t> hdel(std::string_view key, std::string_view field);
Command<std::int64_t> hdel(std::string_view key, TextList fields);
Command<std::int64_t> hdel(std::string_view key, TextBraces fields);
Command<bool> hexists(std::string_view key, std::string_view field);  ///< whether there is such a field
Command<std::int64_t> hlen(std::string_view key);                     ///< how many fields
/// The length of a field's value, 0 when there is none.
Command<std::int64_t> hstrlen(std::string_view key, std::string_view field);
Command<std::vector<std::string>> hkeys(std::string_view key);  ///< all fields
Command<std::vector<std::string>> hvals(std::string_view key);  ///< all values
/// Each returns the new number.
Command<std::int64_t> hincrby(std::string_view key, std::string_view field, std::int64_t by);
Command<double> hincrbyfloat(std::string_view key, std::string_view field, double by);
/// A random field.
Command<std::optional<std::string>> hrandfield(std::string_view key);
/// Up to `count` distinct random fields; a negative count: exactly that many, with repetitions.
Command<std::vector<std::string>> hrandfield(std::string_view key, std::int64_t count);
Command<std::vector<std::pair<std::string, std::string>>> hrandfield_with_values(std::string_view key,
                                                                                 std::int64_t count);
/// One page of the fields. Start with 0, go on with the page's cursor until that is 0.
Command<HashScanPage> hscan(std::string_view key, std::uint64_t cursor, MemberScanOptions options = {});

}  // namespace cmd
}  // namespace redoubt
