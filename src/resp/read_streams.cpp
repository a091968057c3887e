// resp: readers of streams: entries, pending entries, and what XINFO says.
#include <redoubt/resp/cmd/stream_groups.hpp>

#include "resp/read_fields.hpp"

namespace redoubt {

using resp::read_each;
using resp::read_in_turn;
using resp::read_named_fields;
using resp::read_tuple;

namespace {

/// [id, [field, value, ...]]; nil fields where the entry is deleted.
ReadOutcome read_entry(ReplyCursor& cursor, const KeyPrefix& prefix, StreamEntry& out) {
    return read_tuple(cursor, "entry of a stream", 2, 2, [&](std::int64_t) {
        if (const ReadOutcome id = read_reply(cursor, prefix, out.id); !id) return id;
        out.deleted = cursor.peek().is_null();
        if (!out.deleted) return read_reply(cursor, prefix, out.fields);
        cursor.skip();
        out.fields.clear();
        return ReadOutcome::ok();
    });
}

ReadOutcome read_maybe_entry(ReplyCursor& cursor, const KeyPrefix& prefix, std::optional<StreamEntry>& out) {
    out.reset();
    if (!cursor.peek().is_null()) return read_entry(cursor, prefix, out.emplace());
    cursor.skip();
    return ReadOutcome::ok();
}

/// [next, entries or ids, ids of the deleted], the last from Redis 7.0 on.
template <class Out, class Entries>
ReadOutcome read_autoclaim(ReplyCursor& cursor, const KeyPrefix& prefix, std::string_view expected, Out& out,
                           Entries& entries) {
    return read_tuple(cursor, expected, 2, 3, [&](std::int64_t count) {
        return read_in_turn([&] { return read_reply(cursor, prefix, out.next); },
                            [&] { return read_reply(cursor, prefix, entries); },
                            [&] {
                                out.deleted.clear();
                                return count == 2 ? ReadOutcome::ok() : read_reply(cursor, prefix, out.deleted);
                            });
    });
}

ReadOutcome skip_field(ReplyCursor& cursor) {
    cursor.skip();
    return ReadOutcome::ok();
}

}  // namespace

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<StreamEntry>& out) {
    return read_each(cursor, "entries of a stream", out,
                     [&](ReplyCursor& at, StreamEntry& one) { return read_entry(at, prefix, one); });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<StreamEntries>& out) {
    out.clear();
    if (cursor.peek().is_null()) {
        cursor.skip();
        return ReadOutcome::ok();
    }
    bool foreign = false;
    const ReadOutcome outcome = resp::read_pairs(
        cursor, "streams with their entries", [&](std::size_t count) { out.reserve(count); },
        [&](ReplyCursor& at) {
            StreamEntries& stream = out.emplace_back();
            const ReadOutcome key = resp::read_own_name(at, prefix, stream.key);
            foreign = foreign || key.status() == ReadOutcome::Status::foreign_key;
            return key ? read_reply(at, prefix, stream.entries) : key;
        });
    return foreign ? ReadOutcome::foreign_key() : outcome;
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, StreamInfo& out) {
    out = {};
    return read_named_fields(cursor, "facts about a stream", [&](std::string_view name, ReplyCursor& at) {
        if (name == "length") return read_reply(at, prefix, out.length);
        if (name == "radix-tree-keys") return read_reply(at, prefix, out.radix_tree_keys);
        if (name == "radix-tree-nodes") return read_reply(at, prefix, out.radix_tree_nodes);
        if (name == "last-generated-id") return read_reply(at, prefix, out.last_generated_id);
        if (name == "max-deleted-entry-id") return read_reply(at, prefix, out.max_deleted_entry_id);
        if (name == "entries-added") return read_reply(at, prefix, out.entries_added);
        if (name == "recorded-first-entry-id") return read_reply(at, prefix, out.recorded_first_entry_id);
        if (name == "groups") return read_reply(at, prefix, out.groups);
        if (name == "first-entry") return read_maybe_entry(at, prefix, out.first_entry);
        if (name == "last-entry") return read_maybe_entry(at, prefix, out.last_entry);
        return skip_field(at);
    });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, PendingSummary& out) {
    constexpr std::string_view expected = "pending entries in sum";
    out = {};
    return read_tuple(cursor, expected, 4, 4, [&](std::int64_t) {
        return read_in_turn([&] { return read_reply(cursor, prefix, out.count); },
                            [&] { return read_reply(cursor, prefix, out.lowest); },
                            [&] { return read_reply(cursor, prefix, out.highest); },
                            [&] {
                                if (cursor.peek().is_null()) return skip_field(cursor);
                                return resp::read_pairs(
                                    cursor, expected, [&](std::size_t count) { out.consumers.reserve(count); },
                                    [&](ReplyCursor& at) {
                                        auto& [consumer, count] = out.consumers.emplace_back();
                                        const ReadOutcome name = read_reply(at, prefix, consumer);
                                        return name ? resp::read_count(at, count) : name;
                                    });
                            });
    });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<PendingEntry>& out) {
    constexpr std::string_view expected = "pending entries";
    return read_each(cursor, expected, out, [&](ReplyCursor& at, PendingEntry& one) {
        return read_tuple(at, expected, 4, 4, [&](std::int64_t) {
            return read_in_turn([&] { return read_reply(at, prefix, one.id); },
                                [&] { return read_reply(at, prefix, one.consumer); },
                                [&] { return resp::read_milliseconds(at, one.idle); },
                                [&] { return read_reply(at, prefix, one.deliveries); });
        });
    });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, AutoclaimPage& out) {
    return read_autoclaim(cursor, prefix, "an id, entries and ids of deleted ones", out, out.entries);
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, AutoclaimIds& out) {
    return read_autoclaim(cursor, prefix, "an id, ids and ids of deleted ones", out, out.ids);
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<StreamGroupInfo>& out) {
    constexpr std::string_view expected = "facts about groups";
    return read_each(cursor, expected, out, [&](ReplyCursor& each, StreamGroupInfo& one) {
        return read_named_fields(each, expected, [&](std::string_view name, ReplyCursor& at) {
            if (name == "name") return read_reply(at, prefix, one.name);
            if (name == "consumers") return read_reply(at, prefix, one.consumers);
            if (name == "pending") return read_reply(at, prefix, one.pending);
            if (name == "last-delivered-id") return read_reply(at, prefix, one.last_delivered_id);
            if (name == "entries-read") return read_reply(at, prefix, one.entries_read);
            if (name == "lag") return read_reply(at, prefix, one.lag);
            return skip_field(at);
        });
    });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<StreamConsumerInfo>& out) {
    constexpr std::string_view expected = "facts about consumers";
    return read_each(cursor, expected, out, [&](ReplyCursor& each, StreamConsumerInfo& one) {
        return read_named_fields(each, expected, [&](std::string_view name, ReplyCursor& at) {
            if (name == "name") return read_reply(at, prefix, one.name);
            if (name == "pending") return read_reply(at, prefix, one.pending);
            if (name == "idle") return resp::read_milliseconds(at, one.idle);
            if (name == "inactive") {
                std::chrono::milliseconds inactive{};
                const ReadOutcome outcome = resp::read_milliseconds(at, inactive);
                if (inactive.count() >= 0) one.inactive = inactive;  // -1: it never got anything
                return outcome;
            }
            return skip_field(at);
        });
    });
}

}  // namespace redoubt
