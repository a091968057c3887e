// otel: the names of attributes, events and metrics: those of OpenTelemetry's database client conventions, and our own
// under `redoubt.`.
#pragma once

namespace redoubt::otel {

inline constexpr const char* scope = "redoubt";

namespace attribute {
inline constexpr const char* system = "db.system.name";
inline constexpr const char* operation = "db.operation.name";
inline constexpr const char* batch_size = "db.operation.batch.size";
inline constexpr const char* database = "db.namespace";
inline constexpr const char* query_text = "db.query.text";
inline constexpr const char* status_code = "db.response.status_code";
inline constexpr const char* error_type = "error.type";
inline constexpr const char* address = "server.address";
inline constexpr const char* port = "server.port";
inline constexpr const char* pool = "db.client.connection.pool.name";
inline constexpr const char* state = "db.client.connection.state";
inline constexpr const char* project = "redoubt.project.id";
inline constexpr const char* attempts = "redoubt.attempts";        ///< of a span, when it is not one
inline constexpr const char* certainty = "redoubt.certainty";      ///< of a failed call: see Certainty
inline constexpr const char* attempt = "redoubt.retry.attempt";    ///< of a retry: the number of the one that failed
inline constexpr const char* pause = "redoubt.retry.pause";        ///< of a retry: seconds
inline constexpr const char* retry_after = "redoubt.retry_after";  ///< of a refusal: seconds until the next probe
inline constexpr const char* breaker_state = "redoubt.circuit_breaker.state";
inline constexpr const char* master = "redoubt.replica.master";  ///< of a replica: its master, as `host:port`
inline constexpr const char* role = "redoubt.cluster.role";      ///< of a Cluster's node: `master` or `replica`
}  // namespace attribute

namespace event {
inline constexpr const char* retry = "redoubt.retry";
inline constexpr const char* refused = "redoubt.circuit_breaker.refused";
}  // namespace event

namespace metric {
inline constexpr const char* operation_duration = "db.client.operation.duration";
inline constexpr const char* connection_count = "db.client.connection.count";
inline constexpr const char* connection_idle_max = "db.client.connection.idle.max";
inline constexpr const char* connection_idle_min = "db.client.connection.idle.min";
inline constexpr const char* connection_max = "db.client.connection.max";
inline constexpr const char* connection_pending = "db.client.connection.pending_requests";
inline constexpr const char* connection_timeouts = "db.client.connection.timeouts";
inline constexpr const char* connection_create_time = "db.client.connection.create_time";
inline constexpr const char* connection_wait_time = "db.client.connection.wait_time";
inline constexpr const char* connection_use_time = "db.client.connection.use_time";
inline constexpr const char* breaker_state = "redoubt.circuit_breaker.state";
inline constexpr const char* breaker_transitions = "redoubt.circuit_breaker.transitions";
inline constexpr const char* retries = "redoubt.retries";
inline constexpr const char* refusals = "redoubt.isolation.refusals";
inline constexpr const char* memory_usage = "redoubt.memory.usage";
inline constexpr const char* memory_limit = "redoubt.memory.limit";
inline constexpr const char* memory_utilization = "redoubt.memory.utilization";
inline constexpr const char* replica_lag = "redoubt.replica.lag";
inline constexpr const char* replica_answer_time = "redoubt.replica.answer_time";
inline constexpr const char* replica_within_bound = "redoubt.replica.within_bound";
inline constexpr const char* cluster_slots = "redoubt.cluster.slots";
inline constexpr const char* cluster_online = "redoubt.cluster.node_online";
inline constexpr const char* cluster_uncovered = "redoubt.cluster.uncovered_slots";
}  // namespace metric

}  // namespace redoubt::otel
