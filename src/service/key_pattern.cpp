// service: what keys have in common: their names without what varies from key to key.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <redoubt/service/memory_report.hpp>

namespace redoubt {
namespace {

// A shorter run may be a word: `cafe`, `dead`.
constexpr std::size_t shortest_hex = 8;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// How many bytes of a UUID stand here; 0: none.
std::size_t uuid_at(std::string_view text) noexcept {
    constexpr std::array<std::size_t, 5> groups{8, 4, 4, 4, 12};
    std::size_t at = 0;
    for (std::size_t i = 0; i != groups.size(); ++i) {
        if (i != 0 && (at >= text.size() || text[at++] != '-')) return 0;
        if (text.size() - at < groups[i]) return 0;
        const std::string_view digits = text.substr(at, groups[i]);
        if (!std::all_of(digits.begin(), digits.end(), is_hex)) return 0;
        at += groups[i];
    }
    return at < text.size() && is_hex(text[at]) ? 0 : at;
}

/// How many bytes of a run of hexadecimal digits that is no word and no part of one.
std::size_t hex_at(std::string_view text) noexcept {
    const auto end = std::find_if_not(text.begin(), text.end(), is_hex);
    const auto size = static_cast<std::size_t>(end - text.begin());
    if (size < shortest_hex || (end != text.end() && is_letter(*end))) return 0;
    const bool mixed = std::any_of(text.begin(), end, is_digit) && std::any_of(text.begin(), end, is_letter);
    return mixed ? size : 0;
}

}  // namespace

std::string key_pattern(std::string_view key) {
    std::string pattern;
    char before = '\0';
    while (!key.empty()) {
        std::size_t size = 0;
        if (!is_letter(before) && !is_digit(before)) {
            size = uuid_at(key);
            if (size == 0) size = hex_at(key);
        }
        if (size == 0) {
            size = static_cast<std::size_t>(std::find_if_not(key.begin(), key.end(), is_digit) - key.begin());
        }
        const bool varies = size != 0;
        if (!varies) size = 1;
        before = key[size - 1];
        pattern += varies ? '*' : before;
        key.remove_prefix(size);
    }
    return pattern;
}

}  // namespace redoubt
