// service: keys that an async caller watches, on a connection of its own, until the transaction that depends on them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <redoubt/resp/cmd.hpp>
#include <redoubt/resp/read_reply.hpp>
#include <redoubt/service/execution.hpp>

namespace redoubt {

namespace service {
class WatchReplies;
struct AsyncWatched;
}  // namespace service

/// What `co_await redis.async().watch("k")` gives: a leased connection on which the keys are watched. Give it to
/// `redis.async().transaction(std::move(watched))`; what is read in between, through any client, is safe to decide on.
/// One that goes unused, on any thread, closes its connection. Movable; used by one thread. It counts against
/// `max_connections` while it lives, and it may outlive its service.
class [[nodiscard]] Watched {
public:
    Watched() = default;
    Watched(Watched&&) noexcept = default;
    Watched& operator=(Watched&&) noexcept = default;
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    ~Watched() = default;

    /// It came from `watch`, and no transaction has taken it. (Whether its connection still lives, the transaction says.)
    explicit operator bool() const noexcept { return hold_ != nullptr; }

private:
    friend class service::WatchReplies;
    friend struct service::AsyncWatched;
    Watched(std::shared_ptr<isolation::Project> project, std::shared_ptr<pool::Hold> hold) noexcept
        : project_(std::move(project)), hold_(std::move(hold)) {}

    std::shared_ptr<isolation::Project> project_;
    std::shared_ptr<pool::Hold> hold_;
};

namespace service {

std::shared_ptr<pool::Hold> make_hold(const std::shared_ptr<isolation::Project>& project);
/// Its connection may carry other calls.
void set_clean(pool::Hold& hold) noexcept;
void add_watch(Gathered& gathered, const Handle& handle, TextList keys);
Error nothing_watched(const Handle& handle);

/// The reply of WATCH. Begun again, it watches on another connection.
class WatchReplies {
public:
    using value_type = Watched;
    explicit WatchReplies(const std::shared_ptr<isolation::Project>& project)
        : project_(project), hold_(make_hold(project)) {}
    WatchReplies(const WatchReplies& other) : WatchReplies(other.project_) {}
    WatchReplies(WatchReplies&&) noexcept = default;
    WatchReplies& operator=(const WatchReplies&) = delete;
    WatchReplies& operator=(WatchReplies&&) = delete;
    ~WatchReplies() = default;

    ReadOutcome read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix& prefix) {
        Ok ok;
        return read_reply(cursor, prefix, ok);
    }
    void fail(std::uint32_t, const Error&) {}
    result<Watched> take() {
        return result<Watched>(boost::system::in_place_value, Watched(std::move(project_), std::move(hold_)));
    }
    HoldUse hold() const noexcept { return {hold_.get(), true}; }

private:
    std::shared_ptr<isolation::Project> project_;
    std::shared_ptr<pool::Hold> hold_;
};

/// The replies of MULTI .. EXEC on a connection that is held. `Outcome` is one of the ExecReplies.
template <class Outcome>
class HeldReplies : public Outcome {
public:
    HeldReplies(Outcome&& outcome, std::shared_ptr<pool::Hold>&& hold) noexcept
        : Outcome(std::move(outcome)), hold_(std::move(hold)) {}
    /// All was answered.
    auto take() {
        // EXEC that was answered as EXEC has ended MULTI and WATCH; anything else closes the connection.
        if (this->ended()) set_clean(*hold_);
        return Outcome::take();
    }
    HoldUse hold() const noexcept { return {hold_.get(), false}; }

private:
    std::shared_ptr<pool::Hold> hold_;
};

/// An Asio operation, executed where the keys are watched, in one attempt.
struct AsyncWatched {
    template <class Completion, class Outcome>
    static auto start(const Handle& handle, Gathered&& gathered, Watched&& watched, Outcome&& replies) {
        if (!gathered.refused && (!watched || watched.project_ != handle.project)) {
            gathered.refused = nothing_watched(handle);
        }
        CallOptions once = handle.options();
        once.retries = 0;
        return make_operation<HeldReplies<Outcome>, Completion>(
            handle.with(once), "MULTI", HeldReplies<Outcome>(std::move(replies), std::move(watched.hold_)),
            [&](dispatch::AsyncCall& call) {
                call.commands() = std::move(gathered.commands);
                call.want_own_connection();
                if (gathered.refused) call.refuse(std::move(*gathered.refused));
            });
    }
};

template <class Completion>
auto start_watch(const Handle& handle, TextList keys) {
    Gathered gathered;
    add_watch(gathered, handle, keys);
    return make_operation<WatchReplies, Completion>(handle, "WATCH", WatchReplies(handle.project),
                                                    [&](dispatch::AsyncCall& call) {
                                                        call.commands() = std::move(gathered.commands);
                                                        call.want_own_connection();
                                                        if (gathered.refused) call.refuse(std::move(*gathered.refused));
                                                    });
}

}  // namespace service
}  // namespace redoubt
