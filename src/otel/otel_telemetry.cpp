// otel: the telemetry; see the header.
#include <redoubt/otel/otel_telemetry.hpp>

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include <opentelemetry/context/runtime_context.h>
#include <opentelemetry/metrics/noop.h>
#include <opentelemetry/metrics/provider.h>
#include <opentelemetry/trace/noop.h>
#include <opentelemetry/trace/provider.h>

#include "base/bounded_labels.hpp"
#include "otel/instruments.hpp"
#include "otel/names.hpp"
#include "otel/spans.hpp"

namespace redoubt {
namespace otel {
namespace {

using TracerPointer = api::nostd::shared_ptr<api::trace::Tracer>;
using MeterPointer = api::nostd::shared_ptr<api::metrics::Meter>;

// The providers themselves are not held: their owners end them by letting go of them.
TracerPointer current_tracer() {
    TracerPointer tracer = api::trace::Provider::GetTracerProvider()->GetTracer(scope);
    return dynamic_cast<api::trace::NoopTracer*>(tracer.get()) != nullptr ? TracerPointer() : tracer;
}
MeterPointer current_meter() {
    MeterPointer meter = api::metrics::Provider::GetMeterProvider()->GetMeter(scope);
    return dynamic_cast<api::metrics::NoopMeter*>(meter.get()) != nullptr ? MeterPointer() : meter;
}

class OtelTelemetry final : public Telemetry {
public:
    explicit OtelTelemetry(OtelOptions options)
        : options_(std::move(options)), labels_(std::make_shared<base::BoundedLabels>(options_.max_projects)) {
        refresh();
    }

    bool watches_calls() const noexcept override {
        const_cast<OtelTelemetry*>(this)->refresh();
        return bound_.load(std::memory_order_acquire)->is_live();
    }

    void* call_started(const CallInfo& call) noexcept override {
        const Bound& bound = *bound_.load(std::memory_order_acquire);
        if (!bound.tracer) return nullptr;
        return new CallSpan(*bound.tracer, call, options_.query_text);
    }
    void call_retried(void* started, const Error& error, Duration pause) noexcept override {
        if (started != nullptr) static_cast<CallSpan*>(started)->retried(error, pause);
    }
    void call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept override {
        if (outcome.started != nullptr) {
            const std::unique_ptr<CallSpan> span(static_cast<CallSpan*>(outcome.started));
            span->ended(call, outcome);
        }
        with_instruments([&](Instruments& instruments) { instruments.call_ended(call, outcome); });
    }
    void connection_opened(std::string_view, std::string_view pool, Duration took) noexcept override {
        with_instruments([&](Instruments& instruments) { instruments.connection_opened(pool, took); });
    }
    void connection_obtained(std::string_view, std::string_view pool, Duration waited) noexcept override {
        with_instruments([&](Instruments& instruments) { instruments.connection_obtained(pool, waited); });
    }
    void connection_returned(std::string_view, std::string_view pool, Duration used) noexcept override {
        with_instruments([&](Instruments& instruments) { instruments.connection_returned(pool, used); });
    }

private:
    // What belongs to the providers of some time.
    struct Bound {
        TracerPointer tracer;
        MeterPointer meter;
        std::unique_ptr<Instruments> instruments;
        bool is_live() const noexcept { return tracer || instruments != nullptr; }
    };

    template <class Tell>
    void with_instruments(Tell tell) noexcept {
        const Bound& bound = *bound_.load(std::memory_order_acquire);
        if (bound.instruments) tell(*bound.instruments);
    }

    // A provider gives the same tracer and meter each time, so another one says that the provider is another.
    void refresh() noexcept {
        const std::lock_guard lock(mutex_);
        TracerPointer tracer = options_.traces ? current_tracer() : TracerPointer();
        MeterPointer meter = options_.metrics ? current_meter() : MeterPointer();
        const Bound* const old = all_.empty() ? nullptr : all_.back().get();
        if (old != nullptr && old->tracer.get() == tracer.get() && old->meter.get() == meter.get()) return;
        if (old != nullptr && old->instruments) old->instruments->stop_observing();
        auto fresh = std::make_unique<Bound>();
        fresh->tracer = std::move(tracer);
        fresh->meter = std::move(meter);
        if (fresh->meter) fresh->instruments = std::make_unique<Instruments>(fresh->meter, options_, labels_);
        all_.push_back(std::move(fresh));
        bound_.store(all_.back().get(), std::memory_order_release);
    }

    const OtelOptions options_;
    const std::shared_ptr<base::BoundedLabels> labels_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Bound>> all_;  // calls that are under way may use the earlier ones still
    std::atomic<const Bound*> bound_{nullptr};
};

}  // namespace
}  // namespace otel

bool has_otel() noexcept { return true; }

std::shared_ptr<Telemetry> make_otel_telemetry(OtelOptions options) {
    return std::make_shared<otel::OtelTelemetry>(std::move(options));
}

void add_otel_telemetry(RedisService& service, OtelOptions options) {
    options.source = service.metrics_source();
    service.add_telemetry(make_otel_telemetry(std::move(options)));
}

std::unique_ptr<CallContext> otel_context() {
    return std::make_unique<otel::OtelContext>(otel::api::context::RuntimeContext::GetCurrent());
}

}  // namespace redoubt
