// base: the one table of all settings: their names, where they live, and what each allows.
#include "base/settings.hpp"

#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "base/target_url.hpp"
#include "base/text_values.hpp"

namespace redoubt::base {

namespace {

using Config = RedisServiceConfig;

constexpr Duration shortest{1};
/// A day is longer than any time-out that somebody means, and far from the clock's overflow.
constexpr Duration longest = 24h;
/// Longer than this a thread had better sleep.
constexpr Duration longest_busy_poll = 10ms;
/// What a window's counters can hold at any rate that one node has.
constexpr Duration longest_window = 1h;
constexpr std::size_t many = 1'000'000'000;
constexpr std::size_t tebibyte = std::size_t{1} << 40;

using Size = Bounded<std::size_t>;
using Number = Bounded<std::uint32_t>;
using Span = Bounded<Duration>;
using Fraction = Bounded<double>;
using Flag = Unbounded<bool>;
using Text = Unbounded<std::string>;

/// The smallest fraction above 0 that anybody could mean.
constexpr double above_zero = 1e-9;

// The formatter takes the lambdas of this table apart.
// clang-format off
const Setting settings[] = {
    {"max_connections", "REDIS_MAX_CONNECTIONS",
     Size{[](Config& c) -> auto& { return c.max_connections; }, 10, 100'000}},
    {"min_idle_connections", "REDIS_MIN_IDLE_CONNECTIONS",
     Size{[](Config& c) -> auto& { return c.min_idle_connections; }, 0, 100'000}},
    {"max_total_connections", "REDIS_MAX_TOTAL_CONNECTIONS",
     Size{[](Config& c) -> auto& { return c.max_total_connections; }, 10, 1'000'000}},
    {"max_waiting", "REDIS_MAX_WAITING", Size{[](Config& c) -> auto& { return c.max_waiting; }, 0, many}},
    {"max_connects_per_second", "REDIS_MAX_CONNECTS_PER_SECOND",
     Number{[](Config& c) -> auto& { return c.max_connects_per_second; }, 0, 1'000'000}},
    {"pool_mode", "REDIS_POOL_MODE", Unbounded<PoolMode>{[](Config& c) -> auto& { return c.pool_mode; }}},
    {"key_colocation", "REDIS_KEY_COLOCATION", Flag{[](Config& c) -> auto& { return c.key_colocation; }}},
    {"idle_timeout", "REDIS_IDLE_TIMEOUT",
     Span{[](Config& c) -> auto& { return c.idle_timeout; }, Duration::zero(), longest}},
    {"connection_lifetime", "REDIS_CONNECTION_LIFETIME",
     Span{[](Config& c) -> auto& { return c.connection_lifetime; }, Duration::zero(), longest}},
    {"connection_timeout", "REDIS_CONNECTION_TIMEOUT",
     Span{[](Config& c) -> auto& { return c.connection_timeout; }, shortest, longest}},
    {"operation_timeout", "REDIS_OPERATION_TIMEOUT",
     Span{[](Config& c) -> auto& { return c.operation_timeout; }, shortest, longest}},
    {"attempt_timeout", "REDIS_ATTEMPT_TIMEOUT",
     Span{[](Config& c) -> auto& { return c.attempt_timeout; }, shortest, longest}},
    {"max_retries", "REDIS_MAX_RETRIES", Number{[](Config& c) -> auto& { return c.max_retries; }, 0, 1'000}},
    {"retry_delay", "REDIS_RETRY_DELAY",
     Span{[](Config& c) -> auto& { return c.retry_delay; }, shortest, longest}},
    {"retry_delay_max", "REDIS_RETRY_DELAY_MAX",
     Span{[](Config& c) -> auto& { return c.retry_delay_max; }, shortest, longest}},
    {"retry_idempotent_writes", "REDIS_RETRY_IDEMPOTENT_WRITES",
     Flag{[](Config& c) -> auto& { return c.retry_idempotent_writes; }}},
    {"drain_timeout", "REDIS_DRAIN_TIMEOUT",
     Span{[](Config& c) -> auto& { return c.drain_timeout; }, Duration::zero(), longest}},
    {"retry_budget", "REDIS_RETRY_BUDGET",
     Number{[](Config& c) -> auto& { return c.retry_budget; }, 1, 1'000'000}},
    {"retry_budget_refill", "REDIS_RETRY_BUDGET_REFILL",
     Fraction{[](Config& c) -> auto& { return c.retry_budget_refill; }, 0.001, 1.0}},
    {"max_queued_commands", "REDIS_MAX_QUEUED_COMMANDS",
     Size{[](Config& c) -> auto& { return c.max_queued_commands; }, 1, many}},
    {"max_queued_bytes", "REDIS_MAX_QUEUED_BYTES",
     Size{[](Config& c) -> auto& { return c.max_queued_bytes; }, 1024, tebibyte}},
    {"max_bulk_bytes", "REDIS_MAX_BULK_BYTES",
     Size{[](Config& c) -> auto& { return c.reply_limits.max_bulk_bytes; }, 1024, tebibyte}},
    {"max_reply_bytes", "REDIS_MAX_REPLY_BYTES",
     Size{[](Config& c) -> auto& { return c.reply_limits.max_reply_bytes; }, 1024, tebibyte}},
    {"max_reply_elements", "REDIS_MAX_REPLY_ELEMENTS",
     Size{[](Config& c) -> auto& { return c.reply_limits.max_elements; }, 64, many}},
    {"max_reply_depth", "REDIS_MAX_REPLY_DEPTH",
     Number{[](Config& c) -> auto& { return c.reply_limits.max_depth; }, 4, 1'000}},
    {"health_check_interval", "REDIS_HEALTH_CHECK_INTERVAL",
     Span{[](Config& c) -> auto& { return c.health_check_interval; }, Duration::zero(), longest}},
    {"memory_warning_threshold", "REDIS_MEMORY_WARNING_THRESHOLD",
     Fraction{[](Config& c) -> auto& { return c.memory_warning_threshold; }, above_zero, 1.0}},
    {"memory_critical_threshold", "REDIS_MEMORY_CRITICAL_THRESHOLD",
     Fraction{[](Config& c) -> auto& { return c.memory_critical_threshold; }, above_zero, 1.0}},
    {"circuit_breaker_failure_threshold", "CIRCUIT_BREAKER_FAILURE_THRESHOLD",
     Number{[](Config& c) -> auto& { return c.circuit_breaker.failure_threshold; }, 1, 1'000'000}},
    {"circuit_breaker_recovery_timeout", "CIRCUIT_BREAKER_RECOVERY_TIMEOUT",
     Span{[](Config& c) -> auto& { return c.circuit_breaker.recovery_timeout; }, shortest, longest}},
    {"circuit_breaker_success_threshold", "CIRCUIT_BREAKER_SUCCESS_THRESHOLD",
     Number{[](Config& c) -> auto& { return c.circuit_breaker.success_threshold; }, 1, 1'000'000}},
    {"circuit_breaker_half_open_permits", "CIRCUIT_BREAKER_HALF_OPEN_PERMITS",
     Number{[](Config& c) -> auto& { return c.circuit_breaker.half_open_permits; }, 1, 1'000}},
    {"circuit_breaker_failure_rate_threshold", "CIRCUIT_BREAKER_FAILURE_RATE_THRESHOLD",
     Fraction{[](Config& c) -> auto& { return c.circuit_breaker.failure_rate_threshold; }, 0.0, 1.0}},
    {"circuit_breaker_slow_call_rate_threshold", "CIRCUIT_BREAKER_SLOW_CALL_RATE_THRESHOLD",
     Fraction{[](Config& c) -> auto& { return c.circuit_breaker.slow_call_rate_threshold; }, 0.0, 1.0}},
    {"circuit_breaker_slow_call_duration", "CIRCUIT_BREAKER_SLOW_CALL_DURATION",
     Span{[](Config& c) -> auto& { return c.circuit_breaker.slow_call_duration; }, shortest, longest}},
    {"circuit_breaker_window_calls", "CIRCUIT_BREAKER_WINDOW_CALLS",
     Number{[](Config& c) -> auto& { return c.circuit_breaker.window_calls; }, 1, 100'000}},
    {"circuit_breaker_window_time", "CIRCUIT_BREAKER_WINDOW_TIME",
     Span{[](Config& c) -> auto& { return c.circuit_breaker.window_time; }, Duration::zero(), longest_window}},
    {"circuit_breaker_minimum_calls", "CIRCUIT_BREAKER_MINIMUM_CALLS",
     Number{[](Config& c) -> auto& { return c.circuit_breaker.minimum_calls; }, 1, 100'000}},
    {"tls_verify", "REDIS_TLS_VERIFY", Flag{[](Config& c) -> auto& { return c.tls.verify; }}},
    {"tls_ca", "REDIS_TLS_CA", Text{[](Config& c) -> auto& { return c.tls.ca; }}},
    {"tls_cert", "REDIS_TLS_CERT", Text{[](Config& c) -> auto& { return c.tls.cert; }}},
    {"tls_key", "REDIS_TLS_KEY", Text{[](Config& c) -> auto& { return c.tls.key; }}},
    {"tls_server_name", "REDIS_TLS_SERVER_NAME", Text{[](Config& c) -> auto& { return c.tls.server_name; }}},
    {"environment", "REDIS_ENVIRONMENT",
     Unbounded<Environment>{[](Config& c) -> auto& { return c.environment; }}},
    {"protocol", "REDIS_PROTOCOL", Unbounded<Protocol>{[](Config& c) -> auto& { return c.protocol; }}},
    {"client_name", "REDIS_CLIENT_NAME", Text{[](Config& c) -> auto& { return c.client_name; }}},
    {"acl_users", "REDIS_ACL_USERS", Unbounded<AclUsers>{[](Config& c) -> auto& { return c.acl_users; }}},
    {"sentinel_user", "REDIS_SENTINEL_USER", Text{[](Config& c) -> auto& { return c.sentinel_user; }}},
    {"read_from", "REDIS_READ_FROM", Unbounded<ReadFrom>{[](Config& c) -> auto& { return c.read_from; }}},
    {"max_replica_lag", "REDIS_MAX_REPLICA_LAG",
     Span{[](Config& c) -> auto& { return c.max_replica_lag; }, shortest, longest}},
    {"script_projects", "REDIS_SCRIPT_PROJECTS", Text{[](Config& c) -> auto& { return c.script_projects; }}},
    {"scripts_attested", "REDIS_SCRIPTS_ATTESTED", Flag{[](Config& c) -> auto& { return c.scripts_attested; }}},
    {"allow_unconfined_scripts", "REDIS_ALLOW_UNCONFINED_SCRIPTS",
     Flag{[](Config& c) -> auto& { return c.allow_unconfined_scripts; }}},
    {"project_max_in_flight", "REDIS_PROJECT_MAX_IN_FLIGHT",
     Size{[](Config& c) -> auto& { return c.project_limits.max_in_flight; }, 0, many}},
    {"project_commands_per_second", "REDIS_PROJECT_COMMANDS_PER_SECOND",
     Number{[](Config& c) -> auto& { return c.project_limits.commands_per_second; }, 0, 1'000'000'000}},
    {"project_burst", "REDIS_PROJECT_BURST",
     Number{[](Config& c) -> auto& { return c.project_limits.burst; }, 0, 1'000'000'000}},
    {"busy_poll", "REDIS_BUSY_POLL",
     Span{[](Config& c) -> auto& { return c.busy_poll; }, Duration::zero(), longest_busy_poll}},
    {"io_threads", "REDIS_IO_THREADS", Size{[](Config& c) -> auto& { return c.io_threads; }, 1, 64}},
};
// clang-format on

// The places give out mutable references; a reader's config is not changed through them.
template <class Place>
const auto& read(const Place& place, const Config& config) {
    return place.field(const_cast<Config&>(config));
}

template <std::unsigned_integral T>
std::string range(const Bounded<T>& place) {
    return fmt::format("a whole number, {} to {}", place.low, place.high);
}
std::string range(const Bounded<Duration>& place) {
    return fmt::format("seconds (1.5) or a number with us, ms, s, m or h, {} to {}",
                       place.low == Duration::zero() ? "0" : "above 0", format_duration(place.high));
}
std::string range(const Bounded<double>& place) {
    if (place.low == 0.0) return "a fraction, 0 (off) to 1";
    if (place.low <= above_zero) return "a fraction above 0, at most 1";
    return fmt::format("a fraction, {} to 1", place.low);
}
std::string range(const Unbounded<bool>&) { return "yes or no"; }
std::string range(const Unbounded<std::string>&) { return "printable text"; }
std::string range(const Unbounded<Environment>&) { return "production or development"; }
std::string range(const Unbounded<Protocol>&) { return "auto, 2 or 3"; }
std::string range(const Unbounded<PoolMode>&) { return "dedicated or shared"; }
std::string range(const Unbounded<AclUsers>&) { return "off, on or existing"; }
std::string range(const Unbounded<ReadFrom>&) { return "master, replica, replica_preferred or lowest_latency"; }

template <std::unsigned_integral T>
std::optional<T> parse(const Bounded<T>&, std::string_view text) {
    return parse_unsigned<T>(text);
}
std::optional<Duration> parse(const Bounded<Duration>&, std::string_view text) { return parse_duration(text); }
std::optional<double> parse(const Bounded<double>&, std::string_view text) { return parse_decimal(text); }
std::optional<bool> parse(const Unbounded<bool>&, std::string_view text) { return parse_flag(text); }
std::optional<std::string> parse(const Unbounded<std::string>&, std::string_view text) { return std::string{text}; }
std::optional<Environment> parse(const Unbounded<Environment>&, std::string_view text) {
    if (text == "production") return Environment::production;
    if (text == "development") return Environment::development;
    return std::nullopt;
}
std::optional<Protocol> parse(const Unbounded<Protocol>&, std::string_view text) {
    if (text == "auto") return Protocol::automatic;
    if (text == "2") return Protocol::resp2;
    if (text == "3") return Protocol::resp3;
    return std::nullopt;
}
std::optional<PoolMode> parse(const Unbounded<PoolMode>&, std::string_view text) {
    if (text == "dedicated") return PoolMode::dedicated;
    if (text == "shared") return PoolMode::shared;
    return std::nullopt;
}
std::optional<AclUsers> parse(const Unbounded<AclUsers>&, std::string_view text) {
    if (text == "off") return AclUsers::off;
    if (text == "on") return AclUsers::provisioned;
    if (text == "existing") return AclUsers::existing;
    return std::nullopt;
}
constexpr std::pair<std::string_view, ReadFrom> read_from_names[] = {{"master", ReadFrom::master},
                                                                     {"replica", ReadFrom::replica},
                                                                     {"replica_preferred", ReadFrom::replica_preferred},
                                                                     {"lowest_latency", ReadFrom::lowest_latency}};
std::optional<ReadFrom> parse(const Unbounded<ReadFrom>&, std::string_view text) {
    for (const auto& [name, value] : read_from_names) {
        if (text == name) return value;
    }
    return std::nullopt;
}

std::string write(Duration value) { return format_duration(value); }
std::string write(bool value) { return value ? "yes" : "no"; }
std::string write(const std::string& value) { return value; }
std::string write(Environment value) { return value == Environment::production ? "production" : "development"; }
std::string write(Protocol value) {
    return value == Protocol::automatic ? "auto" : value == Protocol::resp2 ? "2" : "3";
}
std::string write(PoolMode value) { return value == PoolMode::dedicated ? "dedicated" : "shared"; }
std::string write(AclUsers value) {
    return value == AclUsers::off ? "off" : value == AclUsers::provisioned ? "on" : "existing";
}
std::string write(ReadFrom value) { return std::string(read_from_names[static_cast<std::size_t>(value)].first); }
std::string write(std::size_t value) { return fmt::format("{}", value); }
std::string write(std::uint32_t value) { return fmt::format("{}", value); }
std::string write(double value) { return fmt::format("{}", value); }

bool is_printable(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
    });
}

/// What CLIENT SETNAME takes: it refuses blanks and anything that is not a plain printable character.
bool is_client_name(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace

std::span<const Setting> all_settings() noexcept { return settings; }

const Setting* find_setting(std::string_view name) noexcept {
    const auto* const found = std::find_if(std::begin(settings), std::end(settings),
                                           [&](const Setting& setting) { return setting.name == name; });
    return found == std::end(settings) ? nullptr : found;
}

std::string full_name(const Setting& setting) { return fmt::format("{} ({})", setting.name, setting.variable); }

std::optional<std::string> parse_into(const Setting& setting, std::string_view text, Config& config) {
    return std::visit(
        [&](const auto& place) -> std::optional<std::string> {
            auto value = parse(place, text);
            if (!value) return range(place);
            place.field(config) = std::move(*value);
            return std::nullopt;
        },
        setting.place);
}

std::optional<std::string> check_bounds(const Setting& setting, const Config& config) {
    return std::visit(
        [&](const auto& place) -> std::optional<std::string> {
            const auto& value = read(place, config);
            using Place = std::decay_t<decltype(place)>;
            if constexpr (std::is_same_v<Place, Text>) {
                if (setting.name == "client_name") {
                    if (!is_client_name(value)) return "printable ASCII without blanks";
                } else if (!is_printable(value)) {
                    return range(place);
                }
            } else if constexpr (requires { place.low; }) {
                // Written so that a NaN set by hand fails it.
                if (!(value >= place.low && value <= place.high)) return range(place);
            }
            return std::nullopt;
        },
        setting.place);
}

std::string current_value(const Setting& setting, const Config& config) {
    return std::visit([&](const auto& place) { return write(read(place, config)); }, setting.place);
}

std::vector<Problem> check_secrets(const Config& config) {
    std::vector<Problem> problems;
    const std::string admin = "admin_url (REDIS_ADMIN_URL)";
    if (!config.admin_url.empty()) {
        const ParsedUrl url = parse_url(config.admin_url);
        for (const Problem& problem : url.problems) problems.push_back({admin, problem.value, problem.allowed});
        if (url.target && url.target->deployment != Deployment::standalone)
            problems.push_back({admin, to_string(*url.target), "redis://, rediss:// or unix://, one server"});
        if (!url.options.empty())
            problems.push_back({admin, mask_url(config.admin_url), "a URL without options but db"});
        if (url.target && url.target->password.empty() && !url.target->is_local() &&
            config.environment == Environment::production)
            problems.push_back({admin, to_string(*url.target), "a password for a host that is not this machine", true});
    }
    constexpr std::size_t shortest_secret = 32;
    const std::string sentinel = "sentinel_password (REDIS_SENTINEL_PASSWORD)";
    if (config.sentinel_password.empty() && !config.sentinel_user.empty())
        problems.push_back({sentinel, "", "the password of sentinel_user", true});
    if (!is_printable(config.sentinel_password)) problems.push_back({sentinel, "***", "printable text"});
    const std::string secret = "acl_secret (REDIS_ACL_SECRET)";
    if (!config.acl_secret.empty() && config.acl_secret.size() < shortest_secret)
        problems.push_back({secret, "***", fmt::format("at least {} bytes", shortest_secret)});
    if (config.acl_users == AclUsers::off) return problems;

    const std::string users = full_name(*find_setting("acl_users"));
    const std::string mode = write(config.acl_users);
    if (config.pool_mode == PoolMode::shared)
        problems.push_back({users, mode, "off with pool_mode shared: a connection never changes its user", true});
    if (config.acl_users == AclUsers::provisioned && config.admin_url.empty())
        problems.push_back({users, mode,
                            "on together with admin_url (REDIS_ADMIN_URL), through which the users are made; existing "
                            "when they are there",
                            true});
    if (config.acl_users == AclUsers::existing && config.acl_secret.empty() && !config.acl_secret_provider)
        problems.push_back({users, mode,
                            "existing together with acl_secret (REDIS_ACL_SECRET) or a provider: else nobody knows the "
                            "users' secrets",
                            true});
    return problems;
}

namespace {

// What only some deployments have.
template <class Blame>
void check_deployment(const Config& config, const Target& target, const Blame& blame, std::vector<Problem>& problems) {
    if (target.deployment != Deployment::sentinel) {
        constexpr std::string_view only = "only with a redis+sentinel:// URL";
        if (!config.sentinel_user.empty()) blame("sentinel_user", std::string(only));
        if (!config.sentinel_password.empty())
            problems.push_back({"sentinel_password (REDIS_SENTINEL_PASSWORD)", "***", std::string(only), true});
    }
    if (config.key_colocation && target.deployment != Deployment::cluster)
        blame("key_colocation", "no; yes only with a redis+cluster:// URL: elsewhere all keys are together already");
    // The servers of a group do not tell one another of their users, so they would be missing after a failover.
    if (target.deployment != Deployment::standalone && config.acl_users == AclUsers::provisioned)
        blame("acl_users", "off or existing with a redis+sentinel:// or redis+cluster:// URL");
    if (config.read_from == ReadFrom::replica && target.deployment == Deployment::standalone)
        blame("read_from",
              "master, replica_preferred or lowest_latency; replica only with a redis+sentinel:// or redis+cluster:// "
              "URL");
}

}  // namespace

std::vector<Problem> check_relations(const Config& config, const Target* target, const std::set<const Setting*>& bad) {
    std::vector<Problem> problems;
    const auto sound = [&](std::string_view name) { return !bad.contains(find_setting(name)); };
    const auto blame = [&](std::string_view name, std::string allowed) {
        const Setting& setting = *find_setting(name);
        problems.push_back({full_name(setting), current_value(setting, config), std::move(allowed), true});
    };
    const auto differ = [&](bool wrong, std::string_view name, std::string_view order, std::string_view other) {
        if (wrong && sound(name) && sound(other))
            blame(name, fmt::format("{} {}, {}", order, other, current_value(*find_setting(other), config)));
    };
    differ(config.min_idle_connections > config.max_connections, "min_idle_connections", "at most", "max_connections");
    differ(config.max_total_connections < config.max_connections, "max_total_connections", "at least",
           "max_connections");
    differ(config.retry_delay_max < config.retry_delay, "retry_delay_max", "at least", "retry_delay");
    differ(config.memory_critical_threshold <= config.memory_warning_threshold, "memory_critical_threshold", "above",
           "memory_warning_threshold");
    differ(config.reply_limits.max_bulk_bytes > config.reply_limits.max_reply_bytes, "max_bulk_bytes", "at most",
           "max_reply_bytes");
    const CircuitBreakerConfig& breaker = config.circuit_breaker;
    const bool windowed = breaker.failure_rate_threshold > 0 || breaker.slow_call_rate_threshold > 0;
    differ(windowed && breaker.window_time == Duration::zero() && breaker.minimum_calls > breaker.window_calls,
           "circuit_breaker_minimum_calls", "at most", "circuit_breaker_window_calls");
    // An attempt ends by its time-out: none could be slow.
    differ(breaker.slow_call_rate_threshold > 0 && breaker.slow_call_duration >= config.attempt_timeout,
           "circuit_breaker_slow_call_duration", "below", "attempt_timeout");
    if (config.tls.cert.empty() != config.tls.key.empty())
        blame(config.tls.cert.empty() ? "tls_cert" : "tls_key", "tls_cert and tls_key, both or neither");

    const bool production = config.environment != Environment::development && sound("environment");
    if (!config.tls.verify && production) blame("tls_verify", "yes; no only with environment=development");
    if (!target) return problems;
    check_deployment(config, *target, blame, problems);

    // Whoever names a certificate believes that the connection is encrypted.
    if (target->scheme != Target::Scheme::tls) {
        for (const auto name : {"tls_ca", "tls_cert", "tls_key", "tls_server_name"})
            if (!current_value(*find_setting(name), config).empty()) blame(name, "only with a rediss:// URL");
    }
    if (production && target->password.empty() && !config.credentials_provider && !target->is_local())
        problems.push_back({"url (REDIS_URL)", to_string(*target),
                            "a password (redis://:password@host) for a host that is not this machine; none is needed "
                            "with environment=development",
                            true});
    return problems;
}

}  // namespace redoubt::base
