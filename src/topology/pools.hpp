// topology: the pools of a service, whichever their node, and the way into one of them.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "topology/topology.hpp"

namespace redoubt::topology {

/// nullptr: these limits name no rate.
std::shared_ptr<policy::RateLimit> rate_of(const ProjectLimits& limits);

/// Of a project whose calls all go through one pool.
class OnePoolRouter final : public Router {
public:
    explicit OnePoolRouter(std::shared_ptr<pool::Pool> pool, std::shared_ptr<policy::RateLimit> rate = nullptr)
        : pool_(std::move(pool)), tenant_(std::move(rate)) {}
    Route only() noexcept override { return {pool_.get(), &tenant_}; }
    Route route(std::uint16_t /*slot*/) noexcept override { return only(); }
    std::unique_ptr<Router> share(const pool::Tenant& project) override {
        return std::make_unique<OnePoolRouter>(pool_, project.rate());
    }
    void for_each_pool(const std::function<void(pool::Pool&)>& visit) override { visit(*pool_); }

private:
    std::shared_ptr<pool::Pool> pool_;
    pool::Tenant tenant_;
};

/// Makes pools with the settings of the configuration. Thread-safe.
class Pools {
public:
    using Lane = boost::asio::io_context::executor_type;
    Pools(const RedisServiceConfig& config, std::shared_ptr<pool::ConnectionBudget> budget);

    /// A project's; in shared mode the lane's, which is the same for all. `place`: where pools stay at their nodes, the
    /// node's number; a lane has one for each.
    std::shared_ptr<pool::Pool> of_project(const std::shared_ptr<pool::Node>& node, const Lane& lane,
                                           std::shared_ptr<pool::Identity> identity, const ProjectLimits& limits,
                                           std::size_t place = 0);
    /// One that projects share in turns, as this user.
    std::shared_ptr<pool::Pool> for_many(const std::shared_ptr<pool::Node>& node, const Lane& lane,
                                         std::shared_ptr<pool::Identity> identity) const;
    /// One of an owner's to a replica, which is known by this number: of a project, or of `many`.
    std::shared_ptr<pool::Pool> to_replica(const std::shared_ptr<pool::Node>& node, std::uint16_t number, bool many,
                                           const Lane& lane, std::shared_ptr<pool::Identity> identity,
                                           const ProjectLimits& limits, std::string_view owner);
    /// Who logs in where no project's user does; null: the URL's.
    const std::shared_ptr<pool::Identity>& provided() const noexcept { return provided_; }

private:
    std::shared_ptr<const pool::PoolSettings> settings_within(const ProjectLimits& limits) const;

    std::shared_ptr<const pool::PoolSettings> settings_;
    bool shared_;
    bool rated_;
    std::shared_ptr<pool::ConnectionBudget> budget_;
    std::shared_ptr<pool::Identity> provided_;
    std::mutex mutex_;
    struct Shared {
        Lane lane;
        std::size_t place;
        std::shared_ptr<pool::Pool> pool;
    };
    std::vector<Shared> shared_pools_;
};

}  // namespace redoubt::topology
