// topology: one server.
#include <utility>

#include "pool/prober.hpp"
#include "topology/pools.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {
namespace {

class Standalone final : public Topology {
public:
    Standalone(const RedisServiceConfig& config, const Target& target,
               const boost::asio::io_context::executor_type& lane, std::shared_ptr<pool::ConnectionBudget> budget,
               std::shared_ptr<Telemetry> telemetry)
        : pools_(config, std::move(budget)),
          node_(std::make_shared<pool::Node>(config, target, std::move(telemetry))),
          prober_(std::make_shared<pool::Prober>(lane, node_, pools_.provided())) {
        // The prober holds the node; the node must not hold the prober.
        node_->when_opened([weak = std::weak_ptr<pool::Prober>(prober_)] {
            if (const auto prober = weak.lock()) prober->wake();
        });
    }

    std::unique_ptr<Router> open_project(const boost::asio::io_context::executor_type& lane,
                                         std::shared_ptr<pool::Identity> identity,
                                         const ProjectLimits& limits) override {
        return std::make_unique<OnePoolRouter>(pools_.of_project(node_, lane, std::move(identity), limits),
                                               rate_of(limits));
    }
    std::unique_ptr<Router> open_for_many(const boost::asio::io_context::executor_type& lane,
                                          std::shared_ptr<pool::Identity> identity) override {
        return std::make_unique<OnePoolRouter>(pools_.for_many(node_, lane, std::move(identity)));
    }
    void for_each_node(const std::function<void(pool::Node&)>& visit) override { visit(*node_); }
    void stop() override {
        node_->stop_probing();
        prober_->stop();
    }
    void stop_dials() override { node_->stop_dials(); }

private:
    Pools pools_;
    std::shared_ptr<pool::Node> node_;
    std::shared_ptr<pool::Prober> prober_;
};

}  // namespace

std::unique_ptr<Topology> make_standalone(const RedisServiceConfig& config, const Target& target,
                                          const boost::asio::io_context::executor_type& lane,
                                          std::shared_ptr<pool::ConnectionBudget> budget,
                                          std::shared_ptr<Telemetry> telemetry) {
    return std::make_unique<Standalone>(config, target, lane, std::move(budget), std::move(telemetry));
}

std::unique_ptr<Topology> make_topology(const RedisServiceConfig& config, const Target& target,
                                        const boost::asio::io_context::executor_type& lane,
                                        std::shared_ptr<pool::ConnectionBudget> budget,
                                        std::shared_ptr<Telemetry> telemetry) {
    switch (target.deployment) {
        case Deployment::standalone: break;
        case Deployment::sentinel: return make_sentinel(config, target, lane, std::move(budget), std::move(telemetry));
        case Deployment::cluster: return make_cluster(config, target, lane, std::move(budget), std::move(telemetry));
    }
    return make_standalone(config, target, lane, std::move(budget), std::move(telemetry));
}

}  // namespace redoubt::topology
