// apps: OpenTelemetry's SDK; see the header.
#include "apps/otel_sdk.hpp"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <opentelemetry/exporters/otlp/otlp_http_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_options.h>
#include <opentelemetry/exporters/otlp/otlp_http_metric_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_http_metric_exporter_options.h>
#include <opentelemetry/metrics/noop.h>
#include <opentelemetry/metrics/provider.h>
#include <opentelemetry/sdk/metrics/aggregation/aggregation_config.h>
#include <opentelemetry/sdk/metrics/export/periodic_exporting_metric_reader_factory.h>
#include <opentelemetry/sdk/metrics/export/periodic_exporting_metric_reader_options.h>
#include <opentelemetry/sdk/metrics/meter_provider.h>
#include <opentelemetry/sdk/metrics/meter_provider_factory.h>
#include <opentelemetry/sdk/metrics/view/instrument_selector_factory.h>
#include <opentelemetry/sdk/metrics/view/meter_selector_factory.h>
#include <opentelemetry/sdk/metrics/view/view_factory.h>
#include <opentelemetry/sdk/metrics/view/view_registry_factory.h>
#include <opentelemetry/sdk/resource/resource.h>
#include <opentelemetry/sdk/trace/batch_span_processor_factory.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/trace/noop.h>
#include <opentelemetry/trace/provider.h>

#include <redoubt/otel/otel_telemetry.hpp>

namespace redoubt::apps {
namespace {

namespace api = opentelemetry;
namespace sdk = opentelemetry::sdk;
namespace otlp = opentelemetry::exporter::otlp;

constexpr std::chrono::seconds last_words{5};
constexpr std::chrono::milliseconds usual_interval{60'000};

std::string_view variable(const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr ? std::string_view(value) : std::string_view();
}
bool is_wanted(const char* own_endpoint) {
    if (variable("OTEL_SDK_DISABLED") == "true") return false;
    return !variable("OTEL_EXPORTER_OTLP_ENDPOINT").empty() || !variable(own_endpoint).empty();
}

sdk::resource::Resource resource() {
    const bool is_named = !variable("OTEL_SERVICE_NAME").empty() ||
                          variable("OTEL_RESOURCE_ATTRIBUTES").find("service.name=") != std::string_view::npos;
    return sdk::resource::Resource::Create(is_named ? sdk::resource::ResourceAttributes{}
                                                    : sdk::resource::ResourceAttributes{{"service.name", "redoubt"}});
}

std::chrono::milliseconds export_interval() {
    const std::string_view text = variable("OTEL_METRIC_EXPORT_INTERVAL");
    std::int64_t milliseconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
    const bool is_number = error == std::errc() && end == text.data() + text.size() && milliseconds > 0;
    return is_number ? std::chrono::milliseconds(milliseconds) : usual_interval;
}

void install_traces() {
    otlp::OtlpHttpExporterOptions options;
    options.content_type = otlp::HttpRequestContentType::kBinary;
    auto provider = sdk::trace::TracerProviderFactory::Create(
        sdk::trace::BatchSpanProcessorFactory::Create(otlp::OtlpHttpExporterFactory::Create(options),
                                                      sdk::trace::BatchSpanProcessorOptions{}),
        resource());
    const api::nostd::shared_ptr<api::trace::TracerProvider> shared(provider.release());
    api::trace::Provider::SetTracerProvider(shared);
}

void install_metrics() {
    otlp::OtlpHttpMetricExporterOptions options;
    options.content_type = otlp::HttpRequestContentType::kBinary;
    auto provider = sdk::metrics::MeterProviderFactory::Create(sdk::metrics::ViewRegistryFactory::Create(), resource());
    sdk::metrics::PeriodicExportingMetricReaderOptions reader;
    reader.export_interval_millis = export_interval();
    reader.export_timeout_millis = reader.export_interval_millis / 2;
    provider->AddMetricReader(sdk::metrics::PeriodicExportingMetricReaderFactory::Create(
        otlp::OtlpHttpMetricExporterFactory::Create(options), reader));
    const auto buckets = std::make_shared<sdk::metrics::HistogramAggregationConfig>();
    buckets->boundaries_.assign(duration_boundaries.begin(), duration_boundaries.end());
    provider->AddView(
        sdk::metrics::InstrumentSelectorFactory::Create(sdk::metrics::InstrumentType::kHistogram, "db.client.*", "s"),
        sdk::metrics::MeterSelectorFactory::Create("redoubt", "", ""),
        sdk::metrics::ViewFactory::Create("", "", "s", sdk::metrics::AggregationType::kHistogram, buckets));
    const api::nostd::shared_ptr<api::metrics::MeterProvider> shared(provider.release());
    api::metrics::Provider::SetMeterProvider(shared);
}

}  // namespace

OtelSdk::OtelSdk()
    : traces_(is_wanted("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")),
      metrics_(is_wanted("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")) {
    if (traces_) install_traces();
    if (metrics_) install_metrics();
}

OtelSdk::~OtelSdk() {
    if (traces_) {
        const auto provider = api::trace::Provider::GetTracerProvider();
        if (auto* const own = dynamic_cast<sdk::trace::TracerProvider*>(provider.get())) own->ForceFlush(last_words);
        const api::nostd::shared_ptr<api::trace::TracerProvider> none(new api::trace::NoopTracerProvider);
        api::trace::Provider::SetTracerProvider(none);
    }
    if (metrics_) {
        const auto provider = api::metrics::Provider::GetMeterProvider();
        if (auto* const own = dynamic_cast<sdk::metrics::MeterProvider*>(provider.get())) own->ForceFlush(last_words);
        const api::nostd::shared_ptr<api::metrics::MeterProvider> none(new api::metrics::NoopMeterProvider);
        api::metrics::Provider::SetMeterProvider(none);
    }
}

void OtelSdk::watch(RedisService& service) const {
    if (!traces_ && !metrics_) return;
    OtelOptions options;
    options.traces = traces_;
    options.metrics = metrics_;
    add_otel_telemetry(service, std::move(options));
}

}  // namespace redoubt::apps
