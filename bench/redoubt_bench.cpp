// bench: starts a server, runs the candidates in interleaved rounds, and prints the table of the goals.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <set>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <redoubt/redoubt.hpp>

#include "counting.hpp"
#include "support/cell.hpp"
#include "support/certificates.hpp"
#include "table.hpp"

namespace bench {
namespace {

struct Options {
    std::string server = "both";
    std::string json;
    std::vector<std::string> rows;
    int rounds = 5;
    double seconds = 1;
    bool all = false;
    bool counts = false;
    bool update = false;
    std::string counts_file = "bench/counts.json";
};

redoubt::EmbeddedServer start_server(const std::string& program, const redoubt::testing::Certificates& certificates) {
    redoubt::EmbeddedServerOptions server;
    server.program = program;
    server.tcp = true;
    server.tls = true;
    server.tls_cert_file = certificates.server_cert();
    server.tls_key_file = certificates.server_key();
    server.tls_ca_file = certificates.ca();
    server.max_memory = "1gb";
    server.extra_arguments = {"--save", "", "--maxclients", "12000", "--tls-auth-clients", "no"};
    return redoubt::EmbeddedServer(std::move(server));
}

// One node with all slots.
redoubt::EmbeddedServer start_cluster(const std::string& program) {
    redoubt::EmbeddedServerOptions options;
    options.program = program;
    options.tcp = true;
    options.extra_arguments = {"--cluster-enabled", "yes"};
    redoubt::EmbeddedServer server(std::move(options));
    run_program("redis-cli", {"-p", std::to_string(server.port()), "CLUSTER", "ADDSLOTSRANGE", "0", "16383"},
                std::chrono::seconds(5));
    return server;
}

std::vector<std::string> programs_of(const std::string& server) {
    if (server == "both") return {"redis-server", "valkey-server"};
    if (server == "redis" || server == "valkey") return {server + "-server"};
    return {server};
}

// The same keys for those who prefix and those who do not.
void fill(const std::string& url) {
    redoubt::RedisServiceConfig config;
    config.url = url;
    config.environment = redoubt::Environment::development;
    redoubt::RedisService service(config);
    service.initialize();
    for (const std::string_view project : {"default", "bench"}) {
        redoubt::ProjectIsolatedRedisClient redis = service.get_connection(project);
        for (const char* const workload : {"get", "get4k"}) {
            const Workload data(workload);
            auto batch = redis.batch<bool>();
            for (const std::string& key : data.keys) batch.set(key, data.value);
            for (const bool stored : std::move(batch).execute()) {
                if (!stored) throw std::runtime_error("a key could not be stored");
            }
        }
    }
    service.close();
}

Outcome run_any(const Cell& cell, const Surroundings& around) {
    if (is_counted(cell)) return count(cell, around);
    if (cell.program == "redoubt_micro") return run_micro(cell, around);
    if (cell.program == "redis-benchmark") return run_redis_benchmark(cell, around);
    return run_cell(cell, around);
}

std::vector<Goal> wanted_goals(const std::vector<std::string>& rows) {
    std::vector<Goal> wanted;
    for (const Goal& goal : goals()) {
        if (rows.empty() || std::find(rows.begin(), rows.end(), goal.row) != rows.end()) wanted.push_back(goal);
    }
    if (wanted.empty()) throw std::runtime_error("no such row");
    return wanted;
}

// A candidate and its peer stand next to each other in a round, and each cell runs once in it.
std::vector<Cell> cells_of(const std::vector<Goal>& wanted, const std::vector<Cell>& others) {
    std::vector<Cell> cells;
    std::set<std::string> seen;
    const auto add = [&](const Cell& cell) {
        if (seen.insert(cell.name).second) cells.push_back(cell);
    };
    for (const Goal& goal : wanted) {
        add(goal.candidate);
        if (goal.peer) add(*goal.peer);
    }
    for (const Cell& cell : others) add(cell);
    return cells;
}

/// `results` holds what was counted already: it does not depend on the server.
Results run_rounds(const std::vector<Cell>& cells, const Options& options, const Surroundings& around,
                   Results results) {
    for (int round = 0; round < options.rounds; ++round) {
        for (const Cell& cell : cells) {
            std::vector<Outcome>& outcomes = results[cell.name];
            // What is counted, and what failed for good, is the same in each round.
            if (is_counted(cell) && !outcomes.empty()) continue;
            if (round != 0 && !outcomes[0].ok()) continue;
            fmt::print(stderr, "\r\033[Kround {} of {}: {}", round + 1, options.rounds, cell.name);
            outcomes.push_back(run_any(cell, around));
        }
    }
    fmt::print(stderr, "\r\033[K");
    return results;
}

Results counted_only(const Results& results, const std::vector<Cell>& cells) {
    Results counted;
    for (const Cell& cell : cells) {
        const auto found = results.find(cell.name);
        if (is_counted(cell) && found != results.end()) counted.insert(*found);
    }
    return counted;
}

int run(const Options& options, const std::string& program) {
    const redoubt::testing::Certificates certificates;
    Surroundings around;
    around.folder = std::filesystem::path(program).parent_path().string() + "/";
    around.seconds = options.seconds;
    const std::vector<Goal> wanted = wanted_goals(options.rows);
    const std::vector<Cell> cells =
        cells_of(wanted, options.rows.empty() ? information(options.all) : std::vector<Cell>{});
    std::vector<ServerRun> runs;
    for (const std::string& name : programs_of(options.server)) {
        const redoubt::EmbeddedServer server = start_server(name, certificates);
        around.tcp_url = server.tcp_url();
        around.unix_url = server.url();
        around.tls_url = server.tls_url() + "?tls_ca=" + certificates.ca();
        around.port = std::to_string(server.port());
        fill(around.tcp_url);
        const redoubt::EmbeddedServer cluster = start_cluster(name);
        around.cluster_url = fmt::format("redis+cluster://127.0.0.1:{}/", cluster.port());
        fill(around.cluster_url);
        if (options.counts) return compare_counts(around, options.counts_file, options.update) ? 0 : 1;
        Results counted = runs.empty() ? Results{} : counted_only(runs.front().results, cells);
        runs.push_back({server.version(), run_rounds(cells, options, around, std::move(counted))});
    }
    fmt::print("{} rounds of {} s a cell, TCP loopback, keys of 16 and values of 64 bytes\n\n", options.rounds,
               options.seconds);
    print_goals(wanted, runs);
    for (const ServerRun& each : runs) print_rows(each);
    if (!options.json.empty()) write_json(options.json, {options.rounds, options.seconds}, wanted, runs);
    return 0;
}

}  // namespace
}  // namespace bench

int main(int count, char** words) {
    bench::Options options;
    CLI::App app("Redoubt against its peers, in one run");
    app.add_option("--server", options.server, "redis, valkey, both, or a program");
    app.add_option("--rounds", options.rounds, "interleaved rounds")->check(CLI::Range(1, 1000));
    app.add_option("--seconds", options.seconds, "of each cell")->check(CLI::Range(0.05, 600.0));
    app.add_option("--rows", options.rows, "only these rows of the table")->delimiter(',');
    app.add_option("--json", options.json, "also write the table as JSON");
    app.add_flag("--all", options.all, "the whole matrix beside the table");
    app.add_flag("--counts", options.counts, "only instructions, allocations and heap, against what is kept");
    app.add_flag("--update", options.update, "with --counts: keep what was counted");
    app.add_option("--counts-file", options.counts_file, "where counts are kept");
    CLI11_PARSE(app, count, words);
    try {
        return bench::run(options, std::filesystem::canonical("/proc/self/exe").string());
    } catch (const std::exception& error) {
        std::cerr << "redoubt_bench: " << error.what() << '\n';
        return 1;
    }
}
