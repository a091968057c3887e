// otel: the instruments of one meter: histograms that are told, and figures that are asked for.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <opentelemetry/metrics/async_instruments.h>
#include <opentelemetry/metrics/meter.h>
#include <opentelemetry/metrics/observer_result.h>
#include <opentelemetry/metrics/sync_instruments.h>

#include <redoubt/otel/otel_telemetry.hpp>

#include "base/bounded_labels.hpp"
#include "otel/attributes.hpp"

namespace redoubt::otel {

/// Thread-safe.
class Instruments {
public:
    Instruments(const api::nostd::shared_ptr<api::metrics::Meter>& meter, const OtelOptions& options,
                std::shared_ptr<base::BoundedLabels> labels);
    ~Instruments();
    Instruments(const Instruments&) = delete;
    Instruments& operator=(const Instruments&) = delete;

    void call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept;
    void connection_opened(std::string_view pool, Duration took) noexcept { record(*create_time_, pool, took); }
    void connection_obtained(std::string_view pool, Duration waited) noexcept { record(*wait_time_, pool, waited); }
    void connection_returned(std::string_view pool, Duration used) noexcept { record(*use_time_, pool, used); }

    /// No more figures are asked for.
    void stop_observing() noexcept;

private:
    using Histogram = api::metrics::Histogram<double>;
    class Figures;
    struct Observed;

    void record(Histogram& histogram, std::string_view pool, Duration time) noexcept;
    void observe_figures(api::metrics::Meter& meter);

    std::shared_ptr<base::BoundedLabels> labels_;
    api::nostd::unique_ptr<Histogram> duration_;
    api::nostd::unique_ptr<Histogram> create_time_;
    api::nostd::unique_ptr<Histogram> wait_time_;
    api::nostd::unique_ptr<Histogram> use_time_;
    std::shared_ptr<Figures> figures_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Observed>> observed_;
};

}  // namespace redoubt::otel
