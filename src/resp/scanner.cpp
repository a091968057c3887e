// resp: the framing of replies. One straight line for the frames that nearly all replies are, and a loop over
// elements for the rest. It keeps counts and offsets, never memory in proportion to what a peer promises.
#include "resp/scanner.hpp"

#include <algorithm>
#include <cstring>

namespace redoubt::resp {
namespace {

using Status = ReplyScanner::Status;

struct Number {
    Status status;
    std::int64_t value;
    const char* next;  // behind the line
};

std::size_t digit(char c) noexcept { return static_cast<unsigned char>(c) - std::size_t{'0'}; }

// A line of `-?(0|[1-9][0-9]*)` in 64 bits. Looks at bytes in order and stops at the first wrong one, so that
// it says the same however they arrive. The line is at most 22 bytes long: it is read again when it was cut.
inline Number read_number(const char* at, const char* end) noexcept {
    constexpr Number more{Status::need_more, 0, nullptr};
    constexpr Number bad{Status::error, 0, nullptr};
    constexpr std::uint64_t nearly_full = 922337203685477580u;  // the greatest value / 10

    if (at == end) return more;
    const bool negative = *at == '-';
    if (negative && ++at == end) return more;
    std::uint64_t value = digit(*at);
    if (value > 9 || (value == 0 && negative)) return bad;
    ++at;
    if (value != 0) {
        for (; at != end; ++at) {
            const std::size_t next = digit(*at);
            if (next > 9) break;
            if (value >= nearly_full) [[unlikely]] {
                if (value > nearly_full || next > (negative ? 8u : 7u)) return bad;
            }
            value = value * 10 + next;
        }
    }
    if (at == end) return more;
    if (*at != '\r') return bad;
    if (++at == end) return more;
    if (*at != '\n') return bad;
    return {Status::complete, static_cast<std::int64_t>(negative ? 0 - value : value), at + 1};
}

template <std::size_t n>
inline bool starts_with(const char* at, std::size_t size, const char (&text)[n]) noexcept {
    return size >= n - 1 && std::memcmp(at, text, n - 1) == 0;
}

// The size of a whole `$64\r\n...\r\n` or `$-1\r\n` at `at`; 0 when it is cut, wrong, or not of that form,
// which the long way finds out.
inline std::size_t usual_string(const char* at, std::size_t size, std::size_t max_bulk) noexcept {
    if (size < 5) return 0;
    std::size_t length = digit(at[1]);
    if (length > 9) return starts_with(at, size, "$-1\r\n") ? 5 : 0;
    std::size_t used = 2;
    if (length != 0) {
        // Eight digits at most: no overflow. Digits behind a zero are no length.
        for (std::size_t next; used != 9 && used != size && (next = digit(at[used])) <= 9; ++used) {
            length = length * 10 + next;
        }
    }
    const std::size_t total = used + length + 4;
    if (total > size || length > max_bulk) return 0;
    const bool ends = std::memcmp(at + used, "\r\n", 2) == 0 && std::memcmp(at + total - 2, "\r\n", 2) == 0;
    return ends ? total : 0;
}

// `[+-]?[0-9]+`
bool is_big_number(std::string_view text) noexcept {
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return digit(c) <= 9; });
}

// Takes digits off the front; says whether there were any.
bool take_digits(std::string_view& text) noexcept {
    const std::size_t before = text.size();
    while (!text.empty() && digit(text[0]) <= 9) text.remove_prefix(1);
    return text.size() != before;
}

// `[+-]?(inf|nan|[0-9]+(.[0-9]*)?([eE][+-]?[0-9]+)?)`
bool is_double(std::string_view text) noexcept {
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    if (text == "inf" || text == "nan") return true;
    if (!take_digits(text)) return false;
    if (!text.empty() && text[0] == '.') {
        text.remove_prefix(1);
        take_digits(text);
    }
    if (!text.empty() && (text[0] == 'e' || text[0] == 'E')) {
        text.remove_prefix(1);
        if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
        if (!take_digits(text)) return false;
    }
    return text.empty();
}

}  // namespace

ReplyScanner::ReplyScanner(const ReplyLimits& limits) noexcept
    : max_reply_(limits.max_reply_bytes),
      max_bulk_(limits.max_bulk_bytes),
      max_elements_(limits.max_elements),
      max_depth_(std::min<std::size_t>(limits.max_depth, deepest)) {
    open_[0] = 1;
}

