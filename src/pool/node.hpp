// pool: one server: how to connect to it, its breaker, and who is told when the breaker moves.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <redoubt/base/config.hpp>
#include <redoubt/base/telemetry.hpp>
#include <redoubt/policy/circuit_breaker.hpp>
#include <redoubt/policy/circuit_listeners.hpp>

#include "base/fork_guard.hpp"
#include "connection/session.hpp"
#include "connection/stop_signal.hpp"
#include "connection/tls_context.hpp"
#include "connection/wire_settings.hpp"
#include "pool/dial_pace.hpp"
#include "pool/large_keys.hpp"

namespace redoubt::pool {

/// What has been counted since the node was made.
struct NodeFigures {
    std::array<std::uint64_t, circuit_states> transitions{};  ///< of the breaker, by the state that was entered
    std::uint64_t connections_opened = 0;
    std::uint64_t connections_failed = 0;  ///< dials and handshakes
};

/// Thread-safe. Everything but the breaker and counters is immutable.
class Node : public std::enable_shared_from_this<Node> {
public:
    /// @throws RedisConfigurationException when TLS files cannot be used
    Node(const RedisServiceConfig& config, const Target& target, std::shared_ptr<Telemetry> telemetry);

    const std::string& endpoint() const noexcept { return origin_->endpoint; }
    const std::shared_ptr<const ErrorOrigin>& origin() const noexcept { return origin_; }
    const connection::SessionSettings& session() const noexcept { return session_; }
    const connection::WireSettings& wire() const noexcept { return wire_; }
    const connection::TlsContext* tls() const noexcept { return tls_.get(); }
    Duration connection_timeout() const noexcept { return connection_timeout_; }
    Duration attempt_timeout() const noexcept { return wire_.attempt_timeout; }

    const RedisCircuitBreaker& breaker() const noexcept { return breaker_; }
    Telemetry& telemetry() const noexcept { return *telemetry_; }
    LargeKeys& large_keys() noexcept { return large_keys_; }
    DialPace& dial_pace() noexcept { return dial_pace_; }

    using Admission = RedisCircuitBreaker::Admission;
    /// Callers pass in CLOSED only: recovery is tried by the node's own probes, and no caller is spent on it.
    Admission admit(TimePoint now) noexcept { return breaker_.admit_if_closed(now); }
    /// A probe asks for a half-open permit.
    Admission admit_probe(TimePoint now);
    /// The everyday success of a call that CLOSED admitted. False: not that simple; use `record_success`.
    bool count_success(std::uint32_t generation) noexcept { return breaker_.count_success(generation); }
    /// `took`: how long the call lasted, where the breaker measures it.
    void record_success(const Admission& admission, TimePoint now, Duration took = Duration::zero());
    void record_failure(const Admission& admission, TimePoint now, Duration took = Duration::zero());
    void release(const Admission& admission) noexcept { breaker_.release(admission); }
    /// A connection could not be made or broke: one failure, whatever it carried.
    void record_connection_failure(const Error& error, TimePoint now);
    /// This is a child of the process that made it: nobody is admitted any more.
    bool is_forked() const noexcept { return forked_.load(std::memory_order_relaxed); }
    /// The error of a call that the breaker refused.
    Error circuit_open_error(const Admission& refused) const;
    /// While the breaker is not CLOSED the node connects for its own probes only: the error for everybody else.
    std::optional<Error> refusal_to_connect(TimePoint now) const;
    /// A call that comes before this will certainly be refused, unless somebody resets the breaker.
    TimePoint refused_until() const noexcept;

    /// A dial that was tried has ended.
    void count_dial(bool opened) noexcept {
        (opened ? connections_opened_ : connections_failed_).fetch_add(1, std::memory_order_relaxed);
    }
    NodeFigures figures() const noexcept;

    // By hand.
    void force_open(TimePoint now) { announce(breaker_.force_open(now)); }
    void disable(TimePoint now) { announce(breaker_.disable(now)); }
    void enable(TimePoint now) { announce(breaker_.enable(now)); }
    void reset(TimePoint now) { announce(breaker_.reset(now)); }
    CircuitListeners& listeners() noexcept { return listeners_; }

    /// Called, from any thread, each time the breaker opens. Set once, before the first call.
    void when_opened(std::function<void()> start_probing) { when_opened_ = std::move(start_probing); }
    /// Called, from any thread and perhaps often, when something hints that this is not the node that it is taken for:
    /// a connection fails, or a master says that it is a replica. Set once, before the first call.
    void when_doubted(std::function<void()> look_again) { when_doubted_ = std::move(look_again); }
    /// An answer that is an error: it may raise that doubt.
    void heard(const Error& error) {
        if (when_doubted_ && (error.prefix() == "READONLY" || error.prefix() == "CLUSTERDOWN")) doubt();
    }
    /// One of several nodes with slots of their own. That the Cluster is down is then no failure of the node that says
    /// so: all of them do, until it is whole again. Set before the first call.
    void set_in_cluster() noexcept { in_cluster_ = true; }
    /// Connections to it read from a replica in a Cluster. Set before the first.
    void set_read_only() noexcept { session_.read_only = true; }
    /// An answer of this kind counts against it.
    bool is_failure(std::string_view error_prefix) const noexcept;
    /// The service closes: the breaker's owner is not to be called any more.
    void stop_probing() noexcept { stopped_.store(true, std::memory_order_release); }
    /// Ends the dials of threads that wait.
    void stop_dials() noexcept { stop_.stop(); }
    /// After a `stop_dials` because pools had moved away: they come back.
    void allow_dials() noexcept { stop_.reset(); }

    /// It stands for a node that has not been found yet: whoever would connect to it waits until its pool moves.
    void set_unknown() noexcept { unknown_.store(true, std::memory_order_release); }
    bool is_unknown() const noexcept { return unknown_.load(std::memory_order_acquire); }
    /// Looking for it has failed, for now; nullopt: it goes on. Until then those who would connect get this error.
    void set_absence(std::optional<Error> why);
    std::optional<Error> absence() const;
    const connection::StopSignal& stop_signal() const noexcept { return stop_; }

private:
    void in_child() noexcept;
    void announce(const RedisCircuitBreaker::Change& change);
    void doubt() {
        if (when_doubted_ && !stopped_.load(std::memory_order_acquire)) when_doubted_();
    }

    std::shared_ptr<const ErrorOrigin> origin_;
    connection::SessionSettings session_;
    connection::WireSettings wire_;
    std::unique_ptr<connection::TlsContext> tls_;
    Duration connection_timeout_;
    RedisCircuitBreaker breaker_;
    CircuitListeners listeners_;
    DialPace dial_pace_;
    LargeKeys large_keys_;
    std::shared_ptr<Telemetry> telemetry_;
    std::function<void()> when_opened_;
    std::function<void()> when_doubted_;
    bool in_cluster_ = false;
    std::atomic<bool> unknown_{false};
    mutable std::mutex absence_mutex_;
    std::optional<Error> absence_;
    std::array<std::atomic<std::uint64_t>, circuit_states> transitions_{};
    std::atomic<std::uint64_t> connections_opened_{0};
    std::atomic<std::uint64_t> connections_failed_{0};
    std::atomic<bool> stopped_{false};
    std::atomic<bool> forked_{false};
    connection::StopSignal stop_;
    base::ForkWatch watch_{this, [](void* node) noexcept { static_cast<Node*>(node)->in_child(); }};  // last
};

}  // namespace redoubt::pool
