// service: takes the health samples, and the background monitor that does so at intervals.
#pragma once

#include <memory>
#include <mutex>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>

#include <redoubt/service/connection_factory.hpp>

#include "service/health.hpp"

namespace redoubt::service {

/// Two seconds: health answers within them, whatever the server does.
inline constexpr Duration health_deadline = std::chrono::seconds(2);

/// On the calling thread, through blocking calls.
HealthSample sample_blocking(RedisConnectionFactory& factory);
/// On the loop.
boost::asio::awaitable<HealthSample> sample_async(RedisConnectionFactory& factory);
boost::json::object judge(const HealthSample& sample, const RedisConnectionFactory& factory);

/// Samples every `health_check_interval` with a jitter of a tenth, one round at a time; keeps the last result, warns
/// once for each crossing of a memory threshold, and lets the pools tidy up. Lives on one loop; `last` may be called
/// from any thread.
class Monitor : public std::enable_shared_from_this<Monitor> {
public:
    Monitor(const RedisConnectionFactory::Lane& lane, std::shared_ptr<RedisConnectionFactory> factory);
    /// From any thread.
    void start();
    void stop();
    boost::json::object last() const;

private:
    boost::asio::awaitable<void> run(std::shared_ptr<Monitor> self);
    void keep(boost::json::object health);

    std::shared_ptr<void> lane_keeper_;
    boost::asio::io_context::executor_type lane_;
    std::shared_ptr<RedisConnectionFactory> factory_;
    boost::asio::steady_timer timer_;
    std::string memory_status_ = "healthy";
    bool stopped_ = false;
    mutable std::mutex mutex_;
    boost::json::object last_;
};

}  // namespace redoubt::service
