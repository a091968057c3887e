// topology: a Cluster; see the header.
#include "topology/cluster_group.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <boost/asio/post.hpp>

namespace redoubt::topology {
namespace {

namespace asio = boost::asio;

std::size_t any_of(std::size_t count) {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(generator);
}

}  // namespace

std::shared_ptr<ClusterGroup> ClusterGroup::create(const RedisServiceConfig& config, const Target& target, Lane lane,
                                                   std::shared_ptr<pool::ConnectionBudget> budget,
                                                   const std::shared_ptr<Telemetry>& telemetry) {
    std::shared_ptr<ClusterGroup> made(new ClusterGroup(config, target, std::move(lane), std::move(budget), telemetry));
    made->make_watch(config, target);
    return made;
}

ClusterGroup::ClusterGroup(const RedisServiceConfig& config, const Target& target, Lane lane,
                           std::shared_ptr<pool::ConnectionBudget> budget, const std::shared_ptr<Telemetry>& telemetry)
    : lane_(std::move(lane)),
      pools_(config, std::move(budget)),
      nodes_(config, target, lane_, telemetry, pools_.provided()),
      replicas_(std::make_shared<ReplicaSet>(config, target, lane_, telemetry, pools_.provided(), true)),
      reads_replicas_(config.read_from != ReadFrom::master) {}

void ClusterGroup::make_watch(const RedisServiceConfig& config, const Target& target) {
    ClusterWatch::Settings settings;
    settings.refresher.seeds = target.seeds;
    settings.reply_limits = config.reply_limits;
    settings.patience = std::min(config.connection_timeout, config.attempt_timeout);
    settings.identity = pools_.provided();
    const auto weak = weak_from_this();
    // Pools keep nodes, so that these may outlive this.
    nodes_.set_events({[weak] {
                           if (const auto self = weak.lock()) self->watch_->doubt();
                       },
                       [weak] {
                           const auto self = weak.lock();
                           if (!self) return;
                           self->watch_->doubt();
                           self->settle_later();
                       }});
    replica_watch_ = std::make_shared<ReplicaWatch>(
        lane_,
        ReplicaWatch::Settings{settings.reply_limits, settings.patience, settings.identity,
                               [weak] {
                                   if (const auto self = weak.lock()) self->watch_->doubt();
                               }},
        replicas_);
    watch_ = std::make_shared<ClusterWatch>(
        lane_, std::move(settings),
        ClusterWatch::Followers{[weak](const NodeAddress& address) -> std::shared_ptr<pool::Node> {
                                    const auto self = weak.lock();
                                    if (!self) return nullptr;
                                    const std::uint16_t number = self->nodes_.number_of(address);
                                    return number == nobody ? nullptr : self->nodes_.at(number);
                                },
                                [weak](const NodeAddress& address) {
                                    const auto self = weak.lock();
                                    return self && self->is_silent_at(address);
                                },
                                [weak] {
                                    const auto self = weak.lock();
                                    return self && self->has_silent_master();
                                },
                                [weak](const SlotMap& map) {
                                    if (const auto self = weak.lock()) self->adopt(map);
                                },
                                [weak](std::string why) {
                                    if (const auto self = weak.lock()) self->tell_absence(std::move(why));
                                }});
}

std::shared_ptr<pool::Pool> ClusterGroup::open_roaming(const Owner& owner) {
    const std::shared_ptr<pool::Node> node = anybody();
    std::shared_ptr<pool::Pool> pool = owner.many
                                           ? pools_.for_many(node, owner.lane, owner.identity)
                                           : pools_.of_project(node, owner.lane, owner.identity, owner.limits, nobody);
    {
        const std::lock_guard lock(mutex_);
        const auto is_it = [&](const std::weak_ptr<pool::Pool>& one) { return one.lock() == pool; };
        // One that all projects share is opened by each of them.
        if (std::none_of(roaming_.begin(), roaming_.end(), is_it)) roaming_.push_back(pool);
        if (roaming_.size() >= prune_at_) {
            std::erase_if(roaming_, [](const std::weak_ptr<pool::Pool>& one) { return one.expired(); });
            prune_at_ = std::max<std::size_t>(64, roaming_.size() * 2);
        }
    }
    watch_->start();
    if (reads_replicas_) want_replicas();
    // The map may have come between the two.
    settle_later();
    return pool;
}

std::shared_ptr<pool::Pool> ClusterGroup::open_following(std::uint16_t slot, const Owner& owner,
                                                         std::string_view name) {
    const std::uint16_t number = nodes_.owners().of(slot);
    const std::shared_ptr<pool::Node> node = number == nobody ? nodes_.unknown() : nodes_.at(number);
    // Behind the numbers of nodes and the place of those that roam.
    const std::size_t place = std::size_t{nobody} + 1 + slot;
    std::shared_ptr<pool::Pool> pool = owner.many
                                           ? pools_.for_many(node, owner.lane, owner.identity)
                                           : pools_.of_project(node, owner.lane, owner.identity, owner.limits, place);
    {
        const std::lock_guard lock(mutex_);
        if (pool->name().empty()) {
            pool->set_name(std::make_shared<const std::string>(std::string(name) + "@slot-" + std::to_string(slot)));
        }
        std::erase_if(following_, [](const Following& one) { return one.pool.expired(); });
        const bool known = std::any_of(following_.begin(), following_.end(),
                                       [&](const Following& one) { return one.pool.lock() == pool; });
        if (!known) following_.push_back({slot, pool});
    }
    settle_later();  // the map may have come between the two
    return pool;
}

std::shared_ptr<pool::Pool> ClusterGroup::open(std::uint16_t number, const Owner& owner, std::string_view name) {
    const std::shared_ptr<pool::Node> node = nodes_.at(number);
    // In shared mode other projects may just be making the same one, and it is named before it is used.
    const std::lock_guard lock(mutex_);
    std::shared_ptr<pool::Pool> pool = owner.many
                                           ? pools_.for_many(node, owner.lane, owner.identity)
                                           : pools_.of_project(node, owner.lane, owner.identity, owner.limits, number);
    if (pool->name().empty()) {
        pool->set_name(std::make_shared<const std::string>(std::string(name) + '@' + node->endpoint()));
    }
    return pool;
}

std::uint16_t ClusterGroup::redirected(const Redirect& redirect) {
    const std::uint16_t number = nodes_.number_of(redirect.to);
    if (number == nobody || redirect.kind != Redirect::Kind::moved) return number;
    // At once, so that the next call goes there; the refresh finds out about the other slots.
    nodes_.owners().set(redirect.slot, number);
    watch_->doubt();
    return number;
}

std::vector<std::uint16_t> ClusterGroup::masters() const {
    const std::lock_guard lock(mutex_);
    return masters_;
}

std::shared_ptr<const SlotMap> ClusterGroup::map() const {
    const std::lock_guard lock(mutex_);
    return map_;
}

// On the watch's executor, one at a time.
void ClusterGroup::adopt(const SlotMap& map) {
    std::vector<std::uint16_t> numbers;
    numbers.reserve(map.nodes().size());
    for (const SlotMap::Node& node : map.nodes()) numbers.push_back(nodes_.number_of(node.address));
    std::vector<std::uint16_t> masters;
    for (std::uint16_t slot = 0; slot != slot_count; ++slot) {
        const std::uint16_t owner = map.owner(slot);
        const std::uint16_t number = owner == SlotMap::nobody ? nobody : numbers[owner];
        nodes_.owners().set(slot, number);
        if (number == nobody || (!masters.empty() && masters.back() == number)) continue;
        if (std::find(masters.begin(), masters.end(), number) == masters.end()) masters.push_back(number);
    }
    std::vector<std::uint16_t> before;
    {
        const std::lock_guard lock(mutex_);
        if (stopped_) return;
        map_ = std::make_shared<const SlotMap>(map);
        before = std::exchange(masters_, masters);
    }
    // Who has just become a master was voted for; what its breaker remembers is from another time.
    for (const std::uint16_t number : masters) {
        if (std::find(before.begin(), before.end(), number) != before.end()) continue;
        const std::shared_ptr<pool::Node> node = nodes_.at(number);
        const CircuitState state = node->breaker().state();
        if (state == CircuitState::open || state == CircuitState::half_open) node->reset(Clock::now());
    }
    settle_roaming();
    settle_following();
    tell_replicas();
}

// Any thread; each read comes by.
void ClusterGroup::want_replicas() {
    if (replica_watch_->is_started() || !replica_watch_->start()) return;
    asio::post(lane_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->tell_replicas();
    });
}

