// pool: the blocking side; see its header.
#include "pool/blocking_side.hpp"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <utility>

#include "connection/moved.hpp"

namespace redoubt::pool {
namespace {

// After an opening failed although other wires work.
constexpr auto growth_pause = std::chrono::seconds(1);

// With so many threads waiting on it a wire answers in waves: while their commands are at the server nobody runs, and the
// other way round. Measured at 64 threads: four wires, whose waves overlap, have 1.5 times the throughput of one.
constexpr std::size_t busy_wire = 16;
constexpr std::size_t most_for_crowds = 4;

std::size_t thread_number() noexcept {
    static std::atomic<std::size_t> last{0};
    thread_local const std::size_t number = last.fetch_add(1, std::memory_order_relaxed);
    return number;
}

}  // namespace

using Opening = Connections::Opening;

void Lease::end() noexcept {
    if (!wire_) return;
    if (side_->is_forked()) {
        (void)wire_.release();  // the parent's
    } else {
        side_->end_lease(std::move(wire_), clean_, {{}, expires_, node_}, since_);
    }
}

// A caller that waits for its turn to have a connection of its own; on its stack.
class BlockingSide::Turn final : public Connections::Waiting {
public:
    void granted(Ledger::Grant grant) noexcept override {
        const std::lock_guard lock(mutex_);
        grant_ = grant;
        ready_.notify_one();  // under the lock: its waiter destroys this
    }
    std::optional<Ledger::Grant> wait_until(TimePoint deadline) {
        Lock lock(mutex_);
        ready_.wait_until(lock, deadline, [&] { return grant_.has_value(); });
        return grant_;
    }
    /// Once it was granted for certain.
    Ledger::Grant grant() {
        const std::lock_guard lock(mutex_);
        return *grant_;
    }

private:
    std::mutex mutex_;
    std::condition_variable ready_;
    std::optional<Ledger::Grant> grant_;
};

BlockingSide::BlockingSide(std::shared_ptr<Connections> connections) : connections_(std::move(connections)) {}

Dialed BlockingSide::dial(TimePoint deadline) {
    return connections_->dial(deadline, [this](TimePoint time) { return pause_until(time); });
}

// Shared wires -----------------------------------------------------------------------------------------------------

// A thread keeps to its wire, so that those who are answered together call together; it leaves a congested one. nullptr
// when there is none.
BlockingSide::Wire BlockingSide::best() const noexcept {
    if (shared_.empty()) return nullptr;
    const Wire& own = shared_[thread_number() % shared_.size()].wire;
    if (!own->is_congested()) return own;
    const auto free =
        std::find_if(shared_.begin(), shared_.end(), [](const Shared& one) { return !one.wire->is_congested(); });
    return free != shared_.end() ? free->wire : own;
}

result<BlockingSide::Wire> BlockingSide::shared_wire(TimePoint deadline) {
    Lock lock(mutex_);
    if (refusing_) return *refusing_;
    for (;;) {
        if (Wire wire = best()) {
            const bool crowded =
                wire->is_congested() || (wire->load() >= busy_wire && shared_.size() < most_for_crowds);
            if (!crowded || opening_ || Clock::now() < next_growth_) return wire;
            // This caller opens another one instead of waiting behind others; if that fails, it waits.
            result<Wire> another = open_shared(lock, deadline);
            if (another.has_value() || closed_) return another;
            if (connection::is_moved(another.error()) && Clock::now() < deadline) continue;
            next_growth_ = Clock::now() + growth_pause;
            if (Wire working = best()) return working;
            return another;
        }
        if (!opening_) {
            result<Wire> made = open_shared(lock, deadline);
            // Then it has a better place to go to.
            const bool moved = !made && connection::is_moved(made.error()) && !closed_;
            if (!moved || Clock::now() >= deadline) return made;
            continue;
        }
        if (waiting_ >= connections_->settings().max_waiting)
            return exhausted("too many callers wait for a connection (max_waiting)");
        ++waiting_;
        const bool in_time = changed_.wait_until(lock, deadline) == std::cv_status::no_timeout;
        --waiting_;
        if (!in_time && shared_.empty()) {
            return Error::of(ErrorKind::timeout, Certainty::not_sent, Stage::connecting, "no connection in time");
        }
        // Whoever was connecting has failed: the breaker decides whether the next one tries.
        Node& node = connections_->node();
        if (shared_.empty() && !opening_) {
            if (std::optional<Error> open = node.refusal_to_connect(Clock::now())) return *open;
        }
        if (closed_) return *refusing_;
    }
}

result<BlockingSide::Wire> BlockingSide::open_shared(Lock& lock, TimePoint deadline) {
    const bool extra = !shared_.empty();
    opening_ = true;
    lock.unlock();
    Connection connection;
    std::optional<Error> failed;
    const Opening opening = connections_->open_shared(extra, connection);
    if (opening == Opening::refused) failed = connections_->refusal();
    if (opening == Opening::dial) {
        Dialed outcome = dial(deadline);
        failed = outcome.error;
        if (failed) {
            connections_->shared_not_opened(extra);
        } else {
            connections_->shared_opened();
            connection = {std::move(outcome.transport), connections_->expiry(Clock::now()), outcome.node};
        }
    }
    lock.lock();
    opening_ = false;
    changed_.notify_all();
    if (failed) return *failed;
    Shared made{std::make_shared<NodeWire>(std::move(connection.transport), connections_->wire(), *connection.node),
                connection.expires, extra};
    if (closed_) {
        lost(made);
        return *refusing_;
    }
    if (connections_->is_left(connection.node)) {
        lost(made);
        return connection::moved_error();
    }
    shared_.push_back(made);
    return made.wire;
}

void BlockingSide::lost(const Shared& shared) { connections_->shared_lost(shared.extra); }

void BlockingSide::forget(const Wire& wire) {
    if (const std::optional<Error> loss = wire->take_loss()) {
        wire->node().record_connection_failure(*loss, Clock::now());
    }
    const Lock lock(mutex_);
    for (std::vector<Shared>* wires : {&shared_, &retired_}) {
        const auto at = std::find_if(wires->begin(), wires->end(), [&](const Shared& one) { return one.wire == wire; });
        if (at == wires->end()) continue;
        lost(*at);
        wires->erase(at);
        return;
    }
}

// Leases -----------------------------------------------------------------------------------------------------------

result<Lease> BlockingSide::lease(TimePoint deadline, Duration watchdog) {
    const TimePoint asked = Clock::now();
    Turn turn;
    Ledger::Grant grant = connections_->request(turn);
    if (grant == Ledger::Grant::wait) {
        const std::optional<Ledger::Grant> granted = turn.wait_until(deadline);
        if (!granted && connections_->leave(turn)) {
            return exhausted("all connections of the project are leased (max_connections), and none came free in time");
        }
        grant = turn.grant();
        if (grant == Ledger::Grant::refuse) return connections_->refusal();
    } else if (grant == Ledger::Grant::refuse) {
        if (const std::optional<Error> closed = connections_->closed()) return *closed;
        return exhausted("too many callers wait for a connection (max_waiting)");
    }
    return lease_granted(grant, asked, deadline, watchdog);
}

Lease BlockingSide::lease_now(TimePoint deadline) {
    const Ledger::Grant grant = connections_->request_now();
    if (grant == Ledger::Grant::refuse) return {};
    result<Lease> lease = lease_granted(grant, Clock::now(), deadline, Duration::zero());
    return lease ? std::move(*lease) : Lease();
}

result<Lease> BlockingSide::lease_granted(Ledger::Grant grant, TimePoint asked, TimePoint deadline, Duration watchdog) {
    Connection connection;
    switch (connections_->open_leased(grant, connection)) {
        case Opening::ready: break;
        case Opening::refused: return connections_->refusal();
        case Opening::dial: {
            Dialed outcome = dial(deadline);
            if (outcome.error) {
                connections_->lease_not_opened();
                return *outcome.error;
            }
            connections_->lease_opened();
            connection = {std::move(outcome.transport), connections_->expiry(Clock::now()), outcome.node};
            break;
        }
    }
    connection::WireSettings settings = connections_->wire();
    settings.attempt_timeout = std::max(settings.attempt_timeout, watchdog);
    auto wire = std::make_unique<connection::BlockingWire>(std::move(connection.transport), settings);
    {
        const Lock lock(mutex_);
        if (closed_) {
            connections_->end_lease({});
            return *refusing_;
        }
        // Else it is among those that `leave_node` closes.
        if (connections_->is_left(connection.node)) {
            connections_->end_lease({});
            return connection::moved_error();
        }
        leased_.push_back(wire.get());
    }
    connections_->tell_obtained(*connection.node, asked);
    return Lease(shared_from_this(), std::move(wire), connection.expires, *connection.node);
}

void BlockingSide::end_lease(std::unique_ptr<connection::BlockingWire> wire, bool clean, Connection rest,
                             TimePoint since) noexcept {
    connections_->tell_returned(*rest.node, since);
    {
        const Lock lock(mutex_);
        std::erase(leased_, wire.get());
    }
    std::optional<connection::Transport> whole;
    if (clean) whole = wire->detach();
    if (whole) rest.transport = std::move(*whole);
    connections_->end_lease(std::move(rest));
}

// The rest ---------------------------------------------------------------------------------------------------------

std::optional<Error> BlockingSide::pause_until(TimePoint time) {
    Lock lock(mutex_);
    changed_.wait_until(lock, time, [&, before = moves_] { return refusing_.has_value() || moves_ != before; });
    return refusing_;
}

void BlockingSide::tidy(TimePoint now) {
    const Lock lock(mutex_);
    const Duration idle_timeout = connections_->settings().idle_timeout;
    for (std::size_t i = shared_.size(); i-- != 0;) {
        Shared& one = shared_[i];
        const bool unused = idle_timeout != Duration::zero() && now - one.wire->last_used() >= idle_timeout &&
                            one.wire->in_flight() == 0;
        // A caller that still holds a closed one goes to another.
        const bool closed = unused && connections_->above_minimum() && one.wire->detach().has_value();
        if (closed) {
            lost(one);
        } else if (one.expires <= now) {
            retired_.push_back(std::move(one));
        } else {
            continue;
        }
        shared_.erase(shared_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    std::erase_if(retired_, [&](const Shared& one) {
        const bool ended = one.wire->detach().has_value() || !one.wire->is_open();
        if (ended) lost(one);
        return ended;
    });
}

void BlockingSide::stop_intake(const Error& error) {
    const Lock lock(mutex_);
    if (!refusing_) refusing_ = error;
    changed_.notify_all();
}

bool BlockingSide::is_busy() const {
    const Lock lock(mutex_);
    const auto carries = [](const connection::BlockingWire& wire) {
        return wire.in_flight() != 0 || wire.waiting() != 0;
    };
    const auto shared_carries = [&](const Shared& one) { return carries(*one.wire); };
    return waiting_ != 0 || opening_ || std::any_of(shared_.begin(), shared_.end(), shared_carries) ||
           std::any_of(retired_.begin(), retired_.end(), shared_carries) ||
           std::any_of(leased_.begin(), leased_.end(),
                       [&](const connection::BlockingWire* wire) { return carries(*wire); });
}

void BlockingSide::close(const Error& error) {
    std::vector<Shared> wires;
    {
        const Lock lock(mutex_);
        if (std::exchange(closed_, true)) return;
        if (!refusing_) refusing_ = error;
        wires.swap(shared_);
        wires.insert(wires.end(), retired_.begin(), retired_.end());
        retired_.clear();
        for (const Shared& one : wires) lost(one);
        for (connection::BlockingWire* wire : leased_) wire->close(error);
        changed_.notify_all();
    }
    for (const Shared& one : wires) one.wire->close(error);
}

void BlockingSide::leave_node(const Error& error) {
    std::vector<Shared> wires;
    {
        const Lock lock(mutex_);
        if (closed_) return;
        ++moves_;
        wires.swap(shared_);
        wires.insert(wires.end(), std::make_move_iterator(retired_.begin()), std::make_move_iterator(retired_.end()));
        retired_.clear();
        for (const Shared& one : wires) lost(one);
        for (connection::BlockingWire* wire : leased_) wire->close(error);
        next_growth_ = TimePoint::min();
        changed_.notify_all();
    }
    for (const Shared& one : wires) one.wire->close(error);
}

BlockingSide::Figures BlockingSide::figures() const {
    const Lock lock(mutex_);
    Figures figures;
    figures.waiting = waiting_;
    for (const std::vector<Shared>* wires : {&shared_, &retired_}) {
        for (const Shared& one : *wires) {
            const std::size_t in_flight = one.wire->in_flight();
            figures.in_flight += in_flight;
            figures.busy += in_flight != 0 ? 1 : 0;
            if (in_flight != 0) figures.bytes += one.wire->bytes_in_flight();
        }
    }
    return figures;
}

}  // namespace redoubt::pool
