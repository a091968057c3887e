// resp: the command table, and finding a command in it by a name in any case.
#include <cstdint>

#include "resp/command_rows.hpp"

namespace redoubt {
namespace {

using resp::command_count;
using resp::commands;

constexpr std::size_t longest_name = [] {
    std::size_t longest = 0;
    for (const CommandSpec& spec : commands) longest = std::max(longest, spec.name.size());
    return longest;
}();

static_assert(std::adjacent_find(commands.begin(), commands.end(),
                                 [](const CommandSpec& left, const CommandSpec& right) {
                                     return left.name == right.name;
                                 }) == commands.end(),
              "a command stands twice in the table");

// An open-addressed hash, filled when this is compiled and a third full: one or two probes for any name.
constexpr std::size_t slot_count = 1024;
static_assert(command_count * 2 < slot_count);
constexpr std::uint16_t no_command = 0xFFFF;

constexpr std::size_t slot_of(std::string_view upper_case_name) {
    std::uint32_t hash = 2166136261U;
    for (const char byte : upper_case_name) hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619U;
    return (hash ^ (hash >> 15)) % slot_count;
}

constexpr auto slots = [] {
    std::array<std::uint16_t, slot_count> filled{};
    filled.fill(no_command);
    for (std::size_t i = 0; i < command_count; ++i) {
        std::size_t slot = slot_of(commands[i].name);
        while (filled[slot] != no_command) slot = (slot + 1) % slot_count;
        filled[slot] = static_cast<std::uint16_t>(i);
    }
    return filled;
}();

const CommandSpec* find_exact(std::string_view upper_case_name) noexcept {
    for (std::size_t slot = slot_of(upper_case_name); slots[slot] != no_command; slot = (slot + 1) % slot_count) {
        const CommandSpec& spec = commands[slots[slot]];
        if (spec.name == upper_case_name) return &spec;
    }
    return nullptr;
}

/// Appends the word in upper case. False when it does not fit or holds a byte that no name has: a space, a
/// control byte or anything past ASCII, which another reader of the name might take for something else.
bool append_upper(std::string_view word, char* buffer, std::size_t& size) noexcept {
    if (word.empty() || word.size() > longest_name - size) return false;
    for (const char byte : word) {
        if (byte < 0x21 || byte > 0x7E) return false;
        buffer[size++] = byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
    }
    return true;
}

/// Its subcommands follow it in the sorted table.
bool is_container(const CommandSpec& spec) noexcept {
    const CommandSpec* next = &spec + 1;
    return next != commands.data() + commands.size() && next->words == 2 && spec.words == 1 &&
           next->name.substr(0, spec.name.size()) == spec.name && next->name[spec.name.size()] == ' ';
}

}  // namespace

std::span<const CommandSpec> command_table() noexcept { return commands; }

const CommandSpec* find_command(std::string_view name, std::string_view subcommand) noexcept {
    char buffer[longest_name];
    std::size_t size = 0;
    if (!append_upper(name, buffer, size)) return nullptr;
    const CommandSpec* spec = find_exact({buffer, size});
    if (spec == nullptr || subcommand.empty() || !is_container(*spec)) return spec;
    if (size == longest_name) return nullptr;
    buffer[size++] = ' ';
    if (!append_upper(subcommand, buffer, size)) return nullptr;
    return find_exact({buffer, size});
}

}  // namespace redoubt
