// resp: what the readers of replies share.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <redoubt/resp/read_reply.hpp>

namespace redoubt::resp {

/// A double as servers print it: `3.14`, `1e+20`, `inf`, `-inf`, `nan`. What does not fit is none.
inline std::optional<double> parse_double(std::string_view text) noexcept {
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

inline bool is_list(const ReplyNode& node) noexcept {
    return node.type == RespType::array || node.type == RespType::set;
}

/// A mismatch that leaves the cursor behind the reply that began at `before`.
inline ReadOutcome refuse(ReplyCursor& cursor, ReplyCursor before, std::string_view expected, RespType got) noexcept {
    before.skip();
    cursor = before;
    return ReadOutcome::mismatch(expected, got);
}
inline ReadOutcome refuse(ReplyCursor& cursor, ReplyCursor before, std::string_view expected,
                          const ReplyNode& got) noexcept {
    return refuse(cursor, before, expected, got.type);
}

/// Reads an array or set into `out`, whose elements have a reader. The scanner has seen every element, so the
/// count is true and may be reserved.
template <class Out, class Element = typename Out::value_type>
ReadOutcome read_list(ReplyCursor& cursor, const KeyPrefix& prefix, Out& out, std::string_view expected) {
    const ReplyCursor before = cursor;
    const ReplyNode head = cursor.next();
    if (!is_list(head)) return refuse(cursor, before, expected, head);
    out.clear();
    out.reserve(static_cast<std::size_t>(head.integer));
    for (std::int64_t i = 0; i < head.integer; ++i) {
        if constexpr (std::is_same_v<Element, bool>) {  // there are no references to these
            bool element = false;
            if (const ReadOutcome one = read_reply(cursor, prefix, element); !one) {
                return refuse(cursor, before, expected, one.got());
            }
            out.push_back(element);
        } else if (const ReadOutcome one = read_reply(cursor, prefix, out.emplace_back()); !one) {
            return refuse(cursor, before, expected, one.got());
        }
    }
    return ReadOutcome::ok();
}

/// Reads pairs, however they are sent: a map, an array of arrays of two, or a flat array of even length.
/// `reserve(count)` is called once, then `read_pair(cursor)` for each, which reads both halves.
template <class Reserve, class ReadPair>
ReadOutcome read_pairs(ReplyCursor& cursor, std::string_view expected, Reserve reserve, ReadPair read_pair) {
    const ReplyCursor before = cursor;
    const ReplyNode head = cursor.next();
    std::int64_t count = head.integer;
    bool nested = false;
    if (is_list(head)) {
        nested = count != 0 && cursor.peek().type == RespType::array;
        if (!nested) {
            if (count % 2 != 0) return refuse(cursor, before, expected, head);
            count /= 2;
        }
    } else if (head.type != RespType::map) {
        return refuse(cursor, before, expected, head);
    }
    reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
        if (nested) {
            const ReplyNode pair = cursor.next();
            if (pair.type != RespType::array || pair.integer != 2) return refuse(cursor, before, expected, pair);
        }
        if (const ReadOutcome one = read_pair(cursor); !one) return refuse(cursor, before, expected, one.got());
    }
    return ReadOutcome::ok();
}

}  // namespace redoubt::resp
