// tests: what the library logs, through the registry of loggers that it uses.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

namespace redoubt::testing {

/// The logger `redoubt`, for as long as this lives: lines such as `warning: text`. Thread-safe.
class CapturedLog {
public:
    explicit CapturedLog(spdlog::level::level_enum level = spdlog::level::trace)
        : sink_(std::make_shared<Sink>()), former_(spdlog::get("redoubt")) {
        spdlog::drop("redoubt");
        auto logger = std::make_shared<spdlog::logger>("redoubt", sink_);
        logger->set_level(level);
        spdlog::register_logger(std::move(logger));
    }
    ~CapturedLog() {
        spdlog::drop("redoubt");
        if (former_) spdlog::register_logger(former_);
    }
    CapturedLog(const CapturedLog&) = delete;
    CapturedLog& operator=(const CapturedLog&) = delete;

    std::vector<std::string> lines() const { return sink_->lines(); }
    std::string text() const {
        std::string all;
        for (const std::string& line : lines()) all += line + '\n';
        return all;
    }
    std::size_t count(std::string_view part) const {
        std::size_t found = 0;
        for (const std::string& line : lines()) found += line.find(part) != std::string::npos ? 1 : 0;
        return found;
    }

private:
    class Sink final : public spdlog::sinks::base_sink<std::mutex> {
    public:
        std::vector<std::string> lines() {
            const std::lock_guard lock(mutex_);
            return lines_;
        }

    private:
        void sink_it_(const spdlog::details::log_msg& message) override {
            const auto level = spdlog::level::to_string_view(message.level);
            lines_.push_back(std::string(level.data(), level.size()) + ": " +
                             std::string(message.payload.data(), message.payload.size()));
        }
        void flush_() override {}
        std::vector<std::string> lines_;
    };

    std::shared_ptr<Sink> sink_;
    std::shared_ptr<spdlog::logger> former_;
};

}  // namespace redoubt::testing
