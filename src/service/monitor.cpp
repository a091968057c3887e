// service: the monitor; see the header.
#include "service/monitor.hpp"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/dispatch/call_state.hpp>

#include "service/health_probe.hpp"

namespace redoubt::service {
namespace {

namespace asio = boost::asio;

// How often the pools are tidied up: often enough that no connection is kept for a quarter longer than it should be.
// Zero: there is nothing to close.
Duration upkeep_interval(const RedisServiceConfig& config) {
    Duration shortest = Duration::zero();
    for (const Duration time : {config.idle_timeout, config.connection_lifetime / 2}) {
        if (time == Duration::zero()) continue;
        shortest = shortest == Duration::zero() ? time : std::min(shortest, time);
    }
    if (shortest == Duration::zero()) return shortest;
    return std::clamp<Duration>(shortest / 4, std::chrono::milliseconds(50), std::chrono::seconds(30));
}

}  // namespace

Monitor::Monitor(const RedisConnectionFactory::Lane& lane, std::shared_ptr<RedisConnectionFactory> factory,
                 std::shared_ptr<HealthWatch> watch)
    : lane_keeper_(lane.keeper),
      lane_(lane.executor),
      factory_(std::move(factory)),
      watch_(std::move(watch)),
      timer_(lane_) {}

void Monitor::start() { asio::co_spawn(lane_, run(shared_from_this()), asio::detached); }

void Monitor::stop() {
    asio::post(lane_, [self = shared_from_this()] {
        self->stopped_ = true;
        self->timer_.cancel();
    });
}

asio::awaitable<void> Monitor::run(std::shared_ptr<Monitor> /*keeps this alive*/) {
    const Duration interval = factory_->config().health_check_interval;
    const Duration upkeep = upkeep_interval(factory_->config());
    const auto next_sample = [&] {
        if (interval == Duration::zero()) return TimePoint::max();
        return Clock::now() + jittered(interval, dispatch::chance());
    };
    TimePoint sample_at = next_sample();
    while (!stopped_) {
        co_await factory_->maintain();
        watch_->log().flush();
        const TimePoint upkeep_at = upkeep == Duration::zero() ? TimePoint::max() : Clock::now() + upkeep;
        if (std::min(sample_at, upkeep_at) == TimePoint::max()) co_return;
        timer_.expires_at(std::min(sample_at, upkeep_at));
        boost::system::error_code ignored;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (stopped_) co_return;
        if (Clock::now() < sample_at) continue;
        try {
            const TimePoint start = Clock::now();
            std::vector<NodeSample> samples = co_await sample_async(*factory_, HealthOptions().deadline);
            if (!stopped_) watch_->keep(watch_->judge(std::move(samples), *factory_, start));
        } catch (const std::exception& failure) {  // one round is lost, not those that follow
            if (!stopped_) log_warning(fmt::format("a round of the health monitor failed: {}", failure.what()));
        }
        sample_at = next_sample();
    }
}

}  // namespace redoubt::service
