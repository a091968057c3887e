// pool: a project in a pool; see its header.
#include "pool/tenant.hpp"

#include <algorithm>
#include <limits>

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

// A large reply is known when it has come. If those behind it were not held up until then they would all go at once.
std::uint32_t Tenant::foresee(Operation& operation) const noexcept {
    constexpr std::uint32_t most = std::numeric_limits<std::uint16_t>::max();
    const std::uint32_t large = is_foreseen(operation) ? rated_->last_large.load(std::memory_order_relaxed) : 0;
    operation.set_foreseen(static_cast<std::uint16_t>(std::min(large, most)));
    return operation.replies() + operation.foreseen();
}

std::uint32_t Tenant::taken_off(Operation& operation) noexcept {
    const std::uint32_t foreseen = operation.foreseen();
    operation.set_foreseen(0);
    return foreseen;
}

bool Tenant::is_let_pass(Operation& operation, TimePoint now) noexcept {
    if (!rated_->limit->admit(foresee(operation), now)) return true;
    operation.set_foreseen(0);
    return false;
}

void Tenant::settle(std::uint32_t commands, std::uint32_t foreseen) noexcept {
    rated_->last_large.store(commands, std::memory_order_relaxed);
    if (commands > foreseen) {
        (void)rated_->limit->reserve(commands - foreseen, Clock::now());
    } else {
        rated_->limit->give_back(foreseen - commands);
    }
}

bool Tenant::is_due(TimePoint now) noexcept {
    if (!rated_) return true;
    if (!rated_->reserved) {
        Operation& first = *queue_.first();
        rated_->due = now + *rated_->limit->reserve(foresee(first), now);
        rated_->commands -= first.replies();
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
void Tenant::count_out(Operation& operation, bool sent) noexcept {
    if (!rated_) return;
    if (!rated_->reserved || &operation != queue_.first()) {
        rated_->commands -= operation.replies();
        return;
    }
    rated_->reserved = false;
    if (!sent) take_back(operation);
}

}  // namespace redoubt::pool
