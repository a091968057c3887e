// apps: what the steps of the demo share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/redoubt.hpp>

#include <redoubt/embedded/embedded_cluster.hpp>
#include <redoubt/embedded/embedded_sentinel.hpp>
#include <redoubt/embedded/embedded_server.hpp>

#include "apps/demo_report.hpp"

namespace redoubt::apps {

struct Demo {
    DemoReport& report;
    RedisServiceConfig config;
    std::optional<EmbeddedServer> server;    ///< absent with --url: then it is not ours to kill or to look into
    std::optional<EmbeddedSentinel> group;   ///< with --sentinel, in place of the one server
    std::optional<EmbeddedCluster> cluster;  ///< with --cluster
    std::optional<RedisService> service;
    /// On a foreign server names that nobody else has.
    std::string alpha = "alpha";
    std::string beta = "beta";

    bool is_own() const noexcept { return server || group || cluster; }
    /// The demo's own servers that have the data at the moment; none when they are somebody else's.
    std::vector<EmbeddedServer*> own_masters();
    ProjectIsolatedRedisClient project(std::string_view id) { return service->get_connection(id); }
};

// demo_steps_isolation.cpp
void show_isolation(Demo& demo);
// demo_steps_speed.cpp
void show_latency(Demo& demo);
void show_throughput(Demo& demo);
void show_memory(Demo& demo);
// demo_steps_state.cpp
void show_health(Demo& demo);
void show_metrics(Demo& demo);
// demo_steps_outage.cpp
void show_outage(Demo& demo);
// demo_steps_failover.cpp
void show_failover(Demo& demo);
// demo_steps_cluster.cpp
void show_slots(Demo& demo);
void show_node_loss(Demo& demo);
/// Begins with empty servers and ends with a service of its own: the last step.
void show_colocation(Demo& demo);
/// Deletes what the demo stored on a foreign server.
void clean_up(Demo& demo);

inline double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }
inline double microseconds(Duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }
/// The value below which the share `p` of the samples lies; sorts them. There must be some.
Duration percentile(std::vector<Duration>& samples, double p);
/// Polls until `condition` holds; false when it does not within `patience`.
bool eventually(Duration patience, const std::function<bool()>& condition);
/// What the embedded server itself says: the strings of the reply to one command.
std::vector<std::string> ask_server(const EmbeddedServer& server, const std::vector<std::string_view>& command);
/// It runs, and says that it is one.
bool is_master(const EmbeddedServer& server);

/// The keys of the pipelined step, which `clean_up` deletes again.
std::vector<std::string> bulk_keys();

}  // namespace redoubt::apps
