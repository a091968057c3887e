// topology: slots; see the header.
#include "topology/slot.hpp"

#include "topology/crc16.hpp"

namespace redoubt::topology {

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
        only_ = odd;
        prefix_ = prefix;
    }
}

// Apart, so that the everyday key saves no registers for it.
[[gnu::noinline]] std::uint16_t KeySlots::of_braced(std::string_view rest) const noexcept {
    if (only_ == odd) return slot_of(prefix_ + std::string(rest));
    const std::string_view tag = hashed_part(rest);
    return static_cast<std::uint16_t>((tag.size() != rest.size() ? crc16(tag) : crc16(rest, before_)) % slot_count);
}

}  // namespace redoubt::topology
