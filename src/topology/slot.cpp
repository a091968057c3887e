// topology: slots; see the header.
#include "topology/slot.hpp"

#include <array>

namespace redoubt::topology {
namespace {

// The remainder that each byte leaves, so that a byte costs one look-up.
constexpr std::array<std::uint16_t, 256> make_remainders() {
    std::array<std::uint16_t, 256> table{};
    for (std::uint32_t byte = 0; byte != table.size(); ++byte) {
        std::uint32_t rest = byte << 8;
        for (int bit = 0; bit != 8; ++bit) rest = (rest & 0x8000u) != 0 ? (rest << 1) ^ 0x1021u : rest << 1;
        table[byte] = static_cast<std::uint16_t>(rest);
    }
    return table;
}

constexpr std::array<std::uint16_t, 256> remainders = make_remainders();

}  // namespace

std::uint16_t crc16(std::string_view bytes) noexcept { return crc16(bytes, 0); }

std::uint16_t crc16(std::string_view bytes, std::uint16_t before) noexcept {
    std::uint32_t rest = before;
    for (const char c : bytes) {
        rest = ((rest << 8) & 0xffffu) ^ remainders[(rest >> 8) ^ static_cast<unsigned char>(c)];
    }
    return static_cast<std::uint16_t>(rest);
}

std::string_view hashed_part(std::string_view key) noexcept {
    const auto open = key.find('{');
    if (open == std::string_view::npos) return key;
    const auto close = key.find('}', open + 1);
    if (close == std::string_view::npos || close == open + 1) return key;
    return key.substr(open + 1, close - open - 1);
}

KeySlots::KeySlots(std::string_view prefix) noexcept : before_(crc16(prefix)) {
    const auto open = prefix.find('{');
    if (open == std::string_view::npos) return;
    if (hashed_part(prefix).size() != prefix.size()) {
        only_ = slot_of(prefix);
    } else {
        odd_ = true;
        prefix_ = prefix;
    }
}

// One look at each byte: its CRC, and whether a tag begins there.
std::uint16_t KeySlots::operator()(std::string_view rest) const noexcept {
    if (only_ != any_slot) return only_;
    if (odd_) [[unlikely]]
        return slot_of(prefix_ + std::string(rest));
    std::uint32_t crc = before_;
    for (const char c : rest) {
        if (c == '{') [[unlikely]] {
            const std::string_view tag = hashed_part(rest);
            if (tag.size() != rest.size()) return static_cast<std::uint16_t>(crc16(tag) % slot_count);
            return static_cast<std::uint16_t>(crc16(rest, before_) % slot_count);
        }
        crc = ((crc << 8) & 0xffffu) ^ remainders[(crc >> 8) ^ static_cast<unsigned char>(c)];
    }
    return static_cast<std::uint16_t>(crc % slot_count);
}

}  // namespace redoubt::topology
