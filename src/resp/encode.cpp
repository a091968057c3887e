// resp: writes commands as RESP arrays of bulk strings, keys with the project's prefix in place.
#include <array>
#include <charconv>
#include <cstring>

#include <redoubt/resp/command.hpp>

namespace redoubt {
namespace {

static_assert(Argument::Kind::text < Argument::Kind::key && static_cast<int>(Argument::Kind::key) == 1,
              "`kind() <= Kind::key` means one text or one key");

// `$` length CR LF ... CR LF: at most 20 digits and 5 more; one byte for a bound's bracket.
constexpr std::size_t bulk_overhead = 26;
// The longest double is 24 characters, the longest integer 20; with `(`, `$25` and two CR LF.
constexpr std::size_t number_bound = 32;
constexpr std::size_t longest_number = 25;

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

char* put_crlf(char* out) noexcept {
    out[0] = '\r';
    out[1] = '\n';
    return out + 2;
}

constexpr std::size_t head_bytes = 8;
/// `$5\r\n`, `$42\r\n`: all heads of one or two digits, which are by far the most frequent.
constexpr auto heads = [] {
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

/// `$5\r\n` or `*5\r\n`. Writes up to four bytes past its end, for which `bulk_overhead` has room.
[[gnu::always_inline]] inline char* put_head(char* out, char type, std::size_t number) noexcept {
    if (number < heads.size()) {
        std::memcpy(out, heads[number].data(), head_bytes);
        *out = type;
        return out + (number < 10 ? 4 : 5);
    }
    *out = type;
    return put_crlf(std::to_chars(out + 1, out + 21, number).ptr);
}

[[gnu::always_inline]] inline char* put_joined(char* out, std::string_view prefix, std::string_view text) noexcept {
    out = put_head(out, '$', prefix.size() + text.size());
    out = put(out, prefix);
    out = put(out, text);
    return put_crlf(out);
}

char* put_bulk(char* out, std::string_view text) noexcept { return put_joined(out, {}, text); }

char* put_key(char* out, std::string_view prefix, std::string_view key) noexcept {
    return put_joined(out, prefix, key);
}

char* put_bracketed(char* out, char bracket, std::string_view text) noexcept {
    out = put_head(out, '$', text.size() + 1);
    *out++ = bracket;
    out = put(out, text);
    return put_crlf(out);
}

template <class Number>
char* put_number(char* out, Number number, bool open = false) noexcept {
    char digits[longest_number + 1];
    char* first = digits;
    if (open) *first++ = '(';
    const char* last = std::to_chars(first, digits + sizeof digits, number).ptr;
    return put_bulk(out, {digits, static_cast<std::size_t>(last - digits)});
}

bool is_glob_character(char byte) noexcept {
    switch (byte) {
        case '*':
        case '?':
        case '[':
        case ']':
        case '\\':
        case '^': return true;
        default: return false;
    }
}

/// As KeyPrefix::glob_escaped, without a string of its own.
char* put_glob(char* out, std::string_view prefix, std::string_view glob) noexcept {
    std::size_t size = prefix.size() + glob.size();
    for (const char byte : prefix) size += is_glob_character(byte) ? 1 : 0;
    out = put_head(out, '$', size);
    for (const char byte : prefix) {
        if (is_glob_character(byte)) *out++ = '\\';
        *out++ = byte;
    }
    out = put(out, glob);
    return put_crlf(out);
}

/// Everything but one text or key. Kept out of the fast path, whose registers it would take.
[[gnu::noinline]] char* put_rare(const Argument& argument, std::string_view prefix, char* out) noexcept {
    switch (argument.kind()) {
        case Argument::Kind::text: return put_bulk(out, argument.as_text());
        case Argument::Kind::key: return put_key(out, prefix, argument.as_text());
        case Argument::Kind::glob: return put_glob(out, prefix, argument.as_text());
        case Argument::Kind::closed_text: return put_bracketed(out, '[', argument.as_text());
        case Argument::Kind::open_text: return put_bracketed(out, '(', argument.as_text());
        case Argument::Kind::integer: return put_number(out, argument.as_integer());
        case Argument::Kind::unsigned_integer: return put_number(out, argument.as_unsigned_integer());
        case Argument::Kind::real: return put_number(out, argument.as_real());
        case Argument::Kind::open_real: return put_number(out, argument.as_real(), true);
        case Argument::Kind::texts:
            for (const std::string_view text : argument.as_run<std::string_view>()) out = put_bulk(out, text);
            return out;
        case Argument::Kind::keys:
            for (const std::string_view key : argument.as_run<std::string_view>()) out = put_key(out, prefix, key);
            return out;
        case Argument::Kind::pairs:
            for (const TextPair& pair : argument.as_run<TextPair>()) {
                out = put_bulk(put_bulk(out, pair.first), pair.second);
            }
            return out;
        case Argument::Kind::key_pairs:
            for (const TextPair& pair : argument.as_run<TextPair>()) {
                out = put_bulk(put_key(out, prefix, pair.first), pair.second);
            }
            return out;
        case Argument::Kind::scores:
            for (const ScoreMemberView& entry : argument.as_run<ScoreMemberView>()) {
                out = put_bulk(put_number(out, entry.score), entry.member);
            }
            return out;
        case Argument::Kind::reals:
            for (const double number : argument.as_run<double>()) out = put_number(out, number);
            return out;
    }
    return out;
}

[[gnu::noinline]] std::size_t rare_bound(const Argument& argument, std::size_t prefix) noexcept {
    std::size_t bound = 0;
    switch (argument.kind()) {
        case Argument::Kind::text:
        case Argument::Kind::closed_text:
        case Argument::Kind::open_text: return bulk_overhead + argument.as_text().size();
        case Argument::Kind::key: return bulk_overhead + prefix + argument.as_text().size();
        case Argument::Kind::glob: return bulk_overhead + 2 * prefix + argument.as_text().size();
        case Argument::Kind::integer:
        case Argument::Kind::unsigned_integer:
        case Argument::Kind::real:
        case Argument::Kind::open_real: return number_bound;
        case Argument::Kind::texts:
            for (const std::string_view text : argument.as_run<std::string_view>())
                bound += bulk_overhead + text.size();
            return bound;
        case Argument::Kind::keys:
            for (const std::string_view key : argument.as_run<std::string_view>()) {
                bound += bulk_overhead + prefix + key.size();
            }
            return bound;
        case Argument::Kind::pairs:
        case Argument::Kind::key_pairs:
            for (const TextPair& pair : argument.as_run<TextPair>()) {
                bound += 2 * bulk_overhead + prefix + pair.first.size() + pair.second.size();
            }
            return bound;
        case Argument::Kind::scores:
            for (const ScoreMemberView& entry : argument.as_run<ScoreMemberView>()) {
                bound += number_bound + bulk_overhead + entry.member.size();
            }
            return bound;
        case Argument::Kind::reals: return number_bound * argument.as_run<double>().size();
    }
    return bound;
}

}  // namespace

std::size_t encoded_bound(const CommandSpec& spec, std::span<const Argument> arguments,
                          const KeyPrefix& prefix) noexcept {
    std::size_t bound = bulk_overhead + spec.encoded_name.size();
    for (const Argument& argument : arguments) {
        if (argument.kind() <= Argument::Kind::key) {
            bound += bulk_overhead + prefix.size() + argument.as_text().size();
        } else {
            bound += rare_bound(argument, prefix.size());
        }
    }
    return bound;
}

char* encode(const CommandSpec& spec, std::span<const Argument> arguments, const KeyPrefix& prefix,
             char* out) noexcept {
    std::size_t count = spec.words;
    for (const Argument& argument : arguments) count += argument.kind() <= Argument::Kind::key ? 1 : argument.count();
    out = put_head(out, '*', count);
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

std::size_t encoded_bound(const CommandView& command, const KeyPrefix& prefix) noexcept {
    return encoded_bound(command.spec(), command.arguments(), prefix);
}

char* encode(const CommandView& command, const KeyPrefix& prefix, char* out) noexcept {
    return encode(command.spec(), command.arguments(), prefix, out);
}

}  // namespace redoubt
