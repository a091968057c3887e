// bench: output; see the header.
#include "table.hpp"

#include <array>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace bench {
namespace {

std::string figure(double value) {
    return value >= 1000 || value <= -1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

constexpr std::array<const char*, 4> timed{"kops", "p50", "p99", "cpu"};

}  // namespace

void print_goals(const std::vector<Goal>& wanted, const Results& results) {
    fmt::print("{:<60} {:>10} {:>9} {:>9} {:>9}  {}\n", "measure", "goal", "reached", "min", "max", "met");
    int met = 0;
    for (const Goal& goal : wanted) {
        std::string note;
        const std::optional<Reached> value = reached(goal, results, note);
        if (value) {
            const bool is_reached = is_met(goal, value->median);
            met += is_reached ? 1 : 0;
            fmt::print("{:<60} {:>10} {:>9} {:>9} {:>9}  {}\n", goal.measure, limit_text(goal), figure(value->median),
                       figure(value->min), figure(value->max), is_reached ? "yes" : "NO");
        } else {
            fmt::print("{:<60} {:>10} {:>9} {:>9} {:>9}  NO\n", goal.measure, limit_text(goal), "-", "-", "-");
        }
        if (!note.empty()) fmt::print("    {}\n", note);
    }
    fmt::print("\n{} of {} goals met\n", met, wanted.size());
}

void print_rows(const Results& results) {
    fmt::print("\n{:<62} {:>9} {:>9} {:>9} {:>9}\n", "for information (medians)", "k ops/s", "p50 us", "p99 us",
               "CPU us/op");
    for (const auto& [name, outcomes] : results) {
        if (const auto kops = summary(outcomes, "kops")) {
            fmt::print("{:<62} {:>9}", name, figure(kops->median));
            for (const char* const field : {"p50", "p99", "cpu"}) {
                fmt::print(" {:>9}", figure(summary(outcomes, field).value_or(Reached{}).median));
            }
            fmt::print("\n");
            continue;
        }
        std::string fields;
        for (const auto& [field, value] : outcomes.empty() ? std::map<std::string, double>{} : outcomes[0].values) {
            fields +=
                fmt::format(" {} {}", field, figure(summary(outcomes, field).value_or(Reached{value, 0, 0}).median));
        }
        fmt::print("{:<62} {}\n", name, fields.empty() ? outcomes[0].failure : fields);
    }
}

void write_json(const std::string& file, const Heading& heading, const std::vector<Goal>& wanted,
                const Results& results) {
    boost::json::array goal_list;
    for (const Goal& goal : wanted) {
        std::string note;
        const std::optional<Reached> value = reached(goal, results, note);
        boost::json::object line{{"measure", goal.measure}, {"goal", limit_text(goal)}, {"row", goal.row}};
        line["reached"] = value ? boost::json::value(value->median) : boost::json::value(nullptr);
        line["min"] = value ? boost::json::value(value->min) : boost::json::value(nullptr);
        line["max"] = value ? boost::json::value(value->max) : boost::json::value(nullptr);
        line["met"] = value.has_value() && is_met(goal, value->median);
        if (!note.empty()) line["note"] = note;
        goal_list.push_back(std::move(line));
    }
    boost::json::array rows;
    for (const auto& [name, outcomes] : results) {
        boost::json::object row{{"cell", name}};
        for (const char* const field : timed) {
            if (const auto value = summary(outcomes, field)) row[field] = value->median;
        }
        boost::json::array rounds;
        for (const Outcome& outcome : outcomes) {
            boost::json::object values;
            for (const auto& [field, value] : outcome.values) values[field] = value;
            if (!outcome.ok()) values["failure"] = outcome.failure;
            rounds.push_back(std::move(values));
        }
        row["rounds"] = std::move(rounds);
        rows.push_back(std::move(row));
    }
    const boost::json::object report{{"server", heading.server},
                                     {"rounds", heading.rounds},
                                     {"seconds", heading.seconds},
                                     {"goals", std::move(goal_list)},
                                     {"rows", std::move(rows)}};
    std::ofstream out(file);
    out << boost::json::serialize(report) << '\n';
    if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

}  // namespace bench
