// dispatch: the state of one call; see the header.
#include <redoubt/dispatch/call_state.hpp>

#include <random>

#include "dispatch/call_settings.hpp"

namespace redoubt::dispatch {
std::optional<Duration> CallState::after_failure(const CallSettings& settings, RetryCategory category,
                                                 const Error& error, bool partly_answered,
                                                 const policy::RetryBudget& budget, double chance,
                                                 TimePoint now) const noexcept {
    if (partly_answered || !budget.allows_retry()) return std::nullopt;
    policy::RetrySettings retry = settings.retry;
    retry.max_retries = options_.retries.value_or(retry.max_retries);
    retry.idempotent_writes = options_.retry_idempotent_writes.value_or(retry.idempotent_writes);
    return policy::retry_pause(retry, category, error, attempts_, chance, deadline_ - now);
}

void CallState::describe(Error& error, std::string_view operation, const std::shared_ptr<const ErrorOrigin>& origin,
                         TimePoint now) const {
    error.attempts = attempts_;
    error.elapsed = now - start_;
    error.operation = operation;
    error.origin = origin;
}

double chance() {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace redoubt::dispatch
