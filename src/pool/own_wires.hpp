// pool: async operations that have a connection of their own while they last, and those that wait for one.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <redoubt/connection/operation.hpp>

#include "connection/async_wire.hpp"
#include "pool/connections.hpp"
#include "pool/hold.hpp"

namespace redoubt::pool {

/// What other threads may see of the async side; told once a turn.
struct AsyncFigures {
    std::atomic<std::size_t> in_flight{0};  ///< on shared wires
    std::atomic<std::size_t> waiting{0};    ///< for room on them
    std::atomic<std::size_t> busy{0};       ///< shared wires with something in flight
    std::atomic<std::size_t> own{0};        ///< operations on a wire of their own
    std::atomic<std::size_t> bytes{0};      ///< of those in flight on shared wires, and of those that wait
};

/// Every member function is called on the executor, by one thread at a time.
class OwnWires : public std::enable_shared_from_this<OwnWires> {
public:
    OwnWires(boost::asio::any_io_executor executor, std::shared_ptr<Connections> connections,
             std::shared_ptr<AsyncFigures> figures);
    ~OwnWires();

    /// A connection of its own for the operation, for which it waits behind all others who do, blocking callers
    /// too, until its call deadline; or the one that is held for it. An error: nothing was taken.
    [[nodiscard]] std::optional<Error> submit(Operation& operation, TimePoint now);
    /// The same, with what `Connections::request_now` granted for it.
    void submit_granted(Operation& operation, Ledger::Grant grant);

    bool has(const Operation& operation) const noexcept { return find(operation) != nullptr; }
    /// Of one that it has.
    Multiplexer::Cancelled cancel(Operation& operation);
    bool is_unwritten(const Operation& operation) const noexcept;
    /// Fails those that wait and whose time is over, and tells when the next one's is.
    TimePoint expire(TimePoint now);
    /// An operation is under way, or waits; a connection that is held, and rests, is no reason to wait for it.
    bool is_busy() const noexcept;
    /// See AsyncPool.
    void leave_node(const Error& error);
    void close(const Error& error);
    /// See AsyncPool.
    void abandon(std::vector<Operation*>& into);

private:
    class One;

    One* find(const Operation& operation) const noexcept;
    std::optional<Error> submit_held(Hold& hold, Operation& operation, TimePoint now);
    std::shared_ptr<One> add(Operation& operation);
    void proceed(const std::shared_ptr<One>& one, Ledger::Grant grant);
    boost::asio::awaitable<void> dial(std::shared_ptr<OwnWires> self, std::shared_ptr<One> one);
    void start(const std::shared_ptr<One>& one, Connection connection);
    void fail(const std::shared_ptr<One>& one, const Error& error, FailureSource source);
    std::shared_ptr<One> take(One& one) noexcept;
    void count(One& one) noexcept;
    void forget_operations(One& one) noexcept;

    boost::asio::any_io_executor executor_;
    std::shared_ptr<Connections> connections_;
    std::shared_ptr<AsyncFigures> figures_;
    std::unordered_map<One*, std::shared_ptr<One>> all_;
    std::unordered_map<const Operation*, One*> by_operation_;
};

}  // namespace redoubt::pool
