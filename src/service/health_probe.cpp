// service: health: the samples; see the header.
#include "service/health_probe.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/resp/read_reply.hpp>

#include "resp/building.hpp"
#include "resp/command_rows.hpp"

namespace redoubt::service {
namespace {

namespace asio = boost::asio;

// What is kept back of the deadline for judging, and for the thread to come to its turn.
constexpr Duration longest_reserve = std::chrono::milliseconds(100);
constexpr Duration shortest_deadline = std::chrono::milliseconds(10);
constexpr Duration longest_deadline = std::chrono::hours(24);

// What is left of the one deadline that all steps of a round share.
class Round {
public:
    Round(RedisConnectionFactory& factory, Duration deadline) : own_(factory.own_connection()) {
        const Duration whole = std::clamp(deadline, shortest_deadline, longest_deadline);
        until_ = Clock::now() + whole - std::min(whole / 10, longest_reserve);
    }
    ProjectIsolatedRedisClient client() const {
        const Duration left = std::max(until_ - Clock::now(), Duration::zero());
        return own_.with({.deadline = left, .retries = 0u});
    }

private:
    ProjectIsolatedRedisClient own_;
    TimePoint until_;
};

Command<std::string> info_command() { return resp::Building<std::string>(resp::spec_of("INFO"), &read_reply); }

double milliseconds_since(TimePoint start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// A name for each probe, so that two at once, of one service or of many, do not undo each other's; short-lived, should
// the DEL be lost.
std::string probe_key() {
    static const unsigned process = std::random_device{}();
    static std::atomic<std::uint64_t> number{0};
    return fmt::format("health:{}-{:08x}-{}", ::getpid(), process, number.fetch_add(1, std::memory_order_relaxed));
}
constexpr std::string_view probe_value = "ok";
const SetOptions probe_lifetime{.ex = std::chrono::seconds(10)};

Error wrong_value() {
    return Error::of(ErrorKind::server, Certainty::applied, Stage::reply,
                     "the probe key was not read back as it was written");
}

/// The steps' outcome as it comes about.
struct Sampling {
    NodeSample sample;
    std::optional<Error> info_refused;

    void fail(std::string_view step, const Error& error) {
        sample.failed_step = step;
        sample.failure = error;
    }
    void take_info(result<std::string>&& info) {
        info ? void(sample.info = std::move(*info)) : void(info_refused = info.error());
    }
    /// Its replica must not be written to, and its answer to GET may be as old as its link.
    bool may_write() const { return info_field(sample.info, "role") != "slave"; }
    void take_probe(const result<std::optional<std::string>>& read, const result<std::int64_t>& gone, TimePoint start) {
        if (!read) return fail("set_get_delete", read.error());
        if (!gone) return fail("set_get_delete", gone.error());
        if (*read != probe_value) return fail("set_get_delete", wrong_value());
        sample.set_get_delete_ms = milliseconds_since(start);
    }
    void end(const CircuitBreakerHandle& breaker) {
        if (!sample.failure && info_refused) fail("info", *info_refused);
        sample.endpoint = breaker.endpoint();
        sample.circuit = breaker.state();
    }
};

void run_steps(Sampling& sampling, const Round& round) {
    NodeSample& sample = sampling.sample;
    // The first call may have to connect, which is no part of a ping.
    if (const auto warm = round.client().try_ping(); !warm) return sampling.fail("ping", warm.error());
    TimePoint start = Clock::now();
    if (const auto pong = round.client().try_ping(); !pong) return sampling.fail("ping", pong.error());
    sample.ping_ms = milliseconds_since(start);

    // Before the writes, which a server whose memory is full refuses: why it does is then known.
    sampling.take_info(round.client().try_invoke(info_command()));

    if (sampling.may_write()) {
        const std::string key = probe_key();
        start = Clock::now();
        const auto set = round.client().try_set(key, probe_value, probe_lifetime);
        if (!set) return sampling.fail("set_get_delete", set.error());
        const auto read = round.client().try_get(key);
        const auto gone = round.client().try_del(key);  // even if it could not be read
        sampling.take_probe(read, gone, start);
        if (sample.failure) return;
    }

    const auto settings = round.client()
                              .pipeline()
                              .invoke(default_user_command())
                              .invoke(databases_command())
                              .invoke(debug_commands_command())
                              .try_execute();
    if (settings) sample.security = std::apply(read_security, *settings);
}

asio::awaitable<void> run_steps_async(Sampling& sampling, const Round& round) {
    NodeSample& sample = sampling.sample;
    if (const auto warm = co_await round.client().async().try_ping()(asio::use_awaitable); !warm)
        co_return sampling.fail("ping", warm.error());
    TimePoint start = Clock::now();
    if (const auto pong = co_await round.client().async().try_ping()(asio::use_awaitable); !pong)
        co_return sampling.fail("ping", pong.error());
    sample.ping_ms = milliseconds_since(start);

    sampling.take_info(co_await round.client().async().try_invoke(info_command())(asio::use_awaitable));

    if (sampling.may_write()) {
        const std::string key = probe_key();
        start = Clock::now();
        const auto set = co_await round.client().async().try_set(key, probe_value, probe_lifetime)(asio::use_awaitable);
        if (!set) co_return sampling.fail("set_get_delete", set.error());
        const auto read = co_await round.client().async().try_get(key)(asio::use_awaitable);
        const auto gone = co_await round.client().async().try_del(key)(asio::use_awaitable);
        sampling.take_probe(read, gone, start);
        if (sample.failure) co_return;
    }

    const auto settings = co_await round.client()
                              .async()
                              .pipeline()
                              .invoke(default_user_command())
                              .invoke(databases_command())
                              .invoke(debug_commands_command())
                              .try_execute()(asio::use_awaitable);
    if (settings) sample.security = std::apply(read_security, *settings);
}

}  // namespace

// One node, for now: our own project's calls go to it.
std::vector<NodeSample> sample_blocking(RedisConnectionFactory& factory, Duration deadline) {
    Sampling sampling;
    const Round round(factory, deadline);
    run_steps(sampling, round);
    sampling.end(factory.circuit_breakers().front());
    std::vector<NodeSample> samples;
    samples.push_back(std::move(sampling.sample));
    return samples;
}

asio::awaitable<std::vector<NodeSample>> sample_async(RedisConnectionFactory& factory, Duration deadline) {
    Sampling sampling;
    const Round round(factory, deadline);
    co_await run_steps_async(sampling, round);
    sampling.end(factory.circuit_breakers().front());
    std::vector<NodeSample> samples;
    samples.push_back(std::move(sampling.sample));
    co_return samples;
}

}  // namespace redoubt::service
