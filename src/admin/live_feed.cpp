// admin: the live feed; see the header.
#include "admin/live_feed.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/service/connection_factory.hpp>

#include "service/log_telemetry.hpp"

namespace redoubt::admin {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr auto interval = std::chrono::seconds(1);
// Less than the interval, so that a server that hangs does not hold up what is told of it.
constexpr auto probe_deadline = std::chrono::milliseconds(900);
constexpr auto health_interval = std::chrono::seconds(5);
// A client that comes does not wait for the next second, unless one has just been.
constexpr auto shortest_interval = std::chrono::milliseconds(200);

double now_in_seconds() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double checked_at(const json::object& health) { return number_in(health, "timestamp"); }

}  // namespace

LiveFeed::LiveFeed(asio::io_context& loop, RedisService& service, std::shared_ptr<const CallMetrics> calls)
    : loop_(loop), service_(service), calls_(std::move(calls)), timer_(loop) {}

void LiveFeed::start() { asio::co_spawn(loop_, run(shared_from_this()), asio::detached); }

// After `close` and `initialize` a service has another factory, with breakers of its own.
void LiveFeed::listen_to(RedisConnectionFactory& factory) {
    subscriptions_.clear();
    for (CircuitBreakerHandle& breaker : factory.circuit_breakers()) {
        subscriptions_.push_back(breaker.on_state_change(
            [weak = weak_from_this(), executor = loop_.get_executor()](const CircuitStateChange& change) {
                BreakerChange told{now_in_seconds(), std::string(change.endpoint), std::string(to_string(change.from)),
                                   std::string(to_string(change.to))};
                asio::post(executor, [weak, told = std::move(told)]() mutable {
                    if (const auto self = weak.lock()) self->state_.add(std::move(told));
                });
            }));
    }
}

void LiveFeed::stop() {
    stopped_ = true;
    subscriptions_.clear();
    timer_.cancel();
    for (const auto& watcher : std::exchange(watchers_, {})) watcher->close();
}

Response LiveFeed::watch() {
    Response response;
    response.with("Content-Type", "text/event-stream");
    response.with("Cache-Control", "no-store");
    response.with("X-Accel-Buffering", "no");  // proxies hold streams back otherwise
    response.stream = std::make_shared<EventStream>(loop_.get_executor());
    response.stream->push(state_.history());
    if (stopped_) {
        response.stream->close();
        return response;
    }
    watchers_.push_back(response.stream);
    if (Clock::now() - read_at_ > shortest_interval) timer_.cancel();
    return response;
}

asio::awaitable<void> LiveFeed::run(std::shared_ptr<LiveFeed> /*keeps this alive*/) {
    read_at_ = Clock::now() - interval;
    while (!stopped_) {
        FeedReading reading = co_await read();
        if (stopped_) co_return;
        const TimePoint now = Clock::now();
        reading.seconds = std::chrono::duration<double>(now - std::exchange(read_at_, now)).count();
        push(state_.take(reading));
        timer_.expires_at(now + interval);
        boost::system::error_code ignored;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

asio::awaitable<FeedReading> LiveFeed::read() {
    FeedReading reading;
    try {
        const auto factory = service_.factory();
        if (listened_to_.lock() != factory) {
            listen_to(*factory);
            listened_to_ = factory;
        }
        reading.memory_warning = factory->config().memory_warning_threshold;
        reading.memory_critical = factory->config().memory_critical_threshold;
        std::erase_if(watchers_, [](const auto& watcher) { return watcher->is_closed(); });
        if (is_watched()) {
            reading.probe = co_await probe(factory);
            const bool reachable = !reading.probe->error;
            look_at_health(std::exchange(reachable_, reachable) != reachable);
        } else {
            look_at_health(false);
        }
    } catch (const RedisException&) {  // not initialized, or closed again
        reading.down_reason = down_reason_;
    }
    reading.time = now_in_seconds();
    reading.metrics = service_.get_metrics();
    reading.health = health_;
    if (calls_) reading.calls = call_figures(*calls_);
    co_return reading;
}

asio::awaitable<Probe> LiveFeed::probe(std::shared_ptr<RedisConnectionFactory> factory) {
    const auto own = factory->own_connection().with({.deadline = probe_deadline, .retries = 0u});
    const TimePoint start = Clock::now();
    const auto pong = co_await own.async().try_ping()(asio::use_awaitable);
    Probe probe;
    probe.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (!pong) probe.error = pong.error();
    co_return probe;
}

// The monitor's last word, or one of our own while somebody watches: the page is to show what is, not what was.
void LiveFeed::look_at_health(bool changed) {
    json::object last = service_.last_health();
    if (checked_at(last) > checked_at(health_)) keep_health(std::move(last));
    if (!is_watched() || checking_) return;
    if (!changed && Clock::now() - health_asked_at_ < health_interval) return;
    checking_ = true;
    asio::co_spawn(loop_, check_health(shared_from_this()), asio::detached);
}

// Without an answer of the server there is nothing about it in there: what was known is kept.
void LiveFeed::keep_health(json::object health) {
    if (!object_in(health, "server").contains("version")) {
        for (const char* part : {"server", "memory"}) {
            const json::object& known = object_in(health_, part);
            if (!known.empty()) health[part] = known;
        }
    }
    health_ = std::move(health);
}

asio::awaitable<void> LiveFeed::check_health(std::shared_ptr<LiveFeed> /*keeps this alive*/) {
    health_asked_at_ = Clock::now();
    try {
        keep_health(co_await service_.async_health_check());
    } catch (const std::exception& failure) {
        service::log_warning(fmt::format("the page's look at the server's health failed: {}", failure.what()));
    }
    checking_ = false;
}

void LiveFeed::push(const std::string& event) {
    for (const auto& watcher : watchers_) watcher->push(event);
    std::erase_if(watchers_, [](const auto& watcher) { return watcher->is_closed(); });
}

void add_feed_route(Router& routes, std::shared_ptr<LiveFeed> feed) {
    routes.add({"GET", "/events",
                [feed = std::move(feed)](Request) -> asio::awaitable<Response> { co_return feed->watch(); }});
}

}  // namespace redoubt::admin
