// tests: the soak's counts and its words; see the header.
#include "report.hpp"

#include <cstdio>
#include <ostream>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

namespace redoubt::soak {
namespace {

constexpr std::uint64_t most_printed = 20;
constexpr std::array<Certainty, Tally::certainties> all_certainties{Certainty::not_sent, Certainty::rejected,
                                                                    Certainty::unknown, Certainty::applied};

}  // namespace

void Tally::add(const Tally& other) noexcept {
    operations += other.operations;
    ok += other.ok;
    commands += other.commands;
    for (std::size_t kind = 0; kind < kinds; ++kind) {
        for (std::size_t i = 0; i < certainties; ++i) failed[kind][i] += other.failed[kind][i];
    }
}

std::uint64_t Tally::of(ErrorKind kind) const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : failed[static_cast<std::size_t>(kind)]) sum += count;
    return sum;
}

void Progress::deviation(std::string_view what) {
    const std::uint64_t number = ++deviations_;
    if (number > most_printed) return;
    const std::lock_guard lock(printing_);
    fmt::print(stderr, "DEVIATION {}: {}\n", number, what);
    if (number == most_printed) fmt::print(stderr, "further ones are only counted\n");
}

void print(std::ostream& out, const Summary& summary) {
    const Tally& tally = summary.tally;
    out << fmt::format("{}, seed {}, {} coroutines and {} threads\n", summary.server, summary.seed, summary.callers,
                       summary.threads);
    const auto line = [&](std::string_view what, std::uint64_t count) {
        out << fmt::format("{:<34} {:>12}\n", what, count);
    };
    line("operations", tally.operations);
    line("commands in them", tally.commands);
    line("ok", tally.ok);
    for (const Certainty certainty : all_certainties) {
        const std::string name(to_string(certainty));
        if (const auto count = tally.of(ErrorKind::cancelled, certainty)) line("cancelled, " + name, count);
    }
    for (const Certainty certainty : all_certainties) {
        const std::string name(to_string(certainty));
        if (const auto count = tally.of(ErrorKind::timeout, certainty)) line("timed out, " + name, count);
    }
    for (const Certainty certainty : all_certainties) {
        const std::string name(to_string(certainty));
        if (const auto count = tally.of(ErrorKind::connection, certainty)) line("lost, " + name, count);
    }
    line("refused (breaker, pool)", tally.refused());
    line("wires lost", summary.wires_lost);
    line("times that the breaker opened", summary.breaker_opened);
    for (std::size_t i = 0; i < testing::fault_kinds; ++i) {
        line(fmt::format("fault: {}", to_string(static_cast<testing::FaultKind>(i))), summary.faults[i]);
    }
    line("keys checked at the end", summary.keys_checked);
    line("deviations", summary.deviations);
    out << fmt::format("{:<34} {:>12.1f}\n{:<34} {:>12.0f}\n{:<34} {:>12.1f}\n", "seconds", summary.seconds,
                       "operations a second", static_cast<double>(tally.operations) / summary.seconds, "peak RSS, MB",
                       summary.peak_rss_mb);
}

std::string to_json(const Summary& summary) {
    const Tally& tally = summary.tally;
    const auto by_certainty = [&](ErrorKind kind) {
        boost::json::object counts;
        for (const Certainty certainty : all_certainties) {
            counts[to_string(certainty)] = tally.of(kind, certainty);
        }
        return counts;
    };
    boost::json::object faults;
    for (std::size_t i = 0; i < testing::fault_kinds; ++i) {
        faults[to_string(static_cast<testing::FaultKind>(i))] = summary.faults[i];
    }
    const boost::json::object object{
        {"server", summary.server},
        {"seed", summary.seed},
        {"callers", summary.callers},
        {"threads", summary.threads},
        {"operations", tally.operations},
        {"commands", tally.commands},
        {"ok", tally.ok},
        {"cancelled", by_certainty(ErrorKind::cancelled)},
        {"timed_out", by_certainty(ErrorKind::timeout)},
        {"lost", by_certainty(ErrorKind::connection)},
        {"refused", tally.refused()},
        {"wires_lost", summary.wires_lost},
        {"breaker_opened", summary.breaker_opened},
        {"faults", faults},
        {"keys_checked", summary.keys_checked},
        {"deviations", summary.deviations},
        {"seconds", summary.seconds},
        {"operations_per_second", static_cast<double>(tally.operations) / summary.seconds},
        {"peak_rss_mb", summary.peak_rss_mb},
    };
    return boost::json::serialize(object);
}

}  // namespace redoubt::soak
