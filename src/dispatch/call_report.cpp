// dispatch: telling of a watched call; see the header.
#include <redoubt/dispatch/call_report.hpp>

#include <utility>

namespace redoubt::dispatch {

void CallReport::begin(Telemetry& telemetry, const CallInfo& call, TimePoint since) {
    telemetry_ = &telemetry;
    call_ = call;
    began_ = since;
    started_ = telemetry.call_started(call);
    call_.context = nullptr;
    call_.text = nullptr;
}

void CallReport::end(const Error* error, std::uint32_t attempts, std::string_view endpoint) noexcept {
    Telemetry* const telemetry = std::exchange(telemetry_, nullptr);
    if (telemetry == nullptr) return;
    CallOutcome outcome;
    if (attempts != 0) outcome.endpoint = endpoint;
    outcome.duration = Clock::now() - began_;
    outcome.attempts = attempts;
    outcome.error = error;
    if (error == nullptr) outcome.reply_error = reply_error_.get();
    outcome.started = started_;
    telemetry->call_ended(call_, outcome);
}

}  // namespace redoubt::dispatch
