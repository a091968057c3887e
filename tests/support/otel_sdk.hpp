// tests: the real SDK of OpenTelemetry as the process's provider, with what it records in memory and in plain strings.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <opentelemetry/exporters/memory/in_memory_span_data.h>
#include <opentelemetry/exporters/memory/in_memory_span_exporter_factory.h>
#include <opentelemetry/metrics/noop.h>
#include <opentelemetry/metrics/provider.h>
#include <opentelemetry/sdk/metrics/aggregation/aggregation_config.h>
#include <opentelemetry/sdk/metrics/data/metric_data.h>
#include <opentelemetry/sdk/metrics/export/metric_producer.h>
#include <opentelemetry/sdk/metrics/meter_provider.h>
#include <opentelemetry/sdk/metrics/meter_provider_factory.h>
#include <opentelemetry/sdk/metrics/metric_reader.h>
#include <opentelemetry/sdk/metrics/view/instrument_selector_factory.h>
#include <opentelemetry/sdk/metrics/view/meter_selector_factory.h>
#include <opentelemetry/sdk/metrics/view/view_factory.h>
#include <opentelemetry/sdk/trace/simple_processor_factory.h>
#include <opentelemetry/sdk/trace/span_data.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/trace/noop.h>
#include <opentelemetry/trace/provider.h>

#include <redoubt/otel/otel_telemetry.hpp>

namespace redoubt::testing {

namespace api = opentelemetry;
namespace sdk = opentelemetry::sdk;

using Strings = std::map<std::string, std::string>;

inline std::string to_text(const sdk::common::OwnedAttributeValue& value) {
    return api::nostd::visit(
        [](const auto& held) -> std::string {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<Held, std::string>) {
                return held;
            } else if constexpr (std::is_arithmetic_v<Held>) {
                return fmt::format("{}", held);
            } else {
                return "a list";
            }
        },
        value);
}
template <class Attributes>
Strings to_strings(const Attributes& attributes) {
    Strings out;
    for (const auto& [name, value] : attributes) out[name] = to_text(value);
    return out;
}
template <class Id>
std::string hex(const Id& id) {
    std::string text(2 * Id::kSize, '0');
    id.ToLowerBase16(api::nostd::span<char, 2 * Id::kSize>(text.data(), text.size()));
    return text;
}

struct Event {
    std::string name;
    Strings attributes;
};
struct Span {
    std::string name;
    std::string trace;
    std::string id;
    std::string parent;
    api::trace::SpanKind kind{};
    api::trace::StatusCode status{};
    std::string description;
    Strings attributes;
    std::vector<Event> events;
};
struct Point {
    Strings attributes;
    double value = 0;  // of a histogram: the sum
    std::uint64_t count = 0;
    std::vector<double> boundaries;
};
struct Metric {
    std::string unit;
    std::string type;
    std::vector<Point> points;

    /// @throws std::logic_error when none or several have these attributes
    const Point& at(const Strings& wanted) const {
        std::vector<const Point*> found;
        for (const Point& point : points) {
            if (std::includes(point.attributes.begin(), point.attributes.end(), wanted.begin(), wanted.end())) {
                found.push_back(&point);
            }
        }
        if (found.size() != 1) throw std::logic_error(fmt::format("{} points have these attributes", found.size()));
        return *found.front();
    }
};

/// Collects when it is asked to.
class AskedReader final : public sdk::metrics::MetricReader {
public:
    sdk::metrics::AggregationTemporality GetAggregationTemporality(
        sdk::metrics::InstrumentType) const noexcept override {
        return sdk::metrics::AggregationTemporality::kCumulative;
    }

private:
    bool OnForceFlush(std::chrono::microseconds) noexcept override { return true; }
    bool OnShutDown(std::chrono::microseconds) noexcept override { return true; }
};

inline std::string type_of(const sdk::metrics::InstrumentDescriptor& descriptor) {
    using sdk::metrics::InstrumentType;
    switch (descriptor.type_) {
        case InstrumentType::kCounter:
        case InstrumentType::kObservableCounter: return "counter";
        case InstrumentType::kHistogram: return "histogram";
        case InstrumentType::kUpDownCounter:
        case InstrumentType::kObservableUpDownCounter: return "up-down counter";
        case InstrumentType::kGauge:
        case InstrumentType::kObservableGauge: return "gauge";
    }
    return "unknown";
}

inline double to_number(const sdk::metrics::ValueType& value) {
    return api::nostd::visit([](auto number) { return static_cast<double>(number); }, value);
}

