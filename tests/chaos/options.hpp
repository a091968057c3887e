// tests: what the chaos is asked to do.
#pragma once

#include <cstdint>
#include <string>

#include <redoubt/redoubt.hpp>

namespace redoubt::chaos {

struct Options {
    double minutes = 1;
    std::uint32_t coroutines = 48;
    std::uint32_t threads = 12;
    std::uint64_t seed = 0;
    std::string server = "redis";
    std::string json;
    bool sabotage = false;                ///< changes what is stored behind everybody's back: it must then fail
    double print_schedule = 0;            ///< only print what would be done in so many seconds
    std::uint32_t cycles = 0;             ///< the other program: kill and restart under 1,000 callers
    std::string topology = "standalone";  ///< or `sentinel`, `cluster`
    std::uint32_t failovers = 20;         ///< with Sentinels; of a Cluster: events
    bool private_network = false;         ///< nodes can be cut off from each other
};

/// A server with an AOF that is written before anybody is told.
EmbeddedServer start_server(const Options& options);
/// With short times, so that a run has many outages.
RedisServiceConfig short_times(std::string url);

/// See cycles.cpp. True: nothing grew, and everybody had an answer in time.
bool run_cycles(const Options& options);
/// See failovers.cpp. True: no deviations, and each time callers were served again soon enough.
bool run_failovers(const Options& options);
/// See cluster.cpp. True: no deviations, and no errors at slots whose master was there.
bool run_cluster(const Options& options);

}  // namespace redoubt::chaos