ReplyScanner::Status ReplyScanner::complete(std::size_t size) noexcept {
    size_ = size;
    needed_ = at_ = searched_ = elements_ = depth_ = 0;
    open_[0] = 1;
    busy_ = false;
    return Status::complete;
}

ReplyScanner::LongString ReplyScanner::long_string(std::string_view bytes) const noexcept {
    constexpr std::size_t longest_head = 24;  // `$`, 20 digits, CR LF
    if (bytes.empty() || bytes.front() != '$') return {};
    const std::size_t line = bytes.substr(0, longest_head).find('\n');
    // The head has been read, or `needed` would not reach past it.
    if (line == std::string_view::npos || needed_ < line + 3) return {};
    return {line + 1, needed_ - line - 3};
}

ReplyScanner::Status ReplyScanner::fail(std::string_view text) noexcept {
    error_ = text;
    return Status::error;
}

ReplyScanner::Status ReplyScanner::over(std::string_view text) noexcept {
    over_limit_ = true;
    return fail(text);
}

// The frame is cut in the element at `at`. `size` never exceeds the limit of a reply, and a frame that is
// not complete there is longer than it.
ReplyScanner::Status ReplyScanner::wait(std::size_t at, std::size_t size, std::size_t needed) noexcept {
    if (size >= max_reply_) return over("the reply is longer than max_reply_bytes");
    at_ = at;
    needed_ = needed;
    return Status::need_more;
}

// Who answers in another protocol does so in the first bytes: worth a text that says it.
ReplyScanner::Status ReplyScanner::reject_type(const char* at) noexcept {
    if (depth_ != 0) return fail("an element of a reply has an unknown type");
    if (*at == 'H') return fail("the peer does not speak RESP: its answer looks like HTTP");
    if (*at == '\x15' || *at == '\x16') return fail("the peer does not speak RESP: its answer looks like TLS");
    return fail("the peer does not speak RESP: no reply starts with this byte");
}

ReplyScanner::Status ReplyScanner::scan(std::string_view bytes) {
    const char* const base = bytes.data();
    const std::size_t size = std::min(bytes.size(), max_reply_);  // what is behind is never looked at
    if (!busy_ && size >= 3) [[likely]] {
        // Only complete frames in their usual form; whatever else it is, the loop below says.
        std::size_t whole = 0;
        switch (base[0]) {
            case '$': whole = usual_string(base, size, max_bulk_); break;
            case '+':
                if (starts_with(base, size, "+OK\r\n") && max_bulk_ >= 2) whole = 5;
                break;
            case ':': {
                const Number number = read_number(base + 1, base + size);
                if (number.status == Status::complete) whole = static_cast<std::size_t>(number.next - base);
                break;
            }
            case '_':
                if (starts_with(base, size, "_\r\n")) whole = 3;
                break;
            default: break;
        }
        if (whole != 0) [[likely]] {
            push_ = false;
            size_ = whole;
            return Status::complete;
        }
    }
    return scan_element_by_element(base, size);
}

