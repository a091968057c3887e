// topology: the watch over Sentinels; see the header.
#include "topology/sentinel_watch.hpp"

#include <random>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/resp/reply.hpp>

#include "connection/async_dial.hpp"

namespace redoubt::topology {

namespace asio = boost::asio;

namespace {

double chance() {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

std::string command(std::initializer_list<std::string_view> words) {
    std::string bytes = fmt::format("*{}\r\n", words.size());
    for (const std::string_view word : words) bytes += fmt::format("${}\r\n{}\r\n", word.size(), word);
    return bytes;
}

constexpr std::string_view switched = "+switch-master";   // the Sentinel calls another node the master
constexpr std::string_view promoted = "+promoted-slave";  // it has promoted one, and moves the other replicas first

/// The error reply that this frame is; empty: it is none.
std::string error_of(std::string_view frame) {
    const ReplyNode reply = ReplyCursor(frame).next();
    return reply.is_error() ? std::string(reply.text) : std::string();
}

}  // namespace

/// The two connections to one Sentinel, from one loss to the next.
struct SentinelWatch::Channel {
    Channel(const asio::any_io_executor& executor, std::size_t number) : sentinel(number), asked(executor) {
        asked.expires_at(TimePoint::max());
    }
    std::size_t sentinel;
    asio::steady_timer asked;  // cancelled when there is something to ask
    bool ask = false;
    bool ended = false;
    asio::cancellation_signal stop_talking;
    asio::cancellation_signal stop_listening;
};

/// Everything that lives on the executor. Coroutines hold it, and the watch does.
class SentinelWatch::Loop : public std::enable_shared_from_this<Loop> {
public:
    Loop(const asio::any_io_executor& executor, Settings settings, Followers followers)
        : executor_(executor),
          settings_(std::move(settings)),
          followers_(std::move(followers)),
          finder_(settings_.finder, chance),
          channels_(settings_.finder.sentinels.size()),
          timer_(executor) {}

    void start() { perform(finder_.start(Clock::now())); }
    void doubt() {
        if (!stopped_) perform(finder_.on_doubt(Clock::now()));
    }
    void stop() {
        stopped_ = true;
        timer_.cancel();
        for (auto& channel : channels_) {
            if (channel) end(*std::exchange(channel, nullptr));
        }
        followers_ = {};
    }

private:
    using Shared = std::shared_ptr<Channel>;

    void perform(const SentinelFinder::Actions& actions);
    void connect(std::size_t sentinel);
    void end(Channel& channel);
    void lost(const Shared& channel, const std::string& why);
    void verify(const FinderAction& action);
    void arm();
    connection::SessionSettings session_with(std::size_t sentinel) const;
    TimePoint soon() const { return Clock::now() + settings_.patience; }

    asio::awaitable<void> talk(std::shared_ptr<Loop> self, Shared channel);
    asio::awaitable<std::string> answer_questions(connection::FrameReader& frames, const Shared& channel);
    asio::awaitable<void> listen(std::shared_ptr<Loop> self, Shared channel);
    asio::awaitable<std::string> hear(connection::FrameReader& frames, const Shared& channel);

    asio::any_io_executor executor_;
    Settings settings_;
    Followers followers_;
    SentinelFinder finder_;
    std::vector<Shared> channels_;
    asio::steady_timer timer_;
    TimePoint timer_at_ = TimePoint::max();
    bool stopped_ = false;
};

void SentinelWatch::Loop::perform(const SentinelFinder::Actions& actions) {
    for (const FinderAction& action : actions) {
        if (stopped_) return;
        switch (action.kind) {
            case FinderAction::Kind::connect: connect(action.index); break;
            case FinderAction::Kind::ask:
                channels_[action.index]->ask = true;
                channels_[action.index]->asked.cancel();
                break;
            case FinderAction::Kind::verify: verify(action); break;
            case FinderAction::Kind::move: followers_.moved(action.address); break;
            case FinderAction::Kind::absent: followers_.absent(action.text); break;
        }
    }
    arm();
}

void SentinelWatch::Loop::arm() {
    const TimePoint at = finder_.wakes_at();
    if (stopped_ || at == timer_at_) return;
    timer_at_ = at;
    timer_.expires_at(at);  // cancels what waited
    if (at == TimePoint::max()) return;
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failed) {
        const auto self = weak.lock();
        if (failed || !self || self->stopped_) return;
        self->timer_at_ = TimePoint::max();
        self->perform(self->finder_.on_time(Clock::now()));
    });
}

void SentinelWatch::Loop::connect(std::size_t sentinel) {
    const auto channel = std::make_shared<Channel>(executor_, sentinel);
    channels_[sentinel] = channel;
    asio::co_spawn(executor_, talk(shared_from_this(), channel),
                   asio::bind_cancellation_slot(channel->stop_talking.slot(),
                                                [channel](const std::exception_ptr& /*stopped*/) {}));
    asio::co_spawn(executor_, listen(shared_from_this(), channel),
                   asio::bind_cancellation_slot(channel->stop_listening.slot(),
                                                [channel](const std::exception_ptr& /*stopped*/) {}));
}

// From another turn, so that no coroutine is stopped by what it does itself.
void SentinelWatch::Loop::end(Channel& channel) {
    channel.ended = true;
    channel.asked.cancel();
    channel.stop_talking.emit(asio::cancellation_type::terminal);
    channel.stop_listening.emit(asio::cancellation_type::terminal);
}

