// resp: builders of the commands on streams; those of consumer groups are in stream_groups.hpp. An entry's id is
// `milliseconds-number`, as text.
#pragma once

#include <redoubt/resp/cmd/strings.hpp>

namespace redoubt {

/// An entry: its fields in the order in which they were added, which may repeat.
struct StreamEntry {
    std::string id;
    std::vector<std::pair<std::string, std::string>> fields;
    bool deleted = false;  ///< pending for a consumer though no longer in the stream: there are no fields
    friend bool operator==(const StreamEntry&, const StreamEntry&) = default;
};

/// What was read from one stream.
struct StreamEntries {
    std::string key;
    std::vector<StreamEntry> entries;
    friend bool operator==(const StreamEntries&, const StreamEntries&) = default;
};

/// Which entries may go, the oldest first; at most one of maxlen and minid.
struct StreamTrim {
    std::optional<std::uint64_t> maxlen = std::nullopt;  ///< keeps so many
    std::string_view minid = {};                         ///< keeps those from this id on
    bool approximate = false;                            ///< may keep a few more, which costs the server much less
    std::optional<std::uint32_t> limit = std::nullopt;   ///< with `approximate`: removes at most so many; 0: no limit
};

struct XaddOptions {
    std::string_view id = "*";  ///< `*`: the server chooses; `ms-*`: only the number
    StreamTrim trim = {};       ///< trims the stream in the same step
};

struct XreadOptions {
    std::optional<std::uint32_t> count = std::nullopt;  ///< at most so many of each stream; not 0
    /// Waits for an entry when there is none; 0: for ever. Such a call has a connection of its own (blocking.hpp).
    std::optional<std::chrono::milliseconds> block = std::nullopt;
};

/// What XINFO STREAM says.
struct StreamInfo {
    std::int64_t length = 0;
    std::int64_t radix_tree_keys = 0;
    std::int64_t radix_tree_nodes = 0;
    std::string last_generated_id;
    std::string max_deleted_entry_id;
    std::int64_t entries_added = 0;  ///< in its whole life
    std::string recorded_first_entry_id;
    std::int64_t groups = 0;
    std::optional<StreamEntry> first_entry;
    std::optional<StreamEntry> last_entry;
};

static_assert(std::is_trivially_destructible_v<XaddOptions> && std::is_trivially_copyable_v<XaddOptions>);
static_assert(std::is_trivially_destructible_v<XreadOptions> && std::is_trivially_copyable_v<XreadOptions>);

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<StreamEntry>& out);
/// Nil is none.
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<StreamEntries>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, StreamInfo& out);

namespace cmd {

/// Appends an entry, and returns its id.
Command<std::string> xadd(std::string_view key, std::string_view field, std::string_view value,
                          XaddOptions options = {});
Command<std::string> xadd(std::string_view key, PairList fields, XaddOptions options = {});
Command<std::string> xadd(std::string_view key, PairBraces fields, XaddOptions options = {});
/// XADD ... NOMKSTREAM: appends only to a stream that exists; nullopt when there is none.
Command<std::optional<std::string>> xadd_existing(std::string_view key, PairList fields, XaddOptions options = {});
Command<std::optional<std::string>> xadd_existing(std::string_view key, PairBraces fields, XaddOptions options = {});
Command<std::int64_t> xlen(std::string_view key);  ///< how many entries
/// The entries from `start` to `end`, both included; `-` and `+` are the ends, `(` in front excludes an id.
Command<std::vector<StreamEntry>> xrange(std::string_view key, std::string_view start = "-", std::string_view end = "+",
                                         std::optional<std::uint32_t> count = std::nullopt);
/// The same from the newest down.
Command<std::vector<StreamEntry>> xrevrange(std::string_view key, std::string_view end = "+",
                                            std::string_view start = "-",
                                            std::optional<std::uint32_t> count = std::nullopt);
/// Deletes entries; says how many there were.
Command<std::int64_t> xdel(std::string_view key, std::string_view id);
Command<std::int64_t> xdel(std::string_view key, TextList ids);
Command<std::int64_t> xdel(std::string_view key, TextBraces ids);
/// Removes the oldest entries; says how many.
Command<std::int64_t> xtrim(std::string_view key, StreamTrim trim);
/// The entries behind an id, of one stream or of several: `xread({{"a", "0"}, {"b", "5-1"}})`. Only streams that have
/// some are named; none when there are none, or the wait ended without. `$`: what comes from now on.
Command<std::vector<StreamEntries>> xread(std::string_view key, std::string_view after, XreadOptions options = {});
Command<std::vector<StreamEntries>> xread(PairList streams, XreadOptions options = {});
Command<std::vector<StreamEntries>> xread(PairBraces streams, XreadOptions options = {});
/// Sets the id behind which the next one must be.
Command<Ok> xsetid(std::string_view key, std::string_view last_id);
/// About the stream as a whole. An error reply when there is no such key.
Command<StreamInfo> xinfo_stream(std::string_view key);

}  // namespace cmd
}  // namespace redoubt
