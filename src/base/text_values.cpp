// base: texts of settings and messages read strictly and written briefly: numbers, durations, yes and no.
#include "base/text_values.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace redoubt::base {

namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

constexpr double ticks_per_second =
    static_cast<double>(Duration::period::den) / static_cast<double>(Duration::period::num);

}  // namespace

std::optional<double> parse_decimal(std::string_view text) noexcept {
    // from_chars would take "nan", "inf" and "-1".
    if (!std::any_of(text.begin(), text.end(), is_digit)) return std::nullopt;
    if (!std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; })) return std::nullopt;
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
    if (error != std::errc{} || stop != end || !std::isfinite(value)) return std::nullopt;
    return value;
}

std::optional<Duration> parse_duration(std::string_view text) noexcept {
    using Unit = std::pair<std::string_view, double>;
    // `us` and `ms` stand before `s`, which ends both.
    static constexpr std::array<Unit, 5> units{Unit{"us", 1e-6}, Unit{"ms", 1e-3}, Unit{"s", 1.0}, Unit{"m", 60.0},
                                               Unit{"h", 3600.0}};
    double seconds_per_unit = 1.0;
    for (const auto& [suffix, seconds] : units) {
        if (!text.ends_with(suffix)) continue;
        text.remove_suffix(suffix.size());
        seconds_per_unit = seconds;
        break;
    }
    const auto number = parse_decimal(text);
    if (!number) return std::nullopt;
    const double ticks = *number * seconds_per_unit * ticks_per_second;
    if (!(ticks < static_cast<double>(Duration::max().count()) / 2)) return std::nullopt;
    return Duration{static_cast<Duration::rep>(std::llround(ticks))};
}

bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return lower(a) == lower(b); });
}

std::optional<bool> parse_flag(std::string_view text) noexcept {
    for (const auto word : {"yes", "true", "on", "1"})
        if (equals_ignoring_case(text, word)) return true;
    for (const auto word : {"no", "false", "off", "0"})
        if (equals_ignoring_case(text, word)) return false;
    return std::nullopt;
}

std::string format_duration(Duration duration) {
    using namespace std::chrono;
    if (duration % seconds{1} == Duration::zero()) return fmt::format("{} s", duration / seconds{1});
    const double in_seconds = static_cast<double>(duration.count()) / ticks_per_second;
    const double size = std::abs(in_seconds);
    if (size >= 100) return fmt::format("{:.0f} s", in_seconds);
    // Just below a unit, three digits would round up to a thousand of the smaller one.
    if (size >= 0.9995) return fmt::format("{:.3g} s", in_seconds);
    if (size >= 0.9995e-3) return fmt::format("{:.3g} ms", in_seconds * 1e3);
    if (size >= 0.9995e-6) return fmt::format("{:.3g} us", in_seconds * 1e6);
    return fmt::format("{:.3g} ns", in_seconds * 1e9);
}

std::string escaped(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (byte < 0x20 || byte == 0x7f) {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace redoubt::base
