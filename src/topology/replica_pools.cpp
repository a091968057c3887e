// topology: pools to replicas; see the header.
#include "topology/replica_pools.hpp"

#include <algorithm>

namespace redoubt::topology {

std::vector<ReplicaFigures> figures_of(const ReplicaSet& set,
                                       const std::function<std::string(std::uint16_t)>& master_of) {
    std::vector<ReplicaFigures> all;
    const TimePoint now = Clock::now();
    for (const ReplicaSet::Figures& one : set.figures()) {
        ReplicaFigures& figures = all.emplace_back();
        figures.node = one.replica->node;
        figures.master = master_of(one.master);
        const TimePoint fresh = one.replica->fresh_as_of();
        if (fresh != ReplicaLag::never) figures.lag = std::max(now - fresh, Duration::zero());
        const Duration answer_time = one.replica->answer_time.get();
        if (answer_time != Duration::zero()) figures.answer_time = answer_time;
        figures.within_bound = ReplicaLag::is_within(fresh, now, set.bound());
    }
    return all;
}

pool::Pool& ReplicaPools::at(std::uint16_t number, const pool::Pool& beside) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<pool::Pool>& pool = pools_[number];
    if (!pool) {
        pool = open_(number, beside.name());
        // Made behind the closing of the others, which has not met it.
        if (const std::optional<Error> closed = beside.closed()) pool->stop_intake(*closed);
    }
    return *pool;
}

// Without the lock: whoever is told of its end may come again.
void ReplicaPools::for_each(const std::function<void(pool::Pool&)>& visit) {
    std::vector<std::shared_ptr<pool::Pool>> all;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [number, pool] : pools_) {
            if (pool) all.push_back(pool);
        }
    }
    for (const auto& pool : all) visit(*pool);
}

Route ReplicaWay::reader(std::uint16_t master, const Route& to_master, ReadFrom from,
                         const pool::Node* avoid) noexcept {
    pools_->want();
    const ReplicaSet::Choice choice = pools_->set().choose(master, from, to_master.pool->node(), avoid, Clock::now());
    switch (choice.kind) {
        case ReplicaSet::Choice::Kind::none: return {};
        case ReplicaSet::Choice::Kind::master: return to_master;
        case ReplicaSet::Choice::Kind::replica: break;
    }
    const Route known = places_.known(choice.number);
    return known.pool != nullptr ? known : places_.open(choice.number, pools_->at(choice.number, *to_master.pool));
}

ReplicatedRouter::ReplicatedRouter(std::shared_ptr<pool::Pool> master, std::shared_ptr<ReplicaPools> replicas,
                                   std::shared_ptr<policy::RateLimit> rate)
    : master_(std::move(master)), replicas_(std::move(replicas)), place_(*master_, rate), way_(replicas_, rate) {}

Route ReplicatedRouter::reader(std::uint16_t /*slot*/, ReadFrom from, const pool::Node* avoid) noexcept {
    return from == ReadFrom::master ? place_.route() : way_.reader(0, place_.route(), from, avoid);
}

std::unique_ptr<Router> ReplicatedRouter::share(const pool::Tenant& project) {
    return std::make_unique<ReplicatedRouter>(master_, replicas_, project.rate());
}

void ReplicatedRouter::for_each_pool(const std::function<void(pool::Pool&)>& visit) {
    visit(*master_);
    replicas_->for_each(visit);
}

}  // namespace redoubt::topology
