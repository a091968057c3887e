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

void print_goals(const std::vector<Goal>& wanted, const std::vector<ServerRun>& runs) {
    fmt::print("{:<60} {:>10}", "measure", "goal");
    for (const ServerRun& run : runs) {
        fmt::print(" {:>9} {:>9} {:>9} {:<6}", "reached", "min", "max", run.name());
    }
    fmt::print("\n");
    std::vector<int> met(runs.size());
    for (const Goal& goal : wanted) {
        fmt::print("{:<60} {:>10}", goal.measure, limit_text(goal));
        std::string notes;
        for (std::size_t i = 0; i < runs.size(); ++i) {
            std::string note;
            const std::optional<Reached> value = reached(goal, runs[i].results, note);
            const bool is_reached = value && is_met(goal, value->median);
            met[i] += is_reached ? 1 : 0;
            fmt::print(" {:>9} {:>9} {:>9} {:<6}", value ? figure(value->median) : "-",
                       value ? figure(value->min) : "-", value ? figure(value->max) : "-", is_reached ? "yes" : "NO");
            if (!note.empty()) notes += fmt::format("    {}: {}\n", runs[i].name(), note);
        }
        fmt::print("\n{}", notes);
    }
    fmt::print("\n");
    for (std::size_t i = 0; i < runs.size(); ++i) {
        fmt::print("{}: {} of {} goals met\n", runs[i].server, met[i], wanted.size());
    }
}

void print_rows(const ServerRun& run) {
    const Results& results = run.results;
    fmt::print("\n{:<62} {:>9} {:>9} {:>9} {:>9}\n", run.server + ", for information (medians)", "k ops/s", "p50 us",
               "p99 us", "CPU us/op");
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

namespace {

boost::json::array rows_of(const Results& results) {
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
    return rows;
}

}  // namespace

void write_json(const std::string& file, const Heading& heading, const std::vector<Goal>& wanted,
                const std::vector<ServerRun>& runs) {
    const auto number = [](const std::optional<Reached>& value, double Reached::*field) {
        return value ? boost::json::value((*value).*field) : boost::json::value(nullptr);
    };
    boost::json::array goal_list;
    boost::json::array notes;
    boost::json::array servers;
    for (const ServerRun& run : runs) {
        for (const Goal& goal : wanted) {
            std::string note;
            const std::optional<Reached> value = reached(goal, run.results, note);
            const std::string measure = runs.size() == 1 ? goal.measure : run.name() + ": " + goal.measure;
            goal_list.push_back(boost::json::object{{"measure", measure},
                                                    {"goal", limit_text(goal)},
                                                    {"reached", number(value, &Reached::median)},
                                                    {"min", number(value, &Reached::min)},
                                                    {"max", number(value, &Reached::max)},
                                                    {"met", value.has_value() && is_met(goal, value->median)}});
            if (!note.empty()) notes.push_back(boost::json::object{{"measure", measure}, {"note", note}});
        }
        servers.push_back(boost::json::object{{"server", run.server}, {"rows", rows_of(run.results)}});
    }
    const boost::json::object report{{"rounds", heading.rounds},
                                     {"seconds", heading.seconds},
                                     {"goals", std::move(goal_list)},
                                     {"notes", std::move(notes)},
                                     {"servers", std::move(servers)}};
    std::ofstream out(file);
    out << boost::json::serialize(report) << '\n';
    if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

}  // namespace bench
