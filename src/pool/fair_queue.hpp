// pool: the pure queue of the operations that wait for a wire, in which no tenant waits for more than its turn.
#pragma once

#include <cstddef>

#include <redoubt/connection/operation.hpp>

#include "pool/tenant.hpp"

namespace redoubt::pool {

/// Tenants are served round robin, each for as many bytes as its credit allows; an operation larger than the credit
/// leaves a debt, for which its tenant is passed over (deficit round robin: Shreedhar and Varghese, SIGCOMM 1995). Of
/// one tenant it is first in, first out. Everything takes constant time, but `next` the number of those in debt.
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

    bool empty() const noexcept { return ring_ == nullptr; }
    std::size_t size() const noexcept { return size_; }
    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t tenants() const noexcept { return tenants_; }

    void push(Tenant& tenant, Operation& operation) noexcept;
    /// One that is in the queue, under this tenant.
    void remove(Tenant& tenant, Operation& operation) noexcept;
    /// Whose turn it is, or nullptr when nobody waits; then say `served` (it has left the queue), or `pass`.
    Operation* next() noexcept;
    void served() noexcept;
    /// It cannot be served now: the turn of the next tenant.
    void pass() noexcept;
    /// Takes out all whose call deadline has come, in no particular order, and tells the earliest one left.
    TimePoint take_expired(TimePoint now, OperationQueue& expired) noexcept;
    /// The oldest of any tenant, out of the queue; nullptr when there is none. To fail them all.
    Operation* pop() noexcept;

private:
    static std::size_t size_of(const Operation& operation) noexcept { return operation.encoded_bound(); }
    void turn_over() noexcept;
    void enter(Tenant& tenant) noexcept;
    void leave(Tenant& tenant) noexcept;

    Tenant* ring_ = nullptr;  // whose turn it is
    std::size_t tenants_ = 0;
    std::size_t size_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace redoubt::pool
