// connection: drives one wire by the threads that wait on it: whoever waits may become the leader and read for
// all (leader/follower), so that no thread has to be woken only to do I/O.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <poll.h>

#include <redoubt/connection/operation.hpp>

#include "connection/multiplexer.hpp"
#include "connection/operation_queue.hpp"
#include "connection/transport.hpp"
#include "connection/waiter.hpp"
#include "connection/wire_settings.hpp"

namespace redoubt::connection {

class BlockingWire;

/// An operation whose caller waits for it in `BlockingWire::run`.
class BlockingOperation : public Operation {
public:
    void on_complete() final;
    void on_failure(const Error& error, FailureSource source) final;
    /// After `run`: why it failed, or nullopt when all its replies were delivered.
    const std::optional<Error>& error() const noexcept { return error_; }
    FailureSource failure_source() const noexcept { return source_; }

protected:
    BlockingOperation() = default;
    ~BlockingOperation() override = default;

private:
    friend class BlockingWire;
    void begin(BlockingWire& wire, Waiter& waiter, TimePoint now);

    std::optional<Error> error_;
    FailureSource source_ = FailureSource::operation;
    TimePoint begun_;
    TimePoint deadline_;    // of the attempt, its time in the line included
    bool in_line_ = false;  // it waits for room in the wire's queue
    bool refused_ = false;  // the wire ended before there was room
    BlockingWire* wire_ = nullptr;
    Waiter* waiter_ = nullptr;
};

/// Any thread may call `run`; commands are sent in the order in which they come to hold the lock, and one
/// thread's calls never overtake each other.
class BlockingWire {
public:
    BlockingWire(Transport transport, const WireSettings& settings);
    ~BlockingWire();
    BlockingWire(const BlockingWire&) = delete;
    BlockingWire& operator=(const BlockingWire&) = delete;

    /// Sends the operation and returns when it is answered, has failed, or its attempt deadline has come. While the
    /// wire's queue is full the caller waits in line, first come, first served.
    /// False: the wire is closed, or its peer left while it was idle, or it ended while the operation stood in line;
    /// not a byte of it was sent, and it may go to another wire at once.
    [[nodiscard]] bool run(BlockingOperation& operation, TimePoint now);
    /// Fails all that is in flight; their callers return.
    void close(const Error& error);

    bool is_open() const;
    std::size_t in_flight() const;
    std::size_t bytes_in_flight() const;
    /// Callers in line for room in the queue.
    std::size_t waiting() const;
    TimePoint last_used() const;
    /// A hint, without a lock: a large reply is under way, so small calls had better go elsewhere.
    bool is_congested() const noexcept { return congested_.load(std::memory_order_relaxed); }
    /// A hint, without a lock: how many commands are unanswered.
    std::size_t load() const noexcept { return load_.load(std::memory_order_relaxed); }
    /// Why it was lost under load; nullopt while it is open, and when it was closed on purpose or while idle.
    /// Told once, so that one lost wire is counted once.
    std::optional<Error> take_loss();
    /// The connection back, when the wire is open and idle; the wire is closed afterwards.
    std::optional<Transport> detach();

private:
    friend class BlockingOperation;
    using Lock = std::unique_lock<std::mutex>;

    bool usable(TimePoint now);
    void admit();
    void write_out(Lock& lock, const Waiter& waiter);
    void gather(Lock& lock);
    void flush(Lock& lock, const Waiter& waiter);
    void lead(Lock& lock, BlockingOperation& operation);
    void read_once(Lock& lock, const Waiter& leader, TimePoint until);
    bool spin(std::span<pollfd> watched, TimePoint until) const;
    void give_up(BlockingOperation& operation);
    void pass_leadership();
    void finish(Waiter& waiter);
    void lose(const Error& error);
    void shut();
    void wake_leader() noexcept;
    void wake_finished(Lock& lock);

    // Output that is pending is always somebody's to write: of the thread that is writing, of the leader once the
    // socket takes more (blocked_), of the leader before it sleeps (leader_comes_by_, or it is just being named), or
    // of the thread that has just appended.
    mutable std::mutex mutex_;
    Transport transport_;
    WireSettings settings_;
    Multiplexer multiplexer_;
    OperationQueue line_;  // for which the queue has no room yet
    Seats seats_;
    std::vector<Seats::Seat> finished_;  // to be woken when the lock is given up
    std::optional<Error> loss_;
    TimePoint last_progress_;
    int wake_fd_;               // makes the leader look up from its poll
    std::size_t expected_ = 0;  // threads that were woken and have not called since
    std::atomic<bool> congested_{false};
    std::atomic<std::size_t> load_{0};
    std::size_t crowd_ = 0;  // the most that waited lately, in fractions
    bool open_ = true;
    bool led_ = false;              // some thread reads, or was just told to
    bool leader_comes_by_ = false;  // it is awake, and will look for output before it sleeps
    bool writing_ = false;          // some thread writes
    bool blocked_ = false;          // the socket takes no more: the leader waits for it
};

}  // namespace redoubt::connection
