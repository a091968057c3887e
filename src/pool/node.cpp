// pool: a node; see its header.
#include "pool/node.hpp"

#include <algorithm>
#include <utility>

#include "connection/moved.hpp"
#include "connection/server_error.hpp"

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
    if (is_forked()) return {};
    const Admission admission = breaker_.admit(now);
    if (admission.began_half_open) announce({true, CircuitState::open, CircuitState::half_open});
    return admission;
}

void Node::record_success(const Admission& admission, TimePoint now, Duration took) {
    announce(breaker_.record_success(admission, now, took));
}

void Node::record_failure(const Admission& admission, TimePoint now, Duration took) {
    doubt();
    announce(breaker_.record_failure(admission, now, took));
}

void Node::record_connection_failure(const Error& error, TimePoint now) {
    // Of a dial that `close` has ended.
    if (stopped_.load(std::memory_order_acquire)) return;
    // It was not even tried, or not to its end.
    if (error.kind == ErrorKind::circuit_open || error.kind == ErrorKind::pool_exhausted) return;
    if (connection::is_moved(error) || is_unknown()) return;
    if (error.kind == ErrorKind::cancelled) return;
    doubt();
    Error told = error;
    told.origin = origin_;
    telemetry_->connection_failed(told);
    // A server that answers the handshake with a refusal (a wrong password, no such database) works.
    if (error.kind == ErrorKind::authentication || error.kind == ErrorKind::configuration) return;
    // A reply past the limits of the configuration is the doing of whoever stored it.
    if (error.kind == ErrorKind::reply_type) return;
    // One whose mood refuses the handshake (BUSY) answers; LOADING is another matter.
    if (error.kind == ErrorKind::server && !is_failure(error.prefix())) return;
    const Admission admission = breaker_.admit_if_closed(now);
    if (admission) record_failure(admission, now);
}

bool Node::is_failure(std::string_view error_prefix) const noexcept {
    return connection::is_node_failure(error_prefix) && !(in_cluster_ && error_prefix == "CLUSTERDOWN");
}

// The breaker is what every call asks first, by one load: so it refuses those of a child, too, before they come to a
// mutex that nobody will unlock there.
void Node::in_child() noexcept {
    forked_.store(true, std::memory_order_relaxed);
    (void)breaker_.force_open(Clock::now());
}

Error Node::circuit_open_error(const Admission& refused) const {
    if (is_forked()) {
        Error error = base::forked_error();
        error.origin = origin_;
        return error;
    }
    // Nobody probes it any more, so the caller would wait for nothing.
    if (stopped_.load(std::memory_order_acquire)) {
        Error error = Error::of(ErrorKind::connection, Certainty::not_sent, Stage::admission, "the service is closed");
        error.origin = origin_;
        return error;
    }
    Error error = Error::of(ErrorKind::circuit_open, Certainty::not_sent, Stage::admission,
                            breaker_.state() == CircuitState::forced_open
                                ? "the node's circuit breaker was opened by hand (force_open) until it is reset"
                                : "the node's circuit breaker is open; it is probed in the background");
    error.retry_after = refused.retry_after;
    error.origin = origin_;
    return error;
}

void Node::set_absence(std::optional<Error> why) {
    const std::lock_guard lock(absence_mutex_);
    if (why) why->origin = origin_;
    absence_ = std::move(why);
}

std::optional<Error> Node::absence() const {
    if (!is_unknown()) return std::nullopt;
    const std::lock_guard lock(absence_mutex_);
    return absence_;
}

std::optional<Error> Node::refusal_to_connect(TimePoint now) const {
    const CircuitState state = breaker_.state();
    if (lets_calls_pass(state)) return std::nullopt;
    Admission refused;  // of no call, so the breaker does not count it
    if (state == CircuitState::open) refused.retry_after = std::max(breaker_.half_open_at() - now, Duration::zero());
    return circuit_open_error(refused);
}

TimePoint Node::refused_until() const noexcept {
    switch (breaker_.state()) {
        case CircuitState::open: return breaker_.half_open_at();
        case CircuitState::forced_open: return TimePoint::max();
        case CircuitState::closed:
        case CircuitState::half_open:
        case CircuitState::disabled: break;
    }
    return TimePoint::min();
}

NodeFigures Node::figures() const noexcept {
    NodeFigures figures;
    for (std::size_t i = 0; i != circuit_states; ++i) {
        figures.transitions[i] = transitions_[i].load(std::memory_order_relaxed);
    }
    figures.connections_opened = connections_opened_.load(std::memory_order_relaxed);
    figures.connections_failed = connections_failed_.load(std::memory_order_relaxed);
    return figures;
}

void Node::announce(const RedisCircuitBreaker::Change& change) {
    if (!change) return;
    transitions_[static_cast<std::size_t>(change.to)].fetch_add(1, std::memory_order_relaxed);
    // First: recovery does not wait for those who listen.
    if (change.to == CircuitState::open && when_opened_ && !stopped_.load(std::memory_order_acquire)) when_opened_();
    telemetry_->breaker_changed(endpoint(), to_string(change.from), to_string(change.to));
    listeners_.tell({endpoint(), change.from, change.to},
                    [this](std::string_view what) { telemetry_->listener_failed(endpoint(), what); });
}

}  // namespace redoubt::pool
