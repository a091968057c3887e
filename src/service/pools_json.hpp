// service: what the pools have, for people: the busiest by name, the rest in sum. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "pool/pool.hpp"

namespace redoubt::service {

/// As many pools are named at most, so that a document does not grow with the number of projects.
inline constexpr std::size_t most_listed_pools = 100;

struct PoolRow {
    std::string name;
    pool::PoolFigures figures;
};

/// `pools_count`, `created_connections`, `pools` (those with most under way), `pools_omitted` (the number and the sums of
/// the rest) and `queues` (sums over all).
boost::json::object pools_json(std::vector<PoolRow> rows);

}  // namespace redoubt::service
