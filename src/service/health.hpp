// service: health: what was measured, and what that means. The judging is pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/base/error.hpp>

#include "service/health_security.hpp"

namespace redoubt::service {

/// One round of measurements against the server.
struct HealthSample {
    double ping_ms = 0;
    double set_get_delete_ms = 0;
    std::string info;  ///< the answer to INFO
    SecurityReading security;
    /// The first thing that failed; the steps that follow it were not tried. INFO is asked for before the writes, and
    /// its failure is told only when nothing else failed.
    std::optional<Error> failure;
    std::string_view failed_step;  ///< `ping`, `set_get_delete`, `info`
};

/// A field of INFO's text, empty when absent.
std::string_view info_field(std::string_view info, std::string_view name) noexcept;

/// Memory against its limit, as `memory` in the health JSON: `maxmemory`, or the machine's where none is set.
struct MemoryReading {
    bool known = false;
    std::int64_t usage_bytes = 0;
    std::int64_t max_bytes = 0;
    bool limit_is_machine = false;
    double usage_fraction = 0;
    std::string_view status = "unknown";  ///< healthy, warning, critical, unknown
    std::string policy;
};
MemoryReading read_memory(std::string_view info, const RedisServiceConfig& config);

/// The whole document. `factory` is RedisConnectionFactory::metrics(). Status: unhealthy when a step failed, the
/// breaker is open or memory is critical; degraded at a memory warning or while the breaker is half-open.
boost::json::object judge_health(const HealthSample& sample, boost::json::object factory,
                                 const RedisServiceConfig& config, const Target& target, std::size_t projects);

}  // namespace redoubt::service
