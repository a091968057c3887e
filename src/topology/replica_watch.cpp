// topology: the watch over replicas; see the header.
#include "topology/replica_watch.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/base/result.hpp>
#include <redoubt/resp/reply.hpp>

#include "connection/async_dial.hpp"

namespace redoubt::topology {

namespace asio = boost::asio;

/// Everything that lives on the executor. Each coroutine that asks holds it, and the watch does.
class ReplicaWatch::Loop : public std::enable_shared_from_this<Loop> {
public:
    Loop(asio::any_io_executor executor, Settings settings, std::shared_ptr<ReplicaSet> set)
        : executor_(std::move(executor)),
          settings_(std::move(settings)),
          set_(std::move(set)),
          interval_(watch_interval(set_->bound())) {}

    void follow(std::vector<Shard> shards);
    void stop();

private:
    /// One server that is asked. Ended by whoever takes it out of its place, which its coroutine then sees.
    struct Link {
        std::shared_ptr<pool::Node> node;
        std::uint16_t master = 0;
        std::uint16_t replica = ReplicaSet::nobody;  // `nobody`: it is the master
        std::shared_ptr<asio::cancellation_signal> signal;
        bool ended = false;
    };
    using LinkPointer = std::shared_ptr<Link>;
    struct Followed {
        explicit Followed(Duration bound) : lag(bound) {}
        ReplicaLag lag;
        LinkPointer to_master;
        std::map<std::uint16_t, LinkPointer> to_replicas;
        bool learns = false;  // its replicas from the master
        // Those that the master has and nobody has named, and when that is told again.
        std::size_t unnamed = 0;
        TimePoint tell_at;
        Duration pause{};
    };

    LinkPointer open(std::shared_ptr<pool::Node> node, std::uint16_t master, std::uint16_t replica);
    static void end(const LinkPointer& link);
    void end_all(Followed& followed);
    void set_replicas(std::uint16_t master, Followed& followed, std::vector<std::uint16_t> replicas);
    asio::awaitable<void> ask_on_and_on(std::shared_ptr<Loop> self, LinkPointer link);
    asio::awaitable<void> ask_while_open(LinkPointer link);
    bool hear(const Link& link, std::string_view frame, TimePoint asked);
    void look_for_unnamed(Followed& followed, std::size_t replicas, TimePoint now);
    void lose(const Link& link);

