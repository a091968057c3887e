// tests: what a migration under load was, as a table and as JSON.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "traffic.hpp"

namespace redoubt::migration {

/// What the servers count of errors they answered with.
struct ServerCounts {
    std::uint64_t moved = 0;
    std::uint64_t ask = 0;
    std::uint64_t try_again = 0;
    std::uint64_t evicted = 0;  ///< keys; must be none
};

struct Summary {
    std::string server;
    std::size_t masters = 0;
    std::size_t replicas = 0;
    std::uint64_t seed = 0;
    std::uint32_t coroutines = 0;
    std::uint32_t threads = 0;
    double offered = 0;  ///< commands a second; 0: as fast as they are answered
    double reached = 0;  ///< while slots moved
    double moving_seconds = 0;
    std::uint32_t slots = 0;  ///< that have moved
    std::uint64_t keys_moved = 0;
    ServerCounts counts;  ///< while slots moved
    Tally tally;          ///< of the whole run
    std::uint64_t retries = 0;
    std::uint64_t wires_lost = 0;
    std::uint64_t breaker_opened = 0;
    std::uint64_t keys_checked = 0;
    std::uint64_t deviations = 0;

    std::uint64_t single_failures() const { return tally.failures(Class::single) + tally.failures(Class::pipelined); }
    bool reached_what_was_offered() const { return offered == 0 || reached >= 0.95 * offered; }
};

void print(std::ostream& out, const Summary& summary);
std::string to_json(const Summary& summary);

}  // namespace redoubt::migration
