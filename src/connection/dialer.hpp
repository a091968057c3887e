// connection: opens one connection by doing what the session machine says, never blocking: it tells what to wait
// for and goes on when that has come.
#pragma once

#include <memory>
#include <optional>

#include <redoubt/base/clock.hpp>

#include "connection/resolver.hpp"
#include "connection/session.hpp"
#include "connection/stop_signal.hpp"
#include "connection/tls_context.hpp"
#include "connection/transport.hpp"

namespace redoubt::connection {

/// One attempt to open a connection. Not thread-safe.
class Dialer {
public:
    /// `tls` must outlive it and is needed for TLS targets only. `deadline` bounds the whole of it.
    Dialer(const SessionSettings& settings, const TlsContext* tls, TimePoint deadline);

    enum class State : std::uint8_t { waiting, ready, failed };
    /// Does all that can be done now.
    State step(TimePoint now);
    /// The driver cannot wait: failed.
    State give_up(std::string_view why);

    /// While `waiting`: the descriptor and the poll events to wait for, and until when.
    int wait_fd() const noexcept { return wait_fd_; }
    short wait_events() const noexcept { return wait_events_; }
    TimePoint wait_until() const noexcept { return address_deadline_; }

    /// After `ready`: the connection, once.
    Transport take() noexcept { return std::move(transport_); }
    /// After `failed`.
    const Error& error() const noexcept { return session_.error(); }
    int protocol() const noexcept { return session_.protocol(); }

private:
    enum class Doing : std::uint8_t { nothing, resolving, connecting, tls, writing, reading };

    State step_once(TimePoint now);
    void begin(const SessionAction& action, TimePoint now);
    /// The session's next action once what it is doing has ended; nullopt: it has to wait.
    std::optional<SessionAction> advance(TimePoint now);
    std::optional<SessionAction> advance_connect(TimePoint now);
    std::optional<SessionAction> advance_tls();
    std::optional<SessionAction> advance_write();
    std::optional<SessionAction> advance_read();
    std::nullopt_t wait(int fd, short events) noexcept;

    SessionSettings settings_;
    const TlsContext* tls_;
    TimePoint deadline_;
    TimePoint address_deadline_;
    Session session_;
    Transport transport_;
    std::unique_ptr<Resolution> resolution_;
    std::vector<Address> addresses_;
    std::size_t address_ = 0;
    IoResult connect_result_;
    std::size_t written_ = 0;
    int wait_fd_ = -1;
    short wait_events_ = 0;
    Doing doing_ = Doing::nothing;
    State state_ = State::waiting;
};

/// Opens a connection on the calling thread.
struct DialOutcome {
    Transport transport;  ///< open unless `error`
    std::optional<Error> error;
    bool hasty = false;  ///< its time was its caller's own, and shorter than a connection may take
};
/// Of a dial that nobody wants any more; it says nothing of the node.
Error dial_given_up();
/// `stop` ends it early.
DialOutcome dial_blocking(const SessionSettings& settings, const TlsContext* tls, TimePoint deadline,
                          const StopSignal* stop = nullptr);

/// Waits for `events` on `fd` until `deadline`; the events that came, 0 when the time is over or `also` is readable.
short wait_for_events(int fd, short events, TimePoint deadline, int also = -1);

}  // namespace redoubt::connection
