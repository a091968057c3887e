// topology: which of a Cluster's 16384 slots a key belongs to.
#pragma once

#include <cstdint>
#include <string_view>

namespace redoubt::topology {

inline constexpr std::uint32_t slot_count = 16384;

/// CRC16 of the XMODEM kind (polynomial 0x1021, begun with 0, nothing reflected), as the Cluster specification's
/// appendix A gives it.
std::uint16_t crc16(std::string_view bytes) noexcept;

/// What of a key decides on its slot: if it has a `{`, and a `}` after that first `{` with something in between, then
/// what is between them (up to the first such `}`), else the whole key. (Cluster specification, "Hash tags".)
std::string_view hashed_part(std::string_view key) noexcept;

inline std::uint16_t slot_of(std::string_view key) noexcept {
    return static_cast<std::uint16_t>(crc16(hashed_part(key)) % slot_count);
}

}  // namespace redoubt::topology
