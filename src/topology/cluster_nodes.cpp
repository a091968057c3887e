// topology: nodes of a Cluster; see the header.
#include "topology/cluster_nodes.hpp"

#include <algorithm>
#include <utility>

namespace redoubt::topology {

ClusterNodes::ClusterNodes(const RedisServiceConfig& config, const Target& target,
                           boost::asio::io_context::executor_type lane, std::shared_ptr<Telemetry> telemetry,
                           std::shared_ptr<pool::Identity> identity)
    : config_(config),
      target_(target),
      lane_(std::move(lane)),
      telemetry_(std::move(telemetry)),
      identity_(std::move(identity)),
      unknown_(std::make_shared<pool::Node>(config, target, telemetry_)) {
    unknown_->set_unknown();
}

std::uint16_t ClusterNodes::number_of(const NodeAddress& address) {
    const std::lock_guard lock(mutex_);
    const auto known =
        std::find_if(members_.begin(), members_.end(), [&](const Member& one) { return one.address == address; });
    if (known != members_.end()) return static_cast<std::uint16_t>(known - members_.begin());
    if (members_.size() == most) return nobody;
    Target target = target_;
    target.deployment = Deployment::standalone;
    target.seeds.clear();
    target.host = address.host;
    target.port = address.port;
    Member made{address, std::make_shared<pool::Node>(config_, target, telemetry_), nullptr};
    made.node->set_in_cluster();
    made.prober = std::make_shared<pool::Prober>(lane_, made.node, identity_);
    // The prober holds the node; the node must not hold the prober.
    made.node->when_opened([weak = std::weak_ptr<pool::Prober>(made.prober), opened = events_.opened] {
        if (const auto prober = weak.lock()) prober->wake();
        opened();
    });
    made.node->when_doubted(events_.doubted);
    if (stopped_) made.node->stop_probing();
    members_.push_back(std::move(made));
    return static_cast<std::uint16_t>(members_.size() - 1);
}

std::shared_ptr<pool::Node> ClusterNodes::at(std::uint16_t number) const {
    const std::lock_guard lock(mutex_);
    return members_[number].node;
}

std::vector<std::shared_ptr<pool::Node>> ClusterNodes::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<pool::Node>> nodes;
    nodes.reserve(members_.size());
    for (const Member& one : members_) nodes.push_back(one.node);
    return nodes;
}

void ClusterNodes::stop() {
    std::vector<Member> members;
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        members = members_;
    }
    unknown_->stop_probing();
    for (const Member& one : members) {
        one.node->stop_probing();
        one.prober->stop();
    }
}

void ClusterNodes::stop_dials() {
    unknown_->stop_dials();
    for (const auto& node : all()) node->stop_dials();
}

}  // namespace redoubt::topology
