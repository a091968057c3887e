// service: the background monitor: looks at health at intervals, and lets the pools tidy up.
#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/service/connection_factory.hpp>

#include "service/health_watch.hpp"

namespace redoubt::service {

/// The interval, a twentieth less to a twentieth more, so that the monitors of many services drift apart. `chance`: in
/// [0, 1).
inline Duration jittered(Duration interval, double chance) {
    return std::chrono::duration_cast<Duration>(interval * (0.95 + 0.1 * chance));
}

/// A round of health every `health_check_interval`, jittered, counted from the end of the one before: so there is never
/// more than one. Lives on one loop.
class Monitor : public std::enable_shared_from_this<Monitor> {
public:
    Monitor(const RedisConnectionFactory::Lane& lane, std::shared_ptr<RedisConnectionFactory> factory,
            std::shared_ptr<HealthWatch> watch);
    /// From any thread.
    void start();
    void stop();

private:
    boost::asio::awaitable<void> run(std::shared_ptr<Monitor> self);

    std::shared_ptr<void> lane_keeper_;
    boost::asio::io_context::executor_type lane_;
    std::shared_ptr<RedisConnectionFactory> factory_;
    std::shared_ptr<HealthWatch> watch_;
    boost::asio::steady_timer timer_;
    bool stopped_ = false;
};

}  // namespace redoubt::service
