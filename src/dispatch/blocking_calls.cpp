// dispatch: calls that block their thread: over their attempts, in parts, and on one leased wire.
#include "dispatch/dispatcher.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <redoubt/dispatch/call_report.hpp>
#include <redoubt/dispatch/call_state.hpp>

#include "dispatch/acknowledgement.hpp"
#include "dispatch/blocking_call.hpp"
#include "dispatch/call_words.hpp"
#include "dispatch/first_key.hpp"
#include "dispatch/gathering.hpp"

namespace redoubt::dispatch {
namespace {

thread_local bool is_io_thread = false;

Error io_thread_error() {
    return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                     "a blocking call on the service's own I/O thread would stop all async calls; use async()");
}

// The connection may carry other calls once everything on it was answered.
std::optional<Error> run_leased(pool::Lease& lease, BlockingCall& call) {
    const bool ran = lease.wire().run(call, Clock::now());
    if (const std::optional<Error> loss = lease.wire().take_loss()) {
        lease.node().record_connection_failure(*loss, Clock::now());
    }
    lease.set_clean(ran && !call.error());
    return ran ? call.outcome() : connection::wire_closed_error();
}

// A wire that works, and the call on it. Wires whose peer left while they rested are passed over: nothing was sent. `at`
// becomes the node to which the wire leads: the pool may go to another one at any time.
std::optional<Error> attempt(pool::Pool& pool, BlockingCall& call, const CallState& state, pool::Node*& at) {
    if (call.demand() == Demand::exclusive) {
        result<pool::Lease> lease = pool.lease(state.deadline(), call.attempt_timeout());
        if (!lease) return lease.error();
        at = &lease->node();
        return run_leased(*lease, call);
    }
    if (call.demand() == Demand::bulk) {
        if (pool::Lease lease = pool.lease_now(state.deadline())) {
            at = &lease.node();
            return run_leased(lease, call);
        }
    }
    for (;;) {
        const result<std::shared_ptr<pool::NodeWire>> wire = pool.shared_wire(state.deadline());
        if (!wire) return wire.error();
        at = &(*wire)->node();
        const bool ran = (*wire)->run(call, Clock::now());  // it may have been opened just now
        if (!ran || call.failure_source() == FailureSource::wire || (call.reader().error() && !(*wire)->is_open())) {
            pool.forget(*wire);
        }
        if (ran) return call.outcome();
    }
}

}  // namespace

void mark_io_thread() noexcept { is_io_thread = true; }

std::optional<Error> refused_here() { return is_io_thread ? std::optional(io_thread_error()) : std::nullopt; }

std::optional<Error> Dispatcher::run(const Request& request, ReplySink& sink, const KeyPrefix& prefix,
                                     const CallOptions& options) {
    const Acknowledgement acks(options.replica_acks, request.retry());
    CallState state(call_time(*settings_, request.block_time(), acks.block_time()), options, Clock::now());
    Telemetry* const told = watcher();
    pool::Node* at = nullptr;
    if (told == nullptr) [[likely]]
        return run_to_end(request, sink, prefix, state, nullptr, at);
    CallReport report;
    report_start(report, *told, request, state);
    std::optional<Error> error = run_to_end(request, sink, prefix, state, &report, at);
    if (!error) note_inner_error(report, sink, state);
    const pool::Node& node = at != nullptr ? *at : route(request.scans(), request.slot()).pool->node();
    report.end(error ? &*error : nullptr, state.attempts(), node.endpoint());
    return error;
}

