// isolation: versions in which scripts stay inside; see the header.
#include "isolation/script_safety.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>

namespace redoubt::isolation {
namespace {

struct Version {
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::uint32_t patch = 0;
    friend auto operator<=>(const Version&, const Version&) = default;
};

// Each the first of its line; above the last line everything is patched.
constexpr std::array redis_lines{Version{7, 2, 11}, Version{7, 4, 6}, Version{8, 2, 2}, Version{8, 4, 0}};
constexpr std::array valkey_lines{Version{9, 0, 3}, Version{9, 1, 0}};

std::string_view field(std::string_view info, std::string_view name) noexcept {
    for (std::size_t at = 0; at < info.size();) {
        const std::size_t end = std::min(info.find("\r\n", at), info.size());
        const std::string_view line = info.substr(at, end - at);
        if (line.starts_with(name)) return line.substr(name.size());
        at = end + 2;
    }
    return {};
}

// `8.2.2`, and nothing behind it: a release candidate is of no known state.
std::optional<Version> parse(std::string_view text) noexcept {
    Version version;
    for (std::uint32_t* part : {&version.major, &version.minor, &version.patch}) {
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), *part);
        if (failed != std::errc()) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (part == &version.patch) break;
        if (text.empty() || text.front() != '.') return std::nullopt;
        text.remove_prefix(1);
    }
    return text.empty() ? std::optional(version) : std::nullopt;
}

bool is_patched(const std::optional<Version>& version, std::span<const Version> lines) noexcept {
    if (!version) return false;
    if (*version >= lines.back()) return true;
    for (const Version& line : lines) {
        if (version->major == line.major && version->minor == line.minor) return *version >= line;
    }
    return false;
}

}  // namespace

bool scripts_stay_inside(std::string_view info) noexcept {
    // Valkey names a Redis version, too, of which it is not.
    if (const std::string_view valkey = field(info, "valkey_version:"); !valkey.empty()) {
        return is_patched(parse(valkey), valkey_lines);
    }
    return is_patched(parse(field(info, "redis_version:")), redis_lines);
}

}  // namespace redoubt::isolation
