// tests: the outcome of the chaos on a Cluster; see the header.
#include "chaos/cluster_report.hpp"

#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include "chaos/report.hpp"
#include "topology/slot.hpp"

namespace redoubt::chaos {
namespace {

constexpr std::size_t most_samples = 10;

bool is_asked_for(const ClusterOutage& one) { return one.fault && *one.fault != ClusterFault::request; }

std::vector<Duration> detection(const std::vector<ClusterOutage>& outages) {
    std::vector<Duration> times;
    for (const ClusterOutage& one : outages) {
        if (is_asked_for(one)) times.push_back(one.promoted - one.began);
    }
    return times;
}

}  // namespace

std::uint16_t slot_of_key(const std::string& key) { return topology::slot_of("proj:chaos:" + key); }

ClusterErrors explain(const std::vector<Failure>& failures, const std::vector<ClusterOutage>& outages,
                      const World& world) {
    ClusterErrors errors;
    for (const Failure& one : failures) {
        bool meanwhile = false;
        bool its_own = false;
        for (const ClusterOutage& outage : outages) {
            if (one.span.begin > world.tick_of(outage.served)) continue;
            if (one.span.end < world.tick_of(outage.began)) continue;
            meanwhile = true;
            if (!one.key.empty() && outage.slots.test(slot_of_key(one.key))) its_own = true;
        }
        if (its_own) {
            ++errors.of_outages;
        } else if (!one.single) {
            ++errors.of_many;
        } else if (!one.usual) {
            ++errors.impatient;
        } else {
            ++(meanwhile ? errors.others_meanwhile : errors.otherwise);
            if (errors.samples.size() != most_samples) {
                errors.samples.push_back(
                    fmt::format("{:.3f} to {:.3f} s, slot {}: {}", static_cast<double>(one.span.begin) / 1e9,
                                static_cast<double>(one.span.end) / 1e9, slot_of_key(one.key), one.text));
            }
        }
    }
    return errors;
}

std::vector<Duration> without_service(const std::vector<ClusterOutage>& outages) {
    std::vector<Duration> times;
    for (const ClusterOutage& one : outages) {
        if (is_asked_for(one)) times.push_back(std::max(one.served - one.promoted, Duration::zero()));
    }
    return times;
}

void print(const ClusterSummary& summary) {
    const auto line = [](std::string_view what, std::uint64_t count) { fmt::print("{:<56} {:>10}\n", what, count); };
    const auto time = [](std::string_view what, Duration length) {
        fmt::print("{:<56} {:>10.1f} ms\n", what, in_ms(length));
    };
    fmt::print("{} in a Cluster, seed {}, {:.0f} s, {} coroutines and {} threads\n", summary.server, summary.seed,
               summary.seconds, summary.coroutines, summary.threads);
    if (!summary.private_network) {
        fmt::print("this machine allows no network of its own: masters hang where they should be cut off\n");
    }
    line("operations", summary.tally.operations);
    line("commands in them", summary.tally.commands);
    for (std::size_t i = 0; i != cluster_fault_kinds; ++i) {
        line(fmt::format("event: {}", cluster_fault_names[i]), summary.faults[i]);
    }
    line("slots moved", summary.slots_moved);
    line("failovers that nobody asked for",
         static_cast<std::uint64_t>(std::count_if(summary.outages.begin(), summary.outages.end(),
                                                  [](const ClusterOutage& one) { return !one.fault; })));
    std::fflush(stdout);
    print_outcomes(std::cout, summary.tally);
    std::cout.flush();
    line("commands of pipelines that failed alone", summary.tally.parts_failed);
    line("errors at slots whose master was away", summary.errors.of_outages);
    line("errors of several keys elsewhere", summary.errors.of_many);
    line("errors elsewhere, not at default settings", summary.errors.impatient);
    line("errors at other slots while a master was away", summary.errors.others_meanwhile);
    line("errors while none was", summary.errors.otherwise);
    for (const std::string& sample : summary.errors.samples) fmt::print("  {}\n", sample);
    line("wires lost", summary.wires_lost);
    line("times that a breaker opened", summary.breaker_opened);
    time("the Cluster's own time, median", median(detection(summary.outages)));
    time("the Cluster's own time, worst", worst(detection(summary.outages)));
    time("its slots without service beyond it, median", median(without_service(summary.outages)));
    time("its slots without service beyond it, worst", worst(without_service(summary.outages)));
    for (const ClusterOutage& one : summary.outages) {
        fmt::print("  {:<20} promoted after {:>7.1f} ms, served {:>7.1f} ms later\n",
                   one.fault ? cluster_fault_names[static_cast<std::size_t>(*one.fault)] : "nobody's wish",
                   in_ms(one.promoted - one.began), in_ms(one.served - one.promoted));
    }
    line("answers over 50 ms past the deadline", summary.tally.late);
    time("latest answer, past its deadline", std::max(summary.tally.latest, Duration{}));
    time("latest timer of this machine", summary.latest_timer);
    line("keys checked at the end", summary.keys_checked);
    line("acknowledged writes that failovers lost", summary.lost);
    line("answers that show such a loss", summary.seen);
    line("answers of masters that had been replaced", summary.old_answers);
    line("callers stuck", 0);
    line("deviations", summary.deviations);
    std::fflush(stdout);
}

std::string to_json(const ClusterSummary& summary) {
    boost::json::object events;
    for (std::size_t i = 0; i != cluster_fault_kinds; ++i) events[cluster_fault_names[i]] = summary.faults[i];
    const boost::json::object object{
        {"server", summary.server},
        {"topology", "cluster"},
        {"private_network", summary.private_network},
        {"seed", summary.seed},
        {"seconds", summary.seconds},
        {"coroutines", summary.coroutines},
        {"threads", summary.threads},
        {"operations", summary.tally.operations},
        {"commands", summary.tally.commands},
        {"events", events},
        {"slots_moved", summary.slots_moved},
        {"failovers", summary.outages.size()},
        {"outcomes", outcomes_json(summary.tally)},
        {"errors", errors_json(summary.tally)},
        {"pipeline_parts_failed", summary.tally.parts_failed},
        {"errors_at_slots_without_master", summary.errors.of_outages},
        {"errors_of_several_keys", summary.errors.of_many},
        {"errors_not_at_default_settings", summary.errors.impatient},
        {"errors_at_other_slots", summary.errors.others_meanwhile},
        {"errors_otherwise", summary.errors.otherwise},
        {"clusters_own_time_median_ms", in_ms(median(detection(summary.outages)))},
        {"clusters_own_time_worst_ms", in_ms(worst(detection(summary.outages)))},
        {"without_service_median_ms", in_ms(median(without_service(summary.outages)))},
        {"without_service_worst_ms", in_ms(worst(without_service(summary.outages)))},
        {"late_answers", summary.tally.late},
        {"keys_checked", summary.keys_checked},
        {"lost_by_failovers", summary.lost},
        {"stuck", 0},
        {"deviations", summary.deviations},
    };
    return boost::json::serialize(object);
}

}  // namespace redoubt::chaos