    asio::any_io_executor executor_;
    Settings settings_;
    std::shared_ptr<ReplicaSet> set_;
    Duration interval_;
    std::map<std::uint16_t, Followed> followed_;  // by master
    bool stopped_ = false;
};

ReplicaWatch::Loop::LinkPointer ReplicaWatch::Loop::open(std::shared_ptr<pool::Node> node, std::uint16_t master,
                                                         std::uint16_t replica) {
    auto link = std::make_shared<Link>();
    link->node = std::move(node);
    link->master = master;
    link->replica = replica;
    link->signal = std::make_shared<asio::cancellation_signal>();
    asio::co_spawn(executor_, ask_on_and_on(shared_from_this(), link),
                   asio::bind_cancellation_slot(link->signal->slot(), [link](const std::exception_ptr& /*ended*/) {}));
    return link;
}

void ReplicaWatch::Loop::end(const LinkPointer& link) {
    if (!link || std::exchange(link->ended, true)) return;
    link->signal->emit(asio::cancellation_type::terminal);
}

void ReplicaWatch::Loop::end_all(Followed& followed) {
    end(followed.to_master);
    for (const auto& [number, link] : followed.to_replicas) {
        end(link);
        set_->at(number).set_fresh_as_of(ReplicaLag::never);
    }
}

void ReplicaWatch::Loop::follow(std::vector<Shard> shards) {
    if (stopped_) return;
    for (auto known = followed_.begin(); known != followed_.end();) {
        const bool stays =
            std::any_of(shards.begin(), shards.end(), [&](const Shard& shard) { return shard.master == known->first; });
        if (stays) {
            ++known;
            continue;
        }
        end_all(known->second);
        set_->set_followers(known->first, {});
        known = followed_.erase(known);
    }
    for (Shard& shard : shards) {
        Followed& followed = followed_.try_emplace(shard.master, set_->bound()).first->second;
        followed.learns = !shard.replicas;
        if (!followed.to_master || followed.to_master->node != shard.node) {
            end(followed.to_master);
            set_->answer_time_of_master(shard.master).forget();
            followed.to_master = open(std::move(shard.node), shard.master, ReplicaSet::nobody);
        }
        if (shard.replicas) set_replicas(shard.master, followed, std::move(*shard.replicas));
    }
}

void ReplicaWatch::Loop::set_replicas(std::uint16_t master, Followed& followed, std::vector<std::uint16_t> replicas) {
    std::sort(replicas.begin(), replicas.end());
    if (replicas.size() > ReplicaSet::most_of_one) replicas.resize(ReplicaSet::most_of_one);
    for (auto link = followed.to_replicas.begin(); link != followed.to_replicas.end();) {
        if (std::binary_search(replicas.begin(), replicas.end(), link->first)) {
            ++link;
            continue;
        }
        end(link->second);
        followed.lag.on_lost(link->first);
        set_->at(link->first).set_fresh_as_of(ReplicaLag::never);
        link = followed.to_replicas.erase(link);
    }
    for (const std::uint16_t number : replicas) {
        LinkPointer& link = followed.to_replicas[number];
        if (!link) link = open(set_->at(number).node, master, number);
    }
    set_->set_followers(master, replicas);
}

void ReplicaWatch::Loop::stop() {
    stopped_ = true;
    for (auto& [master, followed] : std::exchange(followed_, {})) end_all(followed);
    settings_.unnamed = nullptr;
}

asio::awaitable<void> ReplicaWatch::Loop::ask_on_and_on(std::shared_ptr<Loop> /*keeps this alive*/, LinkPointer link) {
    asio::steady_timer timer(executor_);
    while (!link->ended) {
        timer.expires_after(interval_);
        co_await ask_while_open(link);
        if (link->ended) break;
        lose(*link);
        boost::system::error_code ignored;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

asio::awaitable<void> ReplicaWatch::Loop::ask_while_open(LinkPointer link) {
    connection::DialOutcome dialed =
        co_await pool::async_dial_as(*link->node, settings_.identity.get(), Clock::now() + settings_.patience);
    if (dialed.error || link->ended) co_return;
    connection::FrameReader frames(dialed.transport, settings_.reply_limits);
    for (;;) {
        const TimePoint asked = Clock::now();
        // Not over a named string in the call: GCC 12 miscompiles temporaries there.
        const std::string question = "*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n";
        const result<std::string> answer = co_await frames.exchange(question, asked + settings_.patience);
        if (link->ended || !answer || !hear(*link, *answer, asked)) co_return;
        // The end of the connection is to be known at once, not when the next question is sent.
        const result<std::string> unasked = co_await frames.next(asked + interval_);
        if (link->ended || unasked || unasked.error().kind != ErrorKind::timeout) co_return;
    }
}

// False: it does not answer as a server does.
bool ReplicaWatch::Loop::hear(const Link& link, std::string_view frame, TimePoint asked) {
    const ReplyNode reply = ReplyCursor(frame).next();
    const auto found = followed_.find(link.master);
    const std::optional<ReplicationReport> report =
        reply.is_string() ? read_replication(reply.text) : std::optional<ReplicationReport>();
    if (!report || found == followed_.end()) return false;
    Followed& followed = found->second;
    const Duration took = Clock::now() - asked;
    if (link.replica != ReplicaSet::nobody) {
        Replica& replica = set_->at(link.replica);
        replica.answer_time.note(took);
        followed.lag.on_replica(link.replica, *report);
        replica.set_fresh_as_of(followed.lag.fresh_as_of(link.replica));
        return true;
    }
    set_->answer_time_of_master(link.master).note(took);
    followed.lag.on_master(*report, asked);
    if (!report->master) return true;
    if (!followed.learns) {
        look_for_unnamed(followed, std::min(report->replicas.size(), ReplicaSet::most_of_one), asked + took);
        return true;
    }
    std::vector<std::uint16_t> numbers;
    for (const NodeAddress& address : report->replicas) {
        const std::uint16_t number = set_->number_of(address);
        if (number != ReplicaSet::nobody) numbers.push_back(number);
    }
    set_replicas(link.master, followed, std::move(numbers));
    return true;
}

// By their number alone: the master may know them by other names.
void ReplicaWatch::Loop::look_for_unnamed(Followed& followed, std::size_t replicas, TimePoint now) {
    constexpr Duration first_pause = std::chrono::milliseconds(500);
    constexpr Duration longest_pause = std::chrono::seconds(30);
    const std::size_t named = followed.to_replicas.size();
    const std::size_t unnamed = replicas > named ? replicas - named : 0;
    if (std::exchange(followed.unnamed, unnamed) != unnamed) {
        followed.tell_at = now;
        followed.pause = first_pause;
    }
    if (unnamed == 0 || now < followed.tell_at || !settings_.unnamed) return;
    followed.tell_at = now + followed.pause;
    followed.pause = std::min(followed.pause * 2, longest_pause);
    settings_.unnamed();
}

void ReplicaWatch::Loop::lose(const Link& link) {
    const auto found = followed_.find(link.master);
    if (found == followed_.end()) return;
    if (link.replica == ReplicaSet::nobody) return set_->answer_time_of_master(link.master).forget();
    found->second.lag.on_lost(link.replica);
    set_->at(link.replica).set_fresh_as_of(ReplicaLag::never);
}

ReplicaWatch::ReplicaWatch(asio::any_io_executor executor, Settings settings, std::shared_ptr<ReplicaSet> set)
    : executor_(std::move(executor)), loop_(std::make_shared<Loop>(executor_, std::move(settings), std::move(set))) {}

ReplicaWatch::~ReplicaWatch() = default;

void ReplicaWatch::follow(std::vector<Shard> shards) {
    if (!is_started() || stopped_.load(std::memory_order_acquire)) return;
    asio::post(executor_, [loop = loop_, shards = std::move(shards)]() mutable { loop->follow(std::move(shards)); });
}

void ReplicaWatch::stop() {
    if (stopped_.exchange(true, std::memory_order_acq_rel)) return;
    asio::dispatch(executor_, [loop = loop_] { loop->stop(); });
}

}  // namespace redoubt::topology
