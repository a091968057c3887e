// admin: Prometheus' text; see the header.
#include "admin/prometheus_text.hpp"

#include <array>
#include <chrono>
#include <initializer_list>
#include <locale>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "service/metrics_snapshot.hpp"

namespace redoubt::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;
using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// One family after the other.
class Families {
public:
    void begin(MetricType type, std::string_view name, std::string_view help) {
        families_.push_back({std::string(name), std::string(help), type, {}});
    }
    void gauge(std::string_view name, std::string_view help) { begin(MetricType::Gauge, name, help); }
    void counter(std::string_view name, std::string_view help) { begin(MetricType::Counter, name, help); }

    /// A series of the family that was begun last; labels without a value are left out, as Prometheus takes them.
    ClientMetric& series(Labels labels) {
        ClientMetric& metric = families_.back().metric.emplace_back();
        for (const auto& [name, value] : labels) {
            if (!value.empty()) metric.label.push_back({std::string(name), std::string(value)});
        }
        return metric;
    }
    template <class Number>
    void add(Labels labels, Number value) {
        ClientMetric& metric = series(labels);
        const auto number = static_cast<double>(value);
        families_.back().type == MetricType::Counter ? metric.counter.value = number : metric.gauge.value = number;
    }
    const std::vector<prometheus::MetricFamily>& all() const noexcept { return families_; }

private:
    std::vector<prometheus::MetricFamily> families_;
};

constexpr std::string_view pool_name = "db_client_connection_pool_name";

void set_histogram(ClientMetric& metric, const DurationHistogram& durations) {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i != duration_bounds.size(); ++i) {
        below += durations.counts[i];
        metric.histogram.bucket.push_back({below, duration_bounds[i]});
    }
    metric.histogram.sample_count = durations.count();
    metric.histogram.sample_sum = durations.sum_seconds;
}

void add_calls(Families& out, const std::vector<CallMetrics::Row>& calls) {
    out.begin(MetricType::Histogram, "db_client_operation_duration_seconds",
              "Duration of calls as their callers see them: waiting, every attempt and pause; error_type on those that "
              "failed");
    for (const CallMetrics::Row& row : calls) {
        if (row.measure != CallMetrics::Measure::call) continue;
        ClientMetric& metric = out.series({{"db_operation_name", row.operation},
                                           {"db_system_name", "redis"},
                                           {"error_type", row.error ? to_string(*row.error) : std::string_view()},
                                           {"redoubt_project_id", row.project}});
        set_histogram(metric, row.durations);
    }
}

void add_connection_times(Families& out, const std::vector<CallMetrics::Row>& rows) {
    using Measure = CallMetrics::Measure;
    const auto each = [&](Measure measure) {
        for (const CallMetrics::Row& row : rows) {
            if (row.measure == measure) set_histogram(out.series({{pool_name, row.project}}), row.durations);
        }
    };
    out.begin(MetricType::Histogram, "db_client_connection_create_time_seconds", "To open one, with its handshake");
    each(Measure::create_time);
    out.begin(MetricType::Histogram, "db_client_connection_wait_time_seconds",
              "Waiting for one of one's own: a blocking command, WATCH, a large call; others share connections");
    each(Measure::wait_time);
    out.begin(MetricType::Histogram, "db_client_connection_use_time_seconds", "From then to its return");
    each(Measure::use_time);
}

