// connection: the error of what was under way, or about to be, at a node from which its pool has moved to another.
#pragma once

#include <redoubt/base/error.hpp>

namespace redoubt::connection {

/// An array, so that it has one address in the whole program, by which it is known.
inline constexpr char moved_text[] = "the pool has moved to another node (a new master)";

inline Error moved_error() {
    return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, moved_text);
}
/// Says nothing of any node: what was not sent goes to the new one at once.
inline bool is_moved(const Error& error) noexcept { return error.text.data() == moved_text; }

}  // namespace redoubt::connection
