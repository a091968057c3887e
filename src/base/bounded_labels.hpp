// base: names as label values of metrics, bounded in number: whoever comes too late is counted among the others.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>

namespace redoubt::base {

/// The first `capacity` different names keep theirs, for as long as this lives, so that a time series never changes its
/// meaning; all that come later are `other`. (A project that is itself called `other` is counted with them.)
/// Thread-safe; a known name costs a shared lock and a search.
class BoundedLabels {
public:
    static constexpr std::size_t default_capacity = 100;
    static constexpr std::string_view other = "other";

    explicit BoundedLabels(std::size_t capacity = default_capacity) : capacity_(capacity) {}
    BoundedLabels(const BoundedLabels&) = delete;
    BoundedLabels& operator=(const BoundedLabels&) = delete;

    /// The name, or `other`. The view lives as long as this.
    std::string_view label_of(std::string_view name) {
        if (name == other) return other;
        {
            const std::shared_lock lock(mutex_);
            if (const auto found = names_.find(name); found != names_.end()) return *found;
            if (names_.size() >= capacity_) return other;
        }
        const std::unique_lock lock(mutex_);
        if (const auto found = names_.find(name); found != names_.end()) return *found;
        if (names_.size() >= capacity_) return other;
        return *names_.emplace(name).first;
    }

private:
    const std::size_t capacity_;
    std::shared_mutex mutex_;
    std::set<std::string, std::less<>> names_;  // its elements stay where they are
};

}  // namespace redoubt::base
