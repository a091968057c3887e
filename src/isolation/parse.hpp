// isolation: the parsers of raw commands, one a kind of command. Each takes the words, name included, and says which are
// keys, channels or patterns; what it cannot place as the server would is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/base/error.hpp>
#include <redoubt/resp/command.hpp>

#include "isolation/rules.hpp"

namespace redoubt::isolation {

using Words = std::span<const std::string_view>;

/// What a parser makes of the words behind the name.
struct Parsed {
    std::vector<Argument> arguments;
    RetryCategory retry = RetryCategory::never;
    Duration block_time = Duration::zero();  ///< as CommandView::block_time
};

/// Why the command is not sent; nullopt: it may be.
using Refusal = std::optional<Error>;

// --- what parsers share (parse_words.cpp)

/// `X is refused: why`, certainty `not_sent`. `why` never holds an argument.
Error refusal(const CommandSpec& spec, std::string_view why);
/// The same of a name that is not in the table.
Error refusal(std::string_view name, std::string_view why);

/// Whether the word is this option, which is upper case.
bool is_option(std::string_view word, std::string_view option) noexcept;
bool is_digits(std::string_view word) noexcept;
/// An integer as the server takes it: no plus sign, space or leading zero, and within 64 bits.
bool is_integer(std::string_view word) noexcept;
/// A positive number of at most `longest` digits without sign, space or leading zero, so that we and the server cannot
/// read it as two numbers.
std::optional<std::size_t> read_count(std::string_view word, std::size_t longest) noexcept;

/// How long the server may block, CommandView::forever for 0. nullopt: not a plain number, or past a year.
std::optional<Duration> read_wait_seconds(std::string_view word) noexcept;       ///< `1`, `0.25`
std::optional<Duration> read_wait_milliseconds(std::string_view word) noexcept;  ///< `250`

/// A channel's name gets the prefix just as a key does. One place, should that ever change.
Argument channel(std::string_view name, Rules rules) noexcept;

// --- the parsers

/// Keys at fixed positions, and those that a count announces (parse_keys.cpp). Of a blocking command also its time-out.
Refusal parse_keys(const CommandSpec& spec, Words words, Rules rules, Parsed& out);
/// SCAN cursor [MATCH pattern] [COUNT n] [TYPE name] (parse_scan.cpp).
Refusal parse_scan(const CommandSpec& spec, Words words, Rules rules, Parsed& out);
/// SORT, SORT_RO (parse_sort.cpp).
Refusal parse_sort(const CommandSpec& spec, Words words, Rules rules, Parsed& out);
/// GEORADIUS, GEORADIUSBYMEMBER (parse_geo.cpp).
Refusal parse_georadius(const CommandSpec& spec, Words words, Rules rules, Parsed& out);
/// XREAD, XREADGROUP (parse_streams.cpp).
Refusal parse_streams(const CommandSpec& spec, Words words, Rules rules, Parsed& out);
/// PUBSUB CHANNELS and SHARDCHANNELS (parse_scan.cpp).
Refusal parse_channel_list(const CommandSpec& spec, Words words, Rules rules, Parsed& out);
/// PUBLISH and SPUBLISH; PUBSUB NUMSUB and SHARDNUMSUB (parse_channels.cpp).
Refusal parse_publish(const CommandSpec& spec, Words words, Rules rules, Parsed& out);
Refusal parse_channel_counts(const CommandSpec& spec, Words words, Rules rules, Parsed& out);
/// CLUSTER KEYSLOT (parse_keys.cpp): the slot of the key as it is stored.
Refusal parse_key_slot(const CommandSpec& spec, Words words, Rules rules, Parsed& out);

/// The table's category as the options change it; anything not understood is taken for the worse (refine_retry.cpp).
RetryCategory refined_retry(const CommandSpec& spec, Words words) noexcept;

}  // namespace redoubt::isolation
