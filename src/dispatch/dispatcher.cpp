// dispatch: blocking calls, and what both kinds share; see the header.
#include "dispatch/dispatcher.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>

#include <redoubt/dispatch/async_call.hpp>
#include <redoubt/dispatch/call_report.hpp>
#include <redoubt/dispatch/call_state.hpp>

#include "connection/moved.hpp"
#include "connection/server_error.hpp"
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

void record_attempt(pool::Node& node, const pool::Node::Admission& admission, const Error* error, FailureSource source,
                    bool attempt_timeout_was_shorter, TimePoint now, Duration took) {
    const bool of_the_wire = error != nullptr && source == FailureSource::wire;
    const bool answered = error == nullptr || (!of_the_wire && error->stage == Stage::reply);
    const bool node_failed =
        error != nullptr && !of_the_wire &&
        (answered ? node.is_failure(error->prefix())
                  : error->kind == ErrorKind::timeout && error->stage == Stage::sent && attempt_timeout_was_shorter);
    if (node_failed) {
        node.record_failure(admission, now, took);
    } else if (answered) {
        if (error != nullptr) node.heard(*error);
        node.record_success(admission, now, took);
    } else {
        node.release(admission);
    }
}

// An answer about the data (WRONGTYPE) says nothing of the server, and neither does a full pool.
bool costs_budget(const Error& error) noexcept {
    // That its pool has gone to another node is nobody's failure, and neither is that a slot is on its way.
    return error.kind != ErrorKind::pool_exhausted && !connection::is_moved(error) && error.prefix() != "TRYAGAIN" &&
           policy::may_pass(error);
}

void charge(pool::Pool& pool, const Error& error) noexcept {
    if (error.kind == ErrorKind::pool_exhausted) pool.count_exhausted();
    if (costs_budget(error)) pool.budget().on_failure();
}

const std::shared_ptr<base::TelemetryList>& CallSettings::no_telemetry() {
    static const auto nobody = std::make_shared<base::TelemetryList>(std::vector<std::shared_ptr<Telemetry>>{});
    return nobody;
}

std::unique_ptr<Dispatcher::Extras> Dispatcher::extras_with(std::unique_ptr<topology::Router> scan_router) {
    if (!scan_router) return nullptr;
    auto extras = std::make_unique<Extras>();
    extras->scan_router = std::move(scan_router);
    return extras;
}

Dispatcher::Dispatcher(std::unique_ptr<topology::Router> router, std::shared_ptr<const CallSettings> settings,
                       std::shared_ptr<const ErrorOrigin> origin, Lane lane, std::shared_ptr<void> lane_keeper,
                       std::unique_ptr<topology::Router> scan_router)
    : lane_keeper_(std::move(lane_keeper)),
      router_(std::move(router)),
      extras_(extras_with(std::move(scan_router))),
      only_(extras_ == nullptr ? router_->only() : topology::Route{}),
      settings_(std::move(settings)),
      origin_(std::move(origin)),
      lane_(std::move(lane)) {}

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

// Only what certainly comes from the server itself is heeded: a script can answer that its slot is anywhere.
std::optional<topology::Detour> Dispatcher::detour(CallState& state, Error& error, const pool::Node& asked, bool scans,
                                                   TimePoint now) {
    if (error.certainty != Certainty::rejected || error.stage != Stage::reply) return std::nullopt;
    std::optional<topology::Detour> elsewhere = router_for(scans).detour(error, asked);
    if (!elsewhere || state.may_follow(now)) return elsewhere;
    // Another moment may lift that: it is tried again as after a connection's failure.
    Error lost =
        Error::of(ErrorKind::connection, Certainty::rejected, Stage::reply,
                  "the nodes of the Cluster do not agree on who serves the slot: the command was sent from one "
                  "to another too often");
    lost.cause = std::make_shared<const Error>(error);
    error = std::move(lost);
    return std::nullopt;
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

CallInfo Dispatcher::info_of(std::string_view operation, const CallContext* context) const noexcept {
    CallInfo call;
    call.operation = operation;
    call.project_id = origin_->project_id;
    call.endpoint = origin_->endpoint;
    call.database = settings_->database;
    call.context = context;
    return call;
}

void Dispatcher::report_start(CallReport& report, Telemetry& telemetry, const Request& request,
                              const CallState& state) const {
    CallInfo call = info_of(request.name(), state.context());
    request.describe(call);
    const RequestText text(request);
    call.text = &text;
    report.begin(telemetry, call, state.start());
}

void Dispatcher::note_inner_error(CallReport& report, const ReplySink& sink, const CallState& state) const {
    std::optional<Error> inner = sink.inner_error();
    if (!inner) return;
    state.describe(*inner, inner->operation, origin_, Clock::now());
    report.note(*inner);
}

void Dispatcher::report_refusal(std::string_view operation, const Error& error, const CallOptions& options) const {
    Telemetry* const told = watcher();
    if (told == nullptr) return;
    CallReport report;
    report.begin(*told, info_of(operation.empty() ? error.operation : operation, options.context));
    report.end(&error, 0, {});
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

std::shared_ptr<pool::Listener> Dispatcher::listen(const KeyPrefix& prefix, const SubscriberOptions& options,
                                                   std::uint16_t slot) {
    pool::Pool& pool = slot == no_slot ? *route().pool : router_->following(slot);
    connection::SubscriptionSettings settings;
    settings.prefix = prefix;
    settings.database = pool.node().session().target.database;
    settings.one_pattern = has_own_user();
    settings.reply_limits = pool.wire().reply_limits;
    settings.attempt_timeout = settings_->attempt_timeout;
    settings.options = options;
    auto listener = pool.listen(settings, {settings_->retry.base, settings_->retry.cap});
    const bool posted = post_to_lane([pool = pool.shared_from_this(), alive = std::weak_ptr<pool::Listener>(listener)] {
        if (const auto adopted = alive.lock()) pool->async().adopt(adopted);
    });
    if (!posted) listener->close(gone_error());
    return listener;
}

void Dispatcher::refuse_foreign_starts() {
    const std::lock_guard lock(starts_mutex_);
    starts_refused_ = true;
}

void Dispatcher::stop_async_intake(const Error& error) {
    router_->for_each_pool([&](pool::Pool& pool) { pool.stop_async_intake(error); });
    if (!pausing_) return;
    for (AsyncCall* call : *pausing_) call->interrupt();
}

bool Dispatcher::is_busy_async() {
    bool busy = pausing_ && !pausing_->empty();
    router_->for_each_pool([&](pool::Pool& pool) { busy = busy || pool.is_busy_async(); });
    return busy;
}

void Dispatcher::abandon_async() {
    std::vector<Operation*> abandoned;
    router_->for_each_pool([&](pool::Pool& pool) { pool.abandon(abandoned, service_closed_error()); });
    for (Operation* const operation : abandoned) AsyncCall::of(*operation).abandon();
    if (!pausing_) return;
    for (AsyncCall* const call : std::exchange(*pausing_, {})) call->abandon();
}

void Dispatcher::close_async(const Error& error) {
    router_->for_each_pool([&](pool::Pool& pool) { pool.close_async(error); });
    if (!pausing_) return;
    for (AsyncCall* call : *pausing_) call->interrupt();
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
