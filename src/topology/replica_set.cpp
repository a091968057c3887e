// topology: the replicas; see the header.
#include "topology/replica_set.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

namespace redoubt::topology {
namespace {

/// Each thread goes round by itself, from wherever it begins.
std::uint32_t next_turn() noexcept {
    static thread_local std::uint32_t turn = std::random_device{}();
    return turn++;
}

}  // namespace

ReplicaSet::ReplicaSet(const RedisServiceConfig& config, const Target& target,
                       boost::asio::io_context::executor_type lane, std::shared_ptr<Telemetry> telemetry,
                       std::shared_ptr<pool::Identity> identity, bool in_cluster)
    : config_(config),
      target_(target),
      lane_(std::move(lane)),
      telemetry_(std::move(telemetry)),
      identity_(std::move(identity)),
      in_cluster_(in_cluster),
      bound_(config.max_replica_lag),
      replicas_(new std::atomic<Replica*>[most]()),
      followers_(new std::atomic<Followers*>[most]()) {}

ReplicaSet::~ReplicaSet() = default;

std::uint16_t ReplicaSet::number_of(const NodeAddress& address) {
    const std::lock_guard lock(mutex_);
    const auto known =
        std::find_if(kept_.begin(), kept_.end(), [&](const auto& one) { return one->address == address; });
    if (known != kept_.end()) return static_cast<std::uint16_t>(known - kept_.begin());
    if (kept_.size() == most) return nobody;
    Target target = target_;
    target.deployment = Deployment::standalone;
    target.seeds.clear();
    target.master_name.clear();
    target.host = address.host;
    target.port = address.port;
    auto made = std::make_unique<Replica>(address, std::make_shared<pool::Node>(config_, target, telemetry_));
    if (in_cluster_) {
        made->node->set_in_cluster();
        made->node->set_read_only();
    }
    made->prober = std::make_shared<pool::Prober>(lane_, made->node, identity_);
    // The prober holds the node; the node must not hold the prober.
    made->node->when_opened([weak = std::weak_ptr<pool::Prober>(made->prober)] {
        if (const auto prober = weak.lock()) prober->wake();
    });
    if (stopped_) made->node->stop_probing();
    const auto number = static_cast<std::uint16_t>(kept_.size());
    replicas_[number].store(made.get(), std::memory_order_release);
    kept_.push_back(std::move(made));
    return number;
}

ReplicaSet::Followers& ReplicaSet::followers(std::uint16_t master) {
    const std::lock_guard lock(mutex_);
    if (Followers* const known = followers_[master].load(std::memory_order_relaxed)) return *known;
    kept_followers_.push_back(std::make_unique<Followers>());
    followers_[master].store(kept_followers_.back().get(), std::memory_order_release);
    return *kept_followers_.back();
}

void ReplicaSet::set_followers(std::uint16_t master, const std::vector<std::uint16_t>& replicas) {
    Followers& list = followers(master);
    const std::size_t count = std::min(replicas.size(), most_of_one);
    for (std::size_t i = 0; i != count; ++i) list.numbers[i].store(replicas[i], std::memory_order_relaxed);
    list.count.store(static_cast<std::uint32_t>(count), std::memory_order_release);
}

AnswerTime& ReplicaSet::answer_time_of_master(std::uint16_t master) { return followers(master).of_master; }

bool ReplicaSet::may_be_asked(const Replica& replica, TimePoint now) const noexcept {
    return ReplicaLag::is_within(replica.fresh_as_of(), now, bound_) &&
           lets_calls_pass(replica.node->breaker().state());
}

ReplicaSet::Choice ReplicaSet::choose(std::uint16_t master, ReadFrom from, const pool::Node& master_node,
                                      const pool::Node* avoid, TimePoint now) const noexcept {
    using Kind = Choice::Kind;
    const bool nearest = from == ReadFrom::lowest_latency;
    const bool master_answers = lets_calls_pass(master_node.breaker().state());
    Choice best;
    Choice last;  // the one that is to be avoided
    Duration least = Duration::max();
    if (const Followers* const list = followers_of(master)) {
        const std::uint32_t count = list->count.load(std::memory_order_acquire);
        const std::uint32_t turn = count > 1 && !nearest ? next_turn() : 0;
        for (std::uint32_t i = 0; i != count; ++i) {
            const std::uint16_t number = list->numbers[(turn + i) % count].load(std::memory_order_relaxed);
            const Replica& replica = at(number);
            if (!may_be_asked(replica, now)) continue;
            if (replica.node.get() == avoid) {
                last = {Kind::replica, number};
                continue;
            }
            const Duration time = replica.answer_time.get();
            if (best.kind != Kind::none && time >= least) continue;
            best = {Kind::replica, number};
            least = time;
            if (!nearest) break;
        }
        if (nearest && master_answers && &master_node != avoid) {
            const Duration time = list->of_master.get();
            const bool nearer = time != Duration::zero() && time <= least;
            if (best.kind == Kind::none || nearer) best = {Kind::master, nobody};
        }
    }
    if (best.kind != Kind::none) return best;
    if (from == ReadFrom::replica) return last;
    // Where neither lets a call pass, the master says why.
    const bool again = last.kind != Kind::none && (!master_answers || &master_node == avoid);
    return again ? last : Choice{Kind::master, nobody};
}

Error ReplicaSet::refusal(std::uint16_t master, TimePoint now) const {
    std::uint32_t known = 0;
    std::uint32_t old = 0;
    std::uint32_t shut = 0;
    if (const Followers* const list = followers_of(master)) {
        known = list->count.load(std::memory_order_acquire);
        for (std::uint32_t i = 0; i != known; ++i) {
            const Replica& replica = at(list->numbers[i].load(std::memory_order_relaxed));
            if (!ReplicaLag::is_within(replica.fresh_as_of(), now, bound_)) {
                ++old;
            } else if (!lets_calls_pass(replica.node->breaker().state())) {
                ++shut;
            }
        }
    }
    const auto bound = std::chrono::duration_cast<std::chrono::milliseconds>(bound_).count();
    std::string why = known == 0
                          ? "no replica is known that follows the master"
                          : fmt::format(
                                "of {} known, {} are not known to be within max_replica_lag ({} ms) of the master, "
                                "and of {} the circuit breaker is open",
                                known, old, bound, shut);
    return Error::with_detail(ErrorKind::connection, Certainty::not_sent, Stage::admission,
                              "no replica may be read from (read_from is replica): " + why);
}

std::vector<ReplicaSet::Figures> ReplicaSet::figures() const {
    std::vector<Figures> all;
    for (std::uint16_t master = 0; master != most; ++master) {
        const Followers* const list = followers_of(master);
        if (list == nullptr) continue;
        const std::uint32_t count = list->count.load(std::memory_order_acquire);
        for (std::uint32_t i = 0; i != count; ++i) {
            all.push_back({master, &at(list->numbers[i].load(std::memory_order_relaxed))});
        }
    }
    return all;
}

std::vector<Replica*> ReplicaSet::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<Replica*> replicas;
    replicas.reserve(kept_.size());
    for (const auto& one : kept_) replicas.push_back(one.get());
    return replicas;
}

void ReplicaSet::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    for (Replica* const one : all()) {
        one->node->stop_probing();
        one->prober->stop();
    }
}

void ReplicaSet::stop_dials() {
    for (Replica* const one : all()) one->node->stop_dials();
}

}  // namespace redoubt::topology
