// pool: which keys had a large reply lately. A command says nothing of the size of its reply; the last one does.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace redoubt::pool {

/// A guess, by hashes: a wrong one only sends a small call to a wire of the large ones, or a large one to the others'.
/// Thread-safe; lock-free. What is not seen again is pushed out by others.
class LargeKeys {
public:
    /// Nothing was remembered yet: nobody needs to ask.
    bool empty() const noexcept { return !any_.load(std::memory_order_relaxed); }
    void remember(std::string_view key) noexcept {
        const std::size_t hash = std::hash<std::string_view>()(key);
        place(hash).store(mark(hash), std::memory_order_relaxed);
        any_.store(true, std::memory_order_relaxed);
    }
    bool contains(std::string_view key) const noexcept {
        const std::size_t hash = std::hash<std::string_view>()(key);
        return hashes_[hash % hashes_.size()].load(std::memory_order_relaxed) == mark(hash);
    }

private:
    static std::uint32_t mark(std::size_t hash) noexcept { return static_cast<std::uint32_t>(hash >> 32) | 1u; }
    std::atomic<std::uint32_t>& place(std::size_t hash) noexcept { return hashes_[hash % hashes_.size()]; }

    std::array<std::atomic<std::uint32_t>, 256> hashes_{};
    std::atomic<bool> any_{false};
};

}  // namespace redoubt::pool
