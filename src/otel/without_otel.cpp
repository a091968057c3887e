// otel: what a build without OpenTelemetry says; compiled in place of all other files of this room.
#include <redoubt/otel/otel_telemetry.hpp>

#include <redoubt/base/error.hpp>

namespace redoubt {
namespace {

Error without_otel() {
    return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                     "this build of Redoubt is without OpenTelemetry: build it with -DREDOUBT_OTEL=ON, which needs the "
                     "headers of opentelemetry-cpp 1.19 or newer");
}

}  // namespace

bool has_otel() noexcept { return false; }
std::shared_ptr<Telemetry> make_otel_telemetry(OtelOptions) { raise(without_otel()); }
void add_otel_telemetry(RedisService&, OtelOptions) { raise(without_otel()); }
std::unique_ptr<CallContext> otel_context() { raise(without_otel()); }

}  // namespace redoubt
