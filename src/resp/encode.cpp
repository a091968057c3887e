// resp: writes commands as RESP arrays of bulk strings, keys with the project's prefix in place.
#include <charconv>

#include <redoubt/resp/cmd/bitmaps.hpp>
#include <redoubt/resp/cmd/geo.hpp>

#include "resp/encoding.hpp"

namespace redoubt {
namespace resp {

char* put_long_head(char* out, char type, std::size_t number) noexcept {
    *out = type;
    return put_crlf(std::to_chars(out + 1, out + 21, number).ptr);
}

namespace {

// The longest double is 24 characters, the longest integer 20; with `(`, `$25` and two CR LF.
constexpr std::size_t number_bound = 32;
/// With room for what `put` reads of a long text, since the compiler cannot know that no number is one.
constexpr std::size_t digits_room = 40;

char* put_bracketed(char* out, char bracket, std::string_view text) noexcept {
    out = put_head(out, '$', text.size() + 1);
    *out++ = bracket;
    out = put(out, text);
    return put_crlf(out);
}

template <class Number>
char* put_number(char* out, Number number, bool open = false) noexcept {
    char digits[digits_room];
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

/// OVERFLOW holds for what follows until the next one; the first SET or INCRBY begins with WRAP.
bool changes_overflow(const BitfieldOperation& operation, BitfieldOperation::Overflow overflow) noexcept {
    return operation.kind != BitfieldOperation::Kind::get && operation.overflow != overflow;
}

char* put_operation(char* out, const BitfieldOperation& operation, BitfieldOperation::Overflow& overflow) noexcept {
    using Kind = BitfieldOperation::Kind;
    using Overflow = BitfieldOperation::Overflow;
    if (changes_overflow(operation, overflow)) {
        overflow = operation.overflow;
        out = put_bulk(out, "OVERFLOW");
        out = put_bulk(out, overflow == Overflow::wrap ? "WRAP" : overflow == Overflow::sat ? "SAT" : "FAIL");
    }
    out = put_bulk(out, operation.kind == Kind::get ? "GET" : operation.kind == Kind::set ? "SET" : "INCRBY");
    char word[digits_room];
    const auto put_marked = [&](std::string_view mark, std::uint64_t number) {
        char* const first = std::copy(mark.begin(), mark.end(), word);
        const char* const last = std::to_chars(first, word + sizeof word, number).ptr;
        out = put_bulk(out, {word, static_cast<std::size_t>(last - word)});
    };
    put_marked(operation.type.is_signed ? "i" : "u", operation.type.bits);
    put_marked(operation.by_width ? "#" : "", operation.offset);
    return operation.kind == Kind::get ? out : put_number(out, operation.value);
}

}  // namespace

char* put_rare(const Argument& argument, std::string_view prefix, char* out) noexcept {
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
        case Argument::Kind::pair_keys:
            for (const TextPair& pair : argument.as_run<TextPair>()) out = put_key(out, prefix, pair.first);
            return out;
        case Argument::Kind::pair_values:
            for (const TextPair& pair : argument.as_run<TextPair>()) out = put_bulk(out, pair.second);
            return out;
        case Argument::Kind::locations:
            for (const GeoMemberView& entry : argument.as_run<GeoMemberView>()) {
                out = put_number(put_number(out, entry.longitude), entry.latitude);
                out = put_bulk(out, entry.member);
            }
            return out;
        case Argument::Kind::bitfield: {
            auto overflow = BitfieldOperation::Overflow::wrap;
            for (const BitfieldOperation& operation : argument.as_run<BitfieldOperation>()) {
                out = put_operation(out, operation, overflow);
            }
            return out;
        }
    }
    return out;
}

std::size_t rare_bound(const Argument& argument, std::size_t prefix) noexcept {
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
        case Argument::Kind::pair_keys:
            for (const TextPair& pair : argument.as_run<TextPair>()) {
                bound += bulk_overhead + prefix + pair.first.size();
            }
            return bound;
        case Argument::Kind::pair_values:
            for (const TextPair& pair : argument.as_run<TextPair>()) bound += bulk_overhead + pair.second.size();
            return bound;
        case Argument::Kind::locations:
            for (const GeoMemberView& entry : argument.as_run<GeoMemberView>()) {
                bound += 2 * number_bound + bulk_overhead + entry.member.size();
            }
            return bound;
        case Argument::Kind::bitfield: return number_bound * argument.count();
    }
    return bound;
}

}  // namespace resp

std::size_t Argument::bitfield_words() const noexcept {
    std::size_t words = 0;
    auto overflow = BitfieldOperation::Overflow::wrap;
    for (const BitfieldOperation& operation : as_run<BitfieldOperation>()) {
        if (resp::changes_overflow(operation, overflow)) {
            words += 2;
            overflow = operation.overflow;
        }
        words += operation.kind == BitfieldOperation::Kind::get ? 3 : 4;
    }
    return words;
}

std::size_t encoded_bound(const CommandSpec& spec, std::span<const Argument> arguments,
                          const KeyPrefix& prefix) noexcept {
    return resp::extent_of(spec, arguments, prefix).bytes;
}

char* encode(const CommandSpec& spec, std::span<const Argument> arguments, const KeyPrefix& prefix,
             char* out) noexcept {
    return resp::write(spec, arguments, prefix, resp::extent_of(spec, arguments, prefix).words, out);
}

std::size_t encoded_bound(const CommandView& command, const KeyPrefix& prefix) noexcept {
    return encoded_bound(command.spec(), command.arguments(), prefix);
}

char* encode(const CommandView& command, const KeyPrefix& prefix, char* out) noexcept {
    return encode(command.spec(), command.arguments(), prefix, out);
}

}  // namespace redoubt
