// resp: readers of pairs (hashes, sorted sets) and of the pages of the SCAN family.
#include <redoubt/base/isolation_counters.hpp>
#include "resp/reading.hpp"

namespace redoubt {

using resp::read_list;
using resp::read_pairs;
using resp::refuse;

namespace {

ReadOutcome read_fields(ReplyCursor& cursor, const KeyPrefix& prefix, std::string_view expected,
                        std::vector<std::pair<std::string, std::string>>& out) {
    out.clear();
    return read_pairs(
        cursor, expected, [&](std::size_t count) { out.reserve(count); },
        [&](ReplyCursor& at) {
            auto& [field, value] = out.emplace_back();
            const ReadOutcome first = read_reply(at, prefix, field);
            return first ? read_reply(at, prefix, value) : first;
        });
}

ReadOutcome read_scores(ReplyCursor& cursor, const KeyPrefix& prefix, std::string_view expected,
                        std::vector<ScoredMember>& out) {
    out.clear();
    return read_pairs(
        cursor, expected, [&](std::size_t count) { out.reserve(count); },
        [&](ReplyCursor& at) {
            ScoredMember& one = out.emplace_back();
            const ReadOutcome first = read_reply(at, prefix, one.member);
            return first ? read_reply(at, prefix, one.score) : first;
        });
}

// [cursor, entries]: reads the cursor, then `read_entries(cursor)`.
template <class ReadEntries>
ReadOutcome read_page(ReplyCursor& cursor, std::string_view expected, std::uint64_t& next, ReadEntries read_entries) {
    const ReplyCursor before = cursor;
    const ReplyNode head = cursor.next();
    if (head.type != RespType::array || head.integer != 2) return refuse(cursor, before, expected, head);
    const ReplyNode number = cursor.next();
    const char* const end = number.text.data() + number.text.size();
    const auto [stop, error] = std::from_chars(number.text.data(), end, next);
    const bool is_number = number.is_string() || number.type == RespType::integer;
    if (!is_number || error != std::errc{} || stop != end) return refuse(cursor, before, expected, number);
    if (const ReadOutcome entries = read_entries(cursor); !entries) {
        return refuse(cursor, before, expected, entries.got());
    }
    return ReadOutcome::ok();
}

}  // namespace

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, StringMap& out) {
    out.clear();
    return read_pairs(
        cursor, "map of strings", [&](std::size_t count) { out.reserve(count); },
        [&](ReplyCursor& at) {
            std::string field;
            const ReadOutcome first = read_reply(at, prefix, field);
            return first ? read_reply(at, prefix, out[std::move(field)]) : first;
        });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix,
                       std::vector<std::pair<std::string, std::string>>& out) {
    return read_fields(cursor, prefix, "pairs of strings", out);
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<ScoredMember>& out) {
    return read_scores(cursor, prefix, "members with scores", out);
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, ScanPage& out) {
    constexpr std::string_view expected = "cursor and array of keys";
    out.keys.clear();
    out.foreign = 0;
    return read_page(cursor, expected, out.cursor, [&](ReplyCursor& at) {
        const ReplyNode list = at.next();
        if (!resp::is_list(list)) return ReadOutcome::mismatch(expected, list);
        out.keys.reserve(static_cast<std::size_t>(list.integer));
        for (std::int64_t i = 0; i < list.integer; ++i) {
            const ReplyNode key = at.next();
            if (!key.is_string()) return ReadOutcome::mismatch(expected, key);
            if (const auto own = prefix.strip(key.text)) {
                out.keys.emplace_back(*own);
            } else {
                ++out.foreign;
                isolation_counters().foreign_names.fetch_add(1, std::memory_order_relaxed);
            }
        }
        return ReadOutcome::ok();
    });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, HashScanPage& out) {
    constexpr std::string_view expected = "cursor and pairs of strings";
    return read_page(cursor, expected, out.cursor,
                     [&](ReplyCursor& at) { return read_fields(at, prefix, expected, out.fields); });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, SetScanPage& out) {
    constexpr std::string_view expected = "cursor and array of members";
    return read_page(cursor, expected, out.cursor,
                     [&](ReplyCursor& at) { return read_list(at, prefix, out.members, expected); });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, SortedSetScanPage& out) {
    constexpr std::string_view expected = "cursor and members with scores";
    return read_page(cursor, expected, out.cursor,
                     [&](ReplyCursor& at) { return read_scores(at, prefix, expected, out.members); });
}

}  // namespace redoubt
