// service: how health is asked for, and what its listeners are told.
#pragma once

#include <functional>
#include <string>

#include <boost/json/object.hpp>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/listeners.hpp>
#include <redoubt/policy/memory_alert.hpp>

namespace redoubt {

struct HealthOptions {
    /// The whole answer is there by then, whatever the server does; what did not come in time is told as the fault that
    /// it is. 10 ms to a day; what is outside is taken as the nearer end.
    Duration deadline = std::chrono::seconds(2);
};

/// The monitor found another status than in its round before. Before its first round it is `healthy`, because
/// `initialize` has just seen that.
struct HealthChange {
    std::string from;            ///< `healthy`, `degraded`, `unhealthy`
    std::string to;              ///< another one of them
    boost::json::object health;  ///< the whole result
};

/// Called from the monitor's I/O thread, which it must not block. It must not throw; what it throws is logged and goes no
/// further.
using HealthListener = std::function<void(const HealthChange&)>;

}  // namespace redoubt
