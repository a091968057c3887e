// policy: the rate limit; see its header.
#include "policy/rate_limit.hpp"

#include <algorithm>
#include <chrono>

namespace redoubt::policy {

RateLimit::RateLimit(std::uint32_t per_second, std::uint32_t burst) noexcept
    : interval_(std::max<std::int64_t>(1'000'000'000 / std::max(per_second, 1u), 1)),
      burst_(interval_ * std::max(burst, 1u)) {}

std::optional<Duration> RateLimit::admit(std::uint32_t commands, TimePoint now) noexcept {
    const std::int64_t at = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
    const std::int64_t cost = interval_ * commands;
    std::int64_t full_at = full_at_.load(std::memory_order_relaxed);
    for (;;) {
        const std::int64_t from = std::max(full_at, at);
        const std::int64_t too_early = from + std::min(cost, burst_) - burst_ - at;
        if (too_early > 0) return std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(too_early));
        if (full_at_.compare_exchange_weak(full_at, from + cost, std::memory_order_relaxed)) return std::nullopt;
    }
}

std::optional<Duration> RateLimit::reserve(TimePoint now, Duration longest) noexcept {
    const std::int64_t at = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
    std::int64_t full_at = full_at_.load(std::memory_order_relaxed);
    for (;;) {
        const std::int64_t next = std::max(full_at, at) + interval_;
        const Duration wait = std::chrono::duration_cast<Duration>(
            std::chrono::nanoseconds(std::max<std::int64_t>(next - burst_ - at, 0)));
        if (wait > longest) return std::nullopt;
        if (full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed)) return wait;
    }
}

}  // namespace redoubt::policy
