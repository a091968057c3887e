// pool: the blocking side and what both sides share; see its header.
#include "pool/pool.hpp"

#include <algorithm>
#include <utility>

#include "connection/async_dial.hpp"

namespace redoubt::pool {
namespace {

Error exhausted(std::string_view text) {
    return Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire, text);
}

}  // namespace

void Lease::end() noexcept {
    if (wire_) pool_->end_lease(std::move(wire_), clean_);
}

Pool::Pool(std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget, const PoolSettings& settings)
    : node_(std::move(node)),
      connection_budget_(std::move(budget)),
      settings_(settings),
      ledger_(settings.max_connections, settings.max_waiting) {}

std::shared_ptr<Pool> Pool::create(std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget,
                                   const PoolSettings& settings, boost::asio::any_io_executor executor) {
    std::shared_ptr<Pool> made(new Pool(std::move(node), std::move(budget), settings));
    made->async_ = std::make_shared<AsyncPool>(std::move(executor), made->node_, made, settings.max_waiting);
    return made;
}

Pool::~Pool() = default;

connection::DialOutcome Pool::dial(TimePoint deadline) {
    const TimePoint until = std::min(deadline, Clock::now() + node_->connection_timeout());
    connection::DialOutcome outcome = connection::dial_blocking(node_->session(), node_->tls(), until);
    // A caller's own short deadline says nothing about the node.
    const bool callers_haste = outcome.error && outcome.error->kind == ErrorKind::timeout && until == deadline;
    if (outcome.error && !callers_haste) node_->record_connection_failure(*outcome.error, Clock::now());
    return outcome;
}

// On success a place in the budget of all projects is taken.
connection::DialOutcome Pool::dial_within_budget(TimePoint deadline) {
    if (!connection_budget_->take()) return {connection::Transport{}, exhausted("max_total_connections are open")};
    connection::DialOutcome outcome = dial(deadline);
    if (outcome.error) connection_budget_->give_back();
    return outcome;
}

result<std::shared_ptr<connection::BlockingWire>> Pool::shared_wire(TimePoint deadline) {
    Lock lock(mutex_);
    while (!closed_) {
        if (shared_) return shared_;
        if (!opening_shared_) return open_shared(lock, deadline);
        if (shared_wanted_ >= settings_.max_waiting)
            return exhausted("too many callers wait for a connection (max_waiting)");
        ++shared_wanted_;
        const bool in_time = shared_changed_.wait_until(lock, deadline) == std::cv_status::no_timeout;
        --shared_wanted_;
        if (!in_time && !shared_) {
            return Error::of(ErrorKind::timeout, Certainty::not_sent, Stage::connecting, "no connection in time");
        }
        // Whoever was connecting has failed: the breaker decides whether the next one tries.
        if (!shared_ && !opening_shared_ && node_->breaker().state() != CircuitState::closed) {
            return node_->circuit_open_error(node_->admit(Clock::now()));
        }
    }
    return *closed_;
}

result<std::shared_ptr<connection::BlockingWire>> Pool::open_shared(Lock& lock, TimePoint deadline) {
    std::optional<connection::Transport> transport;
    ledger_.begin_shared();
    if (ledger_.idle() != 0) transport = take_resting();
    if (!transport) {
        opening_shared_ = true;
        lock.unlock();
        connection::DialOutcome outcome = dial_within_budget(deadline);
        const std::optional<Error> failed = outcome.error;
        if (!failed) transport = std::move(outcome.transport);
        lock.lock();
        opening_shared_ = false;
        shared_changed_.notify_all();
        if (failed || closed_) {
            ledger_.shared_failed();
            if (!failed) connection_budget_->give_back();
            return failed ? *failed : *closed_;
        }
    }
    ledger_.shared_opened();
    shared_ = std::make_shared<connection::BlockingWire>(std::move(*transport), node_->wire());
    return shared_;
}

