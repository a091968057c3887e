// tests: what a run of the chaos on a Cluster was: which errors each outage explains, and the table and JSON of all.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "chaos/caller.hpp"
#include "chaos/cluster_schedule.hpp"
#include "support/cluster_clock.hpp"

namespace redoubt::chaos {

/// What became of one shard when its master was not there, or another one was asked to take its place.
struct ClusterOutage {
    std::optional<ClusterFault> fault;  ///< none: nobody asked for it
    testing::Slots slots;
    TimePoint began;
    TimePoint promoted;  ///< the replica says that it is the master
    TimePoint served;    ///< both kinds of callers have written to it
    TimePoint ended;     ///< the old master acknowledges nothing any more
    TimePoint back;      ///< of a master that hangs: it goes on, and does not know yet; else the epoch
    TimePoint demoted;   ///< it knows
};

/// Errors by what explains them. Impatient: with a deadline or a number of retries of their own.
struct ClusterErrors {
    std::uint64_t of_outages = 0;        ///< at slots whose master was not there
    std::uint64_t of_many = 0;           ///< calls of several keys, and transactions: elsewhere, or in several slots
    std::uint64_t impatient = 0;         ///< of one key elsewhere, but not at default settings
    std::uint64_t others_meanwhile = 0;  ///< at default settings, of one key of another slot, while a master was away
    std::uint64_t otherwise = 0;         ///< and while none was
    std::vector<std::string> samples;    ///< of the last two
};
ClusterErrors explain(const std::vector<Failure>& failures, const std::vector<ClusterOutage>& outages,
                      const World& world);
std::uint16_t slot_of_key(const std::string& key);

struct ClusterSummary {
    std::string server;
    std::uint64_t seed = 0;
    double seconds = 0;
    std::uint32_t coroutines = 0;
    std::uint32_t threads = 0;
    bool private_network = false;
    Tally tally;
    std::array<std::uint64_t, cluster_fault_kinds> faults{};
    std::uint64_t slots_moved = 0;
    std::vector<ClusterOutage> outages;
    ClusterErrors errors;
    std::uint64_t wires_lost = 0;
    std::uint64_t breaker_opened = 0;
    Duration latest_timer{};
    std::uint64_t keys_checked = 0;
    std::uint64_t lost = 0;
    std::uint64_t seen = 0;
    std::uint64_t old_answers = 0;
    std::uint64_t deviations = 0;
};
void print(const ClusterSummary& summary);
std::string to_json(const ClusterSummary& summary);
/// Of outages in which the master was not there: from the promotion until callers are served.
std::vector<Duration> without_service(const std::vector<ClusterOutage>& outages);

}  // namespace redoubt::chaos
