// dispatch: the life of a call: deadline, retry, route, the node's breaker, one attempt; for callers that block and
// for those that do not.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <redoubt/base/telemetry.hpp>
#include <redoubt/dispatch/call.hpp>

#include "base/fork_guard.hpp"
#include "dispatch/call_settings.hpp"
#include "dispatch/request.hpp"
#include "dispatch/small_mutex.hpp"
#include "topology/topology.hpp"

namespace redoubt::dispatch {

class AsyncCall;
class CallReport;
class CallState;

/// One project's. Thread-safe.
class Dispatcher {
public:
    using Lane = boost::asio::io_context::executor_type;

    /// `scan_router`: the way of what only the scan user of the server may do; null: there are no users.
    Dispatcher(std::unique_ptr<topology::Router> router, std::shared_ptr<const CallSettings> settings,
               std::shared_ptr<const ErrorOrigin> origin, Lane lane, std::shared_ptr<void> lane_keeper,
               std::unique_ptr<topology::Router> scan_router = nullptr);

    /// Makes the call on this thread. nullopt: all replies went to the sink.
    std::optional<Error> run(const Request& request, ReplySink& sink, const KeyPrefix& prefix,
                             const CallOptions& options);
    /// The same of commands that go to several nodes (`slot()` is `many_slots`), one node after the other.
    std::optional<Error> run_parts(const EncodedCommands& commands, std::string_view name, ReplySink& sink,
                                   const KeyPrefix& prefix, const CallOptions& options);
    /// One attempt on a leased wire, without retry: for what depends on the state of that one connection.
    std::optional<Error> run_on(pool::Lease& lease, const Request& request, ReplySink& sink, const KeyPrefix& prefix,
                                const CallOptions& options, ErrorTrust trust);
    /// `slot`: of what is to be done there.
    result<pool::Lease> lease(std::string_view operation, const CallOptions& options, std::uint16_t slot = no_slot);
    /// The same with a first command on it. An error: there is no lease.
    result<pool::Lease> lease_with(const Request& request, ReplySink& sink, const KeyPrefix& prefix,
                                   const CallOptions& options);

    /// Whom a call that begins now is told to; null: nobody.
    Telemetry* watcher() const noexcept { return settings_->telemetry->watcher(); }
    /// A call that a telemetry is told of, without what its commands say.
    CallInfo info_of(std::string_view operation, const CallContext* context) const noexcept;
    /// Tells of a call that was refused before it came here.
    void report_refusal(std::string_view operation, const Error& error, const CallOptions& options) const;

    /// Runs it on the lane. False: the lane is the service's own and has ended or is about to, so that nothing posted
    /// there would run.
    template <class Work>
    bool post_to_lane(Work&& work) {
        if (is_forked()) return false;
        const std::lock_guard lock(starts_mutex_);
        if (starts_refused_ && lane_keeper_) return false;
        // Under the mutex, so that what is posted comes before the end of the loop, whose work guard is given up only
        // after `refuse_foreign_starts`.
        boost::asio::post(lane_, std::forward<Work>(work));
        return true;
    }
    /// A connection of its own that listens, to the node of the slot if there is one. Any thread.
    std::shared_ptr<pool::Listener> listen(const KeyPrefix& prefix, const SubscriberOptions& options,
                                           std::uint16_t slot = no_slot);
    void refuse_foreign_starts();
    /// On the lane: no new async calls, and none is tried again; those under way go on.
    void stop_async_intake(const Error& error);
    /// On the lane: async calls are under way.
    bool is_busy_async();
    /// The lane's loop is being destroyed: destroys its calls, without telling their handlers.
    void abandon_async();
    /// This process is a child of the one that made it, and has no thread that runs the lane.
    bool is_forked() const noexcept { return generation_ != base::process_generation(); }
    /// Why `post_to_lane` returned false.
    Error gone_error() const { return is_forked() ? base::forked_error() : service_closed_error(); }
    /// On the lane: fails the async calls, those that pause between two attempts too.
    void close_async(const Error& error);
    /// Async calls that pause, so that `close_async` finds them. On the lane.
    std::unordered_set<AsyncCall*>& pausing() {
        if (!pausing_) pausing_ = std::make_unique<std::unordered_set<AsyncCall*>>();
        return *pausing_;
    }

