// service: RedisService; see its header.
#include <redoubt/service/service.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/service/connection_factory.hpp>

#include "base/fork_guard.hpp"
#include "base/telemetry_list.hpp"
#include "connection/server_error.hpp"
#include "dispatch/dispatcher.hpp"
#include "service/health_probe.hpp"
#include "service/log_telemetry.hpp"
#include "service/metrics_snapshot.hpp"
#include "service/monitor.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;

// How long `close` lets the loops of the service's own threads run out.
constexpr auto drain_time = std::chrono::seconds(2);

// A loop with the one thread that runs it. The thread shares the loop, so that a service that is closed by a handler
// on that very thread need not wait for itself.
class OwnLane {
public:
    OwnLane()
        : state_(std::make_shared<State>()), work_(asio::make_work_guard(state_->loop)), thread_([state = state_] {
              dispatch::mark_io_thread();
              state->loop.run();
              state->ended.set_value();
          }) {}
    // Everything that was on the loop has been closed before: it runs out by itself, and is stopped when it does not.
    ~OwnLane() {
        work_.reset();
        if (left_alone_) {
            thread_.detach();
            return;
        }
        if (state_->ended.get_future().wait_for(drain_time) != std::future_status::ready) state_->loop.stop();
        thread_.join();
        // A handler held the loop up: what fails the calls behind it runs now, so that every caller has its answer.
        state_->loop.restart();
        state_->loop.poll();
    }
    bool runs_here() const noexcept { return thread_.get_id() == std::this_thread::get_id(); }
    /// Its thread ends by itself when what is on the loop has ended: whoever closes the service is such a thread, and
    /// must not wait.
    void leave_alone() noexcept { left_alone_ = true; }
    RedisConnectionFactory::Lane lane() { return {state_->loop.get_executor(), state_}; }

private:
    struct State {
        asio::io_context loop{1};
        std::promise<void> ended;
    };
    std::shared_ptr<State> state_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::thread thread_;
    bool left_alone_ = false;
};

Error not_initialized() {
    return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::admission,
                     "the service is not initialized, or it is closed: call initialize() first");
}

// A server that cannot save (MISCONF) refuses even PING; but it answers, and serves what it can.
void check_answered(const result<std::string>& pong) {
    if (pong) return;
    if (pong.error().kind != ErrorKind::server || connection::is_passing(pong.error().prefix())) raise(pong.error());
    service::log_warning(fmt::format("the server is there, but not well: {}", pong.error().message()));
}

// In a Cluster: what the first service that came has noted of how keys are laid out there. The keys of one that disagrees
// would be elsewhere, and nobody would find the others'.
constexpr std::string_view layout_key = "key_layout";

std::string_view layout_of(const RedisServiceConfig& config) { return config.key_colocation ? "together" : "spread"; }

void check_layout(const RedisServiceConfig& config, const result<std::optional<std::string>>& noted) {
    if (!noted) return service::log_warning("the layout of keys is not checked: " + noted.error().message());
    if (!*noted || **noted == layout_of(config)) return;
    raise(Error::with_detail(
        ErrorKind::configuration, Certainty::not_sent, Stage::admission,
        fmt::format(
            "key_colocation (REDIS_KEY_COLOCATION) is {}, but {} in this Cluster: keys of the two would not meet; "
            "give all services the same, or delete proj:_redoubt:{} once no keys of the other kind are left",
            config.key_colocation ? "yes" : "no",
            config.key_colocation ? "other services have spread their keys (proj:id:key)"
                                  : "other services keep a project's keys together (proj:{id}:key)",
            layout_key)));
}

// Where the figures come from. Shared with those who ask for them, who may outlive the service.
class MetricsSources {
public:
    void set(const std::shared_ptr<RedisConnectionFactory>& factory,
             const std::shared_ptr<service::HealthWatch>& health) {
        const std::lock_guard lock(mutex_);
        factory_ = factory;
        health_ = health;
    }
    MetricsSnapshot snapshot() const {
        std::shared_ptr<RedisConnectionFactory> factory;
        std::shared_ptr<service::HealthWatch> health;
        {
            const std::lock_guard lock(mutex_);
            factory = factory_.lock();
            health = health_.lock();
        }
        if (!factory || !health || generation_ != base::process_generation()) return {};
        MetricsSnapshot snapshot = factory->snapshot();
        snapshot.memory = service::memory_of(health->last());
        return snapshot;
    }

private:
    const std::uint32_t generation_ = base::process_generation();
    mutable std::mutex mutex_;
    std::weak_ptr<RedisConnectionFactory> factory_;
    std::weak_ptr<service::HealthWatch> health_;
};

}  // namespace

