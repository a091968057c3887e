// service: health: what was measured, node by node, and what that means. The judging is pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/base/error.hpp>
#include <redoubt/policy/circuit_breaker.hpp>

#include "service/health_security.hpp"
#include "service/server_info.hpp"

namespace redoubt::service {

/// One round of measurements against one node.
struct NodeSample {
    std::string endpoint;
    CircuitState circuit = CircuitState::closed;  ///< of its breaker, when the round was over
    double ping_ms = 0;
    double set_get_delete_ms = 0;  ///< 0: not tried, as at a replica
    std::string info;              ///< the answer to INFO
    SecurityReading security;
    /// The first thing that failed; the steps that follow it were not tried. INFO is asked for before the writes, and
    /// its failure is told only when nothing else failed.
    std::optional<Error> failure;
    std::string_view failed_step;  ///< `ping`, `set_get_delete`, `info`
};

/// A sample, with what only whoever looks again and again can know.
struct NodeReading {
    NodeSample sample;
    MemoryReading memory;
    ReplicationReading replication;
};

/// What surrounds the nodes.
struct HealthContext {
    boost::json::object factory;  ///< RedisConnectionFactory::health_figures()
    std::size_t projects = 0;     ///< without our own
    double took_ms = 0;
    double uptime_seconds = 0;  ///< of the service
};

/// The whole document, of one node or more. What belongs to one server (`server`, `memory`, `replication`...) is the
/// first's. Status: the worst of the nodes'. A node's is unhealthy when a step failed, its breaker is open or its memory
/// critical; degraded at a memory warning, while its breaker is half-open, and while a replica is down.
boost::json::object judge_health(const std::vector<NodeReading>& nodes, HealthContext context,
                                 const RedisServiceConfig& config);

}  // namespace redoubt::service
