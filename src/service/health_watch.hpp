// service: health over time: judges each round by what was seen before, keeps the monitor's results, and tells who listens.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <redoubt/base/listeners.hpp>
#include <redoubt/service/connection_factory.hpp>
#include <redoubt/service/health_events.hpp>

#include "service/log_telemetry.hpp"
#include "service/node_watch.hpp"

namespace redoubt::service {

/// Of one service; they outlive `close` and `initialize`.
struct HealthListeners {
    Listeners<HealthChange> health;
    Listeners<MemoryAlert> memory;
};

/// Thread-safe. Listeners are called under no lock of this.
class HealthWatch {
public:
    static constexpr std::size_t history_size = 100;

    HealthWatch(const RedisServiceConfig& config, std::shared_ptr<HealthListeners> listeners,
                std::shared_ptr<LogTelemetry> log, std::shared_ptr<Telemetry> telemetry);

    /// What a round that began at `start` means. Alerts of memory are told, whoever looked.
    boost::json::object judge(std::vector<NodeSample> samples, const RedisConnectionFactory& factory, TimePoint start);

    /// A round of the monitor: it becomes the last and part of the history, and a change of status is told.
    void keep(boost::json::object health);
    boost::json::object last() const;
    /// The oldest first; without `factory.pools`, which would be most of it.
    boost::json::array history() const;
    LogTelemetry& log() noexcept { return *log_; }

private:
    void tell(const std::string& endpoint, const MemoryReading& memory, const MemoryAlarm::Change& change);

    RedisServiceConfig config_;
    std::shared_ptr<HealthListeners> listeners_;
    std::shared_ptr<LogTelemetry> log_;
    std::shared_ptr<Telemetry> telemetry_;  // the log among them
    TimePoint began_ = Clock::now();
    mutable std::mutex mutex_;
    std::map<std::string, NodeWatch, std::less<>> nodes_;
    boost::json::object last_;
    std::deque<boost::json::object> history_;
    std::string status_ = "healthy";
};

}  // namespace redoubt::service
