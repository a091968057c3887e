// topology: one project's way to its pools in a Cluster, one pool a node, made on first use.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "topology/cluster_group.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {

/// The pools of one owner, by the number of their node. Thread-safe.
class ClusterPools {
public:
    ClusterPools(std::shared_ptr<ClusterGroup> group, ClusterGroup::Owner owner)
        : group_(std::move(group)), owner_(std::move(owner)), roaming_(group_->open_roaming(owner_)) {}
    pool::Pool& roaming() noexcept { return *roaming_; }
    pool::Pool& at(std::uint16_t number);
    /// One that goes where the slot goes.
    pool::Pool& following(std::uint16_t slot);
    void for_each(const std::function<void(pool::Pool&)>& visit);
    ClusterGroup& group() noexcept { return *group_; }

private:
    const std::shared_ptr<ClusterGroup> group_;
    const ClusterGroup::Owner owner_;
    const std::shared_ptr<pool::Pool> roaming_;
    std::mutex mutex_;
    std::map<std::uint16_t, std::shared_ptr<pool::Pool>> pools_;
    std::map<std::uint16_t, std::shared_ptr<pool::Pool>> following_;  // by slot
};

class ClusterRouter final : public Router {
public:
    ClusterRouter(std::shared_ptr<ClusterPools> pools, std::shared_ptr<policy::RateLimit> rate);
    ~ClusterRouter() override;

    std::optional<Detour> detour(const Error& answer, const pool::Node& asked) override;
    pool::Pool& following(std::uint16_t slot) override { return pools_->following(slot); }
    std::optional<std::uint16_t> shard_from(std::uint32_t slot) const override;
    std::unique_ptr<Router> share(const pool::Tenant& project) override;
    void for_each_pool(const std::function<void(pool::Pool&)>& visit) override { pools_->for_each(visit); }

private:
    /// Where the project's calls of one node go.
    struct Place {
        explicit Place(pool::Pool& at, std::shared_ptr<policy::RateLimit> rate) : pool(&at), tenant(std::move(rate)) {}
        Route route() noexcept { return {pool, &tenant}; }
        pool::Pool* pool;
        pool::Tenant tenant;
    };
    /// Places by number. One that has become too small is kept, since somebody may be looking at it.
    struct Table {
        explicit Table(std::size_t room) : size(room), places(new std::atomic<Place*>[room]()) {}
        std::size_t size;
        std::unique_ptr<std::atomic<Place*>[]> places;
    };

    Route route_of(std::uint16_t slot) noexcept override;
    Route route_to(std::uint16_t number) noexcept {
        const Table& table = *table_.load(std::memory_order_acquire);
        if (number < table.size) [[likely]] {
            if (Place* const place = table.places[number].load(std::memory_order_acquire)) [[likely]]
                return place->route();
        }
        return open(number);
    }
    Route open(std::uint16_t number) noexcept;

    const std::shared_ptr<ClusterPools> pools_;
    const SlotOwners& owners_;
    std::shared_ptr<policy::RateLimit> rate_;
    Place roaming_;
    std::atomic<Table*> table_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Table>> tables_;  // the last one is used
    std::vector<std::unique_ptr<Place>> places_;
};

}  // namespace redoubt::topology
