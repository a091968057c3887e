// service: the log: what is told at which level, how many lines a storm makes, that the logger can be replaced and silenced,
// and that neither values nor secrets are in it.
#include "service/log_telemetry.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/captured_log.hpp"
#include "support/live_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

using service::LogTelemetry;
using testing::CapturedLog;
using testing::contains;
using testing::eventually;
using Lines = std::vector<std::string>;

Error lost() {
    Error error = Error::of(ErrorKind::connection, Certainty::unknown, Stage::sent, "the wire was lost");
    error.origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{"cache:6379", {}});
    return error;
}

/// Counts what is passed on.
class Counting final : public Telemetry {
public:
    bool watches_calls() const noexcept override { return watches; }
    void call_ended(const CallInfo&, const CallOutcome&) noexcept override { ++calls; }
    void breaker_changed(std::string_view, std::string_view, std::string_view) noexcept override { ++changes; }
    void connection_failed(const Error&) noexcept override { ++failures; }
    void memory_alert(std::string_view, std::string_view, std::string_view, double) noexcept override { ++alerts; }
    void listener_failed(std::string_view, std::string_view) noexcept override { ++complaints; }
    bool watches = false;
    int calls = 0, changes = 0, failures = 0, alerts = 0, complaints = 0;
};

class Log : public ::testing::Test {
protected:
    std::unique_ptr<LogTelemetry> make(std::shared_ptr<Telemetry> next = nullptr) {
        return std::make_unique<LogTelemetry>(std::move(next), [this] { return now_; });
    }
    TimePoint now_{1000s};
};

TEST_F(Log, TellsOfEachKindAtItsLevel) {
    const CapturedLog log;
    const auto told = make();
    told->breaker_changed("cache:6379", "closed", "open");
    told->connection_failed(lost());
    told->memory_alert("cache:6379", "healthy", "warning", 0.8125);
    told->listener_failed("cache:6379", "two\nlines");
    told->health_changed("healthy", "degraded", "memory is warning");
    told->health_changed("degraded", "healthy", "");
    EXPECT_EQ(
        log.lines(),
        (Lines{"warning: circuit breaker of cache:6379: closed -> open", "info: connection failed: " + lost().message(),
               "warning: memory of cache:6379: healthy -> warning, 81.2% of its limit in use",
               "error: a listener for cache:6379 threw: two\\nlines",
               "warning: health: healthy -> degraded: memory is warning", "warning: health: degraded -> healthy"}));
}

TEST_F(Log, TellsOfCallsAtDebugWithoutTheServersWords) {
    const CapturedLog log;
    const auto told = make();
    EXPECT_TRUE(told->watches_calls());
    const Error wrong = Error::with_detail(ErrorKind::server, Certainty::rejected, Stage::reply,
                                           "ERR unknown command, with args beginning with: 'the-value'");
    told->call_ended({"GET", 1, "alpha"}, {"cache:6379", 250us, 1, nullptr});
    told->call_ended({"PIPELINE", 3, "alpha"}, {"cache:6379", 2ms, 2, &wrong});
    told->call_ended({"PING", 1, {}}, {{}, Duration::zero(), 0, &wrong});
    EXPECT_EQ(log.lines(),
              (Lines{"debug: GET, project alpha, at cache:6379, 1 attempt, 250 us: ok",
                     "debug: PIPELINE of 3 commands, project alpha, at cache:6379, 2 attempts, 2 ms: "
                     "RedisServerException, stage reply, certainty rejected",
                     "debug: PING, 0 attempts, 0 s: RedisServerException, stage reply, certainty rejected"}));
}

TEST_F(Log, CallsAreNotWatchedUnlessSomebodyWantsThem) {
    const CapturedLog log(spdlog::level::info);
    EXPECT_FALSE(make()->watches_calls());
    const auto next = std::make_shared<Counting>();
    next->watches = true;
    const auto told = make(next);
    EXPECT_TRUE(told->watches_calls());
    told->call_ended({"GET", 1, "alpha"}, {});
    EXPECT_EQ(next->calls, 1);
    EXPECT_EQ(log.lines(), Lines{});
}

TEST_F(Log, PassesEverythingOnWhateverItWrites) {
    const CapturedLog log(spdlog::level::off);
    const auto next = std::make_shared<Counting>();
    const auto told = make(next);
    for (int i = 0; i != 1000; ++i) {
        told->breaker_changed("a", "b", "c");
        told->connection_failed(lost());
        told->memory_alert("a", "b", "c", 1);
        told->listener_failed("a", "b");
    }
    EXPECT_EQ(next->changes, 1000);
    EXPECT_EQ(next->failures, 1000);
    EXPECT_EQ(next->alerts, 1000);
    EXPECT_EQ(next->complaints, 1000);
    EXPECT_EQ(log.lines(), Lines{});
}

