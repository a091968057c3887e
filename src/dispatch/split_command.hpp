// dispatch: a command whose keys are in several slots of a Cluster as one command a slot: MGET, MSET, DEL, UNLINK, EXISTS,
// TOUCH. Others cannot be split, since they mean their keys together.
#pragma once

#include <span>

#include <redoubt/resp/encoded_commands.hpp>

#include "topology/slot.hpp"

namespace redoubt::dispatch {

/// False: it cannot be split; nothing was appended. `into` is empty before.
bool split_over_slots(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                      const KeyPrefix& prefix, const topology::KeySlots& slots, EncodedCommands& into);

}  // namespace redoubt::dispatch
