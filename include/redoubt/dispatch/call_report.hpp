// dispatch: what is kept of a call that a telemetry watches: it is told of its beginning, its retries and its one end.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>
#include <redoubt/base/telemetry.hpp>

namespace redoubt::dispatch {

/// Of one call, used by one thread at a time. Does nothing until `begin`.
class CallReport {
public:
    CallReport() = default;
    CallReport(const CallReport&) = delete;
    CallReport& operator=(const CallReport&) = delete;

    /// The views of `call` live until the end, but for `context` and `text`.
    void begin(Telemetry& telemetry, const CallInfo& call) { begin(telemetry, call, Clock::now()); }
    /// The caller made the call at `since`.
    void begin(Telemetry& telemetry, const CallInfo& call, TimePoint since);
    bool is_open() const noexcept { return telemetry_ != nullptr; }
    void retried(const Error& error, Duration pause) noexcept {
        if (is_open()) telemetry_->call_retried(started_, error, pause);
    }
    /// One of several commands was answered with an error; the first is remembered.
    void note(const Error& error) {
        if (is_open() && !reply_error_) reply_error_ = std::make_unique<const Error>(error);
    }
    /// `error`: null when it has its replies. A second end is ignored.
    void end(const Error* error, std::uint32_t attempts, std::string_view endpoint) noexcept;

private:
    Telemetry* telemetry_ = nullptr;  // lives as long as the service's pools
    void* started_ = nullptr;
    TimePoint began_{};
    CallInfo call_;
    std::unique_ptr<const Error> reply_error_;
};

}  // namespace redoubt::dispatch
