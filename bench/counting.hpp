// bench: counts that do not depend on the machine's load: instructions by callgrind, allocations, heap; and what was
// kept of them in counts.json.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cells.hpp"

namespace bench {

/// `instructions` and `allocations` an operation, or `wire` and `project` for the heap. The difference of a long and a
/// short run, so that starting and ending cancel out.
Outcome count(const Cell& cell, const Surroundings& around);
/// The CPU time of one micro-benchmark, as `ns`.
Outcome run_micro(const Cell& cell, const Surroundings& around);

/// Counts everything, prints it beside what `file` keeps, and writes it there when `update`. False: something rose by
/// more than 5%, or could not be counted.
bool compare_counts(const Surroundings& around, const std::string& file, bool update);

}  // namespace bench
