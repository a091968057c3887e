// admin: /metrics and /metrics.json; see routes.hpp.
#include <utility>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/service/connection_factory.hpp>

#include "admin/prometheus_text.hpp"
#include "admin/routes.hpp"

namespace redoubt::admin {
namespace {

namespace asio = boost::asio;

class Metrics {
public:
    Metrics(RedisService& service, std::shared_ptr<const CallMetrics> calls, std::string version)
        : service_(service), calls_(std::move(calls)), version_(std::move(version)) {}

    std::string text() {
        PrometheusSource source;
        source.snapshot = service_.metrics_snapshot();
        source.calls = calls_->rows();
        source.version = version_;
        if (source.snapshot.initialized) look_at_health(source);
        return prometheus_text(source, pools_);
    }

private:
    void look_at_health(PrometheusSource& source) const {
        const auto factory = service_.factory();
        source.memory_warning_ratio = factory->config().memory_warning_threshold;
        source.memory_critical_ratio = factory->config().memory_critical_threshold;
        const boost::json::object health = service_.last_health();
        if (const auto* status = health.if_contains("status")) source.health = std::string(status->as_string());
    }

    RedisService& service_;
    std::shared_ptr<const CallMetrics> calls_;
    std::string version_;
    base::BoundedLabels pools_;
};

}  // namespace

void add_metrics_routes(Router& router, RedisService& service, std::shared_ptr<const CallMetrics> calls,
                        std::string version) {
    const auto metrics = std::make_shared<Metrics>(service, std::move(calls), std::move(version));
    router.add({"GET", "/metrics", [metrics](Request) -> asio::awaitable<Response> {
                    co_return Response::text(200, "text/plain; version=0.0.4; charset=utf-8", metrics->text());
                }});
    router.add({"GET", "/metrics.json", [&service](Request) -> asio::awaitable<Response> {
                    co_return Response::json(200, service.get_metrics());
                }});
}

}  // namespace redoubt::admin
