// service: the subscriber; see its header.
#include <redoubt/service/subscriber.hpp>

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "dispatch/dispatcher.hpp"
#include "pool/listener.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using pool::Listener;

constexpr std::string_view operation_name = "SUBSCRIBE";

Listener::Names named(Subscribed kind, std::span<const std::string_view> names) {
    Listener::Names all;
    all.reserve(names.size());
    for (const std::string_view name : names) all.emplace_back(kind, std::string(name));
    return all;
}

void check(const SubscriberOptions& options) {
    std::string_view wrong;
    if (options.max_buffered == 0) wrong = "max_buffered of a subscriber must be at least 1";
    if (options.max_buffered_bytes == 0) wrong = "max_buffered_bytes of a subscriber must be at least 1";
    if (options.ping_interval <= Duration::zero()) wrong = "ping_interval of a subscriber must be above 0";
    if (!wrong.empty()) raise(Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission, wrong));
}

// Wakes a coroutine on its own executor when the listener has changed or the time is over; then it looks again. It sleeps
// on a timer of that executor, so that a loop which is destroyed takes its sleepers with it. Any thread may ring.
class Alarm final : public Listener::Waiting {
public:
    Alarm(const asio::any_io_executor& executor, TimePoint until) : timer_(std::in_place, executor, until) {}

    void wake() override {
        const std::lock_guard lock(mutex_);
        rung_ = true;
        if (timer_) timer_->cancel();
    }
    /// The coroutine goes on, and its loop may end: whoever rings afterwards finds nothing.
    void retire() {
        const std::lock_guard lock(mutex_);
        timer_.reset();
    }
    asio::awaitable<void> wait() {
        using Token = asio::redirect_error_t<asio::use_awaitable_t<>>;
        boost::system::error_code ignored;
        Token token(asio::use_awaitable, ignored);
        co_await asio::async_initiate<Token, void(boost::system::error_code)>(
            [this]<class Handler>(Handler&& handler) {
                std::unique_lock lock(mutex_);
                if (!rung_) return timer_->async_wait(std::forward<Handler>(handler));
                lock.unlock();
                const auto executor = asio::get_associated_executor(handler);
                asio::post(executor, [resumed = std::forward<Handler>(handler)]() mutable {
                    std::move(resumed)(boost::system::error_code());
                });
            },
            token);
    }

private:
    std::mutex mutex_;
    bool rung_ = false;
    std::optional<asio::steady_timer> timer_;
};

// An alarm that is set for as long as this lives, however the coroutine ends.
class AlarmSet {
public:
    AlarmSet(Listener& listener, const asio::any_io_executor& executor, TimePoint until)
        : listener_(listener), alarm_(std::make_shared<Alarm>(executor, until)) {
        listener_.when_changed(alarm_);
    }
    ~AlarmSet() {
        listener_.forget(*alarm_);
        alarm_->retire();
    }
    AlarmSet(const AlarmSet&) = delete;
    AlarmSet& operator=(const AlarmSet&) = delete;
    Alarm& alarm() noexcept { return *alarm_; }

private:
    Listener& listener_;
    std::shared_ptr<Alarm> alarm_;
};

}  // namespace

struct Subscriber::Impl {
    Impl(service::Handle given, const SubscriberOptions& options)
        : handle(std::move(given)), options_(options), listener_(listen(no_slot)) {}

    std::shared_ptr<Listener> listener() const {
        const std::lock_guard lock(mutex_);
        return listener_;
    }
    /// The one that hears these names. In a Cluster sharded channels, and the events of keys, are told by the node of their
    /// slot alone, so that the first names decide where a subscriber listens.
    std::shared_ptr<Listener> listener_of(Subscribed kind, std::span<const std::string_view> names) {
        const dispatch::Dispatcher& dispatcher = handle.project->dispatcher();
        if (!dispatcher.is_spread() || names.empty()) return listener();
        std::uint16_t slot = no_slot;
        if (kind == Subscribed::shard_channel) {
            slot = dispatcher.key_slots()(names.front());
            for (const std::string_view name : names) {
                if (dispatcher.key_slots()(name) != slot) fail(elsewhere());
            }
        } else if (kind == Subscribed::keyspace) {
            slot = dispatcher.key_slots().only();
            if (slot == no_slot) fail(scattered_events());
        }
        const std::lock_guard lock(mutex_);
        if (!slot_) {
            slot_ = slot;
            if (slot != no_slot) {
                listener_->close(closed_error());
                listener_ = listen(slot);
            }
        }
        if (*slot_ != slot) fail(elsewhere());
        return listener_;
    }
    static Error elsewhere() {
        return Error::of(
            ErrorKind::configuration, Certainty::not_sent, Stage::admission,
            "in a Cluster a subscriber listens at one node: to sharded channels of one slot (with a common "
            "hash tag), or to other channels and patterns; use another subscriber for the others");
    }
    static Error scattered_events() {
        return Error::of(
            ErrorKind::configuration, Certainty::not_sent, Stage::admission,
            "each node of a Cluster tells of the events of its own keys alone: they can be heard where all "
            "keys of the project are together (key_colocation)");
    }
    static Error closed_error() {
        return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::admission, "the subscriber is closed");
    }

    [[noreturn]] void fail(Error error) const { raise(handle.project->refusal(std::move(error), operation_name)); }

    TimePoint deadline() const { return handle.project->deadline_of(handle.options(), Clock::now()); }
    static Error late(Listener& listener) {
        Error error = Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent,
                                "the server has not confirmed the subscription in time; it will be asked again");
        if (const std::optional<Error> why = listener.last_failure()) error.cause = std::make_shared<const Error>(*why);
        return error;
    }

    static asio::awaitable<void> async_subscribe(std::shared_ptr<const Impl> impl, std::shared_ptr<Listener> listener,
                                                 Listener::Names all);
    static asio::awaitable<SubscriptionEvent> async_receive(std::shared_ptr<const Impl> impl);

    asio::awaitable<void> wait(Alarm& alarm) const {
        co_await alarm.wait();
        // Named: GCC 12 loses a temporary of co_await in a condition.
        const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            fail(Error::of(ErrorKind::cancelled, Certainty::not_sent, Stage::admission, "the wait was cancelled"));
        }
    }

    service::Handle handle;

