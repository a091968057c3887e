// pool: the bounds on connections over all projects of a service: how many there are, and how fast they are opened.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "policy/rate_limit.hpp"

namespace redoubt::pool {

/// Thread-safe. Before a connection is refused, one that rests in another pool is asked to close.
class ConnectionBudget {
public:
    /// `a_second`: how many may be opened, and `burst` at once after a pause; 0: no limit.
    explicit ConnectionBudget(std::size_t limit, std::uint32_t a_second = 0, std::uint32_t burst = 1) noexcept
        : limit_(limit) {
        if (a_second != 0) rate_.emplace(a_second, burst);
    }

    /// How to close one resting connection anywhere: true when one was closed (and given back here). Set once,
    /// before the first call.
    void when_exhausted(std::function<bool()> close_one_idle) { close_one_idle_ = std::move(close_one_idle); }

    /// Room for one more connection: taken, or false.
    bool take() {
        for (;;) {
            std::size_t open = open_.load(std::memory_order_relaxed);
            while (open < limit_) {
                if (open_.compare_exchange_weak(open, open + 1, std::memory_order_relaxed)) return true;
            }
            if (!close_one_idle_ || !close_one_idle_()) return false;
        }
    }
    void give_back() noexcept { open_.fetch_sub(1, std::memory_order_relaxed); }
    /// Of openings; null: not limited.
    policy::RateLimit* rate() noexcept { return rate_ ? &*rate_ : nullptr; }
    std::size_t open() const noexcept { return open_.load(std::memory_order_relaxed); }

private:
    std::size_t const limit_;
    std::atomic<std::size_t> open_{0};
    std::function<bool()> close_one_idle_;
    std::optional<policy::RateLimit> rate_;
};

}  // namespace redoubt::pool
