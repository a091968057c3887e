// admin: the live feed's memory; see the header.
#include "admin/feed_state.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace redoubt::admin {
namespace {

namespace json = boost::json;

// Latency is of the calls of so many seconds: fewer would jump, more would hide what begins.
constexpr std::size_t latency_seconds = 10;

// The project of health checks and probes.
constexpr std::string_view own_project = "_redoubt";

// Thousandths are finer than anybody reads, and short.
double brief(double value) { return std::round(value * 1000) / 1000; }

json::value brief_or_null(const std::optional<double>& value) {
    return value ? json::value(brief(*value)) : json::value(nullptr);
}

template <class Entry>
void keep(std::deque<Entry>& entries, Entry entry, std::size_t at_most) {
    entries.push_back(std::move(entry));
    if (entries.size() > at_most) entries.pop_front();
}

json::object json_of(const BreakerChange& change) {
    return {{"time", brief(change.time)}, {"endpoint", change.endpoint}, {"from", change.from}, {"to", change.to}};
}

json::object json_of(const Alert& alert) {
    return {{"time", brief(alert.time)}, {"severity", alert.severity}, {"text", alert.text}};
}

template <class Entry>
json::array last_of(const std::deque<Entry>& entries, std::size_t count) {
    json::array out;
    for (auto at = entries.end() - static_cast<std::ptrdiff_t>(std::min(count, entries.size())); at != entries.end();
         ++at) {
        out.push_back(json_of(*at));
    }
    return out;
}

std::string event(std::string_view name, const json::object& data) {
    std::string text("event: ");
    text.append(name).append("\ndata: ").append(json::serialize(data)).append("\n\n");
    return text;
}

json::object server_json(const FeedReading& reading) {
    json::object server = object_in(reading.health, "server");
    if (server.empty()) server["endpoint"] = text_in(reading.metrics, "endpoint");
    // It was so long up when health was checked.
    if (server.contains("uptime_seconds")) {
        server["uptime_seconds"] =
            brief(number_in(server, "uptime_seconds") + reading.time - number_in(reading.health, "timestamp"));
    }
    return server;
}

json::object memory_json(const FeedReading& reading) {
    json::object memory = object_in(reading.health, "memory");
    memory["warning"] = reading.memory_warning;
    memory["critical"] = reading.memory_critical;
    return memory;
}

json::object probe_json(const std::optional<Probe>& probe) {
    if (!probe) return {{"ok", false}};
    if (probe->error) return {{"ok", false}, {"error", why_of(*probe->error)}};
    return {{"ok", true}, {"ms", brief(probe->milliseconds)}};
}

json::object breaker_json(const json::object& factory) {
    const json::object& breaker = object_in(factory, "circuit_breaker");
    const json::object& figures = object_in(breaker, "metrics");
    return {{"state", text_in(breaker, "state")},
            {"seconds", brief(number_in(figures, "time_in_state_seconds"))},
            {"circuit_opens", number_in(figures, "circuit_opens")}};
}

}  // namespace

CallFigures call_figures(const CallMetrics& calls) {
    CallFigures figures;
    for (const CallMetrics::Row& row : calls.rows()) {
        if (row.project == own_project) continue;
        figures.durations += row.durations;
        if (row.error) figures.failures += row.durations.count();
    }
    return figures;
}

void FeedState::add(BreakerChange change) {
    keep(changes_, std::move(change), kept_entries);
    new_changes_ = std::min(new_changes_ + 1, kept_entries);
}

std::string FeedState::take(const FeedReading& reading) {
    const json::object& factory = object_in(reading.metrics, "connection_factory");
    std::vector<Alert> new_alerts;
    const std::vector<Condition> conditions = conditions_.judge(reading, new_alerts);
    Level level = Level::good;
    json::array reasons;
    for (const Condition& one : conditions) {
        if (one.counts) level = std::max(level, one.level);
        reasons.emplace_back(one.text);
    }
    for (Alert& alert : new_alerts) keep(alerts_, std::move(alert), kept_entries);

    Point point;
    point.time = reading.time;
    point.trouble = level >= Level::unhealthy;
    Totals totals;
    json::array pools = pools_json(object_in(factory, "pools"), totals);
    count_calls(reading, point);
    const json::object memory = memory_json(reading);
    if (level != Level::unreachable && memory.contains("usage_bytes"))
        point.memory_bytes = number_in(memory, "usage_bytes");
    // All pools, not only those that are listed.
    point.connections = number_in(factory, "created_connections");
    point.in_use = totals.busy;
    point.waiting = totals.waiting;

    const json::object& breaker = object_in(object_in(factory, "circuit_breaker"), "metrics");
    const json::value* advice = reading.health.if_contains("advice");
    const json::object sample{
        {"time", brief(reading.time)},
        {"status", to_string(level)},
        {"reasons", std::move(reasons)},
        {"advice", advice != nullptr && advice->is_array() ? advice->get_array() : json::array()},
        {"server", server_json(reading)},
        {"probe", probe_json(reading.probe)},
        {"breaker", breaker_json(factory)},
        {"memory", memory},
        {"totals",
         {{"created", point.connections},
          {"busy", totals.busy},
          {"waiting", totals.waiting},
          {"in_flight", totals.in_flight},
          {"failed_calls", number_in(breaker, "failed_calls")},
          {"rejected_calls", number_in(breaker, "rejected_calls")}}},
        {"pools_count", number_in(factory, "pools_count")},
        {"pools", std::move(pools)},
        {"point", json_of(point)},
        {"transitions", last_of(changes_, std::exchange(new_changes_, 0))},
        {"alerts", last_of(alerts_, new_alerts.size())},
    };
    keep(points_, point, capacity);
    return event("sample", sample);
}