    const CallSettings& settings() const noexcept { return *settings_; }
    const std::shared_ptr<const ErrorOrigin>& origin() const noexcept { return origin_; }
    const Lane& lane() const noexcept { return lane_; }
    topology::Router& router() noexcept { return *router_; }
    /// Whoever has commands must say in which slot they are.
    bool is_spread() const noexcept { return router_->is_spread(); }
    topology::Route route(bool scans = false, std::uint16_t slot = no_slot) noexcept {
        return router_for(scans).route(slot);
    }
    /// The way of all calls; no pool: they do not all have the same.
    topology::Route only() const noexcept { return only_; }
    /// The way of a call whose caller says where it may be read. `failed`: the pool that it was at, null: none. No pool:
    /// see `topology::Router::no_reader`.
    topology::Route reader(std::uint16_t slot, ReadFrom from, pool::Pool* failed) noexcept {
        return router_->reader(slot, from, failed != nullptr ? &failed->node() : nullptr);
    }
    /// Where a call goes at once after this answer of the node that it was at. nullopt: its attempt has failed, with what
    /// `error` says then.
    std::optional<topology::Detour> detour(CallState& state, Error& error, const pool::Node& asked, bool scans,
                                           TimePoint now);
    /// Until when no further attempt would be let pass.
    TimePoint refused_until(pool::Pool& pool) const noexcept {
        return is_spread() ? TimePoint::min() : pool.node().refused_until();
    }

    /// Of the project's keys, where commands are spread. Set once, before the first call.
    const topology::KeySlots& key_slots() const noexcept { return *extras_->key_slots; }
    void set_key_slots(const topology::KeySlots& slots) {
        if (!extras_) extras_ = std::make_unique<Extras>();
        extras_->key_slots.emplace(slots);
    }
    /// The project has a user of its own at the server.
    bool has_own_user() const noexcept { return extras_ != nullptr && extras_->scan_router != nullptr; }

private:
    // What most projects have not, behind one word of each. Complete before the first call.
    struct Extras {
        std::optional<topology::KeySlots> key_slots;
        std::unique_ptr<topology::Router> scan_router;  // of a pool that others use, too, and that its owner closes
    };
    static std::unique_ptr<Extras> extras_with(std::unique_ptr<topology::Router> scan_router);
    topology::Router& router_for(bool scans) noexcept {
        if (scans && has_own_user()) [[unlikely]]
            return *extras_->scan_router;
        return *router_;
    }

    void report_start(CallReport& report, Telemetry& telemetry, const Request& request, const CallState& state) const;
    /// One of several commands that were executed together was answered with an error.
    void note_inner_error(CallReport& report, const ReplySink& sink, const CallState& state) const;
    /// `at`: the node that the last attempt went to; null: it did not come so far.
    std::optional<Error> run_to_end(const Request& request, ReplySink& sink, const KeyPrefix& prefix, CallState& state,
                                    CallReport* report, pool::Node*& at);
    std::optional<Error> wait_for_reader(const Request& request, CallState& state, CallReport* report,
                                         pool::Pool& beside);
    std::optional<Error> run_to_end_on(pool::Lease& lease, const Request& request, ReplySink& sink,
                                       const KeyPrefix& prefix, CallState& state, ErrorTrust trust, CallReport* report);
    /// Until the project's rate lets so many commands pass. An error: that would be after the deadline, or the node's
    /// breaker refuses.
    std::optional<Error> wait_for_rate(const topology::Route& own, std::uint32_t commands, TimePoint deadline);
    /// They waited, and were not sent.
    void give_back_rate(std::uint32_t commands);

    std::shared_ptr<void> lane_keeper_;  // first, so that the loop goes after everything that lives on it
    SmallMutex starts_mutex_;
    bool starts_refused_ = false;
    const std::uint32_t generation_ = base::process_generation();
    std::unique_ptr<topology::Router> router_;
    std::unique_ptr<Extras> extras_;
    const topology::Route only_;
    std::shared_ptr<const CallSettings> settings_;  // one for all projects
    std::shared_ptr<const ErrorOrigin> origin_;
    Lane lane_;
    std::unique_ptr<std::unordered_set<AsyncCall*>> pausing_;  // made when it is needed: seldom
};

void record_failed_attempt(pool::Node& node, const pool::Node::Admission& admission, const Error& error,
                           FailureSource source, bool attempt_timeout_was_shorter, TimePoint now, Duration took);
/// Tells the node's breaker how an attempt ended. What was lost with its wire, and what ended by the caller's own
/// deadline, is not counted: the wire's owner counted the one, and the other says nothing about the node. `took`: how
/// long the attempt lasted; zero for a command that blocks at the server, whose time is the caller's choice.
inline void record_attempt(pool::Node& node, const pool::Node::Admission& admission, const Error* error,
                           FailureSource source, bool attempt_timeout_was_shorter, TimePoint now, Duration took) {
    if (error == nullptr) [[likely]]
        return node.record_success(admission, now, took);
    record_failed_attempt(node, admission, *error, source, attempt_timeout_was_shorter, now, took);
}
/// The error of an attempt costs the retry budget.
bool costs_budget(const Error& error) noexcept;
/// What a failed attempt costs the pool's retry budget, and what it counts for.
void charge(pool::Pool& pool, const Error& error) noexcept;

/// Why a blocking call is refused on this thread, if it is one of the service's own I/O threads.
std::optional<Error> refused_here();

/// Marks the calling thread as one of the service's own I/O threads, on which a blocking call is refused.
void mark_io_thread() noexcept;

}  // namespace redoubt::dispatch
