// policy: the outcomes of the last calls, by number or by time. Pure: time comes from outside.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include <redoubt/base/clock.hpp>

namespace redoubt::policy {

/// Thread-safe by a lock that is held for a few instructions: the last N calls are one sequence, whichever threads make
/// them. What is in the window belongs to one generation of a breaker; the first call of a later one empties it, and a
/// call of an earlier one is not taken.
class SlidingWindow {
public:
    struct Sums {
        std::uint32_t calls = 0;
        std::uint32_t failures = 0;
        std::uint32_t slow = 0;
        std::uint32_t failures_in_a_row = 0;
    };

    /// The last `calls`, or if `time` is above zero those of so much time. Time is kept in tenths: the window holds the
    /// present one, which has just begun, and the nine before.
    SlidingWindow(std::uint32_t calls, Duration time, TimePoint start);

    /// What it holds with this call; nullopt: the call is of an earlier generation.
    std::optional<Sums> add(std::uint32_t generation, TimePoint now, bool failed, bool slow) noexcept;
    /// What it holds; nothing, if it is of another generation.
    Sums sums(std::uint32_t generation, TimePoint now) noexcept;

private:
    static constexpr std::int64_t buckets = 10;

    void clear(std::uint32_t generation) noexcept;
    void add_call(bool failed, bool slow) noexcept;
    void advance(TimePoint now) noexcept;

    std::mutex mutex_;
    std::uint32_t generation_ = 0;
    Sums sums_;
    // By number: a ring of what each call was.
    std::vector<std::uint8_t> calls_;
    std::size_t next_ = 0;
    // By time: the bucket of now, counted from the start, and the sums of each, in a ring.
    TimePoint start_;
    Duration bucket_time_;
    std::int64_t now_ = 0;
    std::array<Sums, buckets> in_bucket_{};
};

}  // namespace redoubt::policy
