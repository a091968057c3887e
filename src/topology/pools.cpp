// topology: the pools of a service; see the header.
#include "topology/pools.hpp"

#include <algorithm>

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

}  // namespace

std::shared_ptr<policy::RateLimit> rate_of(const ProjectLimits& limits) {
    if (limits.commands_per_second == 0) return nullptr;
    const std::uint32_t burst = limits.burst != 0 ? limits.burst : std::max(limits.commands_per_second / 10, 1u);
    return std::make_shared<policy::RateLimit>(limits.commands_per_second, burst);
}

Pools::Pools(const RedisServiceConfig& config, std::shared_ptr<pool::ConnectionBudget> budget)
    : settings_(std::make_shared<const pool::PoolSettings>(settings_of(config))),
      shared_(config.pool_mode == PoolMode::shared),
      rated_(may_be_rated(config)),
      budget_(std::move(budget)),
      provided_(pool::make_provided_identity(config.credentials_provider)) {}

std::shared_ptr<pool::Pool> Pools::of_project(const std::shared_ptr<pool::Node>& node, const Lane& lane,
                                              std::shared_ptr<pool::Identity> identity, const ProjectLimits& limits,
                                              std::size_t place) {
    if (identity == nullptr) identity = provided_;
    if (!shared_) return pool::Pool::create(node, budget_, settings_within(limits), lane, std::move(identity));
    const std::lock_guard lock(mutex_);
    for (const Shared& one : shared_pools_) {
        if (one.lane == lane && one.place == place) return one.pool;
    }
    shared_pools_.push_back({lane, place, pool::Pool::create(node, budget_, settings_, lane, provided_)});
    return shared_pools_.back().pool;
}

std::shared_ptr<pool::Pool> Pools::for_many(const std::shared_ptr<pool::Node>& node, const Lane& lane,
                                            std::shared_ptr<pool::Identity> identity) const {
    auto settings = std::make_shared<const pool::PoolSettings>(in_turns(*settings_, rated_));
    return pool::Pool::create(node, budget_, std::move(settings), lane, std::move(identity));
}

std::shared_ptr<pool::Pool> Pools::to_replica(const std::shared_ptr<pool::Node>& node, std::uint16_t number, bool many,
                                              const Lane& lane, std::shared_ptr<pool::Identity> identity,
                                              const ProjectLimits& limits, std::string_view owner) {
    // Behind the places of all others.
    constexpr std::size_t first_place = 0x20000;
    std::shared_ptr<pool::Pool> pool = many ? for_many(node, lane, std::move(identity))
                                            : of_project(node, lane, std::move(identity), limits, first_place + number);
    if (pool->name().empty()) {
        pool->set_name(std::make_shared<const std::string>(std::string(owner) + '@' + node->endpoint() + "-replica"));
    }
    return pool;
}

// One object for all projects that have no limits of their own.
std::shared_ptr<const pool::PoolSettings> Pools::settings_within(const ProjectLimits& limits) const {
    const pool::PoolSettings own = within(*settings_, limits);
    return own == *settings_ ? settings_ : std::make_shared<const pool::PoolSettings>(own);
}

}  // namespace redoubt::topology
