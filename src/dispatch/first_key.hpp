// dispatch: the key by which encoded commands keep their order when a pool has several wires.
#pragma once

#include <string_view>

namespace redoubt::dispatch {

/// The first key of the first command that has one (of the first few: a transaction begins with MULTI). Where the table
/// does not say where the keys stand, the first argument. Empty: there is none. Not for the fast path.
std::string_view first_key(std::string_view encoded) noexcept;

}  // namespace redoubt::dispatch
