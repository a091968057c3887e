// resp: where one encoded command ends; see its header.
#include "resp/command_size.hpp"

#include <charconv>
#include <optional>

namespace redoubt::resp {
namespace {

// `*3\r\n` or `$5\r\n`: its number, and `at` behind it.
std::optional<std::size_t> take_head(std::string_view bytes, std::size_t& at, char type) noexcept {
    if (at >= bytes.size() || bytes[at] != type) return std::nullopt;
    std::size_t number = 0;
    const auto [end, failed] = std::from_chars(bytes.data() + at + 1, bytes.data() + bytes.size(), number);
    if (failed != std::errc{}) return std::nullopt;
    at = static_cast<std::size_t>(end - bytes.data()) + 2;
    return number;
}

}  // namespace

std::size_t first_command_size(std::string_view commands) noexcept {
    std::size_t at = 0;
    std::optional<std::size_t> words = take_head(commands, at, '*');
    if (!words) return commands.size();
    for (; *words != 0; --*words) {
        const std::optional<std::size_t> length = take_head(commands, at, '$');
        if (!length || *length > commands.size() - at) return commands.size();
        at += *length + 2;
        if (at > commands.size()) return commands.size();
    }
    return at;
}

}  // namespace redoubt::resp
