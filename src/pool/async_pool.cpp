// pool: the async side; see its header.
#include "pool/async_pool.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

namespace redoubt::pool {

namespace asio = boost::asio;
using Opening = Connections::Opening;

namespace {

// With more than this unanswered even on the best wire, another one is opened. (A wire that only pipelines deeply is
// no reason: one server thread answers them all.)
constexpr std::size_t crowded = 4096;
// However large the capacity is.
constexpr std::size_t most_wires = 64;
// After an opening failed although others work; those who wait do not depend on it.
constexpr auto growth_pause = std::chrono::seconds(1);
// A wire without work for so long gives its buffers back.
constexpr auto memory_kept = std::chrono::seconds(1);

}  // namespace

AsyncPool::AsyncPool(asio::any_io_executor executor, std::shared_ptr<Connections> connections,
                     std::shared_ptr<AsyncFigures> figures)
    : easy_depth_(crowded),
      window_bytes_(connections->settings().window_bytes),
      executor_(std::move(executor)),
      connections_(std::move(connections)),
      figures_(std::move(figures)),
      window_operations_(connections_->settings().window_operations),
      timer_(executor_) {
    if (window_operations_ != 0) easy_depth_ = std::min(easy_depth_, window_operations_);
    if (connections_->settings().rated) easy_depth_ = 0;  // each call is looked at
}

AsyncPool::~AsyncPool() = default;

// Where an operation goes ------------------------------------------------------------------------------------------

std::optional<Error> AsyncPool::submit_anywhere(Operation& operation, Tenant& tenant, TimePoint now) {
    if (refusing_) return *refusing_;
    const bool passed = tenant.may_pass(operation, now);
    if (!passed) return wait(operation, tenant, passed, now);
    if (operation.demand() == Demand::exclusive) {
        std::optional<Error> refused = submit_to_own(operation, now);
        if (refused) tenant.take_back(operation);
        return refused;
    }
    if (operation.demand() == Demand::bulk && goes_to_own(operation, false)) return std::nullopt;
    if (queue_.empty() && place(operation, now)) {
        // Those that follow a large one had better have another wire.
        const bool large = operation.demand() == Demand::bulk && wires_.size() == 1;
        large && !dialing_ && now >= next_growth_ ? begin_dial(true) : grow_if_crowded(now);
        return std::nullopt;
    }
    std::optional<Error> refused = wait(operation, tenant, passed, now);
    if (refused) tenant.take_back(operation);
    return refused;
}

std::optional<Error> AsyncPool::submit_to_own(Operation& operation, TimePoint now) {
    if (!own_) own_ = std::make_shared<OwnWires>(executor_, connections_, figures_);
    expire_at(operation.call_deadline());
    return own_->submit(operation, now);
}

// A large one with a key must not overtake others on that key: the picker knows those, and keeps small ones away from
// where it goes.
bool AsyncPool::goes_to_own(Operation& operation, bool queued) {
    if (!operation.ordering_key().empty()) return false;
    const Ledger::Grant grant = connections_->request_now();
    if (grant == Ledger::Grant::refuse) return false;
    if (queued) queue_.served();  // first, for it may end at once
    if (!own_) own_ = std::make_shared<OwnWires>(executor_, connections_, figures_);
    expire_at(operation.call_deadline());
    own_->submit_granted(operation, grant);
    return true;
}

bool AsyncPool::has_room(const connection::AsyncWire& wire) const noexcept {
    if (window_operations_ == 0) return true;  // it says itself when its queue is full
    return wire.in_flight() < window_operations_ && wire.bytes_in_flight() < window_bytes_;
}

bool AsyncPool::any_room() const noexcept {
    return std::any_of(wires_.begin(), wires_.end(), [&](const Wire& wire) {
        return wire.accepts != WirePicker::Accepts::nothing && has_room(*wire.wire);
    });
}

WirePicker::Wire AsyncPool::seen(const Wire& wire) const noexcept {
    const connection::AsyncWire& at = *wire.wire;
    return {at.submitted(), at.completed(), at.bytes_in_flight(), at.is_congested(), has_room(at), wire.accepts};
}

bool AsyncPool::place(Operation& operation, TimePoint now) {
    const Demand demand = operation.demand();  // it may end inside `submit`
    connection::AsyncWire* chosen = nullptr;
    if (!picker_) {
        if (wires_.empty() || wires_.front().accepts != WirePicker::Accepts::all || !has_room(*wires_.front().wire)) {
            return false;
        }
        // Another wire is on its way, and behind a large call a small one would wait for very much longer.
        if (patient_ && dialing_ && demand == Demand::shared && wires_.front().wire->is_congested()) return false;
        chosen = wires_.front().wire.get();
        if (chosen->submit(operation, now)) return false;
    } else {
        std::array<WirePicker::Wire, most_wires> seen_wires;
        for (std::size_t i = 0; i != wires_.size(); ++i) seen_wires[i] = seen(wires_[i]);
        const std::size_t slot = WirePicker::slot_of(operation.ordering_key());
        const std::optional<std::size_t> best = picker_->pick(slot, {seen_wires.data(), wires_.size()});
        if (!best) return false;
        chosen = wires_[*best].wire.get();
        if (chosen->submit(operation, now)) return false;
        picker_->placed(slot, *best, chosen->submitted());
    }
    if (demand == Demand::bulk) chosen->expect_large();
    return true;
}

Multiplexer::Cancelled AsyncPool::cancel(Operation& operation, Tenant& tenant) {
    if (own_ && own_->has(operation)) {
        const Multiplexer::Cancelled how = own_->cancel(operation);
        if (how == Multiplexer::Cancelled::unwritten) tenant.take_back(operation);
        return how;
    }
    const auto at =
        std::find_if(wires_.begin(), wires_.end(), [&](const Wire& wire) { return wire.wire->holds(operation); });
    if (at == wires_.end()) {
        queue_.remove(tenant, operation);
        refresh();
        publish();
        serve_later();
        return Multiplexer::Cancelled::unwritten;
    }
    const Multiplexer::Cancelled how = at->wire->cancel(operation);
    if (how == Multiplexer::Cancelled::unwritten) {
        tenant.take_back(operation);
        serve_later();
    }
    return how;
}

bool AsyncPool::is_unwritten(const Operation& operation) const noexcept {
    if (own_ && own_->has(operation)) return own_->is_unwritten(operation);
    const auto at =
        std::find_if(wires_.begin(), wires_.end(), [&](const Wire& wire) { return wire.wire->holds(operation); });
    return at == wires_.end() || at->wire->is_unwritten(operation);
}

void AsyncPool::adopt(const std::shared_ptr<Listener>& listener) {
    if (refusing_) return listener->close_here(*refusing_);
    std::erase_if(listeners_, [](const std::weak_ptr<Listener>& one) { return one.expired(); });
    listeners_.push_back(listener);
}

// Wires come and go ------------------------------------------------------------------------------------------------

void AsyncPool::grow_if_crowded(TimePoint now) {
    if (dialing_ || refusing_ || now < next_growth_ || wires_.empty() || wires_.size() == most_wires) return;
    const bool all_crowded = std::all_of(wires_.begin(), wires_.end(), [&](const Wire& wire) {
        return wire.accepts != WirePicker::Accepts::all || wire.wire->is_congested() ||
               wire.wire->in_flight() > crowded;
    });
    if (all_crowded) begin_dial(true);
}

void AsyncPool::begin_dial(bool extra) {
    dialing_ = true;
    patient_ = true;
    stop_dial_ = std::make_shared<asio::cancellation_signal>();
    asio::co_spawn(
        executor_, dial(shared_from_this(), extra),
        asio::bind_cancellation_slot(stop_dial_->slot(), [signal = stop_dial_](const std::exception_ptr&) {}));
}

asio::awaitable<void> AsyncPool::dial(std::shared_ptr<AsyncPool> /*keeps this alive*/, bool extra) {
    Connection connection;
    const Opening opening = connections_->open_shared(extra, connection);
    std::optional<Error> failed;
    if (opening == Opening::refused) failed = connections_->refusal();
    if (opening == Opening::dial) {
        connection::DialOutcome dialed = co_await connections_->async_dial(TimePoint::max());
        if (dialed.error || closed_) {
            connections_->shared_not_opened(extra);
            failed = dialed.error;
        } else {
            connections_->shared_opened();
            connection = {std::move(dialed.transport), connections_->expiry(Clock::now())};
        }
    }
    dialing_ = false;
    stop_dial_.reset();
    if (closed_) {
        if (connection.transport.is_open()) connections_->shared_lost(extra);
        co_return;
    }
    if (!failed) {
        adopt(std::move(connection), extra);
        co_return;
    }
    next_growth_ = Clock::now() + growth_pause;
    if (wires_.empty()) {
        fail_waiting(*failed, opening == Opening::dial ? FailureSource::wire : FailureSource::operation);
    } else if (!queue_.empty()) {
        serve(Clock::now());  // some may have waited for the wire that did not come
    }
}

void AsyncPool::adopt(Connection connection, bool extra) {
    Wire made{std::make_shared<connection::AsyncWire>(executor_, std::move(connection.transport), connections_->wire(),
                                                      *this),
              connection.expires, extra};
    made.wire->start();
    wires_.push_back(std::move(made));
    if (wires_.size() == 2) begin_picking();
    // One that was to be replaced can end now.
    for (std::size_t i = wires_.size() - 1; i-- != 0;) {
        if (wires_[i].expires <= Clock::now()) retire(wires_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    serve(Clock::now());
    publish();
}

// What is under way on the first wire holds its keys there. A tombstone has no key any more, so all keys stay until it
// is answered.
void AsyncPool::begin_picking() {
    picker_ = std::make_unique<WirePicker>();
    wires_.front().wire->for_each_in_flight([&](std::uint64_t submitted, const Operation* operation) {
        if (operation == nullptr) {
            picker_->placed_anywhere(0, submitted);
        } else {
            picker_->placed(WirePicker::slot_of(operation->ordering_key()), 0, submitted);
        }
    });
}

AsyncPool::Place AsyncPool::find(const connection::AsyncWire& wire) noexcept {
    return std::find_if(wires_.begin(), wires_.end(), [&](const Wire& one) { return one.wire.get() == &wire; });
}

// Its place in the accounts, too.
void AsyncPool::remove(Place place) {
    if (!place->extra) {  // another one is the first now
        const Place heir = std::find_if(wires_.begin(), wires_.end(), [](const Wire& one) { return one.extra; });
        if (heir != wires_.end()) std::swap(place->extra, heir->extra);
    }
    connections_->shared_lost(place->extra);
    if (picker_) picker_->removed(static_cast<std::size_t>(place - wires_.begin()));
    wires_.erase(place);
    if (wires_.size() < 2) picker_.reset();
    refresh();
}

void AsyncPool::on_wire_lost(connection::AsyncWire& wire, const Error& error) {
    // A server that closes a connection on which nothing is under way (its own idle time-out, say) is not failing.
    if (wire.in_flight() != 0) connections_->node().record_connection_failure(error, Clock::now());
    remove(find(wire));
    publish();
    if (!queue_.empty()) serve(Clock::now());
}

void AsyncPool::on_wire_idle(connection::AsyncWire& wire) {
    const Place place = find(wire);
    if (place->accepts != WirePicker::Accepts::all) close_wire(place);
}

// One on which nothing is under way.
void AsyncPool::close_wire(Place place) {
    const auto wire = place->wire;
    remove(place);
    wire->close(connection::wire_closed_error());
    if (!queue_.empty()) serve(Clock::now());
}

void AsyncPool::retire(Place place) {
    if (place->wire->in_flight() == 0) return close_wire(place);
    place->accepts = WirePicker::Accepts::pinned;
    refresh();
}

void AsyncPool::tidy(TimePoint now) {
    if (closed_) return;
    const PoolSettings& settings = connections_->settings();
    for (std::size_t i = wires_.size(); i-- != 0;) {
        if (i >= wires_.size()) continue;  // one that was opened at once has replaced several
        const Place place = wires_.begin() + static_cast<std::ptrdiff_t>(i);
        connection::AsyncWire& wire = *place->wire;
        const Duration unused = wire.in_flight() == 0 ? now - wire.last_used() : Duration::zero();
        if (place->accepts != WirePicker::Accepts::all) {
            // Keys that never pause have kept it alive: now they wait until it has ended.
            place->accepts = WirePicker::Accepts::nothing;
        } else if (settings.idle_timeout != Duration::zero() && unused >= settings.idle_timeout &&
                   connections_->above_minimum()) {
            close_wire(place);
        } else if (place->expires <= now) {
            // Under load another one is opened first; it retires this one.
            if (wire.in_flight() == 0) {
                close_wire(place);
            } else if (!dialing_) {
                begin_dial(true);
            }
        } else if (unused >= memory_kept) {
            wire.release_memory();
        }
    }
    publish();
}

void AsyncPool::refresh() {
    const bool easy =
        wires_.size() == 1 && queue_.empty() && !refusing_ && wires_.front().accepts == WirePicker::Accepts::all;
    only_ = easy ? wires_.front().wire.get() : nullptr;
}

void AsyncPool::publish() noexcept {
    std::size_t in_flight = 0;
    std::size_t busy = 0;
    std::size_t bytes = queue_.bytes();
    for (const Wire& wire : wires_) {
        in_flight += wire.wire->in_flight();
        bytes += wire.wire->bytes_in_flight();
        busy += wire.wire->in_flight() != 0 ? 1 : 0;
    }
    figures_->in_flight.store(in_flight, std::memory_order_relaxed);
    figures_->waiting.store(queue_.size(), std::memory_order_relaxed);
    figures_->busy.store(busy, std::memory_order_relaxed);
    figures_->bytes.store(bytes, std::memory_order_relaxed);
}

void AsyncPool::stop_intake(const Error& error) {
    if (refusing_) return;
    refusing_ = std::make_unique<const Error>(error);
    refresh();
}

bool AsyncPool::is_busy() const noexcept {
    return queue_.size() != 0 || (own_ && own_->is_busy()) ||
           std::any_of(wires_.begin(), wires_.end(), [](const Wire& one) { return one.wire->in_flight() != 0; });
}

// Nothing of the loop is touched afterwards, however long handles keep the pool. Dials go with their coroutines.
void AsyncPool::abandon(std::vector<Operation*>& into, const Error& error) {
    if (std::exchange(closed_, true)) return;
    stop_intake(error);
    timer_.reset();
    while (Operation* const operation = queue_.pop()) into.push_back(operation);
    if (own_) own_->abandon(into);
    for (const std::weak_ptr<Listener>& one : listeners_) {
        if (const auto listener = one.lock()) listener->abandon(error);
    }
    while (!wires_.empty()) {
        const auto wire = wires_.back().wire;
        wire->abandon(into);
        remove(wires_.end() - 1);
        wire->close(error);
    }
}

void AsyncPool::close(const Error& error) {
    if (std::exchange(closed_, true)) return;
    stop_intake(error);
    timer_->cancel();
    if (const auto signal = stop_dial_) signal->emit(asio::cancellation_type::terminal);
    if (own_) own_->close(error);
    for (const std::weak_ptr<Listener>& one : listeners_) {
        if (const auto listener = one.lock()) listener->close_here(error);
    }
    while (!wires_.empty()) {
        const auto wire = wires_.back().wire;
        remove(wires_.end() - 1);
        wire->close(error);
    }
    fail_waiting(error, FailureSource::wire);
}

}  // namespace redoubt::pool
