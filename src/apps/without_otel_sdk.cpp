// apps: a build without OpenTelemetry's SDK exports nothing; compiled in place of otel_sdk.cpp.
#include "apps/otel_sdk.hpp"

namespace redoubt::apps {

OtelSdk::OtelSdk() = default;
OtelSdk::~OtelSdk() = default;
void OtelSdk::watch(RedisService&) const {}

}  // namespace redoubt::apps
