// pool: the wire picker; see its header.
#include "pool/wire_picker.hpp"

#include <tuple>

namespace redoubt::pool {
namespace {

bool better(const WirePicker::Wire& left, const WirePicker::Wire& right) noexcept {
    // So many bytes delay others about as much as one more operation.
    const auto load = [](const WirePicker::Wire& wire) { return wire.submitted - wire.completed + wire.bytes / 512; };
    return std::tuple(left.congested, load(left)) < std::tuple(right.congested, load(right));
}

}  // namespace

std::optional<std::size_t> WirePicker::pick(std::size_t slot, std::span<const Wire> wires) const noexcept {
    if (slot != no_slot && slots_[slot].wire != nowhere) {
        const std::size_t held = slots_[slot].wire;
        const Wire& wire = wires[held];
        const bool under_way = wire.completed < slots_[slot].until && wire.completed != wire.submitted;
        if (under_way) {
            return wire.has_room && wire.accepts != Accepts::nothing ? std::optional(held) : std::nullopt;
        }
    }
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i != wires.size(); ++i) {
        if (!wires[i].has_room || wires[i].accepts != Accepts::all) continue;
        if (!best || better(wires[i], wires[*best])) best = i;
    }
    return best;
}

void WirePicker::placed_anywhere(std::size_t wire, std::uint64_t submitted) noexcept {
    for (std::size_t slot = 0; slot != slots; ++slot) placed(slot, wire, submitted);
}

void WirePicker::removed(std::size_t wire) noexcept {
    for (Slot& slot : slots_) {
        if (slot.wire == nowhere || slot.wire < wire) continue;
        slot.wire = slot.wire == wire ? nowhere : slot.wire - 1;
    }
}

}  // namespace redoubt::pool