std::optional<Error> Pool::pause_until(TimePoint time) {
    Lock lock(mutex_);
    closing_.wait_until(lock, time, [&] { return closed_.has_value(); });
    return closed_;
}

void Pool::forget(const std::shared_ptr<connection::BlockingWire>& wire) {
    if (const std::optional<Error> loss = wire->take_loss()) node_->record_connection_failure(*loss, Clock::now());
    const Lock lock(mutex_);
    if (shared_ != wire) return;
    shared_.reset();
    ledger_.shared_lost();
    connection_budget_->give_back();
}

result<Lease> Pool::lease(TimePoint deadline) {
    Lock lock(mutex_);
    if (closed_) return *closed_;
    Waiting waiting;
    waiting.ticket = next_ticket_++;
    Ledger::Grant grant = ledger_.request(waiting.ticket);
    if (grant == Ledger::Grant::refuse) return exhausted("too many callers wait for a connection (max_waiting)");
    if (grant == Ledger::Grant::wait) {
        const auto place = leases_wanted_.insert(leases_wanted_.end(), &waiting);
        waiting.ready.wait_until(lock, deadline, [&] { return waiting.grant.has_value() || closed_.has_value(); });
        leases_wanted_.erase(place);
        if (!waiting.grant) {
            ledger_.leave(waiting.ticket);
            if (closed_) return *closed_;
            return exhausted("all connections of the project are leased (max_connections), and none came free in time");
        }
        grant = *waiting.grant;
    }
    return lease_granted(lock, grant, deadline);
}

result<Lease> Pool::lease_granted(Lock& lock, Ledger::Grant grant, TimePoint deadline) {
    if (closed_) {
        grant == Ledger::Grant::idle ? ledger_.lost() : ledger_.open_failed();
        return *closed_;
    }
    std::optional<connection::Transport> transport;
    if (grant == Ledger::Grant::idle) {
        transport = take_resting();
        if (!transport) {  // those that rested were closed by the server: open another in its place
            ledger_.reopen();
        }
    }
    if (!transport) {
        lock.unlock();
        connection::DialOutcome outcome = dial_within_budget(deadline);
        const std::optional<Error> failed = outcome.error;
        if (!failed) transport = std::move(outcome.transport);
        lock.lock();
        if (failed || closed_) {
            ledger_.open_failed();
            if (!failed) connection_budget_->give_back();
            serve_waiting();
            return failed ? *failed : *closed_;
        }
        ledger_.opened();
    }
    auto wire = std::make_unique<connection::BlockingWire>(std::move(*transport), node_->wire());
    leased_.push_back(wire.get());
    return Lease(shared_from_this(), std::move(wire));
}

void Pool::end_lease(std::unique_ptr<connection::BlockingWire> wire, bool clean) noexcept {
    const Lock lock(mutex_);
    std::erase(leased_, wire.get());
    std::optional<connection::Transport> transport;
    if (clean && !closed_) transport = wire->detach();
    if (transport && transport->is_quiet()) {
        resting_.push_back({std::move(*transport), Clock::now()});
        ledger_.returned();
    } else {
        ledger_.lost();
        connection_budget_->give_back();
    }
    serve_waiting();
}

// The youngest that is still quiet; those that are not are closed on the way. The ledger counts those that rest and
// are promised to nobody, so it is corrected only when fewer are left than it believes.
std::optional<connection::Transport> Pool::take_resting() {
    while (!resting_.empty()) {
        connection::Transport transport = std::move(resting_.back().transport);
        resting_.pop_back();
        if (resting_.size() < ledger_.idle()) ledger_.idle_closed();
        if (transport.is_quiet()) return transport;
        connection_budget_->give_back();
    }
    return std::nullopt;
}

void Pool::serve_waiting() {
    while (const std::optional<Ledger::Turn> turn = ledger_.next()) {
        const auto at = std::find_if(leases_wanted_.begin(), leases_wanted_.end(),
                                     [&](const Waiting* waiting) { return waiting->ticket == turn->ticket; });
        (*at)->grant = turn->grant;
        (*at)->ready.notify_one();
    }
}

