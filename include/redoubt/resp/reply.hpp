// resp: a reply as the server sent it. A cursor walks one complete frame in place, without copying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace redoubt {

/// The first byte of each element on the wire (RESP2 and RESP3).
enum class RespType : char {
    simple = '+',
    error = '-',
    integer = ':',
    bulk = '$',
    array = '*',
    null = '_',
    boolean = '#',
    real = ',',
    big_number = '(',
    bulk_error = '!',
    verbatim = '=',
    map = '%',
    set = '~',
    attribute = '|',
    push = '>',
};

/// `array`, `bulk string`: for messages.
std::string_view to_string(RespType type) noexcept;

/// One element of a reply. RESP2's null bulk and null array come as `null`.
struct ReplyNode {
    RespType type = RespType::null;
    std::string_view text;     ///< strings, errors, numbers as sent; verbatim without its `txt:`
    std::int64_t integer = 0;  ///< value of an integer or boolean; count of an aggregate (a map: its pairs)

    bool is_null() const noexcept { return type == RespType::null; }
    bool is_error() const noexcept { return type == RespType::error || type == RespType::bulk_error; }
    bool is_string() const noexcept {
        return type == RespType::bulk || type == RespType::simple || type == RespType::verbatim;
    }
    /// How many elements follow for this one: a map's count is doubled, a scalar's is 0.
    std::int64_t children() const noexcept;
};

/// Walks one frame that the scanner found complete; attributes are skipped. Undefined on bytes that the
/// scanner did not accept. Views point into the frame.
class ReplyCursor {
public:
    explicit ReplyCursor(std::string_view frame) noexcept : at_(frame.data()), end_(frame.data() + frame.size()) {}

    /// The next element, depth first. Past the end: a null node.
    ReplyNode next() noexcept;
    /// The next element without moving on.
    ReplyNode peek() const noexcept;
    /// Skips the next element with everything in it.
    void skip() noexcept;
    /// The same, and what it skipped, as it came.
    std::string_view take_raw() noexcept {
        const char* const begin = at_;
        skip();
        return {begin, static_cast<std::size_t>(at_ - begin)};
    }
    bool at_end() const noexcept { return at_ == end_; }

private:
    ReplyNode next_other() noexcept;
    ReplyNode element() noexcept;
    void skip_elements(std::int64_t count) noexcept;

    const char* at_;
    const char* end_;
};

// The hot one, a bulk string, is inline; it relies on the scanner for every bound.
inline ReplyNode ReplyCursor::next() noexcept {
    if (at_ == end_ || *at_ != '$' || at_[1] == '-') return next_other();
    const char* at = at_ + 1;
    std::size_t length = 0;
    do {
        length = length * 10 + static_cast<std::size_t>(*at - '0');
    } while (*++at != '\r');
    at += 2;
    at_ = at + length + 2;
    return {RespType::bulk, {at, length}, 0};
}

}  // namespace redoubt
