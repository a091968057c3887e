// service: the log; see the header.
#include "service/log_telemetry.hpp"

#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/text_values.hpp"

namespace redoubt::service {
namespace {

// In the order of LogTelemetry::Level.
constexpr std::array levels{spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};

// Looked up each time, so that it may be replaced at any time.
std::shared_ptr<spdlog::logger> logger() {
    if (auto known = spdlog::get("redoubt")) return known;
    try {
        return spdlog::stderr_color_mt("redoubt");
    } catch (const spdlog::spdlog_ex&) {  // another thread registered it first
        if (auto known = spdlog::get("redoubt")) return known;
        return spdlog::default_logger();  // and has dropped it again
    }
}

std::string text_of(const CallInfo& call, const CallOutcome& outcome) {
    std::string text{call.operation};
    if (call.commands > 1) text += fmt::format(" of {} commands", call.commands);
    if (!call.project_id.empty()) text += fmt::format(", project {}", base::escaped(call.project_id));
    if (!outcome.endpoint.empty()) text += fmt::format(", at {}", outcome.endpoint);
    text += fmt::format(", {} attempt{}, {}: ", outcome.attempts, outcome.attempts == 1 ? "" : "s",
                        base::format_duration(outcome.duration));
    if (outcome.error == nullptr) return text + "ok";
    // Without the server's own words, which could quote what was sent.
    return text + fmt::format("{}, stage {}, certainty {}", to_string(outcome.error->kind),
                              to_string(outcome.error->stage), to_string(outcome.error->certainty));
}

}  // namespace

LogTelemetry::LogTelemetry(std::shared_ptr<Telemetry> next, std::function<TimePoint()> clock)
    : next_(std::move(next)), clock_(std::move(clock)), logs_calls_(logger()->should_log(spdlog::level::debug)) {}

LogTelemetry::~LogTelemetry() { tell_left_out(true); }

template <class MakeText>
void LogTelemetry::write(Kind& kind, const MakeText& make_text) noexcept {
    try {
        const auto to = logger();
        const spdlog::level::level_enum level = levels.at(static_cast<std::size_t>(kind.level));
        if (!to->should_log(level)) return;
        std::optional<std::uint64_t> left_out;
        {
            const std::lock_guard lock(mutex_);
            left_out = kind.limit.admit(clock_());
        }
        if (!left_out) return;
        if (*left_out != 0) to->log(level, "{} more lines on {} were left out", *left_out, kind.name);
        to->log(level, "{}", make_text());
    } catch (...) {  // a log that fails takes nothing with it
    }
}

bool LogTelemetry::watches_calls() const noexcept { return logs_calls_ || (next_ && next_->watches_calls()); }

void LogTelemetry::call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept {
    if (logs_calls_) write(calls_, [&] { return text_of(call, outcome); });
    if (next_) next_->call_ended(call, outcome);
}

void LogTelemetry::breaker_changed(std::string_view endpoint, std::string_view from, std::string_view to) noexcept {
    write(changes_, [&] { return fmt::format("circuit breaker of {}: {} -> {}", endpoint, from, to); });
    if (next_) next_->breaker_changed(endpoint, from, to);
}

// At info: the caller has the error.
void LogTelemetry::connection_failed(const Error& error) noexcept {
    write(failures_, [&] { return "connection failed: " + error.message(); });
    if (next_) next_->connection_failed(error);
}

void LogTelemetry::memory_alert(std::string_view endpoint, std::string_view from, std::string_view to,
                                double usage_fraction) noexcept {
    write(changes_, [&] {
        return fmt::format("memory of {}: {} -> {}, {:.1f}% of its limit in use", endpoint, from, to,
                           usage_fraction * 100);
    });
    if (next_) next_->memory_alert(endpoint, from, to, usage_fraction);
}

void LogTelemetry::listener_failed(std::string_view endpoint, std::string_view what) noexcept {
    write(listeners_, [&] { return fmt::format("a listener for {} threw: {}", endpoint, base::escaped(what)); });
    if (next_) next_->listener_failed(endpoint, what);
}

void LogTelemetry::health_changed(std::string_view from, std::string_view to, std::string_view problems) noexcept {
    write(changes_,
          [&] { return fmt::format("health: {} -> {}{}{}", from, to, problems.empty() ? "" : ": ", problems); });
}

void LogTelemetry::tell_left_out(bool of_now_too) noexcept {
    try {
        const auto to = logger();
        for (Kind* const kind : {&changes_, &failures_, &calls_, &listeners_}) {
            std::uint64_t left_out = 0;
            {
                const std::lock_guard lock(mutex_);
                left_out = of_now_too ? kind->limit.take_left_out() : kind->limit.take_overdue(clock_());
            }
            const spdlog::level::level_enum level = levels.at(static_cast<std::size_t>(kind->level));
            if (left_out != 0) to->log(level, "{} more lines on {} were left out", left_out, kind->name);
        }
    } catch (...) {}
}

std::shared_ptr<LogTelemetry> make_log_telemetry(std::shared_ptr<Telemetry> next) {
    return std::make_shared<LogTelemetry>(std::move(next));
}

void log_warning(std::string_view text) { logger()->warn("{}", text); }
void log_info(std::string_view text) { logger()->info("{}", text); }

}  // namespace redoubt::service
