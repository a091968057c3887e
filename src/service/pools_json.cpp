// service: the pools in JSON; see the header.
#include "service/pools_json.hpp"

#include <algorithm>

#include <boost/json/value.hpp>

namespace redoubt::service {
namespace {

namespace json = boost::json;

void add(pool::PoolFigures& sum, const pool::PoolFigures& one) {
    sum.created += one.created;
    sum.available += one.available;
    sum.max += one.max;
    sum.leased += one.leased;
    sum.waiting += one.waiting;
    sum.in_flight += one.in_flight;
    sum.queued_bytes += one.queued_bytes;
}

json::object to_json(const pool::PoolFigures& figures) {
    return {{"created_connections", figures.created}, {"available_connections", figures.available},
            {"max_connections", figures.max},         {"leased_connections", figures.leased},
            {"waiting_callers", figures.waiting},     {"in_flight_commands", figures.in_flight},
            {"queued_bytes", figures.queued_bytes}};
}

bool is_busier(const PoolRow& left, const PoolRow& right) {
    const auto load = [](const pool::PoolFigures& figures) {
        return figures.in_flight + figures.waiting + figures.leased;
    };
    const std::size_t one = load(left.figures);
    const std::size_t other = load(right.figures);
    if (one != other) return one > other;
    if (left.figures.created != right.figures.created) return left.figures.created > right.figures.created;
    return left.name < right.name;
}

}  // namespace

json::object pools_json(std::vector<PoolRow> rows) {
    const std::size_t listed = std::min(rows.size(), most_listed_pools);
    std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(listed), rows.end(), is_busier);
    json::object pools;
    pool::PoolFigures all;
    pool::PoolFigures rest;
    for (std::size_t i = 0; i != rows.size(); ++i) {
        add(all, rows[i].figures);
        i < listed ? void(pools[rows[i].name] = to_json(rows[i].figures)) : add(rest, rows[i].figures);
    }
    json::object omitted = to_json(rest);
    omitted["count"] = rows.size() - listed;
    return {
        {"pools_count", rows.size()},
        {"created_connections", all.created},
        {"pools", std::move(pools)},
        {"pools_omitted", std::move(omitted)},
        {"queues",
         {{"waiting_callers", all.waiting}, {"queued_commands", all.in_flight}, {"queued_bytes", all.queued_bytes}}}};
}

}  // namespace redoubt::service
