// pool: decides which of several shared wires carries an operation: the least loaded one, but operations on one key
// keep their order. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace redoubt::pool {

/// Keys are hashed into slots. A slot with operations under way stays on the wire that has them; an empty one goes
/// wherever the load is least. So operations of one key never overtake each other, whatever wires come and go. A command
/// of several keys, and a pipeline, follow their first key.
///
/// Nothing is told to it when an operation ends: a wire answers in order and counts what it has answered, so a slot
/// remembers only how far its wire must have come. (After a cancelled operation left the wire's queue that may be a
/// little further than needed, which is harmless.)
///
/// Needed only while there is more than one wire.
class WirePicker {
public:
    static constexpr std::size_t slots = 256;
    static constexpr std::size_t no_slot = slots;  ///< of an operation without a key
    static std::size_t slot_of(std::string_view key) noexcept {
        return key.empty() ? no_slot : std::hash<std::string_view>{}(key) % slots;
    }

    enum class Accepts : std::uint8_t {
        all,
        pinned,   ///< it retires: only what must follow its own
        nothing,  ///< it has retired for long enough: what must follow its own waits until it has ended
    };
    struct Wire {
        std::uint64_t submitted = 0;  ///< operations, ever; one that is cancelled unwritten is taken off again
        std::uint64_t completed = 0;  ///< of them, answered
        std::size_t bytes = 0;        ///< under way
        bool congested = false;       ///< see AsyncWire::is_congested
        bool has_room = true;         ///< its queue takes another one
        Accepts accepts = Accepts::all;
    };

    /// The index of the wire for an operation, or nullopt: it must wait.
    std::optional<std::size_t> pick(std::size_t slot, std::span<const Wire> wires) const noexcept;
    /// The operation went there: `submitted` of that wire, with it.
    void placed(std::size_t slot, std::size_t wire, std::uint64_t submitted) noexcept {
        if (slot != no_slot) slots_[slot] = {submitted, static_cast<std::uint32_t>(wire)};
    }
    /// Something unknown is under way there: all slots stay until it is answered.
    void placed_anywhere(std::size_t wire, std::uint64_t submitted) noexcept;
    /// The wire is gone with everything on it; those behind it move up by one.
    void removed(std::size_t wire) noexcept;

private:
    static constexpr std::uint32_t nowhere = ~0u;
    struct Slot {
        std::uint64_t until = 0;  // its wire must have completed so many
        std::uint32_t wire = nowhere;
    };
    std::array<Slot, slots> slots_{};
};

}  // namespace redoubt::pool
