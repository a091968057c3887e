// pool: a node; see its header.
#include "pool/node.hpp"

#include <utility>

namespace redoubt::pool {

Node::Node(const RedisServiceConfig& config, const Target& target, std::shared_ptr<Telemetry> telemetry)
    : origin_(std::make_shared<ErrorOrigin>(ErrorOrigin{target.endpoint(), {}})),
      session_{target, config.protocol, config.client_name, config.reply_limits},
      wire_{config.reply_limits,
            {config.max_queued_commands, config.max_queued_bytes},
            config.attempt_timeout,
            config.busy_poll,
            config.attempt_timeout},
      tls_(target.scheme == Target::Scheme::tls ? std::make_unique<connection::TlsContext>(config.tls) : nullptr),
      connection_timeout_(config.connection_timeout),
      breaker_(config.circuit_breaker, Clock::now()),
      telemetry_(std::move(telemetry)) {}

Node::Admission Node::admit_probe(TimePoint now) {
    const Admission admission = breaker_.admit(now);
    if (admission.began_half_open) announce({true, CircuitState::open, CircuitState::half_open});
    return admission;
}

void Node::record_success(const Admission& admission, TimePoint now) {
    announce(breaker_.record_success(admission, now));
}

void Node::record_failure(const Admission& admission, TimePoint now) {
    announce(breaker_.record_failure(admission, now));
}

void Node::record_connection_failure(const Error& error, TimePoint now) {
    Error told = error;
    told.origin = origin_;
    telemetry_->connection_failed(told);
    // A server that answers the handshake with a refusal (a wrong password, no such database) works.
    if (error.kind == ErrorKind::authentication || error.kind == ErrorKind::configuration) return;
    // A reply past the limits of the configuration is the doing of whoever stored it.
    if (error.kind == ErrorKind::reply_type) return;
    // Nor is it tried while a pool's user waits to be set up.
    if (error.kind == ErrorKind::pool_exhausted) return;
    const Admission admission = breaker_.admit_if_closed(now);
    if (admission) record_failure(admission, now);
}

Error Node::circuit_open_error(const Admission& refused) const {
    Error error = Error::of(ErrorKind::circuit_open, Certainty::not_sent, Stage::admission,
                            "the node's circuit breaker is open; it is probed in the background");
    error.retry_after = refused.retry_after;
    error.origin = origin_;
    return error;
}

void Node::announce(const RedisCircuitBreaker::Change& change) {
    if (!change) return;
    telemetry_->breaker_changed(endpoint(), to_string(change.from), to_string(change.to));
    if (change.to == CircuitState::open && when_opened_ && !stopped_.load(std::memory_order_acquire)) when_opened_();
}

}  // namespace redoubt::pool