void add_pools(Families& out, const std::vector<PoolSnapshot>& pools) {
    const auto each = [&](const auto& value) {
        for (const PoolSnapshot& pool : pools) out.add({{pool_name, pool.name}}, value(pool));
    };
    // OpenTelemetry's `db.client.connection.count`, but Prometheus keeps the ending `_count` for histograms.
    out.gauge("db_client_connections", "Open connections, by state: idle or used");
    for (const PoolSnapshot& pool : pools) {
        out.add({{pool_name, pool.name}, {"db_client_connection_state", "idle"}}, pool.available);
        out.add({{pool_name, pool.name}, {"db_client_connection_state", "used"}}, pool.used());
    }
    out.gauge("db_client_connection_max", "Connections that a pool may open");
    each([](const PoolSnapshot& pool) { return pool.max; });
    out.gauge("db_client_connection_idle_max", "Idle connections that a pool may keep");
    each([](const PoolSnapshot& pool) { return pool.max; });
    out.gauge("db_client_connection_idle_min", "Idle connections that a pool keeps");
    each([](const PoolSnapshot& pool) { return pool.min_idle; });
    out.gauge("db_client_connection_pending_requests", "Calls that wait for a connection, or for room on one");
    each([](const PoolSnapshot& pool) { return pool.waiting; });
    out.counter("db_client_connection_timeouts_total", "Attempts that found no connection and no room in time");
    each([](const PoolSnapshot& pool) { return pool.exhausted; });
    out.gauge("redoubt_pool_leased_connections", "Connections that one call has to itself");
    each([](const PoolSnapshot& pool) { return pool.leased; });
    out.gauge("redoubt_pool_in_flight_commands", "Commands that are not answered");
    each([](const PoolSnapshot& pool) { return pool.in_flight; });
    out.counter("redoubt_retries_total", "Attempts after a call's first");
    each([](const PoolSnapshot& pool) { return pool.retries; });
}

constexpr std::array<CircuitState, circuit_states> all_states{CircuitState::closed, CircuitState::open,
                                                              CircuitState::half_open, CircuitState::forced_open,
                                                              CircuitState::disabled};

void add_nodes(Families& out, const std::vector<NodeSnapshot>& nodes) {
    constexpr std::string_view server = "server_address";
    out.gauge("redoubt_circuit_breaker_state", "1 for the state in which a node's breaker is, 0 for the others");
    for (const NodeSnapshot& node : nodes) {
        for (const CircuitState state : all_states) {
            out.add({{server, node.endpoint}, {"state", to_string(state)}}, node.state == state ? 1 : 0);
        }
    }
    out.counter("redoubt_circuit_breaker_transitions_total", "Changes of a breaker's state, by the state entered");
    for (const NodeSnapshot& node : nodes) {
        for (const CircuitState state : all_states) {
            out.add({{server, node.endpoint}, {"state", to_string(state)}}, node.transitions_to(state));
        }
    }
    out.counter("redoubt_circuit_breaker_calls_total", "Attempts as a breaker counts them: success, failure, rejected");
    for (const NodeSnapshot& node : nodes) {
        out.add({{server, node.endpoint}, {"result", "success"}}, node.breaker.successful_calls);
        out.add({{server, node.endpoint}, {"result", "failure"}}, node.breaker.failed_calls);
        out.add({{server, node.endpoint}, {"result", "rejected"}}, node.breaker.rejected_calls);
    }
    out.counter("redoubt_connections_opened_total", "Connections that were opened");
    for (const NodeSnapshot& node : nodes) out.add({{server, node.endpoint}}, node.connections_opened);
    out.counter("redoubt_connections_failed_total", "Connections that could not be opened");
    for (const NodeSnapshot& node : nodes) out.add({{server, node.endpoint}}, node.connections_failed);
}

// What reads from replicas go by; none where nobody has read from one.
void add_replicas(Families& out, const std::vector<ReplicaSnapshot>& replicas) {
    const auto each = [&](const auto& value) {
        for (const ReplicaSnapshot& one : replicas) {
            const std::optional<double> told = value(one);
            if (told) out.add({{"server_address", one.node.endpoint}, {"master", one.master}}, *told);
        }
    };
    const auto seconds = [](const std::optional<Duration>& duration) -> std::optional<double> {
        if (!duration) return std::nullopt;
        return std::chrono::duration<double>(*duration).count();
    };
    out.gauge("redoubt_replica_lag_seconds", "A replica has all that its master had so long ago; none: not known");
    each([&](const ReplicaSnapshot& one) { return seconds(one.lag); });
    out.gauge("redoubt_replica_answer_seconds", "How long a replica takes to answer, smoothed; none: not known");
    each([&](const ReplicaSnapshot& one) { return seconds(one.answer_time); });
    out.gauge("redoubt_replica_within_bound", "1 while a replica's lag lets it be read from, else 0");
    each([](const ReplicaSnapshot& one) { return std::optional(one.within_bound ? 1.0 : 0.0); });
}

