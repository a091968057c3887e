// pool: the pure accounts of one pool: who may open a connection, who waits, in which order. No clock, no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace redoubt::pool {

/// At most `capacity` connections. Two of them are never leased: they are for the wires that ordinary commands
/// share (one for blocking callers, one for async ones). Waiting is first come, first served, and bounded in number.
class Ledger {
public:
    using Ticket = std::uint64_t;
    static constexpr std::size_t kept_for_shared = 2;

    Ledger(std::size_t capacity, std::size_t max_waiting) noexcept : capacity_(capacity), max_waiting_(max_waiting) {}

    enum class Grant : std::uint8_t {
        idle,    ///< take one that rests
        open,    ///< open a new one; then `opened` or `open_failed`
        wait,    ///< in the queue with this ticket, until `next` names it or it leaves
        refuse,  ///< the queue is full
    };
    /// Somebody wants a connection of its own.
    Grant request(Ticket ticket);
    /// Its turn has not come, and it does not wait any longer.
    void leave(Ticket ticket) noexcept;
    /// Who is next, if it can be served now; it is out of the queue and has been granted `idle` or `open`.
    struct Turn {
        Ticket ticket = 0;
        Grant grant = Grant::idle;
        friend bool operator==(const Turn&, const Turn&) = default;
    };
    std::optional<Turn> next();

    void reopen() noexcept;       ///< the one granted `idle` turned out closed: open another in its place
    void opened() noexcept;       ///< the leased one that was granted `open` is there
    void open_failed() noexcept;  ///< it could not be opened
    void returned() noexcept;     ///< a leased one rests now
    void lost() noexcept;         ///< a leased one was closed

    /// Connections opened in advance, to rest: false when the capacity does not allow another.
    bool begin_spare() noexcept;
    /// False: a shared wire has taken its place meanwhile; close it.
    bool spare_opened() noexcept;
    void spare_failed() noexcept;
    void idle_closed() noexcept;  ///< one that rested was closed

    void
    begin_shared() noexcept;  ///< a place is kept; then `shared_opened` (with a resting one too) or `shared_failed`
    void shared_opened() noexcept;
    void shared_failed() noexcept;
    void shared_lost() noexcept;

    std::size_t created() const noexcept { return idle_ + leased_ + shared_; }
    std::size_t idle() const noexcept { return idle_; }
    std::size_t leased() const noexcept { return leased_; }
    std::size_t shared() const noexcept { return shared_; }
    std::size_t opening() const noexcept { return opening_ + opening_spare_ + opening_shared_; }
    std::size_t waiting() const noexcept { return queue_.size(); }

private:
    std::size_t leasable() const noexcept { return capacity_ - kept_for_shared; }
    Grant grant() noexcept;
    bool may_lease() const noexcept { return leased_ + opening_ < leasable(); }

    std::size_t capacity_;
    std::size_t max_waiting_;
    std::size_t idle_ = 0;
    std::size_t leased_ = 0;
    std::size_t shared_ = 0;
    std::size_t opening_ = 0;
    std::size_t opening_spare_ = 0;
    std::size_t opening_shared_ = 0;
    std::deque<Ticket> queue_;
};

}  // namespace redoubt::pool
