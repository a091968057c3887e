// pool: when a pool's connections are opened, and the opening; see connections.hpp.
#include <algorithm>
#include <random>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "pool/connections.hpp"

namespace redoubt::pool {

namespace asio = boost::asio;

namespace {

// Whoever waits for its turn looks so often whether the breaker has opened or the pool was closed.
constexpr auto look = std::chrono::milliseconds(20);

double chance() {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

connection::DialOutcome refused(Error error) { return {connection::Transport{}, std::move(error)}; }

Error no_connection_in_time() {
    return Error::of(ErrorKind::timeout, Certainty::not_sent, Stage::connecting, "no connection in time");
}

}  // namespace

std::optional<Error> Connections::refusal_to_dial(TimePoint now) const {
    if (std::optional<Error> why = closed()) return why;
    return node_->refusal_to_connect(now);
}

result<TimePoint> Connections::turn_to_dial(TimePoint now, TimePoint until) {
    if (std::optional<Error> why = refusal_to_dial(now)) return *why;
    const std::optional<Duration> wait =
        node_->dial_pace().begin(budget_->rate(), now, std::max(until - now, Duration::zero()), chance());
    if (!wait) return exhausted("too many connections are being opened (max_connects_per_second)");
    return now + *wait;
}

// What ended by its time-out has paused already, and the time may have been a hasty caller's own. A refusal in the handshake
// says that the server is there, and that a pool's user is not set up says nothing.
void Connections::dial_ended(const connection::DialOutcome& outcome) noexcept {
    const bool failed = outcome.error && outcome.error->kind == ErrorKind::connection;
    if (failed || !outcome.error) node_->dial_pace().ended(failed);
    node_->count_dial(!outcome.error);
}

connection::DialOutcome Connections::dial(TimePoint until,
                                          const std::function<std::optional<Error>(TimePoint)>& pause) {
    TimePoint now = Clock::now();
    const result<TimePoint> turn = turn_to_dial(now, until);
    if (!turn) return refused(turn.error());
    while (now < *turn) {
        if (now >= until) return refused(no_connection_in_time());
        if (std::optional<Error> why = pause(std::min({*turn, until, now + look}))) return refused(std::move(*why));
        now = Clock::now();
        if (std::optional<Error> why = refusal_to_dial(now)) return refused(std::move(*why));
    }
    connection::DialOutcome outcome = dial_as(*node_, identity_.get(), until);
    dial_ended(outcome);
    return outcome;
}

asio::awaitable<connection::DialOutcome> Connections::async_dial(TimePoint until, TimePoint turn_until) {
    TimePoint now = Clock::now();
    const result<TimePoint> turn = turn_to_dial(now, turn_until);
    if (!turn) co_return refused(turn.error());
    if (now < *turn) {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (now < *turn) {
            if (now >= until) co_return refused(no_connection_in_time());
            timer.expires_at(std::min({*turn, until, now + look}));
            boost::system::error_code ignored;
            co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            now = Clock::now();
            if (std::optional<Error> why = refusal_to_dial(now)) co_return refused(std::move(*why));
        }
    }
    connection::DialOutcome outcome = co_await async_dial_as(*node_, identity_.get(), until);
    dial_ended(outcome);
    co_return outcome;
}

}  // namespace redoubt::pool
