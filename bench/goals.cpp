// bench: the table of goals; see the header. A missed goal is reported, never moved.
#include "goals.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace bench {
namespace {

// Candidates ----------------------------------------------------------------------------------------------------

Cell redoubt(const std::string& workload, int callers, const std::string& url = "{url}") {
    const std::string where = url == "{url}" ? "" : fmt::format(" {}", url.substr(1, url.size() - 2));
    return {fmt::format("redoubt {} {} coroutines{}", workload, callers, where),
            "bench_redoubt",
            {"--mode", "coroutines", "--workload", workload, "--callers", std::to_string(callers), "--url", url}};
}
Cell redoubt_threads(const std::string& workload, int callers, const std::string& options = "") {
    return {fmt::format("redoubt {} {} threads{}", workload, callers, options),
            "bench_redoubt",
            {"--mode", "threads", "--workload", workload, "--callers", std::to_string(callers), "--url",
             "{url}" + options}};
}
Cell redoubt_tls_threads(int callers) {
    Cell cell = redoubt_threads("get", callers);
    cell.name += " tls";
    cell.arguments.back() = "{tls}";
    return cell;
}
Cell redoubt_projects() {
    return {"redoubt 10000 projects",
            "bench_redoubt",
            {"--mode", "projects", "--callers", "10000", "--url", "{url}?pool_mode=shared"}};
}
/// One caller's GETs beside another caller of the same project; see candidate_neighbours.cpp.
Cell redoubt_neighbours(const std::string& with, const std::string& kind) {
    return {fmt::format("redoubt neighbours {} {}", with, kind),
            "bench_neighbours",
            {"--with", with, "--kind", kind, "--url", "{url}"}};
}
/// A quiet project's GETs beside a project that floods; see candidate_bulkheads.cpp.
Cell redoubt_bulkheads(const std::string& with, const std::string& limits) {
    return {fmt::format("quiet beside {}, limits {} (k ops/s: the flood)", with, limits),
            "bench_bulkheads",
            {"--with", with, "--limits", limits, "--url", "{url}"}};
}
Cell redoubt_unprefixed() {
    Cell cell = redoubt("get", 256);
    cell.name += " unprefixed";
    cell.arguments.insert(cell.arguments.end(), {"--isolation", "off"});
    return cell;
}
Cell boost_redis(const std::string& workload, int callers) {
    return {fmt::format("Boost.Redis {} {} coroutines", workload, callers),
            "bench_boost_redis",
            {"--workload", workload, "--callers", std::to_string(callers), "--port", "{port}"}};
}
Cell boost_redis_tuned(const std::string& workload, int callers) {
    return {fmt::format("Boost.Redis {} {} coroutines, reused request, 64 KiB reads", workload, callers),
            "bench_boost_redis_wide",
            {"--workload", workload, "--callers", std::to_string(callers), "--reuse", "yes", "--port", "{port}"}};
}
Cell raw() { return {"raw bytes get 64 x 4", "bench_raw", {"--workload", "get", "--port", "{port}"}}; }
Cell hiredis_sync() { return {"hiredis get sync", "bench_hiredis", {"--mode", "sync", "--port", "{port}"}}; }
Cell hiredis_pool(int callers) {
    return {fmt::format("hiredis get pool of 10, {} threads", callers),
            "bench_hiredis",
            {"--mode", "pool", "--callers", std::to_string(callers), "--port", "{port}"}};
}
Cell counted(const std::string& mode) { return {"count " + mode, "redoubt_counts", {"--mode", mode}}; }
Cell breaker(int threads) {
    return {fmt::format("breaker {} threads", threads), "redoubt_micro", {fmt::format("breaker/threads:{}$", threads)}};
}

Cell redis_benchmark(int pipeline, int operations) {
    return {fmt::format("redis-benchmark get 50 clients, pipelines of {}", pipeline),
            "redis-benchmark",
            {"-h", "127.0.0.1", "-p", "{port}", "-c", "50", "-P", std::to_string(pipeline), "-n",
             std::to_string(operations), "--csv", "GET", "key:000000000001"}};
}

std::optional<Reached> spread(std::vector<double> values) {
    if (values.empty()) return std::nullopt;
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    const double median = values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return Reached{median, values.front(), values.back()};
}

// Goals ---------------------------------------------------------------------------------------------------------

Goal ratio(std::string row, std::string measure, Bound bound, double limit, std::string field, Cell candidate,
           Cell peer) {
    return {std::move(row),   std::move(measure),   bound,          limit, "x",
            std::move(field), std::move(candidate), std::move(peer)};
}
Goal value(std::string row, std::string measure, Bound bound, double limit, std::string unit, std::string field,
           Cell candidate) {
    return {std::move(row), std::move(measure), bound, limit, std::move(unit), std::move(field), std::move(candidate)};
}
Goal difference(std::string row, std::string measure, double limit, std::string unit, std::string field, Cell candidate,
                Cell peer) {
    return {std::move(row),   std::move(measure),   Bound::at_most,  limit, std::move(unit),
            std::move(field), std::move(candidate), std::move(peer), true};
}

std::vector<Goal> make_goals() {
    constexpr Bound least = Bound::at_least;
    constexpr Bound most = Bound::at_most;
    const std::string busy = "?busy_poll=50us";
    const auto beside = [&](const std::string& what, const std::string& with, const std::string& kind) {
        return value("neighbours", fmt::format("GET beside {}, {}: p99 / quiet", what, kind), most, 10, "x", "times",
                     redoubt_neighbours(with, kind));
    };
    const auto flooded = [&](const std::string& what, const std::string& with) {
        return value("bulkheads", fmt::format("quiet project beside {}, limited: p99 / alone", what), most, 2, "x",
                     "times", redoubt_bulkheads(with, "on"));
    };
    return {
        ratio("get-64", "GET, 64 callers / Boost.Redis: throughput", least, 1.5, "kops", redoubt("get", 64),
              boost_redis("get", 64)),
        ratio("get-64", "GET, 64 callers / Boost.Redis: CPU an operation", most, 0.45, "cpu", redoubt("get", 64),
              boost_redis("get", 64)),
        ratio("get-256", "GET, 256 callers / Boost.Redis: throughput", least, 1.8, "kops", redoubt("get", 256),
              boost_redis("get", 256)),
        ratio("get-256", "GET, 256 callers / Boost.Redis: CPU an operation", most, 0.35, "cpu", redoubt("get", 256),
              boost_redis("get", 256)),
        ratio("get-256", "GET, 256 callers / Boost.Redis: p99", most, 0.7, "p99", redoubt("get", 256),
              boost_redis("get", 256)),
        ratio("set-256", "SET, 256 callers / Boost.Redis: throughput", least, 2.0, "kops", redoubt("set", 256),
              boost_redis("set", 256)),
        ratio("get-1000", "GET, 1000 callers / Boost.Redis tuned: throughput", least, 1.6, "kops", redoubt("get", 1000),
              boost_redis_tuned("get", 1000)),
        ratio("get-4k", "GET 4 KiB, 256 callers / Boost.Redis: throughput", least, 2.2, "kops", redoubt("get4k", 256),
              boost_redis("get4k", 256)),
        ratio("ceiling", "GET, 256 callers / raw bytes 64 x 4: throughput", least, 0.65, "kops", redoubt("get", 256),
              raw()),
        ratio("sync", "GET, 1 blocking caller / hiredis: throughput", least, 0.97, "kops", redoubt_threads("get", 1),
              hiredis_sync()),
        ratio("busy-poll", "GET, 1 blocking caller, busy poll / hiredis: throughput", least, 2.0, "kops",
              redoubt_threads("get", 1, busy), hiredis_sync()),
        ratio("threads-8", "GET, 8 threads / hiredis pool of 10: throughput", least, 1.1, "kops",
              redoubt_threads("get", 8), hiredis_pool(8)),
        ratio("threads-64", "GET, 64 threads / hiredis pool of 10: throughput", least, 5.0, "kops",
              redoubt_threads("get", 64), hiredis_pool(64)),
        ratio("threads-64", "GET, 64 threads / hiredis pool of 10: p99", most, 0.1, "p99", redoubt_threads("get", 64),
              hiredis_pool(64)),
        value("counts", "instructions an operation, GET, 256 coroutines", most, 1500, "", "instructions",
              counted("get")),
        value("counts", "allocations an operation, GET, 256 coroutines", most, 1, "", "allocations", counted("get")),
        difference("counts", "cost of isolation: instructions", 80, "", "instructions", counted("get"),
                   counted("unprefixed")),
        difference("counts", "cost of isolation: allocations", 0, "", "allocations", counted("get"),
                   counted("unprefixed")),
        difference("counts", "cost of all layers over a bare wire: instructions", 400, "", "instructions",
                   counted("get"), counted("bare")),
        difference("counts", "cost of all layers over a bare wire: allocations", 0, "", "allocations", counted("get"),
                   counted("bare")),
        difference("counts", "cost of a Cluster's routing: instructions", 150, "", "instructions", counted("cluster"),
                   counted("get")),
        difference("counts", "cost of a Cluster's routing: allocations", 0, "", "allocations", counted("cluster"),
                   counted("get")),
        value("heap", "heap of an idle wire (async)", most, 4096, "B", "wire", counted("heap")),
        value("heap", "heap of an idle wire (blocking)", most, 4096, "B", "wire", counted("heap_blocking")),
        value("heap", "heap of an idle project without wires", most, 1024, "B", "project", counted("heap")),
        value("breaker", "breaker admit + record, CLOSED, 1 thread", Bound::below, 15, "ns", "ns", breaker(1)),
        value("projects", "10,000 projects, shared mode, one GET each: time", Bound::below, 2, "s", "seconds",
              redoubt_projects()),
        value("projects", "10,000 projects, shared mode, one GET each: heap", Bound::below, 20, "MB", "megabytes",
              redoubt_projects()),
        beside("a 100 MB value", "large", "async"),
        beside("a 100 MB value", "large", "blocking"),
        beside("pipelines of 1,000,000", "pipelines", "async"),
        beside("pipelines of 1,000,000", "pipelines", "blocking"),
        flooded("pipelines of 1,000,000", "pipelines"),
        flooded("large replies", "large"),
        flooded("10,000 callers", "callers"),
    };
}

}  // namespace

