// pool: the pure queue of the operations that wait for a wire, in which no tenant waits for more than its turn.
#pragma once

#include <cstddef>

#include <redoubt/connection/operation.hpp>

#include "pool/tenant.hpp"

namespace redoubt::pool {

/// Tenants are served round robin, each for as many bytes as its credit allows; an operation larger than the credit
/// leaves a debt, for which its tenant is passed over (deficit round robin: Shreedhar and Varghese, SIGCOMM 1995). Of
/// one tenant it is first in, first out. A tenant whose rate does not let its first one pass yet is parked until then.
/// Everything takes constant time, but `next` the number of those in debt, and `wake` of those parked.
class FairQueue {
public:
    /// What one turn gives, and what one operation can cost at most: so a debt is paid within 64 turns.
    static constexpr std::size_t turn_bytes = 1024;
    static constexpr std::size_t largest_cost = 64 * turn_bytes;
    /// Even the smallest costs this: a tenant of tiny ones gets 16 a turn.
    static constexpr std::size_t smallest_cost = 64;

    FairQueue() = default;
    FairQueue(const FairQueue&) = delete;
    FairQueue& operator=(const FairQueue&) = delete;

    /// Nobody waits whose time has come, as far as `next` and `wake` have seen.
    bool empty() const noexcept { return ring_ == nullptr; }
    /// Those that are not parked.
    std::size_t tenants() const noexcept { return tenants_; }
    /// With those of the parked.
    std::size_t size() const noexcept { return size_; }
    std::size_t bytes() const noexcept { return bytes_; }

    /// `passed`: its tenant's rate has let it pass already (`may_pass`).
    void push(Tenant& tenant, Operation& operation, bool passed = false) noexcept;
    /// One that is in the queue, under this tenant.
    void remove(Tenant& tenant, Operation& operation) noexcept;
    /// Whose turn it is, or nullptr when there is none; then say `served` (it has left the queue), or `pass`.
    Operation* next(TimePoint now) noexcept;
    /// Whose `next` is.
    Tenant& turn_of() noexcept { return *ring_; }
    void served() noexcept;
    /// It cannot be served now: the turn of the next tenant.
    void pass() noexcept;
    /// Brings back the parked whose time has come.
    void wake(TimePoint now) noexcept;
    /// When to call `wake`; max() when nobody is parked.
    TimePoint wakes_at() const noexcept { return wakes_at_; }
    /// Takes out all whose call deadline has come, in no particular order, and tells the earliest one left. `parked`:
    /// those that waited for their project's rate.
    TimePoint take_expired(TimePoint now, OperationQueue& expired, OperationQueue& parked) noexcept;
    /// The oldest of any tenant, out of the queue; nullptr when there is none. To fail them all.
    Operation* pop() noexcept;

private:
    static std::size_t size_of(const Operation& operation) noexcept { return operation.encoded_bound(); }
    void take_out(Tenant& tenant, Operation& operation, bool sent) noexcept;
    void turn_over() noexcept;
    void park(Tenant& tenant) noexcept;
    void unpark(Tenant& tenant) noexcept;
    TimePoint take_expired_of(Tenant& tenant, TimePoint now, OperationQueue& expired) noexcept;
    void enter(Tenant& tenant) noexcept;
    void leave(Tenant& tenant) noexcept;

    Tenant* ring_ = nullptr;  // whose turn it is
    std::size_t tenants_ = 0;
    Tenant* parked_ = nullptr;
    TimePoint wakes_at_ = TimePoint::max();
    std::size_t size_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace redoubt::pool
