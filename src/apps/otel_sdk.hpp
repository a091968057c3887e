// apps: OpenTelemetry's SDK, for whoever runs the command with OTEL_EXPORTER_OTLP_ENDPOINT.
#pragma once

#include <redoubt/service/service.hpp>

namespace redoubt::apps {

/// While it lives, spans and metrics go to a collector by OTLP/HTTP, as OpenTelemetry's own variables say
/// (`OTEL_EXPORTER_OTLP_ENDPOINT`, `_TRACES_ENDPOINT`, `_METRICS_ENDPOINT`, `_HEADERS`; `OTEL_SERVICE_NAME`,
/// `OTEL_METRIC_EXPORT_INTERVAL` in milliseconds, `OTEL_SDK_DISABLED`). Where none of the endpoints is set, or this build
/// has no SDK, it does nothing. At its end what was not sent yet is sent, for five seconds at most.
class OtelSdk {
public:
    OtelSdk();
    ~OtelSdk();
    OtelSdk(const OtelSdk&) = delete;
    OtelSdk& operator=(const OtelSdk&) = delete;

    /// Before `service.initialize()`.
    void watch(RedisService& service) const;

private:
    bool traces_ = false;
    bool metrics_ = false;
};

}  // namespace redoubt::apps
