// service: the factory; see its header.
#include <redoubt/service/connection_factory.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <redoubt/base/isolation_counters.hpp>

#include "base/fork_guard.hpp"
#include "base/telemetry_list.hpp"
#include "dispatch/dispatcher.hpp"
#include "isolation/acl_provisioner.hpp"
#include "isolation/project_id.hpp"
#include "service/closing.hpp"
#include "service/metrics_snapshot.hpp"
#include "service/script_access.hpp"
#include "topology/topology.hpp"

namespace redoubt {
namespace {

constexpr std::string_view own_project = "_redoubt";
constexpr std::string_view unprefixed_project = "default";
constexpr std::size_t fewest_connections = 3;

// A second's worth, and never less than two pools', so that a program that starts is not held up.
std::uint32_t connect_burst(const RedisServiceConfig& config) noexcept {
    return std::max(config.max_connects_per_second, static_cast<std::uint32_t>(2 * config.max_connections));
}

std::shared_ptr<base::TelemetryList> list_of(std::shared_ptr<Telemetry> telemetry) {
    if (auto list = std::dynamic_pointer_cast<base::TelemetryList>(telemetry)) return list;
    return std::make_shared<base::TelemetryList>(std::vector{std::move(telemetry)});
}

PoolSnapshot snapshot_of(const pool::Pool& pool) {
    const pool::PoolFigures figures = pool.figures();
    PoolSnapshot out;
    out.name = pool.name();
    out.created = figures.created;
    out.available = figures.available;
    out.leased = figures.leased;
    out.max = figures.max;
    out.min_idle = figures.min_idle;
    out.waiting = figures.waiting;
    out.in_flight = figures.in_flight;
    out.queued_bytes = figures.queued_bytes;
    out.retries = figures.retries;
    out.exhausted = figures.exhausted;
    return out;
}

NodeSnapshot snapshot_of(const pool::Node& node) {
    const pool::NodeFigures figures = node.figures();
    NodeSnapshot out;
    out.endpoint = node.endpoint();
    out.state = node.breaker().state();
    out.mode = node.breaker().mode();
    out.breaker = node.breaker().metrics(Clock::now());
    out.transitions = figures.transitions;
    out.connections_opened = figures.connections_opened;
    out.connections_failed = figures.connections_failed;
    return out;
}

}  // namespace

struct RedisConnectionFactory::Impl {
    Impl(RedisServiceConfig given, std::vector<Lane> given_lanes, std::shared_ptr<Telemetry> given_telemetry)
        : config(std::move(given)),
          target(config.resolve()),
          lanes(std::move(given_lanes)),
          telemetry(list_of(std::move(given_telemetry))),
          settings(std::make_shared<const dispatch::CallSettings>(dispatch::CallSettings{
              config.operation_timeout,
              config.attempt_timeout,
              {config.max_retries, config.retry_delay, config.retry_delay_max, config.retry_idempotent_writes},
              target.database,
              telemetry})),
          budget(std::make_shared<pool::ConnectionBudget>(config.max_total_connections, config.max_connects_per_second,
                                                          connect_burst(config))),
          topology(topology::make_topology(config, target, lanes.front().executor, budget, telemetry)) {
        if (has_users() || !config.admin_url.empty()) {
            provisioner = isolation::AclProvisioner::create(config, target.database);
        }
    }

    std::shared_ptr<isolation::Project> project(std::string_view id, bool prefixed) {
        if (generation != base::process_generation()) raise(base::forked_error());
        {
            const std::lock_guard lock(mutex);
            if (const auto found = projects.find(id); found != projects.end()) return found->second;
        }
        // The application's callback may take its time, and may ask the service for something itself.
        const ProjectLimits limits = prefixed ? limits_of(id) : ProjectLimits{};
        const std::lock_guard lock(mutex);
        return find_or_make(id, prefixed, limits);
    }