ReplyScanner::Status ReplyScanner::scan_element_by_element(const char* const base, const std::size_t size) {
    if (!error_.empty()) return Status::error;
    if (!busy_) {
        busy_ = true;
        push_ = false;
    }
    if (size < needed_) return Status::need_more;  // still inside a long string

    const char* const end = base + size;
    const char* at = base + at_;
    for (;;) {
        const auto offset = static_cast<std::size_t>(at - base);
        if (at == end) return wait(offset, size, size + 1);
        const char type = *at;
        switch (type) {
            case '$':
                if (const std::size_t whole = usual_string(at, size - offset, max_bulk_); whole != 0) {
                    at += whole;
                    break;
                }
                [[fallthrough]];
            case '=':
            case '!': {
                const Number header = read_number(at + 1, end);
                if (header.status == Status::need_more) return wait(offset, size, size + 1);
                if (header.status == Status::error) return fail("the length of a string is not a plain number");
                if (header.value < 0) {
                    if (header.value != -1 || type != '$') return fail("the length of a string is negative");
                    at = header.next;
                    break;
                }
                const auto length = static_cast<std::size_t>(header.value);
                const auto body = static_cast<std::size_t>(header.next - base);
                if (length > max_bulk_) return over("a string is longer than max_bulk_bytes");
                if (max_reply_ - body < 2 || length > max_reply_ - body - 2) {
                    return over("the reply is longer than max_reply_bytes");
                }
                if (type == '=' && length < 4) return fail("a verbatim string has no format");
                if (length + 2 > size - body) return wait(offset, size, body + length + 2);
                if (std::memcmp(header.next + length, "\r\n", 2) != 0) {
                    return fail("a string does not end where its length says");
                }
                if (type == '=' && header.next[3] != ':') return fail("a verbatim string has no format");
                at = header.next + length + 2;
                break;
            }
            case ':': {
                const Number number = read_number(at + 1, end);
                if (number.status == Status::need_more) return wait(offset, size, size + 1);
                if (number.status == Status::error) return fail("an integer is not a plain number of 64 bits");
                at = number.next;
                break;
            }
            case '+':
            case '-':
            case ',':
            case '(': {
                const char* const from = base + std::max(searched_, offset + 1);
                // The text and its CR: what is behind them cannot belong to a line within the limit.
                const std::size_t room = size - (offset + 1);
                const bool capped = room > max_bulk_;
                const char* const stop = capped ? at + 1 + max_bulk_ + 1 : end;
                const auto span = static_cast<std::size_t>(stop - from);
                const auto* cr = static_cast<const char*>(std::memchr(from, '\r', span));
                const auto before = cr == nullptr ? span : static_cast<std::size_t>(cr - from);
                if (std::memchr(from, '\n', before) != nullptr) return fail("a line ends without CR");
                if (cr == nullptr) {
                    if (capped) return over("a line is longer than max_bulk_bytes");
                    searched_ = size;
                    return wait(offset, size, size + 1);
                }
                if (cr + 1 == end) {
                    searched_ = size - 1;
                    return wait(offset, size, size + 1);
                }
                if (cr[1] != '\n') return fail("a line has CR without LF");
                const std::string_view text{at + 1, static_cast<std::size_t>(cr - at - 1)};
                if (type == ',' && !is_double(text)) return fail("a double is not a number");
                if (type == '(' && !is_big_number(text)) return fail("a big number is not a number");
                searched_ = 0;
                at = cr + 2;
                break;
            }
            case '_':
            case '#': {
                const char* next = at + 1;
                if (type == '#') {
                    if (next == end) return wait(offset, size, size + 1);
                    if (*next != 't' && *next != 'f') return fail("a boolean is neither true nor false");
                    ++next;
                }
                if (next == end) return wait(offset, size, size + 1);
                if (*next != '\r') return fail("a null or boolean is longer than it can be");
                if (++next == end) return wait(offset, size, size + 1);
                if (*next != '\n') return fail("a line has CR without LF");
                at = next + 1;
                break;
            }
            case '*':
            case '~':
            case '%':
            case '|':
            case '>': {
                if (type == '>' && depth_ != 0) return fail("a push is inside another reply");
                const Number header = read_number(at + 1, end);
                if (header.status == Status::need_more) return wait(offset, size, size + 1);
                if (header.status == Status::error) return fail("the count of an aggregate is not a plain number");
                if (header.value < 0) {
                    if (header.value != -1 || type != '*') return fail("the count of an aggregate is negative");
                    at = header.next;
                    break;
                }
                at = header.next;
                auto count = static_cast<std::size_t>(header.value);
                if (type == '%' || type == '|') count *= 2;  // 63 bits, doubled
                if (depth_ >= max_depth_) return over("the reply is nested deeper than max_depth");
                if (count > max_elements_ - elements_) return over("the reply has more elements than max_elements");
                // Three bytes are the least that an element takes.
                if (count > (max_reply_ - static_cast<std::size_t>(at - base)) / 3) {
                    return over("the reply is longer than max_reply_bytes");
                }
                elements_ += count;
                if (type == '>') push_ = true;
                if (type != '|') --open_[depth_];  // an attribute is no element of what it stands in
                open_[++depth_] = static_cast<std::uint32_t>(count + 1);  // the 1 is taken off below
                break;
            }
            default: return reject_type(at);
        }
        // An element is done (or, of an aggregate, its header), and perhaps what it is the last of.
        --open_[depth_];
        while (open_[depth_] == 0) {
            if (depth_ == 0) return complete(static_cast<std::size_t>(at - base));
            --depth_;
        }
    }
}

}  // namespace redoubt::resp
