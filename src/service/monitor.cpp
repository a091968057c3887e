// service: sampling and the monitor; see the header.
#include "service/monitor.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/dispatch/call_state.hpp>
#include <redoubt/resp/read_reply.hpp>

#include "resp/building.hpp"
#include "resp/command_rows.hpp"
#include "service/log_telemetry.hpp"

namespace redoubt::service {
namespace {

namespace asio = boost::asio;

// What is left of the one deadline that all steps of a round share.
class Round {
public:
    explicit Round(RedisConnectionFactory& factory) : own_(factory.own_connection()) {}
    ProjectIsolatedRedisClient client() const {
        const Duration left = std::max(until_ - Clock::now(), Duration::zero());
        return own_.with({.deadline = left, .retries = 0u});
    }

private:
    ProjectIsolatedRedisClient own_;
    TimePoint until_ = Clock::now() + health_deadline;
};

Command<std::string> info_command() { return resp::Building<std::string>(resp::spec_of("INFO"), &read_reply); }

double milliseconds_since(TimePoint start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// One name a process, so that two services on one server do not undo each other's probe; short-lived, should the DEL
// be lost.
std::string probe_key() { return fmt::format("health:{}", ::getpid()); }
constexpr std::string_view probe_value = "ok";
const SetOptions probe_lifetime{.ex = std::chrono::seconds(10)};

Error wrong_value() {
    return Error::of(ErrorKind::server, Certainty::applied, Stage::reply,
                     "the probe key was not read back as it was written");
}

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

HealthSample sample_blocking(RedisConnectionFactory& factory) {
    HealthSample sample;
    const Round round(factory);
    const auto failed = [&](std::string_view step, const Error& error) {
        sample.failed_step = step;
        sample.failure = error;
        return sample;
    };
    // The first call may have to connect, which is no part of a ping.
    if (const auto warm = round.client().try_ping(); !warm) return failed("ping", warm.error());
    TimePoint start = Clock::now();
    if (const auto pong = round.client().try_ping(); !pong) return failed("ping", pong.error());
    sample.ping_ms = milliseconds_since(start);

    // Before the writes, which a server whose memory is full refuses: why it does is then known.
    auto info = round.client().try_invoke(info_command());
    if (info) sample.info = std::move(*info);

    const std::string key = probe_key();
    start = Clock::now();
    const auto set = round.client().try_set(key, probe_value, probe_lifetime);
    if (!set) return failed("set_get_delete", set.error());
    const auto read = round.client().try_get(key);
    if (!read) return failed("set_get_delete", read.error());
    const auto gone = round.client().try_del(key);
    if (!gone) return failed("set_get_delete", gone.error());
    if (*read != probe_value) return failed("set_get_delete", wrong_value());
    sample.set_get_delete_ms = milliseconds_since(start);

    const auto settings = round.client()
                              .pipeline()
                              .invoke(default_user_command())
                              .invoke(databases_command())
                              .invoke(debug_commands_command())
                              .try_execute();
    if (settings) sample.security = std::apply(read_security, *settings);

    if (!info) return failed("info", info.error());
    return sample;
}

asio::awaitable<HealthSample> sample_async(RedisConnectionFactory& factory) {
    HealthSample sample;
    const Round round(factory);
    const auto failed = [&](std::string_view step, const Error& error) {
        sample.failed_step = step;
        sample.failure = error;
        return sample;
    };
    if (const auto warm = co_await round.client().async().try_ping()(asio::use_awaitable); !warm)
        co_return failed("ping", warm.error());
    TimePoint start = Clock::now();
    if (const auto pong = co_await round.client().async().try_ping()(asio::use_awaitable); !pong)
        co_return failed("ping", pong.error());
    sample.ping_ms = milliseconds_since(start);

    auto info = co_await round.client().async().try_invoke(info_command())(asio::use_awaitable);
    if (info) sample.info = std::move(*info);

    const std::string key = probe_key();
    start = Clock::now();
    const auto set = co_await round.client().async().try_set(key, probe_value, probe_lifetime)(asio::use_awaitable);
    if (!set) co_return failed("set_get_delete", set.error());
    const auto read = co_await round.client().async().try_get(key)(asio::use_awaitable);
    if (!read) co_return failed("set_get_delete", read.error());
    const auto gone = co_await round.client().async().try_del(key)(asio::use_awaitable);
    if (!gone) co_return failed("set_get_delete", gone.error());
    if (*read != probe_value) co_return failed("set_get_delete", wrong_value());
    sample.set_get_delete_ms = milliseconds_since(start);

    const auto settings = co_await round.client()
                              .async()
                              .pipeline()
                              .invoke(default_user_command())
                              .invoke(databases_command())
                              .invoke(debug_commands_command())
                              .try_execute()(asio::use_awaitable);
    if (settings) sample.security = std::apply(read_security, *settings);

    if (!info) co_return failed("info", info.error());
    co_return sample;
}

boost::json::object judge(const HealthSample& sample, const RedisConnectionFactory& factory) {
    boost::json::object metrics = factory.metrics();
    const auto projects = metrics["projects_count"].to_number<std::size_t>();
    return judge_health(sample, std::move(metrics), factory.config(), factory.target(), projects);
}

Monitor::Monitor(const RedisConnectionFactory::Lane& lane, std::shared_ptr<RedisConnectionFactory> factory)
    : lane_keeper_(lane.keeper), lane_(lane.executor), factory_(std::move(factory)), timer_(lane_) {}

void Monitor::start() { asio::co_spawn(lane_, run(shared_from_this()), asio::detached); }

void Monitor::stop() {
    asio::post(lane_, [self = shared_from_this()] {
        self->stopped_ = true;
        self->timer_.cancel();
    });
}

boost::json::object Monitor::last() const {
    const std::lock_guard lock(mutex_);
    return last_;
}

asio::awaitable<void> Monitor::run(std::shared_ptr<Monitor> /*keeps this alive*/) {
    const Duration interval = factory_->config().health_check_interval;
    const Duration upkeep = upkeep_interval(factory_->config());
    const auto next_sample = [&] {
        if (interval == Duration::zero()) return TimePoint::max();
        return Clock::now() + std::chrono::duration_cast<Duration>(interval * (0.95 + 0.1 * dispatch::chance()));
    };
    TimePoint sample_at = next_sample();
    while (!stopped_) {
        co_await factory_->maintain();
        const TimePoint upkeep_at = upkeep == Duration::zero() ? TimePoint::max() : Clock::now() + upkeep;
        if (std::min(sample_at, upkeep_at) == TimePoint::max()) co_return;
        timer_.expires_at(std::min(sample_at, upkeep_at));
        boost::system::error_code ignored;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (stopped_) co_return;
        if (Clock::now() < sample_at) continue;
        const HealthSample sample = co_await sample_async(*factory_);
        if (!stopped_) keep(judge(sample, *factory_));
        sample_at = next_sample();
    }
}

void Monitor::keep(boost::json::object health) {
    const boost::json::object& memory = health["memory"].as_object();
    const std::string status(memory.at("status").as_string());
    if (status != memory_status_ && status != "unknown") {
        log_warning(fmt::format("memory of the server: {} -> {}", memory_status_, status));
        memory_status_ = status;
    }
    const std::lock_guard lock(mutex_);
    last_ = std::move(health);
}

}  // namespace redoubt::service
