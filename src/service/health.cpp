// service: health; see the header.
#include "service/health.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace redoubt::service {
namespace {

namespace json = boost::json;

enum class Status : std::uint8_t { healthy, degraded, unhealthy };

std::string_view name_of(Status status) noexcept {
    return status == Status::healthy ? "healthy" : status == Status::degraded ? "degraded" : "unhealthy";
}

double seconds_since_epoch() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// What is wrong with a node, and how bad that is.
struct Judgement {
    Status status = Status::healthy;
    Status service = Status::healthy;  // without what is the server's own: its memory, its replicas
    bool failed = false;
    bool refused = false;  // by its breaker: nothing was tried
    std::vector<std::string> problems;

    void add(Status how_bad, std::string what) {
        status = std::max(status, how_bad);
        problems.push_back(std::move(what));
    }
};

std::string text_of(const Error& error) { return fmt::format("{}: {}", to_string(error.kind), error.message()); }

std::string memory_problem(const MemoryReading& memory) {
    return fmt::format("memory is {}: {:.1f}% of {} in use", to_string(memory.level), memory.usage_fraction * 100,
                       memory.limit_is_machine ? "the machine's memory" : "maxmemory");
}

std::string replica_problem(const ReplicationReading& replication) {
    if (replication.is_replica) return fmt::format("the replica has lost its master {}", replication.master);
    return fmt::format("{} of {} replicas are good", replication.good, replication.expected);
}

Judgement judge_node(const NodeReading& node) {
    Judgement out;
    const NodeSample& sample = node.sample;
    const bool shut = sample.circuit == CircuitState::open || sample.circuit == CircuitState::forced_open;
    // INFO may be refused by a managed server: then health says what is unknown and is not worse for it.
    out.failed = sample.failure && sample.failed_step != "info";
    out.refused = out.failed && sample.failure->kind == ErrorKind::circuit_open;
    if (shut) {
        out.add(Status::unhealthy, fmt::format("the circuit breaker is {}", to_string(sample.circuit)));
    } else if (sample.circuit == CircuitState::half_open || out.refused) {
        // Refused and closed: it has just recovered.
        out.add(Status::degraded, "the circuit breaker is half_open: the node is being probed");
    }
    if (out.failed && !out.refused) {
        out.add(Status::unhealthy, fmt::format("{} failed: {}", sample.failed_step, text_of(*sample.failure)));
    }
    out.service = out.status;
    if (node.memory.level != MemoryLevel::healthy) {
        out.add(node.memory.level == MemoryLevel::critical ? Status::unhealthy : Status::degraded,
                memory_problem(node.memory));
    }
    if (node.replication.is_down()) out.add(Status::degraded, replica_problem(node.replication));
    return out;
}

json::object node_json(const NodeReading& node, const Judgement& judged) {
    const ServerIdentity identity = read_identity(node.sample.info);
    json::object out{{"endpoint", node.sample.endpoint},
                     {"role", identity.role},
                     {"status", name_of(judged.status)},
                     {"circuit_breaker", to_string(node.sample.circuit)}};
    if (!identity.kind.empty()) {
        out["kind"] = identity.kind;
        out["version"] = identity.version;
    }
    if (node.replication.known && node.replication.is_replica) {
        out["master"] = node.replication.master;
        out["lag_bytes"] = node.replication.lag_bytes;
        out["lag_seconds"] = node.replication.lag_seconds;
    }
    if (judged.failed) out["error"] = text_of(*node.sample.failure);
    return out;
}

/// A replica to which nobody connects, as its master sees it.
json::object replica_node_json(const ReplicaReading& replica, const std::string& master) {
    return {{"endpoint", replica.endpoint},
            {"role", "replica"},
            {"status", name_of(replica.good ? Status::healthy : Status::degraded)},
            {"master", master},
            {"state", replica.state},
            {"lag_bytes", replica.lag_bytes},
            {"lag_seconds", replica.lag_seconds}};
}

/// Those of the nodes' replicas that are not among the nodes themselves.
void add_replicas(json::array& listed, const std::vector<NodeReading>& nodes) {
    for (const NodeReading& node : nodes) {
        for (const ReplicaReading& replica : node.replication.replicas) {
            const bool is_node = std::any_of(nodes.begin(), nodes.end(), [&](const NodeReading& other) {
                return other.sample.endpoint == replica.endpoint;
            });
            if (!is_node) listed.push_back(replica_node_json(replica, node.sample.endpoint));
        }
    }
}

json::object server_json(const NodeSample& sample) {
    json::object server{{"endpoint", sample.endpoint}};
    const ServerIdentity identity = read_identity(sample.info);
    if (identity.kind.empty()) return server;  // INFO was refused, or not asked for
    server["kind"] = identity.kind;
    server["version"] = identity.version;
    server["role"] = identity.role;
    server["uptime_seconds"] = info_number(sample.info, "uptime_in_seconds");
    server["connected_clients"] = info_number(sample.info, "connected_clients");
    return server;
}

json::object tests_json(const NodeSample& sample, const Judgement& judged) {
    json::object tests{{"status", judged.refused ? "skipped" : judged.failed ? "failed" : "passed"}};
    json::object times;
    if (!judged.failed || sample.failed_step != "ping") times["ping"] = sample.ping_ms;
    if (!judged.failed && sample.set_get_delete_ms > 0) times["set_get_delete"] = sample.set_get_delete_ms;
    tests["response_times_ms"] = std::move(times);
    if (sample.failure) {
        tests["failed_step"] = sample.failed_step;
        tests["error"] = text_of(*sample.failure);
    }
    return tests;
}

json::array advice_json(const NodeReading& node, std::size_t projects) {
    json::array advice;
    const MemoryReading& memory = node.memory;
    add_security_advice(advice, node.sample.security);
    if (node.sample.circuit == CircuitState::disabled) {
        advice.emplace_back("the circuit breaker was disabled by hand: enable() ends that");
    }
    if (node.sample.circuit == CircuitState::forced_open) {
        advice.emplace_back("the circuit breaker was opened by hand: reset() closes it");
    }
    if (!memory.known) return advice;
    if (memory.limit_is_machine) advice.emplace_back("no memory limit is set (maxmemory 0): the machine's is assumed");
    if (memory.policy == "noeviction") {
        advice.emplace_back("no eviction policy is set: writes fail when the memory is full");
    } else if (memory.policy.starts_with("allkeys") && projects > 1) {
        advice.emplace_back(
            fmt::format("eviction policy {}: one project's growth can push out another project's keys", memory.policy));
    }
    return advice;
}

}  // namespace

