// apps: demo: the server dies and comes back: the breaker opens, calls fail fast, the node recovers by itself.
#include <fmt/format.h>

#include "apps/demo.hpp"
#include "apps/output.hpp"

namespace redoubt::apps {
namespace {

constexpr int fast_calls = 1000;
constexpr double fast_limit_us = 1000;

/// Kills the server and calls until the breaker refuses.
StepResult breaker_opens(Demo& demo) {
    ProjectIsolatedRedisClient redis = demo.project(demo.alpha).with({.retries = 0u});
    const std::uint32_t threshold = demo.config.circuit_breaker.failure_threshold;
    const TimePoint begin = Clock::now();
    demo.server->kill();
    std::uint32_t failures = 0;
    std::string first;
    const bool refused = eventually(5s, [&] {
        try {
            redis.ping();
        } catch (const RedisCircuitBreakerOpenException&) {
            return true;
        } catch (const RedisException& failure) {
            if (failures++ == 0) first = std::string(to_string(failure.error().kind));
        }
        return failures > 10 * threshold;
    });
    const CircuitState state = demo.service->circuit_state();
    return StepResult::check(
        refused && state == CircuitState::open && failures <= threshold,
        fmt::format("{} after {} failed calls{}, {:.1f} ms after the SIGKILL", to_string(state), failures,
                    first.empty() ? first : fmt::format(" ({})", first), milliseconds(Clock::now() - begin)),
        fmt::format("open after at most {} failed calls", threshold));
}

StepResult calls_fail_fast(Demo& demo) {
    ProjectIsolatedRedisClient redis = demo.project(demo.alpha);
    std::vector<Duration> samples;
    Duration retry_after{};
    for (int i = 0; i < fast_calls; ++i) {
        const TimePoint begin = Clock::now();
        try {
            redis.get("user_data");
            return StepResult::failed("RedisCircuitBreakerOpenException", "an answer of a dead server");
        } catch (const RedisCircuitBreakerOpenException& refusal) {
            samples.push_back(Clock::now() - begin);
            if (i == 0) retry_after = refusal.retry_after();
        } catch (const RedisException& other) {
            return StepResult::failed("RedisCircuitBreakerOpenException", describe(other));
        }
    }
    const double p50 = microseconds(percentile(samples, 0.50));
    const double p99 = microseconds(percentile(samples, 0.99));
    return StepResult::check(p50 < fast_limit_us,
                             fmt::format("RedisCircuitBreakerOpenException in p50 {:.1f} us, p99 {:.1f} us "
                                         "over {} calls; retry_after {:.0f} ms",
                                         p50, p99, fast_calls, milliseconds(retry_after)),
                             fmt::format("p50 under {} us", fast_limit_us));
}

/// Starts the server and only watches. HALF_OPEN lasts some microseconds when the server answers at once;
/// so the server is held still until it was seen, which a slow server would do as well.
StepResult recovers_by_itself(Demo& demo) {
    const auto state = [&demo] { return demo.service->circuit_state(); };
    const Duration recovery = demo.config.circuit_breaker.recovery_timeout;
    const TimePoint begin = Clock::now();
    bool half_open = false;
    const auto watch = [&](CircuitState until) {
        const CircuitState now = state();
        half_open = half_open || now == CircuitState::half_open;
        return now == until || now == CircuitState::closed;
    };
    demo.server->restart();
    demo.server->pause();
    eventually(recovery + 1s, [&] { return watch(CircuitState::half_open); });
    demo.server->resume();
    const bool closed = eventually(recovery + 3s, [&] { return watch(CircuitState::closed); });
    const double elapsed = milliseconds(Clock::now() - begin);

    const std::string seen = fmt::format("OPEN -> {}{}", half_open ? "HALF_OPEN -> " : "",
                                         closed ? "CLOSED" : std::string(to_string(state())));
    return StepResult::check(half_open && closed,
                             fmt::format("{}, {:.0f} ms after the restart, by the node's own probes", seen, elapsed),
                             "OPEN -> HALF_OPEN -> CLOSED");
}

StepResult serves_again(ProjectIsolatedRedisClient& redis) {
    const TimePoint begin = Clock::now();
    redis.set("user_data", "after the outage");
    const std::optional<std::string> value = redis.get("user_data");
    return StepResult::check(
        value == "after the outage",
        fmt::format("SET and GET on a handle from before in {:.2f} ms", milliseconds(Clock::now() - begin)),
        "the value that was just written");
}

}  // namespace

void show_outage(Demo& demo) {
    const std::string_view opens = "server killed: breaker opens";
    const std::string_view fast = "calls fail fast";
    const std::string_view recovers = "server restarted: breaker closes";
    const std::string_view again = "service serves again";
    if (!demo.server) {
        for (const std::string_view name : {opens, fast, recovers, again}) {
            demo.report.step(
                name, [] { return StepResult::skipped("the demo does not kill a server that it did not start"); });
        }
        return;
    }
    ProjectIsolatedRedisClient before = demo.project(demo.beta);
    if (!demo.report.step(opens, [&] { return breaker_opens(demo); })) {
        demo.server->restart();
        return;
    }
    demo.report.step(fast, [&] { return calls_fail_fast(demo); });
    demo.report.step(recovers, [&] { return recovers_by_itself(demo); });
    demo.report.step(again, [&] { return serves_again(before); });
}

}  // namespace redoubt::apps
