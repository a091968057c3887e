// dispatch: the state of one call; see the header.
#include <redoubt/dispatch/call_state.hpp>

#include <random>

#include "dispatch/call_settings.hpp"

namespace redoubt::dispatch {
std::optional<Duration> CallState::after_failure(const CallSettings& settings, RetryCategory category,
                                                 const Error& error, bool partly_answered,
                                                 const policy::RetryBudget& budget, double chance,
                                                 TimePoint now) noexcept {
    if (partly_answered || !budget.allows_retry()) return std::nullopt;
    policy::RetrySettings retry = settings.retry;
    retry.max_retries = options_.retries.value_or(retry.max_retries);
    retry.idempotent_writes = options_.retry_idempotent_writes.value_or(retry.idempotent_writes);
    const std::optional<Duration> pause =
        policy::retry_pause(retry, category, error, attempts(), chance, deadline_ - now);
    if (pause && error.certainty == Certainty::unknown && category != RetryCategory::read_only)
        attempts_ |= maybe_applied;
    return pause;
}

void CallState::describe(Error& error, std::string_view operation, const std::shared_ptr<const ErrorOrigin>& origin,
                         TimePoint now) const {
    error.attempts = attempts();
    if ((attempts_ & maybe_applied) != 0 &&
        (error.certainty == Certainty::not_sent || error.certainty == Certainty::rejected)) {
        error.certainty = Certainty::unknown;
    }
    error.elapsed = now - start_;
    error.operation = operation;
    error.origin = origin;
}

double chance() {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace redoubt::dispatch
