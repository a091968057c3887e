// service: what is worth a line in the log, through the logger `redoubt` of spdlog's registry.
//
// An application replaces it by registering its own (spdlog::drop("redoubt"), spdlog::register_logger), at any time, and
// silences it by its level; where there is none, one is made that writes to standard error. State changes are told at
// warn, lost connections at info, calls at debug (if the level was debug when the service was initialized). Of each kind
// so many lines a second are written; the rest is counted and the count told. Never a value of a key, nor a secret.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <redoubt/base/telemetry.hpp>

#include "policy/log_limit.hpp"

namespace redoubt::service {

/// Logs, and passes everything on to `next`, if there is one. Thread-safe.
class LogTelemetry final : public Telemetry {
public:
    static constexpr std::uint32_t changes_a_second = 50;
    static constexpr std::uint32_t failures_a_second = 10;
    static constexpr std::uint32_t calls_a_second = 200;

    /// `clock`: for the limits.
    explicit LogTelemetry(std::shared_ptr<Telemetry> next, std::function<TimePoint()> clock = &Clock::now);
    ~LogTelemetry() override;

    bool watches_calls() const noexcept override;
    void call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept override;
    void breaker_changed(std::string_view endpoint, std::string_view from, std::string_view to) noexcept override;
    void connection_failed(const Error& error) noexcept override;
    void memory_alert(std::string_view endpoint, std::string_view from, std::string_view to,
                      double usage_fraction) noexcept override;
    void listener_failed(std::string_view endpoint, std::string_view what) noexcept override;
    /// The monitor found another status.
    void health_changed(std::string_view from, std::string_view to, std::string_view problems) noexcept;

    /// Tells of lines that were left out a second ago or before, if no line has come since that could. Now and then.
    void flush() noexcept { tell_left_out(false); }

private:
    enum class Level : std::uint8_t { debug, info, warn, error };
    struct Kind {
        std::string_view name;
        Level level;
        policy::LogLimit limit;
    };
    template <class MakeText>
    void write(Kind& kind, const MakeText& make_text) noexcept;
    void tell_left_out(bool of_now_too) noexcept;

    std::shared_ptr<Telemetry> next_;
    std::function<TimePoint()> clock_;
    bool logs_calls_;
    std::mutex mutex_;
    Kind changes_{"state changes", Level::warn, policy::LogLimit(changes_a_second)};
    Kind failures_{"failed connections", Level::info, policy::LogLimit(failures_a_second)};
    Kind calls_{"calls", Level::debug, policy::LogLimit(calls_a_second)};
    Kind listeners_{"failed listeners", Level::error, policy::LogLimit(failures_a_second)};
};

std::shared_ptr<LogTelemetry> make_log_telemetry(std::shared_ptr<Telemetry> next);

/// One line at warn, for what is no event of a node.
void log_warning(std::string_view text);
/// One line at info: what an administrator did.
void log_info(std::string_view text);

}  // namespace redoubt::service