inline Point to_point(const sdk::metrics::PointDataAttributes& from) {
    Point point{to_strings(from.attributes), 0, 0, {}};
    if (const auto* sum = api::nostd::get_if<sdk::metrics::SumPointData>(&from.point_data)) {
        point.value = to_number(sum->value_);
    } else if (const auto* last = api::nostd::get_if<sdk::metrics::LastValuePointData>(&from.point_data)) {
        point.value = to_number(last->value_);
    } else if (const auto* all = api::nostd::get_if<sdk::metrics::HistogramPointData>(&from.point_data)) {
        point.value = to_number(all->sum_);
        point.count = all->count_;
        point.boundaries = all->boundaries_;
    }
    return point;
}

/// Global while it lives; afterwards the API's no-op providers are back.
class OtelSdk {
public:
    OtelSdk() {
        auto exporter = api::exporter::memory::InMemorySpanExporterFactory::Create(spans_, 1000);
        install(sdk::trace::TracerProviderFactory::Create(
            sdk::trace::SimpleSpanProcessorFactory::Create(std::move(exporter))));

        auto meters = sdk::metrics::MeterProviderFactory::Create();
        reader_ = std::make_shared<AskedReader>();
        meters->AddMetricReader(reader_);
        const auto config = std::make_shared<sdk::metrics::HistogramAggregationConfig>();
        config->boundaries_.assign(duration_boundaries.begin(), duration_boundaries.end());
        meters->AddView(
            sdk::metrics::InstrumentSelectorFactory::Create(sdk::metrics::InstrumentType::kHistogram, "db.client.*",
                                                            "s"),
            sdk::metrics::MeterSelectorFactory::Create("redoubt", "", ""),
            sdk::metrics::ViewFactory::Create("", "", "s", sdk::metrics::AggregationType::kHistogram, config));
        install(std::move(meters));
    }
    ~OtelSdk() {
        const api::nostd::shared_ptr<api::trace::TracerProvider> tracers(new api::trace::NoopTracerProvider);
        api::trace::Provider::SetTracerProvider(tracers);
        const api::nostd::shared_ptr<api::metrics::MeterProvider> meters(new api::metrics::NoopMeterProvider);
        api::metrics::Provider::SetMeterProvider(meters);
    }
    OtelSdk(const OtelSdk&) = delete;
    OtelSdk& operator=(const OtelSdk&) = delete;

    template <class Provider>
    static void install(std::unique_ptr<Provider> made) {
        if constexpr (std::is_base_of_v<api::trace::TracerProvider, Provider>) {
            const api::nostd::shared_ptr<api::trace::TracerProvider> provider(made.release());
            api::trace::Provider::SetTracerProvider(provider);
        } else {
            const api::nostd::shared_ptr<api::metrics::MeterProvider> provider(made.release());
            api::metrics::Provider::SetMeterProvider(provider);
        }
    }

    /// Those that ended since this was called last, but those of the library's own project.
    std::vector<Span> spans() {
        std::vector<Span> out;
        for (const auto& data : spans_->GetSpans()) {
            Span span;
            span.name = std::string(data->GetName());
            span.trace = hex(data->GetTraceId());
            span.id = hex(data->GetSpanId());
            span.parent = data->GetParentSpanId().IsValid() ? hex(data->GetParentSpanId()) : "";
            span.kind = data->GetSpanKind();
            span.status = data->GetStatus();
            span.description = std::string(data->GetDescription());
            span.attributes = to_strings(data->GetAttributes());
            for (const auto& event : data->GetEvents()) {
                span.events.push_back({event.GetName(), to_strings(event.GetAttributes())});
            }
            if (span.attributes["redoubt.project.id"] != "_redoubt") out.push_back(std::move(span));
        }
        return out;
    }
    /// The only one. @throws std::logic_error
    Span span() {
        std::vector<Span> all = spans();
        if (all.size() != 1) throw std::logic_error(fmt::format("{} spans instead of one", all.size()));
        return std::move(all.front());
    }

    /// Of the scope `redoubt`, collected now.
    std::map<std::string, Metric> metrics() {
        std::map<std::string, Metric> out;
        reader_->Collect([&](sdk::metrics::ResourceMetrics& resource) {
            for (const sdk::metrics::ScopeMetrics& scope : resource.scope_metric_data_) {
                for (const sdk::metrics::MetricData& data : scope.metric_data_) {
                    Metric& metric = out[data.instrument_descriptor.name_];
                    metric.unit = data.instrument_descriptor.unit_;
                    metric.type = type_of(data.instrument_descriptor);
                    for (const auto& point : data.point_data_attr_) metric.points.push_back(to_point(point));
                }
            }
            return true;
        });
        return out;
    }

private:
    std::shared_ptr<api::exporter::memory::InMemorySpanData> spans_;
    std::shared_ptr<AskedReader> reader_;
};

}  // namespace redoubt::testing
