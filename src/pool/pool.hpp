// pool: one project's connections to one node: the wire that blocking callers share, the async side, leases for
// what changes a connection's state, and those that rest.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <redoubt/base/result.hpp>

#include "connection/blocking_wire.hpp"
#include "connection/dialer.hpp"
#include "policy/retry.hpp"
#include "pool/async_pool.hpp"
#include "pool/connection_budget.hpp"
#include "pool/ledger.hpp"
#include "pool/node.hpp"

namespace redoubt::pool {

struct PoolSettings {
    std::size_t max_connections = 10;
    std::size_t min_idle = 0;
    std::size_t max_waiting = 10'000;
    Duration idle_timeout = std::chrono::minutes(5);  ///< a resting connection beyond `min_idle` is closed then
};

/// What the pool has, truthfully, at one moment.
struct PoolFigures {
    std::size_t created = 0;    ///< open connections
    std::size_t available = 0;  ///< of them, those that nobody is using right now
    std::size_t max = 0;
    std::size_t leased = 0;
    std::size_t waiting = 0;    ///< callers waiting for a connection
    std::size_t in_flight = 0;  ///< commands of blocking callers that are not answered
};

class Pool;

/// A wire of one's own. It goes back to rest only when its user says that it is clean; else it is closed.
class Lease {
public:
    Lease() = default;
    Lease(std::shared_ptr<Pool> pool, std::unique_ptr<connection::BlockingWire> wire) noexcept
        : pool_(std::move(pool)), wire_(std::move(wire)) {}
    ~Lease() { end(); }
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
        if (this != &other) {
            end();
            pool_ = std::move(other.pool_);
            wire_ = std::move(other.wire_);
            clean_ = other.clean_;
        }
        return *this;
    }

    explicit operator bool() const noexcept { return wire_ != nullptr; }
    connection::BlockingWire& wire() noexcept { return *wire_; }
    /// Nothing is outstanding and no state was left behind on the connection; proved, not assumed.
    void set_clean(bool clean) noexcept { clean_ = clean; }

private:
    void end() noexcept;
    std::shared_ptr<Pool> pool_;
    std::unique_ptr<connection::BlockingWire> wire_;
    bool clean_ = false;
};

/// Thread-safe.
class Pool final : public ConnectionSource, public std::enable_shared_from_this<Pool> {
public:
    static std::shared_ptr<Pool> create(std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget,
                                        const PoolSettings& settings, boost::asio::any_io_executor executor);
    ~Pool();

    /// The wire that blocking callers share; opens it when there is none. One caller connects, the others wait
    /// for it.
    result<std::shared_ptr<connection::BlockingWire>> shared_wire(TimePoint deadline);
    /// A wire of one's own, first come, first served.
    result<Lease> lease(TimePoint deadline);
    /// The wire broke: the next caller opens another.
    void forget(const std::shared_ptr<connection::BlockingWire>& wire);

    /// Sleeps between two attempts; ends at once with the reason when the pool is closed.
    std::optional<Error> pause_until(TimePoint time);

    /// The async side, to be used on its executor.
    AsyncPool& async() noexcept { return *async_; }
    Node& node() noexcept { return *node_; }
    policy::RetryBudget& budget() noexcept { return retry_budget_; }

    /// Opens connections until `min_idle` rest, and closes those that rested too long. On the executor.
    boost::asio::awaitable<void> maintain();
    /// Closes one resting connection: true when there was one.
    bool close_one_idle();

    PoolFigures figures() const;
    /// Fails all callers and closes all connections. The async side is closed on its executor.
    void close(const Error& error);

    // ConnectionSource
    connection::Transport take_idle_for_shared() override;
    bool begin_shared() override;
    void shared_opened() override;
    void shared_not_opened() override;
    void shared_lost() override;

private:
    Pool(std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget, const PoolSettings& settings);

    friend class Lease;
    using Lock = std::unique_lock<std::mutex>;
    struct Resting {
        connection::Transport transport;
        TimePoint since;
    };
    struct Waiting {
        Ledger::Ticket ticket = 0;
        std::condition_variable ready;
        std::optional<Ledger::Grant> grant;
    };

    result<std::shared_ptr<connection::BlockingWire>> open_shared(Lock& lock, TimePoint deadline);
    result<Lease> lease_granted(Lock& lock, Ledger::Grant grant, TimePoint deadline);
    void end_lease(std::unique_ptr<connection::BlockingWire> wire, bool clean) noexcept;
    std::optional<connection::Transport> take_resting();
    void serve_waiting();
    connection::DialOutcome dial(TimePoint deadline);
    connection::DialOutcome dial_within_budget(TimePoint deadline);
    Error closed_error() const;

    std::shared_ptr<Node> node_;
    std::shared_ptr<ConnectionBudget> connection_budget_;
    PoolSettings settings_;
    policy::RetryBudget retry_budget_;
    std::shared_ptr<AsyncPool> async_;

    mutable std::mutex mutex_;
    Ledger ledger_;
    std::vector<Resting> resting_;  // last in, first out
    std::list<Waiting*> leases_wanted_;
    Ledger::Ticket next_ticket_ = 1;
    std::vector<connection::BlockingWire*> leased_;  // to be failed by close()
    std::shared_ptr<connection::BlockingWire> shared_;
    std::condition_variable shared_changed_;
    std::condition_variable closing_;
    std::size_t shared_wanted_ = 0;  // callers waiting for the shared wire
    bool opening_shared_ = false;
    std::optional<Error> closed_;
};

}  // namespace redoubt::pool
