// policy: the rate limit; see its header.
#include "policy/rate_limit.hpp"

#include <algorithm>
#include <chrono>

namespace redoubt::policy {
namespace {

std::int64_t nanoseconds(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}
Duration duration(std::int64_t nanoseconds) {
    return std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

RateLimit::RateLimit(std::uint32_t per_second, std::uint32_t burst) noexcept
    : interval_(std::max<std::int64_t>(1'000'000'000 / std::max(per_second, 1u), 1)),
      burst_(interval_ * std::max(burst, 1u)) {}

std::int64_t RateLimit::too_early(std::int64_t from, std::int64_t cost, std::int64_t at) const noexcept {
    return from + std::min(cost, burst_) - burst_ - at;
}

std::optional<Duration> RateLimit::admit(std::uint32_t commands, TimePoint now) noexcept {
    const std::int64_t at = nanoseconds(now);
    const std::int64_t cost = interval_ * commands;
    std::int64_t full_at = full_at_.load(std::memory_order_relaxed);
    for (;;) {
        const std::int64_t from = std::max(full_at, at);
        if (const std::int64_t early = too_early(from, cost, at); early > 0) return duration(early);
        if (full_at_.compare_exchange_weak(full_at, from + cost, std::memory_order_relaxed)) return std::nullopt;
    }
}

std::optional<Duration> RateLimit::reserve(std::uint32_t commands, TimePoint now, Duration longest) noexcept {
    const std::int64_t at = nanoseconds(now);
    const std::int64_t cost = interval_ * commands;
    std::int64_t full_at = full_at_.load(std::memory_order_relaxed);
    for (;;) {
        const std::int64_t from = std::max(full_at, at);
        const Duration wait = duration(std::max<std::int64_t>(too_early(from, cost, at), 0));
        if (wait > longest) return std::nullopt;
        if (full_at_.compare_exchange_weak(full_at, from + cost, std::memory_order_relaxed)) return wait;
    }
}

void RateLimit::give_back(std::uint32_t commands) noexcept {
    full_at_.fetch_sub(interval_ * commands, std::memory_order_relaxed);
}

Duration RateLimit::wait_of(std::uint32_t commands, std::uint64_t ahead, TimePoint now) const noexcept {
    const std::int64_t at = nanoseconds(now);
    const std::int64_t from = std::max(full_at_.load(std::memory_order_relaxed), at);
    const auto others = static_cast<std::int64_t>(ahead) * interval_;
    return duration(std::max<std::int64_t>(too_early(from + others, interval_ * commands, at), 0));
}

}  // namespace redoubt::policy
