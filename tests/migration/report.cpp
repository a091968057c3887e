// tests: what a migration under load was; see the header.
#include "report.hpp"

#include <chrono>
#include <ostream>

#include <fmt/format.h>
#include <boost/json.hpp>

namespace redoubt::migration {
namespace {

constexpr std::array<std::string_view, classes> class_names{"single-key commands", "the same in pipelines",
                                                            "commands of several keys"};
constexpr std::array<std::string_view, classes> class_fields{"single_key", "pipelined", "multi_key"};

double in_ms(Duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

std::string failures_of(const Tally& tally, std::size_t at) {
    std::string text;
    for (std::size_t certainty = 0; certainty != 4; ++certainty) {
        const std::uint64_t count = tally.failed[at][certainty];
        if (count != 0) text += fmt::format(", {} {}", count, to_string(static_cast<Certainty>(certainty)));
    }
    for (const auto& [what, count] : tally.why[at]) text += fmt::format(", {}: {}", what, count);
    return text;
}

}  // namespace

void print(std::ostream& out, const Summary& summary) {
    const auto line = [&](std::string_view name, const std::string& text) {
        out << fmt::format("{:<26}{}\n", name, text);
    };
    line("server", fmt::format("{}, {} masters, {} replicas, seed {}", summary.server, summary.masters,
                               summary.replicas, summary.seed));
    line("callers", fmt::format("{} coroutines, {} threads, 2 projects", summary.coroutines, summary.threads));
    line("load", fmt::format("{} commands/s offered, {:.0f}/s reached while slots moved",
                             summary.offered == 0 ? "as many as can be" : fmt::format("{:.0f}", summary.offered),
                             summary.reached));
    line("slots moved",
         fmt::format("{} with {} keys in {:.1f} s", summary.slots, summary.keys_moved, summary.moving_seconds));
    line("answers on the way", fmt::format("{} MOVED, {} ASK, {} TRYAGAIN; {} calls tried again", summary.counts.moved,
                                           summary.counts.ask, summary.counts.try_again, summary.retries));
    for (std::size_t i = 0; i != classes; ++i) {
        const Tally& tally = summary.tally;
        line(class_names[i], fmt::format("{}, errors {}{}; slowest {:.1f} ms, {} over 100 ms", tally.commands[i],
                                         tally.failures(static_cast<Class>(i)), failures_of(tally, i),
                                         in_ms(tally.slowest[i]), tally.slow[i]));
    }
    line("watched, not executed", fmt::format("{}, since the key had left with its slot", summary.tally.unexecuted));
    line("connections", fmt::format("{} lost, breakers opened {}", summary.wires_lost, summary.breaker_opened));
    line("keys checked", fmt::format("{}, deviations {}", summary.keys_checked, summary.deviations));
}

std::string to_json(const Summary& summary) {
    namespace json = boost::json;
    json::object calls;
    for (std::size_t i = 0; i != classes; ++i) {
        json::object certainties;
        for (std::size_t certainty = 0; certainty != 4; ++certainty) {
            certainties[to_string(static_cast<Certainty>(certainty))] = summary.tally.failed[i][certainty];
        }
        json::object why;
        for (const auto& [what, count] : summary.tally.why[i]) why[what] = count;
        calls[class_fields[i]] = json::object{
            {"commands", summary.tally.commands[i]},         {"errors", summary.tally.failures(static_cast<Class>(i))},
            {"by_certainty", std::move(certainties)},        {"by_kind", std::move(why)},
            {"slowest_ms", in_ms(summary.tally.slowest[i])}, {"over_100_ms", summary.tally.slow[i]}};
    }
    return json::serialize(json::object{{"server", summary.server},
                                        {"masters", summary.masters},
                                        {"replicas", summary.replicas},
                                        {"seed", summary.seed},
                                        {"coroutines", summary.coroutines},
                                        {"threads", summary.threads},
                                        {"offered_per_second", summary.offered},
                                        {"reached_per_second", summary.reached},
                                        {"moving_seconds", summary.moving_seconds},
                                        {"slots_moved", summary.slots},
                                        {"keys_moved", summary.keys_moved},
                                        {"moved", summary.counts.moved},
                                        {"ask", summary.counts.ask},
                                        {"try_again", summary.counts.try_again},
                                        {"retries", summary.retries},
                                        {"watched_not_executed", summary.tally.unexecuted},
                                        {"calls", std::move(calls)},
                                        {"wires_lost", summary.wires_lost},
                                        {"breaker_opened", summary.breaker_opened},
                                        {"keys_checked", summary.keys_checked},
                                        {"deviations", summary.deviations}});
}

}  // namespace redoubt::migration
