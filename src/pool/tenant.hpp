// pool: one project in a pool: its async calls that wait for room on a wire, and how many calls a second it may make.
#pragma once

#include <cstddef>
#include <cstdint>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include <redoubt/base/error.hpp>

#include "connection/operation_queue.hpp"
#include "policy/rate_limit.hpp"

namespace redoubt::pool {

/// The error of a call that the project's rate cannot serve before its deadline. `wait`: until it could be sent.
Error over_rate_error(Duration wait) noexcept;

/// Lives with its project; used on the executor of the pool's async side only. Allocates nothing.
class Tenant {
public:
    Tenant() = default;
    explicit Tenant(std::shared_ptr<policy::RateLimit> rate) {
        if (!rate) return;
        rated_ = std::make_unique<Rated>();
        rated_->limit = std::move(rate);
    }
    /// The same project in another pool: one rate for both. nullptr: it has none.
    std::shared_ptr<policy::RateLimit> rate() const noexcept { return rated_ ? rated_->limit : nullptr; }
    Tenant(const Tenant&) = delete;
    Tenant& operator=(const Tenant&) = delete;

    std::size_t waiting() const noexcept { return queue_.size(); }
    std::size_t waiting_bytes() const noexcept { return bytes_; }

    bool is_rated() const noexcept { return rated_ != nullptr; }
    /// Nobody of its own is before this one, and its rate lets it pass now.
    bool may_pass(Operation& operation, TimePoint now) noexcept {
        return !rated_ || (queue_.empty() && is_let_pass(operation, now));
    }
    /// It passed, and will not be sent.
    void take_back(Operation& operation) noexcept {
        if (rated_) rated_->limit->give_back(operation.replies() + taken_off(operation));
    }
    /// What was sent has turned out to be worth so many more: those who come next wait for it. Any thread.
    void charge(std::uint32_t commands) noexcept {
        if (rated_ && commands != 0) settle(commands, 0);
    }
    /// The same of an operation of which a part, or more, was foreseen.
    void charge(Operation& operation, std::uint32_t commands) noexcept {
        if (!rated_) return;
        const std::uint32_t foreseen = taken_off(operation);
        if (commands != 0 || foreseen != 0) settle(commands, foreseen);
    }
    /// Its reply will not come.
    void forget_foreseen(Operation& operation) noexcept {
        if (operation.foreseen() != 0) rated_->limit->give_back(taken_off(operation));
    }
    /// One small command whose reply is known to be large, so that its cost is foreseen.
    static bool is_foreseen(const Operation& operation) noexcept {
        return operation.demand() == Demand::bulk && operation.replies() == 1 &&
               operation.encoded_bound() < smallest_bulk;
    }
    /// The error of a call whose turn by the rate comes only after its deadline.
    std::optional<Error> too_late(const Operation& operation, TimePoint now) const noexcept;

private:
    friend class FairQueue;
    /// The rate lets the first one pass.
    bool is_due(TimePoint now) noexcept;
    bool is_let_pass(Operation& operation, TimePoint now) noexcept;
    /// Its cost, with what is foreseen of it, which the operation keeps until that is settled.
    std::uint32_t foresee(Operation& operation) const noexcept;
    static std::uint32_t taken_off(Operation& operation) noexcept;
    void settle(std::uint32_t commands, std::uint32_t foreseen) noexcept;
    void count_in(const Operation& operation, bool passed) noexcept;
    void count_out(Operation& operation, bool sent) noexcept;

    static constexpr std::size_t smallest_bulk = 64 * 1024;  // of this size commands are bulk whatever their reply is

    // Most projects have no rate.
    struct Rated {
        std::shared_ptr<policy::RateLimit> limit;
        std::uint64_t commands = 0;  // waiting; but those of the first, once they are reserved
        bool reserved = false;       // the first one has its place in the rate
        bool parked = false;         // it is not in the ring, for the first one's time has not come
        TimePoint due = TimePoint::min();
        std::atomic<std::uint32_t> last_large{0};  // what the last large reply was worth beyond its one command
    };
    std::unique_ptr<Rated> rated_;
    OperationQueue queue_;
    std::size_t bytes_ = 0;
    std::int64_t credit_ = 0;  // bytes it may send before others have their turn; below 0: a debt
    Tenant* next_ = nullptr;   // in the ring of those who have something waiting, or among the parked
    Tenant* previous_ = nullptr;
};

}  // namespace redoubt::pool
