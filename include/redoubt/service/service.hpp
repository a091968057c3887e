// service: RedisService, the front door.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/base/telemetry.hpp>
#include <redoubt/policy/circuit_breaker.hpp>
#include <redoubt/service/admin.hpp>
#include <redoubt/service/circuit_breaker_handle.hpp>
#include <redoubt/service/client.hpp>
#include <redoubt/service/health_events.hpp>
#include <redoubt/service/metrics_snapshot.hpp>

namespace boost::asio {
class io_context;
}

namespace redoubt {

class RedisConnectionFactory;

/// Pools, isolation, breaker, health and memory monitoring for many projects on one Redis or Valkey.
///
/// Thread-safe, but for `initialize` and `close`, which one thread calls. Destroying it closes it; client handles may
/// outlive it.
class RedisService {
public:
    /// Runs async calls, the monitor and the probes on `io_threads` threads of its own.
    /// @throws RedisConfigurationException naming every bad field, its value (secrets masked) and what is allowed
    explicit RedisService(RedisServiceConfig config);
    /// Runs them on the application's loop, which one thread must run and which must outlive the service; `io_threads`
    /// is ignored. Until `close`, the service's connections and timers are work of that loop. Blocking calls never
    /// need the loop.
    RedisService(boost::asio::io_context& loop, RedisServiceConfig config);
    ~RedisService();
    RedisService(const RedisService&) = delete;
    RedisService& operator=(const RedisService&) = delete;

    /// Connects, validates the server with PING, starts the monitor. A second call does nothing; after `close` it
    /// starts anew.
    /// @throws RedisConnectionException, RedisAuthenticationException, RedisOperationTimeoutException,
    ///         RedisConfigurationException
    void initialize();
    /// Takes no new calls, lets those under way finish for `drain_timeout`, fails the rest with their certainty, closes all
    /// connections, ends the threads. On an application's loop async calls finish, or fail, while that runs on. Calls that
    /// still wait for a connection then get none: they fail as `not_sent`.
    ///
    /// In a child process (`fork`) the service refuses all calls and touches nothing of its parent's; after `close` it can
    /// be initialized there, with threads and connections of its own.
    void close() noexcept;

    /// See RedisConnectionFactory::get_connection.
    /// @throws RedisProjectIsolationException; RedisConnectionException when not initialized
    ProjectIsolatedRedisClient get_connection(std::string_view project_id);

    /// For work outside projects.
    /// @throws RedisConfigurationException without `admin_url`; RedisConnectionException when not initialized
    RedisAdminClient admin();

    /// The original's JSON (README): status, factory, test_operations, memory, and more beside them. Never throws for
    /// a server in trouble: that is what it reports. Answers within the deadline, two seconds unless it is said.
    /// @throws RedisConnectionException when not initialized
    boost::json::object health_check(const HealthOptions& options = {});
    /// The original's names: `initialized`, `connection_factory.pools_count`, `.circuit_breaker.state`, and more.
    boost::json::object get_metrics() const;
    /// The figures from which `get_metrics` and the exporters make theirs. Costs a short lock a pool.
    MetricsSnapshot metrics_snapshot() const;
    /// The same for whoever may outlive the service: from any thread, at any time; `initialized` is false when there is
    /// nothing (any more).
    std::function<MetricsSnapshot()> metrics_source() const;
    CircuitState circuit_state() const;
    /// The breaker of the service's node, to look at, to set by hand, and to listen to; of the first, if there are several
    /// (`factory()->circuit_breakers()`).
    /// @throws RedisConnectionException when not initialized
    CircuitBreakerHandle circuit_breaker();

    /// The same for a program whose loop is the service's: the blocking forms would wait for nothing there, but they
    /// would hold the loop up. On the service's loop.
    boost::asio::awaitable<void> async_initialize();
    boost::asio::awaitable<boost::json::object> async_health_check(HealthOptions options = {});

    /// What the monitor saw last; empty before its first round.
    boost::json::object last_health() const;
    /// The monitor's last 100 results, the oldest first; without `factory.pools`. They end with `close`.
    boost::json::array health_history() const;
    /// Told when the monitor finds another status (health_events.hpp), until the returned object is destroyed. May be added
    /// before `initialize`, and lasts over `close` and `initialize`; in a child process (`fork`) it has to be added again.
    [[nodiscard]] ListenerHandle add_health_listener(HealthListener listener);
    /// Told when the server's memory crosses a threshold, up or down, once a crossing (memory_alert.hpp), whether the
    /// monitor or a `health_check` saw it. Else as above.
    [[nodiscard]] ListenerHandle add_memory_listener(MemoryListener listener);
    /// Told of breaker transitions, connections, memory alerts, and calls if it watches them, besides the log: in place of what was set or
    /// added before; null: of nothing. Before `initialize`.
    void set_telemetry(std::shared_ptr<Telemetry> telemetry);
    /// The same, besides those that are there; they are told in the order in which they came, and at most 63 are. Before
    /// `initialize`.
    void add_telemetry(std::shared_ptr<Telemetry> telemetry);
    /// @throws RedisConnectionException when not initialized
    std::shared_ptr<RedisConnectionFactory> factory();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The process-wide service, made from the environment and initialized on first use.
/// @throws what `RedisServiceConfig::from_env`, the constructor and `initialize` throw; a later call tries again
RedisService& redis_service();

}  // namespace redoubt
