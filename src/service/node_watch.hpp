// service: health: what only whoever looks at a node again and again can know. Pure machines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/config.hpp>
#include <redoubt/policy/memory_alert.hpp>

#include "service/health.hpp"

namespace redoubt::service {

/// How many keys the server evicts a second, from a counter that is looked at now and then. Looks that follow each other
/// within a second are not set against each other; a server that was restarted counts anew.
class EvictionRate {
public:
    /// nullopt until two looks can be compared; then the rate between the last two that could be.
    std::optional<double> observe(std::int64_t evicted, std::string_view run_id, TimePoint now);

private:
    std::string run_id_;
    std::optional<TimePoint> since_;
    std::int64_t evicted_ = 0;
    std::optional<double> rate_;
};

/// How many good replicas a master is expected to have: the most that it had lately. One that is missed for an hour is
/// taken for dismissed.
class ExpectedReplicas {
public:
    static constexpr Duration remembered = std::chrono::hours(1);
    std::size_t observe(std::size_t good, TimePoint now) noexcept;

private:
    std::size_t expected_ = 0;
    TimePoint met_;  // when there were last as many
};

/// One node, round after round.
class NodeWatch {
public:
    explicit NodeWatch(const RedisServiceConfig& config)
        : alarm_(config.memory_warning_threshold, config.memory_critical_threshold) {}

    struct Seen {
        NodeReading reading;
        std::optional<MemoryAlarm::Change> memory_change;
    };
    Seen observe(NodeSample sample, TimePoint now);

private:
    MemoryAlarm alarm_;
    EvictionRate evictions_;
    ExpectedReplicas replicas_;
};

}  // namespace redoubt::service