private:
    std::shared_ptr<Listener> listen(std::uint16_t slot) const {
        return handle.project->dispatcher().listen(handle.project->prefix(), options_, slot);
    }
    SubscriberOptions options_;
    mutable std::mutex mutex_;
    std::shared_ptr<Listener> listener_;
    std::optional<std::uint16_t> slot_;  // decided by the first names
};

Subscriber::Subscriber(service::Handle handle, const SubscriberOptions& options) {
    check(options);
    impl_ = std::make_shared<Impl>(std::move(handle), options);
}
// A coroutine that still waits keeps what it waits on, not the subscription.
Subscriber::~Subscriber() { close(); }
Subscriber::Subscriber(Subscriber&& other) noexcept = default;
Subscriber& Subscriber::operator=(Subscriber&& other) noexcept {
    if (this != &other) {
        close();
        impl_ = std::move(other.impl_);
    }
    return *this;
}

void Subscriber::subscribe(std::span<const std::string_view> channels) { subscribe(Subscribed::channel, channels); }
void Subscriber::psubscribe(std::span<const std::string_view> patterns) { subscribe(Subscribed::pattern, patterns); }

void Subscriber::subscribe(Subscribed kind, std::span<const std::string_view> names) {
    const auto impl = impl_;
    if (std::optional<Error> refused = dispatch::refused_here()) impl->fail(std::move(*refused));
    const Listener::Names all = named(kind, names);
    const std::shared_ptr<Listener> listener = impl->listener_of(kind, names);
    listener->add(all);
    Listener::Outcome outcome;
    const bool decided = listener->wait_until(impl->deadline(), [&] {
        outcome = listener->standing(all);
        return outcome.has_value();
    });
    if (!decided) impl->fail(Impl::late(*listener));
    if (*outcome) impl->fail(**outcome);
}

asio::awaitable<void> Subscriber::async_subscribe(Subscribed kind, std::span<const std::string_view> names) {
    return Impl::async_subscribe(impl_, impl_->listener_of(kind, names), named(kind, names));
}

asio::awaitable<void> Subscriber::Impl::async_subscribe(std::shared_ptr<const Impl> impl,
                                                        std::shared_ptr<Listener> listener, Listener::Names all) {
    const auto executor = co_await asio::this_coro::executor;
    listener->add(all);
    const TimePoint deadline = impl->deadline();
    for (;;) {
        AlarmSet set(*listener, executor, deadline);
        const Listener::Outcome outcome = listener->standing(all);
        if (outcome && *outcome) impl->fail(**outcome);
        if (outcome) co_return;
        if (Clock::now() >= deadline) impl->fail(late(*listener));
        co_await impl->wait(set.alarm());
    }
}

void Subscriber::unsubscribe(Subscribed kind, std::span<const std::string_view> names) {
    impl_->listener()->remove(named(kind, names));
}

std::optional<SubscriptionEvent> Subscriber::receive(Duration wait) {
    const auto impl = impl_;
    if (std::optional<Error> refused = dispatch::refused_here()) impl->fail(std::move(*refused));
    const TimePoint now = Clock::now();
    const TimePoint deadline = wait > TimePoint::max() - now ? TimePoint::max() : now + wait;
    std::optional<SubscriptionEvent> event;
    std::optional<Error> closed;
    const std::shared_ptr<Listener> listener = impl->listener();
    listener->wait_until(deadline, [&] {
        auto next = listener->next();
        if (!next) {
            closed = next.error();
        } else {
            event = std::move(*next);
        }
        return closed || event;
    });
    if (closed) impl->fail(std::move(*closed));
    return event;
}

asio::awaitable<SubscriptionEvent> Subscriber::async_receive() { return Impl::async_receive(impl_); }

asio::awaitable<SubscriptionEvent> Subscriber::Impl::async_receive(std::shared_ptr<const Impl> impl) {
    const auto executor = co_await asio::this_coro::executor;
    const std::shared_ptr<Listener> listener = impl->listener();
    for (;;) {
        auto next = listener->next();
        if (!next) impl->fail(next.error());
        if (*next) co_return std::move(**next);
        AlarmSet set(*listener, executor, TimePoint::max());
        if (listener->has_next()) continue;  // it came before the alarm was set
        co_await impl->wait(set.alarm());
    }
}

Subscriber::Iterator& Subscriber::Iterator::operator++() {
    try {
        event_ = subscriber_->receive(Duration::max());
    } catch (const RedisConnectionException&) {
        event_.reset();
    }
    return *this;
}

std::uint64_t Subscriber::dropped() const { return impl_->listener()->dropped(); }

void Subscriber::close() noexcept {
    if (!impl_) return;
    if (impl_->handle.project->dispatcher().is_forked()) {
        static_cast<void>(new std::shared_ptr<Impl>(std::move(impl_)));  // the parent's: never ended here
        return;
    }
    impl_->listener()->close(Impl::closed_error());
}

}  // namespace redoubt
