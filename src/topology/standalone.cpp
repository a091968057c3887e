// topology: one server.
#include <mutex>
#include <utility>
#include <vector>

#include "pool/prober.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {
namespace {

// In shared mode: what is in flight on a wire before the others wait in their projects' queues. Many times what keeps a
// server busy, and little enough that nobody waits long behind it.
constexpr std::size_t window_operations = 1024;
constexpr std::size_t window_bytes = 1u << 20;

pool::PoolSettings settings_of(const RedisServiceConfig& config) {
    const bool shared = config.pool_mode == PoolMode::shared;
    return {config.max_connections,    config.min_idle_connections, config.max_waiting,
            config.idle_timeout,       config.connection_lifetime,  shared ? window_operations : 0,
            shared ? window_bytes : 0, config.max_queued_bytes};
}

class StandaloneRouter final : public Router {
public:
    explicit StandaloneRouter(std::shared_ptr<pool::Pool> pool) : pool_(std::move(pool)) {}
    Route route() noexcept override { return {*pool_, tenant_}; }
    std::unique_ptr<Router> share() override { return std::make_unique<StandaloneRouter>(pool_); }
    void for_each_pool(const std::function<void(pool::Pool&)>& visit) override { visit(*pool_); }

private:
    std::shared_ptr<pool::Pool> pool_;
    pool::Tenant tenant_;
};

class Standalone final : public Topology {
public:
    Standalone(const RedisServiceConfig& config, const Target& target,
               const boost::asio::io_context::executor_type& lane, std::shared_ptr<pool::ConnectionBudget> budget,
               std::shared_ptr<Telemetry> telemetry)
        : settings_(std::make_shared<const pool::PoolSettings>(settings_of(config))),
          shared_(config.pool_mode == PoolMode::shared),
          budget_(std::move(budget)),
          node_(std::make_shared<pool::Node>(config, target, std::move(telemetry))),
          prober_(std::make_shared<pool::Prober>(lane, node_)) {
        // The prober holds the node; the node must not hold the prober.
        node_->when_opened([weak = std::weak_ptr<pool::Prober>(prober_)] {
            if (const auto prober = weak.lock()) prober->wake();
        });
    }

    std::unique_ptr<Router> open_project(const boost::asio::io_context::executor_type& lane,
                                         std::shared_ptr<pool::Identity> identity) override {
        return std::make_unique<StandaloneRouter>(shared_ ? shared_pool(lane) : make_pool(lane, std::move(identity)));
    }
    void for_each_node(const std::function<void(pool::Node&)>& visit) override { visit(*node_); }
    void stop() override {
        node_->stop_probing();
        prober_->stop();
    }

private:
    using Lane = boost::asio::io_context::executor_type;

    std::shared_ptr<pool::Pool> make_pool(const Lane& lane, std::shared_ptr<pool::Identity> identity) {
        return pool::Pool::create(node_, budget_, settings_, lane, std::move(identity));
    }
    std::shared_ptr<pool::Pool> shared_pool(const Lane& lane) {
        const std::lock_guard lock(mutex_);
        for (const auto& [of, pool] : shared_pools_) {
            if (of == lane) return pool;
        }
        return shared_pools_.emplace_back(lane, make_pool(lane, nullptr)).second;
    }

    std::shared_ptr<const pool::PoolSettings> settings_;
    bool shared_;
    std::mutex mutex_;
    std::vector<std::pair<Lane, std::shared_ptr<pool::Pool>>> shared_pools_;  // one a lane
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