bool is_counted(const Cell& cell) { return cell.program == "redoubt_counts"; }

const std::vector<Goal>& goals() {
    static const std::vector<Goal> all = make_goals();
    return all;
}

std::vector<Cell> information(bool whole_matrix) {
    std::vector<Cell> cells{redoubt_bulkheads("pipelines", "off"),
                            redoubt_bulkheads("large", "off"),
                            redoubt_bulkheads("callers", "off"),
                            redoubt_unprefixed(),
                            breaker(2),
                            redis_benchmark(1, 50'000),
                            redis_benchmark(16, 500'000),
                            redis_benchmark(64, 1'000'000)};
    if (!whole_matrix) return cells;
    for (const int callers : {1, 8, 64, 256, 1000}) {
        cells.push_back(redoubt("pipeline", callers));
        for (const char* const workload : {"get", "get4k", "pipeline"}) {
            cells.push_back(redoubt(workload, callers, "{tls}"));
        }
    }
    for (const int callers : {1, 8, 64}) cells.push_back(redoubt_threads("pipeline", callers));
    cells.push_back(redoubt_tls_threads(1));
    cells.push_back(redoubt_tls_threads(64));
    for (const char* const workload : {"get", "set", "mget", "get4k"}) {
        for (const int callers : {1, 8, 64, 256, 1000}) {
            cells.push_back(redoubt(workload, callers));
            cells.push_back(redoubt(workload, callers, "{unix}"));
            cells.push_back(boost_redis(workload, callers));
        }
        for (const int callers : {1, 8, 64}) cells.push_back(redoubt_threads(workload, callers));
    }
    return cells;
}

std::optional<Reached> reached(const Goal& goal, const Results& results, std::string& note) {
    const auto find = [&](const Cell& cell) -> const std::vector<Outcome>* {
        const auto found = results.find(cell.name);
        return found == results.end() ? nullptr : &found->second;
    };
    const std::vector<Outcome>* const ours = find(goal.candidate);
    const std::vector<Outcome>* const theirs = goal.peer ? find(*goal.peer) : nullptr;
    const auto field_of = [&](const Cell& cell, const Outcome& outcome) -> std::optional<double> {
        const auto field = outcome.values.find(goal.field);
        if (outcome.ok() && field != outcome.values.end()) return field->second;
        note = cell.name + ": " + (outcome.ok() ? "no " + goal.field : outcome.failure);
        return std::nullopt;
    };
    std::vector<double> values;
    for (std::size_t round = 0; ours != nullptr && round < ours->size(); ++round) {
        const std::optional<double> mine = field_of(goal.candidate, (*ours)[round]);
        if (!mine) continue;
        if (!goal.peer) {
            values.push_back(*mine);
        } else if (theirs != nullptr && round < theirs->size()) {
            const std::optional<double> other = field_of(*goal.peer, (*theirs)[round]);
            if (other && goal.difference) values.push_back(*mine - *other);
            if (other && !goal.difference && *other > 0) values.push_back(*mine / *other);
        }
    }
    return spread(std::move(values));
}

bool is_met(const Goal& goal, double value) {
    switch (goal.bound) {
        case Bound::at_least: return value >= goal.limit;
        case Bound::at_most: return value <= goal.limit;
        case Bound::below: return value < goal.limit;
    }
    return false;
}

std::string limit_text(const Goal& goal) {
    const char* const sign = goal.bound == Bound::at_least ? ">=" : goal.bound == Bound::at_most ? "<=" : "<";
    return fmt::format("{} {:g}{}{}", sign, goal.limit, goal.unit.size() > 1 || goal.unit == "B" ? " " : "", goal.unit);
}

std::optional<Reached> summary(const std::vector<Outcome>& outcomes, const std::string& field) {
    std::vector<double> values;
    for (const Outcome& outcome : outcomes) {
        const auto found = outcome.values.find(field);
        if (outcome.ok() && found != outcome.values.end()) values.push_back(found->second);
    }
    return spread(std::move(values));
}

}  // namespace bench
