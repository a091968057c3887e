// connection: what a wire carries: some commands sent as one piece, and whoever waits for their replies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>

namespace redoubt {

/// One submission to a wire. The wire calls it back from the thread that drives the wire: `on_reply` for
/// each of its `replies` in order, then `on_complete`; or `on_failure` once, after which the wire has
/// forgotten it. It may be submitted again afterwards: a retry encodes again.
class Operation {
public:
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    /// An upper bound of what `encode` writes.
    virtual std::size_t encoded_bound() const noexcept = 0;
    /// Writes the commands' bytes and returns the end.
    virtual char* encode(char* out) const noexcept = 0;
    /// One complete frame; it is valid during the call only.
    virtual void on_reply(std::string_view frame) = 0;
    virtual void on_complete() = 0;
    virtual void on_failure(const Error& error) = 0;

    /// How many replies answer it; at least 1.
    std::uint32_t replies() const noexcept { return replies_; }
    /// When the wire gives up on it: the end of the attempt.
    TimePoint attempt_deadline() const noexcept { return attempt_deadline_; }

protected:
    explicit Operation(std::uint32_t replies) noexcept : replies_(replies) {}
    ~Operation() = default;

    void set_replies(std::uint32_t replies) noexcept { replies_ = replies; }
    void set_attempt_deadline(TimePoint deadline) noexcept { attempt_deadline_ = deadline; }

private:
    friend class Multiplexer;
    std::uint32_t replies_;
    TimePoint attempt_deadline_ = TimePoint::max();
    std::uint64_t ticket_ = 0;  // its place in the multiplexer's queue
};

}  // namespace redoubt