    // Under the mutex.
    std::shared_ptr<isolation::Project> find_or_make(std::string_view id, bool prefixed, const ProjectLimits& limits) {
        const auto found = projects.find(id);
        if (found != projects.end()) return found->second;
        if (closed) raise(dispatch::service_closed_error());
        const Lane& lane = lanes[projects.size() % lanes.size()];
        auto origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{target.endpoint(), std::string(id)});
        // The library's own project is the control user's, and so is the unprefixed pool, which has no user's pattern.
        std::shared_ptr<pool::Identity> identity;
        const bool own_user = has_users() && prefixed && id != own_project;
        if (own_user) identity = provisioner->project_identity(id);
        std::unique_ptr<topology::Router> router = topology->open_project(lane.executor, std::move(identity), limits);
        // Nobody else uses it yet, unless it is a shared one that has its name.
        router->for_each_pool([&](pool::Pool& pool) {
            if (!pool.name().empty()) return;
            pool.set_name(shares_pools()
                              ? std::make_shared<const std::string>("shared-" + std::to_string(shared_pools++))
                              : std::shared_ptr<const std::string>(origin, &origin->project_id));
        });
        std::unique_ptr<topology::Router> scan_router;
        if (own_user) {
            scan_router = scan_pool(lane).dispatcher().router().share(*router->route().tenant);
        }
        auto dispatcher = std::make_unique<dispatch::Dispatcher>(std::move(router), settings, std::move(origin),
                                                                 lane.executor, lane.keeper, std::move(scan_router));
        // The library's own stays where it is, whatever the others' keys are like.
        const bool together = config.key_colocation && id != own_project;
        const auto colocation = together ? isolation::Colocation::together : isolation::Colocation::spread;
        auto made = std::make_shared<isolation::Project>(
            std::string(id), prefixed ? isolation::prefix_for(id, colocation) : KeyPrefix{}, std::move(dispatcher));
        if (id != own_project) {
            made->set_script_gate(scripts.gate_of(id, [this] { return find_or_make(own_project, true, {}); }));
        }
        projects.emplace(std::string(id), made);
        if (config.min_idle_connections != 0) maintain({made});
        return made;
    }

    // Whoever reads from masters is told nothing of the configuration, and asks nothing.
    service::Handle handle_of(std::shared_ptr<isolation::Project> project) const {
        service::Handle handle(std::move(project));
        if (config.read_from == ReadFrom::master) return handle;
        return handle.with({.read_from = config.read_from});
    }

