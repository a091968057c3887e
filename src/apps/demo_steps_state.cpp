// apps: demo: what the service tells of itself: health and metrics.
#include <fmt/format.h>

#include "apps/demo.hpp"
#include "apps/output.hpp"

namespace redoubt::apps {
namespace {

/// The field at a JSON pointer as text, `?` where there is none.
std::string field(const boost::json::value& root, const char* pointer) {
    boost::system::error_code code;
    const boost::json::value* found = root.find_pointer(pointer, code);
    if (found == nullptr) return "?";
    if (const auto* text = found->if_string()) return std::string(text->data(), text->size());
    return pretty(*found);
}

StepResult summary(const boost::json::value& metrics) {
    const char* breaker = "/connection_factory/circuit_breaker";
    const std::string initialized = field(metrics, "/initialized");
    const std::string pools = field(metrics, "/connection_factory/pools_count");
    const std::string state = field(metrics, fmt::format("{}/state", breaker).c_str());
    const std::string calls = field(metrics, fmt::format("{}/metrics/total_calls", breaker).c_str());
    const std::string rate = field(metrics, fmt::format("{}/metrics/success_rate", breaker).c_str());
    const bool complete = pools != "?" && calls != "?" && rate != "?";
    return StepResult::check(initialized == "true" && state == "closed" && complete,
                             fmt::format("initialized {}, {} pools, breaker {}, {} calls, success rate {}", initialized,
                                         pools, state, calls, rate),
                             "initialized true, breaker closed, and every field there");
}

}  // namespace

void show_health(Demo& demo) {
    boost::json::object health;
    demo.report.step("health_check() under 100 ms", [&] {
        const TimePoint begin = Clock::now();
        health = demo.service->health_check();
        const double elapsed = milliseconds(Clock::now() - begin);
        const std::string status = field(health, "/status");
        // A foreign server may rightly be degraded: memory near its limit, say.
        const bool fine = status == "healthy" || (!demo.is_own() && status == "degraded");
        return StepResult::check(fine && elapsed < 100, fmt::format("{} in {:.2f} ms", status, elapsed),
                                 "healthy in under 100 ms");
    });
    if (!health.empty()) demo.report.attach("health", health);
}

void show_metrics(Demo& demo) {
    demo.report.step("get_metrics()", [&] { return summary(demo.service->get_metrics()); });
}

}  // namespace redoubt::apps
