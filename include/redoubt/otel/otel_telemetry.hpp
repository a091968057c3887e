// otel: a telemetry that tells OpenTelemetry: a span for each call, and metrics, by the database client conventions.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>

#include <redoubt/base/telemetry.hpp>
#include <redoubt/service/metrics_snapshot.hpp>
#include <redoubt/service/service.hpp>

namespace redoubt {

/// What is told to OpenTelemetry, and how.
struct OtelOptions {
    bool traces = true;
    bool metrics = true;
    /// `db.query.text` on each span: the names of commands with `?` for every argument, keys included. Off by default: it
    /// tells little that `db.operation.name` does not.
    bool query_text = false;
    /// So many projects (and pools) have a name of their own in metrics, the first that are seen; all others are `other`.
    /// Spans always carry their own project.
    std::size_t max_projects = 100;
    /// Where the figures of pools, breakers and memory come from: `RedisService::metrics_source()`. Without it those
    /// metrics are not there. May be called from any thread.
    std::function<MetricsSnapshot()> source{};
};

/// For `RedisService::add_telemetry`, before `initialize`. Thread-safe.
///
/// It uses the global providers of the OpenTelemetry API (`trace::Provider`, `metrics::Provider`). While they are the API's
/// no-op ones it does not watch calls, which then cost as much as without it. Set yours before `initialize`; a provider
/// that is set, or taken away, later is noticed at the service's next round of upkeep (30 seconds at most; never, where
/// `health_check_interval`, `idle_timeout` and `connection_lifetime` are all 0).
///
/// A call is one span of kind CLIENT, named by its command (`GET`, `PIPELINE GET`, `MULTI`), with at its creation
/// `db.system.name` (`redis`, whatever the server is: the convention asks for what the client speaks, and has no other
/// name), `db.operation.name`, `db.operation.batch.size`, `db.namespace`, `server.address`, `server.port` and
/// `redoubt.project.id`; at its end, when it failed, `error.type` and `db.response.status_code` (an error reply's prefix);
/// `redoubt.attempts` and `redoubt.certainty` where they say something. Retries and a breaker's refusal are events. Its parent
/// is `CallOptions::context`, or what is current on the thread that makes the call. Nothing holds a key, a value or a
/// secret.
///
/// Metrics: `db.client.operation.duration`, `db.client.connection.*`, `redoubt.*` as tests/data/otel_metrics.txt lists them. The
/// SDK's default buckets do not suit seconds: give each of these histograms a view with `duration_boundaries`.
/// @throws RedisConfigurationException when this build of Redoubt is without OpenTelemetry; see `has_otel`
std::shared_ptr<Telemetry> make_otel_telemetry(OtelOptions options = {});

/// The usual way: makes one with the service's own source, and adds it. Before `service.initialize()`.
/// @throws as make_otel_telemetry
void add_otel_telemetry(RedisService& service, OtelOptions options = {});

/// This build of Redoubt has OpenTelemetry (the CMake option REDOUBT_OTEL).
bool has_otel() noexcept;

/// What is current on this thread (the active span), to be the parent of calls that are made elsewhere: on another thread,
/// or in a coroutine after it was suspended, when the thread's own context is somebody else's.
/// ```
/// auto context = redoubt::otel_context();                    // in the scope of the request's span
/// auto redis = handle.async().with({.context = context.get()});
/// co_await redis.get("a");                                   // a child of that span, whatever thread resumes it
/// ```
/// Never null. It must live until the calls that use it have begun.
/// @throws RedisConfigurationException when this build of Redoubt is without OpenTelemetry
std::unique_ptr<CallContext> otel_context();

/// The boundaries of buckets, in seconds, that the conventions recommend for `db.client.operation.duration`.
inline constexpr std::array<double, 9> duration_boundaries{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};

}  // namespace redoubt
