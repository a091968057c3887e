// dispatch: calls whose callers say which nodes may answer them, of both kinds.
#include <redoubt/dispatch/async_call.hpp>
#include <redoubt/dispatch/call_report.hpp>
#include <redoubt/dispatch/call_state.hpp>

#include "dispatch/dispatcher.hpp"

namespace redoubt::dispatch {

// Its caller says where it may be read, and it is of a kind that can be read elsewhere. What is leased for several
// operations is at the master.
bool AsyncCall::reads_elsewhere() noexcept {
    return state_.read_from() && commands_.at_replicas() && commands_.slot() != many_slots &&
           !(rare_ && rare_->own_connection);
}

void AsyncCall::route_to_reader() noexcept {
    topology::Route way;
    if (reads_elsewhere()) way = dispatcher_.reader(commands_.slot(), *state_.read_from(), pool_);
    const bool none = way.pool == nullptr && reads_elsewhere();
    if (none || rare_) rare().no_reader = none;
    // While there is none it pauses beside the master's pool.
    if (way.pool == nullptr) {
        way = dispatcher_.route(dispatcher_.has_own_user() && commands_.scans(), commands_.slot());
    }
    pool_ = way.pool;
    tenant_ = way.tenant;
}

// The breaker of a replica has opened since it was chosen.
bool AsyncCall::finds_another_reader() noexcept {
    pool::Pool* const refused = pool_;
    if (!reads_elsewhere()) return false;
    pool_ = nullptr;
    route_to_reader();
    return pool_ != refused || (rare_ && rare_->no_reader);
}

// An attempt that no node was there for. An error: it was the last.
std::optional<Error> Dispatcher::wait_for_reader(const Request& request, CallState& state, CallReport* report,
                                                 pool::Pool& beside) {
    state.begin_attempt();
    Error none = router_->no_reader(request.slot());
    const std::optional<Duration> pause =
        state.after_failure(*settings_, none, {request.retry(), false, chance(), Clock::now()}, beside.budget());
    std::optional<Error> ended = none;
    if (pause) {
        beside.count_retry();
        if (report != nullptr) {
            none.attempts = state.attempts();
            report->retried(none, *pause);
        }
        ended = beside.pause_until(Clock::now() + *pause);
    }
    if (ended) state.describe(*ended, request.name(), origin_, Clock::now());
    return ended;
}

}  // namespace redoubt::dispatch