TEST_F(Log, AStormOfLostWiresIsTenLinesASecondAndACount) {
    const CapturedLog log;
    auto told = make();
    for (int i = 0; i != 1000; ++i) told->connection_failed(lost());
    EXPECT_EQ(log.count("connection failed"), 10u);
    // What changed is told nevertheless.
    told->breaker_changed("cache:6379", "closed", "open");
    EXPECT_EQ(log.count("circuit breaker"), 1u);
    told->flush();
    EXPECT_EQ(log.count("left out"), 0u);  // the second is not over
    now_ += 1s;
    told->connection_failed(lost());
    EXPECT_EQ(log.count("info: 990 more lines on failed connections were left out"), 1u);
    for (int i = 0; i != 20; ++i) told->connection_failed(lost());
    EXPECT_EQ(log.count("connection failed"), 20u);
    now_ += 1s;
    told->flush();  // as the monitor does
    EXPECT_EQ(log.count("info: 11 more lines on failed connections were left out"), 1u);
    for (int i = 0; i != 15; ++i) told->connection_failed(lost());
    told.reset();
    EXPECT_EQ(log.count("info: 5 more lines on failed connections were left out"), 1u);
    EXPECT_EQ(log.lines().size(), 34u);
}

TEST_F(Log, TheLoggerCanBeReplacedAtAnyTime) {
    const auto told = make();
    {
        const CapturedLog first;
        told->breaker_changed("a", "closed", "open");
        const CapturedLog second;
        told->breaker_changed("a", "open", "half_open");
        EXPECT_EQ(first.lines(), Lines{"warning: circuit breaker of a: closed -> open"});
        EXPECT_EQ(second.lines(), Lines{"warning: circuit breaker of a: open -> half_open"});
    }
}

class LiveLog : public testing::LiveServiceTest {};

// Two dozen connections lost at once, while commands are under way on each, again and again.
TEST_P(LiveLog, OfAStormIsBoundedAndHoldsNeitherValuesNorSecrets) {
    constexpr std::string_view password = "the-password";
    constexpr int projects = 24;
    const std::string value = "the-value-nobody-may-read";
    EmbeddedServerOptions options = testing::options_for(GetParam());
    options.password = password;
    start_server(options);
    EXPECT_EQ(raw().command({"AUTH", password}), "+OK\r\n");
    const CapturedLog log;
    RedisServiceConfig given = config();
    given.circuit_breaker.failure_threshold = 1'000'000;  // else it would end the storm
    RedisService service(given);
    service.initialize();
    const TimePoint begin = Clock::now();
    std::vector<std::future<void>> threads;
    std::atomic<bool> over{false};
    for (int i = 0; i != projects; ++i) {
        threads.push_back(std::async(std::launch::async, [&, i] {
            const auto redis = service.get_connection("p" + std::to_string(i));
            while (!over) {
                (void)redis.try_set("key-nobody-may-read", value);
                (void)redis.try_blpop("list-nobody-may-read", 60s);
            }
        }));
    }
    for (int storm = 0; storm != 3; ++storm) {
        EXPECT_TRUE(eventually([&] { return raw().info("blocked_clients") == std::to_string(projects); }))
            << raw().info("blocked_clients") << raw().info("connected_clients");
        raw().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    }
    over = true;
    server().kill();
    for (auto& thread : threads) thread.get();
    service.close();
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    EXPECT_GE(log.count("info: connection failed: "), 10u);
    EXPECT_LE(log.count("info: connection failed: "), static_cast<std::size_t>(10 * (seconds + 1)));
    EXPECT_GE(log.count("more lines on failed connections were left out"), 1u) << log.text();
    const std::string text = log.text();
    EXPECT_FALSE(contains(text, password)) << text;
    EXPECT_FALSE(contains(text, value)) << text;
    EXPECT_FALSE(contains(text, "nobody-may-read")) << text;
}

TEST_P(LiveLog, ASilencedLoggerStaysSilent) {
    const CapturedLog log(spdlog::level::off);
    RedisServiceConfig given = config();
    given.circuit_breaker.failure_threshold = 1;
    RedisService service(given);
    service.initialize();
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    server().kill();
    EXPECT_TRUE(eventually([&] { return !redis.try_get("k") && service.circuit_state() != CircuitState::closed; }));
    service.close();
    EXPECT_EQ(log.lines(), Lines{});
}

REDOUBT_BOTH_SERVERS(LiveLog);

}  // namespace
}  // namespace redoubt
