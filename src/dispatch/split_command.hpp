// dispatch: a command whose keys are in several slots of a Cluster as one command a slot: MGET, MSET, DEL, UNLINK, EXISTS,
// TOUCH. Others cannot be split, since they mean their keys together.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include <redoubt/base/error.hpp>
#include <redoubt/resp/encoded_commands.hpp>

#include "topology/slot.hpp"

namespace redoubt::dispatch {

/// False: it cannot be split; nothing was appended. `into` is empty before.
bool split_over_slots(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                      const KeyPrefix& prefix, const topology::KeySlots& slots, EncodedCommands& into);

/// Cursors of a SCAN that goes from node to node: the lowest slot of the node's stands above the server's own cursor, of
/// which no server uses more than these bits.
inline constexpr unsigned scan_cursor_bits = 50;
static_assert(std::uint64_t{topology::slot_count - 1} << scan_cursor_bits >> scan_cursor_bits ==
              topology::slot_count - 1);
inline constexpr std::uint64_t most_scan_cursor = (std::uint64_t{1} << scan_cursor_bits) - 1;
constexpr std::uint64_t scan_cursor(std::uint16_t slot, std::uint64_t cursor) noexcept {
    return (std::uint64_t{slot} << scan_cursor_bits) | cursor;
}
/// One page of it. `shard_from`: see `topology::Router`. An error: it can go nowhere.
std::optional<Error> place_scan(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                                const KeyPrefix& prefix,
                                const std::function<std::optional<std::uint16_t>(std::uint32_t slot)>& shard_from,
                                EncodedCommands& into);

}  // namespace redoubt::dispatch
