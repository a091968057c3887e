// bench: OpenTelemetry's SDK with everything sampled and nothing sent.
#include "support/otel_sdk.hpp"

#ifndef REDOUBT_HAS_OTEL_SDK
#include <stdexcept>

void bench::install_otel_sdk() { throw std::invalid_argument("this build has no OpenTelemetry SDK"); }

#else
#include <chrono>
#include <memory>
#include <utility>

#include <opentelemetry/metrics/provider.h>
#include <opentelemetry/sdk/metrics/meter_provider.h>
#include <opentelemetry/sdk/metrics/meter_provider_factory.h>
#include <opentelemetry/sdk/metrics/metric_reader.h>
#include <opentelemetry/sdk/trace/exporter.h>
#include <opentelemetry/sdk/trace/simple_processor_factory.h>
#include <opentelemetry/sdk/trace/span_data.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/trace/provider.h>

namespace bench {
namespace {

namespace api = opentelemetry;
namespace sdk = opentelemetry::sdk;

class Discards final : public sdk::trace::SpanExporter {
public:
    std::unique_ptr<sdk::trace::Recordable> MakeRecordable() noexcept override {
        return std::make_unique<sdk::trace::SpanData>();
    }
    sdk::common::ExportResult Export(
        const api::nostd::span<std::unique_ptr<sdk::trace::Recordable>>&) noexcept override {
        return sdk::common::ExportResult::kSuccess;
    }
    bool ForceFlush(std::chrono::microseconds) noexcept override { return true; }
    bool Shutdown(std::chrono::microseconds) noexcept override { return true; }
};

class NeverReads final : public sdk::metrics::MetricReader {
public:
    sdk::metrics::AggregationTemporality GetAggregationTemporality(
        sdk::metrics::InstrumentType) const noexcept override {
        return sdk::metrics::AggregationTemporality::kCumulative;
    }

private:
    bool OnForceFlush(std::chrono::microseconds) noexcept override { return true; }
    bool OnShutDown(std::chrono::microseconds) noexcept override { return true; }
};

}  // namespace

void install_otel_sdk() {
    auto tracers = sdk::trace::TracerProviderFactory::Create(
        sdk::trace::SimpleSpanProcessorFactory::Create(std::make_unique<Discards>()));
    const api::nostd::shared_ptr<api::trace::TracerProvider> traces(tracers.release());
    api::trace::Provider::SetTracerProvider(traces);
    auto meters = sdk::metrics::MeterProviderFactory::Create();
    meters->AddMetricReader(std::make_shared<NeverReads>());
    const api::nostd::shared_ptr<api::metrics::MeterProvider> metrics(meters.release());
    api::metrics::Provider::SetMeterProvider(metrics);
}

}  // namespace bench
#endif
