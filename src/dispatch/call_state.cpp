// dispatch: the state of one call; see the header.
#include <redoubt/dispatch/call_state.hpp>

#include <random>

#include "connection/moved.hpp"
#include "dispatch/call_settings.hpp"

namespace redoubt::dispatch {
namespace {

/// The caller's word about its command, within the bounds of what each word can mean.
void apply(RetryAs word, policy::RetrySettings& retry, RetryCategory& category) noexcept {
    switch (word) {
        case RetryAs::never: retry.max_retries = 0; return;
        case RetryAs::idempotent:
            if (category == RetryCategory::read_only || category == RetryCategory::accumulating) return;
            break;
        case RetryAs::at_least_once:
            if (category == RetryCategory::read_only) return;
            break;
    }
    category = RetryCategory::idempotent;
    retry.idempotent_writes = true;
}

}  // namespace

std::optional<Duration> CallState::after_failure(const CallSettings& settings, Error& error, const Failure& failure,
                                                 const policy::RetryBudget& budget) noexcept {
    attempts_ &= ~redirects;
    if (failure.partly_answered) return std::nullopt;
    policy::RetrySettings retry = settings.retry;
    RetryCategory category = failure.category;
    if (options_ != nullptr) {
        retry.max_retries = options_->retries.value_or(retry.max_retries);
        retry.idempotent_writes = options_->retry_idempotent_writes.value_or(retry.idempotent_writes);
        if (options_->retry_as) apply(*options_->retry_as, retry, category);
    }
    const bool moved = connection::is_moved(error);
    policy::RetryDecision decision =
        policy::retry_pause(retry, category, error, attempts(), moved ? 0.0 : failure.chance, deadline_ - failure.now);
    if (moved) {
        // Nothing is held against the new node.
    } else if (decision.pause && failure.now + *decision.pause < failure.refused_until) {
        decision = {std::nullopt, NotRetried::breaker_open};
    } else if (decision.pause && !budget.allows_retry()) {
        decision = {std::nullopt, NotRetried::budget_spent};
    }
    error.not_retried = decision.why;
    if (decision.pause && error.certainty == Certainty::unknown && category != RetryCategory::read_only) {
        attempts_ |= maybe_applied;
    }
    return decision.pause;
}

void CallState::describe(Error& error, std::string_view operation, const std::shared_ptr<const ErrorOrigin>& origin,
                         TimePoint now) const {
    error.attempts = attempts();
    // That the last attempt was certainly not applied says nothing of those before it.
    if ((attempts_ & maybe_applied) != 0 && error.certainty != Certainty::applied) error.certainty = Certainty::unknown;
    error.elapsed = now - start_;
    error.operation = operation;
    error.origin = origin;
}

double chance() {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace redoubt::dispatch
