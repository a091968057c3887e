// topology: the driver of the refresher: asks nodes of a Cluster for its map, on one executor.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "pool/identity.hpp"
#include "pool/node.hpp"
#include "topology/cluster_refresher.hpp"

namespace redoubt::topology {

/// A connection of its own for each question, with the older protocol. Everything that it owns lives on the executor;
/// `start`, `doubt` and `stop` may be called from any thread.
class ClusterWatch : public std::enable_shared_from_this<ClusterWatch> {
public:
    struct Settings {
        ClusterRefresher::Settings refresher;
        ReplyLimits reply_limits;
        Duration patience{};                       ///< of a connection and its answers
        std::shared_ptr<pool::Identity> identity;  ///< as whom to ask; null: as the URL says
    };
    /// On the executor.
    struct Followers {
        std::function<std::shared_ptr<pool::Node>(const NodeAddress&)> node;  ///< null: it cannot be asked
        std::function<bool(const NodeAddress&)> is_silent;                    ///< see ClusterRefresher
        std::function<bool()> uneasy;  ///< a master does not answer: see ClusterRefresher::on_map
        std::function<void(const SlotMap&)> adopt;
        std::function<void(std::string why)> absent;
    };
    ClusterWatch(boost::asio::any_io_executor executor, Settings settings, Followers followers);
    ~ClusterWatch();

    void start();
    /// Cheap when it was called before and has not been heeded yet.
    void doubt();
    void stop();

private:
    class Loop;

    boost::asio::any_io_executor executor_;
    std::atomic<bool> started_{false};
    std::atomic<bool> stopped_{false};
    std::atomic<bool> doubted_{false};
    std::shared_ptr<Loop> loop_;
};

}  // namespace redoubt::topology