connection::Transport Pool::take_idle_for_shared() {
    const Lock lock(mutex_);
    ledger_.begin_shared();
    if (closed_ || ledger_.idle() == 0) return {};
    std::optional<connection::Transport> transport = take_resting();
    if (!transport) return {};
    ledger_.shared_opened();
    return std::move(*transport);
}

bool Pool::begin_shared() {
    if (connection_budget_->take()) return true;
    const Lock lock(mutex_);
    ledger_.shared_failed();
    return false;
}

void Pool::shared_opened() {
    const Lock lock(mutex_);
    ledger_.shared_opened();
}

void Pool::shared_not_opened() {
    const Lock lock(mutex_);
    ledger_.shared_failed();
    connection_budget_->give_back();
}

void Pool::shared_lost() {
    const Lock lock(mutex_);
    ledger_.shared_lost();
    connection_budget_->give_back();
}

boost::asio::awaitable<void> Pool::maintain() {
    const auto self = shared_from_this();
    {
        const Lock lock(mutex_);
        const TimePoint old = Clock::now() - settings_.idle_timeout;
        while (ledger_.idle() > settings_.min_idle && resting_.front().since < old) {
            resting_.erase(resting_.begin());
            ledger_.idle_closed();
            connection_budget_->give_back();
        }
    }
    for (;;) {
        {
            const Lock lock(mutex_);
            if (closed_ || ledger_.created() + ledger_.opening() >= settings_.min_idle || !ledger_.begin_spare())
                co_return;
        }
        const bool allowed = connection_budget_->take();
        connection::DialOutcome outcome;
        if (allowed) {
            outcome = co_await connection::async_dial(node_->session(), node_->tls(),
                                                      Clock::now() + node_->connection_timeout());
        }
        if (outcome.error) node_->record_connection_failure(*outcome.error, Clock::now());
        const Lock lock(mutex_);
        if (!allowed || outcome.error || closed_) {
            ledger_.spare_failed();
            if (allowed) connection_budget_->give_back();
            serve_waiting();
            co_return;
        }
        if (!ledger_.spare_opened()) {
            connection_budget_->give_back();
            co_return;
        }
        resting_.push_back({std::move(outcome.transport), Clock::now()});
    }
}

bool Pool::close_one_idle() {
    const Lock lock(mutex_);
    if (resting_.empty() || ledger_.idle() == 0) return false;
    resting_.erase(resting_.begin());
    ledger_.idle_closed();
    connection_budget_->give_back();
    return true;
}

PoolFigures Pool::figures() const {
    const Lock lock(mutex_);
    PoolFigures figures;
    figures.created = ledger_.created();
    figures.max = settings_.max_connections;
    figures.leased = ledger_.leased();
    figures.waiting = ledger_.waiting() + shared_wanted_;
    figures.in_flight = shared_ ? shared_->in_flight() : 0;
    const std::size_t busy = ledger_.leased() + (figures.in_flight != 0 ? 1 : 0);
    figures.available = figures.created - std::min(busy, figures.created);
    return figures;
}

void Pool::close(const Error& error) {
    std::shared_ptr<connection::BlockingWire> shared;
    {
        const Lock lock(mutex_);
        if (closed_) return;
        closed_ = error;
        shared = std::move(shared_);
        if (shared) {
            ledger_.shared_lost();
            connection_budget_->give_back();
        }
        while (!resting_.empty()) {
            resting_.pop_back();
            if (resting_.size() < ledger_.idle()) ledger_.idle_closed();
            connection_budget_->give_back();
        }
        for (connection::BlockingWire* wire : leased_) wire->close(error);
        for (Waiting* waiting : leases_wanted_) waiting->ready.notify_one();
        shared_changed_.notify_all();
        closing_.notify_all();
    }
    if (shared) shared->close(error);
}

}  // namespace redoubt::pool
