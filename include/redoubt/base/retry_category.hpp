// base: which outcomes of a command may be tried again. Known to the command table and to the retry policy.
#pragma once

#include <cstdint>

namespace redoubt {

/// Of the command without regard to its arguments; a builder refines it (`SET k v NX` is conditional).
enum class RetryCategory : std::uint8_t {
    read_only,     ///< changes nothing
    idempotent,    ///< a write for which twice is the same as once
    conditional,   ///< its effect depends on what is there: SET NX, SETNX, RENAMENX
    accumulating,  ///< each time adds: INCR, LPUSH, XADD
    never,         ///< scripts, and everything unknown
};

}  // namespace redoubt