json::object judge_health(const std::vector<NodeReading>& nodes, HealthContext context,
                          const RedisServiceConfig& config) {
    Status status = Status::healthy;
    Status service = Status::healthy;
    json::array problems;
    json::array listed;
    std::optional<Judgement> first;
    for (const NodeReading& node : nodes) {
        const Judgement judged = judge_node(node);
        status = std::max(status, judged.status);
        service = std::max(service, judged.service);
        for (const std::string& problem : judged.problems) {
            problems.emplace_back(nodes.size() == 1 ? problem : fmt::format("{}: {}", node.sample.endpoint, problem));
        }
        listed.push_back(node_json(node, judged));
        if (!first) first = judged;
    }
    // Calls on the keys of these slots fail, wherever they are sent.
    if (const json::value* const cluster = context.factory.if_contains("cluster")) {
        std::string uncovered;
        for (const json::value& range : cluster->at("uncovered").as_array()) {
            if (!uncovered.empty()) uncovered += ", ";
            uncovered += std::string_view(range.as_string());
        }
        if (!uncovered.empty()) {
            status = service = Status::unhealthy;
            problems.emplace_back(fmt::format("no master serves the slots {}", uncovered));
        }
        for (const auto& [endpoint, node] : context.factory.at("nodes").as_object()) {
            const std::string_view state = node.at("circuit_breaker").at("state").as_string();
            if (endpoint == std::string_view(nodes.front().sample.endpoint)) continue;
            if (state != "open" && state != "forced_open") continue;
            status = service = Status::unhealthy;
            problems.emplace_back(fmt::format("{}: the circuit breaker is {}", std::string_view(endpoint), state));
        }
    }
    add_replicas(listed, nodes);
    const NodeReading& main = nodes.front();
    context.factory["status"] = name_of(service);
    return {{"status", name_of(status)},
            {"timestamp", seconds_since_epoch()},
            {"service", "redis"},
            {"problems", std::move(problems)},
            {"uptime_seconds", context.uptime_seconds},
            {"duration_ms", context.took_ms},
            {"server", server_json(main.sample)},
            {"replication", replication_json(main.replication)},
            {"nodes", std::move(listed)},
            {"factory", std::move(context.factory)},
            {"test_operations", tests_json(main.sample, *first)},
            {"memory", memory_json(main.memory, config)},
            {"security", security_json(main.sample.security)},
            {"advice", advice_json(main, context.projects)}};
}

}  // namespace redoubt::service
