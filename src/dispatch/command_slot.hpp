// dispatch: which slot of a Cluster a command's keys are in, and the error of those that are in several.
#pragma once

#include <cstdint>
#include <span>

#include <redoubt/base/error.hpp>
#include <redoubt/resp/command.hpp>
#include <redoubt/resp/encoded_commands.hpp>

#include "topology/slot.hpp"

namespace redoubt::dispatch {

static_assert(topology::any_slot == no_slot && topology::slot_count <= many_slots);

/// Where the keys of one command are.
struct KeyPlace {
    std::uint16_t slot = no_slot;  ///< of the first
    /// Two that are in different slots, counted among the command's words behind its name, from 1; 0: there are none.
    std::uint32_t first = 0;
    std::uint32_t other = 0;
};
KeyPlace place_of(const CommandSpec& spec, std::span<const Argument> arguments,
                  const topology::KeySlots& slots) noexcept;

/// Most commands: their slot is that of their first argument.
inline bool begins_with_its_only_key(const CommandSpec& spec, std::span<const Argument> arguments) noexcept {
    using Kind = Argument::Kind;
    if (spec.keys.first != 1 || arguments.empty() || arguments.front().kind() != Kind::key) return false;
    for (const Argument& argument : arguments.subspan(1)) {
        const Kind kind = argument.kind();
        if (kind == Kind::key || kind == Kind::keys || kind == Kind::key_pairs || kind == Kind::pair_keys) return false;
    }
    return true;
}

/// `place.other` is not 0.
Error cross_slot_error(const CommandSpec& spec, const KeyPlace& place);
/// Of a transaction (`slot()` is `many_slots`), MULTI and EXEC included.
Error cross_slot_error(const EncodedCommands& transaction);
/// Of a transaction whose keys are elsewhere than those that are watched for it.
Error watched_elsewhere_error();

}  // namespace redoubt::dispatch
