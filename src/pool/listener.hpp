// pool: a connection of its own that listens for published messages, on the executor of its pool, made again whenever it
// is lost; and those who wait for what comes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/base/result.hpp>

#include "connection/subscription.hpp"
#include "pool/connections.hpp"

namespace redoubt::pool {

/// Thread-safe: what callers do is under its mutex; the socket belongs to the executor's thread.
class Listener final : public std::enable_shared_from_this<Listener> {
public:
    /// Pauses between two attempts to connect: full jitter over `base * 2^n`, at most `most`.
    struct Backoff {
        Duration base;
        Duration most;
    };
    Listener(boost::asio::any_io_executor executor, std::shared_ptr<Connections> connections,
             const connection::SubscriptionSettings& settings, const Backoff& backoff);
    ~Listener();

    using Names = std::vector<std::pair<Subscribed, std::string>>;
    /// One who waits; called once, from any thread, without the lock.
    class Waiting {
    public:
        virtual ~Waiting() = default;
        /// Something that it waits for may be there: it looks again.
        virtual void wake() = 0;
    };

    /// Registers the names; `standing` says how they fare.
    void add(const Names& names);
    void remove(const Names& names);
    /// nullopt: not decided yet. An empty pointer: all stand. Else why not.
    using Outcome = std::optional<std::unique_ptr<Error>>;
    Outcome standing(const Names& names);
    /// What came next; nullopt: nothing yet. An error: it is closed.
    result<std::optional<SubscriptionEvent>> next();
    /// `next` has something to say.
    bool has_next() const;
    std::uint64_t dropped() const;

    /// Blocks until `look` returns true; false: the deadline came first. `look` is called without the lock.
    bool wait_until(TimePoint deadline, const std::function<bool()>& look);
    /// `waiting.wake()` is called when something changes, once. Dropped when the listener closes, after a last wake.
    void when_changed(std::shared_ptr<Waiting> waiting);
    /// It waits no longer; it may just be being woken.
    void forget(const Waiting& waiting);

    /// Ends it; those who wait are told. The socket is closed on the executor, or when this is destroyed.
    void close(const Error& why);
    /// The same, at once; on the executor.
    void close_here(const Error& why);
    /// The connections lead to another node now, and so will its own; on the executor.
    void leave_node(const Error& error);
    /// The same while the loop is being destroyed.
    void abandon(const Error& why);
    /// Why it last failed to connect, for a time-out's cause.
    std::optional<Error> last_failure() const;

private:
    using Lock = std::unique_lock<std::mutex>;

    void kick();
    void go_on();
    boost::asio::awaitable<void> dial(std::shared_ptr<Listener> self);
    void adopt(Connection connection);
    void wait_readable();
    void on_readable();
    void flush();
    void arm_timer(TimePoint at);
    void on_timer();
    void lose(const Error& error);
    void try_again_later(const Error& error);
    void end_if_unwanted();
    void close_transport() noexcept;
    void stop_dialing();
    void shut() noexcept;
    void changed(Lock lock);

    boost::asio::any_io_executor executor_;
    std::shared_ptr<Connections> connections_;
    Backoff backoff_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t change_ = 0;  // how many there were
    connection::Subscription subscription_;
    std::vector<std::shared_ptr<Waiting>> waiting_;
    std::optional<Error> closed_;
    std::optional<Error> last_failure_;
    bool kicked_ = false;

    // Of the executor's thread.
    connection::Transport transport_;
    Node* node_ = nullptr;                                             // to which it leads
    std::optional<boost::asio::posix::stream_descriptor> descriptor_;  // watches the transport's, borrows it
    std::optional<boost::asio::steady_timer> timer_;
    TimePoint timer_at_ = TimePoint::max();
    TimePoint connect_at_ = TimePoint::min();
    unsigned failures_ = 0;
    std::minstd_rand random_;
    bool dialing_ = false;
    std::shared_ptr<boost::asio::cancellation_signal> stop_dial_;  // of the dial under way, which keeps it
    bool waiting_readable_ = false;
    bool waiting_writable_ = false;
};

}  // namespace redoubt::pool
