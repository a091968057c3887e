// base: how often isolation had something to do, in this process.
#pragma once

#include <atomic>
#include <cstdint>

namespace redoubt {

/// Of all services of the process together; they only grow. Lock-free.
struct IsolationCounters {
    std::atomic<std::uint64_t> refusals{0};  ///< commands, ids and scripts that were refused before a byte was sent
    std::atomic<std::uint64_t> foreign_names{
        0};  ///< names of others that a SCAN or a list of channels told of: dropped
    std::atomic<std::uint64_t> foreign_keys{
        0};  ///< replies and messages that named another's: a fault of the server or
             ///< of Redoubt; each closed its connection
};

inline IsolationCounters& isolation_counters() noexcept {
    static IsolationCounters counters;
    return counters;
}

}  // namespace redoubt
