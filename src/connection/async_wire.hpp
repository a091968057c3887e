// connection: drives one wire on an Asio executor.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/connection/operation.hpp>

#include "connection/multiplexer.hpp"
#include "connection/transport.hpp"
#include "connection/wire_settings.hpp"

namespace redoubt::connection {

/// A multiplexed connection whose work is done by the executor's thread; every member function must be called
/// there. Commands that gather while the loop turns go out in one write; with many in flight some go out in the
/// middle of a turn, so that the server works while we parse.
class AsyncWire : public std::enable_shared_from_this<AsyncWire> {
public:
    /// Whoever owns the wire; told once when it is lost. Must outlive it or `detach`.
    class Owner {
    public:
        virtual void on_wire_lost(AsyncWire& wire, const Error& error) = 0;
        /// At the end of a turn that left nothing unanswered or unwritten on it. It may close or detach the wire.
        virtual void on_wire_idle(AsyncWire&) {}
        /// Some replies were delivered, or something was written: it may have room again. It may be given more.
        virtual void on_wire_turn(AsyncWire&) {}
        /// The time of some operations on it is over. It may close the wire.
        virtual void on_operations_expired(AsyncWire&) {}

    protected:
        ~Owner() = default;
    };

    AsyncWire(boost::asio::any_io_executor executor, Transport transport, const WireSettings& settings, Owner& owner);
    ~AsyncWire();
    AsyncWire(const AsyncWire&) = delete;
    AsyncWire& operator=(const AsyncWire&) = delete;

    /// Begins to read.
    void start();
    /// Queues the operation. An error: nothing was taken, and nothing is called back.
    [[nodiscard]] std::optional<Error> submit(Operation& operation, TimePoint now) {
        if (!open_) [[unlikely]]
            return wire_closed_error();
        if (multiplexer_.in_flight() == 0) last_progress_ = now;
        if (!multiplexer_.submit(operation, now)) [[unlikely]]
            return queue_full_error();
        // What is submitted while replies are delivered goes out, and is watched, at the end of the turn.
        if (!in_turn_) begin_turn();
        return std::nullopt;
    }
    /// See Multiplexer::cancel.
    Multiplexer::Cancelled cancel(Operation& operation);
    bool is_unwritten(const Operation& operation) const noexcept { return multiplexer_.is_unwritten(operation); }
    /// Fails all that is in flight and closes. The owner is not told.
    void close(const Error& error);
    /// The loop will never run again: forgets all that is in flight. See Multiplexer::forget_all.
    void abandon(std::vector<Operation*>& into) { multiplexer_.forget_all(into); }
    /// An idle, healthy connection back, to be kept for later; the wire is closed afterwards.
    Transport detach();

    /// Small calls had better go elsewhere: a large reply is under way, or the socket takes no more for now.
    bool is_congested() const noexcept { return waiting_writable_ || multiplexer_.awaits_large_reply(); }
    bool is_open() const noexcept { return open_; }
    /// See Transport: nothing has come that was not read, not even the other end's farewell.
    bool is_quiet() const noexcept { return transport_.is_quiet(); }
    std::size_t in_flight() const noexcept { return multiplexer_.in_flight(); }
    /// See Multiplexer.
    std::uint64_t submitted() const noexcept { return multiplexer_.submitted(); }
    std::uint64_t completed() const noexcept { return multiplexer_.completed(); }
    std::size_t bytes_in_flight() const noexcept { return multiplexer_.bytes_in_flight(); }
    bool holds(const Operation& operation) const noexcept { return multiplexer_.holds(operation); }
    template <class Visit>
    void for_each_in_flight(Visit&& visit) const {
        multiplexer_.for_each_in_flight(std::forward<Visit>(visit));
    }
    /// See Multiplexer.
    void expect_large() noexcept { multiplexer_.expect_large(); }
    /// Gives back the buffers, if nothing is under way.
    void release_memory() noexcept { multiplexer_.release_memory(); }
    TimePoint last_used() const noexcept { return last_progress_; }
    /// The time of the current turn while the wire delivers replies, else a fresh reading.
    TimePoint now() const noexcept { return in_turn_ ? turn_time_ : Clock::now(); }

private:
    void wait_readable();
    void on_readable();
    void turn_again() noexcept;
    void turn_later(Duration pause);
    void wait_writable();
    void begin_turn();
    void flush_later();
    void flush();
    void read_all();
    bool deliver();
    void arm_timer();
    void on_timer();
    void lose(const Error& error);
    void release_descriptor() noexcept;

    boost::asio::posix::stream_descriptor descriptor_;  // watches the transport's descriptor, borrows it
    boost::asio::steady_timer timer_;
    std::unique_ptr<boost::asio::steady_timer> pace_;  // of a project with limits, once a large reply came
    Transport transport_;
    WireSettings settings_;
    Owner& owner_;
    Multiplexer multiplexer_;
    TimePoint last_progress_;
    TimePoint turn_time_;
    TimePoint timer_at_ = TimePoint::max();
    bool open_ = true;
    bool in_turn_ = false;
    TimePoint look_until_ = TimePoint::min();  // busy poll: until then look again instead of waiting to be told
    std::size_t replies_left_ = 0;             // of this turn's share
    bool exhausted_ = false;  // the turn ended with its share of reads or replies, and more may be there
    bool turn_posted_ = false;
    bool waiting_readable_ = false;
    bool flush_posted_ = false;
    bool waiting_writable_ = false;
};

}  // namespace redoubt::connection
