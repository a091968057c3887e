// bench: OpenTelemetry's SDK with everything sampled and nothing sent, to count what a call costs with it.
#pragma once

namespace bench {

/// Installs global providers. @throws std::invalid_argument when this build has no SDK
void install_otel_sdk();

}  // namespace bench
