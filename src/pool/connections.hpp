// pool: the connections of one pool: the accounts of them all, those that rest, and who waits for one of its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/config.hpp>
#include <redoubt/base/result.hpp>

#include "connection/transport.hpp"
#include "pool/connection_budget.hpp"
#include "pool/identity.hpp"
#include "pool/ledger.hpp"
#include "pool/node.hpp"

namespace redoubt::pool {

struct PoolSettings {
    std::size_t max_connections = 10;
    std::size_t min_idle = 0;
    std::size_t max_waiting = 10'000;
    Duration idle_timeout = std::chrono::minutes(5);  ///< what is unused for so long is closed, down to `min_idle`;
                                                      ///< 0: never
    Duration lifetime = std::chrono::hours(1);        ///< replaced after this, less up to a tenth; 0: never
    /// Of an async wire, in flight, before calls wait; what waits is served in turn. 0: the wire's own limits.
    std::size_t window_operations = 0;
    std::size_t window_bytes = 0;
    std::size_t max_queued_bytes = 256u << 20;  ///< of async calls that wait for room on a wire
    std::size_t max_in_flight = 0;              ///< on one wire, if less than the node's limit; 0: no limit of its own
    std::size_t max_reply_bytes = 0;            ///< one reply, if less than the node's limit; 0: no limit of its own
    std::uint32_t retry_tokens = 10;            ///< see RetryBudget
    double retry_refill = 0.1;
    Duration read_pace{};  ///< see WireSettings
    bool rated = false;    ///< some tenant may make so many calls a second only
    friend bool operator==(const PoolSettings&, const PoolSettings&) = default;
};

/// A connection between two uses, and when it is to be replaced.
struct Connection {
    connection::Transport transport;
    TimePoint expires = TimePoint::max();
    Node* node = nullptr;  ///< to which it leads; the connections of its pool keep it
};

/// What a dial came to, and to which node it led; another one than it set out to, if that was not known then.
struct Dialed : connection::DialOutcome {
    Node* node = nullptr;
};

/// Thread-safe. Both sides of a pool, blocking and async, open and give back through it.
class Connections {
public:
    /// `identity`: as whom they log in; null: as the URL says.
    Connections(std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget,
                std::shared_ptr<const PoolSettings> settings, std::shared_ptr<Identity> identity = nullptr);
    Connections(const Connections&) = delete;
    Connections& operator=(const Connections&) = delete;

    /// The one that new connections lead to.
    Node& node() const noexcept { return *node_.load(std::memory_order_acquire); }
    /// From now on they lead to this one. What rests is closed; what is in use, its users close. False: `close` came
    /// first, and nobody goes anywhere.
    bool move_to(std::shared_ptr<Node> node);
    /// What metrics call the pool. Set before the pool is used; empty until then.
    void set_name(std::shared_ptr<const std::string> name) noexcept { name_ = std::move(name); }
    std::string_view name() const noexcept { return name_ ? std::string_view(*name_) : std::string_view(); }
    const PoolSettings& settings() const noexcept { return *settings_; }
    /// The node's, within the pool's own limits.
    connection::WireSettings wire() const;

    /// Opens one more, after `dial` was the answer below, when its turn has come: not while the node's breaker refuses,
    /// not at once after a failure, and no faster than the service may. `pause` sleeps until a time, or tells why not.
    /// Its failure is recorded with the node that it led to, even if callers have gone elsewhere meanwhile; then it comes
    /// to `connection::moved_error`. `deadline`: the caller's own; max() when nobody's call waits for it alone.
    Dialed dial(TimePoint deadline, const std::function<std::optional<Error>(TimePoint until)>& pause);
    /// The same, and does not throw. `patience`: how long to wait for the turn at most. One that is cancelled although
    /// the pool is not closed was to leave a node, too.
    boost::asio::awaitable<Dialed> async_dial(TimePoint deadline, Duration patience = Duration::max());
    /// Somebody may connect to it still, but callers have gone elsewhere.
    bool is_left(const Node* node) const noexcept { return node != &this->node(); }

    /// How a connection comes about.
    enum class Opening : std::uint8_t {
        ready,    ///< one that rested; it is counted as taken
        dial,     ///< open one: a place is kept for it, here and in the budget of all projects
        refused,  ///< no place
    };

