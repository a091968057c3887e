// pool: one project in a pool: its async calls that wait for room on a wire, and how many calls a second it may make.
#pragma once

#include <cstddef>
#include <cstdint>

#include <memory>
#include <optional>
#include <utility>

#include <redoubt/base/error.hpp>

#include "connection/operation_queue.hpp"
#include "policy/rate_limit.hpp"

namespace redoubt::pool {

/// Lives with its project; used on the executor of the pool's async side only. Allocates nothing.
class Tenant {
public:
    Tenant() = default;
    explicit Tenant(std::shared_ptr<policy::RateLimit> rate) noexcept : rate_(std::move(rate)) {}
    /// The same project in another pool: one rate for both.
    const std::shared_ptr<policy::RateLimit>& rate() const noexcept { return rate_; }
    Tenant(const Tenant&) = delete;
    Tenant& operator=(const Tenant&) = delete;

    std::size_t waiting() const noexcept { return queue_.size(); }
    std::size_t waiting_bytes() const noexcept { return bytes_; }

    bool is_rated() const noexcept { return rate_ != nullptr; }
    /// The error of a call that comes too soon after others. Any thread.
    std::optional<Error> over_rate(std::uint32_t commands, TimePoint now) const noexcept;

private:
    friend class FairQueue;
    std::shared_ptr<policy::RateLimit> rate_;
    OperationQueue queue_;
    std::size_t bytes_ = 0;
    std::int64_t credit_ = 0;  // bytes it may send before others have their turn; below 0: a debt
    Tenant* next_ = nullptr;   // in the ring of those who have something waiting
    Tenant* previous_ = nullptr;
};

}  // namespace redoubt::pool
