// pool: the connections of one pool; see its header.
#include "pool/connections.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace redoubt::pool {

Error exhausted(std::string_view static_text) {
    return Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire, static_text);
}

Connections::Connections(std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget,
                         std::shared_ptr<const PoolSettings> settings, std::shared_ptr<Identity> identity)
    : node_(node.get()),
      current_(std::move(node)),
      budget_(std::move(budget)),
      settings_(std::move(settings)),
      identity_(std::move(identity)),
      ledger_(settings_->max_connections, settings_->max_waiting) {}

// The budget is asked without the lock: it may have to close a connection of another pool, or one of ours.

Connections::Opening Connections::open_shared(bool extra, Connection& rested) {
    {
        const Lock lock(mutex_);
        if (closed_ || !ledger_.begin_shared(extra)) return Opening::refused;
        if (ledger_.idle() != 0) {
            if (std::optional<Connection> taken = take_resting()) {
                ledger_.shared_opened();
                rested = std::move(*taken);
                return Opening::ready;
            }
        }
    }
    if (budget_->take()) return Opening::dial;
    const Lock lock(mutex_);
    ledger_.shared_failed(extra);
    serve_waiting();
    return Opening::refused;
}

void Connections::shared_opened() {
    const Lock lock(mutex_);
    ledger_.shared_opened();
}

void Connections::shared_not_opened(bool extra) {
    const Lock lock(mutex_);
    ledger_.shared_failed(extra);
    budget_->give_back();
    serve_waiting();
}

void Connections::shared_lost(bool extra) {
    const Lock lock(mutex_);
    ledger_.shared_lost(extra);
    budget_->give_back();
    serve_waiting();
}

connection::WireSettings Connections::wire() const {
    connection::WireSettings wire = node().wire();
    const auto limit = [](std::size_t& value, std::size_t own) {
        if (own != 0) value = std::min(value, own);
    };
    limit(wire.queue_limits.max_commands, settings_->max_in_flight);
    wire.queue_limits.window = settings_->max_in_flight;
    wire.short_turns = settings_->max_in_flight != 0 || settings_->read_pace != Duration::zero();
    wire.read_pace = settings_->read_pace;
    limit(wire.reply_limits.max_reply_bytes, settings_->max_reply_bytes);
    limit(wire.reply_limits.max_bulk_bytes, settings_->max_reply_bytes);
    return wire;
}

Ledger::Grant Connections::request(Waiting& waiting) {
    const Lock lock(mutex_);
    if (refusing_) return Ledger::Grant::refuse;
    const Ledger::Grant grant = ledger_.request();
    if (grant != Ledger::Grant::wait) return grant;
    waiting.previous_ = last_;
    waiting.next_ = nullptr;
    waiting.queued_ = true;
    (last_ != nullptr ? last_->next_ : first_) = &waiting;
    last_ = &waiting;
    return grant;
}

Ledger::Grant Connections::request_now() {
    const Lock lock(mutex_);
    return refusing_ ? Ledger::Grant::refuse : ledger_.request_now();
}

void Connections::unlink(Waiting& waiting) noexcept {
    (waiting.previous_ != nullptr ? waiting.previous_->next_ : first_) = waiting.next_;
    (waiting.next_ != nullptr ? waiting.next_->previous_ : last_) = waiting.previous_;
    waiting.queued_ = false;
}

bool Connections::leave(Waiting& waiting) {
    const Lock lock(mutex_);
    if (!waiting.queued_) return false;
    unlink(waiting);
    ledger_.leave();
    return true;
}

void Connections::serve_waiting() {
    while (const std::optional<Ledger::Grant> grant = ledger_.next()) {
        Waiting& first = *first_;
        unlink(first);
        first.granted(*grant);
    }
}

Connections::Opening Connections::open_leased(Ledger::Grant grant, Connection& rested) {
    {
        const Lock lock(mutex_);
        if (closed_) {
            grant == Ledger::Grant::idle ? ledger_.lost() : ledger_.open_failed();
            return Opening::refused;
        }
        if (grant == Ledger::Grant::idle) {
            if (std::optional<Connection> taken = take_resting()) {
                rested = std::move(*taken);
                return Opening::ready;
            }
            ledger_.reopen();  // those that rested were closed by the server
        }
    }
    if (budget_->take()) return Opening::dial;
    const Lock lock(mutex_);
    ledger_.open_failed();
    serve_waiting();
    return Opening::refused;
}

void Connections::decline(Ledger::Grant grant) {
    const Lock lock(mutex_);
    if (grant == Ledger::Grant::open) {
        ledger_.open_failed();
    } else if (closed_) {
        ledger_.lost();
    } else {
        ledger_.returned();
    }
    serve_waiting();
}

void Connections::lease_opened() {
    const Lock lock(mutex_);
    ledger_.opened();
}

void Connections::lease_not_opened() {
    const Lock lock(mutex_);
    ledger_.open_failed();
    budget_->give_back();
    serve_waiting();
}

void Connections::end_lease(Connection connection) {
    const Lock lock(mutex_);
    if (!closed_ && connection.transport.is_open() && !is_left(connection.node) && connection.transport.is_quiet() &&
        connection.expires > Clock::now()) {
        resting_.push_back({std::move(connection), Clock::now()});
        ledger_.returned();
    } else {
        connection.transport.close();
        ledger_.lost();
        budget_->give_back();
    }
    serve_waiting();
}

