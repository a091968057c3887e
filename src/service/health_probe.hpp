// service: health: takes the samples, with blocking calls or on the loop.
#pragma once

#include <vector>

#include <boost/asio/awaitable.hpp>

#include <redoubt/service/connection_factory.hpp>

#include "service/health.hpp"

namespace redoubt::service {

/// A sample of each node. `deadline`: of the whole answer; the steps have a little less.
///
/// The probes are calls of the reserved project `_redoubt`, and count for a node's breaker as every call does: that the
/// node was reached and answered, or was not. What was found wrong otherwise (full memory, a probe that a short deadline
/// ended) does not.
std::vector<NodeSample> sample_blocking(RedisConnectionFactory& factory, Duration deadline);
boost::asio::awaitable<std::vector<NodeSample>> sample_async(RedisConnectionFactory& factory, Duration deadline);

}  // namespace redoubt::service
