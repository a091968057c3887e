// topology: the way through a Cluster; see the header.
#include "topology/cluster_router.hpp"

#include <algorithm>
#include <utility>

namespace redoubt::topology {

pool::Pool& ClusterPools::at(std::uint16_t number) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<pool::Pool>& pool = pools_[number];
    if (!pool) {
        pool = group_->open(number, owner_, roaming_->name());
        // Made behind the closing of the others, which has not met it.
        if (const std::optional<Error> closed = roaming_->closed()) pool->stop_intake(*closed);
    }
    return *pool;
}

pool::Pool& ClusterPools::following(std::uint16_t slot) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<pool::Pool>& pool = following_[slot];
    if (!pool) {
        pool = group_->open_following(slot, owner_, roaming_->name());
        if (const std::optional<Error> closed = roaming_->closed()) pool->stop_intake(*closed);
    }
    return *pool;
}

// Without the lock: whoever is told of its end may come again.
void ClusterPools::for_each(const std::function<void(pool::Pool&)>& visit) {
    std::vector<std::shared_ptr<pool::Pool>> all;
    visit(*roaming_);
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [number, pool] : pools_) {
            if (pool) all.push_back(pool);
        }
        for (const auto& [slot, pool] : following_) {
            if (pool) all.push_back(pool);
        }
    }
    for (const auto& pool : all) visit(*pool);
    replicas_->for_each(visit);
}

ClusterRouter::ClusterRouter(std::shared_ptr<ClusterPools> pools, std::shared_ptr<policy::RateLimit> rate)
    : pools_(std::move(pools)),
      owners_(pools_->group().owners()),
      roaming_(pools_->roaming(), rate),
      places_(rate),
      replicas_(pools_->replicas(), rate) {}

// Nobody's number is beyond every table.
Route ClusterRouter::route(std::uint16_t slot) noexcept {
    if (slot >= slot_count) return roaming_.route();
    const std::uint16_t number = owners_.of(slot);
    if (const Route known = places_.known(number); known.pool != nullptr) [[likely]]
        return known;
    return open(number);
}

// A slot that nobody serves: whoever is asked says so.
[[gnu::noinline]] Route ClusterRouter::open(std::uint16_t number) noexcept {
    return number != ClusterGroup::nobody ? places_.open(number, pools_->at(number)) : roaming_.route();
}

Route ClusterRouter::reader(std::uint16_t slot, ReadFrom from, const pool::Node* avoid) noexcept {
    const Route to_master = route(slot);
    if (from == ReadFrom::master || slot >= slot_count) return to_master;
    return replicas_.reader(owners_.of(slot), to_master, from, avoid);
}

std::optional<Detour> ClusterRouter::detour(const Error& answer, const pool::Node& asked) {
    if (answer.kind != ErrorKind::server || answer.stage != Stage::reply) return std::nullopt;
    const Target& at = asked.session().target;
    const std::optional<Redirect> redirect = parse_redirect(answer.reason(), {at.host, at.port});
    if (!redirect) return std::nullopt;
    // A replica may know of a slot's move later than its master does: the one that the map names knows best.
    const bool of_replica = asked.session().read_only;
    if (of_replica && redirect->kind == Redirect::Kind::moved) {
        pools_->group().doubt();
        const std::uint16_t owner = owners_.of(redirect->slot);
        if (owner != ClusterGroup::nobody) return Detour{open(owner), false};
    }
    const std::uint16_t number = pools_->group().redirected(*redirect);
    if (number == ClusterGroup::nobody) return std::nullopt;
    return Detour{open(number), redirect->kind == Redirect::Kind::ask};
}

std::optional<std::uint16_t> ClusterRouter::shard_from(std::uint32_t slot) const {
    std::vector<std::uint16_t> seen;
    for (std::uint32_t i = 0; i < slot_count; ++i) {
        const std::uint16_t number = owners_.of(static_cast<std::uint16_t>(i));
        if (number == ClusterGroup::nobody || (!seen.empty() && seen.back() == number)) continue;
        if (std::find(seen.begin(), seen.end(), number) != seen.end()) continue;
        if (i >= slot) return static_cast<std::uint16_t>(i);
        seen.push_back(number);
    }
    return std::nullopt;
}

std::unique_ptr<Router> ClusterRouter::share(const pool::Tenant& project) {
    return std::make_unique<ClusterRouter>(pools_, project.rate());
}

}  // namespace redoubt::topology
