// admin: counting calls; see the header.
#include "admin/call_metrics.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <tuple>

namespace redoubt::admin {
namespace {

constexpr std::string_view other_operation = "_OTHER";  // OpenTelemetry's word

std::size_t bucket_of(double seconds) noexcept {
    const auto bound = std::lower_bound(duration_bounds.begin(), duration_bounds.end(), seconds);
    return static_cast<std::size_t>(bound - duration_bounds.begin());
}

}  // namespace

std::uint64_t DurationHistogram::count() const noexcept {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::optional<double> DurationHistogram::quantile(double q) const noexcept {
    const std::uint64_t all = count();
    if (all == 0) return std::nullopt;
    const double rank = q * static_cast<double>(all);
    double below = 0;
    for (std::size_t i = 0; i != duration_bounds.size(); ++i) {
        const auto here = static_cast<double>(counts[i]);
        if (below + here >= rank && here > 0) {
            const double low = i == 0 ? 0.0 : duration_bounds[i - 1];
            return low + (duration_bounds[i] - low) * (rank - below) / here;
        }
        below += here;
    }
    return duration_bounds.back();
}

DurationHistogram& DurationHistogram::operator+=(const DurationHistogram& other) noexcept {
    for (std::size_t i = 0; i != counts.size(); ++i) counts[i] += other.counts[i];
    sum_seconds += other.sum_seconds;
    return *this;
}

DurationHistogram DurationHistogram::since(const DurationHistogram& earlier) const noexcept {
    DurationHistogram difference = *this;
    for (std::size_t i = 0; i != counts.size(); ++i) difference.counts[i] -= earlier.counts[i];
    difference.sum_seconds -= earlier.sum_seconds;
    return difference;
}

CallMetrics::Series::Series(const Key& key)
    : measure(key.measure), operation(key.operation), project(key.project), error(key.error) {}

bool CallMetrics::Series::is(const Key& key) const noexcept {
    return error == key.error && measure == key.measure && operation == key.operation && project == key.project;
}

DurationHistogram CallMetrics::Series::read() const noexcept {
    DurationHistogram out;
    for (std::size_t i = 0; i != counts.size(); ++i) out.counts[i] = counts[i].load(std::memory_order_relaxed);
    out.sum_seconds = static_cast<double>(nanoseconds.load(std::memory_order_relaxed)) / 1e9;
    return out;
}

std::size_t CallMetrics::hash_of(const Key& key) noexcept {
    const std::hash<std::string_view> hash;
    return ((hash(key.operation) * 31 + hash(key.project)) * 31 + key.error) * 31 +
           static_cast<std::size_t>(key.measure);
}

CallMetrics::Series* CallMetrics::find(const Key& key) const noexcept {
    // Never more than half full, so that there is an empty slot to end at.
    for (std::size_t at = hash_of(key) % slots;; at = (at + 1) % slots) {
        Series* const series = table_[at].load(std::memory_order_acquire);
        if (series == nullptr || series->is(key)) return series;
    }
}

CallMetrics::Series& CallMetrics::find_or_make(Key key) {
    if (Series* const known = find(key)) return *known;
    key.project = key.project.empty() ? key.project : projects_.label_of(key.project);
    const std::lock_guard lock(making_);
    if (Series* const known = find(key)) return *known;
    // The last places are kept for the sums of what came too late, one for each measure and outcome.
    constexpr std::size_t kept = 64;
    if (made_.size() >= max_series - kept) {
        if (key.measure == Measure::call) key.operation = other_operation;
        key.project = base::BoundedLabels::other;
        if (Series* const known = find(key)) return *known;
    }
    Series& made = *made_.emplace_back(std::make_unique<Series>(key));
    std::size_t at = hash_of(key) % slots;
    while (table_[at].load(std::memory_order_relaxed) != nullptr) at = (at + 1) % slots;
    table_[at].store(&made, std::memory_order_release);
    return made;
}

void CallMetrics::count(const Key& key, Duration took) noexcept {
    try {
        Series& series = find_or_make(key);
        series.counts[bucket_of(std::chrono::duration<double>(took).count())].fetch_add(1, std::memory_order_relaxed);
        const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(took).count();
        series.nanoseconds.fetch_add(nanoseconds, std::memory_order_relaxed);
    } catch (const std::bad_alloc&) {
        // Not counted; the call itself must not fail for it.
    }
}

void CallMetrics::call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept {
    const Error* const error = outcome.error != nullptr ? outcome.error : outcome.reply_error;
    const int kind = error == nullptr ? 0 : static_cast<int>(error->kind) + 1;
    count({Measure::call, call.operation, call.project_id, static_cast<std::uint8_t>(kind)}, outcome.duration);
}

void CallMetrics::connection_opened(std::string_view /*endpoint*/, std::string_view pool, Duration took) noexcept {
    count({Measure::create_time, {}, pool}, took);
}
void CallMetrics::connection_obtained(std::string_view /*endpoint*/, std::string_view pool, Duration waited) noexcept {
    count({Measure::wait_time, {}, pool}, waited);
}
void CallMetrics::connection_returned(std::string_view /*endpoint*/, std::string_view pool, Duration used) noexcept {
    count({Measure::use_time, {}, pool}, used);
}

template <class Visit>
void CallMetrics::for_each(const Visit& visit) const {
    for (const auto& slot : table_) {
        if (const Series* const series = slot.load(std::memory_order_acquire)) visit(*series);
    }
}

std::vector<CallMetrics::Row> CallMetrics::rows() const {
    std::vector<Row> all;
    for_each([&](const Series& series) {
        std::optional<ErrorKind> error;
        if (series.error != 0) error = static_cast<ErrorKind>(series.error - 1);
        all.push_back({series.measure, series.operation, series.project, error, series.read()});
    });
    std::sort(all.begin(), all.end(), [](const Row& a, const Row& b) {
        return std::tie(a.measure, a.operation, a.project, a.error) <
               std::tie(b.measure, b.operation, b.project, b.error);
    });
    return all;
}

DurationHistogram CallMetrics::totals() const {
    DurationHistogram sum;
    for_each([&](const Series& series) {
        if (series.measure == Measure::call) sum += series.read();
    });
    return sum;
}

}  // namespace redoubt::admin
