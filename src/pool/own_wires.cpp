// pool: async operations with a connection of their own; see the header.
#include "pool/own_wires.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

namespace redoubt::pool {

namespace asio = boost::asio;

namespace {

Error hold_lost_error() {
    return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::waiting_for_wire,
                     "the connection on which the keys were watched is gone");
}

}  // namespace

// One operation: first it waits for its turn, then for its connection, then it is on its wire; and if the wire is held,
// the next operation after it.
class OwnWires::One final : public Connections::Waiting,
                            public connection::AsyncWire::Owner,
                            public Hold::Kept,
                            public std::enable_shared_from_this<One> {
public:
    One(const std::shared_ptr<OwnWires>& all, Operation& of)
        : connections_(all->connections_), executor_(all->executor_), all_(all), operation(&of) {}
    ~One() { (void)connections_->leave(*this); }

    /// Its operation has ended before it was on a wire.
    void give_up() noexcept {
        operation = nullptr;
        (void)connections_->leave(*this);
    }

    void granted(Ledger::Grant grant) noexcept override {
        asio::post(executor_, [self = shared_from_this(), grant] { self->on_turn(grant); });
    }
    void on_wire_lost(connection::AsyncWire& lost, const Error& error) override {
        const auto self = end(Connection{});
        if (lost.in_flight() != 0) node->record_connection_failure(error, Clock::now());
    }
    // All is answered: the connection can carry somebody else's commands, unless it is held.
    void on_wire_idle(connection::AsyncWire& idle) override {
        if (held) return rest();
        const auto self = end(Connection{idle.detach(), expires, node});
    }
    // Nobody knows what the server is doing on it.
    void on_operations_expired(connection::AsyncWire& doubtful) override {
        const auto self = end(Connection{});
        doubtful.close(connection::wire_closed_error());
    }

    // Its hold has gone.
    void let_go(bool clean) override {
        if (!wire->is_open()) return;
        if (clean && operation == nullptr) {
            const auto self = end(Connection{wire->detach(), expires, node});
        } else {
            on_operations_expired(*wire);
        }
    }

    std::shared_ptr<One> end(Connection connection) {
        connections_->tell_returned(*node, since);
        connections_->end_lease(std::move(connection));
        const auto all = all_.lock();
        return all ? all->take(*this) : shared_from_this();
    }

private:
    // Until its hold's next operation.
    void rest() {
        operation = nullptr;
        if (const auto all = all_.lock()) all->forget_operations(*this);
    }
    void on_turn(Ledger::Grant grant) {
        const auto all = all_.lock();
        if (all && operation != nullptr && grant != Ledger::Grant::refuse) {
            all->proceed(shared_from_this(), grant);
        } else if (grant != Ledger::Grant::refuse) {
            connections_->decline(grant);
        }
        // Refused: the pool is closed, and its async side fails the operation.
    }

    std::shared_ptr<Connections> connections_;
    asio::any_io_executor executor_;
    std::weak_ptr<OwnWires> all_;

public:
    Operation* operation;  // nullptr: given up, or at rest; once on a wire, it may have ended
    std::shared_ptr<connection::AsyncWire> wire;
    TimePoint expires = TimePoint::max();
    Node* node = nullptr;  // to which its wire leads
    bool connecting = false;
    std::shared_ptr<asio::cancellation_signal> stop_dial;  // of the dial under way, which keeps it
    bool held = false;
    bool counted = false;            // among the operations that are on a wire
    TimePoint since = Clock::now();  // it asked, or it has its connection
};

OwnWires::OwnWires(asio::any_io_executor executor, std::shared_ptr<Connections> connections,
                   std::shared_ptr<AsyncFigures> figures)
    : executor_(std::move(executor)), connections_(std::move(connections)), figures_(std::move(figures)) {}

OwnWires::~OwnWires() = default;

Hold::~Hold() {
    if (generation_ != base::process_generation()) {
        // In a child process the loop, the connection and their mutexes are the parent's: left alone, for ever.
        (void)new std::pair(std::move(keeper_), std::move(kept_));
        return;
    }
    if (kept_.expired()) return;  // then the loop may have gone, too
    asio::post(executor_, [kept = std::move(kept_), clean = clean_] {
        if (const auto alive = kept.lock()) alive->let_go(clean);
    });
}

std::shared_ptr<OwnWires::One> OwnWires::add(Operation& operation) {
    auto one = std::make_shared<One>(shared_from_this(), operation);
    all_.emplace(one.get(), one);
    // An operation that has ended in this very turn may have had the same address.
    by_operation_.insert_or_assign(&operation, one.get());
    return one;
}

std::shared_ptr<OwnWires::One> OwnWires::take(One& one) noexcept {
    auto taken = all_.extract(&one);
    forget_operations(one);
    return taken ? std::move(taken.mapped()) : nullptr;
}

