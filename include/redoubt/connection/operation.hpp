// connection: what a wire carries: some commands sent as one piece, and whoever waits for their replies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>

namespace redoubt {

namespace pool {
class Hold;
}

/// Whose failure an operation ends with: its own, or that of the wire that carried it, which is counted once by
/// the wire's owner however many operations were lost with it.
enum class FailureSource : std::uint8_t { operation, wire };

/// What an operation asks of the connection that carries it.
enum class Demand : std::uint8_t {
    shared,     ///< any wire
    bulk,       ///< large: a wire of its own while it lasts, where one can be had, so that small ones need not wait
    exclusive,  ///< it blocks at the server: a wire of its own, for which it waits
};

/// A connection that is kept from one operation to another, because the server remembers something of it (WATCH).
struct HoldUse {
    pool::Hold* hold = nullptr;  ///< nullptr: the operation uses none
    bool begins = false;         ///< it is the first, so any connection will do; else only the one that is kept
};

/// One submission to a wire. The wire calls it back from the thread that drives the wire: `on_reply` for
/// each of its `replies` in order, then `on_complete`; or `on_failure` once, after which the wire has
/// forgotten it. It may be submitted again afterwards: a retry encodes again.
class Operation {
public:
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    /// The commands' bytes, where they are at hand already. Else, of no data: `encode` writes them.
    std::string_view encoded() const noexcept { return encoded_; }
    /// An upper bound of what `encode` writes.
    virtual std::size_t encoded_bound() const noexcept { return encoded_.size(); }
    /// Writes the commands' bytes and returns the end.
    virtual char* encode(char* out) const noexcept { return out + encoded_.copy(out, encoded_.size()); }
    /// One complete frame; it is valid during the call only. False: the reply breaks isolation, so the wire
    /// must be closed.
    [[nodiscard]] virtual bool on_reply(std::string_view frame) = 0;
    /// The next reply is a string of `size` bytes, which is long: where to append it as it comes, instead of gathering it
    /// for `on_reply`. nullptr: as ever. It may end half-way, when the wire is lost or the operation is given up.
    virtual std::string* begin_long_string(std::size_t /*size*/) { return nullptr; }
    /// All of it was appended; this takes the place of `on_reply`.
    virtual void end_long_string(std::size_t /*size*/) {}
    virtual void on_complete() = 0;
    virtual void on_failure(const Error& error, FailureSource source) = 0;

    /// Operations of one key keep the order in which they were submitted, whichever wires carry them. Empty: no key.
    virtual std::string_view ordering_key() const noexcept { return {}; }

    /// Asked of exclusive ones only.
    virtual HoldUse hold() noexcept { return {}; }

    /// How many replies answer it; at least 1.
    std::uint32_t replies() const noexcept { return replies_; }
    /// When nobody waits for it any more, wherever it is.
    TimePoint call_deadline() const noexcept { return call_deadline_; }
    /// When the wire gives up on it; set when a wire takes it.
    TimePoint attempt_deadline() const noexcept { return attempt_deadline_; }
    /// How long one attempt may last; for a command that blocks, its block time included.
    Duration attempt_timeout() const noexcept { return attempt_timeout_; }
    Demand demand() const noexcept { return demand_; }
    /// What its project's rate was charged beyond its commands, in commands, because its reply is known to be large.
    std::uint16_t foreseen() const noexcept { return foreseen_; }
    void set_foreseen(std::uint16_t commands) noexcept { foreseen_ = commands; }

protected:
    Operation() = default;
    virtual ~Operation() = default;

    void set_encoded(std::string_view bytes) noexcept { encoded_ = bytes; }
    void set_replies(std::uint32_t replies) noexcept { replies_ = replies; }
    /// Several commands of which the server executes none before it has the last (MULTI .. EXEC).
    void set_atomic(bool atomic) noexcept { atomic_ = atomic; }
    void set_demand(Demand demand) noexcept { demand_ = demand; }
    void set_timing(TimePoint call_deadline, Duration attempt_timeout) noexcept {
        call_deadline_ = call_deadline;
        attempt_timeout_ = attempt_timeout;
    }

private:
    friend class Multiplexer;
    friend class OperationQueue;
    void begin_attempt(TimePoint now) noexcept {
        const TimePoint end = now + attempt_timeout_;
        attempt_deadline_ = end < call_deadline_ ? end : call_deadline_;
    }

    std::string_view encoded_;
    std::uint32_t replies_ = 1;
    bool atomic_ = false;
    Demand demand_ = Demand::shared;
    std::uint16_t foreseen_ = 0;
    TimePoint call_deadline_ = TimePoint::max();
    Duration attempt_timeout_ = Duration::zero();
    TimePoint attempt_deadline_ = TimePoint::max();
    std::uint64_t ticket_ = 0;   // its place in the multiplexer's queue
    Operation* next_ = nullptr;  // in an OperationQueue, while it waits for a wire
    Operation* previous_ = nullptr;
};

}  // namespace redoubt
