// dispatch: what calls that block and calls that do not have in common; see the header.
#include "dispatch/dispatcher.hpp"

#include <string>
#include <utility>

#include <redoubt/dispatch/async_call.hpp>
#include <redoubt/dispatch/call_report.hpp>
#include <redoubt/dispatch/call_state.hpp>

#include "connection/moved.hpp"
#include "dispatch/call_words.hpp"

namespace redoubt::dispatch {

void record_failed_attempt(pool::Node& node, const pool::Node::Admission& admission, const Error& error,
                           FailureSource source, bool attempt_timeout_was_shorter, TimePoint now, Duration took) {
    const bool of_the_wire = source == FailureSource::wire;
    const bool answered = !of_the_wire && error.stage == Stage::reply;
    const bool node_failed = !of_the_wire && (answered ? node.is_failure(error.prefix())
                                                       : error.kind == ErrorKind::timeout &&
                                                             error.stage == Stage::sent && attempt_timeout_was_shorter);
    if (node_failed) {
        node.record_failure(admission, now, took);
    } else if (answered) {
        node.heard(error);
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

}  // namespace redoubt::dispatch
