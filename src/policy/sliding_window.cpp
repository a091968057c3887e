// policy: the sliding window; see its header.
#include "policy/sliding_window.hpp"

#include <algorithm>

namespace redoubt::policy {

namespace {

constexpr std::uint8_t failed_bit = 1;
constexpr std::uint8_t slow_bit = 2;

/// Generations count up and wrap at 31 bits.
bool is_before(std::uint32_t generation, std::uint32_t other) noexcept {
    return static_cast<std::int32_t>((generation - other) << 1) < 0;
}

}  // namespace

SlidingWindow::SlidingWindow(std::uint32_t calls, Duration time, TimePoint start)
    : calls_(time > Duration::zero() ? 0 : std::max(calls, 1u)),
      start_(start),
      bucket_time_(std::max(time / buckets, Duration{1})) {}

void SlidingWindow::clear(std::uint32_t generation) noexcept {
    generation_ = generation;
    sums_ = {};
    next_ = 0;
    in_bucket_ = {};
}

// The oldest call gives its place to this one.
void SlidingWindow::add_call(bool failed, bool slow) noexcept {
    std::uint8_t& place = calls_[next_];
    if (sums_.calls == calls_.size()) {
        sums_.failures -= place & failed_bit;
        sums_.slow -= (place & slow_bit) / slow_bit;
        --sums_.calls;
    }
    place = static_cast<std::uint8_t>((failed ? failed_bit : 0) | (slow ? slow_bit : 0));
    next_ = next_ + 1 == calls_.size() ? 0 : next_ + 1;
}

// Threads may come with slightly different times; the window never goes back.
void SlidingWindow::advance(TimePoint now) noexcept {
    const std::int64_t at = std::max(now - start_, Duration::zero()) / bucket_time_;
    for (std::int64_t emptied = 0; now_ < at && emptied != buckets; ++emptied) {
        Sums& oldest = in_bucket_[static_cast<std::size_t>(++now_ % buckets)];
        sums_.calls -= oldest.calls;
        sums_.failures -= oldest.failures;
        sums_.slow -= oldest.slow;
        oldest = {};
    }
    now_ = std::max(now_, at);
}

std::optional<SlidingWindow::Sums> SlidingWindow::add(std::uint32_t generation, TimePoint now, bool failed,
                                                      bool slow) noexcept {
    const std::lock_guard lock(mutex_);
    if (generation != generation_) {
        if (is_before(generation, generation_)) return std::nullopt;
        clear(generation);
    }
    if (calls_.empty()) {
        advance(now);
        Sums& bucket = in_bucket_[static_cast<std::size_t>(now_ % buckets)];
        ++bucket.calls;
        bucket.failures += failed ? 1 : 0;
        bucket.slow += slow ? 1 : 0;
    } else {
        add_call(failed, slow);
    }
    ++sums_.calls;
    sums_.failures += failed ? 1 : 0;
    sums_.slow += slow ? 1 : 0;
    sums_.failures_in_a_row = failed ? sums_.failures_in_a_row + 1 : 0;
    return sums_;
}

SlidingWindow::Sums SlidingWindow::sums(std::uint32_t generation, TimePoint now) noexcept {
    const std::lock_guard lock(mutex_);
    if (generation != generation_) return {};
    if (calls_.empty()) advance(now);
    return sums_;
}

}  // namespace redoubt::policy
