// policy: so many commands a second, and no more. Pure: time comes from outside.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include <redoubt/base/clock.hpp>

namespace redoubt::policy {

/// A token bucket, kept as the one time at which it would be full again (the generic cell rate algorithm, ITU-T I.371).
/// Lock-free: one compare-and-swap a call.
class RateLimit {
public:
    /// `burst`: how many may come at once after a pause. Both at least 1.
    RateLimit(std::uint32_t per_second, std::uint32_t burst) noexcept;

    /// nullopt: they may be sent. Else how long until they may. More than a burst at once may be sent when the bucket is
    /// full; those who come behind them wait until they are paid for.
    std::optional<Duration> admit(std::uint32_t commands, TimePoint now) noexcept;
    /// They will be sent, as soon as they may: how long until then. Nobody who comes later goes before them. nullopt: longer
    /// than `longest`, and nothing was taken.
    std::optional<Duration> reserve(std::uint32_t commands, TimePoint now, Duration longest = Duration::max()) noexcept;
    /// What was reserved will not be sent.
    void give_back(std::uint32_t commands) noexcept;
    /// How long it would take until `commands` may be sent, behind `ahead` others that are not reserved. Takes nothing.
    Duration wait_of(std::uint32_t commands, std::uint64_t ahead, TimePoint now) const noexcept;

private:
    std::int64_t too_early(std::int64_t from, std::int64_t cost, std::int64_t at) const noexcept;

    const std::int64_t interval_;  // nanoseconds a command
    const std::int64_t burst_;     // in nanoseconds
    std::atomic<std::int64_t> full_at_{INT64_MIN / 2};
};

}  // namespace redoubt::policy
