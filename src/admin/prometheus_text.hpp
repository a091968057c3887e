// admin: the figures of a service as Prometheus asks for them. Pure.
#pragma once

#include <string>
#include <vector>

#include <redoubt/service/metrics_snapshot.hpp>

#include "admin/call_metrics.hpp"
#include "base/bounded_labels.hpp"

namespace redoubt::admin {

/// What the text is made from.
struct PrometheusSource {
    MetricsSnapshot snapshot;
    std::vector<CallMetrics::Row> calls;
    std::string health;  ///< `status` of the last health check; empty: none yet
    double memory_warning_ratio = 0;
    double memory_critical_ratio = 0;
    std::string version;
};

/// The text exposition format 0.0.4. Names are those of OpenTelemetry's metrics as Prometheus writes them: `.` becomes
/// `_`, the unit and `_total` are put behind. Every family is there from the first scrape on, though some have no series
/// before something happened. `pools`: whose labels the pools get, so that they stay the same from scrape to scrape.
std::string prometheus_text(const PrometheusSource& source, base::BoundedLabels& pools);

}  // namespace redoubt::admin
