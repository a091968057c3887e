// topology: the watch over a Cluster's map; see the header.
#include "topology/cluster_watch.hpp"

#include <random>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/base/result.hpp>
#include <redoubt/resp/reply.hpp>

#include "connection/async_dial.hpp"

namespace redoubt::topology {

namespace asio = boost::asio;

namespace {

double chance() {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

bool serves_nothing(const SlotMap& map) {
    const auto gaps = map.uncovered();
    return gaps.size() == 1 && gaps.front().first == 0 && gaps.front().second == slot_count - 1;
}

}  // namespace

/// Everything that lives on the executor. The coroutine that asks holds it, and the watch does.
class ClusterWatch::Loop : public std::enable_shared_from_this<Loop> {
public:
    Loop(const asio::any_io_executor& executor, Settings settings, Followers followers)
        : executor_(executor),
          settings_(std::move(settings)),
          followers_(std::move(followers)),
          refresher_(settings_.refresher, chance,
                     [this](const NodeAddress& address) { return followers_.is_silent(address); }),
          timer_(executor) {}

    void start() { perform(refresher_.start(Clock::now())); }
    void doubt() {
        if (!stopped_) perform(refresher_.on_doubt(Clock::now()));
    }
    void stop() {
        stopped_ = true;
        timer_.cancel();
        if (const auto signal = stop_asking_.lock()) signal->emit(asio::cancellation_type::terminal);
        followers_ = {};
    }

private:
    void perform(const ClusterRefresher::Actions& actions);
    void ask(const RefresherAction& action);
    void arm();
    asio::awaitable<void> ask_node(std::shared_ptr<Loop> self, std::shared_ptr<pool::Node> node, NodeAddress address,
                                   std::size_t number);
    asio::awaitable<std::string> read_map(connection::FrameReader& frames, const NodeAddress& address,
                                          std::optional<SlotMap>& map, TimePoint until);

    asio::any_io_executor executor_;
    Settings settings_;
    Followers followers_;
    ClusterRefresher refresher_;
    asio::steady_timer timer_;
    TimePoint timer_at_ = TimePoint::max();
    std::weak_ptr<asio::cancellation_signal> stop_asking_;  // of the question under way, which keeps it
    bool stopped_ = false;
};

void ClusterWatch::Loop::perform(const ClusterRefresher::Actions& actions) {
    for (const RefresherAction& action : actions) {
        if (stopped_) return;
        switch (action.kind) {
            case RefresherAction::Kind::ask: ask(action); break;
            case RefresherAction::Kind::adopt: followers_.adopt(*refresher_.map()); break;
            case RefresherAction::Kind::absent: followers_.absent(action.text); break;
        }
    }
    arm();
}

void ClusterWatch::Loop::arm() {
    const TimePoint at = refresher_.wakes_at();
    if (stopped_ || at == timer_at_) return;
    timer_at_ = at;
    timer_.expires_at(at);  // cancels what waited
    if (at == TimePoint::max()) return;
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failed) {
        const auto self = weak.lock();
        if (failed || !self || self->stopped_) return;
        self->timer_at_ = TimePoint::max();
        self->perform(self->refresher_.on_time(Clock::now()));
    });
}

void ClusterWatch::Loop::ask(const RefresherAction& action) {
    std::shared_ptr<pool::Node> node = followers_.node(action.address);
    if (!node) {
        asio::post(executor_, [self = shared_from_this(), number = action.number] {
            if (self->stopped_) return;
            self->perform(self->refresher_.on_failed(number, "there are too many nodes", Clock::now()));
        });
        return;
    }
    const auto signal = std::make_shared<asio::cancellation_signal>();
    stop_asking_ = signal;
    asio::co_spawn(executor_, ask_node(shared_from_this(), std::move(node), action.address, action.number),
                   asio::bind_cancellation_slot(signal->slot(), [signal](const std::exception_ptr& /*stopped*/) {}));
}

asio::awaitable<void> ClusterWatch::Loop::ask_node(std::shared_ptr<Loop> /*keeps this alive*/,
                                                   std::shared_ptr<pool::Node> node, NodeAddress address,
                                                   std::size_t number) {
    const TimePoint until = Clock::now() + settings_.patience;
    std::string trouble;
    std::optional<SlotMap> map;
    connection::DialOutcome dialed = co_await pool::async_dial_as(*node, settings_.identity.get(), until);
    if (dialed.error) {
        trouble = std::string(dialed.error->reason());
    } else {
        connection::FrameReader frames(dialed.transport, settings_.reply_limits);
        trouble = co_await read_map(frames, address, map, until);
    }
    if (stopped_) co_return;
    const TimePoint now = Clock::now();
    perform(map ? refresher_.on_map(number, std::move(*map), now, followers_.uneasy())
                : refresher_.on_failed(number, trouble, now));
}

// What is wrong, where there is no map.
asio::awaitable<std::string> ClusterWatch::Loop::read_map(connection::FrameReader& frames, const NodeAddress& address,
                                                          std::optional<SlotMap>& map, TimePoint until) {
    const std::string shards = "*2\r\n$7\r\nCLUSTER\r\n$6\r\nSHARDS\r\n";
    const result<std::string> first = co_await frames.exchange(shards, until);
    if (!first) co_return std::string(first.error().reason());
    map = SlotMap::from_shards(*first, address);
    if (!map) {
        // A server before Redis 7.
        const std::string slots = "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n";
        const result<std::string> second = co_await frames.exchange(slots, until);
        if (!second) co_return std::string(second.error().reason());
        map = SlotMap::from_slots(*second, address);
        if (!map) {
            const ReplyNode reply = ReplyCursor(*second).next();
            co_return reply.is_error() ? std::string(reply.text) : "does not answer CLUSTER SLOTS as a server does";
        }
    }
    if (!serves_nothing(*map)) co_return std::string();
    map.reset();
    co_return std::string("knows of no slots that anybody serves: it is not part of a Cluster");
}

ClusterWatch::ClusterWatch(asio::any_io_executor executor, Settings settings, Followers followers)
    : executor_(std::move(executor)),
      loop_(std::make_shared<Loop>(executor_, std::move(settings), std::move(followers))) {}

ClusterWatch::~ClusterWatch() = default;

void ClusterWatch::start() {
    if (started_.exchange(true)) return;
    asio::post(executor_, [loop = loop_, self = shared_from_this()] {
        if (!self->stopped_.load(std::memory_order_acquire)) loop->start();
    });
}

void ClusterWatch::doubt() {
    if (!started_.load(std::memory_order_acquire) || stopped_.load(std::memory_order_acquire)) return;
    if (doubted_.exchange(true, std::memory_order_acq_rel)) return;
    asio::post(executor_, [self = shared_from_this()] {
        self->doubted_.store(false, std::memory_order_release);
        self->loop_->doubt();
    });
}

void ClusterWatch::stop() {
    if (stopped_.exchange(true, std::memory_order_acq_rel)) return;
    asio::dispatch(executor_, [loop = loop_] { loop->stop(); });
}

}  // namespace redoubt::topology
