// admin: the routes, a function for each group; each adds its lines to the table.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include <redoubt/service/service.hpp>

#include "admin/call_metrics.hpp"
#include "admin/router.hpp"

namespace redoubt::admin {

/// `/health`: 200 healthy or degraded, 503 unhealthy; the health JSON. `/health/live`: 200 while the process answers.
/// `/health/ready`: 200 when the server answers a PING within a second, else 503. The last two never ask for the token.
/// Checks that are asked for at once are one.
void add_health_routes(Router& router, boost::asio::io_context& loop, RedisService& service,
                       std::shared_ptr<const std::string> down_reason);

/// `/metrics` in Prometheus' text, `/metrics.json` as get_metrics() says it.
void add_metrics_routes(Router& router, RedisService& service, std::shared_ptr<const CallMetrics> calls,
                        std::string version);

/// `/projects/{project_id}/cache`: GET answers `{"cached_data": ...}` from the project's key `project:{project_id}:data`,
/// null when there is none; a value that is no UTF-8 is in base64 with `"encoding": "base64"` beside it.
/// `/projects/{project_id}/cache/{key}`: GET answers the bytes as application/octet-stream, PUT stores the body, whatever
/// its type, for `?ttl=` (`90`, `1.5`, `30s`, `5m`; none: for ever), DELETE deletes. 404 for a missing key.
void add_cache_routes(Router& router, RedisService& service, std::size_t max_value_bytes);

}  // namespace redoubt::admin
