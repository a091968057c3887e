// tests: random numbers: small, quick, and the same on every machine for the same seed.
#pragma once

#include <cstdint>

namespace redoubt::testing {

/// SplitMix64.
class Random {
public:
    explicit Random(std::uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15u + 0x1234567u) {}

    std::uint64_t next() noexcept {
        state_ += 0x9E3779B97F4A7C15u;
        std::uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30u)) * 0xBF58476D1CE4E5B9u;
        mixed = (mixed ^ (mixed >> 27u)) * 0x94D049BB133111EBu;
        return mixed ^ (mixed >> 31u);
    }
    /// 0 .. bound - 1.
    std::uint32_t below(std::uint32_t bound) noexcept {
        return static_cast<std::uint32_t>(((next() >> 32u) * bound) >> 32u);
    }
    std::uint32_t between(std::uint32_t low, std::uint32_t high) noexcept { return low + below(high - low + 1); }
    bool one_in(std::uint32_t n) noexcept { return below(n) == 0; }

private:
    std::uint64_t state_;
};

}  // namespace redoubt::testing
