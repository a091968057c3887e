// service: RedisConnectionFactory: a pool for each project, made on first use, over one topology.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/base/telemetry.hpp>
#include <redoubt/policy/circuit_breaker.hpp>
#include <redoubt/service/admin.hpp>
#include <redoubt/service/circuit_breaker_handle.hpp>
#include <redoubt/service/client.hpp>
#include <redoubt/service/metrics_snapshot.hpp>

namespace redoubt {

/// Makes the handles of projects, and owns their pools. A RedisService has one; it is seldom made by hand.
/// Thread-safe.
class RedisConnectionFactory {
public:
    /// A loop, and what keeps it alive where the service runs it itself (null for the application's).
    struct Lane {
        boost::asio::io_context::executor_type executor;
        std::shared_ptr<void> keeper;
    };

    /// `lanes`: the loops on which async wires live, each run by one thread; the first also runs the probes of nodes
    /// whose breaker is open.
    /// @throws RedisConfigurationException naming every bad field
    RedisConnectionFactory(RedisServiceConfig config, std::vector<Lane> lanes, std::shared_ptr<Telemetry> telemetry);
    /// Closes.
    ~RedisConnectionFactory();
    RedisConnectionFactory(const RedisConnectionFactory&) = delete;
    RedisConnectionFactory& operator=(const RedisConnectionFactory&) = delete;

    /// The project's handle; its pool is made when it is asked for first.
    /// @throws RedisProjectIsolationException when the id is missing or not `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`. In
    ///         `development` an empty id and `default` give the unprefixed pool.
    ProjectIsolatedRedisClient get_connection(std::string_view project_id);
    /// The handle of `_redoubt`, the library's own project, which no caller can name.
    ProjectIsolatedRedisClient own_connection();

    /// See RedisService::admin.
    RedisAdminClient admin() const;

    /// Every figure, but `memory`, which the monitor knows.
    MetricsSnapshot snapshot() const;
    /// The same as JSON. `pools_count`, `pools`, `circuit_breaker`: the original's names. At most 100 pools are listed, the
    /// busiest.
    boost::json::object metrics() const;
    CircuitState circuit_state() const;
    /// One for each node.
    std::vector<CircuitBreakerHandle> circuit_breakers() const;
    /// The configuration with the URL's options applied.
    const RedisServiceConfig& config() const noexcept;
    const Target& target() const noexcept;

    /// Opens what `min_idle_connections` asks for, and closes what rested too long. On the first lane.
    boost::asio::awaitable<void> maintain();
    /// Takes no new calls, lets those under way finish for `drain_timeout`, fails the rest, closes all connections. Handles
    /// stay valid; their calls fail. Waits for that where it can: not for async calls on a loop of the application's, nor
    /// on one of the lanes; those finish, or fail, while the loop runs on.
    void close();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace redoubt
