// topology: one project's way to its pools in a Cluster, one pool a node, made on first use.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "topology/cluster_group.hpp"
#include "topology/places.hpp"
#include "topology/replica_pools.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {

/// The pools of one owner, by the number of their node. Thread-safe.
class ClusterPools {
public:
    ClusterPools(std::shared_ptr<ClusterGroup> group, ClusterGroup::Owner owner)
        : group_(std::move(group)),
          owner_(std::move(owner)),
          roaming_(group_->open_roaming(owner_)),
          replicas_(group_->replica_pools(owner_)) {}
    pool::Pool& roaming() noexcept { return *roaming_; }
    pool::Pool& at(std::uint16_t number);
    /// One that goes where the slot goes.
    pool::Pool& following(std::uint16_t slot);
    void for_each(const std::function<void(pool::Pool&)>& visit);
    ClusterGroup& group() noexcept { return *group_; }
    const std::shared_ptr<ReplicaPools>& replicas() const noexcept { return replicas_; }

private:
    const std::shared_ptr<ClusterGroup> group_;
    const ClusterGroup::Owner owner_;
    const std::shared_ptr<pool::Pool> roaming_;
    const std::shared_ptr<ReplicaPools> replicas_;
    std::mutex mutex_;
    std::map<std::uint16_t, std::shared_ptr<pool::Pool>> pools_;
    std::map<std::uint16_t, std::shared_ptr<pool::Pool>> following_;  // by slot
};

class ClusterRouter final : public Router {
public:
    ClusterRouter(std::shared_ptr<ClusterPools> pools, std::shared_ptr<policy::RateLimit> rate);

    Route route(std::uint16_t slot) noexcept override;
    Route reader(std::uint16_t slot, ReadFrom from, const pool::Node* avoid) noexcept override;
    Error no_reader(std::uint16_t slot) override { return replicas_.refusal(owners_.of(slot)); }
    std::optional<Detour> detour(const Error& answer, const pool::Node& asked) override;
    pool::Pool& following(std::uint16_t slot) override { return pools_->following(slot); }
    std::optional<std::uint16_t> shard_from(std::uint32_t slot) const override;
    std::unique_ptr<Router> share(const pool::Tenant& project) override;
    void for_each_pool(const std::function<void(pool::Pool&)>& visit) override { pools_->for_each(visit); }

private:
    Route open(std::uint16_t number) noexcept;

    const std::shared_ptr<ClusterPools> pools_;
    const SlotOwners& owners_;
    Place roaming_;
    Places places_;
    ReplicaWay replicas_;
};

}  // namespace redoubt::topology
