// pool: when a pool's connections are opened, and the opening; see connections.hpp.
#include <algorithm>
#include <random>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

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

/// A place in the rate of connects, given back unless it was used.
class Turn {
public:
    explicit Turn(policy::RateLimit* rate) noexcept : rate_(rate) {}
    ~Turn() {
        if (rate_ != nullptr) rate_->give_back(1);
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    void use() noexcept { rate_ = nullptr; }

private:
    policy::RateLimit* rate_;
};

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
connection::DialOutcome Connections::dial_ended(connection::DialOutcome outcome, TimePoint began, bool callers_time) {
    const bool failed = outcome.error && outcome.error->kind == ErrorKind::connection;
    if (failed || !outcome.error) node_->dial_pace().ended(failed);
    node_->count_dial(!outcome.error);
    if (!outcome.error) node_->telemetry().connection_opened(node_->endpoint(), name(), Clock::now() - began);
    // A caller's own short deadline says nothing about the node.
    outcome.hasty = callers_time && outcome.error && outcome.error->kind == ErrorKind::timeout;
    if (outcome.error && !outcome.hasty) node_->record_connection_failure(*outcome.error, Clock::now());
    return outcome;
}

connection::DialOutcome Connections::dial(TimePoint deadline,
                                          const std::function<std::optional<Error>(TimePoint)>& pause) {
    TimePoint now = Clock::now();
    const TimePoint turn_until = std::min(deadline, now + node_->connection_timeout());
    const result<TimePoint> turn = turn_to_dial(now, turn_until);
    if (!turn) return refused(turn.error());
    Turn kept(budget_->rate());
    while (now < *turn) {
        if (now >= turn_until) return refused(no_connection_in_time());
        if (std::optional<Error> why = pause(std::min({*turn, turn_until, now + look})))
            return refused(std::move(*why));
        now = Clock::now();
        if (std::optional<Error> why = refusal_to_dial(now)) return refused(std::move(*why));
    }
    // From here on: what it waited for its turn is not the node's doing.
    kept.use();
    const TimePoint until = std::min(deadline, now + node_->connection_timeout());
    return dial_ended(dial_as(*node_, identity_.get(), until), now, until == deadline);
}

asio::awaitable<connection::DialOutcome> Connections::async_dial(TimePoint deadline, Duration patience) {
    try {
        co_return co_await async_dial_in_turn(deadline, patience);
    } catch (const boost::system::system_error&) {
        // Whoever dials has a place to give back, cancelled or not.
        co_return refused(connection::dial_given_up());
    }
}

asio::awaitable<connection::DialOutcome> Connections::async_dial_in_turn(TimePoint deadline, Duration patience) {
    TimePoint now = Clock::now();
    const TimePoint turn_until = std::min(deadline, now + std::min(patience, node_->connection_timeout()));
    const result<TimePoint> turn = turn_to_dial(now, turn_until);
    if (!turn) co_return refused(turn.error());
    Turn kept(budget_->rate());
    if (now < *turn) {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (now < *turn) {
            if (now >= turn_until) co_return refused(no_connection_in_time());
            timer.expires_at(std::min({*turn, turn_until, now + look}));
            boost::system::error_code ignored;
            co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            now = Clock::now();
            if (std::optional<Error> why = refusal_to_dial(now)) co_return refused(std::move(*why));
        }
    }
    kept.use();
    const TimePoint until = std::min(deadline, now + node_->connection_timeout());
    connection::DialOutcome outcome = co_await async_dial_as(*node_, identity_.get(), until);
    co_return dial_ended(std::move(outcome), now, until == deadline);
}

}  // namespace redoubt::pool
