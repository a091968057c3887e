// pool: when a pool's connections are opened, and the opening; see connections.hpp.
#include <algorithm>
#include <random>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "connection/moved.hpp"
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

// Of one whose turn may have come, and whose node is not known yet.
TimePoint next_look(TimePoint turn, TimePoint now) { return turn > now ? std::min(turn, now + look) : now + look; }

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

Dialed refused(Error error) { return {{connection::Transport{}, std::move(error)}, nullptr}; }

// It says nothing of any node, and whose time it was does not matter.
Dialed has_moved() { return {{connection::Transport{}, connection::moved_error(), true}, nullptr}; }

Error no_connection_in_time() {
    return Error::of(ErrorKind::timeout, Certainty::not_sent, Stage::connecting, "no connection in time");
}

}  // namespace

std::optional<Error> Connections::refusal_to_dial(TimePoint now) const {
    if (std::optional<Error> why = closed()) return why;
    if (std::optional<Error> why = node().absence()) return why;
    return node().refusal_to_connect(now);
}

result<TimePoint> Connections::turn_to_dial(TimePoint now, TimePoint until) {
    if (std::optional<Error> why = refusal_to_dial(now)) return *why;
    const std::optional<Duration> wait =
        node().dial_pace().begin(budget_->rate(), now, std::max(until - now, Duration::zero()), chance());
    if (!wait) return exhausted("too many connections are being opened (max_connects_per_second)");
    return now + *wait;
}

// What was given up was so because its pool moves, or closes.
Dialed Connections::given_up() const {
    if (std::optional<Error> why = closed()) return refused(std::move(*why));
    return has_moved();
}

// What ended by its time-out has paused already, and the time may have been a hasty caller's own. A refusal in the handshake
// says that the server is there, and that a pool's user is not set up says nothing. All of it is the affair of the node
// that was dialled, whichever is the pool's now.
Dialed Connections::dial_ended(Node& node, connection::DialOutcome outcome, TimePoint began, bool callers_time) const {
    if (outcome.error && outcome.error->kind == ErrorKind::cancelled) return given_up();
    const bool failed = outcome.error && outcome.error->kind == ErrorKind::connection;
    if (failed || !outcome.error) node.dial_pace().ended(failed);
    node.count_dial(!outcome.error);
    if (!outcome.error) node.telemetry().connection_opened(node.endpoint(), name(), Clock::now() - began);
    // A caller's own short deadline says nothing about the node.
    outcome.hasty = callers_time && outcome.error && outcome.error->kind == ErrorKind::timeout;
    if (outcome.error && !outcome.hasty) node.record_connection_failure(*outcome.error, Clock::now());
    if (is_left(&node)) return has_moved();
    return {std::move(outcome), &node};
}

Dialed Connections::dial(TimePoint deadline, const std::function<std::optional<Error>(TimePoint)>& pause) {
    TimePoint now = Clock::now();
    const TimePoint turn_until = std::min(deadline, now + node().connection_timeout());
    const result<TimePoint> turn = turn_to_dial(now, turn_until);
    if (!turn) return refused(turn.error());
    Turn kept(budget_->rate());
    while (now < *turn || node().is_unknown()) {
        if (now >= turn_until) return refused(no_connection_in_time());
        if (std::optional<Error> why = pause(std::min(turn_until, next_look(*turn, now))))
            return refused(std::move(*why));
        now = Clock::now();
        if (std::optional<Error> why = refusal_to_dial(now)) return refused(std::move(*why));
    }
    // From here on: what it waited for its turn is not the node's doing.
    kept.use();
    Node& node = this->node();
    const TimePoint until = std::min(deadline, now + node.connection_timeout());
    return dial_ended(node, dial_as(node, identity_.get(), until), now, until == deadline);
}

asio::awaitable<Dialed> Connections::async_dial(TimePoint deadline, Duration patience) {
    try {
        co_return co_await async_dial_in_turn(deadline, patience);
    } catch (const boost::system::system_error&) {
        // Whoever dials has a place to give back, cancelled or not.
        co_return given_up();
    }
}

asio::awaitable<Dialed> Connections::async_dial_in_turn(TimePoint deadline, Duration patience) {
    TimePoint now = Clock::now();
    const TimePoint turn_until = std::min(deadline, now + std::min(patience, node().connection_timeout()));
    const result<TimePoint> turn = turn_to_dial(now, turn_until);
    if (!turn) co_return refused(turn.error());
    Turn kept(budget_->rate());
    if (now < *turn || node().is_unknown()) {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (now < *turn || node().is_unknown()) {
            if (now >= turn_until) co_return refused(no_connection_in_time());
            timer.expires_at(std::min(turn_until, next_look(*turn, now)));
            boost::system::error_code ignored;
            co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            now = Clock::now();
            if (std::optional<Error> why = refusal_to_dial(now)) co_return refused(std::move(*why));
        }
    }
    kept.use();
    Node& node = this->node();
    const TimePoint until = std::min(deadline, now + node.connection_timeout());
    connection::DialOutcome outcome = co_await async_dial_as(node, identity_.get(), until);
    co_return dial_ended(node, std::move(outcome), now, until == deadline);
}

}  // namespace redoubt::pool
