// topology: one server.
#include <algorithm>
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

/// For several projects; `rated`: any of them may have a rate.
pool::PoolSettings in_turns(pool::PoolSettings settings, bool rated) {
    settings.window_operations = window_operations;
    settings.window_bytes = window_bytes;
    settings.rated = rated;
    return settings;
}

bool may_be_rated(const RedisServiceConfig& config) noexcept {
    return config.project_limits.commands_per_second != 0 || config.limits_of_project;
}

pool::PoolSettings settings_of(const RedisServiceConfig& config) {
    pool::PoolSettings settings;
    settings.max_connections = config.max_connections;
    settings.min_idle = config.min_idle_connections;
    settings.max_waiting = config.max_waiting;
    settings.idle_timeout = config.idle_timeout;
    settings.lifetime = config.connection_lifetime;
    settings.max_queued_bytes = config.max_queued_bytes;
    settings.retry_tokens = config.retry_budget;
    settings.retry_refill = config.retry_budget_refill;
    return config.pool_mode == PoolMode::shared ? in_turns(settings, may_be_rated(config)) : settings;
}

pool::PoolSettings within(pool::PoolSettings settings, const ProjectLimits& limits) {
    if (limits.max_connections != 0) settings.max_connections = limits.max_connections;
    settings.min_idle = std::min(settings.min_idle, settings.max_connections);
    if (limits.max_queued_bytes != 0) settings.max_queued_bytes = limits.max_queued_bytes;
    settings.max_in_flight = limits.max_in_flight;
    settings.max_reply_bytes = limits.max_reply_bytes;
    settings.rated = limits.commands_per_second != 0;
    // 64 KB are worth four commands. But never so slow that a large reply could not come within its attempt's time.
    if (settings.rated) {
        settings.read_pace = std::min<Duration>(Duration(std::chrono::seconds(4)) / limits.commands_per_second,
                                                std::chrono::milliseconds(1));
    }
    return settings;
}

std::shared_ptr<policy::RateLimit> rate_of(const ProjectLimits& limits) {
    if (limits.commands_per_second == 0) return nullptr;
    const std::uint32_t burst = limits.burst != 0 ? limits.burst : std::max(limits.commands_per_second / 10, 1u);
    return std::make_shared<policy::RateLimit>(limits.commands_per_second, burst);
}

class StandaloneRouter final : public Router {
public:
    explicit StandaloneRouter(std::shared_ptr<pool::Pool> pool, std::shared_ptr<policy::RateLimit> rate = nullptr)
        : pool_(std::move(pool)), tenant_(std::move(rate)) {}
    Route route() noexcept override { return {*pool_, tenant_}; }
    std::unique_ptr<Router> share(const pool::Tenant& project) override {
        return std::make_unique<StandaloneRouter>(pool_, project.rate());
    }
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
          rated_(may_be_rated(config)),
          budget_(std::move(budget)),
          node_(std::make_shared<pool::Node>(config, target, std::move(telemetry))),
          provided_(pool::make_provided_identity(config.credentials_provider)),
          prober_(std::make_shared<pool::Prober>(lane, node_, provided_)) {
        // The prober holds the node; the node must not hold the prober.
        node_->when_opened([weak = std::weak_ptr<pool::Prober>(prober_)] {
            if (const auto prober = weak.lock()) prober->wake();
        });
    }

    std::unique_ptr<Router> open_project(const boost::asio::io_context::executor_type& lane,
                                         std::shared_ptr<pool::Identity> identity,
                                         const ProjectLimits& limits) override {
        if (identity == nullptr) identity = provided_;
        auto pool = shared_ ? shared_pool(lane)
                            : pool::Pool::create(node_, budget_, settings_within(limits), lane, std::move(identity));
        return std::make_unique<StandaloneRouter>(std::move(pool), rate_of(limits));
    }
    std::unique_ptr<Router> open_for_many(const boost::asio::io_context::executor_type& lane,
                                          std::shared_ptr<pool::Identity> identity) override {
        auto settings = std::make_shared<const pool::PoolSettings>(in_turns(*settings_, rated_));
        return std::make_unique<StandaloneRouter>(
            pool::Pool::create(node_, budget_, std::move(settings), lane, std::move(identity)));
    }
    void for_each_node(const std::function<void(pool::Node&)>& visit) override { visit(*node_); }
    void stop() override {
        node_->stop_probing();
        prober_->stop();
    }
    void stop_dials() override { node_->stop_dials(); }

private:
    using Lane = boost::asio::io_context::executor_type;

    // One object for all projects that have no limits of their own.
    std::shared_ptr<const pool::PoolSettings> settings_within(const ProjectLimits& limits) const {
        const pool::PoolSettings own = within(*settings_, limits);
        return own == *settings_ ? settings_ : std::make_shared<const pool::PoolSettings>(own);
    }
    std::shared_ptr<pool::Pool> shared_pool(const Lane& lane) {
        const std::lock_guard lock(mutex_);
        for (const auto& [of, pool] : shared_pools_) {
            if (of == lane) return pool;
        }
        return shared_pools_.emplace_back(lane, pool::Pool::create(node_, budget_, settings_, lane, provided_)).second;
    }

    std::shared_ptr<const pool::PoolSettings> settings_;
    bool shared_;
    bool rated_;
    std::mutex mutex_;
    std::vector<std::pair<Lane, std::shared_ptr<pool::Pool>>> shared_pools_;  // one a lane
    std::shared_ptr<pool::ConnectionBudget> budget_;
    std::shared_ptr<pool::Node> node_;
    std::shared_ptr<pool::Identity> provided_;  // who logs in where no project's user does; null: the URL's
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
