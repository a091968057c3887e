// pool: a project in a pool; see its header.
#include "pool/tenant.hpp"

namespace redoubt::pool {

Error over_rate_error(Duration wait) noexcept {
    Error error = Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::admission,
                            "the project makes more calls a second than its limit allows (commands_per_second), and "
                            "this one's turn would come after its deadline");
    error.retry_after = wait;
    return error;
}

std::optional<Error> Tenant::too_late(const Operation& operation, TimePoint now) const noexcept {
    const Duration wait = rated_->limit->wait_of(operation.replies(), rated_->commands, now);
    if (now + wait <= operation.call_deadline()) return std::nullopt;
    return over_rate_error(wait);
}

bool Tenant::is_due(TimePoint now) noexcept {
    if (!rated_) return true;
    if (!rated_->reserved) {
        const std::uint32_t commands = queue_.first()->replies();
        rated_->due = now + *rated_->limit->reserve(commands, now);
        rated_->commands -= commands;
        rated_->reserved = true;
    }
    return rated_->due <= now;
}

// It is the last of the queue; if it has passed, the only one.
void Tenant::count_in(const Operation& operation, bool passed) noexcept {
    if (!rated_) return;
    if (passed) {
        rated_->reserved = true;
        rated_->due = TimePoint::min();
    } else {
        rated_->commands += operation.replies();
    }
}

// It leaves the queue.
void Tenant::count_out(const Operation& operation, bool sent) noexcept {
    if (!rated_) return;
    if (!rated_->reserved || &operation != queue_.first()) {
        rated_->commands -= operation.replies();
        return;
    }
    rated_->reserved = false;
    if (!sent) rated_->limit->give_back(operation.replies());
}

}  // namespace redoubt::pool
