// otel: end to end: the SDK's OTLP/HTTP exporters send to a collector's stand-in on loopback, which decodes the protobuf.
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_options.h>
#include <opentelemetry/exporters/otlp/otlp_http_metric_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_http_metric_exporter_options.h>
#include <opentelemetry/sdk/metrics/export/periodic_exporting_metric_reader_factory.h>
#include <opentelemetry/sdk/metrics/export/periodic_exporting_metric_reader_options.h>
#include <opentelemetry/sdk/trace/batch_span_processor_factory.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <boost/json.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/otel_sdk.hpp"
#include "support/otlp_collector.hpp"

namespace redoubt {
namespace {

namespace otlp = opentelemetry::exporter::otlp;
using namespace std::chrono_literals;
using namespace redoubt::testing;

class OtelExport : public LiveServiceTest {};

TEST_P(OtelExport, SpansAndMetricsReachACollector) {
    Collector collector;
    const OtelSdk restores;  // the no-op providers, at the end
    otlp::OtlpHttpExporterOptions trace_options;
    trace_options.url = collector.url("/v1/traces");
    trace_options.content_type = otlp::HttpRequestContentType::kBinary;
    auto tracers = sdk::trace::TracerProviderFactory::Create(sdk::trace::BatchSpanProcessorFactory::Create(
        otlp::OtlpHttpExporterFactory::Create(trace_options), sdk::trace::BatchSpanProcessorOptions{}));
    auto* const flushes_spans = static_cast<sdk::trace::TracerProvider*>(tracers.get());
    OtelSdk::install(std::move(tracers));

    otlp::OtlpHttpMetricExporterOptions metric_options;
    metric_options.url = collector.url("/v1/metrics");
    metric_options.content_type = otlp::HttpRequestContentType::kBinary;
    auto meters = sdk::metrics::MeterProviderFactory::Create();
    sdk::metrics::PeriodicExportingMetricReaderOptions seldom;
    seldom.export_interval_millis = 60s;
    seldom.export_timeout_millis = 30s;
    meters->AddMetricReader(sdk::metrics::PeriodicExportingMetricReaderFactory::Create(
        otlp::OtlpHttpMetricExporterFactory::Create(metric_options), seldom));
    auto* const flushes_metrics = static_cast<sdk::metrics::MeterProvider*>(meters.get());
    OtelSdk::install(std::move(meters));

    RedisService service(config());
    add_otel_telemetry(service, {.query_text = true});
    service.initialize();
    auto redis = service.get_connection("alpha");
    redis.set("my-key", "my-value");
    EXPECT_FALSE(redis.try_lpush("my-key", "my-value"));
    (void)redis.pipeline().get("my-key").get("my-key").execute();
    ASSERT_TRUE(flushes_spans->ForceFlush(30s));
    ASSERT_TRUE(flushes_metrics->ForceFlush(30s));

    EXPECT_EQ(collector.faults(), std::vector<std::string>{});
    const std::vector<json::value> traces = collector.received("/v1/traces");
    std::map<std::string, json::value> spans;
    for (const json::value& span : inner(traces, "resourceSpans", "scopeSpans", "spans")) {
        spans[std::string(span.at("name").as_string())] = span;
    }
    ASSERT_TRUE(spans.contains("SET") && spans.contains("LPUSH") && spans.contains("PIPELINE GET"));
    EXPECT_EQ(spans["SET"].at("kind").as_string(), "SPAN_KIND_CLIENT");
    EXPECT_EQ(texts_of(spans["SET"].at("attributes")), (Strings{{"db.system.name", "redis"},
                                                                {"db.operation.name", "SET"},
                                                                {"db.namespace", "0"},
                                                                {"db.query.text", "SET ? ?"},
                                                                {"server.address", server().socket_path()},
                                                                {"redoubt.project.id", "alpha"}}));
    EXPECT_EQ(spans["LPUSH"].at("status").at("code").as_string(), "STATUS_CODE_ERROR");
    EXPECT_EQ(texts_of(spans["LPUSH"].at("attributes")).at("error.type"), "WRONGTYPE");
    EXPECT_EQ(texts_of(spans["LPUSH"].at("attributes")).at("db.response.status_code"), "WRONGTYPE");
    EXPECT_EQ(texts_of(spans["PIPELINE GET"].at("attributes")).at("db.operation.batch.size"), "2");

    const std::vector<json::value> metrics = collector.received("/v1/metrics");
    std::map<std::string, json::value> by_name;
    for (const json::value& metric : inner(metrics, "resourceMetrics", "scopeMetrics", "metrics")) {
        by_name[std::string(metric.at("name").as_string())] = metric;
    }
    for (const char* name : {"db.client.operation.duration", "db.client.connection.count", "db.client.connection.max",
                             "db.client.connection.create_time", "redoubt.circuit_breaker.state", "redoubt.retries"}) {
        EXPECT_TRUE(by_name.contains(name)) << name;
    }
    std::set<std::string> operations;
    for (const json::value& point :
         by_name["db.client.operation.duration"].at("histogram").at("dataPoints").as_array()) {
        operations.insert(texts_of(point.at("attributes")).at("db.operation.name"));
    }
    EXPECT_TRUE(operations.contains("SET") && operations.contains("PIPELINE GET"));

    // Not a key, not a value, anywhere.
    for (const auto* all : {&traces, &metrics}) {
        for (const json::value& request : *all) {
            EXPECT_FALSE(contains(json::serialize(request), "my-key"));
            EXPECT_FALSE(contains(json::serialize(request), "my-value"));
        }
    }
}

REDOUBT_BOTH_SERVERS(OtelExport);

}  // namespace
}  // namespace redoubt