// None where there is no Cluster, or its map is not known.
void add_cluster(Families& out, const std::optional<ClusterSnapshot>& cluster) {
    const auto each = [&](const auto& value) {
        if (!cluster) return;
        for (const ClusterSnapshot::Member& one : cluster->members) {
            out.add({{"server_address", one.endpoint}, {"role", one.master ? "master" : "replica"}}, value(one));
        }
    };
    out.gauge("redoubt_cluster_slots", "Slots that a Cluster's node serves; a replica serves none");
    each([](const ClusterSnapshot::Member& one) { return one.slots; });
    out.gauge("redoubt_cluster_node_online", "1 while a node is online in the eyes of the others, else 0");
    each([](const ClusterSnapshot::Member& one) { return one.online ? 1 : 0; });
    out.gauge("redoubt_cluster_uncovered_slots", "Slots that no master serves: their keys cannot be used");
    if (cluster) out.add({}, cluster->uncovered_slots());
}

void add_memory(Families& out, const PrometheusSource& source) {
    const auto& memory = source.snapshot.memory;
    out.gauge("redoubt_memory_usage_bytes", "Memory that the server used when the monitor looked last");
    if (memory) out.add({}, memory->usage_bytes);
    out.gauge("redoubt_memory_limit_bytes", "Its maxmemory, or the machine's memory where none is set");
    if (memory) out.add({}, memory->max_bytes);
    out.gauge("redoubt_memory_utilization_ratio", "Usage as a share of the limit");
    if (memory) out.add({}, memory->usage_fraction);
    out.gauge("redoubt_memory_warning_ratio", "The share from which on it is a warning");
    out.add({}, source.memory_warning_ratio);
    out.gauge("redoubt_memory_critical_ratio", "The share from which on it is critical");
    out.add({}, source.memory_critical_ratio);
}

void add_service(Families& out, const PrometheusSource& source) {
    const MetricsSnapshot& snapshot = source.snapshot;
    out.gauge("redoubt_initialized", "1 while the service is connected, or was and tries again");
    out.add({}, snapshot.initialized ? 1 : 0);
    out.gauge("redoubt_health_status", "1 for the status of the last health check, 0 for the others");
    for (const std::string_view status : {"healthy", "degraded", "unhealthy"}) {
        out.add({{"status", status}}, source.health == status ? 1 : 0);
    }
    out.gauge("redoubt_projects", "Projects that have a pool");
    out.add({}, snapshot.projects);
    out.counter("redoubt_isolation_refusals_total", "Calls refused because they could not be isolated");
    out.add({}, snapshot.isolation_refusals);
    out.counter("redoubt_isolation_foreign_names_total", "Names of other projects that were taken out of replies");
    out.add({}, snapshot.isolation_foreign_names);
    out.counter("redoubt_isolation_foreign_keys_total",
                "Replies with another project's key, which closed a connection");
    out.add({}, snapshot.isolation_foreign_keys);
    out.gauge("redoubt_build_info", "Always 1; the version is a label");
    out.add({{"version", source.version}}, 1);
}

}  // namespace

std::string prometheus_text(const PrometheusSource& source, base::BoundedLabels& pools) {
    Families out;
    add_calls(out, source.calls);
    add_connection_times(out, source.calls);
    add_pools(out, service::pools_by_label(source.snapshot, pools));
    add_nodes(out, source.snapshot.nodes);
    add_replicas(out, source.snapshot.replicas);
    add_cluster(out, source.snapshot.cluster);
    add_memory(out, source);
    add_service(out, source);
    std::ostringstream text;
    text.imbue(std::locale::classic());
    prometheus::TextSerializer().Serialize(text, out.all());
    return std::move(text).str();
}

}  // namespace redoubt::admin
