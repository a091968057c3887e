// topology: a master that Sentinels watch. All pools lead to it, and move when it is another one.
#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>

#include <redoubt/resp/reply.hpp>

#include "connection/async_dial.hpp"
#include "pool/identity.hpp"
#include "pool/prober.hpp"
#include "topology/pools.hpp"
#include "topology/replica_pools.hpp"
#include "topology/replica_watch.hpp"
#include "topology/sentinel_watch.hpp"
#include "topology/topology.hpp"

namespace redoubt::topology {
namespace {

namespace asio = boost::asio;
using Lane = asio::io_context::executor_type;

/// What ROLE says, in words for a message; empty: it is the master.
std::string why_no_master(std::string_view frame) {
    ReplyCursor cursor(frame);
    const ReplyNode head = cursor.next();
    // One whose user may not ask (a trimmed ACL, a managed server): then the Sentinels' word has to do.
    if (head.is_error()) return head.text.starts_with("NOPERM") ? "" : "answers ROLE with an error";
    const ReplyNode role = cursor.next();
    if (head.children() < 1 || !role.is_string()) return "does not answer ROLE as a server does";
    return role.text == "master" ? "" : "says that it is a replica still";
}

/// What lives on after the topology as long as somebody is on the way to it.
class Group : public std::enable_shared_from_this<Group> {
public:
    Group(const RedisServiceConfig& config, const Target& target, Lane lane,
          std::shared_ptr<pool::ConnectionBudget> budget, std::shared_ptr<Telemetry> telemetry)
        : config_(config),
          target_(target),
          lane_(std::move(lane)),
          telemetry_(std::move(telemetry)),
          pools_(config, std::move(budget)),
          patience_(std::min(config.connection_timeout, config.attempt_timeout)),
          replicas_(std::make_shared<ReplicaSet>(config, target, lane_, telemetry_, pools_.provided(), false)),
          replica_watch_(std::make_shared<ReplicaWatch>(
              lane_, ReplicaWatch::Settings{config.reply_limits, patience_, pools_.provided(), nullptr}, replicas_)),
          current_(std::make_shared<pool::Node>(config, target, telemetry_)) {
        current_->set_unknown();
        unknown_ = current_;
    }

    void make_watch();
    std::unique_ptr<Router> open_project(const Lane& lane, std::shared_ptr<pool::Identity> identity,
                                         const ProjectLimits& limits);
    std::unique_ptr<Router> open_for_many(const Lane& lane, std::shared_ptr<pool::Identity> identity);
    std::shared_ptr<pool::Node> current() const {
        const std::lock_guard lock(mutex_);
        return current_;
    }
    std::vector<ReplicaFigures> replicas() const;
    void stop();
    void stop_dials();

private:
    struct Member {
        NodeAddress address;
        std::shared_ptr<pool::Node> node;
        std::shared_ptr<pool::Prober> prober;
    };
    using Done = std::function<void(std::string why_not)>;
    using StopSignal = asio::cancellation_signal;

    std::shared_ptr<pool::Node> node_at(const NodeAddress& address);
    void remember(const std::shared_ptr<pool::Pool>& pool);
    void verify(const NodeAddress& address, Done done);
    asio::awaitable<void> ask_role(std::shared_ptr<Group> self, std::shared_ptr<pool::Node> node, Done done);
    void move_to(const NodeAddress& master);
    void tell_absence(std::string why);
    std::shared_ptr<ReplicaPools> replica_pools(const Lane& lane, std::shared_ptr<pool::Identity> identity,
                                                const ProjectLimits& limits);
    void want_replicas();
    void tell_replicas();

    const RedisServiceConfig config_;
    const Target target_;
    const Lane lane_;
    const std::shared_ptr<Telemetry> telemetry_;
    Pools pools_;
    const Duration patience_;
    std::shared_ptr<SentinelWatch> watch_;
    const std::shared_ptr<ReplicaSet> replicas_;
    const std::shared_ptr<ReplicaWatch> replica_watch_;