std::optional<Error> Dispatcher::run_to_end(const Request& request, ReplySink& sink, const KeyPrefix& prefix,
                                            CallState& state, CallReport* report, pool::Node*& at) {
    TimePoint now = state.start();
    const auto described = [&](Error error) {
        state.describe(error, request.name(), origin_, Clock::now());
        return error;
    };
    if (is_io_thread) return described(io_thread_error());
    if (request.block_time() == CommandView::forever && !state.has_own_deadline())
        return described(endless_wait_error());
    const Acknowledgement acks(state.replica_acks(), request.retry());
    if (std::optional<Error> refused = acks.refusal()) return described(std::move(*refused));

    const bool reads = state.read_from() && request.at_replicas();
    const auto route_again = [&](pool::Pool* failed) {
        return reads ? reader(request.slot(), *state.read_from(), failed) : route(request.scans(), request.slot());
    };
    topology::Route way = route_again(nullptr);
    const topology::Route own = reads && way.pool != nullptr ? way : router_->route(request.slot());
    if (const std::optional<Error> late = wait_for_rate(own, request.replies(), state.deadline())) {
        return described(*late);
    }
    if (own.tenant->is_rated()) now = Clock::now();  // the node had no part in that
    // Of a script, the only kind of single command that is never retried, an error reply says nothing.
    const bool script = request.retry() == RetryCategory::never && !request.atomic();
    std::optional<NamingSink> naming;
    if (request.replies() != 1) naming.emplace(sink, request, state, origin_, report);
    const Duration held = request.block_time() + acks.block_time();
    BlockingCall call(request, naming ? *naming : sink, prefix, script ? ErrorTrust::none : ErrorTrust::full,
                      state.deadline(), attempt_time(*settings_, request.block_time()) + acks.block_time(), acks);
    // What is left to say of a call whose commands were executed.
    const auto succeeded = [&](pool::Pool& pool) -> std::optional<Error> {
        pool.budget().on_success();
        return call.shortfall() ? std::optional(described(*call.shortfall())) : std::nullopt;
    };
    for (;;) {
        if (way.pool == nullptr) [[unlikely]] {
            std::optional<Error> none = wait_for_reader(request, state, report, *own.pool);
            if (none) return none;
            way = route_again(nullptr);
            now = Clock::now();
            continue;
        }
        pool::Pool& pool = *way.pool;
        pool::Node& node = pool.node();  // after a failover it is another one
        if (!node.large_keys().empty()) call.ask_for_room(node.large_keys());
        const pool::Node::Admission admission = node.admit(now);
        if (!admission) {
            if (reads) {
                // Its breaker has opened since it was chosen; there may be another one.
                way = route_again(nullptr);
                if (way.pool != &pool) continue;
            }
            if (state.attempts() == 0) give_back_rate(request.replies());
            return described(node.circuit_open_error(admission));
        }
        state.begin_attempt();
        at = nullptr;
        std::optional<Error> error = attempt(pool, call, state, at);
        if (!error && call.reader().has_news()) {
            if (call.reader().was_large()) call.remember_large(at->large_keys());
            way.tenant->charge(call.reader().further_commands());
            if (request.atomic() && is_spread() && call.reader().refused_whole() != nullptr) {
                error = *call.reader().refused_whole();
            }
        }
        // Else the pool has gone to another node meanwhile: nothing of it is told to the breaker that let it pass.
        const bool there = at == nullptr || at == &node;
        if (!error && there && call.what_to_record(error) == nullptr && node.count_success(admission.generation)) {
            return succeeded(pool);
        }
        const bool ours = call.attempt_deadline() < state.deadline();
        const TimePoint ended = Clock::now();
        const Duration took = held == Duration::zero() ? ended - now : Duration::zero();
        if (there) {
            record_attempt(node, admission, call.what_to_record(error), call.failure_source(), ours, ended, took);
        } else {
            node.release(admission);
        }
        if (!error) return succeeded(pool);
        if (is_spread()) {
            const auto elsewhere = detour(state, *error, at != nullptr ? *at : node, request.scans(), ended);
            if (elsewhere) {
                way = elsewhere->route;
                call.restart(elsewhere->asking);
                now = ended;
                continue;
            }
        }
        charge(pool, *error);
        const bool partly = call.reader().taken() != 0 && request.replies() > 1 && !call.reader().refused_whole();
        const std::optional<Duration> pause = state.after_failure(
            *settings_, *error,
            {request.retry(), partly, chance(), ended, reads ? TimePoint::min() : refused_until(pool)}, pool.budget());
        if (!pause) return described(*error);
        pool.count_retry();
        if (report != nullptr) {
            error->attempts = state.attempts();
            report->retried(*error, *pause);
        }
        if (const std::optional<Error> closed = pool.pause_until(Clock::now() + *pause)) return described(*closed);
        call.restart(false);
        if (reads) {
            way = route_again(&pool);
        } else if (is_spread()) {
            way = route(request.scans(), request.slot());
        }
        now = Clock::now();
    }
}