void OwnWires::count(One& one) noexcept {
    if (!std::exchange(one.counted, true)) figures_->own.fetch_add(1, std::memory_order_relaxed);
}

void OwnWires::forget_operations(One& one) noexcept {
    if (std::exchange(one.counted, false)) figures_->own.fetch_sub(1, std::memory_order_relaxed);
    std::erase_if(by_operation_, [&](const auto& entry) { return entry.second == &one; });
}

OwnWires::One* OwnWires::find(const Operation& operation) const noexcept {
    const auto at = by_operation_.find(&operation);
    if (at == by_operation_.end()) return nullptr;
    One* const one = at->second;
    return one->wire == nullptr || one->wire->holds(operation) ? one : nullptr;
}

// The second operation of a hold.
std::optional<Error> OwnWires::submit_held(Hold& hold, Operation& operation, TimePoint now) {
    if (std::exchange(hold.used_, true)) {
        return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                         "the watched keys were used by another transaction before");
    }
    const std::shared_ptr<Hold::Kept> kept = hold.kept_.lock();
    const auto one = std::static_pointer_cast<One>(kept);
    if (!one || !all_.contains(one.get()) || !one->wire->is_open()) return hold_lost_error();
    // The other end may have gone without our having been told; later nobody could say what it has executed.
    if (!one->wire->is_quiet()) {
        one->let_go(false);
        return hold_lost_error();
    }
    if (std::optional<Error> refused = one->wire->submit(operation, now)) return refused;
    one->operation = &operation;
    by_operation_.insert_or_assign(&operation, one.get());
    count(*one);
    return std::nullopt;
}

std::optional<Error> OwnWires::submit(Operation& operation, TimePoint now) {
    if (const HoldUse use = operation.hold(); use.hold != nullptr) {
        if (!use.begins) return submit_held(*use.hold, operation, now);
        // An earlier attempt may have left a connection, on which it failed.
        if (const auto before = use.hold->kept_.lock()) before->let_go(false);
    }
    const auto one = add(operation);
    const Ledger::Grant grant = connections_->request(*one);
    if (grant == Ledger::Grant::refuse) {
        take(*one);
        if (const std::optional<Error> closed = connections_->closed()) return closed;
        return exhausted("too many calls wait for a connection (max_waiting)");
    }
    if (operation.call_deadline() <= now && grant == Ledger::Grant::wait) {
        one->give_up();
        take(*one);
        return exhausted("all connections of the project are leased (max_connections), and no time is left");
    }
    if (grant != Ledger::Grant::wait) proceed(one, grant);
    return std::nullopt;
}

void OwnWires::submit_granted(Operation& operation, Ledger::Grant grant) { proceed(add(operation), grant); }

void OwnWires::proceed(const std::shared_ptr<One>& one, Ledger::Grant grant) {
    Connection rested;
    switch (connections_->open_leased(grant, rested)) {
        case Connections::Opening::ready: start(one, std::move(rested)); break;
        case Connections::Opening::dial:
            one->connecting = true;
            one->stop_dial = std::make_shared<asio::cancellation_signal>();
            asio::co_spawn(executor_, dial(shared_from_this(), one),
                           asio::bind_cancellation_slot(one->stop_dial->slot(),
                                                        [signal = one->stop_dial](const std::exception_ptr&) {}));
            break;
        case Connections::Opening::refused: fail(one, connections_->refusal(), FailureSource::operation); break;
    }
}

asio::awaitable<void> OwnWires::dial(std::shared_ptr<OwnWires> /*keeps this alive*/, std::shared_ptr<One> one) {
    if (one->operation == nullptr) co_return connections_->lease_not_opened();  // given up before this began
    Dialed dialed = co_await connections_->async_dial(one->operation->call_deadline());
    if (dialed.error) {
        connections_->lease_not_opened();
        fail(one, *dialed.error, dialed.hasty ? FailureSource::operation : FailureSource::wire);
        co_return;
    }
    connections_->lease_opened();
    start(one, Connection{std::move(dialed.transport), connections_->expiry(Clock::now()), dialed.node});
}

