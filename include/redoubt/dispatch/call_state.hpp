// dispatch: the pure machine of one call: its deadline, its attempts, and what follows a failed one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <redoubt/base/retry_category.hpp>
#include <redoubt/dispatch/call.hpp>

namespace redoubt::policy {
class RetryBudget;
}

namespace redoubt::dispatch {

struct CallSettings;

/// Told the time; does nothing by itself.
class CallState {
public:
    explicit CallState(const CallOptions& options) noexcept : options_(options) {}
    CallState(Duration operation_timeout, const CallOptions& options, TimePoint now) noexcept : CallState(options) {
        begin(operation_timeout, now);
    }

    /// The caller makes the call now: its deadline is set, from its options or else the configured time-out.
    void begin(Duration operation_timeout, TimePoint now) noexcept {
        start_ = now;
        const Duration length = std::max(options_.deadline.value_or(operation_timeout), Duration::zero());
        // A caller may say "never" by the largest duration.
        deadline_ = length > TimePoint::max() - now ? TimePoint::max() : now + length;
    }

    const CallOptions& options() const noexcept { return options_; }
    /// The caller has said when it ends.
    bool has_own_deadline() const noexcept { return options_.deadline.has_value(); }
    bool has_begun() const noexcept { return deadline_ != TimePoint{}; }
    TimePoint deadline() const noexcept { return deadline_; }
    void begin_attempt() noexcept { ++attempts_; }
    std::uint32_t attempts() const noexcept { return attempts_ & ~maybe_applied; }

    /// The pause before the next attempt, or nullopt when `error` goes to the caller. `partly_answered`: some of
    /// several commands were, so the call cannot be repeated.
    std::optional<Duration> after_failure(const CallSettings& settings, RetryCategory category, const Error& error,
                                          bool partly_answered, const policy::RetryBudget& budget, double chance,
                                          TimePoint now) noexcept;
    /// What an earlier attempt left open stays so: such a call does not end as not sent.
    /// Says in the error what the call knows: how often, how long, which command, whose and where to.
    void describe(Error& error, std::string_view operation, const std::shared_ptr<const ErrorOrigin>& origin,
                  TimePoint now) const;

private:
    TimePoint start_{};
    TimePoint deadline_{};
    CallOptions options_;
    // With the attempts, so that it costs an everyday call nothing: one before the last may have been applied.
    static constexpr std::uint32_t maybe_applied = std::uint32_t{1} << 31;
    std::uint32_t attempts_ = 0;
};

/// Uniform in [0, 1), from a generator of the calling thread.
double chance();

}  // namespace redoubt::dispatch