void Connections::tell_obtained(const Node& node, TimePoint asked) const noexcept {
    node.telemetry().connection_obtained(node.endpoint(), name(), Clock::now() - asked);
}

void Connections::tell_returned(const Node& node, TimePoint obtained) const noexcept {
    node.telemetry().connection_returned(node.endpoint(), name(), Clock::now() - obtained);
}

// The youngest that is still quiet; those that are not are closed on the way. The ledger counts those that rest and
// are promised to nobody, so it is corrected only when fewer are left than it believes.
std::optional<Connection> Connections::take_resting() {
    while (!resting_.empty()) {
        Connection connection = std::move(resting_.back().connection);
        resting_.pop_back();
        if (resting_.size() < ledger_.idle()) ledger_.idle_closed();
        if (connection.transport.is_quiet()) return connection;
        budget_->give_back();
    }
    return std::nullopt;
}

// One that is promised to nobody.
void Connections::close_resting(std::size_t index) {
    resting_.erase(resting_.begin() + static_cast<std::ptrdiff_t>(index));
    ledger_.idle_closed();
    budget_->give_back();
}

Connections::Opening Connections::begin_spare() {
    {
        const Lock lock(mutex_);
        if (refusing_ || ledger_.created() + ledger_.opening() >= settings_->min_idle || !ledger_.begin_spare()) {
            return Opening::refused;
        }
    }
    if (budget_->take()) return Opening::dial;
    const Lock lock(mutex_);
    ledger_.spare_failed();
    return Opening::refused;
}

void Connections::spare_opened(Connection connection) {
    const Lock lock(mutex_);
    if (closed_ || is_left(connection.node)) {
        ledger_.spare_failed();
        budget_->give_back();
    } else if (!ledger_.spare_opened()) {
        budget_->give_back();
    } else {
        resting_.push_back({std::move(connection), Clock::now()});
    }
    serve_waiting();
}

void Connections::spare_failed() {
    const Lock lock(mutex_);
    ledger_.spare_failed();
    budget_->give_back();
    serve_waiting();
}

void Connections::reap(TimePoint now) {
    const Lock lock(mutex_);
    // Those at the front have rested longest.
    while (settings_->idle_timeout != Duration::zero() && ledger_.idle() != 0 &&
           ledger_.created() > settings_->min_idle && now - resting_.front().since >= settings_->idle_timeout) {
        close_resting(0);
    }
    for (std::size_t i = resting_.size(); i-- != 0 && ledger_.idle() != 0;) {
        if (resting_[i].connection.expires <= now) close_resting(i);
    }
}

bool Connections::close_one_idle() {
    const Lock lock(mutex_);
    if (resting_.empty() || ledger_.idle() == 0) return false;
    close_resting(0);
    return true;
}

bool Connections::above_minimum() const {
    const Lock lock(mutex_);
    return ledger_.created() > settings_->min_idle;
}

TimePoint Connections::expiry(TimePoint now) const {
    if (settings_->lifetime == Duration::zero()) return TimePoint::max();
    // Spread, so that connections that were opened together are not replaced together.
    static thread_local std::minstd_rand generator{std::random_device{}()};
    const double share = std::uniform_real_distribution<double>(0.9, 1.0)(generator);
    return now + std::chrono::duration_cast<Duration>(settings_->lifetime * share);
}

void Connections::stop_intake(const Error& error) {
    const Lock lock(mutex_);
    if (!refusing_) refusing_ = std::make_unique<const Error>(error);
}

bool Connections::is_busy() const {
    const Lock lock(mutex_);
    return ledger_.waiting() != 0 || ledger_.opening() != 0;
}

void Connections::close_all_resting() {
    while (!resting_.empty()) {
        resting_.pop_back();
        if (resting_.size() < ledger_.idle()) ledger_.idle_closed();
        budget_->give_back();
    }
}

bool Connections::move_to(std::shared_ptr<Node> node) {
    const Lock lock(mutex_);
    if (closed_) return false;
    if (!left_) left_ = std::make_unique<std::vector<std::shared_ptr<Node>>>();
    if (std::find(left_->begin(), left_->end(), current_) == left_->end()) left_->push_back(current_);
    node_.store(node.get(), std::memory_order_release);
    current_ = std::move(node);
    close_all_resting();
    serve_waiting();
    return true;
}

void Connections::close(const Error& error) {
    const Lock lock(mutex_);
    if (std::exchange(closed_, true)) return;
    if (!refusing_) refusing_ = std::make_unique<const Error>(error);
    close_all_resting();
    while (first_ != nullptr) {
        Waiting& first = *first_;
        unlink(first);
        ledger_.leave();
        first.granted(Ledger::Grant::refuse);
    }
}

Error Connections::refusal() const {
    const Lock lock(mutex_);
    return refusing_ ? *refusing_ : exhausted("max_total_connections are open");
}

std::optional<Error> Connections::closed() const {
    const Lock lock(mutex_);
    return refusing_ ? std::optional<Error>(*refusing_) : std::nullopt;
}

Connections::Figures Connections::figures() const {
    const Lock lock(mutex_);
    return {ledger_.created(), ledger_.leased(), ledger_.waiting()};
}

}  // namespace redoubt::pool
