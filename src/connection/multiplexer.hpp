// connection: the pure machine of one shared wire: bytes out, replies in, in order. No socket, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <redoubt/base/config.hpp>
#include <redoubt/connection/operation.hpp>

#include "connection/byte_buffer.hpp"
#include "resp/scanner.hpp"

namespace redoubt {

/// Operations are encoded into the pending output when they are submitted and answered in that order. The
/// driver takes the pending output to its socket, tells how much the socket took, and brings what it read.
///
/// Not synchronised. Callbacks run inside `process`, `expire`, `cancel` and `fail_all`; they may submit and
/// cancel, but must not destroy the machine. `read_space`/`commit_read` touch only the input buffer, so a driver
/// may read while another thread submits, when `process` and the rest are under its lock.
class Multiplexer {
public:
    struct Limits {
        std::size_t max_commands = 1'000'000;        ///< submitted and unanswered, tombstones included
        std::size_t max_pending_bytes = 256u << 20;  ///< not handed to the socket
        std::size_t window = 0;  ///< of a large operation whose bytes are lent: commands on their way at once; 0: all
    };

    /// `borrow_from`: an operation that keeps so many bytes ready has them handed out from where they are instead of
    /// being copied. Only for a driver that calls nothing else between `output` and `written`.
    Multiplexer(const ReplyLimits& reply_limits, const Limits& limits, std::size_t borrow_from = never);
    static constexpr std::size_t never = static_cast<std::size_t>(-1);
    Multiplexer(const Multiplexer&) = delete;
    Multiplexer& operator=(const Multiplexer&) = delete;

    // Output ------------------------------------------------------------------------------------------------
    /// Encodes the operation behind all others; its attempt begins now. False when a queue is full: nothing was taken.
    [[nodiscard]] bool submit(Operation& operation, TimePoint now);
    bool has_output() const noexcept {
        if (borrowed_) [[unlikely]]
            return !writing_.empty() || borrowed_->open != 0;
        return !writing_.empty() || !pending_.empty();
    }
    /// What to write next: what the socket has not taken yet of the last hand-out, else all that is pending.
    /// From here on these commands count as written.
    std::string_view output();
    /// The socket took this much of `output()`; 0 when it took none. Between the two calls any of it may have
    /// been taken, and errors say so.
    void written(std::size_t bytes) noexcept;

    // Input -------------------------------------------------------------------------------------------------
    /// Where to read to: at least one byte, more when more came at once lately or a large reply is under way.
    std::span<char> read_space();
    void commit_read(std::size_t bytes) noexcept;

    enum class Progress : std::uint8_t {
        drained,  ///< all that came is delivered
        more,     ///< stopped after `max_replies`; call again
        fault,    ///< the peer broke the protocol: see `fault()`; close the wire
    };
    /// Delivers replies, at most `max_replies`, so that a driver can write in between.
    Progress process(std::size_t max_replies);
    std::string_view fault() const noexcept { return fault_; }
    /// The fault is a reply past the limits of the configuration, not the peer's; whose reply it was has been told.
    bool is_over_limit() const noexcept { return over_limit_; }

    // Giving up ---------------------------------------------------------------------------------------------
    enum class Cancelled : std::uint8_t {
        unwritten,  ///< it left the queue: `not_sent`
        tombstone,  ///< it was written: its replies will be swallowed
    };
    /// Forgets the operation, which must be in the queue; calls nothing back.
    Cancelled cancel(Operation& operation);
    /// True while not a byte of it was handed to the socket.
    bool is_unwritten(const Operation& operation) const noexcept;

    /// No operation's time ends before this; max() when none is waiting.
    TimePoint earliest_deadline() const noexcept { return earliest_; }
    /// Fails every operation whose attempt deadline has come. Returns how many.
    std::size_t expire(TimePoint now);

    /// The wire is gone: fails all, each with its own certainty and stage, the rest of the error as given.
    void fail_all(const Error& error);

    /// Forgets all without calling anything back; they are added to `into`.
    void forget_all(std::vector<Operation*>& into);

