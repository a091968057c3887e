// tests: what a network does wrong, and when: a schedule that its seed decides down to the last byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/base/clock.hpp>

#include "support/random.hpp"

namespace redoubt::testing {

enum class FaultKind : std::uint8_t {
    delay,       ///< what comes is held back for a time, and then goes out at once
    throttle,    ///< few bytes a millisecond, for a time
    split,       ///< so many bytes go out in small random pieces
    drop,        ///< so many bytes still pass, then the connection is closed
    half_close,  ///< the receiver of the direction sees an end, the other direction goes on; closed after a time
    reset,       ///< so many bytes still pass, then both ends get ECONNRESET
    black_hole,  ///< nothing is read or forwarded for a time, and the connection stays open
};
constexpr std::size_t fault_kinds = static_cast<std::size_t>(FaultKind::black_hole) + 1;
std::string_view to_string(FaultKind kind) noexcept;

enum class Direction : std::uint8_t {
    up,    ///< towards the server
    down,  ///< towards the library
    both,
};
std::string_view to_string(Direction direction) noexcept;

/// One fault, with nothing left to chance.
struct Fault {
    static constexpr std::uint32_t every_connection = 0xffff'ffff;
    static constexpr std::uint32_t for_ever = 0xffff'ffff;

    FaultKind kind = FaultKind::delay;
    Direction direction = Direction::both;
    std::uint32_t pick = every_connection;  ///< of n connections the (pick mod n)th, in the order they were made
    std::uint32_t bytes = 0;                ///< see FaultKind; throttle: a millisecond
    std::uint32_t milliseconds = 0;         ///< see FaultKind
    std::uint64_t seed = 0;                 ///< of the pieces
    Duration at{};                          ///< from the schedule's begin
};
/// One line, for a listing.
std::string to_string(const Fault& fault);

/// One kind of fault that comes again and again; ranges include both ends.
struct FaultRule {
    struct Range {
        std::uint32_t least = 0;
        std::uint32_t most = 0;
    };
    FaultKind kind = FaultKind::delay;
    Range gap_ms;  ///< between one and the next
    Range milliseconds;
    Range bytes;
    std::vector<Direction> directions{Direction::up, Direction::down, Direction::both};  ///< one of these
};
using FaultPlan = std::vector<FaultRule>;

/// The faults of a plan in the order of their times, without end. Each rule draws from numbers of its own, so what is
/// drawn depends on nothing but the seed.
class FaultSchedule {
public:
    FaultSchedule(FaultPlan plan, std::uint64_t seed);
    bool empty() const noexcept { return rules_.empty(); }
    /// Not when empty.
    const Fault& next() const noexcept { return rules_[next_].fault; }
    void advance();

private:
    struct Rule {
        FaultRule rule;
        Random random;
        Fault fault;
    };
    static void draw(Rule& rule);
    void find_next() noexcept;

    std::vector<Rule> rules_;
    std::size_t next_ = 0;
};

}  // namespace redoubt::testing
