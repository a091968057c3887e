// topology: which of a Cluster's 16384 slots a key belongs to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "topology/crc16.hpp"

namespace redoubt::topology {

inline constexpr std::uint32_t slot_count = 16384;
/// Of what has no keys: any node will do.
inline constexpr std::uint16_t any_slot = 0xffff;

/// What of a key decides on its slot: if it has a `{`, and a `}` after that first `{` with something in between, then
/// what is between them (up to the first such `}`), else the whole key. (Cluster specification, "Hash tags".)
std::string_view hashed_part(std::string_view key) noexcept;

inline std::uint16_t slot_of(std::string_view key) noexcept {
    return static_cast<std::uint16_t>(crc16(hashed_part(key)) % slot_count);
}

/// Slots of keys that all begin with one prefix, which is looked at once. Immutable.
class KeySlots {
public:
    KeySlots() = default;  ///< no prefix
    explicit KeySlots(std::string_view prefix) noexcept;
    /// Of the prefix with this behind it.
    std::uint16_t operator()(std::string_view rest) const noexcept {
        if (only_ != any_slot) [[unlikely]]
            return only_ != odd ? only_ : of_braced(rest);
        const std::uint32_t crc = crc16_and_braces(rest, before_);
        if ((crc & brace_bits) != 0) [[unlikely]]
            return of_braced(rest);
        return static_cast<std::uint16_t>(crc % slot_count);
    }
    /// The prefix decides alone: all keys are in this slot. Else `any_slot`.
    std::uint16_t only() const noexcept { return only_ < slot_count ? only_ : any_slot; }

private:
    std::uint16_t of_braced(std::string_view rest) const noexcept;

    // The prefix has a brace that is not closed in it, or not filled: each key is looked at whole.
    static constexpr std::uint16_t odd = 0xfffe;

    std::uint16_t before_ = 0;  // CRC of the prefix
    std::uint16_t only_ = any_slot;
    std::string prefix_;  // where it is odd
};

}  // namespace redoubt::topology
