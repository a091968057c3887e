// topology: the driver of the finder: connections to the Sentinels, on one executor.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include <redoubt/base/config.hpp>

#include "topology/sentinel_finder.hpp"

namespace redoubt::topology {

/// Two connections to each Sentinel, one that listens and one that asks, both with the older protocol, so that any
/// version will do. Everything that it owns lives on the executor; `start`, `doubt` and `stop` may be called from any
/// thread.
class SentinelWatch : public std::enable_shared_from_this<SentinelWatch> {
public:
    struct Settings {
        SentinelFinder::Settings finder;
        std::string user;      ///< at the Sentinels
        std::string password;  ///< at the Sentinels
        std::string client_name;
        ReplyLimits reply_limits;
        Duration patience{};  ///< of a connection to a Sentinel, and of an answer
    };
    /// Whether the node at this address says that it is the master. `done` is called once, on the executor, with an empty
    /// text if so and else with what is wrong: "says that it is a replica".
    using Verify = std::function<void(const NodeAddress& address, std::function<void(std::string why_not)> done)>;
    /// What the finder has found, on the executor.
    struct Followers {
        Verify verify;
        std::function<void(const NodeAddress& master)> moved;
        std::function<void(std::string why)> absent;
    };
    SentinelWatch(boost::asio::any_io_executor executor, Settings settings, Followers followers);
    ~SentinelWatch();

    void start();
    /// Cheap when it was called before and has not been heeded yet.
    void doubt();
    void stop();

private:
    struct Channel;
    class Loop;

    boost::asio::any_io_executor executor_;
    std::atomic<bool> started_{false};
    std::atomic<bool> stopped_{false};
    std::atomic<bool> doubted_{false};
    std::shared_ptr<Loop> loop_;
};

}  // namespace redoubt::topology
