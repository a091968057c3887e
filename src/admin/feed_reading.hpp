// admin: what the live feed looks at once a second; plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/json/object.hpp>

#include <redoubt/base/error.hpp>

#include "admin/call_metrics.hpp"

namespace redoubt::admin {

/// Calls since the start, but for Redoubt's own.
struct CallFigures {
    DurationHistogram durations;
    std::uint64_t failures = 0;  ///< of them; refused ones, too
};

/// What CallMetrics counted.
CallFigures call_figures(const CallMetrics& calls);

/// One PING, made for those who watch.
struct Probe {
    double milliseconds = 0;
    std::optional<Error> error;
};

struct BreakerChange {
    double time = 0;  ///< seconds since 1970
    std::string endpoint;
    std::string from;
    std::string to;
};

struct FeedReading {
    double time = 0;              ///< seconds since 1970
    double seconds = 1;           ///< since the reading before
    boost::json::object metrics;  ///< RedisService::get_metrics()
    std::string down_reason;      ///< why the service is not initialized, if that is known
    boost::json::object health;   ///< the last health check; empty: none yet
    double memory_warning = 0;    ///< fractions of the memory's limit
    double memory_critical = 0;
    std::optional<Probe> probe;        ///< nullopt: nobody watches, nobody asked
    std::optional<CallFigures> calls;  ///< nullopt: not measured; the breaker's counters are used
};

}  // namespace redoubt::admin
