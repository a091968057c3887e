// base: which nodes answer commands that only read.
#pragma once

#include <cstdint>

namespace redoubt {

/// What a replica answers may be older than what its master would, by `max_replica_lag` at most: one that is further
/// behind, or of which that is not known, is asked nothing. A read that follows a write may not see it. Writes,
/// transactions, scripts, scans and commands that wait at the server go to the master in any case.
enum class ReadFrom : std::uint8_t {
    master,
    replica,            ///< a replica alone: while none may be asked the call fails as if it could not connect
    replica_preferred,  ///< a replica, and the master while none may be asked
    lowest_latency,     ///< whichever of the master and its replicas has answered fastest of late
};

}  // namespace redoubt
