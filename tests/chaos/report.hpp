// tests: what a run of the chaos was, as a table and as JSON.
#pragma once

#include <array>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "chaos/caller.hpp"
#include "chaos/villain.hpp"
#include "support/fault_schedule.hpp"

namespace redoubt::chaos {

struct Summary {
    std::string server;
    std::uint64_t seed = 0;
    double seconds = 0;
    std::uint32_t coroutines = 0;
    std::uint32_t threads = 0;
    Tally tally;
    std::array<std::uint64_t, testing::fault_kinds> network_faults{};
    std::array<std::uint64_t, server_fault_kinds> server_faults{};
    std::uint64_t wires_lost = 0;
    std::uint64_t breaker_opened = 0;
    std::vector<Duration> recoveries;
    std::uint64_t slow_answers = 0;  ///< of the server itself, during a recovery
    std::string why_worst;           ///< the last error of the worst recovery
    Duration recovery_bound{};       ///< the breaker's own time and 100 ms
    Duration latest_timer{};         ///< how late a timer of this machine was at worst
    std::uint64_t keys_checked = 0;
    std::uint64_t deviations = 0;
    std::uint64_t stuck = 0;
};
void print(std::ostream& out, const Summary& summary);
/// Its lines about how calls ended.
void print_outcomes(std::ostream& out, const Tally& tally);
boost::json::object outcomes_json(const Tally& tally);
boost::json::object errors_json(const Tally& tally);
std::string to_json(const Summary& summary);

double in_ms(Duration time) noexcept;
/// 0 when there are none.
Duration worst(const std::vector<Duration>& times);
Duration median(std::vector<Duration> times);

}  // namespace redoubt::chaos