void SentinelWatch::Loop::lost(const Shared& channel, const std::string& why) {
    if (stopped_ || channel->ended) return;
    channel->ended = true;
    channels_[channel->sentinel] = nullptr;
    asio::post(executor_, [self = shared_from_this(), channel] { self->end(*channel); });
    perform(finder_.on_lost(channel->sentinel, why, Clock::now()));
}

connection::SessionSettings SentinelWatch::Loop::session_with(std::size_t sentinel) const {
    connection::SessionSettings session;
    session.target.host = settings_.finder.sentinels[sentinel].host;
    session.target.port = settings_.finder.sentinels[sentinel].port;
    session.target.user = settings_.user;
    session.target.password = settings_.password;
    session.protocol = Protocol::resp2;
    session.client_name = settings_.client_name;
    session.reply_limits = settings_.reply_limits;
    return session;
}

asio::awaitable<void> SentinelWatch::Loop::talk(std::shared_ptr<Loop> /*keeps this alive*/, Shared channel) {
    connection::DialOutcome dialed = co_await connection::async_dial(session_with(channel->sentinel), nullptr, soon());
    if (dialed.error) co_return lost(channel, std::string(dialed.error->reason()));
    connection::FrameReader frames(dialed.transport, settings_.reply_limits);
    if (stopped_ || channel->ended) co_return;
    perform(finder_.on_connected(channel->sentinel, Clock::now()));
    const std::string why = co_await answer_questions(frames, channel);
    lost(channel, why);
}

// Until something goes wrong: what it is.
asio::awaitable<std::string> SentinelWatch::Loop::answer_questions(connection::FrameReader& frames,
                                                                   const Shared& channel) {
    const std::string& name = settings_.finder.master_name;
    // Together, so that nothing happens between the two answers.
    const std::string questions =
        command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name}) + command({"SENTINEL", "MASTER", name});
    for (;;) {
        while (!channel->ask) {
            boost::system::error_code ignored;
            co_await channel->asked.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            if (channel->ended) co_return "";
        }
        channel->ask = false;
        const result<std::string> address = co_await frames.exchange(questions, soon());
        if (!address) co_return std::string(address.error().reason());
        if (const std::string refused = error_of(*address); !refused.empty()) co_return refused;
        const result<std::string> about = co_await frames.next(soon());
        if (!about) co_return std::string(about.error().reason());
        if (stopped_ || channel->ended) co_return "";
        // Of a name that it does not know the first answer is nil, and the second an error.
        perform(finder_.on_report(channel->sentinel, read_master_report(*address, *about), Clock::now()));
    }
}

asio::awaitable<void> SentinelWatch::Loop::listen(std::shared_ptr<Loop> /*keeps this alive*/, Shared channel) {
    connection::DialOutcome dialed = co_await connection::async_dial(session_with(channel->sentinel), nullptr, soon());
    if (dialed.error) co_return lost(channel, std::string(dialed.error->reason()));
    connection::FrameReader frames(dialed.transport, settings_.reply_limits);
    const std::string why = co_await hear(frames, channel);
    lost(channel, why);
}

asio::awaitable<std::string> SentinelWatch::Loop::hear(connection::FrameReader& frames, const Shared& channel) {
    const std::string subscription = command({"SUBSCRIBE", switched, promoted});
    const result<std::string> first = co_await frames.exchange(subscription, soon());
    if (!first) co_return std::string(first.error().reason());
    if (const std::string refused = error_of(*first); !refused.empty()) co_return refused;
    // What was announced before this stood may have been missed.
    if (!stopped_ && !channel->ended) perform(finder_.on_news(channel->sentinel, Clock::now()));
    for (;;) {
        // Silence means that nothing happens; a peer that is gone is found by keepalive, and by the questions.
        const result<std::string> frame = co_await frames.next(TimePoint::max());
        if (!frame) co_return std::string(frame.error().reason());
        if (stopped_ || channel->ended) co_return "";
        ReplyCursor cursor(*frame);
        const ReplyNode head = cursor.next();
        if (head.children() != 3 || cursor.next().text != "message") continue;
        cursor.skip();
        if (!is_about_master(cursor.next().text, settings_.finder.master_name)) continue;
        perform(finder_.on_news(channel->sentinel, Clock::now()));
    }
}

void SentinelWatch::Loop::verify(const FinderAction& action) {
    followers_.verify(action.address, [weak = weak_from_this(), number = action.index](const std::string& why_not) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        self->perform(self->finder_.on_verified(number, why_not, Clock::now()));
    });
}

SentinelWatch::SentinelWatch(asio::any_io_executor executor, Settings settings, Followers followers)
    : executor_(std::move(executor)),
      loop_(std::make_shared<Loop>(executor_, std::move(settings), std::move(followers))) {}

SentinelWatch::~SentinelWatch() = default;

void SentinelWatch::start() {
    if (started_.exchange(true)) return;
    asio::post(executor_, [loop = loop_, self = shared_from_this()] {
        if (!self->stopped_.load(std::memory_order_acquire)) loop->start();
    });
}

void SentinelWatch::doubt() {
    if (!started_.load(std::memory_order_acquire) || stopped_.load(std::memory_order_acquire)) return;
    if (doubted_.exchange(true, std::memory_order_acq_rel)) return;
    asio::post(executor_, [self = shared_from_this()] {
        self->doubted_.store(false, std::memory_order_release);
        self->loop_->doubt();
    });
}

void SentinelWatch::stop() {
    if (stopped_.exchange(true, std::memory_order_acq_rel)) return;
    asio::dispatch(executor_, [loop = loop_] { loop->stop(); });
}

}  // namespace redoubt::topology
