// resp: finds where one reply ends, however the bytes arrive. Pure and bounded; takes no memory for what it
// has only been promised.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <redoubt/base/config.hpp>

namespace redoubt::resp {

/// Scans the frame at the start of a buffer that grows. Feed it the whole buffer from the frame's first byte
/// each time there is more; it goes on where it stopped and never looks at a byte twice in steady state.
/// Inline lengths (`$?`, `*?`) are a protocol error: no server sends them. So is a push inside another reply.
/// Attributes belong to the frame that follows them. What a scan says depends on the bytes alone, not on how
/// they were split.
class ReplyScanner {
public:
    enum class Status : std::uint8_t { need_more, complete, error };

    /// A larger `max_depth` counts as this: readers of nested replies recurse.
    static constexpr std::size_t deepest = 128;

    explicit ReplyScanner(const ReplyLimits& limits) noexcept;

    /// `bytes` starts at the frame's first byte and holds everything received since.
    Status scan(std::string_view bytes);
    /// After `complete`: the frame's length. The scanner is ready for the next frame.
    std::size_t size() const noexcept { return size_; }
    /// After `complete`: an out-of-band push ('>', after its attributes if it has any).
    bool is_push() const noexcept { return push_; }
    /// After `need_more`: the frame is at least this long. A promised bulk counts in full, so that the buffer
    /// can be grown once.
    std::size_t needed() const noexcept { return needed_; }
    /// After `need_more`: the frame is one string, of which all but the bytes is here.
    struct LongString {
        std::size_t head = 0;  ///< bytes before the string; 0: it is no such frame
        std::size_t size = 0;  ///< of the string; CR LF follow
    };
    LongString long_string(std::string_view bytes) const noexcept;
    /// The frame under way is read by somebody else; the scanner is ready for the next.
    void leave_frame() noexcept { (void)complete(0); }
    /// After `error`: what was wrong and where, static text; no bytes of the reply in it.
    std::string_view error() const noexcept { return error_; }
    /// True when the error is a limit of the configuration and not a fault of the peer.
    bool over_limit() const noexcept { return over_limit_; }

private:
    Status scan_element_by_element(const char* base, std::size_t size);
    Status complete(std::size_t size) noexcept;
    Status wait(std::size_t at, std::size_t size, std::size_t needed) noexcept;
    Status fail(std::string_view text) noexcept;
    Status over(std::string_view text) noexcept;
    Status reject_type(const char* at) noexcept;

    std::size_t max_reply_;
    std::size_t max_bulk_;
    std::size_t max_elements_;
    std::size_t max_depth_;

    std::size_t size_ = 0;
    std::size_t needed_ = 0;    // with fewer bytes than this there is nothing to do; 0 at a frame's start
    std::size_t at_ = 0;        // first byte of the element that is not framed yet
    std::size_t searched_ = 0;  // in a line: no end of it before here
    std::size_t elements_ = 0;  // promised so far
    std::size_t depth_ = 0;
    bool busy_ = false;  // inside a frame, or stuck after an error
    bool push_ = false;
    bool over_limit_ = false;
    std::string_view error_;
    std::array<std::uint32_t, deepest + 1> open_;  // by depth: elements still to come; [0] is the frame itself
};

}  // namespace redoubt::resp
