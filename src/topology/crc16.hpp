// topology: the checksum that decides on a key's slot.
#pragma once

#include <cstdint>
#include <string_view>

namespace redoubt::topology {

/// CRC16 of the XMODEM kind (polynomial x^16 + x^12 + x^5 + 1, begun with 0, nothing reflected), as the Cluster
/// specification's appendix A gives it; of these bytes behind others, of which it was `before`. With some of `brace_bits`
/// where there is a `{` among them, which makes a key's slot another question: so one look is enough.
inline std::uint32_t crc16_and_braces(std::string_view bytes, std::uint16_t before) noexcept;
inline constexpr std::uint32_t brace_bits = 0xffff0000;

/// The same, byte by byte on every processor.
std::uint32_t crc16_by_bytes(std::string_view bytes, std::uint16_t before) noexcept;

#if defined(__x86_64__)
extern const bool has_words;  ///< the processor multiplies without carry (PCLMULQDQ); false before it was looked at
/// The same of eight bytes at least, where `has_words`: eight at a time.
std::uint32_t crc16_by_words(std::string_view bytes, std::uint16_t before) noexcept;
#endif

inline std::uint32_t crc16_and_braces(std::string_view bytes, std::uint16_t before) noexcept {
#if defined(__x86_64__)
    if (bytes.size() >= 8 && has_words) [[likely]]
        return crc16_by_words(bytes, before);
#endif
    return crc16_by_bytes(bytes, before);
}

/// The checksum alone.
inline std::uint16_t crc16(std::string_view bytes, std::uint16_t before = 0) noexcept {
    return static_cast<std::uint16_t>(crc16_and_braces(bytes, before));
}

}  // namespace redoubt::topology
