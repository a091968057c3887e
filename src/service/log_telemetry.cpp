// service: the log; see the header.
#include "service/log_telemetry.hpp"

#include <utility>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace redoubt::service {
namespace {

std::shared_ptr<spdlog::logger> logger() {
    if (auto known = spdlog::get("redoubt")) return known;
    try {
        return spdlog::stderr_color_mt("redoubt");
    } catch (const spdlog::spdlog_ex&) {  // another thread registered it first
        return spdlog::get("redoubt");
    }
}

class LogTelemetry final : public Telemetry {
public:
    explicit LogTelemetry(std::shared_ptr<Telemetry> next) : logger_(logger()), next_(std::move(next)) {}

    void breaker_changed(std::string_view endpoint, std::string_view from, std::string_view to) noexcept override {
        logger_->warn("circuit breaker of {}: {} -> {}", endpoint, from, to);
        if (next_) next_->breaker_changed(endpoint, from, to);
    }
    // At info: the breaker bounds how many there are, and the caller has the error.
    void connection_failed(const Error& error) noexcept override {
        logger_->info("connection failed: {}", error.message());
        if (next_) next_->connection_failed(error);
    }
    void listener_failed(std::string_view endpoint, std::string_view what) noexcept override {
        logger_->error("a listener for the circuit breaker of {} threw: {}", endpoint, what);
        if (next_) next_->listener_failed(endpoint, what);
    }

private:
    std::shared_ptr<spdlog::logger> logger_;
    std::shared_ptr<Telemetry> next_;
};

}  // namespace

std::shared_ptr<Telemetry> make_log_telemetry(std::shared_ptr<Telemetry> next) {
    return std::make_shared<LogTelemetry>(std::move(next));
}

void log_warning(std::string_view text) { logger()->warn("{}", text); }
void log_info(std::string_view text) { logger()->info("{}", text); }

}  // namespace redoubt::service
