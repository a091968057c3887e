// bench: one cell: a candidate run as a child process, and what it measured.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace bench {

/// A candidate's program with its arguments.
struct Cell {
    std::string name;  ///< for people, and the key under which its results are kept
    std::string program;
    std::vector<std::string> arguments;
};

/// Its last line of output, a flat JSON object of numbers; or why there is none.
struct Outcome {
    std::map<std::string, double> values;
    std::string failure;
    bool ok() const noexcept { return failure.empty(); }
};

/// Where the programs are, and which server they use.
struct Surroundings {
    std::string folder;  ///< of the programs, with a slash at the end
    std::string tcp_url;
    std::string unix_url;
    std::string tls_url;  ///< with the authority to trust
    std::string cluster_url;  ///< one node that serves all slots, so that what differs is the way there
    std::string port;
    double seconds = 1;
};

/// Runs a program until it ends; its standard output, or an exception: it could not start, failed, or took too long
/// (then it is killed).
std::string run_program(const std::string& program, const std::vector<std::string>& arguments,
                        std::chrono::seconds limit);
/// `{url}`, `{unix}`, `{tls}` and `{port}` in the arguments are the server's.
std::vector<std::string> filled_in(const std::vector<std::string>& arguments, const Surroundings& around);
/// The numbers of the last line.
std::map<std::string, double> numbers_of(const std::string& output);
/// redis-benchmark, which says it in its own way.
Outcome run_redis_benchmark(const Cell& cell, const Surroundings& around);
Outcome run_cell(const Cell& cell, const Surroundings& around);

}  // namespace bench