    ProjectLimits limits_of(std::string_view id) const {
        if (id == own_project) return {};
        const ProjectLimits limits = config.limits_of_project ? config.limits_of_project(id) : config.project_limits;
        if (limits.max_connections == 0 || limits.max_connections >= fewest_connections) return limits;
        raise(Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                        "max_connections of a project's limits must be 0 or at least 3: two of them are never leased"));
    }

    bool has_users() const noexcept { return config.acl_users != AclUsers::off; }

    // The lane's pool of the scan user, for all its projects: they only have a way into it, and it is kept, listed and
    // closed as if it were a project's.
    isolation::Project& scan_pool(const Lane& lane) {
        for (const auto& made : scan_pools) {
            if (made->dispatcher().lane() == lane.executor) return *made;
        }
        const std::string name = "_scan-" + std::to_string(scan_pools.size());
        auto origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{target.endpoint(), name});
        auto dispatcher =
            std::make_unique<dispatch::Dispatcher>(topology->open_for_many(lane.executor, provisioner->scan_identity()),
                                                   settings, std::move(origin), lane.executor, lane.keeper);
        dispatcher->router().for_each_pool([&](pool::Pool& pool) {
            pool.set_name({dispatcher->origin(), &dispatcher->origin()->project_id});
        });
        scan_pools.push_back(std::make_shared<isolation::Project>(name, KeyPrefix{}, std::move(dispatcher)));
        return *scan_pools.back();
    }

    using Projects = std::vector<std::shared_ptr<isolation::Project>>;

    // Each pool on its own lane, and each in the background: no call and no other pool waits for it.
    void maintain(const Projects& all) const {
        std::vector<Projects> of_lane(lanes.size());
        for (const auto& project : all) {
            for (std::size_t i = 0; i != lanes.size(); ++i) {
                if (lanes[i].executor == project->dispatcher().lane()) of_lane[i].push_back(project);
            }
        }
        for (std::size_t i = 0; i != lanes.size(); ++i) {
            if (of_lane[i].empty()) continue;
            boost::asio::post(lanes[i].executor, [here = std::move(of_lane[i]), shared = shares_pools(),
                                                  all_the_same = has_one_pool_a_lane()] {
                const TimePoint now = Clock::now();
                std::vector<const pool::Pool*> seen;
                for (const auto& project : here) {
                    project->dispatcher().router().for_each_pool([&](pool::Pool& pool) {
                        if (shared && std::find(seen.begin(), seen.end(), &pool) != seen.end()) return;
                        if (shared) seen.push_back(&pool);
                        pool.tidy(now);
                        if (pool.keeps_spares()) {
                            boost::asio::co_spawn(project->dispatcher().lane(), pool.open_spares(),
                                                  boost::asio::detached);
                        }
                    });
                    if (all_the_same) break;
                }
            });
        }
    }

    bool shares_pools() const noexcept { return config.pool_mode == PoolMode::shared; }
    // Else there is one for each node that a project has been at.
    bool has_one_pool_a_lane() const noexcept { return shares_pools() && target.deployment == Deployment::standalone; }

    Projects all_projects() const {
        const std::lock_guard lock(mutex);
        Projects all;
        all.reserve(projects.size());
        for (const auto& [id, project] : projects) all.push_back(project);
        all.insert(all.end(), scan_pools.begin(), scan_pools.end());
        return all;
    }

    // Each once. It is named as its project; one that all projects share as `shared-0` and so on, one a lane; in a
    // Cluster, and where replicas are read from, there are others behind each, one a node, with the node's name behind
    // theirs.
    void for_each_pool(const std::function<void(pool::Pool&)>& visit) const {
        std::vector<const pool::Pool*> seen;
        for (const auto& project : all_projects()) {
            project->dispatcher().router().for_each_pool([&](pool::Pool& pool) {
                if (!shares_pools()) return visit(pool);
                if (std::find(seen.begin(), seen.end(), &pool) != seen.end()) return;
                seen.push_back(&pool);
                visit(pool);
            });
            if (has_one_pool_a_lane() && seen.size() == lanes.size()) return;
        }
    }

    // Another project's resting connection makes room. Called while no pool is locked.
    bool close_one_idle() const {
        bool done = false;
        for_each_pool([&](pool::Pool& pool) { done = done || pool.close_one_idle(); });
        return done;
    }

    // Our own is no project.
    std::size_t projects_count() const {
        const std::lock_guard lock(mutex);
        return projects.size() - (projects.contains(own_project) ? 1 : 0);
    }

    const std::uint32_t generation = base::process_generation();
    RedisServiceConfig config;
    service::ScriptAccess scripts{config};
    Target target;
    std::vector<Lane> lanes;
    std::shared_ptr<base::TelemetryList> telemetry;
    std::shared_ptr<const dispatch::CallSettings> settings;
    std::shared_ptr<pool::ConnectionBudget> budget;
    std::unique_ptr<topology::Topology> topology;
    std::shared_ptr<isolation::AclProvisioner> provisioner;  // null without users and without an administrator

    mutable std::mutex mutex;
    std::map<std::string, std::shared_ptr<isolation::Project>, std::less<>> projects;
    std::vector<std::shared_ptr<isolation::Project>> scan_pools;
    std::size_t shared_pools = 0;  // that have a name
    bool closed = false;
};

RedisConnectionFactory::RedisConnectionFactory(RedisServiceConfig config, std::vector<Lane> lanes,
                                               std::shared_ptr<Telemetry> telemetry)
    : impl_(std::make_shared<Impl>(std::move(config), std::move(lanes), std::move(telemetry))) {
    impl_->budget->when_exhausted([weak = std::weak_ptr<Impl>(impl_)] {
        const auto impl = weak.lock();
        return impl != nullptr && impl->close_one_idle();
    });
}

RedisConnectionFactory::~RedisConnectionFactory() { close(); }

