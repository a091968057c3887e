// topology: one owner's pools to replicas, and the way of a read to one of them; the same with Sentinels and in a Cluster.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "topology/places.hpp"
#include "topology/replica_set.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {

/// What `Topology::replicas` lists. `master_of` names the endpoint of a master by its number.
std::vector<ReplicaFigures> figures_of(const ReplicaSet& set,
                                       const std::function<std::string(std::uint16_t)>& master_of);

/// The pools of one owner, by the number of their replica, made on first use. Thread-safe.
class ReplicaPools {
public:
    /// Makes one to this replica. `name`: what it is called where it has no name yet.
    using Open = std::function<std::shared_ptr<pool::Pool>(std::uint16_t number, std::string_view name)>;
    /// `wanted`: somebody wants to read from replicas; cheap, and called again and again.
    ReplicaPools(std::shared_ptr<ReplicaSet> set, std::function<void()> wanted, Open open)
        : set_(std::move(set)), wanted_(std::move(wanted)), open_(std::move(open)) {}

    /// `beside`: the owner's pool to masters, by which this one is named, and after whose end nothing is begun.
    pool::Pool& at(std::uint16_t number, const pool::Pool& beside);
    void for_each(const std::function<void(pool::Pool&)>& visit);
    ReplicaSet& set() noexcept { return *set_; }
    void want() const { wanted_(); }

private:
    const std::shared_ptr<ReplicaSet> set_;
    const std::function<void()> wanted_;
    const Open open_;
    std::mutex mutex_;
    std::map<std::uint16_t, std::shared_ptr<pool::Pool>> pools_;
};

/// One project's way to replicas. Thread-safe.
class ReplicaWay {
public:
    ReplicaWay(std::shared_ptr<ReplicaPools> pools, std::shared_ptr<policy::RateLimit> rate)
        : pools_(std::move(pools)), places_(std::move(rate)) {}
    /// `master`: the number by which the replicas' master is known, and the way to it. No pool: see `refusal`.
    Route reader(std::uint16_t master, const Route& to_master, ReadFrom from, const pool::Node* avoid) noexcept;
    Error refusal(std::uint16_t master) { return pools_->set().refusal(master, Clock::now()); }

private:
    const std::shared_ptr<ReplicaPools> pools_;
    Places places_;
};

/// Of a project whose writes all go through one pool, to whichever node is the master.
class ReplicatedRouter final : public Router {
public:
    ReplicatedRouter(std::shared_ptr<pool::Pool> master, std::shared_ptr<ReplicaPools> replicas,
                     std::shared_ptr<policy::RateLimit> rate = nullptr);
    Route only() noexcept override { return place_.route(); }
    Route route(std::uint16_t /*slot*/) noexcept override { return only(); }
    Route reader(std::uint16_t slot, ReadFrom from, const pool::Node* avoid) noexcept override;
    Error no_reader(std::uint16_t /*slot*/) override { return way_.refusal(0); }
    std::unique_ptr<Router> share(const pool::Tenant& project) override;
    void for_each_pool(const std::function<void(pool::Pool&)>& visit) override;

private:
    const std::shared_ptr<pool::Pool> master_;
    const std::shared_ptr<ReplicaPools> replicas_;
    Place place_;
    ReplicaWay way_;
};

}  // namespace redoubt::topology
