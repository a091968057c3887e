// policy: memory alerts; see the header.
#include <redoubt/policy/memory_alert.hpp>

#include <algorithm>

namespace redoubt {

std::string_view to_string(MemoryLevel level) noexcept {
    switch (level) {
        case MemoryLevel::healthy: return "healthy";
        case MemoryLevel::warning: return "warning";
        case MemoryLevel::critical: return "critical";
    }
    return "unknown";
}

bool MemoryAlarm::is_at(MemoryLevel level, double threshold, double usage) const noexcept {
    if (level_ < level) return usage >= threshold;
    return usage >= threshold - std::min(margin_, threshold / 10);
}

std::optional<MemoryAlarm::Change> MemoryAlarm::observe(double usage) noexcept {
    const MemoryLevel now = is_at(MemoryLevel::critical, critical_, usage) ? MemoryLevel::critical
                            : is_at(MemoryLevel::warning, warning_, usage) ? MemoryLevel::warning
                                                                           : MemoryLevel::healthy;
    if (now == level_) return std::nullopt;
    const Change change{level_, now};
    level_ = now;
    return change;
}

}  // namespace redoubt