    // Figures -----------------------------------------------------------------------------------------------
    std::size_t in_flight() const noexcept { return static_cast<std::size_t>(tail_ - head_); }
    /// Submitted so far, those that were cancelled unwritten taken off again; and of them, answered.
    std::uint64_t submitted() const noexcept { return tail_; }
    std::uint64_t completed() const noexcept { return head_; }
    /// Of all that is in flight.
    std::size_t bytes_in_flight() const noexcept {
        if (head_ == tail_) return 0;
        return static_cast<std::size_t>(end_of_stream() - (at(head_).end - at(head_).size));
    }
    /// It is in flight here.
    bool holds(const Operation& operation) const noexcept {
        return operation.ticket_ - head_ < tail_ - head_ && at(operation.ticket_).operation == &operation;
    }
    /// Visits `(submitted, operation)` for all in flight, oldest first: what `submitted()` was when it came, and
    /// nullptr for a tombstone.
    template <class Visit>
    void for_each_in_flight(Visit&& visit) const {
        for (std::uint64_t ticket = head_; ticket != tail_; ++ticket) visit(ticket + 1, at(ticket).operation);
    }
    bool idle() const noexcept { return head_ == tail_ && !has_output() && input_.empty(); }
    /// The reply under way is long, and most of it has not come.
    bool awaits_large_reply() const noexcept { return head_ < large_until_ || wanted_ > input_.size() + large_reply; }
    /// What was submitted last is expected to be large, itself or its reply.
    void expect_large() noexcept { large_until_ = tail_; }
    static constexpr std::size_t large_reply = 128 * 1024;
    /// Gives back the buffers of an idle wire.
    void release_memory() noexcept;
    /// The oldest operation that somebody waits for, or nullptr.
    Operation* oldest() const noexcept;

private:
    struct Entry {
        Operation* operation = nullptr;  // nullptr: a tombstone
        std::uint64_t end = 0;           // position in the stream just past its bytes
        std::size_t size = 0;            // of its bytes
        std::uint32_t replies_left = 0;
    };

    Entry& at(std::uint64_t ticket) noexcept { return ring_[ticket & mask_]; }
    const Entry& at(std::uint64_t ticket) const noexcept { return ring_[ticket & mask_]; }
    void grow_ring();
    template <bool lent>
    Progress deliver(std::size_t max_replies);
    Progress fail_scan();
    bool begin_long_string(std::string_view bytes);
    bool take_long_string();
    void remove_unwritten(std::uint64_t ticket);
    /// Bytes of an operation that are handed out from where it keeps them: behind `writing_`, before `pending_`.
    struct Borrowed {
        const Operation* from;
        std::string_view left;  // not taken by the socket
        bool handed;
        std::size_t open;      // of `left`, what may be handed out
        std::size_t commands;  // of the operation, up to there
    };
    /// Opens as much of it as the window allows with so many replies to come.
    void open_window(std::uint32_t replies_left) noexcept;
    std::uint64_t end_of_stream() const noexcept { return pending_at_ + pending_.size(); }
    bool borrow(const Operation& operation, std::string_view bytes);
    void keep_borrowed(const Operation& operation);
    Certainty certainty_of(const Entry& entry) const noexcept;

    Limits limits_;
    std::size_t borrow_from_;
    resp::ReplyScanner scanner_;

    std::vector<Entry> ring_;        // size a power of two
    std::uint64_t mask_ = 0;         // size - 1
    std::uint64_t room_ = 0;         // size
    std::uint64_t head_ = 0;         // ticket of the oldest
    std::uint64_t tail_ = 0;         // ticket of the next to come
    std::uint64_t large_until_ = 0;  // something large has a ticket below this
    TimePoint earliest_ = TimePoint::max();

    connection::ByteBuffer writing_;  // handed out, not yet taken by the socket
    std::unique_ptr<Borrowed> borrowed_;
    connection::ByteBuffer pending_;  // whole commands not handed out
    std::uint64_t taken_ = 0;         // stream position up to which the socket took bytes
    std::uint64_t maybe_taken_ = 0;   // the same, while a write is under way: all of it
    std::uint64_t pending_at_ = 0;  // stream position at which pending_ starts: behind what was handed out and borrowed
    std::uint64_t handed_ = 0;      // stream position up to which bytes were handed out

    connection::ByteBuffer input_;
    std::size_t read_size_ = 0;
    std::size_t wanted_ = 0;  // bytes that the frame under way needs in the buffer
    bool over_limit_ = false;
    bool in_long_string_ = false;         // wanted_ counts what is still to come of it, with CR LF
    std::string* long_string_ = nullptr;  // nullptr: nobody waits for it any more
    std::size_t long_size_ = 0;
    bool stalled_ = true;  // what is in input_ is an incomplete frame
    std::string_view fault_;
};

}  // namespace redoubt
