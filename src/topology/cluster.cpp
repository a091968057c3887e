// topology: a Cluster as the rest of the code sees it.
#include <utility>

#include "topology/cluster_group.hpp"
#include "topology/cluster_router.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {
namespace {

using Lane = ClusterGroup::Lane;

class Cluster final : public Topology {
public:
    explicit Cluster(std::shared_ptr<ClusterGroup> group) : group_(std::move(group)) {}

    std::unique_ptr<Router> open_project(const Lane& lane, std::shared_ptr<pool::Identity> identity,
                                         const ProjectLimits& limits) override {
        return open({lane, std::move(identity), limits, false}, rate_of(limits));
    }
    std::unique_ptr<Router> open_for_many(const Lane& lane, std::shared_ptr<pool::Identity> identity) override {
        return open({lane, std::move(identity), {}, true}, nullptr);
    }
    // The masters: callers depend on no other.
    void for_each_node(const std::function<void(pool::Node&)>& visit) override {
        const std::vector<std::uint16_t> numbers = group_->masters();
        if (numbers.empty()) return visit(*group_->nodes().unknown());
        for (const std::uint16_t number : numbers) visit(*group_->nodes().at(number));
    }
    std::optional<ClusterFigures> cluster() const override {
        const std::shared_ptr<const SlotMap> map = group_->map();
        if (!map) return std::nullopt;
        ClusterFigures figures;
        for (const SlotMap::Node& node : map->nodes()) {
            figures.members.push_back({to_text(node.address), node.master, node.online, 0});
        }
        for (std::uint16_t slot = 0; slot != slot_count; ++slot) {
            const std::uint16_t owner = map->owner(slot);
            if (owner != SlotMap::nobody) ++figures.members[owner].slots;
        }
        figures.uncovered = map->uncovered();
        return figures;
    }
    std::vector<ReplicaFigures> replicas() const override { return group_->replicas(); }
    void stop() override { group_->stop(); }
    void stop_dials() override { group_->stop_dials(); }

private:
    std::unique_ptr<Router> open(ClusterGroup::Owner owner, std::shared_ptr<policy::RateLimit> rate) {
        return std::make_unique<ClusterRouter>(std::make_shared<ClusterPools>(group_, std::move(owner)),
                                               std::move(rate));
    }
    std::shared_ptr<ClusterGroup> group_;
};

}  // namespace

std::unique_ptr<Topology> make_cluster(const RedisServiceConfig& config, const Target& target, const Lane& lane,
                                       std::shared_ptr<pool::ConnectionBudget> budget,
                                       std::shared_ptr<Telemetry> telemetry) {
    return std::make_unique<Cluster>(ClusterGroup::create(config, target, lane, std::move(budget), telemetry));
}

}  // namespace redoubt::topology