    // Wires that ordinary commands share. `extra`: beyond the first of its side.
    Opening open_shared(bool extra, Connection& rested);
    void shared_opened();                ///< after `dial`
    void shared_not_opened(bool extra);  ///< after `dial`
    void shared_lost(bool extra);        ///< it was closed

    // Connections of one's own.
    /// One who waits for its turn. Destroyed only when it does not wait.
    class Waiting {
    public:
        /// Its turn: `idle` or `open`; `refuse`: the pool was closed. Called once, under the lock.
        virtual void granted(Ledger::Grant grant) noexcept = 0;

    protected:
        Waiting() = default;
        virtual ~Waiting() = default;

    private:
        friend class Connections;
        Waiting* next_ = nullptr;
        Waiting* previous_ = nullptr;
        bool queued_ = false;
    };
    /// `wait`: `waiting` is told when its turn has come.
    Ledger::Grant request(Waiting& waiting);
    /// `idle`, `open` or `refuse`.
    Ledger::Grant request_now();
    /// False: it was granted something meanwhile.
    bool leave(Waiting& waiting);
    /// Makes use of what was granted.
    Opening open_leased(Ledger::Grant grant, Connection& rested);
    /// Makes no use of it.
    void decline(Ledger::Grant grant);
    void lease_opened();                    ///< after `dial`
    void lease_not_opened();                ///< after `dial`
    void end_lease(Connection connection);  ///< whole: it rests; closed: it is gone
    // What telemetries are told of them.
    void tell_obtained(const Node& node, TimePoint asked) const noexcept;
    void tell_returned(const Node& node, TimePoint obtained) const noexcept;

    // Those that rest.
    /// Room for one that rests, opened in advance until `min_idle` are there; then `spare_opened` or `spare_failed`.
    Opening begin_spare();
    void spare_opened(Connection connection);
    void spare_failed();
    /// Closes those that rested or lived too long.
    void reap(TimePoint now);
    /// Closes one: true when there was one.
    bool close_one_idle();
    /// More are open than are to be kept.
    bool above_minimum() const;

    /// When a connection made now is to be replaced.
    TimePoint expiry(TimePoint now) const;

    /// Nobody asks for another one from now on. Who waits or opens one already goes on.
    void stop_intake(const Error& error);
    /// Somebody waits for one of its own, or opens one.
    bool is_busy() const;
    /// Refuses all who wait, closes those that rest, and lets nobody open another.
    void close(const Error& error);
    /// Why an opening was refused.
    Error refusal() const;
    /// Why, once its intake is stopped.
    std::optional<Error> closed() const;

    struct Figures {
        std::size_t created = 0;
        std::size_t leased = 0;
        std::size_t waiting = 0;
    };
    Figures figures() const;

private:
    using Lock = std::lock_guard<std::mutex>;
    struct Resting {
        Connection connection;
        TimePoint since;
    };

    void close_all_resting();
    /// When a dial may begin.
    result<TimePoint> turn_to_dial(TimePoint now, TimePoint until);
    std::optional<Error> refusal_to_dial(TimePoint now) const;
    Dialed dial_ended(Node& node, connection::DialOutcome outcome, TimePoint began, bool callers_time) const;
    Dialed given_up() const;
    boost::asio::awaitable<Dialed> async_dial_in_turn(TimePoint deadline, Duration patience);
    std::optional<Connection> take_resting();
    void close_resting(std::size_t index);
    void unlink(Waiting& waiting) noexcept;
    void serve_waiting();

    std::atomic<Node*> node_;
    std::shared_ptr<Node> current_;
    // Those that were: somebody may hold them still. Made for the first.
    std::unique_ptr<std::vector<std::shared_ptr<Node>>> left_;
    std::shared_ptr<ConnectionBudget> budget_;
    std::shared_ptr<const PoolSettings> settings_;  // one for all pools of a service
    std::shared_ptr<Identity> identity_;
    std::shared_ptr<const std::string> name_;

    mutable std::mutex mutex_;
    Ledger ledger_;
    std::vector<Resting> resting_;  // last in, first out
    Waiting* first_ = nullptr;
    Waiting* last_ = nullptr;
    std::unique_ptr<const Error> refusing_;
    bool closed_ = false;
};

Error exhausted(std::string_view static_text);

}  // namespace redoubt::pool
