// service: health over time; see the header.
#include "service/health_watch.hpp"

#include <chrono>
#include <utility>

#include <boost/json/value.hpp>

namespace redoubt::service {
namespace {

double seconds_between(TimePoint from, TimePoint to) { return std::chrono::duration<double>(to - from).count(); }

std::string joined(const boost::json::object& health) {
    std::string text;
    for (const boost::json::value& problem : health.at("problems").as_array()) {
        if (!text.empty()) text += "; ";
        text += std::string_view(problem.as_string());
    }
    return text;
}

}  // namespace

HealthWatch::HealthWatch(const RedisServiceConfig& config, std::shared_ptr<HealthListeners> listeners,
                         std::shared_ptr<LogTelemetry> log, std::shared_ptr<Telemetry> telemetry)
    : config_(config), listeners_(std::move(listeners)), log_(std::move(log)), telemetry_(std::move(telemetry)) {}

boost::json::object HealthWatch::judge(std::vector<NodeSample> samples, const RedisConnectionFactory& factory,
                                       TimePoint start) {
    std::vector<NodeReading> readings;
    std::vector<std::pair<std::size_t, MemoryAlarm::Change>> changes;
    const TimePoint now = Clock::now();
    {
        const std::lock_guard lock(mutex_);
        for (NodeSample& sample : samples) {
            NodeWatch& watch = nodes_.try_emplace(sample.endpoint, config_).first->second;
            NodeWatch::Seen seen = watch.observe(std::move(sample), now);
            if (seen.memory_change) changes.emplace_back(readings.size(), *seen.memory_change);
            readings.push_back(std::move(seen.reading));
        }
    }
    for (const auto& [index, change] : changes) tell(readings[index].sample.endpoint, readings[index].memory, change);

    HealthContext context;
    context.factory = factory.metrics();
    context.projects = context.factory["projects_count"].to_number<std::size_t>();
    context.took_ms = seconds_between(start, Clock::now()) * 1000;
    context.uptime_seconds = seconds_between(began_, Clock::now());
    return judge_health(readings, std::move(context), config_);
}

void HealthWatch::tell(const std::string& endpoint, const MemoryReading& memory, const MemoryAlarm::Change& change) {
    telemetry_->memory_alert(endpoint, to_string(change.from), to_string(change.to), memory.usage_fraction);
    const MemoryAlert alert{endpoint,
                            change.from,
                            change.to,
                            memory.usage_fraction,
                            memory.usage_bytes,
                            memory.max_bytes,
                            memory.limit_is_machine};
    listeners_->memory.tell(alert, [&](std::string_view what) { telemetry_->listener_failed(endpoint, what); });
}

void HealthWatch::keep(boost::json::object health) {
    const std::string status(health.at("status").as_string());
    boost::json::object past = health;
    past["factory"].as_object().erase("pools");
    std::string from;
    {
        const std::lock_guard lock(mutex_);
        from = std::exchange(status_, status);
        last_ = health;
        history_.push_back(std::move(past));
        if (history_.size() > history_size) history_.pop_front();
    }
    if (from == status) return;
    log_->health_changed(from, status, joined(health));
    const std::string endpoint(health.at("server").at("endpoint").as_string());
    listeners_->health.tell({std::move(from), status, std::move(health)},
                            [&](std::string_view what) { telemetry_->listener_failed(endpoint, what); });
}

boost::json::object HealthWatch::last() const {
    const std::lock_guard lock(mutex_);
    return last_;
}

boost::json::array HealthWatch::history() const {
    const std::lock_guard lock(mutex_);
    return boost::json::array(history_.begin(), history_.end());
}

}  // namespace redoubt::service
