// policy: whether a failed attempt is made again, and after what pause. Pure: time and chance come from outside.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>
#include <redoubt/base/retry_category.hpp>

namespace redoubt::policy {

/// Tokens that retries draw on, shared by one pool, so that an outage is not multiplied by retries (gRPC's
/// proposal A6: 10 tokens, -1 a failure, +0.1 a success, retries only above half). Lock-free.
class RetryBudget {
public:
    explicit RetryBudget(std::uint32_t tokens = 10) noexcept;
    /// Cheap when full: one relaxed load.
    void on_success() noexcept {
        if (tenths_.load(std::memory_order_relaxed) < full_) [[unlikely]]
            refill();
    }
    void on_failure() noexcept;
    bool allows_retry() const noexcept;

private:
    void refill() noexcept;

    std::int32_t const full_;  // in tenths of a token
    std::atomic<std::int32_t> tenths_;
};

struct RetrySettings {
    std::uint32_t max_retries = 3;
    Duration base{};
    Duration cap{};
    bool idempotent_writes = false;
};

/// What a failed attempt leads to: a pause before the next, or nullopt when its error goes to the caller.
/// `attempts` made so far (1 after the first); `chance` in [0, 1); `remaining` until the call's deadline.
/// Full jitter: chance * min(cap, base * 2^(attempts-1)) (Brooker, "Exponential Backoff And Jitter", AWS 2015).
/// Never retried: circuit_open, isolation, configuration, reply_type, key_not_found, cancelled,
/// authentication, memory, an error reply that would be the same again (WRONGTYPE; not LOADING), and a timeout
/// of the whole call; nor when the pause would end past the deadline.
std::optional<Duration> retry_pause(const RetrySettings& settings, RetryCategory category, const Error& error,
                                    std::uint32_t attempts, double chance, Duration remaining) noexcept;

}  // namespace redoubt::policy
