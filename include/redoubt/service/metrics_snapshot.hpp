// service: every figure of a service at one moment: what get_metrics(), the OpenTelemetry metrics and the Prometheus text
// are all made from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include <redoubt/base/clock.hpp>
#include <redoubt/policy/circuit_breaker.hpp>

namespace redoubt {

/// One pool: gauges of this moment, and counters since it was made.
struct PoolSnapshot {
    std::string name;              ///< its project's id; `shared-0` and so on where all projects share their pools
    std::size_t created = 0;       ///< open connections
    std::size_t available = 0;     ///< of them, those that nobody is using right now
    std::size_t leased = 0;        ///< of them, those that one call has to itself
    std::size_t max = 0;           ///< its capacity
    std::size_t min_idle = 0;      ///< kept open
    std::size_t waiting = 0;       ///< calls that wait for a connection, or for room on one
    std::size_t in_flight = 0;     ///< commands that are not answered
    std::size_t queued_bytes = 0;  ///< of those, but for connections of one call's own, and of async calls that wait
    std::uint64_t retries = 0;     ///< attempts after a call's first
    std::uint64_t exhausted =
        0;  ///< attempts that found no connection and no room in time (RedisPoolExhaustedException)

    std::size_t used() const noexcept { return created - available; }
    /// The figures of both; the name stays.
    PoolSnapshot& operator+=(const PoolSnapshot& other) noexcept;
};

/// One node: its breaker, and how connecting to it goes.
struct NodeSnapshot {
    std::string endpoint;
    CircuitState state = CircuitState::closed;
    CircuitBreakerMode mode = CircuitBreakerMode::consecutive;
    CircuitBreakerMetrics breaker;
    std::array<std::uint64_t, circuit_states> transitions{};  ///< by the state that was entered
    std::uint64_t connections_opened = 0;
    std::uint64_t connections_failed = 0;  ///< dials and handshakes

    std::uint64_t transitions_to(CircuitState entered) const noexcept {
        return transitions[static_cast<std::size_t>(entered)];
    }
};

/// A replica that reads may go to. There is none before the first call that reads from replicas.
struct ReplicaSnapshot {
    NodeSnapshot node;                    ///< as reads there fare
    std::string master;                   ///< its endpoint
    std::optional<Duration> lag;          ///< it has all that its master had so long ago; nullopt: not known
    std::optional<Duration> answer_time;  ///< smoothed; nullopt: not known
    bool within_bound = false;            ///< of `max_replica_lag`: it may be asked
};

/// A Cluster as its map says; what calls meet at its masters, `NodeSnapshot` says.
struct ClusterSnapshot {
    struct Member {
        std::string endpoint;
        bool master = false;
        bool online = true;  ///< in the eyes of the other nodes
        std::uint32_t slots = 0;
    };
    std::vector<Member> members;
    std::vector<std::pair<std::uint16_t, std::uint16_t>> uncovered;  ///< slots without a master: first and last

    std::uint32_t uncovered_slots() const noexcept;  ///< how many these are
};

/// The server's memory when the monitor looked last.
struct MemorySnapshot {
    std::string status;         ///< `healthy`, `warning`, `critical`
    double usage_fraction = 0;  ///< of `max_bytes`; 0.5 is half
    std::int64_t usage_bytes = 0;
    std::int64_t max_bytes = 0;  ///< `maxmemory`, or the machine's where none is set
};

/// A plain value, owned by whoever asked for it.
struct MetricsSnapshot {
    bool initialized = false;  ///< between `initialize` and `close`; else nothing below is filled
    std::string endpoint;
    std::uint32_t database = 0;
    std::size_t projects = 0;         ///< that have a pool; the library's own is none
    std::vector<PoolSnapshot> pools;  ///< all of them, in no order: bound them before they become names of anything
    std::vector<NodeSnapshot> nodes;
    std::vector<ReplicaSnapshot> replicas;
    std::optional<ClusterSnapshot> cluster;  ///< nullopt: it is none, or its map is not known
    // Of all services of the process; see IsolationCounters.
    std::uint64_t isolation_refusals = 0;
    std::uint64_t isolation_foreign_names = 0;
    std::uint64_t isolation_foreign_keys = 0;
    std::optional<MemorySnapshot> memory;  ///< nullopt: not looked yet, or the server does not say

    /// All pools as one, without a name.
    PoolSnapshot totals() const noexcept;
    /// The most unhealthy state of any node.
    CircuitState circuit_state() const noexcept;
};

/// How many pools a document lists by name.
inline constexpr std::size_t listed_pools = 100;

/// What `RedisService::get_metrics()` returns: the original's names, and more beside them. Lists the busiest
/// `listed_pools` pools; the others are summed up as `pools_omitted`.
boost::json::object to_json(const MetricsSnapshot& snapshot);

}  // namespace redoubt
