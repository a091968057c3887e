// service: the figures of a service, and their documents; see the headers.
#include "service/metrics_snapshot.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace redoubt {
namespace {

namespace json = boost::json;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

json::object pool_json(const PoolSnapshot& pool) {
    return {{"created_connections", pool.created}, {"available_connections", pool.available},
            {"max_connections", pool.max},         {"leased_connections", pool.leased},
            {"waiting_callers", pool.waiting},     {"in_flight_commands", pool.in_flight},
            {"queued_bytes", pool.queued_bytes},   {"retries", pool.retries},
            {"exhausted", pool.exhausted}};
}

json::object breaker_json(const NodeSnapshot& node) {
    const CircuitBreakerMetrics& metrics = node.breaker;
    json::object spent;
    json::object entered;
    for (std::size_t i = 0; i != circuit_states; ++i) {
        const std::string_view state = to_string(static_cast<CircuitState>(i));
        spent[state] = seconds(metrics.time_spent[i]);
        entered[state] = node.transitions[i];
    }
    json::object out{{"state", to_string(node.state)},
                     {"mode", to_string(node.mode)},
                     {"metrics",
                      {{"total_calls", metrics.total_calls},
                       {"successful_calls", metrics.successful_calls},
                       {"failed_calls", metrics.failed_calls},
                       {"rejected_calls", metrics.rejected_calls},
                       {"slow_calls", metrics.slow_calls},
                       {"success_rate", metrics.success_rate()},
                       {"circuit_opens", metrics.circuit_opens},
                       {"consecutive_failures", metrics.consecutive_failures},
                       {"time_in_state_seconds", seconds(metrics.time_in_state)},
                       {"seconds_in_states", std::move(spent)},
                       {"transitions_to", std::move(entered)}}}};
    if (node.mode != CircuitBreakerMode::consecutive) {
        out["window"] = {{"calls", metrics.window_calls},
                         {"failures", metrics.window_failures},
                         {"slow_calls", metrics.window_slow_calls}};
    }
    return out;
}

json::object node_json(const NodeSnapshot& node) {
    return {{"connections_opened", node.connections_opened},
            {"connections_failed", node.connections_failed},
            {"circuit_breaker", breaker_json(node)}};
}

json::object replica_json(const ReplicaSnapshot& replica) {
    json::object out = node_json(replica.node);
    out["role"] = "replica";
    out["master"] = replica.master;
    out["within_bound"] = replica.within_bound;
    out["lag_seconds"] = replica.lag ? json::value(seconds(*replica.lag)) : json::value();
    out["answer_seconds"] = replica.answer_time ? json::value(seconds(*replica.answer_time)) : json::value();
    return out;
}

json::object cluster_json(const ClusterSnapshot& cluster) {
    json::array members;
    std::uint64_t covered = 0;
    for (const ClusterSnapshot::Member& one : cluster.members) {
        covered += one.slots;
        members.push_back({{"endpoint", one.endpoint},
                           {"role", one.master ? "master" : "replica"},
                           {"online", one.online},
                           {"slots", one.slots}});
    }
    json::array uncovered;
    for (const auto& [first, last] : cluster.uncovered) {
        uncovered.emplace_back(first == last ? std::to_string(first)
                                             : std::to_string(first) + '-' + std::to_string(last));
    }
    return {{"slots_covered", covered}, {"uncovered", std::move(uncovered)}, {"nodes", std::move(members)}};
}

// How much it matters to whoever looks; a breaker that is disabled by hand lets everything pass.
int gravity(CircuitState state) noexcept {
    switch (state) {
        case CircuitState::closed: return 0;
        case CircuitState::disabled: return 1;
        case CircuitState::half_open: return 2;
        case CircuitState::open: return 3;
        case CircuitState::forced_open: return 4;
    }
    return 0;
}

bool is_busier(const PoolSnapshot* a, const PoolSnapshot* b) noexcept {
    const auto load = [](const PoolSnapshot& pool) { return pool.in_flight + pool.waiting + pool.leased; };
    return std::make_tuple(load(*a), a->created, std::string_view(b->name)) >
           std::make_tuple(load(*b), b->created, std::string_view(a->name));
}

bool is_worse(const NodeSnapshot& a, const NodeSnapshot& b) noexcept { return gravity(a.state) < gravity(b.state); }

}  // namespace

PoolSnapshot& PoolSnapshot::operator+=(const PoolSnapshot& other) noexcept {
    created += other.created;
    available += other.available;
    leased += other.leased;
    max += other.max;
    min_idle += other.min_idle;
    waiting += other.waiting;
    in_flight += other.in_flight;
    queued_bytes += other.queued_bytes;
    retries += other.retries;
    exhausted += other.exhausted;
    return *this;
}

