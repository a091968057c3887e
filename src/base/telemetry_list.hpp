// base: several telemetries as one, and who of them watches calls right now.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <redoubt/base/telemetry.hpp>

namespace redoubt::base {

/// Tells all of them, in their order. Thread-safe once it is made.
class TelemetryList final : public Telemetry {
public:
    static constexpr std::size_t most = 64;

    /// Those that are null are left out, and those past `most`.
    explicit TelemetryList(std::vector<std::shared_ptr<Telemetry>> all);

    /// Whom a call that begins now is told to: the only one that watches, this if there are several, null if there is
    /// none. What every call asks first; lives as long as this.
    Telemetry* watcher() const noexcept { return watcher_.load(std::memory_order_acquire); }
    /// Asks each again whether it watches calls.
    void refresh() noexcept;

    bool watches_calls() const noexcept override { return watcher() != nullptr; }
    void* call_started(const CallInfo& call) noexcept override;
    void call_retried(void* started, const Error& error, Duration pause) noexcept override;
    void call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept override;
    void breaker_changed(std::string_view endpoint, std::string_view from, std::string_view to) noexcept override;
    void connection_failed(const Error& error) noexcept override;
    void connection_opened(std::string_view endpoint, std::string_view pool, Duration took) noexcept override;
    void connection_obtained(std::string_view endpoint, std::string_view pool, Duration waited) noexcept override;
    void connection_returned(std::string_view endpoint, std::string_view pool, Duration used) noexcept override;
    void memory_alert(std::string_view endpoint, std::string_view from, std::string_view to,
                      double usage_fraction) noexcept override;
    void listener_failed(std::string_view endpoint, std::string_view what) noexcept override;

private:
    struct Started;

    std::vector<std::shared_ptr<Telemetry>> all_;
    std::atomic<std::uint64_t> watching_{0};  // a bit for each
    std::atomic<Telemetry*> watcher_{nullptr};
};

}  // namespace redoubt::base
