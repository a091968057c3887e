// base: which nodes answer commands that only read.
#pragma once

#include <cstdint>

namespace redoubt {

/// What a replica answers may be older than what its master would, by `max_replica_lag` at most: one that is further
/// behind is asked nothing. A read may miss the write before it, so read from the master what a watched transaction builds
/// on. Writes, transactions, scripts, scans and what waits at the server go to the master in any case.
enum class ReadFrom : std::uint8_t {
    master,
    replica,            ///< a replica alone: while none may be asked the call fails as if it could not connect
    replica_preferred,  ///< a replica, and the master while none may be asked
    lowest_latency,     ///< whichever of the master and its replicas has answered fastest of late
};

}  // namespace redoubt