struct RedisService::Impl {
    // What exists between `initialize` and `close`.
    struct Running {
        std::vector<std::unique_ptr<OwnLane>> own_lanes;
        std::shared_ptr<RedisConnectionFactory> factory;
        std::shared_ptr<service::HealthWatch> health;
        std::shared_ptr<service::Monitor> monitor;

        ~Running() {
            if (monitor) monitor->stop();
            if (factory) factory->close();
            if (std::any_of(own_lanes.begin(), own_lanes.end(), [](const auto& lane) { return lane->runs_here(); })) {
                for (const auto& lane : own_lanes) lane->leave_alone();
            }
            own_lanes.clear();  // joins
        }
    };

    Impl(RedisServiceConfig given, asio::io_context* given_loop) : config(std::move(given)), loop(given_loop) {
        RedisServiceConfig checked = config;
        (void)checked.resolve();
    }

    std::unique_ptr<Running> make_running() {
        auto made = std::make_unique<Running>();
        std::vector<RedisConnectionFactory::Lane> lanes;
        if (loop != nullptr) {
            lanes.push_back({loop->get_executor(), nullptr});
        } else {
            RedisServiceConfig resolved = config;
            (void)resolved.resolve();
            for (std::size_t i = 0; i != resolved.io_threads; ++i) {
                made->own_lanes.push_back(std::make_unique<OwnLane>());
                lanes.push_back(made->own_lanes.back()->lane());
            }
        }
        const RedisConnectionFactory::Lane first = lanes.front();
        const auto log = service::make_log_telemetry(nullptr);
        std::vector<std::shared_ptr<Telemetry>> told{log};
        told.insert(told.end(), telemetry.begin(), telemetry.end());
        const auto all = std::make_shared<base::TelemetryList>(std::move(told));
        made->factory = std::make_shared<RedisConnectionFactory>(config, std::move(lanes), all);
        made->health = std::make_shared<service::HealthWatch>(made->factory->config(), listeners, log, all);
        made->monitor = std::make_shared<service::Monitor>(first, made->factory, made->health);
        return made;
    }

    /// It was initialized, and then this process forked from that one: threads are missing here, mutexes may be locked.
    bool is_forked() const noexcept { return generation != base::process_generation() && running != nullptr; }

    // Callers get the factory alone: whoever lets go of `Running` joins its threads, so that must be `close`.
    std::shared_ptr<RedisConnectionFactory> factory() const {
        if (is_forked()) raise(base::forked_error());
        const std::lock_guard lock(mutex);
        if (!running) raise(not_initialized());
        return running->factory;
    }
    // What a look at health needs; as above.
    struct Looking {
        std::shared_ptr<RedisConnectionFactory> factory;
        std::shared_ptr<service::HealthWatch> health;
    };
    Looking looking() const {
        if (is_forked()) raise(base::forked_error());
        const std::lock_guard lock(mutex);
        if (!running) raise(not_initialized());
        return {running->factory, running->health};
    }
    bool is_running() const {
        if (is_forked()) raise(base::forked_error());
        const std::lock_guard lock(mutex);
        return running != nullptr;
    }
    void set(std::unique_ptr<Running> value) {
        std::unique_ptr<Running> old;
        {
            const std::lock_guard lock(mutex);
            old = std::exchange(running, std::move(value));
            generation = base::process_generation();
            running ? sources->set(running->factory, running->health) : sources->set(nullptr, nullptr);
        }
    }

    std::atomic<std::uint32_t> generation{base::process_generation()};  // of the process that initialized it
    RedisServiceConfig config;
    asio::io_context* loop;
    std::vector<std::shared_ptr<Telemetry>> telemetry;
    std::shared_ptr<MetricsSources> sources = std::make_shared<MetricsSources>();
    std::shared_ptr<service::HealthListeners> listeners = std::make_shared<service::HealthListeners>();
    mutable std::mutex mutex;
    std::unique_ptr<Running> running;
};

RedisService::RedisService(RedisServiceConfig config) : impl_(std::make_unique<Impl>(std::move(config), nullptr)) {}
RedisService::RedisService(asio::io_context& loop, RedisServiceConfig config)
    : impl_(std::make_unique<Impl>(std::move(config), &loop)) {}
