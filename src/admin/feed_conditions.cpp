// admin: conditions and alerts of the live feed; see the header.
#include "admin/feed_conditions.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include "base/text_values.hpp"

namespace redoubt::admin {
namespace {

namespace json = boost::json;

// Callers who wait for a moment are everyday life; for some seconds on end they are news.
constexpr int rounds_until_told = 3;
constexpr int rounds_until_over = 10;

std::string seconds_text(double seconds) {
    const auto whole = std::chrono::seconds(static_cast<std::int64_t>(std::max(seconds, 1.0)));
    return base::format_duration(std::chrono::duration_cast<Duration>(whole));
}

bool is_unreachable(ErrorKind kind) noexcept { return kind == ErrorKind::connection || kind == ErrorKind::timeout; }

void judge_breaker(std::string_view state, std::vector<Condition>& found) {
    if (state == "open") {
        found.push_back({"circuit breaker", Level::unhealthy,
                         "the circuit breaker is open: calls fail at once until the server answers its probes"});
    } else if (state == "forced_open") {
        found.push_back({"circuit breaker", Level::unhealthy,
                         "the circuit breaker was opened by hand: calls fail at once until it is reset"});
    } else if (state == "half_open") {
        found.push_back(
            {"circuit breaker", Level::degraded, "the circuit breaker is half-open: it is trying the server"});
    } else if (state == "disabled") {
        found.push_back({"circuit breaker", Level::good, "the circuit breaker was disabled by hand"});
    }
}

void judge_memory(const json::object& memory, std::vector<Condition>& found) {
    const std::string_view status = text_in(memory, "status");
    if (status != "warning" && status != "critical") return;
    found.push_back({"memory", status == "critical" ? Level::unhealthy : Level::degraded,
                     fmt::format("memory is {}: {:.0f}% of its limit is used", status,
                                 number_in(memory, "usage_percentage") * 100)});
}

}  // namespace

std::string why_of(const Error& error) {
    const std::string_view reason = error.reason();
    return std::string(reason.empty() ? to_string(error.kind) : reason);
}

const json::object& object_in(const json::object& parent, std::string_view name) noexcept {
    static const json::object none;
    const json::value* value = parent.if_contains(name);
    const json::object* found = value == nullptr ? nullptr : value->if_object();
    return found == nullptr ? none : *found;
}

std::string_view text_in(const json::object& parent, std::string_view name) noexcept {
    const json::value* value = parent.if_contains(name);
    const json::string* found = value == nullptr ? nullptr : value->if_string();
    return found == nullptr ? std::string_view() : std::string_view(*found);
}

double number_in(const json::object& parent, std::string_view name) noexcept {
    const json::value* value = parent.if_contains(name);
    if (value == nullptr) return 0;
    if (const double* real = value->if_double()) return *real;
    if (const auto* whole = value->if_int64()) return static_cast<double>(*whole);
    if (const auto* natural = value->if_uint64()) return static_cast<double>(*natural);
    return 0;
}

std::string_view to_string(Level level) noexcept {
    switch (level) {
        case Level::good: return "healthy";
        case Level::degraded: return "degraded";
        case Level::unhealthy: return "unhealthy";
        case Level::unreachable: return "unreachable";
    }
    return "unknown";
}

std::vector<Condition> FeedConditions::judge(const FeedReading& reading, std::vector<Alert>& alerts) {
    std::vector<Condition> found;
    const json::value* initialized = reading.metrics.if_contains("initialized");
    if (initialized == nullptr || *initialized != true) {
        const bool starting = reading.down_reason.empty();
        found.push_back({"server", starting ? Level::degraded : Level::unreachable,
                         starting ? "the service has only just started, and connects" : reading.down_reason});
        if (!starting) tell(found, reading.time, alerts);
        return found;
    }
    const json::object& factory = object_in(reading.metrics, "connection_factory");
    const json::object& breaker = object_in(factory, "circuit_breaker");
    const std::string_view state = text_in(breaker, "state");
    judge_server(reading, state, found);
    judge_breaker(state, found);
    judge_memory(object_in(reading.health, "memory"), found);
    judge_pools(factory, found);
    std::stable_sort(found.begin(), found.end(),
                     [](const Condition& a, const Condition& b) { return a.level > b.level; });
    tell(found, reading.time, alerts);
    return found;
}

// The newest word counts: a probe's, or that of a health check which began after the probes last changed their mind.
void FeedConditions::judge_server(const FeedReading& reading, std::string_view breaker, std::vector<Condition>& found) {
    const json::object& tests = object_in(reading.health, "test_operations");
    const double checked = number_in(reading.health, "timestamp");
    if (const auto& probe = reading.probe) {
        // A breaker's refusal says nothing new of the server.
        const bool refused = probe->error && probe->error->kind == ErrorKind::circuit_open;
        std::string why = !probe->error ? std::string() : refused ? unreachable_why_ : why_of(*probe->error);
        if (probe->error && !refused && !is_unreachable(probe->error->kind)) {
            found.push_back({"server", Level::unhealthy, std::move(why)});
            return;
        }
        if (why.empty() != unreachable_why_.empty()) reachability_since_ = reading.time;
        unreachable_why_ = std::move(why);
    } else if (checked > reachability_since_ && !unreachable_why_.empty() && text_in(tests, "status") == "passed") {
        unreachable_why_.clear();
        reachability_since_ = checked;
    }
    if (!unreachable_why_.empty()) {
        found.push_back({"server", Level::unreachable, unreachable_why_});
        return;
    }
    // What the page cannot see by itself: a test operation that fails, a replica that is down.
    if (checked <= reachability_since_) return;
    if (text_in(tests, "status") == "failed" && breaker == "closed") {
        found.push_back(
            {"health check", Level::unhealthy,
             fmt::format("the health check's {} failed: {}", text_in(tests, "failed_step"), text_in(tests, "error"))});
        return;
    }
    const std::string_view memory = text_in(object_in(reading.health, "memory"), "status");
    const std::string_view status = text_in(reading.health, "status");
    if (memory == "warning" || memory == "critical" || breaker != "closed") return;  // said there
    if (status != "degraded" && status != "unhealthy") return;
    std::string text = fmt::format("the health check says {}", status);
    if (const json::value* reasons = reading.health.if_contains("reasons"); reasons != nullptr && reasons->is_array()) {
        for (const json::value& reason : reasons->get_array()) {
            if (reason.is_string())
                text.append(&reason == &reasons->get_array().front() ? ": " : "; ").append(reason.get_string());
        }
    }
    found.push_back({"health check", status == "unhealthy" ? Level::unhealthy : Level::degraded, std::move(text)});
}

void FeedConditions::judge_pools(const json::object& factory, std::vector<Condition>& found) {
    std::string_view fullest;
    double most = 0;
    for (const auto& [name, pool] : object_in(factory, "pools")) {
        const json::object* figures = pool.if_object();
        const double waiting = figures == nullptr ? 0 : number_in(*figures, "waiting_callers");
        if (waiting > most) {
            most = waiting;
            fullest = name;
        }
    }
    if (most > 0) {
        ++rounds_with_waiters_;
        rounds_without_waiters_ = 0;
        pools_text_ = fmt::format("{} callers wait for a connection of {}", most, fullest);
    } else if (++rounds_without_waiters_ >= rounds_until_over) {
        rounds_with_waiters_ = 0;
    }
    if (rounds_with_waiters_ >= rounds_until_told) found.push_back({"pools", Level::degraded, pools_text_, false});
}

void FeedConditions::tell(const std::vector<Condition>& found, double now, std::vector<Alert>& alerts) {
    for (const Condition& one : found) {
        Lasting& known = lasting_[one.subject];
        if (known.since == 0) known.since = now;
        if (one.level > known.level) {
            alerts.push_back({now, one.level == Level::degraded ? "warning" : "critical", one.text});
        }
        known.level = one.level;
    }
    std::erase_if(lasting_, [&](const auto& known) {
        const std::string& subject = known.first;
        const Lasting& lasting = known.second;
        if (std::any_of(found.begin(), found.end(), [&](const Condition& one) { return one.subject == subject; })) {
            return false;
        }
        if (lasting.level > Level::good) {
            alerts.push_back(
                {now, "resolved", fmt::format("{}: over after {}", subject, seconds_text(now - lasting.since))});
        }
        return true;
    });
}

}  // namespace redoubt::admin