ProjectIsolatedRedisClient RedisConnectionFactory::get_connection(std::string_view project_id) {
    const bool development = impl_->config.environment == Environment::development;
    if (development && (project_id.empty() || project_id == unprefixed_project)) {
        return ProjectIsolatedRedisClient(impl_->handle_of(impl_->project(unprefixed_project, false)));
    }
    std::optional<Error> bad = isolation::check_project_id(project_id);
    if (!bad && project_id == unprefixed_project) {
        bad =
            Error::of(ErrorKind::isolation, Certainty::not_sent, Stage::admission,
                      "the project id \"default\" names the unprefixed pool, which only REDIS_ENVIRONMENT=development "
                      "has");
    }
    if (bad) {
        isolation_counters().refusals.fetch_add(1, std::memory_order_relaxed);
        bad->origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{impl_->target.endpoint(), {}});
        raise(*bad);
    }
    return ProjectIsolatedRedisClient(impl_->handle_of(impl_->project(project_id, true)));
}

ProjectIsolatedRedisClient RedisConnectionFactory::own_connection() {
    return ProjectIsolatedRedisClient(service::Handle(impl_->project(own_project, true)));
}

RedisAdminClient RedisConnectionFactory::admin() const {
    const std::optional<Target> administrator = impl_->config.admin_target();
    return {impl_->provisioner, impl_->config.operation_timeout,
            administrator ? administrator->endpoint() : std::string()};
}

MetricsSnapshot RedisConnectionFactory::snapshot() const {
    MetricsSnapshot snapshot;
    snapshot.initialized = true;
    snapshot.endpoint = impl_->target.endpoint();
    snapshot.database = impl_->target.database;
    snapshot.projects = impl_->projects_count();
    impl_->for_each_pool([&](pool::Pool& pool) { snapshot.pools.push_back(snapshot_of(pool)); });
    impl_->topology->for_each_node([&](pool::Node& node) { snapshot.nodes.push_back(snapshot_of(node)); });
    for (const topology::ReplicaFigures& figures : impl_->topology->replicas()) {
        snapshot.replicas.push_back(
            {snapshot_of(*figures.node), figures.master, figures.lag, figures.answer_time, figures.within_bound});
    }
    if (const auto cluster = impl_->topology->cluster()) {
        snapshot.cluster.emplace();
        for (const auto& one : cluster->members) {
            snapshot.cluster->members.push_back({one.endpoint, one.master, one.online, one.slots});
        }
        snapshot.cluster->uncovered = cluster->uncovered;
    }
    const IsolationCounters& isolation = isolation_counters();
    snapshot.isolation_refusals = isolation.refusals.load(std::memory_order_relaxed);
    snapshot.isolation_foreign_names = isolation.foreign_names.load(std::memory_order_relaxed);
    snapshot.isolation_foreign_keys = isolation.foreign_keys.load(std::memory_order_relaxed);
    return snapshot;
}

boost::json::object RedisConnectionFactory::metrics() const { return service::factory_json(snapshot()); }

CircuitState RedisConnectionFactory::circuit_state() const {
    CircuitState worst = CircuitState::closed;
    impl_->topology->for_each_node([&](pool::Node& node) {
        if (node.breaker().state() != CircuitState::closed) worst = node.breaker().state();
    });
    return worst;
}

std::vector<CircuitBreakerHandle> RedisConnectionFactory::circuit_breakers() const {
    std::vector<CircuitBreakerHandle> all;
    impl_->topology->for_each_node([&](pool::Node& node) { all.emplace_back(node.shared_from_this()); });
    return all;
}

const RedisServiceConfig& RedisConnectionFactory::config() const noexcept { return impl_->config; }
const Target& RedisConnectionFactory::target() const noexcept { return impl_->target; }

boost::asio::awaitable<void> RedisConnectionFactory::maintain() {
    const auto impl = impl_;
    impl->telemetry->refresh();
    impl->maintain(impl->all_projects());
    co_return;
}

void RedisConnectionFactory::close() {
    {
        const std::lock_guard lock(impl_->mutex);
        if (std::exchange(impl_->closed, true)) return;
    }
    impl_->topology->stop();
    service::close_projects(impl_->all_projects(), impl_->lanes, impl_->config.drain_timeout,
                            [impl = impl_] { impl->topology->stop_dials(); });
    // Afterwards, so that a dial that waits for its user finds its pool closed.
    if (impl_->provisioner) impl_->provisioner->stop();
}

}  // namespace redoubt
