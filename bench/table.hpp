// bench: the table that people read, and the JSON that programs read.
#pragma once

#include <string>
#include <vector>

#include "goals.hpp"

namespace bench {

/// One server's run.
struct ServerRun {
    std::string server;  ///< `redis-server 7.0.15`
    Results results;
    std::string name() const { return server.substr(0, server.find('-')); }  ///< `redis`
};
struct Heading {
    int rounds = 0;
    double seconds = 0;
};

/// Each server has its own columns.
void print_goals(const std::vector<Goal>& wanted, const std::vector<ServerRun>& runs);
/// Absolute figures of every cell, for information.
void print_rows(const ServerRun& run);
/// `goals` has an entry for each goal and server, with exactly the keys measure, goal, reached, min, max and met.
void write_json(const std::string& file, const Heading& heading, const std::vector<Goal>& wanted,
                const std::vector<ServerRun>& runs);

}  // namespace bench
