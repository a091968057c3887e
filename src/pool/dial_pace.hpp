// pool: when another connection to a node may be opened. Pure: time and chance come from outside.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

#include <redoubt/base/clock.hpp>

#include "policy/rate_limit.hpp"

namespace redoubt::pool {

/// After a failed dial each further one to the node waits, with full jitter over a time that doubles, so that those who
/// lost their connections together do not come back together; and over the whole service the rate is limited. Thread-safe.
class DialPace {
public:
    /// The first pause is at most `base`, and none is longer than `cap`: short, because the breaker ends the attempts
    /// soon, and a server that is back should be noticed in less than a tenth of a second.
    static constexpr Duration base = std::chrono::milliseconds(10);
    static constexpr Duration cap = std::chrono::milliseconds(80);

    /// How long the next dial has to wait, its place in `limit` (null: there is none) taken; nullopt: it would come later
    /// than after `longest`, and nothing was taken. `chance` in [0, 1).
    std::optional<Duration> begin(policy::RateLimit* limit, TimePoint now, Duration longest, double chance) noexcept {
        const std::uint32_t failures = failures_.load(std::memory_order_relaxed);
        Duration pause{};
        if (failures != 0) {
            const Duration most = std::min(cap, base * (std::int64_t{1} << std::min(failures - 1, 10u)));
            pause = Duration{static_cast<Duration::rep>(chance * static_cast<double>(most.count()))};
        }
        if (limit == nullptr) return pause;
        // A caller's own short deadline is a matter of the pause, which is no reason to refuse.
        const std::optional<Duration> turn = limit->reserve(1, now, longest);
        return turn ? std::optional(std::max(pause, *turn)) : std::nullopt;
    }
    void ended(bool failed) noexcept {
        if (failed) {
            failures_.fetch_add(1, std::memory_order_relaxed);
        } else if (failures_.load(std::memory_order_relaxed) != 0) {
            failures_.store(0, std::memory_order_relaxed);
        }
    }

private:
    std::atomic<std::uint32_t> failures_{0};  // in a row
};

}  // namespace redoubt::pool
