// isolation: the rules by which raw commands are confined, each with a name, so that a test can turn one off and show
// that without it a project does reach another's data. The product always parses with all of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace redoubt::isolation {

enum class Rule : std::uint8_t {
    every_key,             ///< each key at a fixed position gets the prefix, not the first alone
    counted_keys,          ///< so does each of those that a count announces
    copy_within_database,  ///< COPY never with DB
    one_geo_store,         ///< GEORADIUS with one STORE or STOREDIST at most: the server takes the last
    one_sort_store,        ///< SORT with one STORE at most: the server takes the last
    sort_own_key_alone,    ///< SORT never with a BY or GET that reads other keys
    stream_grammar,        ///< XREAD's keys follow STREAMS where an option may stand, not the word's last occurrence
    scan_match,            ///< SCAN and PUBSUB CHANNELS always with a pattern that begins with the prefix
    one_scan_match,        ///< SCAN with one MATCH at most: the server takes the last
    channel_prefix,        ///< channels get the prefix
    key_prefix,            ///< keys get the prefix
    refusals,              ///< what the table says cannot be confined is refused
};

inline constexpr std::array<std::string_view, 12> rule_names{
    "every-key",      "counted-keys", "copy-within-database", "one-geo-store",  "one-sort-store", "sort-own-key-alone",
    "stream-grammar", "scan-match",   "one-scan-match",       "channel-prefix", "key-prefix",     "refusals",
};

/// Which rules hold: all, unless a test says otherwise.
class Rules {
public:
    constexpr Rules() = default;
    constexpr bool holds(Rule rule) const noexcept { return (off_ & bit(rule)) == 0; }
    constexpr bool all_hold() const noexcept { return off_ == 0; }
    constexpr Rules without(Rule rule) const noexcept {
        Rules changed = *this;
        changed.off_ = static_cast<std::uint16_t>(changed.off_ | bit(rule));
        return changed;
    }

private:
    static constexpr std::uint16_t bit(Rule rule) noexcept {
        return static_cast<std::uint16_t>(1U << static_cast<unsigned>(rule));
    }
    std::uint16_t off_ = 0;
};
static_assert(static_cast<std::size_t>(Rule::refusals) + 1 == rule_names.size());

}  // namespace redoubt::isolation
