// base: texts of settings and messages read strictly and written briefly: numbers, durations, yes and no.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <redoubt/base/clock.hpp>

namespace redoubt::base {

/// A whole number in decimal digits alone: no sign, space, or anything behind it.
template <std::unsigned_integral T>
std::optional<T> parse_unsigned(std::string_view text) noexcept {
    T value{};
    const char* const end = text.data() + text.size();
    // from_chars takes no sign for unsigned types, so a `+` or `-` is refused here too.
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
}

/// `0.85`, `2`, `.5`: digits with at most one point; no sign, exponent, `nan` or `inf`.
std::optional<double> parse_decimal(std::string_view text) noexcept;

/// Seconds as a decimal (`1.5`), or a decimal with one of `us`, `ms`, `s`, `m`, `h`, rounded to the clock's
/// tick. Nullopt also for what is longer than the clock can count.
std::optional<Duration> parse_duration(std::string_view text) noexcept;

/// `yes`, `true`, `on`, `1` and their opposites, in any case.
std::optional<bool> parse_flag(std::string_view text) noexcept;

/// ASCII only, so that no locale changes what a setting means.
bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept;

/// `2.01 s`, `250 ms`, `15 us`, at most three digits that matter; whole seconds are kept exact.
std::string format_duration(Duration duration);

/// Control bytes, DEL, quotes and backslashes become escapes, so that a foreign text cannot break a log line.
std::string escaped(std::string_view text);

}  // namespace redoubt::base