void OwnWires::start(const std::shared_ptr<One>& one, Connection connection) {
    if (one->operation == nullptr) return connections_->end_lease(std::move(connection));
    Operation& operation = *one->operation;
    connection::WireSettings settings = connections_->wire();
    // The watchdog allows what the operation allows: a command that blocks makes no progress for so long.
    constexpr Duration longest = std::chrono::hours(24 * 365);
    settings.attempt_timeout = std::clamp(operation.attempt_timeout(), settings.attempt_timeout, longest);
    connections_->tell_obtained(*connection.node, one->since);
    one->since = Clock::now();
    one->expires = connection.expires;
    one->node = connection.node;
    one->wire = std::make_shared<connection::AsyncWire>(executor_, std::move(connection.transport), settings, *one);
    if (const HoldUse use = operation.hold(); use.hold != nullptr) {
        use.hold->kept_ = one;
        one->held = true;
    }
    count(*one);
    one->wire->start();
    if (const std::optional<Error> refused = one->wire->submit(operation, Clock::now())) {
        const auto ended = one->end(Connection{one->wire->detach(), one->expires, one->node});
        operation.on_failure(*refused, FailureSource::operation);
    }
}

void OwnWires::fail(const std::shared_ptr<One>& one, const Error& error, FailureSource source) {
    Operation* const operation = std::exchange(one->operation, nullptr);
    take(*one);
    if (operation != nullptr) operation->on_failure(error, source);
}

Multiplexer::Cancelled OwnWires::cancel(Operation& operation) {
    One& one = *find(operation);
    if (one.wire == nullptr) {
        one.give_up();
        take(one);
        return Multiplexer::Cancelled::unwritten;
    }
    const auto wire = one.wire;
    const Multiplexer::Cancelled how = wire->cancel(operation);
    if (how == Multiplexer::Cancelled::unwritten && !one.held) {
        const auto ended = one.end(Connection{wire->detach(), one.expires, one.node});
    } else {
        // What the server does with it is not known, and it may block there, or still watch keys: the connection is of
        // no use.
        one.on_operations_expired(*wire);
    }
    return how;
}

bool OwnWires::is_unwritten(const Operation& operation) const noexcept {
    const One& one = *find(operation);
    return one.wire == nullptr || one.wire->is_unwritten(operation);
}

bool OwnWires::is_busy() const noexcept {
    return std::any_of(all_.begin(), all_.end(), [](const auto& entry) { return entry.second->operation != nullptr; });
}

TimePoint OwnWires::expire(TimePoint now) {
    TimePoint earliest = TimePoint::max();
    std::vector<std::shared_ptr<One>> expired;
    for (const auto& [key, one] : all_) {
        if (one->wire != nullptr) continue;
        if (one->operation->call_deadline() <= now) {
            expired.push_back(one);
        } else {
            earliest = std::min(earliest, one->operation->call_deadline());
        }
    }
    for (const auto& one : expired) {
        Operation& operation = *one->operation;
        const Error error =
            one->connecting
                ? Error::of(ErrorKind::timeout, Certainty::not_sent, Stage::connecting, "no connection in time")
                : exhausted("all connections of the project are leased (max_connections), and none came free in time");
        one->give_up();
        take(*one);
        operation.on_failure(error, FailureSource::operation);
    }
    return earliest;
}

// Those who wait leave first: else the connections that others give up would be granted to them.
void OwnWires::abandon(std::vector<Operation*>& into) {
    const auto all = std::exchange(all_, {});
    by_operation_.clear();
    for (const auto& [key, one] : all) {
        one->counted = false;
        if (one->wire != nullptr) continue;
        if (one->operation != nullptr) into.push_back(one->operation);
        one->give_up();
    }
    for (const auto& [key, one] : all) {
        one->operation = nullptr;
        if (one->wire == nullptr) continue;
        one->wire->abandon(into);
        if (!one->wire->is_open()) continue;
        connections_->end_lease(Connection{});
        one->wire->close(connection::wire_closed_error());
    }
}

// Who waits for its turn goes on waiting; who was connecting is told when its dial has ended.
void OwnWires::leave_node(const Error& error) {
    std::vector<std::shared_ptr<One>> leaving;
    for (const auto& [key, one] : all_) leaving.push_back(one);
    for (const auto& one : leaving) {
        if (one->wire != nullptr && one->wire->is_open()) {
            if (!connections_->is_left(one->node)) continue;  // it has heard of the new one first
            const auto ended = one->end(Connection{});
            one->wire->close(error);
        } else if (one->wire == nullptr && one->connecting) {
            one->stop_dial->emit(asio::cancellation_type::terminal);
        }
    }
}

void OwnWires::close(const Error& error) {
    const auto all = std::exchange(all_, {});
    by_operation_.clear();
    figures_->own.store(0, std::memory_order_relaxed);
    for (const auto& [key, one] : all) {
        one->counted = false;
        if (one->wire == nullptr) {
            Operation& operation = *one->operation;
            one->give_up();
            if (one->connecting) one->stop_dial->emit(asio::cancellation_type::terminal);
            operation.on_failure(error, FailureSource::wire);
        } else if (one->wire->is_open()) {
            connections_->end_lease(Connection{});
            one->wire->close(error);
        }
    }
}

}  // namespace redoubt::pool
