// pool: one project's connections to one node, or in shared mode those of all projects: the wires that blocking callers
// share, the async side, leases for what changes a connection's state, and what rests.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <redoubt/base/result.hpp>

#include "policy/retry.hpp"
#include "pool/async_pool.hpp"
#include "pool/blocking_side.hpp"
#include "pool/connection_budget.hpp"
#include "pool/connections.hpp"
#include "pool/node.hpp"

namespace redoubt::pool {

/// What the pool has, truthfully, at one moment.
struct PoolFigures {
    std::size_t created = 0;    ///< open connections
    std::size_t available = 0;  ///< of them, those that nobody is using right now
    std::size_t max = 0;
    std::size_t leased = 0;
    std::size_t waiting = 0;    ///< calls waiting for a connection, or for room on one
    std::size_t in_flight = 0;  ///< commands that are not answered
    std::size_t min_idle = 0;
    std::uint64_t retries = 0;    ///< attempts after a call's first
    std::uint64_t exhausted = 0;  ///< attempts that found no connection and no room in time
    /// Of the commands that are not answered, but those on connections of their own, and of async calls that wait.
    std::size_t queued_bytes = 0;
};

/// Thread-safe. Its two sides are made when they are first used: an unused pool is a few hundred bytes.
class Pool final : public std::enable_shared_from_this<Pool> {
    struct Private {};  // for create()

public:
    /// Where its async side runs: one word, where any_io_executor takes six.
    using Lane = boost::asio::io_context::executor_type;

    static std::shared_ptr<Pool> create(std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget,
                                        std::shared_ptr<const PoolSettings> settings, Lane lane,
                                        std::shared_ptr<Identity> identity = nullptr);
    Pool(Private, std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget,
         std::shared_ptr<const PoolSettings> settings, Lane lane, std::shared_ptr<Identity> identity);
    ~Pool();

    /// See BlockingSide.
    result<std::shared_ptr<NodeWire>> shared_wire(TimePoint deadline) { return blocking().shared_wire(deadline); }
    result<Lease> lease(TimePoint deadline, Duration watchdog = Duration::zero()) {
        return blocking().lease(deadline, watchdog);
    }
    Lease lease_now(TimePoint deadline) { return blocking().lease_now(deadline); }
    void forget(const std::shared_ptr<NodeWire>& wire) { blocking().forget(wire); }
    std::optional<Error> pause_until(TimePoint time) { return blocking().pause_until(time); }

    /// The async side; on its lane only.
    AsyncPool& async() { return async_ ? *async_ : make_async(); }
    Node& node() noexcept { return connections_->node(); }
    /// The node's, within the pool's own limits.
    connection::WireSettings wire() const { return connections_->wire(); }
    policy::RetryBudget& budget() noexcept { return retry_budget_; }
    void count_retry() noexcept { retries_.fetch_add(1, std::memory_order_relaxed); }
    void count_exhausted() noexcept { exhausted_.fetch_add(1, std::memory_order_relaxed); }

    /// A connection of its own that listens, once `async().adopt` has it.
    std::shared_ptr<Listener> listen(const connection::SubscriptionSettings& settings,
                                     const Listener::Backoff& backoff) const {
        return std::make_shared<Listener>(lane_, connections_, settings, backoff);
    }

    /// Closes what was unused or lived for too long. On the lane.
    void tidy(TimePoint now);
    /// See Connections.
    void set_name(std::shared_ptr<const std::string> name) { connections_->set_name(std::move(name)); }
    std::string_view name() const noexcept { return connections_->name(); }
    bool keeps_spares() const noexcept { return connections_->settings().min_idle != 0; }
    /// Opens connections until `min_idle` are there. On the lane.
    boost::asio::awaitable<void> open_spares();
    /// Closes one resting connection: true when there was one.
    bool close_one_idle() { return connections_->close_one_idle(); }

    PoolFigures figures() const;
    /// Goes to another node: what is under way at the old one fails (what was not sent may be tried at once, see
    /// `connection::is_moved`), those who wait for a connection wait for one to the new one, and who pauses between two
    /// attempts is woken. Nothing, once it is closed. Any thread; the async side follows on its lane.
    void move_to(std::shared_ptr<Node> node);
    /// Why it takes no more calls, once it does not.
    std::optional<Error> closed() const { return connections_->closed(); }
    /// No new calls of blocking callers; those under way go on.
    void stop_intake(const Error& error);
    bool is_busy() const;
    /// Fails all blocking callers and closes their connections.
    void close(const Error& error);
    /// The same of the async side, on its lane.
    void close_async(const Error& error);
    void stop_async_intake(const Error& error);
    bool is_busy_async() const { return async_ && async_->is_busy(); }
    /// See AsyncPool.
    void abandon(std::vector<Operation*>& into, const Error& error) {
        if (async_) async_->abandon(into, error);
        connections_->close(error);
    }

private:
    AsyncPool& make_async();
    BlockingSide& blocking() {
        BlockingSide* const made = blocking_published_.load(std::memory_order_acquire);
        return made != nullptr ? *made : make_blocking();
    }
    BlockingSide& make_blocking();

    std::shared_ptr<Connections> connections_;
    policy::RetryBudget retry_budget_;
    std::once_flag blocking_once_;  // here it takes no room
    Lane lane_;
    std::shared_ptr<AsyncPool> async_;
    std::shared_ptr<BlockingSide> blocking_;
    std::atomic<BlockingSide*> blocking_published_{nullptr};
    std::atomic<const AsyncFigures*> async_published_{nullptr};  // lives with async_
    std::atomic<std::uint64_t> retries_{0};
    std::atomic<std::uint64_t> exhausted_{0};
};

}  // namespace redoubt::pool
