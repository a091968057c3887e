// topology: a Cluster: its nodes, its map, and the pools of the projects that lead to them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/cluster_nodes.hpp"
#include "topology/cluster_watch.hpp"
#include "topology/pools.hpp"
#include "topology/redirect.hpp"
#include "topology/replica_pools.hpp"
#include "topology/replica_watch.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {

/// What lives on after the topology as long as somebody is on the way to it. Thread-safe.
class ClusterGroup : public std::enable_shared_from_this<ClusterGroup> {
public:
    using Lane = boost::asio::io_context::executor_type;
    static constexpr std::uint16_t nobody = ClusterNodes::nobody;

    static std::shared_ptr<ClusterGroup> create(const RedisServiceConfig& config, const Target& target, Lane lane,
                                                std::shared_ptr<pool::ConnectionBudget> budget,
                                                const std::shared_ptr<Telemetry>& telemetry);

    /// Whose pools they are.
    struct Owner {
        Lane lane;
        std::shared_ptr<pool::Identity> identity;
        ProjectLimits limits;
        bool many = false;  ///< of projects that share them in turns
    };
    /// A pool to one node after the other, any that works: for what has no keys, and until the map is known.
    std::shared_ptr<pool::Pool> open_roaming(const Owner& owner);
    /// One to whichever node serves the slot.
    std::shared_ptr<pool::Pool> open_following(std::uint16_t slot, const Owner& owner, std::string_view name);
    /// One to this node. `name`: what it is called where it has no name yet.
    std::shared_ptr<pool::Pool> open(std::uint16_t number, const Owner& owner, std::string_view name);

    /// Those of an owner that lead to replicas.
    std::shared_ptr<ReplicaPools> replica_pools(const Owner& owner);
    std::vector<ReplicaFigures> replicas() const;
    /// Something hints that the map is old.
    void doubt() { watch_->doubt(); }

    const SlotOwners& owners() const noexcept { return nodes_.owners(); }
    /// A node has said so; the number of the one that it names. `nobody`: there are too many.
    std::uint16_t redirected(const Redirect& redirect);
    /// Numbers of those that serve slots, as the map says.
    std::vector<std::uint16_t> masters() const;
    /// As it was adopted last; null: there is none yet.
    std::shared_ptr<const SlotMap> map() const;
    ClusterNodes& nodes() noexcept { return nodes_; }
    const ClusterNodes& nodes() const noexcept { return nodes_; }
    void stop();
    void stop_dials();

private:
    ClusterGroup(const RedisServiceConfig& config, const Target& target, Lane lane,
                 std::shared_ptr<pool::ConnectionBudget> budget, const std::shared_ptr<Telemetry>& telemetry);
    void make_watch(const RedisServiceConfig& config, const Target& target);
    void adopt(const SlotMap& map);
    void want_replicas();
    void tell_replicas();
    void tell_absence(std::string why);
    void settle_later();
    void settle_roaming();
    void settle_following();
    std::shared_ptr<pool::Node> anybody() const;
    bool is_good(const pool::Node& node) const;
    bool has_silent_master() const;
    bool is_silent(const pool::Node& node) const;
    bool is_silent_at(const NodeAddress& address);

    const Lane lane_;
    Pools pools_;
    ClusterNodes nodes_;
    std::shared_ptr<ClusterWatch> watch_;
    const std::shared_ptr<ReplicaSet> replicas_;
    std::shared_ptr<ReplicaWatch> replica_watch_;
    const bool reads_replicas_;  // unless a call says otherwise

    mutable std::mutex mutex_;
    std::shared_ptr<const SlotMap> map_;
    std::vector<std::uint16_t> masters_;
    std::vector<std::weak_ptr<pool::Pool>> roaming_;
    struct Following {
        std::uint16_t slot;
        std::weak_ptr<pool::Pool> pool;
    };
    std::vector<Following> following_;
    std::size_t prune_at_ = 64;
    bool stopped_ = false;
};

}  // namespace redoubt::topology
