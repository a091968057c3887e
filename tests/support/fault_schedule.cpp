// tests: the schedule of faults; see the header.
#include "support/fault_schedule.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace redoubt::testing {

std::string_view to_string(FaultKind kind) noexcept {
    switch (kind) {
        case FaultKind::delay: return "delay";
        case FaultKind::throttle: return "throttle";
        case FaultKind::split: return "split";
        case FaultKind::drop: return "drop";
        case FaultKind::half_close: return "half-close";
        case FaultKind::reset: return "reset";
        case FaultKind::black_hole: return "black hole";
    }
    return "?";
}

std::string_view to_string(Direction direction) noexcept {
    switch (direction) {
        case Direction::up: return "up";
        case Direction::down: return "down";
        case Direction::both: return "both";
    }
    return "?";
}

std::string to_string(const Fault& fault) {
    return fmt::format("{:>9} ms  {:<10} {:<4} connection {:08x}, {} bytes, {} ms, pieces {:016x}",
                       fault.at / std::chrono::milliseconds(1), to_string(fault.kind), to_string(fault.direction),
                       fault.pick, fault.bytes, fault.milliseconds, fault.seed);
}

FaultSchedule::FaultSchedule(FaultPlan plan, std::uint64_t seed) {
    for (FaultRule& rule : plan) {
        const std::uint64_t own_seed = Random(seed + 0x1000 * (rules_.size() + 1)).next();
        rules_.push_back({std::move(rule), Random(own_seed), {}});
        draw(rules_.back());
    }
    find_next();
}

void FaultSchedule::advance() {
    draw(rules_[next_]);
    find_next();
}

void FaultSchedule::draw(Rule& rule) {
    Random& random = rule.random;
    const auto any = [&](FaultRule::Range range) { return random.between(range.least, range.most); };
    Fault& fault = rule.fault;
    fault.kind = rule.rule.kind;
    fault.at += std::chrono::milliseconds(any(rule.rule.gap_ms));
    fault.direction = rule.rule.directions[random.below(static_cast<std::uint32_t>(rule.rule.directions.size()))];
    fault.pick = static_cast<std::uint32_t>(random.next() >> 33u);
    fault.bytes = any(rule.rule.bytes);
    fault.milliseconds = any(rule.rule.milliseconds);
    fault.seed = random.next();
}

void FaultSchedule::find_next() noexcept {
    const auto first = std::min_element(rules_.begin(), rules_.end(),
                                        [](const Rule& a, const Rule& b) { return a.fault.at < b.fault.at; });
    next_ = static_cast<std::size_t>(first - rules_.begin());
}

}  // namespace redoubt::testing
