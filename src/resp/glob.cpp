// resp: glob patterns; see the header.
#include "resp/glob.hpp"

#include <utility>

namespace redoubt::resp {
namespace {

/// One element of a pattern that stands for one byte: does it match, and where does it end?
struct Element {
    bool matches;
    std::size_t size;
};

// `[^a-c\]]`. Without its closing bracket the set goes to the pattern's end, as the server reads it.
Element match_set(std::string_view set, unsigned char byte) noexcept {
    std::size_t at = 1;
    const bool negated = at < set.size() && set[at] == '^';
    if (negated) ++at;
    bool found = false;
    for (;; ++at) {
        if (at >= set.size()) {
            --at;
            break;
        }
        if (set[at] == '\\' && at + 1 < set.size()) {
            ++at;
            found |= static_cast<unsigned char>(set[at]) == byte;
        } else if (set[at] == ']') {
            break;
        } else if (at + 2 < set.size() && set[at + 1] == '-') {
            auto first = static_cast<unsigned char>(set[at]);
            auto last = static_cast<unsigned char>(set[at + 2]);
            if (first > last) std::swap(first, last);
            found |= first <= byte && byte <= last;
            at += 2;
        } else {
            found |= static_cast<unsigned char>(set[at]) == byte;
        }
    }
    return {found != negated, at + 1};
}

Element match_one(std::string_view pattern, unsigned char byte) noexcept {
    switch (pattern[0]) {
        case '?': return {true, 1};
        case '[': return match_set(pattern, byte);
        case '\\':
            if (pattern.size() >= 2) return {static_cast<unsigned char>(pattern[1]) == byte, 2};
            break;
        default: break;
    }
    return {static_cast<unsigned char>(pattern[0]) == byte, 1};
}

}  // namespace

// A star that fails takes one byte more; an earlier one never has to, since whatever it could reach the later one reaches
// too.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;  // behind the last star
    std::size_t taken = 0;                      // where the text goes on behind what that star took
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = ++p;
            taken = t;
            continue;
        }
        if (p < pattern.size()) {
            const Element element = match_one(pattern.substr(p), static_cast<unsigned char>(text[t]));
            if (element.matches) {
                p += element.size;
                ++t;
                continue;
            }
        }
        if (star == std::string_view::npos) return false;
        p = star;
        t = ++taken;
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

}  // namespace redoubt::resp
