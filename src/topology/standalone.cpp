// topology: one server.
#include <utility>

#include "pool/prober.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {
namespace {

class StandaloneRouter final : public Router {
public:
    explicit StandaloneRouter(std::shared_ptr<pool::Pool> pool) : pool_(std::move(pool)) {}
    pool::Pool& route() noexcept override { return *pool_; }
    void for_each_pool(const std::function<void(pool::Pool&)>& visit) override { visit(*pool_); }

private:
    std::shared_ptr<pool::Pool> pool_;
};

class Standalone final : public Topology {
public:
    Standalone(const RedisServiceConfig& config, const Target& target,
               const boost::asio::io_context::executor_type& lane, std::shared_ptr<pool::ConnectionBudget> budget,
               std::shared_ptr<Telemetry> telemetry)
        : settings_{config.max_connections, config.min_idle_connections, config.max_waiting},
          budget_(std::move(budget)),
          node_(std::make_shared<pool::Node>(config, target, std::move(telemetry))),
          prober_(std::make_shared<pool::Prober>(lane, node_)) {
        // The prober holds the node; the node must not hold the prober.
        node_->when_opened([weak = std::weak_ptr<pool::Prober>(prober_)] {
            if (const auto prober = weak.lock()) prober->wake();
        });
    }

    std::unique_ptr<Router> open_project(const boost::asio::io_context::executor_type& lane) override {
        return std::make_unique<StandaloneRouter>(pool::Pool::create(node_, budget_, settings_, lane));
    }
    void for_each_node(const std::function<void(pool::Node&)>& visit) override { visit(*node_); }
    void stop() override {
        node_->stop_probing();
        prober_->stop();
    }

private:
    pool::PoolSettings settings_;
    std::shared_ptr<pool::ConnectionBudget> budget_;
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

}  // namespace redoubt::topology
