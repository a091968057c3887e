// admin: the live feed: looks at the service once a second and tells everybody who watches, as server-sent events.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>

#include <redoubt/policy/circuit_listeners.hpp>
#include <redoubt/service/service.hpp>

#include "admin/event_stream.hpp"
#include "admin/feed_state.hpp"
#include "admin/router.hpp"

namespace redoubt::admin {

/// Lives on the loop of the HTTP server, which one thread runs. The service may be initialized later; it must outlive the
/// loop's run. While nobody watches it only reads counters; while somebody does, it also sends a PING a second,
/// so that a dead server is told of within two seconds without traffic, and checks health every five.
class LiveFeed : public std::enable_shared_from_this<LiveFeed> {
public:
    /// `calls`: what the service's telemetry counts; null: the breaker's counters stand in, and there is no latency.
    LiveFeed(boost::asio::io_context& loop, RedisService& service, std::shared_ptr<const CallMetrics> calls);

    /// On the loop or before it runs, as everything here.
    void start();
    /// Why the service is not initialized, told for as long as it is not.
    void set_down_reason(std::string reason) { down_reason_ = std::move(reason); }
    /// Ends the streams, too.
    void stop();
    /// The answer to `GET /events`: the history, then a sample a second.
    Response watch();

private:
    boost::asio::awaitable<void> run(std::shared_ptr<LiveFeed> self);
    boost::asio::awaitable<FeedReading> read();
    boost::asio::awaitable<Probe> probe(std::shared_ptr<RedisConnectionFactory> factory);
    void listen_to(RedisConnectionFactory& factory);
    boost::asio::awaitable<void> check_health(std::shared_ptr<LiveFeed> self);
    void look_at_health(bool changed);
    void keep_health(boost::json::object health);
    bool is_watched() const noexcept { return !watchers_.empty(); }
    void push(const std::string& event);

    boost::asio::io_context& loop_;
    RedisService& service_;
    std::shared_ptr<const CallMetrics> calls_;
    std::string down_reason_;
    FeedState state_;
    boost::asio::steady_timer timer_;
    std::vector<std::shared_ptr<EventStream>> watchers_;
    std::weak_ptr<RedisConnectionFactory> listened_to_;
    std::vector<CircuitSubscription> subscriptions_;
    boost::json::object health_;
    TimePoint health_asked_at_{};
    TimePoint read_at_{};
    bool checking_ = false;
    bool reachable_ = true;
    bool stopped_ = false;
};

/// `GET /events`.
void add_feed_route(Router& routes, std::shared_ptr<LiveFeed> feed);

}  // namespace redoubt::admin
