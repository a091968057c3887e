// topology: which node a command goes to. The rest of the code does not know which kind of topology it runs on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/base/telemetry.hpp>

#include "pool/connection_budget.hpp"
#include "pool/node.hpp"
#include "pool/pool.hpp"
#include "pool/tenant.hpp"
#include "topology/slot.hpp"

namespace redoubt::topology {

/// Where a command goes: the pool, which may be that of many projects, and the project's own queue in it. Both live as
/// long as the router.
struct Route {
    pool::Pool* pool = nullptr;
    pool::Tenant* tenant = nullptr;
};

/// Where a node sends a command that it was asked.
struct Detour {
    Route route;
    bool asking = false;  ///< that node takes it behind ASKING only
};

/// One project's way to its pools. Thread-safe.
class Router {
public:
    virtual ~Router() = default;
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;

    /// Commands go to the nodes of their keys, so that whoever has one has to know its slot.
    bool is_spread() noexcept { return only().pool == nullptr; }
    /// The way of all commands; no pool: they do not all go the same way.
    virtual Route only() noexcept { return {}; }
    /// The way of a command whose keys are in this slot (`any_slot`: it has none).
    virtual Route route(std::uint16_t slot = any_slot) noexcept = 0;
    /// The way of a command that only reads, for a caller who says which nodes may answer it. `avoid`: where it has just
    /// failed, null: nowhere. No pool: none may be asked, `no_reader` says why.
    virtual Route reader(std::uint16_t slot, ReadFrom from, const pool::Node* /*avoid*/) noexcept {
        return from == ReadFrom::replica ? Route{} : route(slot);
    }
    virtual Error no_reader(std::uint16_t /*slot*/) {
        return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                         "read_from is replica, and a server alone has none; allowed: master, replica_preferred or "
                         "lowest_latency; replica only with a redis+sentinel:// or redis+cluster:// URL");
    }
    /// Where the node that was asked says that the command belongs; nullopt: it does not say so.
    virtual std::optional<Detour> detour(const Error& /*answer*/, const pool::Node& /*asked*/) { return std::nullopt; }
    /// A pool that leads to whichever node serves the slot, also when that becomes another one: for what stays connected.
    /// Kept by the router.
    virtual pool::Pool& following(std::uint16_t /*slot*/) { return *only().pool; }
    /// The lowest slot, from this one on, that is the lowest of its node's: so each node has one. nullopt: there is none.
    virtual std::optional<std::uint16_t> shard_from(std::uint32_t /*slot*/) const { return std::nullopt; }
    /// Another project's way into the same pools, with a queue of its own and the project's rate.
    virtual std::unique_ptr<Router> share(const pool::Tenant& project) = 0;
    /// Those that other projects use, too, included.
    virtual void for_each_pool(const std::function<void(pool::Pool&)>& visit) = 0;

protected:
    Router() = default;
};

/// The nodes of a Cluster as its map says.
struct ClusterFigures {
    struct Member {
        std::string endpoint;
        bool master = false;
        bool online = true;  ///< in the eyes of the others
        std::uint32_t slots = 0;
    };
    std::vector<Member> members;
    std::vector<std::pair<std::uint16_t, std::uint16_t>> uncovered;  ///< first and last of each range
};

/// A replica that reads may go to, as it is known now.
struct ReplicaFigures {
    std::shared_ptr<const pool::Node> node;
    std::string master;                   ///< its endpoint
    std::optional<Duration> lag;          ///< it has all that its master had so long ago; nullopt: not known
    std::optional<Duration> answer_time;  ///< smoothed; nullopt: not known
    bool within_bound = false;            ///< of `max_replica_lag`
};

/// All nodes of a deployment. Thread-safe.
class Topology {
public:
    virtual ~Topology() = default;
    /// A project's pools, whose async side lives on `lane`. In shared mode: the lane's. `identity`: as whom their
    /// connections log in; null: as the URL says. Not in shared mode.
    virtual std::unique_ptr<Router> open_project(const boost::asio::io_context::executor_type& lane,
                                                 std::shared_ptr<pool::Identity> identity,
                                                 const ProjectLimits& limits) = 0;
    /// Pools that projects share, as this user, in turns: each has its own way in by `Router::share`.
    virtual std::unique_ptr<Router> open_for_many(const boost::asio::io_context::executor_type& lane,
                                                  std::shared_ptr<pool::Identity> identity) = 0;
    virtual void for_each_node(const std::function<void(pool::Node&)>& visit) = 0;
    /// Those that are being looked at, so none before the first read from replicas.
    virtual std::vector<ReplicaFigures> replicas() const { return {}; }
    /// nullopt: it is no Cluster, or its map is not known yet.
    virtual std::optional<ClusterFigures> cluster() const { return std::nullopt; }
    /// No more probing, and no more looking for a new master.
    virtual void stop() = 0;
    /// Ends the dials of threads that wait.
    virtual void stop_dials() = 0;
};

/// As the URL says. @throws RedisConfigurationException when TLS files cannot be used
std::unique_ptr<Topology> make_topology(const RedisServiceConfig& config, const Target& target,
                                        const boost::asio::io_context::executor_type& lane,
                                        std::shared_ptr<pool::ConnectionBudget> budget,
                                        std::shared_ptr<Telemetry> telemetry);

/// The master that Sentinels name, whoever that is at the moment. It is looked for on `lane`.
std::unique_ptr<Topology> make_sentinel(const RedisServiceConfig& config, const Target& target,
                                        const boost::asio::io_context::executor_type& lane,
                                        std::shared_ptr<pool::ConnectionBudget> budget,
                                        std::shared_ptr<Telemetry> telemetry);
/// The nodes of a Cluster, each with the slots that it serves. They are found on `lane`.
std::unique_ptr<Topology> make_cluster(const RedisServiceConfig& config, const Target& target,
                                       const boost::asio::io_context::executor_type& lane,
                                       std::shared_ptr<pool::ConnectionBudget> budget,
                                       std::shared_ptr<Telemetry> telemetry);
std::unique_ptr<Topology> make_standalone(const RedisServiceConfig& config, const Target& target,
                                          const boost::asio::io_context::executor_type& lane,
                                          std::shared_ptr<pool::ConnectionBudget> budget,
                                          std::shared_ptr<Telemetry> telemetry);

}  // namespace redoubt::topology
