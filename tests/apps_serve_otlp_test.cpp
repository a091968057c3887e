// apps: `redoubt serve` tells an OpenTelemetry collector of its calls and its figures, where the environment names one.
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/embedded/embedded_server.hpp>

#include "support/otlp_collector.hpp"
#include "support/processes.hpp"
#include "support/servers.hpp"
#include "support/serving.hpp"

namespace redoubt {
namespace {

using testing::Collector;
using Words = std::vector<std::string>;
namespace json = boost::json;

class ServeOtlp : public ::testing::TestWithParam<std::string> {
protected:
    ServeOtlp() {
        EmbeddedServerOptions options;
        options.program = GetParam();
        options.start_timeout = std::chrono::seconds(30);
        server_.emplace(options);
    }
    testing::Serving serve(Words environment) {
        environment.push_back("REDIS_URL=" + server_->url());
        return {REDOUBT_PROGRAM, {}, std::move(environment)};
    }
    static std::set<std::string> names(const std::vector<json::value>& all) {
        std::set<std::string> out;
        for (const json::value& each : all) out.emplace(each.at("name").as_string());
        return out;
    }

    std::optional<EmbeddedServer> server_;
    Collector collector_;
};

TEST_P(ServeOtlp, SpansAndMetricsReachTheCollectorThatTheEnvironmentNames) {
    testing::Serving serving = serve({"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector_.url(""), "OTEL_SERVICE_NAME=cache",
                                      "OTEL_METRIC_EXPORT_INTERVAL=200"});
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/my-key", "my-value").status, 204U);
    EXPECT_EQ(serving.get("/projects/p/cache/my-key").body, "my-value");
    const auto spans = [&] {
        return testing::inner(collector_.received("/v1/traces"), "resourceSpans", "scopeSpans", "spans");
    };
    const auto metrics = [&] {
        return testing::inner(collector_.received("/v1/metrics"), "resourceMetrics", "scopeMetrics", "metrics");
    };
    EXPECT_TRUE(testing::eventually([&] {
        const std::set<std::string> seen = names(spans());
        return seen.contains("SET") && seen.contains("GET");
    }));
    EXPECT_TRUE(testing::eventually([&] { return names(metrics()).contains("db.client.operation.duration"); }));
    EXPECT_EQ(collector_.faults(), Words{});
    for (const json::value& request : collector_.received("/v1/traces")) {
        for (const json::value& resource : request.at("resourceSpans").as_array()) {
            EXPECT_EQ(testing::texts_of(resource.at("resource").at("attributes"))["service.name"], "cache");
        }
        EXPECT_EQ(json::serialize(request).find("my-"), std::string::npos);
    }
}

// What a collector that is not there costs is its spans, not the service.
TEST_P(ServeOtlp, ACollectorThatIsGoneHindersNobody) {
    testing::Serving serving =
        serve({"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_METRIC_EXPORT_INTERVAL=200"});
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/k", "v").status, 204U);
    EXPECT_EQ(serving.get("/projects/p/cache/k").body, "v");
    EXPECT_EQ(serving.get("/health").status, 200U);
}

INSTANTIATE_TEST_SUITE_P(BothServers, ServeOtlp, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& one) { return one.param.substr(0, one.param.find('-')); });

}  // namespace
}  // namespace redoubt