std::uint32_t ClusterSnapshot::uncovered_slots() const noexcept {
    std::uint32_t slots = 0;
    for (const auto& [first, last] : uncovered) slots += last - first + 1U;
    return slots;
}

PoolSnapshot MetricsSnapshot::totals() const noexcept {
    PoolSnapshot all;
    for (const PoolSnapshot& pool : pools) all += pool;
    return all;
}

CircuitState MetricsSnapshot::circuit_state() const noexcept {
    const auto worst = std::max_element(nodes.begin(), nodes.end(), is_worse);
    return worst == nodes.end() ? CircuitState::closed : worst->state;
}

boost::json::object service::factory_json(const MetricsSnapshot& snapshot) {
    std::vector<const PoolSnapshot*> rows;
    rows.reserve(snapshot.pools.size());
    for (const PoolSnapshot& pool : snapshot.pools) rows.push_back(&pool);
    const std::size_t listed = std::min(rows.size(), listed_pools);
    const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(listed);
    if (listed != rows.size()) {
        std::partial_sort(rows.begin(), middle, rows.end(), is_busier);
    }
    json::object pools;
    std::for_each(rows.begin(), middle, [&](const PoolSnapshot* pool) { pools[pool->name] = pool_json(*pool); });
    PoolSnapshot others;
    std::for_each(middle, rows.end(), [&](const PoolSnapshot* pool) { others += *pool; });

    const PoolSnapshot totals = snapshot.totals();
    json::object out{{"pools_count", rows.size()},
                     {"projects_count", snapshot.projects},
                     {"created_connections", totals.created},
                     {"pools", std::move(pools)},
                     {"totals", pool_json(totals)},
                     {"queues",
                      {{"waiting_callers", totals.waiting},
                       {"queued_commands", totals.in_flight},
                       {"queued_bytes", totals.queued_bytes}}}};
    json::object omitted = pool_json(others);
    omitted["count"] = rows.size() - listed;
    out["pools_omitted"] = std::move(omitted);
    json::object nodes;
    for (const NodeSnapshot& node : snapshot.nodes) nodes[node.endpoint] = node_json(node);
    if (!snapshot.nodes.empty()) {
        out["circuit_breaker"] =
            breaker_json(*std::max_element(snapshot.nodes.begin(), snapshot.nodes.end(), is_worse));
    }
    out["nodes"] = std::move(nodes);
    if (!snapshot.replicas.empty()) {
        json::object replicas;
        for (const ReplicaSnapshot& one : snapshot.replicas) replicas[one.node.endpoint] = replica_json(one);
        out["replicas"] = std::move(replicas);
    }
    if (snapshot.cluster) out["cluster"] = cluster_json(*snapshot.cluster);
    return out;
}

std::vector<PoolSnapshot> service::pools_by_label(const MetricsSnapshot& snapshot, base::BoundedLabels& labels) {
    std::map<std::string_view, PoolSnapshot> by_label;
    for (const PoolSnapshot& pool : snapshot.pools) by_label[labels.label_of(pool.name)] += pool;
    std::vector<PoolSnapshot> out;
    out.reserve(by_label.size());
    for (auto& [label, pool] : by_label) {
        pool.name = label;
        out.push_back(std::move(pool));
    }
    return out;
}

std::optional<MemorySnapshot> service::memory_of(const boost::json::object& health) {
    const json::value* const found = health.if_contains("memory");
    const json::object* const memory = found != nullptr ? found->if_object() : nullptr;
    if (memory == nullptr || !memory->contains("max_memory_bytes")) return std::nullopt;
    return MemorySnapshot{
        std::string(memory->at("status").as_string()), memory->at("usage_percentage").to_number<double>(),
        memory->at("usage_bytes").to_number<std::int64_t>(), memory->at("max_memory_bytes").to_number<std::int64_t>()};
}

boost::json::object to_json(const MetricsSnapshot& snapshot) {
    if (!snapshot.initialized) return {{"initialized", false}};
    json::object out{{"initialized", true},
                     {"endpoint", snapshot.endpoint},
                     {"connection_factory", service::factory_json(snapshot)},
                     {"isolation",
                      {{"refusals", snapshot.isolation_refusals},
                       {"foreign_names", snapshot.isolation_foreign_names},
                       {"foreign_keys", snapshot.isolation_foreign_keys}}}};
    if (snapshot.memory) {
        out["memory"] = {{"status", snapshot.memory->status},
                         {"usage_percentage", snapshot.memory->usage_fraction},
                         {"usage_bytes", snapshot.memory->usage_bytes},
                         {"max_memory_bytes", snapshot.memory->max_bytes}};
    }
    return out;
}

}  // namespace redoubt
