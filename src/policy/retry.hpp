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
    /// `refill`: the tokens that a success gives back, in thousandths at the finest.
    explicit RetryBudget(std::uint32_t tokens = 10, double refill = 0.1) noexcept;
    /// Cheap when full: one relaxed load.
    void on_success() noexcept {
        if (left_.load(std::memory_order_relaxed) < full_) [[unlikely]]
            refill();
    }
    void on_failure() noexcept;
    /// As at the beginning.
    void restore() noexcept { left_.store(full_, std::memory_order_relaxed); }
    bool allows_retry() const noexcept;

private:
    void refill() noexcept;

    std::int32_t const full_;  // in thousandths of a token
    std::int32_t const refill_;
    std::atomic<std::int32_t> left_;
};

struct RetrySettings {
    std::uint32_t max_retries = 3;
    Duration base{};
    Duration cap{};
    bool idempotent_writes = false;
};

/// A pause before the next attempt, or none, and then whether one would have been made had there been time.
struct RetryDecision {
    std::optional<Duration> pause;
    NotRetried why = NotRetried::none;
};

/// The error is of a kind that another attempt may lift: so it says something of the server, which the budget counts.
bool may_pass(const Error& error) noexcept;

/// What a failed attempt leads to: a pause before the next, or nullopt when its error goes to the caller.
/// `attempts` made so far (1 after the first); `chance` in [0, 1); `remaining` until the call's deadline.
/// Full jitter: chance * min(cap, base * 2^(attempts-1)) (Brooker, "Exponential Backoff And Jitter", AWS 2015).
/// Never retried: circuit_open, isolation, configuration, reply_type, key_not_found, cancelled,
/// authentication, memory, an error reply that would be the same again (WRONGTYPE; not LOADING), and a timeout
/// of the whole call; nor when the pause would end past the deadline.
RetryDecision retry_pause(const RetrySettings& settings, RetryCategory category, const Error& error,
                          std::uint32_t attempts, double chance, Duration remaining) noexcept;

}  // namespace redoubt::policy
