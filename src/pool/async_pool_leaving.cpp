// pool: the async side: how it leaves a node for another, and how it ends.
#include <algorithm>
#include <utility>

#include "pool/async_pool.hpp"

namespace redoubt::pool {

namespace asio = boost::asio;

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
    if (pauses_) pauses_->clear();
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

void AsyncPool::leave_node(const Error& error) {
    if (closed_) return;
    depart(error);
    go_on(Clock::now());
}

// What leads to the new node already stays: a dial may have heard of it first.
void AsyncPool::depart(const Error& error) {
    node_ = &connections_->node();
    next_growth_ = TimePoint::min();
    if (const auto signal = stop_dial_) signal->emit(asio::cancellation_type::terminal);
    if (own_) own_->leave_node(error);
    for (const std::weak_ptr<Listener>& one : listeners_) {
        if (const auto listener = one.lock()) listener->leave_node(error);
    }
    for (std::size_t i = wires_.size(); i-- != 0;) {
        if (i >= wires_.size() || wires_[i].node == node_) continue;
        const auto wire = wires_[i].wire;
        remove(wires_.begin() + static_cast<std::ptrdiff_t>(i));
        wire->close(error);
    }
    if (pauses_) {
        for (asio::steady_timer* const pause : *pauses_) pause->cancel();
    }
    publish();
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
