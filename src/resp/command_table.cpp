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

constexpr std::uint32_t empty_hash = 2166136261U;
constexpr std::uint32_t hash_on(std::uint32_t hash, char byte) {
    return (hash ^ static_cast<unsigned char>(byte)) * 16777619U;
}
constexpr std::size_t slot_of(std::uint32_t hash) { return (hash ^ (hash >> 15)) % slot_count; }

constexpr auto slots = [] {
    std::array<std::uint16_t, slot_count> filled{};
    filled.fill(no_command);
    for (std::size_t i = 0; i < command_count; ++i) {
        std::uint32_t hash = empty_hash;
        for (const char byte : commands[i].name) hash = hash_on(hash, byte);
        std::size_t slot = slot_of(hash);
        while (filled[slot] != no_command) slot = (slot + 1) % slot_count;
        filled[slot] = static_cast<std::uint16_t>(i);
    }
    return filled;
}();

/// A name as it is gathered, in upper case, with its hash.
class Name {
public:
    /// Appends the word. False when it does not fit or holds a byte that no name has: a space, a control byte
    /// or anything past ASCII, which another reader of the name might take for something else.
    bool append(std::string_view word) noexcept {
        if (word.empty() || word.size() > longest_name - size_) return false;
        std::uint32_t hash = hash_;
        char* out = bytes_ + size_;
        for (const char byte : word) {
            if (byte < 0x21 || byte > 0x7E) return false;
            const char upper = byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
            hash = hash_on(hash, upper);
            *out++ = upper;
        }
        hash_ = hash;
        size_ += word.size();
        return true;
    }
    bool append_space() noexcept {
        if (size_ == longest_name) return false;
        bytes_[size_++] = ' ';
        hash_ = hash_on(hash_, ' ');
        return true;
    }
    const CommandSpec* find() const noexcept {
        const std::string_view name{bytes_, size_};
        for (std::size_t slot = slot_of(hash_); slots[slot] != no_command; slot = (slot + 1) % slot_count) {
            const CommandSpec& spec = commands[slots[slot]];
            if (spec.name == name) return &spec;
        }
        return nullptr;
    }

private:
    std::size_t size_ = 0;
    std::uint32_t hash_ = empty_hash;
    char bytes_[longest_name];
};

/// Its subcommands follow it in the sorted table.
bool is_container(const CommandSpec& spec) noexcept {
    const CommandSpec* next = &spec + 1;
    return next != commands.data() + commands.size() && next->words == 2 && spec.words == 1 &&
           next->name.substr(0, spec.name.size()) == spec.name && next->name[spec.name.size()] == ' ';
}

}  // namespace

std::span<const CommandSpec> command_table() noexcept { return commands; }

const CommandSpec* find_command(std::string_view name, std::string_view subcommand) noexcept {
    Name full;
    if (!full.append(name)) return nullptr;
    const CommandSpec* spec = full.find();
    if (spec == nullptr || subcommand.empty() || !is_container(*spec)) return spec;
    if (!full.append_space() || !full.append(subcommand)) return nullptr;
    return full.find();
}

}  // namespace redoubt
