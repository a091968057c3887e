// service: health: what INFO tells of a server: who it is, its memory, its replication. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/policy/memory_alert.hpp>

namespace redoubt::service {

/// A field of INFO's text, empty when absent.
std::string_view info_field(std::string_view info, std::string_view name) noexcept;
/// The same as a number; 0 when absent or none.
std::int64_t info_number(std::string_view info, std::string_view name) noexcept;

/// `redis` or `valkey`, and which; empty where INFO was refused, as managed servers may.
struct ServerIdentity {
    std::string_view kind;
    std::string version;
    std::string_view role;  ///< `master`, `replica`, `unknown`
};
ServerIdentity read_identity(std::string_view info);

/// Memory against its limit: `maxmemory`, or the machine's where none is set.
struct MemoryReading {
    bool known = false;
    std::int64_t usage_bytes = 0;
    std::int64_t max_bytes = 0;  ///< 0: neither limit is known
    bool limit_is_machine = false;
    double usage_fraction = 0;
    MemoryLevel level = MemoryLevel::healthy;  ///< by hysteresis: whoever looks again and again fills it in
    std::string policy;
    std::int64_t peak_bytes = 0;
    std::int64_t resident_bytes = 0;
    double fragmentation = 0;  ///< resident to used
    std::int64_t evicted_keys = 0;
    std::optional<double> evicted_per_second;  ///< since the last look; nullopt at the first
    double evicted_per_second_since_start = 0;
};
MemoryReading read_memory(std::string_view info);
/// `memory` of the health JSON.
boost::json::object memory_json(const MemoryReading& memory, const RedisServiceConfig& config);

/// One replica, as its master sees it.
struct ReplicaReading {
    std::string endpoint;
    std::string state;  ///< `online`, or what it is doing until then
    std::int64_t lag_bytes = 0;
    std::int64_t lag_seconds = 0;  ///< since its last acknowledgement
    bool good = false;             ///< online, and heard of within ten seconds
};

/// Who replicates from whom.
struct ReplicationReading {
    bool known = false;
    bool is_replica = false;
    // A replica's.
    std::string master;  ///< its endpoint
    bool link_up = false;
    bool syncing = false;
    std::int64_t lag_bytes = 0;          ///< received, and not applied yet
    std::int64_t lag_seconds = 0;        ///< since the last word of the master
    std::int64_t link_down_seconds = 0;  ///< while it is down; -1: it was never up
    // A master's.
    std::vector<ReplicaReading> replicas;
    std::size_t good = 0;
    std::size_t expected = 0;  ///< as many as were good lately: whoever looks again and again fills it in

    /// A replica without its master, or a master without one of its replicas.
    bool is_down() const noexcept { return known && (is_replica ? !link_up : good < expected); }
};
ReplicationReading read_replication(std::string_view info);
/// `replication` of the health JSON.
boost::json::object replication_json(const ReplicationReading& replication);

}  // namespace redoubt::service
