// base: several telemetries as one; see the header.
#include "base/telemetry_list.hpp"

#include <bit>
#include <utility>

namespace redoubt::base {

// What each of those gave that watched when the call began.
struct TelemetryList::Started {
    std::uint64_t watching = 0;
    std::vector<void*> given;
};

namespace {

bool is_set(std::uint64_t bits, std::size_t index) noexcept { return ((bits >> index) & 1) != 0; }

}  // namespace

TelemetryList::TelemetryList(std::vector<std::shared_ptr<Telemetry>> all) : all_(std::move(all)) {
    std::erase(all_, nullptr);
    if (all_.size() > most) all_.resize(most);
    refresh();
}

void TelemetryList::refresh() noexcept {
    std::uint64_t watching = 0;
    for (std::size_t i = 0; i != all_.size(); ++i) {
        if (all_[i]->watches_calls()) watching |= std::uint64_t{1} << i;
    }
    watching_.store(watching, std::memory_order_relaxed);
    Telemetry* watcher = nullptr;
    if (watching != 0) {
        watcher =
            std::has_single_bit(watching) ? all_[static_cast<std::size_t>(std::countr_zero(watching))].get() : this;
    }
    watcher_.store(watcher, std::memory_order_release);
}

void* TelemetryList::call_started(const CallInfo& call) noexcept {
    auto started = std::make_unique<Started>();
    started->watching = watching_.load(std::memory_order_relaxed);
    started->given.resize(all_.size());
    for (std::size_t i = 0; i != all_.size(); ++i) {
        if (is_set(started->watching, i)) started->given[i] = all_[i]->call_started(call);
    }
    return started.release();
}

void TelemetryList::call_retried(void* started, const Error& error, Duration pause) noexcept {
    const auto& each = *static_cast<const Started*>(started);
    for (std::size_t i = 0; i != all_.size(); ++i) {
        if (is_set(each.watching, i)) all_[i]->call_retried(each.given[i], error, pause);
    }
}

void TelemetryList::call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept {
    const std::unique_ptr<const Started> each(static_cast<const Started*>(outcome.started));
    CallOutcome own = outcome;
    for (std::size_t i = 0; i != all_.size(); ++i) {
        if (!is_set(each->watching, i)) continue;
        own.started = each->given[i];
        all_[i]->call_ended(call, own);
    }
}

void TelemetryList::breaker_changed(std::string_view endpoint, std::string_view from, std::string_view to) noexcept {
    for (const auto& each : all_) each->breaker_changed(endpoint, from, to);
}
void TelemetryList::connection_failed(const Error& error) noexcept {
    for (const auto& each : all_) each->connection_failed(error);
}
void TelemetryList::connection_opened(std::string_view endpoint, std::string_view pool, Duration took) noexcept {
    for (const auto& each : all_) each->connection_opened(endpoint, pool, took);
}
void TelemetryList::connection_obtained(std::string_view endpoint, std::string_view pool, Duration waited) noexcept {
    for (const auto& each : all_) each->connection_obtained(endpoint, pool, waited);
}
void TelemetryList::connection_returned(std::string_view endpoint, std::string_view pool, Duration used) noexcept {
    for (const auto& each : all_) each->connection_returned(endpoint, pool, used);
}
void TelemetryList::memory_alert(std::string_view endpoint, std::string_view from, std::string_view to,
                                 double usage_fraction) noexcept {
    for (const auto& each : all_) each->memory_alert(endpoint, from, to, usage_fraction);
}
void TelemetryList::listener_failed(std::string_view endpoint, std::string_view what) noexcept {
    for (const auto& each : all_) each->listener_failed(endpoint, what);
}

}  // namespace redoubt::base
