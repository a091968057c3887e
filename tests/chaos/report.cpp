// tests: the outcome of the chaos; see the header.
#include "chaos/report.hpp"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

namespace redoubt::chaos {
namespace {

constexpr std::array<Certainty, Tally::certainties> all_certainties{Certainty::not_sent, Certainty::rejected,
                                                                    Certainty::unknown, Certainty::applied};

std::uint64_t above(const std::vector<Duration>& times, Duration bound) {
    return static_cast<std::uint64_t>(std::count_if(times.begin(), times.end(), [&](Duration t) { return t > bound; }));
}

void print_line(std::ostream& out, std::string_view what, std::uint64_t count) {
    out << fmt::format("{:<40} {:>10}\n", what, count);
}

}  // namespace

double in_ms(Duration time) noexcept { return std::chrono::duration<double, std::milli>(time).count(); }

Duration worst(const std::vector<Duration>& times) {
    return times.empty() ? Duration{} : *std::max_element(times.begin(), times.end());
}

Duration median(std::vector<Duration> times) {
    if (times.empty()) return {};
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

void print_outcomes(std::ostream& out, const Tally& tally) {
    print_line(out, "outcome: success", tally.ok);
    for (const Certainty certainty : all_certainties) {
        print_line(out, fmt::format("outcome: {}", to_string(certainty)),
                   tally.failed[static_cast<std::size_t>(certainty)]);
    }
    for (std::size_t kind = 0; kind < Tally::kinds; ++kind) {
        if (tally.by_kind[kind] == 0) continue;
        print_line(out, fmt::format("  {}", to_string(static_cast<ErrorKind>(kind))), tally.by_kind[kind]);
    }
}

boost::json::object outcomes_json(const Tally& tally) {
    boost::json::object outcomes{{"success", tally.ok}};
    for (const Certainty certainty : all_certainties) {
        outcomes[to_string(certainty)] = tally.failed[static_cast<std::size_t>(certainty)];
    }
    return outcomes;
}

boost::json::object errors_json(const Tally& tally) {
    boost::json::object errors;
    for (std::size_t kind = 0; kind < Tally::kinds; ++kind) {
        if (tally.by_kind[kind] != 0) errors[to_string(static_cast<ErrorKind>(kind))] = tally.by_kind[kind];
    }
    return errors;
}

void print(std::ostream& out, const Summary& summary) {
    const Tally& tally = summary.tally;
    out << fmt::format("{}, seed {}, {:.0f} s, {} coroutines and {} threads\n", summary.server, summary.seed,
                       summary.seconds, summary.coroutines, summary.threads);
    const auto line = [&](std::string_view what, std::uint64_t count) { print_line(out, what, count); };
    const auto times = [&](std::string_view what, Duration time) {
        out << fmt::format("{:<40} {:>10.1f} ms\n", what, in_ms(time));
    };
    line("operations", tally.operations);
    line("commands in them", tally.commands);
    for (std::size_t i = 0; i < server_fault_kinds; ++i) {
        line(fmt::format("fault: {}", to_string(static_cast<ServerFault>(i))), summary.server_faults[i]);
    }
    for (std::size_t i = 0; i < testing::fault_kinds; ++i) {
        line(fmt::format("fault: {}", to_string(static_cast<testing::FaultKind>(i))), summary.network_faults[i]);
    }
    print_outcomes(out, tally);
    line("wires lost", summary.wires_lost);
    line("times that a breaker opened", summary.breaker_opened);
    line("restarts with a measured recovery", summary.recoveries.size());
    times("recovery, median", median(summary.recoveries));
    times("recovery, worst", worst(summary.recoveries));
    line(fmt::format("recoveries above {:.0f} ms", in_ms(summary.recovery_bound)),
         above(summary.recoveries, summary.recovery_bound));
    if (worst(summary.recoveries) > summary.recovery_bound)
        out << "  the worst ended with: " << summary.why_worst << '\n';
    line("times that the server itself was slow then", summary.slow_answers);
    line("answers over 50 ms past the deadline", tally.late);
    times("latest answer, past its deadline", std::max(tally.latest, Duration{}));
    times("latest timer of this machine", summary.latest_timer);
    line("keys checked at the end", summary.keys_checked);
    line("callers stuck", summary.stuck);
    line("deviations", summary.deviations);
}

std::string to_json(const Summary& summary) {
    const Tally& tally = summary.tally;
    boost::json::object faults;
    for (std::size_t i = 0; i < server_fault_kinds; ++i) {
        faults[to_string(static_cast<ServerFault>(i))] = summary.server_faults[i];
    }
    for (std::size_t i = 0; i < testing::fault_kinds; ++i) {
        faults[to_string(static_cast<testing::FaultKind>(i))] = summary.network_faults[i];
    }
    const boost::json::object object{
        {"server", summary.server},
        {"seed", summary.seed},
        {"seconds", summary.seconds},
        {"coroutines", summary.coroutines},
        {"threads", summary.threads},
        {"operations", tally.operations},
        {"commands", tally.commands},
        {"faults", faults},
        {"outcomes", outcomes_json(tally)},
        {"errors", errors_json(tally)},
        {"wires_lost", summary.wires_lost},
        {"breaker_opened", summary.breaker_opened},
        {"restarts", summary.recoveries.size()},
        {"recovery_median_ms", in_ms(median(summary.recoveries))},
        {"recovery_worst_ms", in_ms(worst(summary.recoveries))},
        {"recoveries_above_bound", above(summary.recoveries, summary.recovery_bound)},
        {"slow_answers_of_the_server", summary.slow_answers},
        {"late_answers", tally.late},
        {"latest_answer_ms", in_ms(std::max(tally.latest, Duration{}))},
        {"latest_timer_ms", in_ms(summary.latest_timer)},
        {"keys_checked", summary.keys_checked},
        {"stuck", summary.stuck},
        {"deviations", summary.deviations},
    };
    return boost::json::serialize(object);
}

}  // namespace redoubt::chaos
