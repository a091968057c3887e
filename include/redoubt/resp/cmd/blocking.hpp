// resp: builders of the commands that wait at the server for an element.
//
// Such a call has a connection of its own while it waits, and, unless it is given a deadline, may last as long as the
// wait and one attempt. A wait of 0 is for ever: then the call needs a deadline, or, async, a cancellation slot. Giving
// up on one that was sent closes its connection; the outcome is `unknown`, for an element may be on its way.
#pragma once

#include <chrono>

#include <redoubt/resp/cmd/keys.hpp>
#include <redoubt/resp/cmd/lists.hpp>
#include <redoubt/resp/cmd/sorted_sets.hpp>

namespace redoubt {

/// An element, and the list that it came from.
struct KeyedElement {
    std::string key;
    std::string element;
    friend bool operator==(const KeyedElement&, const KeyedElement&) = default;
};

/// A member with its score, and the sorted set that it came from.
struct KeyedMember {
    std::string key;
    std::string member;
    double score = 0;
    friend bool operator==(const KeyedMember&, const KeyedMember&) = default;
};

namespace cmd {

/// Takes an element from the first of the lists that has one; nullopt when the wait ended without.
Command<std::optional<KeyedElement>> blpop(std::string_view key, std::chrono::milliseconds wait);
Command<std::optional<KeyedElement>> blpop(TextList keys, std::chrono::milliseconds wait);
Command<std::optional<KeyedElement>> blpop(TextBraces keys, std::chrono::milliseconds wait);
Command<std::optional<KeyedElement>> brpop(std::string_view key, std::chrono::milliseconds wait);
Command<std::optional<KeyedElement>> brpop(TextList keys, std::chrono::milliseconds wait);
Command<std::optional<KeyedElement>> brpop(TextBraces keys, std::chrono::milliseconds wait);
/// LMOVE that waits for an element to move.
Command<std::optional<std::string>> blmove(std::string_view source, std::string_view destination, ListEnd from,
                                           ListEnd to, std::chrono::milliseconds wait);
/// RPOPLPUSH that waits for an element to move.
Command<std::optional<std::string>> brpoplpush(std::string_view source, std::string_view destination,
                                               std::chrono::milliseconds wait);
/// LMPOP that waits until one of the lists has an element.
Command<std::optional<KeyedElements>> blmpop(std::string_view key, ListEnd from, std::chrono::milliseconds wait,
                                             std::uint32_t count = 1);
Command<std::optional<KeyedElements>> blmpop(TextList keys, ListEnd from, std::chrono::milliseconds wait,
                                             std::uint32_t count = 1);
Command<std::optional<KeyedElements>> blmpop(TextBraces keys, ListEnd from, std::chrono::milliseconds wait,
                                             std::uint32_t count = 1);
/// ZMPOP that waits until one of the sorted sets has a member.
Command<std::optional<KeyedMembers>> bzmpop(std::string_view key, ScoreEnd from, std::chrono::milliseconds wait,
                                            std::uint32_t count = 1);
Command<std::optional<KeyedMembers>> bzmpop(TextList keys, ScoreEnd from, std::chrono::milliseconds wait,
                                            std::uint32_t count = 1);
Command<std::optional<KeyedMembers>> bzmpop(TextBraces keys, ScoreEnd from, std::chrono::milliseconds wait,
                                            std::uint32_t count = 1);
/// Takes the member with the lowest (highest) score from the first of the sorted sets that has one.
Command<std::optional<KeyedMember>> bzpopmin(std::string_view key, std::chrono::milliseconds wait);
Command<std::optional<KeyedMember>> bzpopmin(TextList keys, std::chrono::milliseconds wait);
Command<std::optional<KeyedMember>> bzpopmin(TextBraces keys, std::chrono::milliseconds wait);
Command<std::optional<KeyedMember>> bzpopmax(std::string_view key, std::chrono::milliseconds wait);
Command<std::optional<KeyedMember>> bzpopmax(TextList keys, std::chrono::milliseconds wait);
Command<std::optional<KeyedMember>> bzpopmax(TextBraces keys, std::chrono::milliseconds wait);

}  // namespace cmd
}  // namespace redoubt
