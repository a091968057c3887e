// pool: one project's async calls that wait for room on a wire.
#pragma once

#include <cstddef>
#include <cstdint>

#include "connection/operation_queue.hpp"

namespace redoubt::pool {

/// Lives with its project; used on the executor of the pool's async side only. Allocates nothing.
class Tenant {
public:
    Tenant() = default;
    Tenant(const Tenant&) = delete;
    Tenant& operator=(const Tenant&) = delete;

    std::size_t waiting() const noexcept { return queue_.size(); }
    std::size_t waiting_bytes() const noexcept { return bytes_; }

private:
    friend class FairQueue;
    OperationQueue queue_;
    std::size_t bytes_ = 0;
    std::int64_t credit_ = 0;  // bytes it may send before others have their turn; below 0: a debt
    Tenant* next_ = nullptr;   // in the ring of those who have something waiting
    Tenant* previous_ = nullptr;
};

}  // namespace redoubt::pool
