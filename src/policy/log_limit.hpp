// policy: how many lines of one kind a log takes in a second. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include <redoubt/base/clock.hpp>

namespace redoubt::policy {

/// The first so many lines of each second are written, the rest is counted, and the count is told.
class LogLimit {
public:
    explicit LogLimit(std::uint32_t lines_a_second) noexcept : lines_(lines_a_second) {}

    /// One line is to be written now: how many were left out before it and not told yet; nullopt: it is left out, too.
    std::optional<std::uint64_t> admit(TimePoint now) noexcept {
        if (!begun_ || now - began_ >= std::chrono::seconds(1)) {
            begun_ = true;
            began_ = now;
            written_ = 0;
        }
        if (written_ == lines_) {
            ++left_out_;
            return std::nullopt;
        }
        ++written_;
        return take_left_out();
    }
    /// What was left out in a second that is over, and not told yet; it is told now. So that a burst which nothing follows
    /// is told of, too.
    std::uint64_t take_overdue(TimePoint now) noexcept {
        return begun_ && now - began_ >= std::chrono::seconds(1) ? take_left_out() : 0;
    }
    /// What was left out and not told yet; it is told now.
    std::uint64_t take_left_out() noexcept {
        const std::uint64_t count = left_out_;
        left_out_ = 0;
        return count;
    }

private:
    std::uint32_t lines_;
    bool begun_ = false;
    TimePoint began_{};
    std::uint32_t written_ = 0;
    std::uint64_t left_out_ = 0;
};

}  // namespace redoubt::policy
