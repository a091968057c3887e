// resp: builders of the commands on sets.
#pragma once

#include <redoubt/resp/cmd/hashes.hpp>

namespace redoubt::cmd {

/// Adds members; says how many are new.
Command<std::int64_t> sadd(std::string_view key, std::string_view member);
Command<std::int64_t> sadd(std::string_view key, TextList members);
Command<std::int64_t> sadd(std::string_view key, TextBraces members);
/// Removes members; says how many there were.
Command<std::int64_t> srem(std::string_view key, std::string_view member);
Command<std::int64_t> srem(std::string_view key, TextList members);
Command<std::int64_t> srem(std::string_view key, TextBraces members);
Command<std::vector<std::string>> smembers(std::string_view key);        ///< all members
Command<bool> sismember(std::string_view key, std::string_view member);  ///< whether it is one
/// For each, whether it is a member.
Command<std::vector<bool>> smismember(std::string_view key, TextList members);
Command<std::vector<bool>> smismember(std::string_view key, TextBraces members);
Command<std::int64_t> scard(std::string_view key);  ///< how many members
/// Takes a random member, or up to `count` of them.
Command<std::optional<std::string>> spop(std::string_view key);
Command<std::vector<std::string>> spop(std::string_view key, std::uint32_t count);
/// A random member; up to `count` distinct ones; with a negative count exactly that many, with repetitions.
Command<std::optional<std::string>> srandmember(std::string_view key);
Command<std::vector<std::string>> srandmember(std::string_view key, std::int64_t count);
/// Moves a member. False: it is not in `source`.
Command<bool> smove(std::string_view source, std::string_view destination, std::string_view member);

/// The first set without the others; what all share; what any has.
Command<std::vector<std::string>> sdiff(TextList keys);
Command<std::vector<std::string>> sdiff(TextBraces keys);
Command<std::vector<std::string>> sinter(TextList keys);
Command<std::vector<std::string>> sinter(TextBraces keys);
Command<std::vector<std::string>> sunion(TextList keys);
Command<std::vector<std::string>> sunion(TextBraces keys);
/// The same, stored over `destination`; says how many members that has.
Command<std::int64_t> sdiffstore(std::string_view destination, TextList keys);
Command<std::int64_t> sdiffstore(std::string_view destination, TextBraces keys);
Command<std::int64_t> sinterstore(std::string_view destination, TextList keys);
Command<std::int64_t> sinterstore(std::string_view destination, TextBraces keys);
Command<std::int64_t> sunionstore(std::string_view destination, TextList keys);
Command<std::int64_t> sunionstore(std::string_view destination, TextBraces keys);
/// How many members all share, counted up to `limit` (0: all).
Command<std::int64_t> sintercard(TextList keys, std::uint32_t limit = 0);
Command<std::int64_t> sintercard(TextBraces keys, std::uint32_t limit = 0);

/// One page of the members. Start with 0, go on with the page's cursor until that is 0.
Command<SetScanPage> sscan(std::string_view key, std::uint64_t cursor, MemberScanOptions options = {});

}  // namespace redoubt::cmd
