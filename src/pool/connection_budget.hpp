// pool: the bound on connections over all projects of a service.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

namespace redoubt::pool {

/// Thread-safe. Before a connection is refused, one that rests in another pool is asked to close.
class ConnectionBudget {
public:
    explicit ConnectionBudget(std::size_t limit) noexcept : limit_(limit) {}

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
    std::size_t open() const noexcept { return open_.load(std::memory_order_relaxed); }

private:
    std::size_t const limit_;
    std::atomic<std::size_t> open_{0};
    std::function<bool()> close_one_idle_;
};

}  // namespace redoubt::pool
