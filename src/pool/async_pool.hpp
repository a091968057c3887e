// pool: the async side of a pool: one shared wire on one executor, opened when it is needed, and the calls that
// wait for it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/connection/operation.hpp>

#include "connection/async_wire.hpp"
#include "pool/node.hpp"

namespace redoubt::pool {

/// What the async side asks of its pool; thread-safe.
class ConnectionSource {
public:
    /// An idle connection, if one rests.
    virtual connection::Transport take_idle_for_shared() = 0;
    /// True: one more may be opened. Then `shared_opened`, or `shared_not_opened`.
    virtual bool begin_shared() = 0;
    virtual void shared_opened() = 0;
    virtual void shared_not_opened() = 0;
    virtual void shared_lost() = 0;

protected:
    ~ConnectionSource() = default;
};

/// Every member function is called on the executor, by one thread at a time.
class AsyncPool final : public connection::AsyncWire::Owner, public std::enable_shared_from_this<AsyncPool> {
public:
    AsyncPool(boost::asio::any_io_executor executor, std::shared_ptr<Node> node, std::weak_ptr<ConnectionSource> source,
              std::size_t max_waiting);
    ~AsyncPool();

    const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
    /// To the wire, or into the queue while there is none. An error: nothing was taken.
    [[nodiscard]] std::optional<Error> submit(Operation& operation, TimePoint now);
    /// Forgets an operation that was submitted and not ended.
    Multiplexer::Cancelled cancel(Operation& operation);
    bool is_unwritten(const Operation& operation) const noexcept;
    /// Fails all, with what `close` means for each of them.
    void close(const Error& error);

    bool closed() const noexcept { return closed_; }
    std::size_t in_flight() const noexcept { return wire_ ? wire_->in_flight() : 0; }
    std::size_t waiting() const noexcept { return waiting_.size(); }
    /// See AsyncWire::now.
    TimePoint now() const noexcept { return wire_ ? wire_->now() : Clock::now(); }

private:
    void on_wire_lost(connection::AsyncWire& wire, const Error& error) override;
    void begin_dial();
    boost::asio::awaitable<void> dial(std::shared_ptr<AsyncPool> self);
    void adopt(connection::Transport transport);
    void fail_waiting(const Error& error);
    void arm_timer(TimePoint at);
    void expire_waiting();

    boost::asio::any_io_executor executor_;
    std::shared_ptr<Node> node_;
    std::weak_ptr<ConnectionSource> source_;  // the pool, which owns this
    std::size_t max_waiting_;
    std::shared_ptr<connection::AsyncWire> wire_;
    std::deque<Operation*> waiting_;
    boost::asio::steady_timer timer_;
    TimePoint timer_at_ = TimePoint::max();
    bool dialing_ = false;
    bool closed_ = false;
    Error closed_error_;
};

}  // namespace redoubt::pool
