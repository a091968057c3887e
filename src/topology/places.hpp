// topology: where one project's calls go at each of several nodes, by their numbers; read by every call without a lock.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "topology/topology.hpp"

namespace redoubt::topology {

/// A pool, and the project's queue in it.
struct Place {
    explicit Place(pool::Pool& at, std::shared_ptr<policy::RateLimit> rate) : pool(&at), tenant(std::move(rate)) {}
    Route route() noexcept { return {pool, &tenant}; }
    pool::Pool* pool;
    pool::Tenant tenant;
};

/// Thread-safe. A place is made when it is first asked for, and kept.
class Places {
public:
    explicit Places(std::shared_ptr<policy::RateLimit> rate) : rate_(std::move(rate)) {}
    /// No pool: it was not asked for yet, see `open`.
    Route known(std::uint16_t number) const noexcept {
        const Table& table = *table_.load(std::memory_order_acquire);
        if (number < table.size) [[likely]] {
            if (Place* const place = table.places[number].load(std::memory_order_acquire)) [[likely]]
                return place->route();
        }
        return {};
    }
    /// `pool`: of one that is new.
    Route open(std::uint16_t number, pool::Pool& pool) noexcept {
        const std::lock_guard lock(mutex_);
        const Table* table = table_.load(std::memory_order_relaxed);
        if (number >= table->size) {
            constexpr std::size_t at_first = 8;
            auto larger = std::make_unique<Table>(std::max({number + std::size_t{1}, table->size * 2, at_first}));
            for (std::size_t i = 0; i != table->size; ++i) {
                larger->places[i].store(table->places[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
            }
            table = tables_.emplace_back(std::move(larger)).get();
            table_.store(table, std::memory_order_release);
        }
        if (Place* const made = table->places[number].load(std::memory_order_relaxed)) return made->route();
        Place& place = *places_.emplace_back(std::make_unique<Place>(pool, rate_));
        table->places[number].store(&place, std::memory_order_release);
        return place.route();
    }

private:
    /// One that has become too small is kept, since somebody may be looking at it.
    struct Table {
        Table() noexcept : size(0) {}
        explicit Table(std::size_t room) : size(room), places(new std::atomic<Place*>[room]()) {}
        std::size_t size;
        std::unique_ptr<std::atomic<Place*>[]> places;
    };

    static inline const Table empty_;
    const std::shared_ptr<policy::RateLimit> rate_;
    std::atomic<const Table*> table_{&empty_};
    std::mutex mutex_;
    std::vector<std::unique_ptr<Table>> tables_;  // the last one is used
    std::vector<std::unique_ptr<Place>> places_;
};

}  // namespace redoubt::topology
