// resp: finds where one reply ends, however the bytes arrive. Pure and bounded; takes no memory for what it
// has only been promised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <redoubt/base/config.hpp>

namespace redoubt::resp {

/// Scans the frame at the start of a buffer that grows. Feed it the whole buffer from the frame's first byte
/// each time there is more; it goes on where it stopped and never looks at a byte twice in steady state.
/// Inline lengths (`$?`, `*?`) are a protocol error: no server sends them.
class ReplyScanner {
public:
    enum class Status : std::uint8_t { need_more, complete, error };

    explicit ReplyScanner(const ReplyLimits& limits) noexcept;

    /// `bytes` starts at the frame's first byte and holds everything received since.
    Status scan(std::string_view bytes);
    /// After `complete`: the frame's length. The scanner is ready for the next frame.
    std::size_t size() const noexcept { return size_; }
    /// After `complete`: the first byte is '>', an out-of-band push.
    bool is_push() const noexcept { return push_; }
    /// After `need_more`: the frame is at least this long. A promised bulk counts in full, so that the buffer
    /// can be grown once.
    std::size_t needed() const noexcept { return needed_; }
    /// After `error`: what was wrong and where, static text; no bytes of the reply in it.
    std::string_view error() const noexcept { return error_; }
    /// True when the error is a limit of the configuration and not a fault of the peer.
    bool over_limit() const noexcept { return over_limit_; }

private:
    // The helper that implements the scanner owns this section (and may add members above it).
    std::size_t size_ = 0;
    std::size_t needed_ = 0;
    bool push_ = false;
    bool over_limit_ = false;
    std::string_view error_;
};

}  // namespace redoubt::resp
