// pool: the listener, what callers do; see its header.
#include "pool/listener.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

namespace redoubt::pool {

namespace asio = boost::asio;

void Listener::add(const Names& names) {
    Lock lock(mutex_);
    if (closed_) return;
    const TimePoint now = Clock::now();
    for (const auto& [kind, name] : names) subscription_.add(kind, name, now);
    kick();
}

void Listener::remove(const Names& names) {
    Lock lock(mutex_);
    if (closed_) return;
    const TimePoint now = Clock::now();
    for (const auto& [kind, name] : names) subscription_.remove(kind, name, now);
    kick();
    changed(std::move(lock));
}

Listener::Outcome Listener::standing(const Names& names) {
    const Lock lock(mutex_);
    if (closed_) return std::make_unique<Error>(*closed_);
    bool all = true;
    for (const auto& [kind, name] : names) {
        switch (subscription_.standing(kind, name)) {
            case connection::Subscription::Standing::refused:
                return std::make_unique<Error>(*subscription_.refusal(kind, name));
            case connection::Subscription::Standing::asked: all = false; break;
            case connection::Subscription::Standing::confirmed:
            case connection::Subscription::Standing::unknown: break;  // somebody else took it back
        }
    }
    if (all) return std::unique_ptr<Error>();
    // Waiting would not help.
    if (last_failure_ && !subscription_.is_connected() && last_failure_->kind == ErrorKind::authentication) {
        return std::make_unique<Error>(*last_failure_);
    }
    return std::nullopt;
}

result<std::optional<SubscriptionEvent>> Listener::next() {
    const Lock lock(mutex_);
    const bool paused = !subscription_.may_read();
    std::optional<SubscriptionEvent> event = subscription_.next();
    if (!event && closed_) return *closed_;
    if (paused && subscription_.may_read() && !closed_) kick();
    return event;
}

std::uint64_t Listener::dropped() const {
    const Lock lock(mutex_);
    return subscription_.dropped_in_all();
}

std::optional<Error> Listener::last_failure() const {
    const Lock lock(mutex_);
    return last_failure_;
}

bool Listener::wait_until(TimePoint deadline, const std::function<bool()>& look) {
    for (;;) {
        Lock lock(mutex_);
        const std::uint64_t seen = change_;
        lock.unlock();
        if (look()) return true;
        lock.lock();
        if (!changed_.wait_until(lock, deadline, [&] { return change_ != seen; })) return false;
    }
}

void Listener::when_changed(std::shared_ptr<Waiting> waiting) {
    Lock lock(mutex_);
    if (!closed_) {
        waiting_.push_back(std::move(waiting));
        return;
    }
    lock.unlock();
    waiting->wake();
}

void Listener::forget(const Waiting& waiting) {
    const Lock lock(mutex_);
    std::erase_if(waiting_, [&](const std::shared_ptr<Waiting>& one) { return one.get() == &waiting; });
}

bool Listener::has_next() const {
    const Lock lock(mutex_);
    return closed_ || subscription_.has_next();
}

void Listener::changed(Lock lock) {
    ++change_;
    changed_.notify_all();
    std::vector<std::shared_ptr<Waiting>> waiting;
    waiting.swap(waiting_);
    lock.unlock();
    for (const auto& one : waiting) one->wake();
}

void Listener::close(const Error& why) {
    Lock lock(mutex_);
    if (closed_) return;
    closed_ = why;
    asio::post(executor_, [self = shared_from_this()] {
        self->stop_dialing();
        self->shut();
    });
    changed(std::move(lock));
}

void Listener::close_here(const Error& why) {
    stop_dialing();
    shut();
    Lock lock(mutex_);
    if (closed_) return;
    closed_ = why;
    changed(std::move(lock));
}

// What dials goes with its coroutine.
void Listener::abandon(const Error& why) {
    shut();
    Lock lock(mutex_);
    if (closed_) return;
    closed_ = why;
    changed(std::move(lock));
}

// Under the lock.
void Listener::kick() {
    if (std::exchange(kicked_, true)) return;
    asio::post(executor_, [self = shared_from_this()] {
        {
            const Lock lock(self->mutex_);
            self->kicked_ = false;
        }
        self->go_on();
    });
}

}  // namespace redoubt::pool
