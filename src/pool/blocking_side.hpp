// pool: the blocking side of a pool: the wires that its threads share, and leases.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <redoubt/base/result.hpp>

#include "connection/blocking_wire.hpp"
#include "connection/dialer.hpp"
#include "pool/connections.hpp"

namespace redoubt::pool {

class BlockingSide;

/// A wire that callers share, and the node to which it leads; the connections of its pool keep that.
class NodeWire final : public connection::BlockingWire {
public:
    NodeWire(connection::Transport transport, const connection::WireSettings& settings, Node& node)
        : BlockingWire(std::move(transport), settings), node_(node) {}
    Node& node() const noexcept { return node_; }

private:
    Node& node_;
};

/// A wire of one's own. It goes back to rest only when its user says that it is clean; else it is closed.
class Lease {
public:
    Lease() = default;
    Lease(std::shared_ptr<BlockingSide> side, std::unique_ptr<connection::BlockingWire> wire, TimePoint expires,
          Node& node) noexcept
        : side_(std::move(side)), wire_(std::move(wire)), node_(&node), expires_(expires) {}
    ~Lease() { end(); }
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
        if (this != &other) {
            end();
            side_ = std::move(other.side_);
            wire_ = std::move(other.wire_);
            node_ = other.node_;
            expires_ = other.expires_;
            since_ = other.since_;
            clean_ = other.clean_;
        }
        return *this;
    }

    explicit operator bool() const noexcept { return wire_ != nullptr; }
    connection::BlockingWire& wire() noexcept { return *wire_; }
    /// To which it leads.
    Node& node() noexcept { return *node_; }
    /// Nothing is outstanding and no state was left behind on the connection; proved, not assumed.
    void set_clean(bool clean) noexcept { clean_ = clean; }

private:
    void end() noexcept;
    std::shared_ptr<BlockingSide> side_;
    std::unique_ptr<connection::BlockingWire> wire_;
    Node* node_ = nullptr;  // kept by the connections of its side
    TimePoint expires_;
    TimePoint since_ = Clock::now();
    bool clean_ = false;
};

/// Thread-safe.
class BlockingSide : public std::enable_shared_from_this<BlockingSide> {
public:
    explicit BlockingSide(std::shared_ptr<Connections> connections);

    using Wire = std::shared_ptr<NodeWire>;
    /// A wire that callers share; opens one when there is none, or when all are crowded or carry a large reply. One caller
    /// connects at a time; while there is no wire the others wait for it.
    result<Wire> shared_wire(TimePoint deadline);
    /// The wire broke.
    void forget(const Wire& wire);
    /// A wire of one's own, first come, first served. `watchdog`: how long it may make no progress, if longer than
    /// `attempt_timeout`.
    result<Lease> lease(TimePoint deadline, Duration watchdog = Duration::zero());
    /// The same, if one can be had without waiting for others. An empty one: there is none.
    Lease lease_now(TimePoint deadline);

    /// Sleeps between two attempts; ends at once when the pool moves to another node, and with the reason when it is
    /// closed.
    std::optional<Error> pause_until(TimePoint time);
    /// Closes wires that were unused or lived for too long.
    void tidy(TimePoint now);
    bool is_forked() const noexcept { return connections_->node().is_forked(); }
    /// Takes no more callers, and ends pauses. Who is under way goes on.
    void stop_intake(const Error& error);
    /// The connections lead to another node now: fails all callers that are under way at the old one, and those that
    /// would connect to it.
    void leave_node(const Error& error);
    /// A call is under way.
    bool is_busy() const;
    /// Fails all callers. The connections are closed already.
    void close(const Error& error);

    struct Figures {
        std::size_t waiting = 0;    ///< for the first shared wire
        std::size_t in_flight = 0;  ///< on shared wires
        std::size_t busy = 0;       ///< shared wires with something in flight
        std::size_t bytes = 0;      ///< of what is in flight on shared wires
    };
    Figures figures() const;

private:
    friend class Lease;
    using Lock = std::unique_lock<std::mutex>;
    struct Shared {
        Wire wire;
        TimePoint expires;
        bool extra = false;
    };
    class Turn;

    Wire best() const noexcept;
    result<Wire> open_shared(Lock& lock, TimePoint deadline);
    result<Lease> lease_granted(Ledger::Grant grant, TimePoint asked, TimePoint deadline, Duration watchdog);
    /// `rest`: where it leads and when it is to be replaced; its transport comes from the wire.
    void end_lease(std::unique_ptr<connection::BlockingWire> wire, bool clean, Connection rest,
                   TimePoint since) noexcept;
    Dialed dial(TimePoint deadline);
    void lost(const Shared& shared);

    std::shared_ptr<Connections> connections_;
    mutable std::mutex mutex_;
    std::vector<Shared> shared_;
    std::vector<Shared> retired_;                    // closed when what is under way has ended
    std::vector<connection::BlockingWire*> leased_;  // to be failed by close()
    std::condition_variable changed_;
    std::size_t waiting_ = 0;  // callers waiting for the first shared wire
    bool opening_ = false;
    std::uint64_t moves_ = 0;  // how often the pool has gone to another node
    TimePoint next_growth_ = TimePoint::min();
    std::optional<Error> refusing_;
    bool closed_ = false;
};

}  // namespace redoubt::pool
