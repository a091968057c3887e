// bench: counts; see the header.
#include "counting.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <stdlib.h>

#include <fmt/format.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace bench {
namespace {

constexpr std::size_t operations = 20'480;
constexpr std::chrono::seconds longest_count{120};
constexpr double allowed_rise = 1.05;
// Below this a rise is rounding: an allocation in a thousand operations, an instruction in ten.
constexpr double allocation_noise = 0.01;

class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "redoubt-bench-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

std::vector<std::string> arguments_of(const Cell& cell, const Surroundings& around, std::size_t length) {
    std::vector<std::string> arguments = cell.arguments;
    arguments.insert(arguments.end(), {"--url", around.tcp_url, "--cluster", around.cluster_url, "--port", around.port,
                                       "--operations", std::to_string(length)});
    return arguments;
}

double instructions(const Cell& cell, const Surroundings& around, std::size_t length) {
    const Folder folder;
    const std::string file = folder.file("callgrind.out");
    std::vector<std::string> arguments = arguments_of(cell, around, length);
    arguments.insert(arguments.begin(),
                     {"--tool=callgrind", "--quiet", "--callgrind-out-file=" + file, around.folder + cell.program});
    run_program("valgrind", arguments, longest_count);
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        for (const std::string_view name : {"summary: ", "totals: "}) {
            if (line.compare(0, name.size(), name) == 0) return std::stod(line.substr(name.size()));
        }
    }
    throw std::runtime_error("callgrind left no totals");
}

boost::json::object read_kept(const std::string& file) {
    std::ifstream in(file);
    if (!in) return {};
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    return boost::json::parse(text).as_object();
}

// One figure a line, so that a change of one shows as one.
void write_kept(const std::string& file, const boost::json::object& kept) {
    std::ofstream out(file);
    out << "{";
    const char* separator = "\n";
    for (const auto& figure : kept) {
        out << separator
            << fmt::format("  {}: {}", boost::json::serialize(figure.key()),
                           fmt::format("{:g}", figure.value().to_number<double>()));
        separator = ",\n";
    }
    out << "\n}\n";
    if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

bool has_risen(const std::string& field, double was, double now) {
    if (field == "allocations" && now - was <= allocation_noise) return false;
    return now > was * allowed_rise;
}

}  // namespace

Outcome count(const Cell& cell, const Surroundings& around) {
    Outcome outcome;
    try {
        const std::string output =
            run_program(around.folder + cell.program, arguments_of(cell, around, operations), longest_count);
        outcome.values = numbers_of(output);
        if (outcome.values.contains("allocations")) {
            const double length = instructions(cell, around, operations);
            const double twice = instructions(cell, around, 2 * operations);
            outcome.values["instructions"] = (twice - length) / static_cast<double>(operations);
        }
    } catch (const std::exception& error) {
        outcome.failure = error.what();
    }
    return outcome;
}

Outcome run_micro(const Cell& cell, const Surroundings& around) {
    Outcome outcome;
    try {
        const std::string output =
            run_program(around.folder + cell.program,
                        {"--benchmark_filter=" + cell.arguments.at(0), "--benchmark_format=json"}, longest_count);
        const boost::json::value report = boost::json::parse(output);
        outcome.values["ns"] = report.at("benchmarks").as_array().at(0).at("cpu_time").to_number<double>();
    } catch (const std::exception& error) {
        outcome.failure = error.what();
    }
    return outcome;
}

bool compare_counts(const Surroundings& around, const std::string& file, bool update) {
    boost::json::object kept = read_kept(file);
    bool fine = true;
    fmt::print("{:<32} {:>10} {:>10} {:>8}\n", "an operation, or at rest", "kept", "now", "change");
    std::vector<std::string> modes{"get", "set", "unprefixed", "bare", "cluster", "blocking", "heap", "heap_blocking"};
#ifdef REDOUBT_HAS_OTEL_SDK
    modes.insert(modes.end(), {"otel_api", "otel_traces", "otel_sdk"});
#endif
    for (const std::string& mode : modes) {
        const Outcome counted = count({"count " + mode, "redoubt_counts", {"--mode", mode}}, around);
        if (!counted.ok()) {
            fmt::print("{:<32} {}\n", mode, counted.failure);
            fine = false;
        }
        for (const auto& [field, now] : counted.values) {
            const std::string name = mode + " " + field;
            const boost::json::value* const was = kept.if_contains(name);
            if (was == nullptr) {
                fmt::print("{:<32} {:>10} {:>10.2f}\n", name, "-", now);
                fine = fine && update;
            } else {
                const double before = was->to_number<double>();
                const bool risen = has_risen(field, before, now);
                fine = fine && (update || !risen);
                fmt::print("{:<32} {:>10.2f} {:>10.2f} {:>+7.1f}%{}\n", name, before, now,
                           before > 0 ? (now / before - 1) * 100 : 0, risen ? "  risen" : "");
            }
            if (update) kept[name] = now;
        }
    }
    if (update) write_kept(file, kept);
    return fine;
}

}  // namespace bench
