// tests: how often connections were lost and breakers opened, as the library tells it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include <redoubt/base/telemetry.hpp>

namespace redoubt::testing {

class Losses final : public Telemetry {
public:
    void connection_failed(const Error&) noexcept override { ++wires; }
    void breaker_changed(std::string_view, std::string_view, std::string_view to) noexcept override {
        if (to == "open") ++opened;
    }
    std::atomic<std::uint64_t> wires{0};
    std::atomic<std::uint64_t> opened{0};
};

}  // namespace redoubt::testing
