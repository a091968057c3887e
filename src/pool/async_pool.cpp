// pool: the async side; see its header.
#include "pool/async_pool.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "connection/async_dial.hpp"

namespace redoubt::pool {

namespace asio = boost::asio;

AsyncPool::AsyncPool(asio::any_io_executor executor, std::shared_ptr<Node> node, std::weak_ptr<ConnectionSource> source,
                     std::size_t max_waiting)
    : executor_(std::move(executor)),
      node_(std::move(node)),
      source_(std::move(source)),
      max_waiting_(max_waiting),
      timer_(executor_) {}

AsyncPool::~AsyncPool() = default;

std::optional<Error> AsyncPool::submit(Operation& operation, TimePoint now) {
    if (wire_) return wire_->submit(operation, now);
    if (closed_) return closed_error_;
    if (waiting_.size() >= max_waiting_) {
        return Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire,
                         "too many calls wait for a connection (max_waiting)");
    }
    waiting_.push_back(&operation);
    arm_timer(operation.call_deadline());
    // Last: a dial may fail before it has to wait, and then the operation has ended when this returns.
    if (!dialing_) begin_dial();
    return std::nullopt;
}

Multiplexer::Cancelled AsyncPool::cancel(Operation& operation) {
    const auto at = std::find(waiting_.begin(), waiting_.end(), &operation);
    if (at == waiting_.end()) return wire_->cancel(operation);
    waiting_.erase(at);
    return Multiplexer::Cancelled::unwritten;
}

bool AsyncPool::is_unwritten(const Operation& operation) const noexcept {
    if (std::find(waiting_.begin(), waiting_.end(), &operation) != waiting_.end()) return true;
    return wire_ == nullptr || wire_->is_unwritten(operation);
}

void AsyncPool::begin_dial() {
    dialing_ = true;
    asio::co_spawn(executor_, dial(shared_from_this()), asio::detached);
}

asio::awaitable<void> AsyncPool::dial(std::shared_ptr<AsyncPool> /*keeps this alive*/) {
    const std::shared_ptr<ConnectionSource> source = source_.lock();
    if (!source) {
        dialing_ = false;
        co_return;
    }
    connection::Transport rested = source->take_idle_for_shared();
    if (rested.is_open()) {
        dialing_ = false;
        if (closed_) {
            source->shared_lost();
        } else {
            adopt(std::move(rested));
        }
        co_return;
    }
    if (!source->begin_shared()) {
        dialing_ = false;
        fail_waiting(Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire,
                               "max_total_connections are open"));
        co_return;
    }
    connection::DialOutcome dialed =
        co_await connection::async_dial(node_->session(), node_->tls(), Clock::now() + node_->connection_timeout());
    dialing_ = false;
    if (closed_ || dialed.error) {
        source->shared_not_opened();
        if (closed_) co_return;
        node_->record_connection_failure(*dialed.error, Clock::now());
        fail_waiting(*dialed.error);
        co_return;
    }
    source->shared_opened();
    adopt(std::move(dialed.transport));
}

void AsyncPool::adopt(connection::Transport transport) {
    wire_ = std::make_shared<connection::AsyncWire>(executor_, std::move(transport), node_->wire(), *this);
    wire_->start();
    const TimePoint now = Clock::now();
    std::deque<Operation*> ready;
    ready.swap(waiting_);
    timer_.cancel();
    timer_at_ = TimePoint::max();
    for (Operation* operation : ready) {
        const std::optional<Error> refused =
            wire_ ? wire_->submit(*operation, now) : std::optional<Error>(connection::wire_closed_error());
        if (refused) operation->on_failure(*refused, FailureSource::operation);
    }
}

void AsyncPool::on_wire_lost(connection::AsyncWire& wire, const Error& error) {
    // A server that closes a connection on which nothing is under way (its own idle time-out, say) is not failing.
    if (wire.in_flight() != 0) node_->record_connection_failure(error, Clock::now());
    wire_.reset();
    if (const auto source = source_.lock()) source->shared_lost();
}

void AsyncPool::fail_waiting(const Error& error) {
    std::deque<Operation*> failed;
    failed.swap(waiting_);
    for (Operation* operation : failed) operation->on_failure(error, FailureSource::wire);
}

void AsyncPool::arm_timer(TimePoint at) {
    if (at >= timer_at_) return;
    timer_at_ = at;
    timer_.expires_at(at);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failed) {
        if (failed) return;
        if (const auto self = weak.lock()) self->expire_waiting();
    });
}

void AsyncPool::expire_waiting() {
    timer_at_ = TimePoint::max();
    const TimePoint now = Clock::now();
    const auto split = std::stable_partition(waiting_.begin(), waiting_.end(),
                                             [&](const Operation* op) { return op->call_deadline() > now; });
    const std::vector<Operation*> expired(split, waiting_.end());
    waiting_.erase(split, waiting_.end());
    for (const Operation* operation : waiting_) arm_timer(operation->call_deadline());
    for (Operation* operation : expired) {
        operation->on_failure(
            Error::of(ErrorKind::timeout, Certainty::not_sent, Stage::connecting, "no connection in time"),
            FailureSource::operation);
    }
}

void AsyncPool::close(const Error& error) {
    closed_ = true;
    closed_error_ = error;
    timer_.cancel();
    if (wire_) {
        const auto wire = std::move(wire_);
        wire->close(error);
        if (const auto source = source_.lock()) source->shared_lost();
    }
    fail_waiting(error);
}

}  // namespace redoubt::pool