std::optional<Error> Dispatcher::run_parts(const EncodedCommands& commands, std::string_view name, ReplySink& sink,
                                           const KeyPrefix& prefix, const CallOptions& options) {
    const Duration acks = Acknowledgement(options.replica_acks, commands.retry()).block_time();
    const CallState whole(call_time(*settings_, commands.block_time(), acks), options, Clock::now());
    CallReport report;
    if (Telemetry* const told = watcher()) report_start(report, *told, BytesRequest(commands, name), whole);
    std::optional<JointSink> joint;
    if (commands.joint() != nullptr) {
        joint.emplace(commands, [this](std::uint32_t slot) { return router_->shard_from(slot); });
    }
    Gathering gathering(commands, joint ? static_cast<ReplySink&>(*joint) : sink);
    const auto node_of = [this](std::uint16_t slot) -> const void* { return route(false, slot).pool; };
    pool::Node* at = nullptr;
    CallOptions rest = options;
    for (auto parts = gathering.next(node_of); !parts.empty(); parts = gathering.next(node_of)) {
        for (const Gathering::Part& part : parts) {
            EncodedCommands some = commands.select(part);
            some.set_slot(gathering.slot_of(part));
            NamesPosition place;
            const std::string_view own =
                part.size() == 1 ? command_name(commands.bytes(), part.front(), place) : std::string_view();
            rest.deadline = std::max(whole.deadline() - Clock::now(), Duration::zero());
            CallState state(settings_->operation_timeout, rest, Clock::now());
            PartSink answers(gathering, part);
            const std::optional<Error> error =
                run_to_end(BytesRequest(some, own.empty() ? name : own), answers, prefix, state, nullptr, at);
            if (error) gathering.fail_rest(part, answers.answered(), *error);
        }
    }
    std::optional<Error> error = joint ? joint->finish(sink, prefix, name) : std::nullopt;
    if (!error) error = gathering.unconfirmed();
    if (error) whole.describe(*error, name, origin_, Clock::now());
    report.end(error ? &*error : nullptr, 1, at != nullptr ? at->endpoint() : std::string_view(origin_->endpoint));
    return error;
}

result<pool::Lease> Dispatcher::lease(std::string_view operation, const CallOptions& options, std::uint16_t slot) {
    CallState state(settings_->operation_timeout, options, Clock::now());
    const topology::Route way = route(false, slot);
    pool::Pool& pool = *way.pool;
    pool::Node& node = pool.node();
    std::optional<Error> failed = refused_here();
    if (!failed) failed = wait_for_rate(way, 1, state.deadline());
    if (!failed) {
        if (const pool::Node::Admission admission = node.admit(Clock::now())) {
            node.release(admission);
            result<pool::Lease> lease = pool.lease(state.deadline());
            if (lease) return lease;
            failed = lease.error();
            if (failed->kind == ErrorKind::pool_exhausted) pool.count_exhausted();
        } else {
            give_back_rate(1);
            failed = node.circuit_open_error(admission);
        }
    }
    state.describe(*failed, operation, origin_, Clock::now());
    if (Telemetry* const told = watcher()) {
        CallReport report;
        report.begin(*told, info_of(operation, options.context), state.start());
        report.end(&*failed, 0, {});
    }
    return *failed;
}

result<pool::Lease> Dispatcher::lease_with(const Request& request, ReplySink& sink, const KeyPrefix& prefix,
                                           const CallOptions& options) {
    constexpr Duration pause = std::chrono::milliseconds(20);
    const CallState whole(settings_->operation_timeout, options, Clock::now());
    CallOptions rest = options;
    rest.replica_acks = {};  // nothing is written yet
    for (std::uint32_t redirects = 0;;) {
        rest.deadline = std::max(whole.deadline() - Clock::now(), Duration::zero());
        result<pool::Lease> lease = this->lease(request.name(), rest, request.slot());
        if (!lease) return lease.error();
        const std::optional<Error> error = run_on(*lease, request, sink, prefix, rest, ErrorTrust::full);
        if (!error) return lease;
        if (!is_spread() || error->certainty != Certainty::rejected) return *error;
        const auto elsewhere = router_->detour(*error, lease->node());
        if (!elsewhere && error->prefix() != "TRYAGAIN") return *error;
        // ASKING lasts for one command: what comes behind it on the lease would be sent back.
        const bool later = !elsewhere || elsewhere->asking || ++redirects % CallState::most_redirects == 0;
        if (Clock::now() + pause >= whole.deadline()) return *error;
        if (!later) continue;
        const topology::Route way = route(false, request.slot());
        if (const std::optional<Error> closed = way.pool->pause_until(Clock::now() + pause)) return *closed;
    }
}

