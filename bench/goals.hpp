// bench: what is measured and what must be reached: the table of the Speed issue as data.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cells.hpp"

namespace bench {

enum class Bound { at_least, at_most, below };

/// One line of the table: a field of a cell, over the same of a peer's cell where there is one, in one round.
struct Goal {
    std::string row;      ///< what `--rows` names
    std::string measure;  ///< for people
    Bound bound = Bound::at_least;
    double limit = 0;
    std::string unit;   ///< `x` for ratios
    std::string field;  ///< `kops`, `p99`, `cpu`, ...
    Cell candidate;
    std::optional<Cell> peer = std::nullopt;
    bool difference = false;  ///< candidate - peer in place of candidate / peer
};

/// A cell that does not change from round to round (counts, heap) is run once, with the micro-benchmarks.
bool is_counted(const Cell& cell);

const std::vector<Goal>& goals();
/// Cells without a goal, for information: those of the default run, or of the whole matrix.
std::vector<Cell> information(bool whole_matrix);

/// What was seen of a cell: one outcome a round.
using Results = std::map<std::string, std::vector<Outcome>>;

struct Reached {
    double median = 0;
    double min = 0;
    double max = 0;
};
/// nullopt, with why in `note`: it could not be measured.
std::optional<Reached> reached(const Goal& goal, const Results& results, std::string& note);
bool is_met(const Goal& goal, double value);
std::string limit_text(const Goal& goal);
/// Of one field over all rounds of a cell.
std::optional<Reached> summary(const std::vector<Outcome>& outcomes, const std::string& field);

}  // namespace bench
