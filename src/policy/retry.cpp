// policy: whether a failed attempt is made again, and after what pause. Pure: time and chance come from outside.
#include "policy/retry.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace redoubt::policy {

namespace {

constexpr std::int32_t token = 1000;

/// The server's refusals that another moment may lift. Any other error reply would be the same again.
bool is_passing_refusal(const Error& error) noexcept {
    static constexpr std::string_view passing[] = {"LOADING",  "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN",
                                                   "READONLY", "BUSY",        "NOREPLICAS"};
    if (std::find(std::begin(passing), std::end(passing), error.prefix()) != std::end(passing)) return true;
    return error.reason().starts_with("ERR max number of clients");
}

}  // namespace

bool may_pass(const Error& error) noexcept {
    switch (error.kind) {
        case ErrorKind::connection:
        // Where it says when, the caller decides whether to come again: many who pause would only come together.
        case ErrorKind::pool_exhausted: return error.retry_after == Duration::zero();
        case ErrorKind::timeout:
            // These waits have no bound but the deadline of the whole call; in the others an attempt ran out.
            return error.stage != Stage::admission && error.stage != Stage::waiting_for_wire &&
                   error.stage != Stage::backoff;
        case ErrorKind::server: return is_passing_refusal(error);
        case ErrorKind::authentication:
        case ErrorKind::memory:
        case ErrorKind::circuit_open:
        case ErrorKind::key_not_found:
        case ErrorKind::isolation:
        case ErrorKind::configuration:
        case ErrorKind::reply_type:
        case ErrorKind::cancelled: return false;
    }
    return false;
}

namespace {

bool certainty_allows(Certainty certainty, RetryCategory category, bool idempotent_writes) noexcept {
    switch (certainty) {
        case Certainty::not_sent:
        case Certainty::rejected: return true;
        case Certainty::unknown:
            return category == RetryCategory::read_only || (category == RetryCategory::idempotent && idempotent_writes);
        case Certainty::applied: return false;
    }
    return false;
}

}  // namespace

RetryBudget::RetryBudget(std::uint32_t tokens, double refill) noexcept
    : full_(static_cast<std::int32_t>(
          std::min(tokens, static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max() / 2 / token)) * token)),
      refill_(std::clamp(static_cast<std::int32_t>(std::lround(refill * token)), 1, token)),
      left_(full_) {}

void RetryBudget::refill() noexcept {
    auto left = left_.load(std::memory_order_relaxed);
    while (left < full_ &&
           !left_.compare_exchange_weak(left, std::min(left + refill_, full_), std::memory_order_relaxed)) {}
}

void RetryBudget::on_failure() noexcept {
    auto left = left_.load(std::memory_order_relaxed);
    while (left > 0 && !left_.compare_exchange_weak(left, std::max(left - token, 0), std::memory_order_relaxed)) {}
}

bool RetryBudget::allows_retry() const noexcept { return left_.load(std::memory_order_relaxed) > full_ / 2; }

RetryDecision retry_pause(const RetrySettings& settings, RetryCategory category, const Error& error,
                          std::uint32_t attempts, double chance, Duration remaining) noexcept {
    if (attempts > settings.max_retries) return {};
    if (!may_pass(error)) return {};
    if (!certainty_allows(error.certainty, category, settings.idempotent_writes)) return {};

    // As a double the doubling cannot overflow: past the cap it is the cap.
    const int doublings = static_cast<int>(std::min(attempts, 1000u)) - (attempts > 0 ? 1 : 0);
    const double longest = std::min(static_cast<double>(settings.cap.count()),
                                    std::ldexp(static_cast<double>(settings.base.count()), doublings));
    const Duration pause{static_cast<Duration::rep>(std::max(0.0, chance * longest))};
    // An attempt that would start at the deadline could only time out.
    if (pause >= remaining) return {std::nullopt, NotRetried::no_time};
    return {pause};
}

}  // namespace redoubt::policy
