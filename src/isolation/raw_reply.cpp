// isolation: the reply side of raw commands: keys in the reply lose the prefix, or show a fault.
#include <redoubt/base/isolation_counters.hpp>
#include <redoubt/resp/read_reply.hpp>

#include "isolation/raw_command.hpp"

namespace redoubt::isolation {
namespace {

bool is_string(const Value& value) noexcept {
    return value.type == RespType::bulk || value.type == RespType::simple || value.type == RespType::verbatim;
}

bool is_aggregate(const Value& value) noexcept {
    return value.type == RespType::array || value.type == RespType::set || value.type == RespType::push ||
           value.type == RespType::map;
}

/// False when the value is not a name with the prefix.
bool strip(const KeyPrefix& prefix, Value& name) {
    if (!is_string(name) || !prefix.strip(name.text)) return false;
    name.text.erase(0, prefix.size());
    return true;
}

/// The server was asked for own names alone; its word for it is not enough.
void drop_foreign(const KeyPrefix& prefix, Value& names, std::size_t* dropped) {
    const std::size_t foreign = std::erase_if(names.elements, [&](Value& name) { return !strip(prefix, name); });
    if (foreign != 0) isolation_counters().foreign_names.fetch_add(foreign, std::memory_order_relaxed);
    if (dropped != nullptr) *dropped = foreign;
}

/// [cursor, [keys]].
ReadOutcome strip_page(const KeyPrefix& prefix, ReplyNode got, Value& page, std::size_t* dropped) {
    if (!is_aggregate(page) || page.elements.size() != 2 || !is_aggregate(page.elements[1])) {
        return ReadOutcome::mismatch("a cursor and an array of keys", got);
    }
    drop_foreign(prefix, page.elements[1], dropped);
    return ReadOutcome::ok();
}

ReadOutcome strip_names(const KeyPrefix& prefix, ReplyNode got, Value& names, std::size_t* dropped) {
    if (!is_aggregate(names)) return ReadOutcome::mismatch("an array of names", got);
    drop_foreign(prefix, names, dropped);
    return ReadOutcome::ok();
}

/// A name and its count in turn, as an array or a map.
ReadOutcome strip_counts(const KeyPrefix& prefix, ReplyNode got, Value& counts) {
    if (!is_aggregate(counts) || counts.elements.size() % 2 != 0) {
        return ReadOutcome::mismatch("names with their counts", got);
    }
    for (std::size_t i = 0; i < counts.elements.size(); i += 2) {
        if (!strip(prefix, counts.elements[i])) return ReadOutcome::foreign_key();
    }
    return ReadOutcome::ok();
}

/// [key, ...], or nil when there was nothing.
ReadOutcome strip_first(const KeyPrefix& prefix, ReplyNode got, Value& value) {
    if (value.is_null()) return ReadOutcome::ok();
    if (!is_aggregate(value) || value.elements.empty()) return ReadOutcome::mismatch("an array with a key first", got);
    return strip(prefix, value.elements[0]) ? ReadOutcome::ok() : ReadOutcome::foreign_key();
}

/// A map from stream to entries in RESP3, an array of [stream, entries] in RESP2, or nil.
ReadOutcome strip_streams(const KeyPrefix& prefix, ReplyNode got, Value& value) {
    constexpr std::string_view expected = "streams with their entries";
    if (value.is_null()) return ReadOutcome::ok();
    if (!is_aggregate(value)) return ReadOutcome::mismatch(expected, got);
    if (value.type == RespType::map) {
        for (std::size_t i = 0; i < value.elements.size(); i += 2) {
            if (!strip(prefix, value.elements[i])) return ReadOutcome::foreign_key();
        }
        return ReadOutcome::ok();
    }
    for (Value& stream : value.elements) {
        if (!is_aggregate(stream) || stream.elements.empty()) return ReadOutcome::mismatch(expected, got);
        if (!strip(prefix, stream.elements[0])) return ReadOutcome::foreign_key();
    }
    return ReadOutcome::ok();
}

}  // namespace

ReadOutcome read_raw_reply(ReplyCursor& cursor, const KeyPrefix& prefix, ReplyRule rule, Value& out,
                           std::size_t* dropped) {
    if (dropped != nullptr) *dropped = 0;
    const ReplyNode got = cursor.peek();
    if (ReadOutcome outcome = read_reply(cursor, prefix, out); !outcome) return outcome;
    if (out.is_error()) return ReadOutcome::ok();
    switch (rule) {
        case ReplyRule::none: return ReadOutcome::ok();
        case ReplyRule::scan_page: return strip_page(prefix, got, out, dropped);
        case ReplyRule::first_element: return strip_first(prefix, got, out);
        case ReplyRule::stream_map: return strip_streams(prefix, got, out);
        case ReplyRule::name_list: return strip_names(prefix, got, out, dropped);
        case ReplyRule::name_counts: return strip_counts(prefix, got, out);
    }
    return ReadOutcome::ok();
}

}  // namespace redoubt::isolation
