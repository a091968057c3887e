// service: health: INFO read; see the header.
#include "service/server_info.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace redoubt::service {
namespace {

namespace json = boost::json;

// What min-replicas-max-lag of both servers defaults to.
constexpr std::int64_t longest_good_lag = 10;

template <class Number>
Number number_of(std::string_view text) noexcept {
    Number value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// `name` in `ip=10.0.0.1,port=6379,state=online`.
std::string_view part_of(std::string_view line, std::string_view name) noexcept {
    while (!line.empty()) {
        const std::string_view part = line.substr(0, line.find(','));
        if (part.size() > name.size() && part[name.size()] == '=' && part.starts_with(name)) {
            return part.substr(name.size() + 1);
        }
        line.remove_prefix(std::min(part.size() + 1, line.size()));
    }
    return {};
}

std::string endpoint_of(std::string_view host, std::string_view port) {
    return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                    : fmt::format("[{}]:{}", host, port);
}

}  // namespace

std::string_view info_field(std::string_view info, std::string_view name) noexcept {
    for (std::size_t at = 0; at < info.size();) {
        const std::size_t end = std::min(info.find("\r\n", at), info.size());
        const std::string_view line = info.substr(at, end - at);
        if (line.size() > name.size() && line[name.size()] == ':' && line.starts_with(name)) {
            return line.substr(name.size() + 1);
        }
        at = end + 2;
    }
    return {};
}

std::int64_t info_number(std::string_view info, std::string_view name) noexcept {
    return number_of<std::int64_t>(info_field(info, name));
}

ServerIdentity read_identity(std::string_view info) {
    ServerIdentity identity;
    const std::string_view valkey = info_field(info, "valkey_version");
    identity.version = valkey.empty() ? info_field(info, "redis_version") : valkey;
    if (!identity.version.empty()) identity.kind = valkey.empty() ? "redis" : "valkey";
    const std::string_view role = info_field(info, "role");
    identity.role = role == "slave" ? "replica" : role == "master" ? "master" : "unknown";
    return identity;
}

MemoryReading read_memory(std::string_view info) {
    MemoryReading memory;
    if (info_field(info, "used_memory").empty()) return memory;
    memory.known = true;
    memory.usage_bytes = info_number(info, "used_memory");
    memory.max_bytes = info_number(info, "maxmemory");
    memory.policy = info_field(info, "maxmemory_policy");
    if (memory.max_bytes == 0) {
        memory.limit_is_machine = true;
        memory.max_bytes = info_number(info, "total_system_memory");
    }
    if (memory.max_bytes > 0) {
        memory.usage_fraction = static_cast<double>(memory.usage_bytes) / static_cast<double>(memory.max_bytes);
    }
    memory.peak_bytes = info_number(info, "used_memory_peak");
    memory.resident_bytes = info_number(info, "used_memory_rss");
    const auto fragmentation = number_of<double>(info_field(info, "mem_fragmentation_ratio"));
    if (std::isfinite(fragmentation)) memory.fragmentation = fragmentation;  // JSON has no other numbers
    memory.evicted_keys = info_number(info, "evicted_keys");
    const std::int64_t uptime = info_number(info, "uptime_in_seconds");
    memory.evicted_per_second_since_start =
        static_cast<double>(memory.evicted_keys) / static_cast<double>(std::max<std::int64_t>(uptime, 1));
    return memory;
}

json::object memory_json(const MemoryReading& memory, const RedisServiceConfig& config) {
    if (!memory.known) return {{"status", "unknown"}};
    return {{"status", memory.max_bytes > 0 ? to_string(memory.level) : "unknown"},
            {"usage_percentage", memory.usage_fraction},
            {"usage_bytes", memory.usage_bytes},
            {"max_memory_bytes", memory.max_bytes},
            {"limit", memory.limit_is_machine ? "machine" : "maxmemory"},
            {"eviction_policy", memory.policy},
            {"fragmentation_ratio", memory.fragmentation},
            {"resident_bytes", memory.resident_bytes},
            {"peak_bytes", memory.peak_bytes},
            {"evicted_keys", memory.evicted_keys},
            {"evicted_keys_per_second",
             memory.evicted_per_second ? json::value(*memory.evicted_per_second) : json::value(nullptr)},
            {"evicted_keys_per_second_since_start", memory.evicted_per_second_since_start},
            {"thresholds",
             {{"warning", config.memory_warning_threshold},
              {"critical", config.memory_critical_threshold},
              {"margin", memory_alert_margin}}}};
}

ReplicationReading read_replication(std::string_view info) {
    ReplicationReading replication;
    const std::string_view role = info_field(info, "role");
    replication.known = !role.empty();
    replication.is_replica = role == "slave";
    if (replication.is_replica) {
        replication.master = endpoint_of(info_field(info, "master_host"), info_field(info, "master_port"));
        replication.link_up = info_field(info, "master_link_status") == "up";
        replication.syncing = info_field(info, "master_sync_in_progress") == "1";
        replication.lag_bytes = std::max<std::int64_t>(
            info_number(info, "slave_read_repl_offset") - info_number(info, "slave_repl_offset"), 0);
        replication.lag_seconds = info_number(info, "master_last_io_seconds_ago");
        replication.link_down_seconds = info_number(info, "master_link_down_since_seconds");
        return replication;
    }
    const std::int64_t offset = info_number(info, "master_repl_offset");
    const std::int64_t connected = info_number(info, "connected_slaves");
    for (std::int64_t i = 0; i < connected; ++i) {
        const std::string_view line = info_field(info, fmt::format("slave{}", i));
        if (line.empty()) continue;
        ReplicaReading& replica = replication.replicas.emplace_back();
        replica.endpoint = endpoint_of(part_of(line, "ip"), part_of(line, "port"));
        replica.state = part_of(line, "state");
        replica.lag_bytes = std::max<std::int64_t>(offset - number_of<std::int64_t>(part_of(line, "offset")), 0);
        replica.lag_seconds = number_of<std::int64_t>(part_of(line, "lag"));
        replica.good = replica.state == "online" && replica.lag_seconds <= longest_good_lag;
        replication.good += replica.good ? 1 : 0;
    }
    replication.expected = replication.good;
    return replication;
}

json::object replication_json(const ReplicationReading& replication) {
    if (!replication.known) return {{"role", "unknown"}};
    if (replication.is_replica) {
        json::object out{{"role", "replica"},
                         {"master", replication.master},
                         {"link_status", replication.link_up ? "up" : "down"},
                         {"lag_bytes", replication.lag_bytes},
                         {"lag_seconds", replication.lag_seconds},
                         {"sync_in_progress", replication.syncing}};
        if (!replication.link_up) out["link_down_seconds"] = replication.link_down_seconds;
        return out;
    }
    json::array replicas;
    std::int64_t lag_bytes = 0;
    std::int64_t lag_seconds = 0;
    for (const ReplicaReading& replica : replication.replicas) {
        replicas.push_back({{"endpoint", replica.endpoint},
                            {"state", replica.state},
                            {"link_status", replica.good ? "up" : "down"},
                            {"lag_bytes", replica.lag_bytes},
                            {"lag_seconds", replica.lag_seconds}});
        lag_bytes = std::max(lag_bytes, replica.lag_bytes);
        lag_seconds = std::max(lag_seconds, replica.lag_seconds);
    }
    // The worst of its replicas.
    return {{"role", "master"},
            {"lag_bytes", lag_bytes},
            {"lag_seconds", lag_seconds},
            {"good_replicas", replication.good},
            {"expected_replicas", replication.expected},
            {"replicas", std::move(replicas)}};
}

}  // namespace redoubt::service
