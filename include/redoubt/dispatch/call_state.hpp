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

/// How far encoded commands have been read for their names.
struct NamesPosition {
    std::string_view left;  ///< from command number `index` on
    std::uint32_t index = 0;
};

/// Told the time; does nothing by itself.
class CallState {
public:
    /// `options` must live as long; null: there are none.
    explicit CallState(const CallOptions* options) noexcept : options_(options) {}
    CallState(Duration operation_timeout, const CallOptions& options, TimePoint now) noexcept : CallState(&options) {
        begin(operation_timeout, now);
    }
    CallState(Duration operation_timeout, CallOptions&& options, TimePoint now) = delete;

    /// The caller makes the call now: its deadline is set, from its options or else the configured time-out.
    void begin(Duration operation_timeout, TimePoint now) noexcept {
        start_ = now;
        deadline_ = has_own_deadline() ? within(*options_->deadline, now) : now + operation_timeout;
    }

    const CallOptions* options() const noexcept { return options_; }
    const CallContext* context() const noexcept { return options_ != nullptr ? options_->context : nullptr; }
    /// The caller asks for this many replicas.
    ReplicaAcks replica_acks() const noexcept { return options_ != nullptr ? options_->replica_acks : ReplicaAcks{}; }
    /// nullopt: from the master.
    std::optional<ReadFrom> read_from() const noexcept {
        return options_ != nullptr ? options_->read_from : std::nullopt;
    }
    /// The caller has said when it ends.
    bool has_own_deadline() const noexcept { return options_ != nullptr && options_->deadline; }
    bool has_begun() const noexcept { return deadline_ != TimePoint{}; }
    TimePoint deadline() const noexcept { return deadline_; }
    TimePoint start() const noexcept { return start_; }
    void begin_attempt() noexcept { ++attempts_; }
    std::uint32_t attempts() const noexcept { return attempts_ & (one_redirect - 1); }
    /// The node that was asked sends it to another one. True: that is part of the same attempt, which begins anew there;
    /// false: it has been sent around too often, or its time is over.
    bool may_follow(TimePoint now) noexcept {
        if (now >= deadline_ || (attempts_ & redirects) == most_redirects * one_redirect) return false;
        attempts_ += one_redirect - 1;
        return true;
    }
    static constexpr std::uint32_t most_redirects = 5;

    /// What decides on another attempt, besides the error.
    struct Failure {
        RetryCategory category = RetryCategory::never;
        bool partly_answered = false;  ///< some of several commands were, so the call cannot be repeated
        double chance = 0;             ///< in [0, 1)
        TimePoint now{};
        TimePoint refused_until = TimePoint::min();  ///< the node's breaker takes no call before, and there is no other
    };
    /// The pause before the next attempt, or nullopt when `error` goes to the caller; then it says there why not.
    std::optional<Duration> after_failure(const CallSettings& settings, Error& error, const Failure& failure,
                                          const policy::RetryBudget& budget) noexcept;
    /// What an earlier attempt left open stays so: such a call does not end as not sent.
    /// Says in the error what the call knows: how often, how long, which command, whose and where to.
    void describe(Error& error, std::string_view operation, const std::shared_ptr<const ErrorOrigin>& origin,
                  TimePoint now) const;

private:
    // A caller may say "never" by the largest duration.
    static TimePoint within(Duration length, TimePoint now) noexcept {
        length = std::max(length, Duration::zero());
        return length > TimePoint::max() - now ? TimePoint::max() : now + length;
    }

    TimePoint start_{};
    TimePoint deadline_{};
    const CallOptions* options_;
    // With the attempts, so that it costs an everyday call nothing: one before the last may have been applied.
    static constexpr std::uint32_t maybe_applied = std::uint32_t{1} << 31;
    // And how often this attempt was sent elsewhere.
    static constexpr std::uint32_t one_redirect = std::uint32_t{1} << 28;
    static constexpr std::uint32_t redirects = one_redirect * 7;
    std::uint32_t attempts_ = 0;
};

/// Uniform in [0, 1), from a generator of the calling thread.
double chance();

}  // namespace redoubt::dispatch