RedisService::~RedisService() { close(); }

void RedisService::initialize() {
    if (impl_->is_running()) return;
    auto running = impl_->make_running();
    const ProjectIsolatedRedisClient own = running->factory->own_connection();
    check_answered(own.try_ping());
    if (running->factory->target().deployment == Deployment::cluster) {
        const RedisServiceConfig& used = running->factory->config();
        (void)own.try_set(layout_key, layout_of(used), {.nx = true});
        check_layout(used, own.try_get(layout_key));
    }
    running->monitor->start();
    impl_->set(std::move(running));
}

asio::awaitable<void> RedisService::async_initialize() {
    if (impl_->is_running()) co_return;
    auto running = impl_->make_running();
    const AsyncProjectRedisClient own = running->factory->own_connection().async();
    check_answered(co_await own.try_ping()(asio::use_awaitable));
    if (running->factory->target().deployment == Deployment::cluster) {
        const RedisServiceConfig& used = running->factory->config();
        const SetOptions first{.nx = true};
        (void)co_await own.try_set(layout_key, layout_of(used), first)(asio::use_awaitable);
        check_layout(used, co_await own.try_get(layout_key)(asio::use_awaitable));
    }
    running->monitor->start();
    impl_->set(std::move(running));
}

void RedisService::close() noexcept {
    if (!impl_->is_forked()) return impl_->set(nullptr);
    // In a child nothing of the parent's can be ended: it is left as it is, and this begins anew.
    auto fresh = std::make_unique<Impl>(impl_->config, impl_->loop);
    fresh->telemetry = impl_->telemetry;
    (void)impl_.release();
    impl_ = std::move(fresh);
}

ProjectIsolatedRedisClient RedisService::get_connection(std::string_view project_id) {
    return impl_->factory()->get_connection(project_id);
}

RedisAdminClient RedisService::admin() { return impl_->factory()->admin(); }

boost::json::object RedisService::health_check(const HealthOptions& options) {
    const TimePoint start = Clock::now();
    const Impl::Looking at = impl_->looking();
    return at.health->judge(service::sample_blocking(*at.factory, options.deadline), *at.factory, start);
}

asio::awaitable<boost::json::object> RedisService::async_health_check(HealthOptions options) {
    const TimePoint start = Clock::now();
    const Impl::Looking at = impl_->looking();
    auto samples = co_await service::sample_async(*at.factory, options.deadline);
    co_return at.health->judge(std::move(samples), *at.factory, start);
}

boost::json::object RedisService::last_health() const { return impl_->looking().health->last(); }

boost::json::array RedisService::health_history() const { return impl_->looking().health->history(); }

ListenerHandle RedisService::add_health_listener(HealthListener listener) {
    return impl_->listeners->health.add(std::move(listener));
}

ListenerHandle RedisService::add_memory_listener(MemoryListener listener) {
    return impl_->listeners->memory.add(std::move(listener));
}

boost::json::object RedisService::get_metrics() const { return to_json(metrics_snapshot()); }

MetricsSnapshot RedisService::metrics_snapshot() const {
    if (impl_->is_forked()) raise(base::forked_error());
    return impl_->sources->snapshot();
}

std::function<MetricsSnapshot()> RedisService::metrics_source() const {
    return [sources = impl_->sources] { return sources->snapshot(); };
}

CircuitState RedisService::circuit_state() const { return impl_->factory()->circuit_state(); }

CircuitBreakerHandle RedisService::circuit_breaker() { return impl_->factory()->circuit_breakers().front(); }

void RedisService::set_telemetry(std::shared_ptr<Telemetry> telemetry) {
    impl_->telemetry.clear();
    add_telemetry(std::move(telemetry));
}

void RedisService::add_telemetry(std::shared_ptr<Telemetry> telemetry) {
    if (telemetry) impl_->telemetry.push_back(std::move(telemetry));
}

std::shared_ptr<RedisConnectionFactory> RedisService::factory() { return impl_->factory(); }

RedisService& redis_service() {
    static std::mutex mutex;
    static std::unique_ptr<RedisService> service;
    const std::lock_guard lock(mutex);
    if (!service) {
        auto made = std::make_unique<RedisService>(RedisServiceConfig::from_env());
        made->initialize();
        service = std::move(made);
    }
    return *service;
}

}  // namespace redoubt
