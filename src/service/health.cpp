// service: health; see the header.
#include "service/health.hpp"

#include <charconv>
#include <chrono>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace redoubt::service {
namespace {

namespace json = boost::json;

std::int64_t number(std::string_view text) {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

double seconds_since_epoch() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

json::object server_json(std::string_view info, const Target& target) {
    json::object server{{"endpoint", target.endpoint()}};
    const std::string_view valkey = info_field(info, "valkey_version");
    const std::string_view version = valkey.empty() ? info_field(info, "redis_version") : valkey;
    if (version.empty()) return server;  // a managed server may refuse INFO
    server["kind"] = valkey.empty() ? "redis" : "valkey";
    server["version"] = version;
    server["role"] = info_field(info, "role");
    server["uptime_seconds"] = number(info_field(info, "uptime_in_seconds"));
    server["connected_clients"] = number(info_field(info, "connected_clients"));
    return server;
}

json::object memory_json(const MemoryReading& memory) {
    if (!memory.known) return {{"status", memory.status}};
    return {{"status", memory.status},
            {"usage_percentage", memory.usage_fraction},
            {"usage_bytes", memory.usage_bytes},
            {"max_memory_bytes", memory.max_bytes},
            {"limit", memory.limit_is_machine ? "machine" : "maxmemory"},
            {"eviction_policy", memory.policy}};
}

json::array advice_json(const MemoryReading& memory, const SecurityReading& security, std::size_t projects,
                        std::string_view circuit) {
    json::array advice;
    add_security_advice(advice, security);
    if (circuit == "disabled") advice.emplace_back("the circuit breaker was disabled by hand: enable() ends that");
    if (circuit == "forced_open") advice.emplace_back("the circuit breaker was opened by hand: reset() closes it");
    if (!memory.known) return advice;
    if (memory.limit_is_machine) advice.emplace_back("no memory limit is set (maxmemory 0): the machine's is assumed");
    if (memory.policy == "noeviction") {
        advice.emplace_back("no eviction policy is set: writes fail when the memory is full");
    } else if (memory.policy.starts_with("allkeys") && projects > 1) {
        advice.emplace_back(
            fmt::format("eviction policy {}: one project's growth can push out another project's keys", memory.policy));
    }
    return advice;
}

}  // namespace

std::string_view info_field(std::string_view info, std::string_view name) noexcept {
    for (std::size_t at = 0; at < info.size();) {
        const std::size_t end = std::min(info.find("\r\n", at), info.size());
        const std::string_view line = info.substr(at, end - at);
        if (line.size() > name.size() && line[name.size()] == ':' && line.starts_with(name)) {
            return line.substr(name.size() + 1);
        }
        at = end + 2;
    }
    return {};
}

MemoryReading read_memory(std::string_view info, const RedisServiceConfig& config) {
    MemoryReading memory;
    const std::string_view used = info_field(info, "used_memory");
    if (used.empty()) return memory;
    memory.known = true;
    memory.usage_bytes = number(used);
    memory.max_bytes = number(info_field(info, "maxmemory"));
    memory.policy = info_field(info, "maxmemory_policy");
    if (memory.max_bytes == 0) {
        memory.limit_is_machine = true;
        memory.max_bytes = number(info_field(info, "total_system_memory"));
    }
    if (memory.max_bytes > 0) {
        memory.usage_fraction = static_cast<double>(memory.usage_bytes) / static_cast<double>(memory.max_bytes);
    }
    memory.status = memory.usage_fraction >= config.memory_critical_threshold  ? "critical"
                    : memory.usage_fraction >= config.memory_warning_threshold ? "warning"
                                                                               : "healthy";
    return memory;
}

json::object judge_health(const HealthSample& sample, json::object factory, const RedisServiceConfig& config,
                          const Target& target, std::size_t projects) {
    const MemoryReading memory = read_memory(sample.info, config);
    const json::string& circuit = factory["circuit_breaker"].as_object()["state"].as_string();
    // INFO may be refused by a managed server: then health says what is unknown and is not worse for it.
    const bool failed = sample.failure && sample.failed_step != "info";
    std::string_view status = "healthy";
    const bool refuses = circuit == "open" || circuit == "forced_open";
    if (failed || refuses || memory.status == "critical") {
        status = "unhealthy";
    } else if (circuit == "half_open" || memory.status == "warning") {
        status = "degraded";
    }
    factory["status"] = failed || refuses ? "unhealthy" : circuit == "half_open" ? "degraded" : "healthy";

    json::object tests{{"status", failed ? "failed" : "passed"}};
    json::object times;
    if (!failed || sample.failed_step != "ping") times["ping"] = sample.ping_ms;
    if (!failed) times["set_get_delete"] = sample.set_get_delete_ms;
    tests["response_times_ms"] = std::move(times);
    if (sample.failure) {
        tests["failed_step"] = sample.failed_step;
        tests["error"] = fmt::format("{}: {}", to_string(sample.failure->kind), sample.failure->message());
    }
    return {{"status", status},
            {"timestamp", seconds_since_epoch()},
            {"service", "redis"},
            {"server", server_json(sample.info, target)},
            {"factory", std::move(factory)},
            {"test_operations", std::move(tests)},
            {"memory", memory_json(memory)},
            {"security", security_json(sample.security)},
            {"advice", advice_json(memory, sample.security, projects, circuit)}};
}

}  // namespace redoubt::service
