// base: the configuration from the environment and from URLs, and what is refused.
#include <redoubt/base/config.hpp>

#include <limits>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include <redoubt/base/exceptions.hpp>

#include "base/target_url.hpp"
#include "base/text_values.hpp"

namespace redoubt {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

RedisServiceConfig from(const Variables& variables) {
    return RedisServiceConfig::from_env([&](std::string_view name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional{found->second};
    });
}

/// A configuration of `development`, where a URL needs no password.
RedisServiceConfig with_url(std::string url) {
    RedisServiceConfig config;
    config.url = std::move(url);
    config.environment = Environment::development;
    return config;
}

Target target_of(std::string url) { return with_url(std::move(url)).resolve(); }

/// The text of the refusal, or nothing when there is none.
template <class Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const RedisConfigurationException& exception) {
        EXPECT_EQ(exception.certainty(), Certainty::not_sent);
        return exception.what();
    }
    return {};
}
std::string refusal_of(RedisServiceConfig config) {
    return refusal([&] { config.resolve(); });
}
std::string refusal_of_url(const std::string& url) { return refusal_of(with_url(url)); }
std::string refusal_of_env(const Variables& variables) {
    return refusal([&] { from(variables); });
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// --- defaults and the environment -------------------------------------------------------------------------------

TEST(ConfigFromEnv, KeepsTheDefaultsOfTheDesign) {
    auto config = from({});
    const auto target = config.resolve();
    EXPECT_EQ(target.endpoint(), "localhost:5240");
    EXPECT_EQ(config.max_connections, 10u);
    EXPECT_EQ(config.min_idle_connections, 0u);
    EXPECT_EQ(config.max_total_connections, 1000u);
    EXPECT_EQ(config.connection_timeout, 10s);
    EXPECT_EQ(config.operation_timeout, 10s);
    EXPECT_EQ(config.attempt_timeout, 2s);
    EXPECT_EQ(config.max_retries, 3u);
    EXPECT_EQ(config.retry_delay, 1s);
    EXPECT_EQ(config.health_check_interval, 30s);
    EXPECT_EQ(config.memory_warning_threshold, 0.8);
    EXPECT_EQ(config.memory_critical_threshold, 0.9);
    EXPECT_EQ(config.circuit_breaker.failure_threshold, 5u);
    EXPECT_EQ(config.circuit_breaker.recovery_timeout, 60s);
    EXPECT_EQ(config.circuit_breaker.success_threshold, 3u);
    EXPECT_EQ(config.environment, Environment::production);
    EXPECT_EQ(config.protocol, Protocol::automatic);
    EXPECT_TRUE(config.tls.verify);
}

TEST(ConfigFromEnv, ReadsEveryVariable) {
    auto config = from({{"REDIS_URL", "rediss://u:p@db.example:7000/3"},
                        {"REDIS_MAX_CONNECTIONS", "20"},
                        {"REDIS_MIN_IDLE_CONNECTIONS", "2"},
                        {"REDIS_MAX_TOTAL_CONNECTIONS", "500"},
                        {"REDIS_MAX_WAITING", "7"},
                        {"REDIS_MAX_CONNECTS_PER_SECOND", "50"},
                        {"REDIS_RETRY_BUDGET", "20"},
                        {"REDIS_RETRY_BUDGET_REFILL", "0.25"},
                        {"CIRCUIT_BREAKER_FAILURE_RATE_THRESHOLD", "0.4"},
                        {"CIRCUIT_BREAKER_SLOW_CALL_RATE_THRESHOLD", "1"},
                        {"CIRCUIT_BREAKER_SLOW_CALL_DURATION", "250ms"},
                        {"CIRCUIT_BREAKER_WINDOW_CALLS", "30"},
                        {"CIRCUIT_BREAKER_WINDOW_TIME", "1m"},
                        {"CIRCUIT_BREAKER_MINIMUM_CALLS", "6"},
                        {"REDIS_POOL_MODE", "shared"},
                        {"REDIS_IDLE_TIMEOUT", "0"},
                        {"REDIS_CONNECTION_LIFETIME", "10m"},
                        {"REDIS_BUSY_POLL", "50us"},
                        {"REDIS_CONNECTION_TIMEOUT", "1.5"},
                        {"REDIS_OPERATION_TIMEOUT", "250ms"},
                        {"REDIS_ATTEMPT_TIMEOUT", "30s"},
                        {"REDIS_MAX_RETRIES", "0"},
                        {"REDIS_RETRY_DELAY", "100us"},
                        {"REDIS_RETRY_DELAY_MAX", "5m"},
                        {"REDIS_RETRY_IDEMPOTENT_WRITES", "Yes"},
                        {"REDIS_HEALTH_CHECK_INTERVAL", "0"},
                        {"REDIS_MEMORY_WARNING_THRESHOLD", "0.5"},
                        {"REDIS_MEMORY_CRITICAL_THRESHOLD", "1"},
                        {"CIRCUIT_BREAKER_FAILURE_THRESHOLD", "9"},
                        {"CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "1h"},
                        {"CIRCUIT_BREAKER_SUCCESS_THRESHOLD", "4"},
                        {"CIRCUIT_BREAKER_HALF_OPEN_PERMITS", "2"},
                        {"REDIS_TLS_CA", "ca.pem"},
                        {"REDIS_TLS_CERT", "cert.pem"},
                        {"REDIS_TLS_KEY", "key.pem"},
                        {"REDIS_TLS_SERVER_NAME", "name"},
                        {"REDIS_TLS_VERIFY", "no"},
                        {"REDIS_CLIENT_NAME", "me"},
                        {"REDIS_PROTOCOL", "3"},
                        {"REDIS_IO_THREADS", "4"},
                        {"REDIS_ENVIRONMENT", "development"}});
    const auto target = config.resolve();
    EXPECT_EQ(to_string(target), "rediss://u:***@db.example:7000/3");
    EXPECT_EQ(config.max_connections, 20u);
    EXPECT_EQ(config.min_idle_connections, 2u);
    EXPECT_EQ(config.max_total_connections, 500u);
    EXPECT_EQ(config.max_connects_per_second, 50u);
    EXPECT_EQ(config.retry_budget, 20u);
    EXPECT_EQ(config.retry_budget_refill, 0.25);
    EXPECT_EQ(config.circuit_breaker.failure_rate_threshold, 0.4);
    EXPECT_EQ(config.circuit_breaker.slow_call_rate_threshold, 1.0);
    EXPECT_EQ(config.circuit_breaker.slow_call_duration, 250ms);
    EXPECT_EQ(config.circuit_breaker.window_calls, 30u);
    EXPECT_EQ(config.circuit_breaker.window_time, 1min);
    EXPECT_EQ(config.circuit_breaker.minimum_calls, 6u);
    EXPECT_EQ(config.max_waiting, 7u);
    EXPECT_EQ(config.pool_mode, PoolMode::shared);
    EXPECT_EQ(config.idle_timeout, 0s);
    EXPECT_EQ(config.connection_lifetime, 10min);
    EXPECT_EQ(config.busy_poll, 50us);
    EXPECT_EQ(config.connection_timeout, 1500ms);
    EXPECT_EQ(config.operation_timeout, 250ms);
    EXPECT_EQ(config.attempt_timeout, 30s);
    EXPECT_EQ(config.max_retries, 0u);
    EXPECT_EQ(config.retry_delay, 100us);
    EXPECT_EQ(config.retry_delay_max, 5min);
    EXPECT_TRUE(config.retry_idempotent_writes);
    EXPECT_EQ(config.health_check_interval, 0s);
    EXPECT_EQ(config.memory_warning_threshold, 0.5);
    EXPECT_EQ(config.memory_critical_threshold, 1.0);
    EXPECT_EQ(config.circuit_breaker.failure_threshold, 9u);
    EXPECT_EQ(config.circuit_breaker.recovery_timeout, 1h);
    EXPECT_EQ(config.circuit_breaker.success_threshold, 4u);
    EXPECT_EQ(config.circuit_breaker.half_open_permits, 2u);
    EXPECT_EQ(config.tls.ca, "ca.pem");
    EXPECT_EQ(config.tls.cert, "cert.pem");
    EXPECT_EQ(config.tls.key, "key.pem");
    EXPECT_EQ(config.tls.server_name, "name");
    EXPECT_FALSE(config.tls.verify);
    EXPECT_EQ(config.client_name, "me");
    EXPECT_EQ(config.protocol, Protocol::resp3);
    EXPECT_EQ(config.io_threads, 4u);
    EXPECT_EQ(config.environment, Environment::development);
}

TEST(ConfigFromEnv, NamesEveryBadVariableAtOnce) {
    const auto text = refusal_of_env({{"REDIS_URL", "http://user:hunter2@host"},
                                      {"REDIS_MAX_CONNECTIONS", "9"},
                                      {"REDIS_OPERATION_TIMEOUT", "soon"},
                                      {"REDIS_MEMORY_WARNING_THRESHOLD", "nan"},
                                      {"REDIS_ENVIRONMENT", "staging"},
                                      {"REDIS_MIN_IDLE_CONNECTIONS", "11"},
                                      {"REDIS_TLS_KEY", "key.pem"}});
    EXPECT_TRUE(has(text, "6 bad settings: ")) << text;
    EXPECT_TRUE(has(text, "url (REDIS_URL) is \"http://user:***@host\", allowed: redis://")) << text;
    EXPECT_TRUE(has(text, "max_connections (REDIS_MAX_CONNECTIONS) is \"9\", allowed: a whole number, 10 to ")) << text;
    EXPECT_TRUE(has(text, "operation_timeout (REDIS_OPERATION_TIMEOUT) is \"soon\", allowed: seconds")) << text;
    EXPECT_TRUE(has(text, "memory_warning_threshold (REDIS_MEMORY_WARNING_THRESHOLD) is \"nan\"")) << text;
    EXPECT_TRUE(has(text, "environment (REDIS_ENVIRONMENT) is \"staging\", allowed: production or development"))
        << text;
    EXPECT_TRUE(has(text, "tls_cert (REDIS_TLS_CERT) is \"\", allowed: tls_cert and tls_key, both or neither")) << text;
    EXPECT_FALSE(has(text, "hunter2")) << text;
}

TEST(ConfigFromEnv, LeavesRelationsToResolveBecauseTheCallerMayStillChangeThem) {
    auto config = from({{"REDIS_URL", "redis://far.example"}});
    EXPECT_TRUE(has(refusal_of(config), "a password"));
    config.environment = Environment::development;
    EXPECT_EQ(config.resolve().host, "far.example");
}

TEST(ConfigFromEnv, DoesNotKeepTheOptionsOfAUrlThatTheCallerMayReplace) {
    auto config = from({{"REDIS_URL", "redis://localhost?max_retries=7"}});
    EXPECT_EQ(config.max_retries, 3u);
    config.resolve();
    EXPECT_EQ(config.max_retries, 7u);
}

TEST(ConfigFromEnv, ReadsTheProcessEnvironment) {
    ASSERT_EQ(setenv("REDIS_MAX_RETRIES", "17", 1), 0);
    EXPECT_EQ(RedisServiceConfig::from_env().max_retries, 17u);
    ASSERT_EQ(unsetenv("REDIS_MAX_RETRIES"), 0);
    EXPECT_EQ(RedisServiceConfig::from_env().max_retries, 3u);
}

TEST(ConfigFromEnv, ReadsNumbersStrictly) {
    for (const auto* const bad :
         {"", " 20", "20 ", "+20", "-20", "2e1", "0x14", "20.0", "twenty", "99999999999999999999"})
        EXPECT_NE(refusal_of_env({{"REDIS_MAX_CONNECTIONS", bad}}), "") << bad;
    for (const auto* const bad : {"", "-1", "1e1", "inf", "nan", "1.5.0", "1,5", "1 s", "s", "1d", "0", "25h", ".",
                                  "1e999", "99999999999999999999999999", "0ms", "0x1"})
        EXPECT_NE(refusal_of_env({{"REDIS_OPERATION_TIMEOUT", bad}}), "") << bad;
    for (const auto* const bad : {"", "0", "1.01", "nan", "inf", "-0.5", "80%"})
        EXPECT_NE(refusal_of_env({{"REDIS_MEMORY_WARNING_THRESHOLD", bad}}), "") << bad;
    for (const auto* const bad : {"", "2", "y", "maybe"})
        EXPECT_NE(refusal_of_env({{"REDIS_TLS_VERIFY", bad}}), "") << bad;
    for (const auto* const bad : {"", "1", "4", "resp3", "AUTO"})
        EXPECT_NE(refusal_of_env({{"REDIS_PROTOCOL", bad}}), "") << bad;
}

// --- URLs ---------------------------------------------------------------------------------------------------------

TEST(Url, NamesATarget) {
    const auto full = target_of("redis://user:p%40ss@host:6380/0");
    EXPECT_EQ(full.scheme, Target::Scheme::tcp);
    EXPECT_EQ(full.user, "user");
    EXPECT_EQ(full.password, "p@ss");
    EXPECT_EQ(full.host, "host");
    EXPECT_EQ(full.port, 6380);
    EXPECT_EQ(full.database, 0u);

    const auto six = target_of("redis://[::1]:6379/2");
    EXPECT_EQ(six.host, "::1");
    EXPECT_EQ(six.endpoint(), "[::1]:6379");
    EXPECT_EQ(six.database, 2u);

    const auto password_alone = target_of("redis://:password@host");
    EXPECT_EQ(password_alone.user, "");
    EXPECT_EQ(password_alone.password, "password");
    EXPECT_EQ(password_alone.endpoint(), "host:6379");

    EXPECT_EQ(target_of("REDISS://host_1.example/").scheme, Target::Scheme::tls);
    EXPECT_EQ(target_of("redis://host:").port, 6379);
    EXPECT_EQ(target_of("redis://10.0.0.1.nip.io:7/5").endpoint(), "10.0.0.1.nip.io:7");
    EXPECT_EQ(to_string(target_of("redis://u:p@10.0.0.1x5")), "redis://u:***@10.0.0.1x5:6379/0");
    EXPECT_EQ(target_of("redis://host?db=15").database, 15u);
    EXPECT_EQ(target_of("redis://:a%2Fb%3Fc%23d%25e%3Af+g@host").password, "a/b?c#d%e:f+g");
}

TEST(Url, NamesASocket) {
    const auto plain = target_of("unix:///run/redis.sock?db=1");
    EXPECT_EQ(plain.scheme, Target::Scheme::unix_socket);
    EXPECT_EQ(plain.path, "/run/redis.sock");
    EXPECT_EQ(plain.endpoint(), "/run/redis.sock");
    EXPECT_EQ(plain.database, 1u);
    EXPECT_TRUE(plain.is_local());
    const auto with_password = target_of("unix://user:pass@/run/my%20socket@1");
    EXPECT_EQ(with_password.user, "user");
    EXPECT_EQ(with_password.password, "pass");
    EXPECT_EQ(with_password.path, "/run/my socket@1");
    EXPECT_EQ(to_string(with_password), "unix://user:***@/run/my socket@1?db=0");
}

TEST(Url, RefusesWhatNamesNone) {
    for (const auto* const url : {"",
                                  "localhost:6379",
                                  "redis:/host",
                                  "redis://",
                                  "redis:///0",
                                  "redis://:pass@/0",
                                  "redis://host:0",
                                  "redis://host:65536",
                                  "redis://host:port",
                                  "redis://host/x",
                                  "redis://host/-1",
                                  "redis://host/1/2",
                                  "redis://host/2147483648",
                                  "redis://host/1?db=1",
                                  "redis://host?db=",
                                  "redis://10.0.0.1*5",
                                  "redis://10.0.0.1x/5/6",
                                  "redis://host#f",
                                  "redis://ho st",
                                  "redis://h%00st",
                                  "redis://h*st",
                                  "redis://::1",
                                  "redis://[::1",
                                  "redis://u:p@a@host",
                                  "redis://u:p/w@host",
                                  "redis://u:1/w@host",
                                  "redis://u:1?w=x@host",
                                  "redis://u:1#w@host",
                                  "redis://u:100%@host",
                                  "unix://",
                                  "unix:///",
                                  "unix://relative",
                                  "unix://host/path",
                                  "unix:///a%00b",
                                  "unix:///run/x.sock?db=x",
                                  "http://host",
                                  "redis+socket:///x"}) {
        EXPECT_TRUE(has(refusal_of_url(url), "url (REDIS_URL) is ")) << url << "\n" << refusal_of_url(url);
    }
    EXPECT_NE(refusal_of_url("unix:///" + std::string(107, 'x')), "");
    EXPECT_EQ(refusal_of_url("unix:///" + std::string(106, 'x')), "");
}

TEST(Url, OptionsWinOverFields) {
    auto config = with_url(
        "redis://h?attempt_timeout=1.5&max_connections=50&client_name=x&protocol=2&tls_verify=no"
        "&circuit_breaker_failure_threshold=8&memory_warning_threshold=0.25&db=4");
    config.attempt_timeout = 9s;
    config.max_connections = 3;  // bad, and replaced
    const auto target = config.resolve();
    EXPECT_EQ(config.attempt_timeout, 1500ms);
    EXPECT_EQ(config.max_connections, 50u);
    EXPECT_EQ(config.client_name, "x");
    EXPECT_EQ(config.protocol, Protocol::resp2);
    EXPECT_FALSE(config.tls.verify);
    EXPECT_EQ(config.circuit_breaker.failure_threshold, 8u);
    EXPECT_EQ(config.memory_warning_threshold, 0.25);
    EXPECT_EQ(target.database, 4u);
}

TEST(Url, BadOptionsAreNamedWithWhatIsAllowed) {
    const auto text =
        refusal_of_url("redis://h?max_connections=ten&atempt_timeout=1&attempt_timeout=0&max_retries=1&max_retries=2");
    EXPECT_TRUE(has(text, "4 bad settings")) << text;
    EXPECT_TRUE(has(text, "URL option max_connections is \"ten\"")) << text;
    EXPECT_TRUE(has(text, "URL option is \"atempt_timeout\", allowed: db, max_connections, ")) << text;
    EXPECT_TRUE(has(text, "client_name")) << text;
    EXPECT_TRUE(has(text, "URL option attempt_timeout is \"0 s\"")) << text;
    EXPECT_TRUE(has(text, "URL option max_retries is \"\", allowed: an option given once")) << text;
    EXPECT_TRUE(has(refusal_of_url("redis://host?db=1&db=1"), "URL option db is \"\", allowed: an option given once"));
}

TEST(Url, ARefusedConfigurationIsLeftAsItWas) {
    auto config = with_url("redis://h?max_retries=7&max_connections=1");
    EXPECT_THROW(config.resolve(), RedisConfigurationException);
    EXPECT_EQ(config.max_retries, 3u);
    EXPECT_EQ(config.max_connections, 10u);
}

TEST(Url, MasksWhateverCouldBeAPassword) {
    EXPECT_EQ(base::mask_url("redis://user:secret@host:1/2?tls_key=k"), "redis://user:***@host:1/2?...");
    EXPECT_EQ(base::mask_url("redis://secret@host"), "redis://***@host");
    EXPECT_EQ(base::mask_url("redis://:sec/r?e#t@host"), "redis://:***@host");
    EXPECT_EQ(base::mask_url("redis://u:sec@ret@host"), "redis://u:***@host");
    EXPECT_EQ(base::mask_url("redis://sec/ret:x@host"), "redis://***@host");
    EXPECT_EQ(base::mask_url("redis://:secret"), "redis://:***");
    EXPECT_EQ(base::mask_url("redis://user:secret/0"), "redis://user:***");
    EXPECT_EQ(base::mask_url("redis://:12345"), "redis://:***");
    EXPECT_EQ(base::mask_url("user:secret@host"), "user:***@host");
    EXPECT_EQ(base::mask_url("redis://host:6379/x"), "redis://host:6379/x");
    EXPECT_EQ(base::mask_url("redis://[::1]:99999"), "redis://[::1]:99999");
    EXPECT_LT(base::mask_url(std::string(10'000, 'x')).size(), 300u);
}

TEST(Url, NoRefusalShowsThePassword) {
    for (const auto* const url :
         {"redis://u:hunter2@host:0", "redis://u:hunter2@host/x", "redis://u:hunter2@@host",
          "redis://u:hun/hunter2@host", "redis://u:1?hunter2@host", "redis://u:1?hunter2=1@host",
          "http://:hunter2@host", "redis://:hunter2", "u:hunter2@host", "redis://u:hunter2@host#x",
          "redis://u:hunter2%@host", "unix://u:hunter2@host/x", "redis://u:hunter2@host?nonsense=1",
          "redis://host?password=hunter2", "redis+cluster://u:hunter2@a,,b"}) {
        const auto text = refusal_of_url(url);
        EXPECT_NE(text, "") << url;
        EXPECT_FALSE(has(text, "hunter2")) << text;
    }
}

TEST(Target, KnowsWhatIsLocal) {
    for (const auto* const url : {"redis://localhost", "redis://LOCALHOST", "redis://127.0.0.1", "redis://127.9.8.7",
                                  "redis://[::1]", "redis://[0:0:0:0:0:0:0:1]", "unix:///x.sock"})
        EXPECT_TRUE(target_of(url).is_local()) << url;
    for (const auto* const url : {"redis://host", "redis://128.0.0.1", "redis://127.0.0.1.example", "redis://127.1",
                                  "redis://localhost.example", "redis://[::2]", "redis://[fe80::1]"})
        EXPECT_FALSE(target_of(url).is_local()) << url;
}

// --- the whole ------------------------------------------------------------------------------------------------------

TEST(Production, NeedsAPasswordForAnotherMachine) {
    RedisServiceConfig config;
    for (const auto* const url : {"redis://far.example", "rediss://far.example", "redis://user@far.example"}) {
        config.url = url;
        EXPECT_TRUE(has(refusal_of(config), "a password")) << url;
    }
    for (const auto* const url : {"redis://:p@far.example", "redis://localhost", "redis://127.0.0.1", "redis://[::1]",
                                  "unix:///run/redis.sock"}) {
        config.url = url;
        EXPECT_EQ(refusal_of(config), "") << url;
    }
}

TEST(Production, KeepsVerifyingCertificates) {
    RedisServiceConfig config;
    config.url = "rediss://:p@far.example?tls_verify=no";
    EXPECT_TRUE(has(refusal_of(config), "tls_verify (REDIS_TLS_VERIFY) is \"no\""));
    config.environment = Environment::development;
    EXPECT_EQ(refusal_of(config), "");
}

template <class Change>
std::string refusal_after(Change change) {
    RedisServiceConfig config = with_url("redis://localhost");
    change(config);
    return refusal_of(config);
}

TEST(Resolve, RefusesFieldsOutOfBounds) {
    using C = RedisServiceConfig;
    const auto expect_bad = [](std::string_view name, auto change) {
        const auto text = refusal_after(change);
        EXPECT_TRUE(has(text, "1 bad setting: ")) << name << ": " << text;
        EXPECT_TRUE(has(text, name)) << text;
    };
    expect_bad("max_connections", [](C& c) { c.max_connections = 9; });
    expect_bad("max_total_connections", [](C& c) { c.max_total_connections = 9; });
    expect_bad("connection_timeout", [](C& c) { c.connection_timeout = 0s; });
    expect_bad("operation_timeout", [](C& c) { c.operation_timeout = -1s; });
    expect_bad("attempt_timeout", [](C& c) { c.attempt_timeout = 25h; });
    expect_bad("retry_delay", [](C& c) { c.retry_delay = 0s; });
    expect_bad("retry_delay_max", [](C& c) { c.retry_delay_max = 1ms; });
    expect_bad("max_retries", [](C& c) { c.max_retries = 1001; });
    expect_bad("health_check_interval", [](C& c) { c.health_check_interval = -1ns; });
    expect_bad("io_threads", [](C& c) { c.io_threads = 0; });
    expect_bad("io_threads", [](C& c) { c.io_threads = 65; });
    expect_bad("min_idle_connections", [](C& c) { c.min_idle_connections = 11; });
    expect_bad("max_total_connections", [](C& c) { c.max_connections = 1001; });
    expect_bad("memory_warning_threshold", [](C& c) { c.memory_warning_threshold = 0; });
    expect_bad("memory_warning_threshold",
               [](C& c) { c.memory_warning_threshold = std::numeric_limits<double>::quiet_NaN(); });
    expect_bad("memory_critical_threshold", [](C& c) { c.memory_critical_threshold = 1.1; });
    expect_bad("memory_critical_threshold", [](C& c) { c.memory_critical_threshold = 0.8; });
    expect_bad("circuit_breaker_failure_threshold", [](C& c) { c.circuit_breaker.failure_threshold = 0; });
    expect_bad("circuit_breaker_recovery_timeout", [](C& c) { c.circuit_breaker.recovery_timeout = 0s; });
    expect_bad("circuit_breaker_success_threshold", [](C& c) { c.circuit_breaker.success_threshold = 1'000'001; });
    expect_bad("circuit_breaker_half_open_permits", [](C& c) { c.circuit_breaker.half_open_permits = 1'001; });
    expect_bad("circuit_breaker_failure_rate_threshold", [](C& c) { c.circuit_breaker.failure_rate_threshold = 1.01; });
    expect_bad("circuit_breaker_slow_call_rate_threshold",
               [](C& c) { c.circuit_breaker.slow_call_rate_threshold = -0.1; });
    expect_bad("circuit_breaker_slow_call_duration", [](C& c) { c.circuit_breaker.slow_call_duration = 0s; });
    expect_bad("circuit_breaker_window_calls", [](C& c) { c.circuit_breaker.window_calls = 0; });
    expect_bad("circuit_breaker_window_time", [](C& c) { c.circuit_breaker.window_time = 2h; });
    expect_bad("circuit_breaker_minimum_calls", [](C& c) { c.circuit_breaker.minimum_calls = 0; });
    expect_bad("max_connects_per_second", [](C& c) { c.max_connects_per_second = 1'000'001; });
    expect_bad("retry_budget", [](C& c) { c.retry_budget = 0; });
    expect_bad("retry_budget_refill", [](C& c) { c.retry_budget_refill = 0; });
    expect_bad("max_queued_commands", [](C& c) { c.max_queued_commands = 0; });
    expect_bad("max_queued_bytes", [](C& c) { c.max_queued_bytes = 0; });
    expect_bad("max_bulk_bytes", [](C& c) { c.reply_limits.max_bulk_bytes = 0; });
    expect_bad("max_bulk_bytes", [](C& c) { c.reply_limits.max_reply_bytes = 1 << 20; });
    expect_bad("max_reply_depth", [](C& c) { c.reply_limits.max_depth = 0; });
    expect_bad("client_name", [](C& c) { c.client_name = "two words"; });
    expect_bad("client_name", [](C& c) { c.client_name = "line\nbreak"; });
    expect_bad("tls_ca", [](C& c) { c.tls.ca = "ca.pem"; });  // without rediss://
    EXPECT_EQ(refusal_after([](C&) {}), "");
}

TEST(Resolve, AWindowThatCouldNotOpenTheBreakerIsRefused) {
    using C = RedisServiceConfig;
    const auto minimum = [](C& c) { c.circuit_breaker.minimum_calls = 101; };
    EXPECT_EQ(refusal_after(minimum), "");  // without a rate there is no window
    const auto text = refusal_after([&](C& c) {
        c.circuit_breaker.failure_rate_threshold = 0.5;
        minimum(c);
    });
    EXPECT_TRUE(has(text, "circuit_breaker_minimum_calls")) << text;
    EXPECT_TRUE(has(text, "at most circuit_breaker_window_calls, 100")) << text;
    EXPECT_EQ(refusal_after([&](C& c) {
                  c.circuit_breaker.failure_rate_threshold = 0.5;
                  c.circuit_breaker.window_time = 10s;
                  minimum(c);
              }),
              "");
    const auto slow = refusal_after([](C& c) {
        c.circuit_breaker.slow_call_rate_threshold = 0.5;
        c.circuit_breaker.slow_call_duration = c.attempt_timeout;
    });
    EXPECT_TRUE(has(slow, "circuit_breaker_slow_call_duration")) << slow;
    EXPECT_TRUE(has(slow, "below attempt_timeout, 2 s")) << slow;
    const auto named = refusal_of_url("redis://:p@h?circuit_breaker_failure_rate_threshold=80%25");
    EXPECT_TRUE(has(named, "circuit_breaker_failure_rate_threshold")) << named;
    EXPECT_TRUE(has(named, "a fraction, 0 (off) to 1")) << named;
}

TEST(Resolve, TwiceIsTheSameAsOnce) {
    auto config = with_url("redis://:p@h:7/3?max_retries=7");
    const auto first = config.resolve();
    const auto second = config.resolve();
    EXPECT_EQ(to_string(first), to_string(second));
    EXPECT_EQ(config.max_retries, 7u);
}

}  // namespace
}  // namespace redoubt
