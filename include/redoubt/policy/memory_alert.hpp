// policy: when a server's memory is worth an alert: thresholds with hysteresis, one alert a crossing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace redoubt {

enum class MemoryLevel : std::uint8_t { healthy, warning, critical };

/// `healthy`, `warning`, `critical`.
std::string_view to_string(MemoryLevel level) noexcept;

/// A level is left downwards only when the usage is this far below its threshold: two hundredths of the limit. So usage
/// that goes back and forth over a threshold alerts once.
inline constexpr double memory_alert_margin = 0.02;

/// A pure machine: usages in, changes of level out. Not thread-safe.
class MemoryAlarm {
public:
    struct Change {
        MemoryLevel from = MemoryLevel::healthy;
        MemoryLevel to = MemoryLevel::healthy;
        friend bool operator==(const Change&, const Change&) = default;
    };

    /// Fractions of the limit, the warning below the critical one. A threshold lower than ten margins has a margin of a
    /// tenth of itself, so that it can always be left again.
    MemoryAlarm(double warning, double critical, double margin = memory_alert_margin) noexcept
        : warning_(warning), critical_(critical), margin_(margin) {}

    /// One usage, as a fraction of the limit. The change that it makes, from one level to another in one step, however far
    /// it is; nullopt: none.
    std::optional<Change> observe(double usage) noexcept;
    MemoryLevel level() const noexcept { return level_; }

private:
    bool is_at(MemoryLevel level, double threshold, double usage) const noexcept;

    double warning_;
    double critical_;
    double margin_;
    MemoryLevel level_ = MemoryLevel::healthy;
};

/// What listeners are told at each crossing, up and down.
struct MemoryAlert {
    std::string endpoint;  ///< of the server
    MemoryLevel from = MemoryLevel::healthy;
    MemoryLevel to = MemoryLevel::healthy;
    double usage_fraction = 0;  ///< of `limit_bytes`
    std::int64_t usage_bytes = 0;
    std::int64_t limit_bytes = 0;
    bool limit_is_machine = false;  ///< no `maxmemory` is set: the limit is the machine's memory
};

/// Called from the thread that looked: the monitor's I/O thread, or one that called `health_check`. It must not block
/// there, and must not throw; what it throws is logged and goes no further.
using MemoryListener = std::function<void(const MemoryAlert&)>;

}  // namespace redoubt
