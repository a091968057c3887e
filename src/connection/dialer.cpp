// connection: the dialer; see its header.
#include "connection/dialer.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include <poll.h>

namespace redoubt::connection {

Dialer::Dialer(const SessionSettings& settings, const TlsContext* tls, TimePoint deadline)
    : settings_(settings), tls_(tls), deadline_(deadline), address_deadline_(deadline), session_(settings) {}

// What the system refuses by an exception (no memory, no descriptor for the loop) ends the dial like any failure, so
// that nobody waits for it for ever.
Dialer::State Dialer::step(TimePoint now) {
    if (state_ != State::waiting) return state_;
    try {
        return step_once(now);
    } catch (const std::exception& refused) {
        return give_up(refused.what());
    }
}

Dialer::State Dialer::give_up(std::string_view why) {
    (void)session_.on_lost(why);
    transport_.close();
    return state_ = State::failed;
}

Dialer::State Dialer::step_once(TimePoint now) {
    std::optional<SessionAction> action = doing_ == Doing::nothing ? session_.start() : advance(now);
    while (action) {
        if (action->kind == SessionAction::Kind::ready) return state_ = State::ready;
        if (action->kind == SessionAction::Kind::fail) {
            transport_.close();
            return state_ = State::failed;
        }
        begin(*action, now);
        action = advance(now);
    }
    return state_;
}

void Dialer::begin(const SessionAction& action, TimePoint now) {
    using Kind = SessionAction::Kind;
    switch (action.kind) {
        case Kind::resolve:
            doing_ = Doing::resolving;
            resolution_ = std::make_unique<Resolution>(settings_.target.host, settings_.target.port);
            break;
        case Kind::connect: {
            doing_ = Doing::connecting;
            if (addresses_.empty()) addresses_.push_back(unix_address(settings_.target.path));
            address_ = action.index;
            // Each address still to try gets its share of the time, so that a silent one cannot use it all up.
            const auto left = static_cast<Duration::rep>(addresses_.size() - address_);
            address_deadline_ = now + (deadline_ - now) / left;
            connect_result_ = transport_.connect(addresses_[address_]);
            break;
        }
        case Kind::start_tls:
            doing_ = Doing::tls;
            address_deadline_ = deadline_;
            break;
        case Kind::send:
            doing_ = Doing::writing;
            address_deadline_ = deadline_;
            written_ = 0;
            break;
        case Kind::read: doing_ = Doing::reading; break;
        case Kind::ready:
        case Kind::fail: break;
    }
}

std::optional<SessionAction> Dialer::advance(TimePoint now) {
    if (now >= deadline_) return session_.on_timeout();
    switch (doing_) {
        case Doing::resolving:
            if (!resolution_->done()) return wait(resolution_->fd(), POLLIN);
            addresses_ = resolution_->addresses();
            if (addresses_.empty()) return session_.on_resolve_failed(resolution_->error_text());
            return session_.on_resolved(addresses_.size());
        case Doing::connecting: return advance_connect(now);
        case Doing::tls: return advance_tls();
        case Doing::writing: return advance_write();
        case Doing::reading: return advance_read();
        case Doing::nothing: break;
    }
    return std::nullopt;
}

std::optional<SessionAction> Dialer::advance_connect(TimePoint now) {
    if (connect_result_.status == IoStatus::want_write) {
        if (wait_for_events(transport_.fd(), POLLOUT, now) == 0) {
            if (now < address_deadline_) return wait(transport_.fd(), POLLOUT);
            return session_.on_connect_failed(addresses_[address_].text + ": no answer");
        }
        connect_result_ = transport_.finish_connect();
    }
    if (connect_result_.status == IoStatus::ok) return session_.on_connected();
    return session_.on_connect_failed(addresses_[address_].text + ": " + transport_.describe(connect_result_));
}

std::optional<SessionAction> Dialer::advance_tls() {
    const IoResult result = transport_.tls_handshake(*tls_, settings_.target.host);
    switch (result.status) {
        case IoStatus::ok: return session_.on_tls_ready();
        case IoStatus::want_read: return wait(transport_.fd(), POLLIN);
        case IoStatus::want_write: return wait(transport_.fd(), POLLOUT);
        default: return session_.on_tls_failed(transport_.describe(result));
    }
}

std::optional<SessionAction> Dialer::advance_write() {
    while (written_ < session_.output().size()) {
        const IoResult result = transport_.write(session_.output().substr(written_));
        switch (result.status) {
            case IoStatus::ok: written_ += result.bytes; break;
            case IoStatus::want_read: return wait(transport_.fd(), POLLIN);
            case IoStatus::want_write: return wait(transport_.fd(), POLLOUT);
            // The server may have said why before it closed ("max number of clients reached"): read it first.
            default: doing_ = Doing::reading; return advance_read();
        }
    }
    doing_ = Doing::reading;
    return advance_read();
}

std::optional<SessionAction> Dialer::advance_read() {
    char buffer[1024];
    const IoResult result = transport_.read(buffer);
    switch (result.status) {
        case IoStatus::ok: return session_.on_bytes({buffer, result.bytes});
        case IoStatus::want_read: return wait(transport_.fd(), POLLIN);
        case IoStatus::want_write: return wait(transport_.fd(), POLLOUT);
        default: return session_.on_lost(transport_.describe(result));
    }
}

std::nullopt_t Dialer::wait(int fd, short events) noexcept {
    wait_fd_ = fd;
    wait_events_ = events;
    return std::nullopt;
}

Error dial_given_up() {
    return Error::of(ErrorKind::cancelled, Certainty::not_sent, Stage::connecting, "the connection was given up");
}

DialOutcome dial_blocking(const SessionSettings& settings, const TlsContext* tls, TimePoint deadline,
                          const StopSignal* stop) {
    Dialer dialer(settings, tls, deadline);
    for (;;) {
        if (stop != nullptr && stop->stopped()) return {Transport{}, dial_given_up()};
        switch (dialer.step(Clock::now())) {
            case Dialer::State::ready: return {dialer.take(), std::nullopt};
            case Dialer::State::failed: return {Transport{}, dialer.error()};
            case Dialer::State::waiting: break;
        }
        wait_for_events(dialer.wait_fd(), dialer.wait_events(), dialer.wait_until(), stop != nullptr ? stop->fd() : -1);
    }
}

short wait_for_events(int fd, short events, TimePoint deadline, int also) {
    pollfd states[2] = {{fd, events, 0}, {also, POLLIN, 0}};
    for (;;) {
        // Rounded up, so that poll never returns just before the deadline and is called again for nothing.
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        const int timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
        const int ready = ::poll(states, also < 0 ? 1 : 2, timeout);
        if (ready > 0) return states[0].revents;
        if (ready == 0 && Clock::now() >= deadline) return 0;
        if (ready < 0 && errno != EINTR) return 0;
    }
}

}  // namespace redoubt::connection
