// bench: the table that people read, and the JSON that programs read.
#pragma once

#include <string>
#include <vector>

#include "goals.hpp"

namespace bench {

/// What was run, for the heading.
struct Heading {
    std::string server;
    int rounds = 0;
    double seconds = 0;
};

void print_goals(const std::vector<Goal>& wanted, const Results& results);
/// Absolute figures of every cell, for information.
void print_rows(const Results& results);
void write_json(const std::string& file, const Heading& heading, const std::vector<Goal>& wanted,
                const Results& results);

}  // namespace bench