std::optional<Error> Dispatcher::wait_for_rate(const topology::Route& own, std::uint32_t commands, TimePoint deadline) {
    if (!own.tenant->is_rated()) return std::nullopt;
    const TimePoint now = Clock::now();
    // Who would be refused afterwards does not wait.
    pool::Node& node = own.pool->node();
    const pool::Node::Admission admission = node.admit(now);
    if (!admission) return node.circuit_open_error(admission);
    node.release(admission);
    const std::shared_ptr<policy::RateLimit> limit = own.tenant->rate();
    policy::RateLimit& rate = *limit;
    const std::optional<Duration> wait = rate.reserve(commands, now, std::max(deadline - now, Duration::zero()));
    if (!wait) return pool::over_rate_error(rate.wait_of(commands, 0, now));
    // A pause ends when the pool goes to another node, too, which makes nobody's rate higher.
    for (const TimePoint turn = now + *wait; Clock::now() < turn;) {
        if (std::optional<Error> closed = own.pool->pause_until(turn)) return closed;
    }
    return std::nullopt;
}

void Dispatcher::give_back_rate(std::uint32_t commands) {
    if (const std::shared_ptr<policy::RateLimit> rate = router_->route().tenant->rate()) rate->give_back(commands);
}

std::optional<Error> Dispatcher::run_on(pool::Lease& lease, const Request& request, ReplySink& sink,
                                        const KeyPrefix& prefix, const CallOptions& options, ErrorTrust trust) {
    const Acknowledgement acks(options.replica_acks, request.retry());
    CallState state(call_time(*settings_, request.block_time(), acks.block_time()), options, Clock::now());
    Telemetry* const told = watcher();
    if (told == nullptr) return run_to_end_on(lease, request, sink, prefix, state, trust, nullptr);
    CallReport report;
    report_start(report, *told, request, state);
    std::optional<Error> error = run_to_end_on(lease, request, sink, prefix, state, trust, &report);
    if (!error) note_inner_error(report, sink, state);
    report.end(error ? &*error : nullptr, state.attempts(), lease.node().endpoint());
    return error;
}

std::optional<Error> Dispatcher::run_to_end_on(pool::Lease& lease, const Request& request, ReplySink& sink,
                                               const KeyPrefix& prefix, CallState& state, ErrorTrust trust,
                                               CallReport* report) {
    pool::Node& node = lease.node();
    NamingSink naming(sink, request, state, origin_, report);
    const Acknowledgement acks(state.replica_acks(), request.retry());
    const Duration held = request.block_time() + acks.block_time();
    BlockingCall call(request, naming, prefix, trust, state.deadline(),
                      attempt_time(*settings_, request.block_time()) + acks.block_time(), acks);
    std::optional<Error> error = acks.refusal();
    if (!error) error = wait_for_rate(route(), request.replies(), state.deadline());
    if (error) {
        state.describe(*error, request.name(), origin_, Clock::now());
        return error;
    }
    state.begin_attempt();
    const TimePoint began = Clock::now();
    const pool::Node::Admission admission = node.admit(began);
    if (!admission) {
        give_back_rate(request.replies());
        error = node.circuit_open_error(admission);
    } else {
        error = lease.wire().run(call, Clock::now()) ? call.outcome() : connection::wire_closed_error();
        if (const std::optional<Error> loss = lease.wire().take_loss()) {
            node.record_connection_failure(*loss, Clock::now());
        }
        const TimePoint ended = Clock::now();
        const Duration took = held == Duration::zero() ? ended - began : Duration::zero();
        record_attempt(node, admission, call.what_to_record(error), call.failure_source(),
                       call.attempt_deadline() < state.deadline(), ended, took);
        route().tenant->charge(call.reader().further_commands());
        if (!error) error = call.shortfall();
    }
    if (error) state.describe(*error, request.name(), origin_, Clock::now());
    return error;
}

}  // namespace redoubt::dispatch
