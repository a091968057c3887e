// pool: a project in a pool; see its header.
#include "pool/tenant.hpp"

namespace redoubt::pool {

std::optional<Error> Tenant::over_rate(std::uint32_t commands, TimePoint now) const noexcept {
    if (!rate_) return std::nullopt;
    const std::optional<Duration> wait = rate_->admit(commands, now);
    if (!wait) return std::nullopt;
    Error error = Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::admission,
                            "the project makes more calls a second than its limit allows (commands_per_second)");
    error.retry_after = *wait;
    return error;
}

}  // namespace redoubt::pool
