// pool: what both sides of a pool share; see its header.
#include "pool/pool.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "connection/moved.hpp"

namespace redoubt::pool {
namespace {

// How long a spare connection waits for its turn; else the next upkeep opens it.
constexpr auto spare_patience = std::chrono::milliseconds(100);

}  // namespace

Pool::Pool(Private, std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget,
           std::shared_ptr<const PoolSettings> settings, Lane lane, std::shared_ptr<Identity> identity)
    : connections_(
          std::make_shared<Connections>(std::move(node), std::move(budget), std::move(settings), std::move(identity))),
      retry_budget_(connections_->settings().retry_tokens, connections_->settings().retry_refill),
      lane_(std::move(lane)) {}

std::shared_ptr<Pool> Pool::create(std::shared_ptr<Node> node, std::shared_ptr<ConnectionBudget> budget,
                                   std::shared_ptr<const PoolSettings> settings, Lane lane,
                                   std::shared_ptr<Identity> identity) {
    return std::make_shared<Pool>(Private{}, std::move(node), std::move(budget), std::move(settings), std::move(lane),
                                  std::move(identity));
}

Pool::~Pool() = default;

AsyncPool& Pool::make_async() {
    const auto figures = std::make_shared<AsyncFigures>();
    async_ = std::make_shared<AsyncPool>(lane_, connections_, figures);
    async_published_.store(figures.get(), std::memory_order_release);
    if (const std::optional<Error> closed = connections_->closed()) async_->close(*closed);
    return *async_;
}

BlockingSide& Pool::make_blocking() {
    std::call_once(blocking_once_, [&] {
        blocking_ = std::make_shared<BlockingSide>(connections_);
        blocking_published_.store(blocking_.get(), std::memory_order_release);
    });
    // Whichever comes later sees the other: this, or the closing of the pool.
    if (const std::optional<Error> closed = connections_->closed()) blocking_->close(*closed);
    return *blocking_;
}

void Pool::tidy(TimePoint now) {
    connections_->reap(now);
    if (async_) async_->tidy(now);
    if (BlockingSide* const side = blocking_published_.load(std::memory_order_acquire)) side->tidy(now);
}

boost::asio::awaitable<void> Pool::open_spares() {
    const auto self = shared_from_this();
    while (connections_->begin_spare() == Connections::Opening::dial) {
        // Calls need theirs now: many pools' spares must not fill the queue of those who wait for their turn.
        Dialed outcome = co_await connections_->async_dial(TimePoint::max(), spare_patience);
        if (outcome.error) {
            connections_->spare_failed();
            co_return;
        }
        connections_->spare_opened({std::move(outcome.transport), connections_->expiry(Clock::now()), outcome.node});
    }
}

PoolFigures Pool::figures() const {
    const Connections::Figures all = connections_->figures();
    PoolFigures figures;
    figures.created = all.created;
    figures.max = connections_->settings().max_connections;
    figures.min_idle = connections_->settings().min_idle;
    figures.retries = retries_.load(std::memory_order_relaxed);
    figures.exhausted = exhausted_.load(std::memory_order_relaxed);
    figures.leased = all.leased;
    figures.waiting = all.waiting;
    std::size_t busy = all.leased;
    if (const BlockingSide* const side = blocking_published_.load(std::memory_order_acquire)) {
        const BlockingSide::Figures blocking = side->figures();
        figures.waiting += blocking.waiting;
        figures.in_flight += blocking.in_flight;
        busy += blocking.busy;
        figures.queued_bytes += blocking.bytes;
    }
    if (const AsyncFigures* const async = async_published_.load(std::memory_order_acquire)) {
        figures.waiting += async->waiting.load(std::memory_order_relaxed);
        figures.in_flight +=
            async->in_flight.load(std::memory_order_relaxed) + async->own.load(std::memory_order_relaxed);
        busy += async->busy.load(std::memory_order_relaxed);
        figures.queued_bytes += async->bytes.load(std::memory_order_relaxed);
    }
    figures.available = figures.created - std::min(busy, figures.created);
    return figures;
}

void Pool::move_to(std::shared_ptr<Node> node) {
    if (!connections_->move_to(std::move(node))) return;
    boost::asio::post(lane_, [self = shared_from_this()] {
        self->retry_budget_.restore();
        if (self->async_) self->async_->leave_node(connection::moved_error());
    });
    // The new node has no part in what the old one's failures have used up.
    retry_budget_.restore();
    if (BlockingSide* const side = blocking_published_.load(std::memory_order_acquire)) {
        side->leave_node(connection::moved_error());
    }
}

void Pool::stop_intake(const Error& error) {
    connections_->stop_intake(error);
    if (BlockingSide* const side = blocking_published_.load(std::memory_order_acquire)) side->stop_intake(error);
}

bool Pool::is_busy() const {
    const BlockingSide* const side = blocking_published_.load(std::memory_order_acquire);
    if (side == nullptr) return false;
    if (side->is_busy()) return true;
    // Who waits for a connection of its own is one of the blocking callers for certain only while there are no others:
    // those may be on a loop that does not run, for which a thread must not wait.
    return connections_->is_busy() && async_published_.load(std::memory_order_acquire) == nullptr;
}

void Pool::stop_async_intake(const Error& error) {
    connections_->stop_intake(error);
    if (async_) async_->stop_intake(error);
}

// Async calls may still finish, and may open a connection for that: then `close_async` closes the rest.
void Pool::close(const Error& error) {
    const bool alone = async_published_.load(std::memory_order_acquire) == nullptr;
    alone ? connections_->close(error) : connections_->stop_intake(error);
    if (BlockingSide* const side = blocking_published_.load(std::memory_order_acquire)) side->close(error);
}

void Pool::close_async(const Error& error) {
    connections_->close(error);
    if (async_) async_->close(error);
}

}  // namespace redoubt::pool