json::object FeedState::json_of(const Point& point) {
    return {{"time", brief(point.time)},
            {"calls", brief(point.calls)},
            {"failures", brief(point.failures)},
            {"p50_ms", brief_or_null(point.p50_ms)},
            {"p99_ms", brief_or_null(point.p99_ms)},
            {"memory_bytes", brief_or_null(point.memory_bytes)},
            {"connections", point.connections},
            {"in_use", point.in_use},
            {"waiting", point.waiting},
            {"trouble", point.trouble ? 1 : 0}};
}

std::string FeedState::history() const {
    // Columns, because names would be most of what is sent.
    json::object columns;
    for (const auto& column : json_of(Point{})) columns[column.key()] = json::array();
    for (const Point& point : points_) {
        for (auto& field : json_of(point)) columns[field.key()].get_array().push_back(std::move(field.value()));
    }
    // What was added since the last sample will come with the next.
    std::deque<BreakerChange> told(changes_.begin(), changes_.end() - static_cast<std::ptrdiff_t>(new_changes_));
    return event("history", {{"capacity", capacity},
                             {"samples", std::move(columns)},
                             {"transitions", last_of(told, told.size())},
                             {"alerts", last_of(alerts_, alerts_.size())}});
}

void FeedState::count_calls(const FeedReading& reading, Point& point) {
    double calls = 0;
    double failures = 0;
    if (reading.calls) {
        calls = static_cast<double>(reading.calls->durations.count());
        failures = static_cast<double>(reading.calls->failures);
    } else {
        const json::object& figures =
            object_in(object_in(object_in(reading.metrics, "connection_factory"), "circuit_breaker"), "metrics");
        failures = number_in(figures, "failed_calls") + number_in(figures, "rejected_calls");
        calls = number_in(figures, "successful_calls") + failures;
    }
    if (calls_before_ && reading.seconds > 0) {
        point.calls = std::max(0.0, calls - *calls_before_) / reading.seconds;
        point.failures = std::max(0.0, failures - failures_before_) / reading.seconds;
    }
    calls_before_ = calls;
    failures_before_ = failures;
    if (!reading.calls) return;

    DurationHistogram recent = reading.calls->durations;
    if (!durations_before_.empty()) recent = recent.since(durations_before_.front());
    keep(durations_before_, reading.calls->durations, latency_seconds);
    const auto milliseconds = [&](double quantile) {
        const std::optional<double> seconds = recent.quantile(quantile);
        return seconds ? std::optional(*seconds * 1000) : std::nullopt;
    };
    point.p50_ms = milliseconds(0.5);
    point.p99_ms = milliseconds(0.99);
}

json::array FeedState::pools_json(const json::object& pools, Totals& totals) {
    struct Row {
        std::string_view name;
        double created, available, max, leased, waiting, in_flight;
        double weight() const noexcept {
            return waiting * 1e6 + (created - available) * 1e3 + in_flight + created / 1e3;
        }
    };
    std::vector<Row> rows;
    for (const auto& [name, value] : pools) {
        const json::object* pool = value.if_object();
        if (pool == nullptr) continue;
        rows.push_back({name, number_in(*pool, "created_connections"), number_in(*pool, "available_connections"),
                        number_in(*pool, "max_connections"), number_in(*pool, "leased_connections"),
                        number_in(*pool, "waiting_callers"), number_in(*pool, "in_flight_commands")});
        totals.created += rows.back().created;
        totals.busy += rows.back().created - rows.back().available;
        totals.waiting += rows.back().waiting;
        totals.in_flight += rows.back().in_flight;
    }
    // The busiest first; among equals by name, as the metrics have them.
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.weight() > b.weight(); });
    json::array out;
    for (const Row& row : rows) {
        out.push_back({{"name", row.name},
                       {"created", row.created},
                       {"available", row.available},
                       {"max", row.max},
                       {"leased", row.leased},
                       {"waiting", row.waiting},
                       {"in_flight", row.in_flight}});
    }
    return out;
}

}  // namespace redoubt::admin
