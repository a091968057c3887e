// pool: the fair queue; see its header.
#include "pool/fair_queue.hpp"

#include <algorithm>
#include <utility>

namespace redoubt::pool {

void FairQueue::push(Tenant& tenant, Operation& operation, bool passed) noexcept {
    const std::size_t bytes = size_of(operation);
    if (tenant.queue_.empty()) enter(tenant);
    tenant.queue_.push_back(operation);
    tenant.bytes_ += bytes;
    tenant.count_in(operation, passed);
    bytes_ += bytes;
    ++size_;
}

void FairQueue::remove(Tenant& tenant, Operation& operation) noexcept { take_out(tenant, operation, false); }

void FairQueue::take_out(Tenant& tenant, Operation& operation, bool sent) noexcept {
    const std::size_t bytes = size_of(operation);
    tenant.count_out(operation, sent);
    // The next one has a time of its own.
    if (tenant.rated_ && tenant.rated_->parked && !tenant.rated_->reserved) unpark(tenant);
    tenant.queue_.remove(operation);
    tenant.bytes_ -= bytes;
    bytes_ -= bytes;
    --size_;
    if (tenant.queue_.empty()) leave(tenant);
}

Operation* FairQueue::next(TimePoint now) noexcept {
    while (ring_ != nullptr) {
        while (ring_->credit_ <= 0) turn_over();
        if (ring_->is_due(now)) return ring_->queue_.first();
        park(*ring_);
    }
    return nullptr;
}

void FairQueue::served() noexcept {
    Tenant& tenant = *ring_;
    Operation& operation = *tenant.queue_.first();
    tenant.credit_ -= static_cast<std::int64_t>(std::clamp(size_of(operation), smallest_cost, largest_cost));
    take_out(tenant, operation, true);
}

void FairQueue::pass() noexcept { turn_over(); }

// The next one gets the credit of a turn; what it could not use before does not add up.
void FairQueue::turn_over() noexcept {
    ring_ = ring_->next_;
    ring_->credit_ = std::min<std::int64_t>(ring_->credit_, 0) + static_cast<std::int64_t>(turn_bytes);
}

// Before the one whose turn it is, which makes it the last.
void FairQueue::enter(Tenant& tenant) noexcept {
    tenant.credit_ = 0;
    if (ring_ == nullptr) {
        tenant.next_ = tenant.previous_ = ring_ = &tenant;
        tenant.credit_ = static_cast<std::int64_t>(turn_bytes);
    } else {
        tenant.next_ = ring_;
        tenant.previous_ = ring_->previous_;
        tenant.previous_->next_ = &tenant;
        ring_->previous_ = &tenant;
    }
    ++tenants_;
}

void FairQueue::leave(Tenant& tenant) noexcept {
    --tenants_;
    if (tenants_ == 0) {
        ring_ = nullptr;
        return;
    }
    if (ring_ == &tenant) turn_over();
    tenant.previous_->next_ = tenant.next_;
    tenant.next_->previous_ = tenant.previous_;
}

void FairQueue::park(Tenant& tenant) noexcept {
    leave(tenant);
    tenant.rated_->parked = true;
    tenant.previous_ = nullptr;
    tenant.next_ = parked_;
    if (parked_ != nullptr) parked_->previous_ = &tenant;
    parked_ = &tenant;
    wakes_at_ = std::min(wakes_at_, tenant.rated_->due);
}

void FairQueue::unpark(Tenant& tenant) noexcept {
    (tenant.previous_ != nullptr ? tenant.previous_->next_ : parked_) = tenant.next_;
    if (tenant.next_ != nullptr) tenant.next_->previous_ = tenant.previous_;
    tenant.rated_->parked = false;
    enter(tenant);
}

void FairQueue::wake(TimePoint now) noexcept {
    if (now < wakes_at_) return;
    wakes_at_ = TimePoint::max();
    for (Tenant* tenant = parked_; tenant != nullptr;) {
        Tenant& seen = *tenant;
        tenant = seen.next_;
        if (seen.rated_->due <= now) {
            unpark(seen);
        } else {
            wakes_at_ = std::min(wakes_at_, seen.rated_->due);
        }
    }
}

TimePoint FairQueue::take_expired_of(Tenant& tenant, TimePoint now, OperationQueue& expired) noexcept {
    TimePoint earliest = TimePoint::max();
    for (Operation* operation = tenant.queue_.first(); operation != nullptr;) {
        Operation& checked = *operation;
        operation = OperationQueue::next(checked);
        if (checked.call_deadline() > now) {
            earliest = std::min(earliest, checked.call_deadline());
        } else {
            remove(tenant, checked);
            expired.push_back(checked);
        }
    }
    return earliest;
}

TimePoint FairQueue::take_expired(TimePoint now, OperationQueue& expired, OperationQueue& parked) noexcept {
    TimePoint earliest = TimePoint::max();
    Tenant* tenant = ring_;
    // The parked come last: one whose first operation goes enters the ring behind those that are looked at.
    for (std::size_t left = tenants_; left != 0; --left) {
        Tenant& seen = *std::exchange(tenant, tenant->next_);
        earliest = std::min(earliest, take_expired_of(seen, now, expired));
    }
    for (tenant = parked_; tenant != nullptr;) {
        Tenant& seen = *std::exchange(tenant, tenant->next_);
        earliest = std::min(earliest, take_expired_of(seen, now, parked));
    }
    return earliest;
}

Operation* FairQueue::pop() noexcept {
    if (ring_ == nullptr && parked_ != nullptr) unpark(*parked_);
    if (ring_ == nullptr) return nullptr;
    Tenant& tenant = *ring_;
    Operation* const oldest = tenant.queue_.first();
    remove(tenant, *oldest);
    return oldest;
}

}  // namespace redoubt::pool
