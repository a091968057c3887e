// pool: the async side of a pool: the shared wires on one executor, opened as they are needed, and the calls that
// wait for room on them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/connection/operation.hpp>

#include "connection/async_wire.hpp"
#include "pool/connections.hpp"
#include "pool/fair_queue.hpp"
#include "pool/listener.hpp"
#include "pool/own_wires.hpp"
#include "pool/wire_picker.hpp"

namespace redoubt::pool {

/// Every member function is called on the executor, by one thread at a time.
class AsyncPool final : public connection::AsyncWire::Owner, public std::enable_shared_from_this<AsyncPool> {
public:
    AsyncPool(boost::asio::any_io_executor executor, std::shared_ptr<Connections> connections,
              std::shared_ptr<AsyncFigures> figures);
    ~AsyncPool();

    const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
    /// To a wire, or into the tenant's queue while none has room. An error: nothing was taken.
    [[nodiscard]] std::optional<Error> submit(Operation& operation, Tenant& tenant, TimePoint now) {
        if (only_ != nullptr && only_->in_flight() < easy_depth_ && operation.demand() == Demand::shared &&
            !only_->is_congested() && (window_bytes_ == 0 || only_->bytes_in_flight() < window_bytes_)) [[likely]] {
            if (!only_->submit(operation, now)) [[likely]]
                return std::nullopt;
        }
        return submit_anywhere(operation, tenant, now);
    }
    /// Forgets an operation that was submitted and not ended.
    Multiplexer::Cancelled cancel(Operation& operation, Tenant& tenant);
    bool is_unwritten(const Operation& operation) const noexcept;
    /// It is closed when this is.
    void adopt(const std::shared_ptr<Listener>& listener);
    /// Takes no more operations. Those that wait or are under way go on.
    void stop_intake(const Error& error);
    /// The connections lead to another node now: fails what is under way at the old one; who waits goes on waiting.
    void leave_node(const Error& error);
    /// To which its wires lead. Another one than the connections' from their move until this side has followed, so that
    /// what is answered in between is put down to the node that answered.
    Node& node() const noexcept { return *node_; }
    /// Timers of calls that pause between two attempts: they are cancelled when the node is another one.
    void begin_pause(boost::asio::steady_timer& timer) {
        if (!pauses_) pauses_ = std::make_unique<Pauses>();
        pauses_->insert(&timer);
    }
    void end_pause(boost::asio::steady_timer& timer) noexcept { pauses_->erase(&timer); }
    /// An operation is under way, or waits.
    bool is_busy() const noexcept;
    /// The loop will never run again: forgets all operations without telling anybody, and gives them to whoever destroys
    /// them.
    void abandon(std::vector<Operation*>& into, const Error& error);
    /// Fails all, with what `close` means for each of them.
    void close(const Error& error);

    /// It takes no more.
    bool closed() const noexcept { return refusing_ != nullptr; }
    /// Closes wires that were idle or lived for too long, and gives memory of idle ones back.
    void tidy(TimePoint now);
    std::size_t wires() const noexcept { return wires_.size(); }
    std::size_t waiting() const noexcept { return queue_.size(); }
    /// See AsyncWire::now.
    TimePoint now() const noexcept {
        if (only_ != nullptr) return only_->now();
        return wires_.empty() ? Clock::now() : wires_.front().wire->now();
    }

private:
    struct Wire {
        std::shared_ptr<connection::AsyncWire> wire;
        TimePoint expires;
        Node* node;
        bool extra = false;
        WirePicker::Accepts accepts = WirePicker::Accepts::all;
    };
    using Place = std::vector<Wire>::iterator;

    void on_wire_lost(connection::AsyncWire& wire, const Error& error) override;
    void on_wire_turn(connection::AsyncWire& wire) override;
    void on_wire_idle(connection::AsyncWire& wire) override;

    std::optional<Error> submit_anywhere(Operation& operation, Tenant& tenant, TimePoint now);
    std::optional<Error> wait(Operation& operation, Tenant& tenant, bool passed, TimePoint now);
    /// To the wire that is to have it; false: none has room.
    bool place(Operation& operation, TimePoint now);
    void go_on(TimePoint now);
    void serve_later();
    bool any_room() const noexcept;
    bool has_room(const connection::AsyncWire& wire) const noexcept;
    WirePicker::Wire seen(const Wire& wire) const noexcept;
    std::optional<Error> submit_to_own(Operation& operation, TimePoint now);
    bool goes_to_own(Operation& operation, bool queued);
    void serve(TimePoint now);
    void fail_waiting(const Error& error, FailureSource source);
    void expire_waiting(TimePoint now);
    void expire_at(TimePoint deadline);
    void arm_timer(TimePoint at);
    void on_timer();

    void grow_if_crowded(TimePoint now);
    void depart(const Error& error);
    void begin_dial(bool extra);
    boost::asio::awaitable<void> dial(std::shared_ptr<AsyncPool> self, bool extra);
    void adopt(Connection connection, bool extra);
    void begin_picking();
    Place find(const connection::AsyncWire& wire) noexcept;
    void remove(Place place);
    void close_wire(Place place);
    void retire(Place place);
    void refresh();
    void publish() noexcept;

    // The fast path reads these.
    connection::AsyncWire* only_ = nullptr;  // the one wire, when there is no other and nobody waits
    std::size_t easy_depth_;                 // below it nothing has to be decided
    std::size_t window_bytes_;

    boost::asio::any_io_executor executor_;
    std::shared_ptr<Connections> connections_;
    Node* node_;
    std::shared_ptr<AsyncFigures> figures_;
    std::size_t window_operations_;
    std::vector<Wire> wires_;
    std::unique_ptr<WirePicker> picker_;  // while there are several wires
    FairQueue queue_;
    std::shared_ptr<OwnWires> own_;  // made for the first operation that wants a connection of its own
    std::vector<std::weak_ptr<Listener>> listeners_;
    using Pauses = std::unordered_set<boost::asio::steady_timer*>;
    std::unique_ptr<Pauses> pauses_;                  // made for the first: seldom
    std::optional<boost::asio::steady_timer> timer_;  // none once the loop is gone
    TimePoint timer_at_ = TimePoint::max();
    TimePoint expires_at_ = TimePoint::max();   // nobody's deadline is before this
    TimePoint next_growth_ = TimePoint::min();  // not before, after a failed opening
    bool dialing_ = false;
    bool serves_later_ = false;
    bool patient_ = true;  // small calls wait for the wire that is being opened, if the only one carries a large one
    bool closed_ = false;
    std::unique_ptr<const Error> refusing_;
    std::shared_ptr<boost::asio::cancellation_signal> stop_dial_;  // of the dial under way, which keeps it
};

}  // namespace redoubt::pool
