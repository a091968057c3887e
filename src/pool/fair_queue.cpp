// pool: the fair queue; see its header.
#include "pool/fair_queue.hpp"

#include <algorithm>

namespace redoubt::pool {

void FairQueue::push(Tenant& tenant, Operation& operation) noexcept {
    const std::size_t bytes = size_of(operation);
    if (tenant.queue_.empty()) enter(tenant);
    tenant.queue_.push_back(operation);
    tenant.bytes_ += bytes;
    bytes_ += bytes;
    ++size_;
}

void FairQueue::remove(Tenant& tenant, Operation& operation) noexcept {
    const std::size_t bytes = size_of(operation);
    tenant.queue_.remove(operation);
    tenant.bytes_ -= bytes;
    bytes_ -= bytes;
    --size_;
    if (tenant.queue_.empty()) leave(tenant);
}

Operation* FairQueue::next() noexcept {
    if (ring_ == nullptr) return nullptr;
    while (ring_->credit_ <= 0) turn_over();
    return ring_->queue_.first();
}

void FairQueue::served() noexcept {
    Tenant& tenant = *ring_;
    Operation& operation = *tenant.queue_.first();
    tenant.credit_ -= static_cast<std::int64_t>(std::clamp(size_of(operation), smallest_cost, largest_cost));
    remove(tenant, operation);
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

TimePoint FairQueue::take_expired(TimePoint now, OperationQueue& expired) noexcept {
    TimePoint earliest = TimePoint::max();
    Tenant* tenant = ring_;
    for (std::size_t left = tenants_; left != 0; --left) {
        Tenant* const following = tenant->next_;
        for (Operation* operation = tenant->queue_.first(); operation != nullptr;) {
            Operation& checked = *operation;
            operation = OperationQueue::next(checked);
            if (checked.call_deadline() > now) {
                earliest = std::min(earliest, checked.call_deadline());
            } else {
                remove(*tenant, checked);
                expired.push_back(checked);
            }
        }
        tenant = following;
    }
    return earliest;
}

Operation* FairQueue::pop() noexcept {
    if (ring_ == nullptr) return nullptr;
    Tenant& tenant = *ring_;
    Operation* const oldest = tenant.queue_.first();
    remove(tenant, *oldest);
    return oldest;
}

}  // namespace redoubt::pool
