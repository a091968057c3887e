// resp: readers of the reply types that commands have. Overloads, not templates, so that they compile once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <redoubt/resp/command.hpp>
#include <redoubt/resp/value.hpp>

namespace redoubt {

/// The server said OK.
struct Ok {
    friend bool operator==(Ok, Ok) = default;
};

struct ScoredMember {
    std::string member;
    double score = 0;
    friend bool operator==(const ScoredMember&, const ScoredMember&) = default;
};

/// A key's time to live.
struct KeyTtl {
    bool exists = false;                               ///< false: no such key
    std::optional<std::chrono::milliseconds> expires;  ///< nullopt: never
    friend bool operator==(const KeyTtl&, const KeyTtl&) = default;
};

/// One page of SCAN: own keys, stripped. Done when `cursor` is 0; an empty page with another cursor is normal.
struct ScanPage {
    std::uint64_t cursor = 0;
    std::vector<std::string> keys;
    std::size_t foreign = 0;  ///< keys of others that were dropped
};
/// One page of HSCAN (field, value) or SSCAN (members only) or ZSCAN.
struct HashScanPage {
    std::uint64_t cursor = 0;
    std::vector<std::pair<std::string, std::string>> fields;
};
struct SetScanPage {
    std::uint64_t cursor = 0;
    std::vector<std::string> members;
};
struct SortedSetScanPage {
    std::uint64_t cursor = 0;
    std::vector<ScoredMember> members;
};

using StringMap = std::unordered_map<std::string, std::string>;

// Whatever the outcome, the cursor has moved past the whole reply, so that the next one of a transaction can
// be read; after a mismatch `out` is valid but unspecified. A nil where the type cannot hold one, and an error
// inside an aggregate, are mismatches; only a `Value` holds anything.
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, Value& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, Ok& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::string& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::optional<std::string>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::int64_t& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::optional<std::int64_t>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, double& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::optional<double>& out);
/// 1 and true, OK: true. 0, false and nil: false.
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, bool& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::string>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::optional<std::string>>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::optional<double>>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::int64_t>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::optional<std::int64_t>>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<bool>& out);
/// A RESP3 map, an array of pairs, or a flat RESP2 array of even length.
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, StringMap& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix,
                       std::vector<std::pair<std::string, std::string>>& out);
/// [[member, score]..] of RESP3, or the flat array of RESP2.
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<ScoredMember>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, ScanPage& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, HashScanPage& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, SetScanPage& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, SortedSetScanPage& out);
/// Milliseconds as PTTL says them: -2 no key, -1 no expiry. TTL in seconds has its own reader in the builder.
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, KeyTtl& out);

}  // namespace redoubt
