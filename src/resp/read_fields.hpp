// resp: readers of replies with a shape of their own: fields with names, lists of structs, keys that lose the prefix.
#pragma once

#include <chrono>
#include <string>

#include "resp/reading.hpp"

namespace redoubt::resp {

/// Fields with names, as RESP3 sends them (a map) or RESP2 (a flat array). `read_field(name, cursor)` reads the value or
/// skips it, for servers may add fields.
template <class ReadField>
ReadOutcome read_named_fields(ReplyCursor& cursor, std::string_view expected, ReadField read_field) {
    return read_pairs(
        cursor, expected, [](std::size_t) {},
        [&](ReplyCursor& at) {
            const ReplyNode name = at.next();
            if (!name.is_string()) return ReadOutcome::mismatch(expected, name);
            return read_field(name.text, at);
        });
}

/// An array, each element read by `read_one(cursor, element)`.
template <class Out, class ReadOne>
ReadOutcome read_each(ReplyCursor& cursor, std::string_view expected, Out& out, ReadOne read_one) {
    const ReplyCursor before = cursor;
    const ReplyNode head = cursor.next();
    if (!is_list(head)) return refuse(cursor, before, expected, head);
    out.clear();
    out.reserve(static_cast<std::size_t>(head.integer));
    for (std::int64_t i = 0; i < head.integer; ++i) {
        if (const ReadOutcome one = read_one(cursor, out.emplace_back()); !one) {
            return refuse(cursor, before, expected, one.got());
        }
    }
    return ReadOutcome::ok();
}

/// An array of `size`, or of one more at most where servers have come to add something; its elements are read by
/// `read_elements(count)`.
template <class ReadElements>
ReadOutcome read_tuple(ReplyCursor& cursor, std::string_view expected, std::int64_t size, std::int64_t most,
                       ReadElements read_elements) {
    const ReplyCursor before = cursor;
    const ReplyNode head = cursor.next();
    if (head.type != RespType::array || head.integer < size || head.integer > most) {
        return refuse(cursor, before, expected, head);
    }
    if (const ReadOutcome inner = read_elements(head.integer); !inner) {
        return refuse(cursor, before, expected, inner.got());
    }
    return ReadOutcome::ok();
}

/// Several readings, one after the other; the first that fails decides.
template <class... Readings>
ReadOutcome read_in_turn(Readings... readings) {
    ReadOutcome outcome = ReadOutcome::ok();
    (void)((outcome = readings(), static_cast<bool>(outcome)) && ...);
    return outcome;
}

/// A name that must carry the prefix, which it loses.
inline ReadOutcome read_own_name(ReplyCursor& cursor, const KeyPrefix& prefix, std::string& out) {
    const ReplyNode name = cursor.next();
    if (!name.is_string()) return ReadOutcome::mismatch("key", name);
    const auto own = prefix.strip(name.text);
    if (!own) return ReadOutcome::foreign_key();
    out.assign(*own);
    return ReadOutcome::ok();
}

/// An integer, also one that is sent as text.
inline ReadOutcome read_count(ReplyCursor& cursor, std::int64_t& out) {
    const ReplyNode node = cursor.next();
    if (node.type == RespType::integer) {
        out = node.integer;
        return ReadOutcome::ok();
    }
    const char* const end = node.text.data() + node.text.size();
    const auto [stop, error] = std::from_chars(node.text.data(), end, out);
    if (!node.is_string() || error != std::errc{} || stop != end) return ReadOutcome::mismatch("integer", node);
    return ReadOutcome::ok();
}

inline ReadOutcome read_milliseconds(ReplyCursor& cursor, std::chrono::milliseconds& out) {
    std::int64_t count = 0;
    const ReadOutcome outcome = read_count(cursor, count);
    out = std::chrono::milliseconds(count);
    return outcome;
}

/// [key, rest] or nil, as the commands answer that take from the first of several keys. The rest is read by
/// `read_rest(value)`.
template <class Out, class ReadRest>
ReadOutcome read_keyed(ReplyCursor& cursor, const KeyPrefix& prefix, std::int64_t size, std::string_view expected,
                       std::optional<Out>& out, ReadRest read_rest) {
    const ReplyCursor before = cursor;
    const ReplyNode head = cursor.next();
    out.reset();
    if (head.is_null()) return ReadOutcome::ok();
    if (!is_list(head) || head.integer != size) return refuse(cursor, before, expected, head);
    const ReadOutcome key = read_own_name(cursor, prefix, out.emplace().key);
    if (key.status() == ReadOutcome::Status::foreign_key) {
        static_cast<void>(refuse(cursor, before, expected, head));  // moves behind the reply
        return key;
    }
    if (!key) return refuse(cursor, before, expected, key.got());
    if (const ReadOutcome rest = read_rest(*out); !rest) return refuse(cursor, before, expected, rest.got());
    return ReadOutcome::ok();
}

}  // namespace redoubt::resp
