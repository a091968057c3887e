// resp: builders of the commands on lists; those that wait are in blocking.hpp.
#pragma once

#include <redoubt/resp/cmd/keys.hpp>

namespace redoubt {

enum class ListEnd : std::uint8_t { left, right };
/// Elements, and the list that they came from.
struct KeyedElements {
    std::string key;
    std::vector<std::string> elements;
    friend bool operator==(const KeyedElements&, const KeyedElements&) = default;
};

enum class ListPlace : std::uint8_t { before, after };

/// Where LPOS looks.
struct LposOptions {
    std::int64_t rank = 1;     ///< which match counts as the first; negative: from the tail. Not 0
    std::uint32_t maxlen = 0;  ///< how many elements to compare at most; 0: all
};

static_assert(std::is_trivially_destructible_v<LposOptions> && std::is_trivially_copyable_v<LposOptions>);

namespace cmd {

/// Each push returns the new length; the X forms push only onto a list that exists.
Command<std::int64_t> lpush(std::string_view key, std::string_view element);
Command<std::int64_t> lpush(std::string_view key, TextList elements);
Command<std::int64_t> lpush(std::string_view key, TextBraces elements);
Command<std::int64_t> rpush(std::string_view key, std::string_view element);
Command<std::int64_t> rpush(std::string_view key, TextList elements);
Command<std::int64_t> rpush(std::string_view key, TextBraces elements);
Command<std::int64_t> lpushx(std::string_view key, std::string_view element);
Command<std::int64_t> lpushx(std::string_view key, TextList elements);
Command<std::int64_t> lpushx(std::string_view key, TextBraces elements);
Command<std::int64_t> rpushx(std::string_view key, std::string_view element);
Command<std::int64_t> rpushx(std::string_view key, TextList elements);
Command<std::int64_t> rpushx(std::string_view key, TextBraces elements);

/// Takes one element, or up to `count` of them (none when there is no such key).
Command<std::optional<std::string>> lpop(std::string_view key);
Command<std::vector<std::string>> lpop(std::string_view key, std::uint32_t count);
Command<std::optional<std::string>> rpop(std::string_view key);
Command<std::vector<std::string>> rpop(std::string_view key, std::uint32_t count);
/// Takes up to `count` elements from the first of the lists that has some; nullopt when none has.
Command<std::optional<KeyedElements>> lmpop(std::string_view key, ListEnd from, std::uint32_t count = 1);
Command<std::optional<KeyedElements>> lmpop(TextList keys, ListEnd from, std::uint32_t count = 1);
Command<std::optional<KeyedElements>> lmpop(TextBraces keys, ListEnd from, std::uint32_t count = 1);
/// Moves one element from an end of one list to an end of another (or the same), and returns it.
Command<std::optional<std::string>> lmove(std::string_view source, std::string_view destination, ListEnd from,
                                          ListEnd to);
Command<std::optional<std::string>> rpoplpush(std::string_view source, std::string_view destination);

Command<std::int64_t> llen(std::string_view key);  ///< how many elements
/// Negative indexes count from the end.
Command<std::optional<std::string>> lindex(std::string_view key, std::int64_t index);
Command<Ok> lset(std::string_view key, std::int64_t index, std::string_view element);
/// Inserts beside the first `pivot`. The new length, -1 when there is no pivot, 0 when there is no list.
Command<std::int64_t> linsert(std::string_view key, ListPlace place, std::string_view pivot, std::string_view element);
/// The elements from `start` to `stop`, both included.
Command<std::vector<std::string>> lrange(std::string_view key, std::int64_t start, std::int64_t stop);
/// Keeps only the elements from `start` to `stop`.
Command<Ok> ltrim(std::string_view key, std::int64_t start, std::int64_t stop);
/// Removes the first `count` equal elements, the last ones when it is negative, all when it is 0.
Command<std::int64_t> lrem(std::string_view key, std::int64_t count, std::string_view element);
/// Where an element stands.
Command<std::optional<std::int64_t>> lpos(std::string_view key, std::string_view element, LposOptions options = {});
/// Where it stands, up to `count` places (0: all).
Command<std::vector<std::int64_t>> lpos_all(std::string_view key, std::string_view element, std::uint32_t count = 0,
                                            LposOptions options = {});

}  // namespace cmd
}  // namespace redoubt
