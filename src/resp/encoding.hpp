// resp: the usual part of encoding, one text or key after the other, inline for those who encode in a hurry.
#pragma once

#include <array>
#include <cstring>

#include <redoubt/resp/command.hpp>

namespace redoubt::resp {

static_assert(Argument::Kind::text < Argument::Kind::key && static_cast<int>(Argument::Kind::key) == 1,
              "`kind() <= Kind::key` means one text or one key");

// `$` length CR LF ... CR LF: at most 20 digits and 5 more; one byte for a bound's bracket.
inline constexpr std::size_t bulk_overhead = 26;
// The same of a short one, two digits, with what `put_head` writes past its end.
inline constexpr std::size_t short_overhead = 12;
inline constexpr std::size_t short_text = 100;
/// Copies `Bytes` from each end; they overlap where the text is shorter than both.
template <std::size_t Bytes>
[[gnu::always_inline]] inline char* put_ends(char* out, std::string_view text) noexcept {
    char first[Bytes];
    char last[Bytes];
    std::memcpy(first, text.data(), Bytes);
    std::memcpy(last, text.data() + text.size() - Bytes, Bytes);
    std::memcpy(out, first, Bytes);
    std::memcpy(out + text.size() - Bytes, last, Bytes);
    return out + text.size();
}

/// Names, prefixes and keys are short: a call of memcpy for each would be a third of the work.
[[gnu::always_inline]] inline char* put(char* out, std::string_view text) noexcept {
    const std::size_t size = text.size();
    if (size < 16) {
        if (size >= 8) return put_ends<8>(out, text);
        if (size >= 4) return put_ends<4>(out, text);
        for (std::size_t i = 0; i < size; ++i) out[i] = text[i];
        return out + size;
    }
    if (size <= 32) return put_ends<16>(out, text);
    std::memcpy(out, text.data(), size);
    return out + size;
}

inline char* put_crlf(char* out) noexcept {
    out[0] = '\r';
    out[1] = '\n';
    return out + 2;
}

inline constexpr std::size_t head_bytes = 8;
/// `$5\r\n`, `$42\r\n`: all heads of one or two digits, which are by far the most frequent.
inline constexpr auto heads = [] {
    std::array<std::array<char, head_bytes>, 100> made{};
    for (std::size_t number = 0; number < made.size(); ++number) {
        std::size_t at = 0;
        made[number][at++] = '$';
        if (number >= 10) made[number][at++] = static_cast<char>('0' + number / 10);
        made[number][at++] = static_cast<char>('0' + number % 10);
        made[number][at++] = '\r';
        made[number][at] = '\n';
    }
    return made;
}();

/// One of three digits or more; kept out of the fast path, whose registers it would take.
char* put_long_head(char* out, char type, std::size_t number) noexcept;

/// `$5\r\n` or `*5\r\n`. Writes up to four bytes past its end, for which `bulk_overhead` has room.
[[gnu::always_inline]] inline char* put_head(char* out, char type, std::size_t number) noexcept {
    if (number < heads.size()) {
        std::memcpy(out, heads[number].data(), head_bytes);
        *out = type;
        return out + (number < 10 ? 4 : 5);
    }
    return put_long_head(out, type, number);
}

[[gnu::always_inline]] inline char* put_joined(char* out, std::string_view prefix, std::string_view text) noexcept {
    out = put_head(out, '$', prefix.size() + text.size());
    out = put(out, prefix);
    out = put(out, text);
    return put_crlf(out);
}

inline char* put_bulk(char* out, std::string_view text) noexcept { return put_joined(out, {}, text); }

inline char* put_key(char* out, std::string_view prefix, std::string_view key) noexcept {
    return put_joined(out, prefix, key);
}

/// Everything but one text or key. Kept out of the fast path, whose registers it would take.
char* put_rare(const Argument& argument, std::string_view prefix, char* out) noexcept;
std::size_t rare_bound(const Argument& argument, std::size_t prefix) noexcept;

/// What a command will take: at most so many bytes, and exactly so many words.
struct Extent {
    std::size_t bytes;
    std::size_t words;
};
[[gnu::always_inline]] inline Extent extent_of(const CommandSpec& spec, std::span<const Argument> arguments,
                                               const KeyPrefix& prefix) noexcept {
    Extent extent{bulk_overhead + spec.encoded_name.size(), spec.words + arguments.size()};
    for (const Argument& argument : arguments) {
        if (argument.kind() <= Argument::Kind::key) {
            const std::size_t size = prefix.size() + argument.as_text().size();
            extent.bytes += size + (size < short_text ? short_overhead : bulk_overhead);
        } else {
            extent.bytes += rare_bound(argument, prefix.size());
            extent.words += argument.count() - 1;
        }
    }
    return extent;
}

[[gnu::always_inline]] inline char* write(const CommandSpec& spec, std::span<const Argument> arguments,
                                          const KeyPrefix& prefix, std::size_t words, char* out) noexcept {
    out = put_head(out, '*', words);
    out = put(out, spec.encoded_name);
    for (const Argument& argument : arguments) {
        if (argument.kind() <= Argument::Kind::key) {
            const bool is_key = argument.kind() == Argument::Kind::key;
            out = put_joined(out, is_key ? prefix.view() : std::string_view{}, argument.as_text());
        } else {
            out = put_rare(argument, prefix.view(), out);
        }
    }
    return out;
}

}  // namespace redoubt::resp
