// dispatch: what can be read of encoded commands: the key by which they keep their order when a pool has several wires,
// and their names.
#pragma once

#include <cstdint>
#include <string_view>

#include <redoubt/dispatch/call_state.hpp>

namespace redoubt::dispatch {

/// The first key of the first command that has one (of the first few: a transaction begins with MULTI). Where the table
/// does not say where the keys stand, the first argument. Empty: there is none. Not for the fast path.
std::string_view first_key(std::string_view encoded) noexcept;

/// The name of command number `index`, from the table; `at` remembers where that was, so that ascending numbers are found
/// at once.
std::string_view command_name(std::string_view encoded, std::uint32_t index, NamesPosition& at) noexcept;

}  // namespace redoubt::dispatch
