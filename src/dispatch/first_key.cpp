// dispatch: reading encoded commands; see the header.
#include "dispatch/first_key.hpp"

#include <algorithm>
#include <cstddef>

#include <redoubt/resp/command_table.hpp>

#include "dispatch/encoded_words.hpp"

namespace redoubt::dispatch {
namespace {

constexpr int commands_looked_at = 8;

constexpr std::size_t behind_streams = static_cast<std::size_t>(-1);

bool is_streams(std::string_view word) noexcept {
    constexpr std::string_view upper = "STREAMS";
    return std::equal(word.begin(), word.end(), upper.begin(), upper.end(),
                      [](char byte, char wanted) { return (byte >= 'a' ? byte - 'a' + 'A' : byte) == wanted; });
}

// Of what stands at this position, of `count` words; the name is word 0. The keys of XREAD stand where STREAMS ends its
// options; a group of that name costs the order alone.
std::size_t key_position(std::string_view name, std::string_view second, std::size_t count) noexcept {
    const CommandSpec* const spec = find_command(name, second);
    if (spec != nullptr && spec->reply == ReplyRule::stream_map) return is_streams(second) ? 2 : behind_streams;
    if (count < 2 || spec == nullptr || spec->policy == Policy::keyless) return 0;
    if (spec->keys.first > 0) return static_cast<std::size_t>(spec->keys.first);
    if (spec->keys.numkeys > 0) return static_cast<std::size_t>(spec->keys.numkeys) + 1;
    return 1;
}

}  // namespace

std::string_view first_key(std::string_view encoded) noexcept {
    EncodedWords words(encoded);
    for (int i = 0; i != commands_looked_at && !words.at_end(); ++i) {
        const std::size_t count = words.number('*');
        const std::string_view name = words.word();
        const std::string_view second = count > 1 ? words.word() : std::string_view();
        const std::size_t position = key_position(name, second, count);
        if (position == 1) return second;
        for (std::size_t at = 2; at < count; ++at) {
            const std::string_view word = words.word();
            if (at == position) return word;
            if (position == behind_streams && is_streams(word) && at + 1 < count) return words.word();
            if (words.at_end()) break;
        }
    }
    return {};
}

std::string_view command_name(std::string_view encoded, std::uint32_t index, NamesPosition& at) noexcept {
    if (at.left.empty() || index < at.index) at = {encoded, 0};
    for (;; ++at.index) {
        EncodedWords words(at.left);
        const std::size_t count = words.number('*');
        const std::string_view name = words.word();
        const std::string_view second = count > 1 ? words.word() : std::string_view();
        if (at.index == index) {
            const CommandSpec* const spec = find_command(name, second);
            return spec != nullptr ? spec->name : std::string_view();
        }
        for (std::size_t i = 2; i < count && !words.at_end(); ++i) (void)words.word();
        at.left = words.left();
        if (words.at_end()) return {};
    }
}

}  // namespace redoubt::dispatch
