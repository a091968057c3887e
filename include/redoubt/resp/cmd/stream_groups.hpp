// resp: builders of the commands on the consumer groups of streams.
#pragma once

#include <redoubt/resp/cmd/streams.hpp>

namespace redoubt {

struct XreadGroupOptions {
    std::optional<std::uint32_t> count = std::nullopt;  ///< at most so many of each stream; not 0
    /// Waits for an entry when there is none; 0: for ever. Such a call has a connection of its own (blocking.hpp).
    std::optional<std::chrono::milliseconds> block = std::nullopt;
    bool noack = false;  ///< what is read counts as acknowledged
};

/// Which pending entries XPENDING tells of.
struct XpendingOptions {
    std::string_view start = "-";
    std::string_view end = "+";
    std::string_view consumer = {};                                ///< empty: of all
    std::optional<std::chrono::milliseconds> idle = std::nullopt;  ///< untouched for so long at least
};

/// What a claimed entry looks like afterwards. At most one of idle and time; by default it was delivered just now.
struct XclaimOptions {
    std::optional<std::chrono::milliseconds> idle = std::nullopt;
    std::optional<std::chrono::sys_time<std::chrono::milliseconds>> time = std::nullopt;  ///< of its last delivery
    std::optional<std::uint32_t> retrycount = std::nullopt;  ///< default: one more, with xclaim_ids() as it was
    bool force = false;                                      ///< makes entries pending that were nobody's
};

struct XgroupCreateOptions {
    std::string_view id = "$";  ///< what lies behind it is delivered: `$` what comes from now on, `0` everything
    bool mkstream = false;      ///< makes the stream when there is none
    std::optional<std::int64_t> entries_read = std::nullopt;  ///< the server's count for the group's lag
};

/// A group's pending entries in sum.
struct PendingSummary {
    std::int64_t count = 0;
    std::optional<std::string> lowest;                            ///< id; nullopt when there are none
    std::optional<std::string> highest;                           ///< id
    std::vector<std::pair<std::string, std::int64_t>> consumers;  ///< those that have some, with how many
    friend bool operator==(const PendingSummary&, const PendingSummary&) = default;
};

/// An entry that was delivered and not acknowledged.
struct PendingEntry {
    std::string id;
    std::string consumer;
    std::chrono::milliseconds idle{};  ///< since it was delivered last
    std::int64_t deliveries = 0;
    friend bool operator==(const PendingEntry&, const PendingEntry&) = default;
};

/// One step of XAUTOCLAIM. Go on with `next` until that is `0-0`.
struct AutoclaimPage {
    std::string next;
    std::vector<StreamEntry> entries;
    std::vector<std::string> deleted;  ///< ids that were pending though no longer in the stream; they are not any more
};
struct AutoclaimIds {
    std::string next;
    std::vector<std::string> ids;
    std::vector<std::string> deleted;
};

/// What XINFO GROUPS says of each group.
struct StreamGroupInfo {
    std::string name;
    std::int64_t consumers = 0;
    std::int64_t pending = 0;
    std::string last_delivered_id;
    std::optional<std::int64_t> entries_read;
    std::optional<std::int64_t> lag;  ///< entries still to be delivered; nullopt when the server cannot tell
};

/// What XINFO CONSUMERS says of each consumer.
struct StreamConsumerInfo {
    std::string name;
    std::int64_t pending = 0;
    std::chrono::milliseconds idle{};                     ///< since it tried to read or claim
    std::optional<std::chrono::milliseconds> inactive{};  ///< since it got something; nullopt: never, or not told
};

template <class... Options>
inline constexpr bool are_plain_group_options = ((std::is_trivially_destructible_v<Options> &&
                                                  std::is_trivially_copyable_v<Options>)&&...);
static_assert(are_plain_group_options<XreadGroupOptions, XpendingOptions, XclaimOptions, XgroupCreateOptions>);

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, PendingSummary& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<PendingEntry>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, AutoclaimPage& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, AutoclaimIds& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<StreamGroupInfo>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<StreamConsumerInfo>& out);

