// isolation: words and numbers of raw commands, read so strictly that the server cannot read them otherwise.
#include <algorithm>
#include <chrono>
#include <limits>

#include "isolation/parse.hpp"

namespace redoubt::isolation {
namespace {

constexpr std::chrono::hours longest_wait{24 * 365};

Error refused(std::string_view name, std::string_view why) {
    std::string text{name};
    text.append(" is refused: ").append(why);
    return Error::with_detail(ErrorKind::isolation, Certainty::not_sent, Stage::admission, std::move(text));
}

/// Of at most 19 digits, which fit.
std::uint64_t value_of(std::string_view digits) noexcept {
    std::uint64_t value = 0;
    for (const char byte : digits) value = value * 10 + static_cast<std::uint64_t>(byte - '0');
    return value;
}

std::optional<Duration> checked_wait(std::chrono::milliseconds wait) noexcept {
    if (wait > longest_wait) return std::nullopt;
    return wait == wait.zero() ? CommandView::forever : Duration(wait);
}

}  // namespace

Error refusal(const CommandSpec& spec, std::string_view why) {
    Error error = refused(spec.name, why);
    error.operation = spec.name;
    return error;
}

Error refusal(std::string_view name, std::string_view why) { return refused(name, why); }

bool is_option(std::string_view word, std::string_view option) noexcept {
    return std::equal(word.begin(), word.end(), option.begin(), option.end(), [](char byte, char upper) {
        return (byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte) == upper;
    });
}

bool is_digits(std::string_view word) noexcept {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char byte) { return byte >= '0' && byte <= '9'; });
}

bool is_integer(std::string_view word) noexcept {
    if (word == "0") return true;
    const bool negative = word.starts_with('-');
    if (negative) word.remove_prefix(1);
    if (!is_digits(word) || word.front() == '0' || word.size() > 19) return false;
    constexpr std::string_view largest = "9223372036854775807";
    constexpr std::string_view lowest = "9223372036854775808";
    return word.size() < largest.size() || word <= (negative ? lowest : largest);
}

std::optional<std::size_t> read_count(std::string_view word, std::size_t longest) noexcept {
    if (!is_digits(word) || word.size() > std::min<std::size_t>(longest, 19) || word.front() == '0')
        return std::nullopt;
    return value_of(word);
}

std::optional<Duration> read_wait_seconds(std::string_view word) noexcept {
    const std::size_t point = std::min(word.find('.'), word.size());
    const std::string_view whole = word.substr(0, point);
    std::string_view fraction = word.substr(std::min(point + 1, word.size()));
    if (!is_digits(whole) || whole.size() > 9) return std::nullopt;
    if (point != word.size() && !is_digits(fraction)) return std::nullopt;
    auto milliseconds = static_cast<std::int64_t>(value_of(whole)) * 1000;
    // The server rounds up to whole milliseconds.
    std::string_view rest = fraction.substr(std::min<std::size_t>(fraction.size(), 3));
    fraction.remove_suffix(rest.size());
    std::int64_t scale = 100;
    for (const char byte : fraction) {
        milliseconds += (byte - '0') * scale;
        scale /= 10;
    }
    if (rest.find_first_not_of('0') != std::string_view::npos) ++milliseconds;
    return checked_wait(std::chrono::milliseconds(milliseconds));
}

std::optional<Duration> read_wait_milliseconds(std::string_view word) noexcept {
    if (word == "0") return CommandView::forever;
    const std::optional<std::size_t> count = read_count(word, 18);
    if (!count) return std::nullopt;
    return checked_wait(std::chrono::milliseconds(*count));
}

Argument channel(std::string_view name, Rules rules) noexcept {
    return rules.holds(Rule::channel_prefix) ? Argument::key(name) : Argument::text(name);
}

}  // namespace redoubt::isolation
