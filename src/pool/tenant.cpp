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
    const Duration wait = rate_->wait_of(operation.replies(), commands_, now);
    if (now + wait <= operation.call_deadline()) return std::nullopt;
    return over_rate_error(wait);
}

bool Tenant::is_due(TimePoint now) noexcept {
    if (!rate_) return true;
    if (!reserved_) {
        const std::uint32_t commands = queue_.first()->replies();
        due_ = now + *rate_->reserve(commands, now);
        commands_ -= commands;
        reserved_ = true;
    }
    return due_ <= now;
}

// It is the last of the queue; if it has passed, the only one.
void Tenant::count_in(const Operation& operation, bool passed) noexcept {
    if (!rate_) return;
    if (passed) {
        reserved_ = true;
        due_ = TimePoint::min();
    } else {
        commands_ += operation.replies();
    }
}

// It leaves the queue.
void Tenant::count_out(const Operation& operation, bool sent) noexcept {
    if (!rate_) return;
    if (!reserved_ || &operation != queue_.first()) {
        commands_ -= operation.replies();
        return;
    }
    reserved_ = false;
    if (!sent) rate_->give_back(operation.replies());
}

}  // namespace redoubt::pool
