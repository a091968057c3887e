// pool: the async side: those who wait, for room on a wire or for their project's rate.
#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "pool/async_pool.hpp"

namespace redoubt::pool {

namespace asio = boost::asio;

namespace {

// Deadlines of those who wait, and their times, are looked at no more often than this.
constexpr auto timer_step = std::chrono::milliseconds(1);

}  // namespace

std::optional<Error> AsyncPool::wait(Operation& operation, Tenant& tenant, bool passed, TimePoint now) {
    const PoolSettings& settings = connections_->settings();
    if (tenant.waiting() >= settings.max_waiting && patient_ && dialing_ && !wires_.empty()) {
        // Rather behind a large call than nowhere.
        patient_ = false;
        serve(now);
        if (queue_.empty() && place(operation, now)) return std::nullopt;
    }
    if (tenant.waiting() >= settings.max_waiting) {
        return exhausted("too many calls wait for a connection (max_waiting)");
    }
    // Where tenants share the bytes, each may have as many as are left: so the first to come cannot have them all.
    const std::size_t bytes = queue_.bytes() + (window_operations_ != 0 ? tenant.waiting_bytes() : 0);
    if (bytes != 0 && bytes + operation.encoded_bound() > settings.max_queued_bytes) {
        return exhausted("the calls that wait for a connection are too large (max_queued_bytes)");
    }
    if (!passed) {
        if (std::optional<Error> late = tenant.too_late(operation, now)) return late;
    }
    queue_.push(tenant, operation, passed);
    figures_->waiting.store(queue_.size(), std::memory_order_relaxed);
    figures_->bytes.fetch_add(operation.encoded_bound(), std::memory_order_relaxed);  // until the next turn tells
    refresh();
    expire_at(operation.call_deadline());
    // Last: a dial may fail before it has to wait, and then the operation has ended when this returns.
    if (tenant.is_rated() && queue_.next(now) == nullptr) return arm_timer(queue_.wakes_at()), std::nullopt;
    if (any_room()) {
        serve_later();
    } else {
        go_on(now);
    }
    return std::nullopt;
}

// Somebody waits who could go, and perhaps nothing is under way that would say so: there is room now, or whoever was
// before him has left.
void AsyncPool::serve_later() {
    if (queue_.empty() || std::exchange(serves_later_, true)) return;
    asio::post(executor_, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->serves_later_ = false;
        if (!self->closed_) self->serve(Clock::now());
    });
}

// Somebody waits, and something has changed.
void AsyncPool::go_on(TimePoint now) {
    if (queue_.empty() || closed_) return;
    if (!wires_.empty()) {
        grow_if_crowded(now);
    } else if (!dialing_) {
        begin_dial(false);
    }
}

void AsyncPool::serve(TimePoint now) {
    queue_.wake(now);
    std::size_t passed = 0;
    while (passed < queue_.tenants() && any_room()) {
        Operation* const operation = queue_.next(now);
        if (operation == nullptr) break;
        if (operation->demand() == Demand::exclusive) {  // it waited for its project's rate alone
            Tenant& tenant = queue_.turn_of();
            queue_.served();
            if (const std::optional<Error> refused = submit_to_own(*operation, now)) {
                tenant.take_back(*operation);
                operation->on_failure(*refused, FailureSource::operation);
            }
            passed = 0;
        } else if (operation->demand() == Demand::bulk && goes_to_own(*operation, true)) {
            passed = 0;
        } else if (place(*operation, now)) {
            queue_.served();
            passed = 0;
        } else {
            // Perhaps only what it must follow is in its way; with one wire nobody else fares better.
            if (!picker_) break;
            queue_.pass();
            ++passed;
        }
    }
    arm_timer(queue_.wakes_at());
    refresh();
    go_on(now);
}

void AsyncPool::on_wire_turn(connection::AsyncWire& wire) {
    if (!queue_.empty()) serve(wire.now());
    publish();
}

void AsyncPool::fail_waiting(const Error& error, FailureSource source) {
    OperationQueue failed;
    while (Operation* const operation = queue_.pop()) failed.push_back(*operation);
    refresh();
    publish();
    while (Operation* const operation = failed.pop_front()) operation->on_failure(error, source);
}

void AsyncPool::arm_timer(TimePoint at) {
    if (at >= timer_at_ || !timer_) return;
    timer_at_ = std::max(at, Clock::now() + timer_step);
    timer_->expires_at(timer_at_);
    timer_->async_wait([weak = weak_from_this()](const boost::system::error_code& failed) {
        if (failed) return;
        if (const auto self = weak.lock()) self->on_timer();
    });
}

void AsyncPool::expire_at(TimePoint deadline) {
    expires_at_ = std::min(expires_at_, deadline);
    arm_timer(expires_at_);
}

void AsyncPool::on_timer() {
    timer_at_ = TimePoint::max();
    const TimePoint now = Clock::now();
    if (now >= expires_at_) expire_waiting(now);
    if (now >= queue_.wakes_at()) serve(now);
    arm_timer(std::min(expires_at_, queue_.wakes_at()));
}

void AsyncPool::expire_waiting(TimePoint now) {
    OperationQueue expired;
    OperationQueue parked;
    expires_at_ = queue_.take_expired(now, expired, parked);
    if (own_) expires_at_ = std::min(expires_at_, own_->expire(now));
    refresh();
    publish();
    const Error error =
        wires_.empty() ? Error::of(ErrorKind::timeout, Certainty::not_sent, Stage::connecting, "no connection in time")
                       : exhausted("no wire had room in time");
    while (Operation* const operation = expired.pop_front()) operation->on_failure(error, FailureSource::operation);
    while (Operation* const operation = parked.pop_front()) {
        operation->on_failure(over_rate_error(Duration::zero()), FailureSource::operation);
    }
    serve_later();
}

}  // namespace redoubt::pool
