// topology: the driver of ReplicaLag: a connection to each master and each replica, on one executor, that asks them for
// INFO replication again and again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "pool/identity.hpp"
#include "pool/node.hpp"
#include "topology/replica_set.hpp"

namespace redoubt::topology {

/// Nothing is asked before `start`, so that who reads from masters alone pays nothing. Everything that it owns lives on the
/// executor; `start`, `follow` and `stop` may be called from any thread.
class ReplicaWatch : public std::enable_shared_from_this<ReplicaWatch> {
public:
    struct Settings {
        ReplyLimits reply_limits;
        Duration patience{};                       ///< of a connection, and of an answer
        std::shared_ptr<pool::Identity> identity;  ///< as whom to ask; null: as the URL says
        /// A master has more replicas than it was said to have; on the executor, again and again, ever more seldom. Null:
        /// nobody is told.
        std::function<void()> unnamed;
    };
    /// A master and those that follow it.
    struct Shard {
        std::uint16_t master = 0;
        std::shared_ptr<pool::Node> node;                    ///< the master's
        std::optional<std::vector<std::uint16_t>> replicas;  ///< numbers in the set; nullopt: the master says who
    };
    ReplicaWatch(boost::asio::any_io_executor executor, Settings settings, std::shared_ptr<ReplicaSet> set);
    ~ReplicaWatch();

    bool is_started() const noexcept { return started_.load(std::memory_order_acquire); }
    /// True: it was not before.
    bool start() noexcept { return !started_.exchange(true, std::memory_order_acq_rel); }
    /// From now on these, and no others. Nothing before `start`.
    void follow(std::vector<Shard> shards);
    void stop();

private:
    class Loop;

    boost::asio::any_io_executor executor_;
    std::atomic<bool> started_{false};
    std::atomic<bool> stopped_{false};
    std::shared_ptr<Loop> loop_;
};

}  // namespace redoubt::topology
