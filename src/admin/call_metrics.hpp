// admin: how long the calls of a service took, by command, project and outcome, and what its connections cost: counted
// for Prometheus.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/base/telemetry.hpp>

#include "base/bounded_labels.hpp"

namespace redoubt::admin {

/// Upper bounds of the histogram's buckets in seconds; above the last is one more. They hold those that OpenTelemetry
/// recommends for `db.client.operation.duration` (1 ms, 5 ms, 10 ms... 10 s), and others between and below them: most calls
/// take less than its smallest.
inline constexpr std::array<double, 16> duration_bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                        0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};

/// A histogram at one moment.
struct DurationHistogram {
    std::array<std::uint64_t, duration_bounds.size() + 1> counts{};  ///< each bucket's own, not cumulative
    double sum_seconds = 0;

    std::uint64_t count() const noexcept;
    /// The duration below which the share `q` of the calls lies, interpolated in its bucket as Prometheus does; nullopt
    /// without calls.
    std::optional<double> quantile(double q) const noexcept;
    DurationHistogram& operator+=(const DurationHistogram& other) noexcept;
    /// What came since `earlier`.
    DurationHistogram since(const DurationHistogram& earlier) const noexcept;
};

/// Set it with `RedisService::set_telemetry`. Thread-safe. A call costs one look into a table without locks and two
/// additions; the first of a kind allocates. Memory is bounded: at most `projects` project ids and 4096 series.
class CallMetrics final : public Telemetry {
public:
    /// Past `projects` different ids the rest is counted as `other`.
    explicit CallMetrics(std::size_t projects = base::BoundedLabels::default_capacity) : projects_(projects) {}

    bool watches_calls() const noexcept override { return true; }
    void call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept override;
    void connection_opened(std::string_view endpoint, std::string_view pool, Duration took) noexcept override;
    void connection_obtained(std::string_view endpoint, std::string_view pool, Duration waited) noexcept override;
    void connection_returned(std::string_view endpoint, std::string_view pool, Duration used) noexcept override;

    /// What was measured: calls, or of connections how long they took to open, were waited for, and were kept.
    enum class Measure : std::uint8_t { call, create_time, wait_time, use_time };
    struct Row {
        Measure measure = Measure::call;
        std::string operation;           ///< from the command table; `_OTHER` once there are too many series
        std::string project;             ///< a project id, or a pool's name; `other`; empty for calls of no project
        std::optional<ErrorKind> error;  ///< nullopt: it had its replies
        DurationHistogram durations;
    };
    /// In the order of measure, operation, project, error.
    std::vector<Row> rows() const;
    /// Of all calls.
    DurationHistogram totals() const;

private:
    struct Key {
        Measure measure = Measure::call;
        std::string_view operation;
        std::string_view project;
        std::uint8_t error = 0;  // 0: none, else the kind and one more
    };
    struct Series {
        explicit Series(const Key& key);
        bool is(const Key& key) const noexcept;
        DurationHistogram read() const noexcept;
        Measure measure;
        std::string operation;
        std::string project;
        std::uint8_t error;
        std::array<std::atomic<std::uint64_t>, duration_bounds.size() + 1> counts{};
        std::atomic<std::int64_t> nanoseconds{0};
    };
    static constexpr std::size_t max_series = 4096;
    static constexpr std::size_t slots = 2 * max_series;

    void count(const Key& key, Duration took) noexcept;
    static std::size_t hash_of(const Key& key) noexcept;
    Series* find(const Key& key) const noexcept;
    Series& find_or_make(Key key);
    template <class Visit>
    void for_each(const Visit& visit) const;

    base::BoundedLabels projects_;
    // Open addressing; a slot that is filled stays so.
    std::array<std::atomic<Series*>, slots> table_{};
    std::mutex making_;
    std::vector<std::unique_ptr<Series>> made_;  // under the mutex
};

}  // namespace redoubt::admin