namespace cmd {

/// Makes a group. An error reply (BUSYGROUP) when it exists, or when there is no such stream and none is to be made.
Command<Ok> xgroup_create(std::string_view key, std::string_view group, XgroupCreateOptions options = {});
/// Deletes a group with all that is pending. False: there was none.
Command<bool> xgroup_destroy(std::string_view key, std::string_view group);
/// Makes a consumer, which reading and claiming do by themselves. False: it exists.
Command<bool> xgroup_createconsumer(std::string_view key, std::string_view group, std::string_view consumer);
/// Deletes a consumer; says how many entries it had pending, which nobody will acknowledge.
Command<std::int64_t> xgroup_delconsumer(std::string_view key, std::string_view group, std::string_view consumer);
/// Sets behind which id the group goes on.
Command<Ok> xgroup_setid(std::string_view key, std::string_view group, std::string_view id,
                         std::optional<std::int64_t> entries_read = std::nullopt);

/// Entries for a consumer, of one stream or of several. `>`: those that nobody got yet; an id: its own pending ones
/// behind that id. They stay pending until xack().
Command<std::vector<StreamEntries>> xreadgroup(std::string_view group, std::string_view consumer, std::string_view key,
                                               std::string_view after, XreadGroupOptions options = {});
Command<std::vector<StreamEntries>> xreadgroup(std::string_view group, std::string_view consumer, PairList streams,
                                               XreadGroupOptions options = {});
Command<std::vector<StreamEntries>> xreadgroup(std::string_view group, std::string_view consumer, PairBraces streams,
                                               XreadGroupOptions options = {});
/// Acknowledges entries; says how many were pending.
Command<std::int64_t> xack(std::string_view key, std::string_view group, std::string_view id);
Command<std::int64_t> xack(std::string_view key, std::string_view group, TextList ids);
Command<std::int64_t> xack(std::string_view key, std::string_view group, TextBraces ids);
/// What is pending, in sum.
Command<PendingSummary> xpending(std::string_view key, std::string_view group);
/// What is pending, up to `count` entries one by one.
Command<std::vector<PendingEntry>> xpending_range(std::string_view key, std::string_view group, std::uint32_t count,
                                                  XpendingOptions options = {});
/// Takes pending entries over that were untouched for `min_idle` at least; those that it got.
Command<std::vector<StreamEntry>> xclaim(std::string_view key, std::string_view group, std::string_view consumer,
                                         std::chrono::milliseconds min_idle, TextList ids, XclaimOptions options = {});
Command<std::vector<StreamEntry>> xclaim(std::string_view key, std::string_view group, std::string_view consumer,
                                         std::chrono::milliseconds min_idle, TextBraces ids,
                                         XclaimOptions options = {});
/// XCLAIM ... JUSTID: only the ids.
Command<std::vector<std::string>> xclaim_ids(std::string_view key, std::string_view group, std::string_view consumer,
                                             std::chrono::milliseconds min_idle, TextList ids,
                                             XclaimOptions options = {});
Command<std::vector<std::string>> xclaim_ids(std::string_view key, std::string_view group, std::string_view consumer,
                                             std::chrono::milliseconds min_idle, TextBraces ids,
                                             XclaimOptions options = {});
/// The same for whatever is pending from `start` on, `count` at a time.
Command<AutoclaimPage> xautoclaim(std::string_view key, std::string_view group, std::string_view consumer,
                                  std::chrono::milliseconds min_idle, std::string_view start = "0-0",
                                  std::uint32_t count = 100);
/// XAUTOCLAIM ... JUSTID: only the ids.
Command<AutoclaimIds> xautoclaim_ids(std::string_view key, std::string_view group, std::string_view consumer,
                                     std::chrono::milliseconds min_idle, std::string_view start = "0-0",
                                     std::uint32_t count = 100);
/// About the groups of a stream; about the consumers of a group.
Command<std::vector<StreamGroupInfo>> xinfo_groups(std::string_view key);
Command<std::vector<StreamConsumerInfo>> xinfo_consumers(std::string_view key, std::string_view group);

}  // namespace cmd
}  // namespace redoubt