// On the lane.
void ClusterGroup::tell_replicas() {
    const std::shared_ptr<const SlotMap> map = this->map();
    if (!replica_watch_->is_started() || !map) return;
    std::vector<std::uint16_t> owners;
    for (std::uint16_t slot = 0; slot != slot_count; ++slot) {
        const std::uint16_t owner = map->owner(slot);
        if (owner == SlotMap::nobody || (!owners.empty() && owners.back() == owner)) continue;
        if (std::find(owners.begin(), owners.end(), owner) == owners.end()) owners.push_back(owner);
    }
    std::vector<ReplicaWatch::Shard> shards;
    for (const std::uint16_t owner : owners) {
        const SlotMap::Node& master = map->nodes()[owner];
        const std::uint16_t number = nodes_.number_of(master.address);
        if (number == nobody) continue;
        ReplicaWatch::Shard& shard = shards.emplace_back();
        shard.master = number;
        shard.node = nodes_.at(number);
        shard.replicas.emplace();
        // One that was the master before and is down may be called one still; what it is, it says itself.
        for (const SlotMap::Node& node : map->nodes()) {
            if (&node == &master || node.shard != master.shard) continue;
            const std::uint16_t replica = replicas_->number_of(node.address);
            if (replica != ReplicaSet::nobody) shard.replicas->push_back(replica);
        }
    }
    replica_watch_->follow(std::move(shards));
}

