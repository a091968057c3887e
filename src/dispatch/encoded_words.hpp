// dispatch: the words of commands, read from what this library has encoded.
#pragma once

#include <cstddef>
#include <string_view>

namespace redoubt::dispatch {

/// When it is anything else, it is at its end.
class EncodedWords {
public:
    explicit EncodedWords(std::string_view bytes) noexcept : left_(bytes) {}
    /// The number behind `*` or `$`.
    std::size_t number(char mark) noexcept {
        if (left_.empty() || left_.front() != mark) return fail();
        left_.remove_prefix(1);
        std::size_t value = 0;
        while (!left_.empty() && left_.front() >= '0' && left_.front() <= '9') {
            value = value * 10 + static_cast<std::size_t>(left_.front() - '0');
            left_.remove_prefix(1);
        }
        return skip(2) ? value : fail();
    }
    std::string_view word() noexcept {
        const std::size_t size = number('$');
        const std::string_view word = left_.substr(0, size);
        return skip(size + 2) ? word : std::string_view();
    }
    bool at_end() const noexcept { return left_.empty(); }
    std::string_view left() const noexcept { return left_; }

private:
    std::size_t fail() noexcept {
        left_ = {};
        return 0;
    }
    bool skip(std::size_t bytes) noexcept {
        if (left_.size() < bytes) return fail() != 0;
        left_.remove_prefix(bytes);
        return true;
    }
    std::string_view left_;
};

}  // namespace redoubt::dispatch
