// pool: the pure accounts of one pool: who may open a connection, and whose turn it is. No clock, no lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace redoubt::pool {

/// At most `capacity` connections. Two of them are never leased: they are for the first wires that ordinary commands
/// share (one for blocking callers, one for async ones). Further shared wires (`extra`) compete with leases, and never
/// take more than half of what those may have. Waiting is first come, first served, and bounded in number; the queue
/// itself is the user's.
class Ledger {
public:
    static constexpr std::size_t kept_for_shared = 2;

    Ledger(std::size_t capacity, std::size_t max_waiting) noexcept
        : capacity_(count(capacity)), max_waiting_(count(max_waiting)) {}

    enum class Grant : std::uint8_t {
        idle,    ///< take one that rests
        open,    ///< open a new one; then `opened` or `open_failed`
        wait,    ///< behind all others who wait, until `next` serves it or it leaves
        refuse,  ///< too many wait
    };
    /// Somebody wants a connection of its own.
    Grant request() noexcept;
    /// The same, but it will not wait: never `wait`.
    Grant request_now() noexcept;
    /// One who waits does not wait any longer.
    void leave() noexcept { --waiting_; }
    /// What the first in the queue is granted now, `idle` or `open`; it has left the queue. nullopt: nothing yet.
    std::optional<Grant> next() noexcept;

    void reopen() noexcept;       ///< the one granted `idle` turned out closed: open another in its place
    void opened() noexcept;       ///< the leased one that was granted `open` is there
    void open_failed() noexcept;  ///< it could not be opened
    void returned() noexcept;     ///< a leased one rests now
    void lost() noexcept;         ///< a leased one was closed

    /// Connections opened in advance, to rest: false when the capacity does not allow another.
    bool begin_spare() noexcept;
    /// False: another connection has taken its place meanwhile; close it.
    bool spare_opened() noexcept;
    void spare_failed() noexcept;
    void idle_closed() noexcept;  ///< one that rested was closed

    /// A place is kept; then `shared_opened` (with a resting one too) or `shared_failed`. False, for an extra one only:
    /// there is no place.
    bool begin_shared(bool extra) noexcept;
    void shared_opened() noexcept;
    void shared_failed(bool extra) noexcept;
    void shared_lost(bool extra) noexcept;

    std::size_t created() const noexcept { return idle_ + leased_ + shared_; }
    std::size_t idle() const noexcept { return idle_; }
    std::size_t leased() const noexcept { return leased_; }
    std::size_t shared() const noexcept { return shared_; }
    std::size_t opening() const noexcept { return opening_ + opening_spare_ + opening_shared_; }
    std::size_t waiting() const noexcept { return waiting_; }

private:
    std::size_t leasable() const noexcept { return capacity_ - kept_for_shared; }
    Grant grant() noexcept;
    bool may_lease() const noexcept { return leased_ + opening_ + extra_ < leasable(); }

    // No process has more connections, or callers, than this counts.
    static std::uint32_t count(std::size_t wanted) noexcept {
        return static_cast<std::uint32_t>(std::min<std::size_t>(wanted, UINT32_MAX));
    }

    std::uint32_t capacity_;
    std::uint32_t max_waiting_;
    std::uint32_t idle_ = 0;
    std::uint32_t leased_ = 0;
    std::uint32_t shared_ = 0;
    std::uint32_t extra_ = 0;  // shared ones beyond the first of each side, being opened or open
    std::uint32_t opening_ = 0;
    std::uint32_t opening_spare_ = 0;
    std::uint32_t opening_shared_ = 0;
    std::uint32_t waiting_ = 0;
};

}  // namespace redoubt::pool