std::shared_ptr<ReplicaPools> ClusterGroup::replica_pools(const Owner& owner) {
    const auto wanted = [self = shared_from_this()] { self->want_replicas(); };
    return std::make_shared<ReplicaPools>(
        replicas_, wanted, [self = shared_from_this(), owner](std::uint16_t number, std::string_view name) {
            const std::shared_ptr<pool::Node>& node = self->replicas_->at(number).node;
            const std::lock_guard lock(self->mutex_);  // see `open`
            return self->pools_.to_replica(node, number, owner.many, owner.lane, owner.identity, owner.limits, name);
        });
}

std::vector<ReplicaFigures> ClusterGroup::replicas() const {
    return figures_of(*replicas_, [this](std::uint16_t number) { return nodes_.at(number)->endpoint(); });
}

void ClusterGroup::tell_absence(std::string why) {
    nodes_.unknown()->set_absence(
        Error::with_detail(ErrorKind::connection, Certainty::not_sent, Stage::connecting, std::move(why)));
}

void ClusterGroup::settle_later() {
    asio::post(lane_, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->settle_roaming();
        self->settle_following();
    });
}

void ClusterGroup::settle_following() {
    std::vector<Following> all;
    {
        const std::lock_guard lock(mutex_);
        if (stopped_) return;
        all = following_;
    }
    for (const Following& one : all) {
        const auto pool = one.pool.lock();
        const std::uint16_t number = nodes_.owners().of(one.slot);
        if (!pool || number == nobody) continue;
        std::shared_ptr<pool::Node> node = nodes_.at(number);
        if (node.get() != &pool->node()) pool->move_to(std::move(node));
    }
}

bool ClusterGroup::is_good(const pool::Node& node) const {
    return !node.is_unknown() && lets_calls_pass(node.breaker().state());
}

bool ClusterGroup::has_silent_master() const {
    const std::vector<std::uint16_t> numbers = masters();
    return std::any_of(numbers.begin(), numbers.end(),
                       [&](std::uint16_t number) { return is_silent(*nodes_.at(number)); });
}

// Of one that hangs all that is known for a while is a wire that was lost: its breaker is still closed, and a dial waits
// for a handshake. It may be a connection's whole time until there is another failure.
bool ClusterGroup::is_silent(const pool::Node& node) const {
    return !is_good(node) || node.breaker().metrics(Clock::now()).consecutive_failures != 0;
}

bool ClusterGroup::is_silent_at(const NodeAddress& address) {
    const std::uint16_t number = nodes_.number_of(address);
    return number == nobody || is_silent(*nodes_.at(number));
}

// A master whose breaker lets calls pass, else any; while none is known, the one that stands for all.
std::shared_ptr<pool::Node> ClusterGroup::anybody() const {
    const std::vector<std::uint16_t> numbers = masters();
    if (numbers.empty()) return nodes_.unknown();
    std::vector<std::shared_ptr<pool::Node>> good;
    for (const std::uint16_t number : numbers) {
        std::shared_ptr<pool::Node> node = nodes_.at(number);
        if (is_good(*node)) good.push_back(std::move(node));
    }
    return good.empty() ? nodes_.at(numbers[any_of(numbers.size())]) : good[any_of(good.size())];
}

void ClusterGroup::settle_roaming() {
    std::vector<std::shared_ptr<pool::Pool>> pools;
    std::vector<const pool::Node*> masters;
    {
        const std::lock_guard lock(mutex_);
        if (stopped_ || masters_.empty()) return;
        for (const auto& one : roaming_) {
            if (auto pool = one.lock()) pools.push_back(std::move(pool));
        }
    }
    for (const std::uint16_t number : this->masters()) masters.push_back(nodes_.at(number).get());
    for (const auto& pool : pools) {
        const pool::Node& node = pool->node();
        const bool serves = std::find(masters.begin(), masters.end(), &node) != masters.end();
        if (serves && is_good(node)) continue;
        std::shared_ptr<pool::Node> next = anybody();
        if (next.get() == &node || (serves && !is_good(*next))) continue;
        pool->move_to(std::move(next));
    }
}

void ClusterGroup::stop() {
    watch_->stop();
    replica_watch_->stop();
    replicas_->stop();
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
    }
    nodes_.stop();
}

void ClusterGroup::stop_dials() {
    nodes_.stop_dials();
    replicas_->stop_dials();
}

}  // namespace redoubt::topology
