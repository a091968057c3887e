// tests: what the network of the soak does wrong, and what may be broken on purpose.
#pragma once

#include <cstdint>

#include "support/fault_schedule.hpp"

namespace redoubt::soak {

/// On purpose wrong, to prove that the soak would notice.
enum class Sabotage : std::uint8_t {
    none,
    swap,    ///< exchanges two replies of one wire
    forget,  ///< deletes keys behind the callers' backs
    twice,   ///< increments counters behind the callers' backs
    stall,   ///< one caller never ends
};

inline testing::FaultPlan network_plan() {
    using testing::Direction;
    using testing::FaultKind;
    return {
        {.kind = FaultKind::reset, .gap_ms = {200, 600}, .milliseconds = {}, .bytes = {0, 300}},
        {.kind = FaultKind::drop, .gap_ms = {200, 600}, .milliseconds = {}, .bytes = {0, 300}},
        {.kind = FaultKind::half_close,
         .gap_ms = {400, 1000},
         .milliseconds = {1, 300},
         .bytes = {},
         .directions = {Direction::up, Direction::down}},
        // Late answers; and now and then one that is longer than the library waits for a wire that does not move.
        {.kind = FaultKind::delay, .gap_ms = {50, 250}, .milliseconds = {2, 60}, .bytes = {}},
        {.kind = FaultKind::black_hole, .gap_ms = {500, 1500}, .milliseconds = {300, 700}, .bytes = {}},
        {.kind = FaultKind::throttle, .gap_ms = {300, 900}, .milliseconds = {5, 50}, .bytes = {100, 5000}},
        {.kind = FaultKind::split, .gap_ms = {6, 24}, .milliseconds = {}, .bytes = {200, 3000}},
        // What comes meanwhile goes out as one.
        {.kind = FaultKind::delay, .gap_ms = {12, 48}, .milliseconds = {1, 3}, .bytes = {}},
    };
}

}  // namespace redoubt::soak