    mutable std::mutex mutex_;
    std::shared_ptr<pool::Node> current_;
    std::shared_ptr<pool::Node> unknown_;  // before any master is found
    std::vector<Member> members_;          // each that was ever named: a node is kept, with its breaker
    std::vector<std::weak_ptr<pool::Pool>> all_pools_;
    std::size_t prune_at_ = 64;
    bool stopped_ = false;
    std::vector<std::weak_ptr<StopSignal>> verifying_;  // of the lane
};

void Group::make_watch() {
    SentinelWatch::Settings settings;
    settings.finder.master_name = target_.master_name;
    settings.finder.sentinels = target_.seeds;
    settings.user = config_.sentinel_user;
    settings.password = config_.sentinel_password;
    settings.client_name = config_.client_name;
    settings.reply_limits = config_.reply_limits;
    settings.patience = patience_;
    const auto weak = weak_from_this();
    watch_ = std::make_shared<SentinelWatch>(lane_, std::move(settings),
                                             SentinelWatch::Followers{[weak](const NodeAddress& address, Done done) {
                                                                          if (const auto self = weak.lock())
                                                                              self->verify(address, std::move(done));
                                                                      },
                                                                      [weak](const NodeAddress& master) {
                                                                          if (const auto self = weak.lock())
                                                                              self->move_to(master);
                                                                      },
                                                                      [weak](std::string why) {
                                                                          if (const auto self = weak.lock())
                                                                              self->tell_absence(std::move(why));
                                                                      }});
}

std::unique_ptr<Router> Group::open_project(const Lane& lane, std::shared_ptr<pool::Identity> identity,
                                            const ProjectLimits& limits) {
    std::shared_ptr<pool::Pool> pool;
    {
        const std::lock_guard lock(mutex_);
        pool = pools_.of_project(current_, lane, identity, limits);
        remember(pool);
    }
    watch_->start();
    if (config_.read_from != ReadFrom::master) want_replicas();
    return std::make_unique<ReplicatedRouter>(std::move(pool), replica_pools(lane, std::move(identity), limits),
                                              rate_of(limits));
}

std::unique_ptr<Router> Group::open_for_many(const Lane& lane, std::shared_ptr<pool::Identity> identity) {
    std::shared_ptr<pool::Pool> pool;
    {
        const std::lock_guard lock(mutex_);
        pool = pools_.for_many(current_, lane, std::move(identity));
        remember(pool);
    }
    watch_->start();
    return std::make_unique<OnePoolRouter>(std::move(pool));
}

// Under the mutex.
void Group::remember(const std::shared_ptr<pool::Pool>& pool) {
    const auto is_it = [&](const std::weak_ptr<pool::Pool>& one) { return one.lock() == pool; };
    // Of those that all projects share there are few.
    const bool known =
        config_.pool_mode == PoolMode::shared && std::any_of(all_pools_.begin(), all_pools_.end(), is_it);
    if (known) return;
    all_pools_.push_back(pool);
    if (all_pools_.size() < prune_at_) return;
    std::erase_if(all_pools_, [](const std::weak_ptr<pool::Pool>& one) { return one.expired(); });
    prune_at_ = std::max<std::size_t>(64, all_pools_.size() * 2);
}

// Under the mutex.
std::shared_ptr<pool::Node> Group::node_at(const NodeAddress& address) {
    const auto known =
        std::find_if(members_.begin(), members_.end(), [&](const Member& one) { return one.address == address; });
    if (known != members_.end()) return known->node;
    Target target = target_;
    target.deployment = Deployment::standalone;
    target.seeds.clear();
    target.master_name.clear();
    target.host = address.host;
    target.port = address.port;
    Member made{address, std::make_shared<pool::Node>(config_, target, telemetry_), nullptr};
    made.prober = std::make_shared<pool::Prober>(lane_, made.node, pools_.provided());
    // The prober holds the node; the node must not hold the prober.
    made.node->when_opened([weak = std::weak_ptr<pool::Prober>(made.prober)] {
        if (const auto prober = weak.lock()) prober->wake();
    });
    made.node->when_doubted([weak = std::weak_ptr<SentinelWatch>(watch_)] {
        if (const auto watch = weak.lock()) watch->doubt();
    });
    return members_.emplace_back(std::move(made)).node;
}

void Group::verify(const NodeAddress& address, Done done) {
    std::shared_ptr<pool::Node> node;
    {
        const std::lock_guard lock(mutex_);
        if (stopped_) return;
        node = node_at(address);
    }
    const auto signal = std::make_shared<StopSignal>();
    std::erase_if(verifying_, [](const std::weak_ptr<StopSignal>& one) { return one.expired(); });
    verifying_.push_back(signal);
    asio::co_spawn(lane_, ask_role(shared_from_this(), std::move(node), std::move(done)),
                   asio::bind_cancellation_slot(signal->slot(), [signal](const std::exception_ptr& /*stopped*/) {}));
}

asio::awaitable<void> Group::ask_role(std::shared_ptr<Group> /*keeps this alive*/, std::shared_ptr<pool::Node> node,
                                      Done done) {
    const TimePoint until = Clock::now() + patience_;
    connection::DialOutcome dialed = co_await pool::async_dial_as(*node, pools_.provided().get(), until);
    if (dialed.error) co_return done("cannot be reached: " + std::string(dialed.error->reason()));
    connection::FrameReader frames(dialed.transport, config_.reply_limits);
    const std::string question = "*1\r\n$4\r\nROLE\r\n";
    const result<std::string> role = co_await frames.exchange(question, until);
    done(role ? why_no_master(*role) : "does not answer ROLE: " + std::string(role.error().reason()));
}

void Group::move_to(const NodeAddress& master) {
    std::shared_ptr<pool::Node> old;
    std::shared_ptr<pool::Node> node;
    std::vector<std::shared_ptr<pool::Pool>> moving;
    {
        const std::lock_guard lock(mutex_);
        node = node_at(master);
        if (stopped_ || node == current_) return;
        old = std::exchange(current_, node);
        node->allow_dials();
        for (const auto& one : all_pools_) {
            if (auto pool = one.lock()) moving.push_back(std::move(pool));
        }
    }
    // It has just answered; what its breaker remembers is from another time.
    if (node->breaker().state() == CircuitState::open || node->breaker().state() == CircuitState::half_open) {
        node->reset(Clock::now());
    }
    for (const auto& pool : moving) pool->move_to(node);
    tell_replicas();
    // Last, so that those whom it ends find that they have moved.
    const std::lock_guard lock(mutex_);
    if (current_ != old) old->stop_dials();
}

std::shared_ptr<ReplicaPools> Group::replica_pools(const Lane& lane, std::shared_ptr<pool::Identity> identity,
                                                   const ProjectLimits& limits) {
    const auto wanted = [self = shared_from_this()] { self->want_replicas(); };
    return std::make_shared<ReplicaPools>(
        replicas_, wanted,
        [self = shared_from_this(), lane, identity = std::move(identity), limits](std::uint16_t number,
                                                                                  std::string_view name) {
            const std::shared_ptr<pool::Node>& node = self->replicas_->at(number).node;
            // In shared mode other projects may just be making the same one, and it is named before it is used.
            const std::lock_guard lock(self->mutex_);
            return self->pools_.to_replica(node, number, false, lane, identity, limits, name);
        });
}

// Any thread; each read comes by.
void Group::want_replicas() {
    if (replica_watch_->is_started() || !replica_watch_->start()) return;
    asio::post(lane_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->tell_replicas();
    });
}

// On the lane. Who follows the master, it says itself.
void Group::tell_replicas() {
    std::shared_ptr<pool::Node> master = current();
    if (!replica_watch_->is_started() || master->is_unknown()) return;
    replica_watch_->follow({{0, std::move(master), std::nullopt}});
}

std::vector<ReplicaFigures> Group::replicas() const {
    return figures_of(*replicas_, [this](std::uint16_t) { return current()->endpoint(); });
}

void Group::tell_absence(std::string why) {
    const std::lock_guard lock(mutex_);
    unknown_->set_absence(
        Error::with_detail(ErrorKind::connection, Certainty::not_sent, Stage::connecting, std::move(why)));
}

void Group::stop() {
    watch_->stop();
    replica_watch_->stop();
    replicas_->stop();
    std::vector<Member> members;
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        members = members_;
        unknown_->stop_probing();
    }
    for (const Member& one : members) {
        one.node->stop_probing();
        one.prober->stop();
    }
    asio::dispatch(lane_, [self = shared_from_this()] {
        for (const auto& one : std::exchange(self->verifying_, {})) {
            if (const auto signal = one.lock()) signal->emit(asio::cancellation_type::terminal);
        }
    });
}

void Group::stop_dials() {
    const std::lock_guard lock(mutex_);
    unknown_->stop_dials();
    for (const Member& one : members_) one.node->stop_dials();
    replicas_->stop_dials();
}

class Sentinel final : public Topology {
public:
    explicit Sentinel(std::shared_ptr<Group> group) : group_(std::move(group)) {}
    std::unique_ptr<Router> open_project(const Lane& lane, std::shared_ptr<pool::Identity> identity,
                                         const ProjectLimits& limits) override {
        return group_->open_project(lane, std::move(identity), limits);
    }
    std::unique_ptr<Router> open_for_many(const Lane& lane, std::shared_ptr<pool::Identity> identity) override {
        return group_->open_for_many(lane, std::move(identity));
    }
    // The master alone: that an old one is down is nobody's concern.
    void for_each_node(const std::function<void(pool::Node&)>& visit) override { visit(*group_->current()); }
    std::vector<ReplicaFigures> replicas() const override { return group_->replicas(); }
    void stop() override { group_->stop(); }
    void stop_dials() override { group_->stop_dials(); }

private:
    std::shared_ptr<Group> group_;
};

}  // namespace

std::unique_ptr<Topology> make_sentinel(const RedisServiceConfig& config, const Target& target, const Lane& lane,
                                        std::shared_ptr<pool::ConnectionBudget> budget,
                                        std::shared_ptr<Telemetry> telemetry) {
    auto group = std::make_shared<Group>(config, target, lane, std::move(budget), std::move(telemetry));
    group->make_watch();
    return std::make_unique<Sentinel>(std::move(group));
}

}  // namespace redoubt::topology
