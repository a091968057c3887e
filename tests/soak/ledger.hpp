// tests: what one caller of the soak knows of its own keys, and so which replies are possible.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/fate.hpp"

namespace redoubt::soak {

/// Why a reply cannot be right; empty: it is possible.
using Doubt = std::string;

using testing::Fate;
using testing::fate_of;

// Writes of unknown fate may land late (their wire may hang in the gate), each once. A key with too many of them says
// little, so the caller then takes a new key: its next generation.
constexpr std::size_t most_floating = 6;

/// A key that only its caller SETs, each time to a value never used before.
class Register {
public:
    Register(std::uint32_t caller, std::uint32_t slot);

    const std::string& key() const noexcept { return key_; }
    /// The value of the next SET.
    std::string next_value();
    void written(Fate fate);
    Doubt read(const std::optional<std::string>& value);
    void next_generation_if_due();

private:
    std::string make_value(std::uint64_t sequence) const;
    void make_key();

    std::uint32_t caller_;
    std::uint32_t slot_;
    std::uint32_t generation_ = 0;
    std::uint64_t sequence_ = 0;  // of the newest SET
    std::uint64_t certain_ = 0;   // of the newest value that was certainly there; 0: none
    std::vector<std::uint64_t> floating_;
    std::string key_;
};

/// A key that only its caller INCRs, so each number is seen once.
class Counter {
public:
    explicit Counter(std::uint32_t caller);

    const std::string& key() const noexcept { return key_; }
    /// Counts one INCR, and checks its reply when there is one.
    Doubt incremented(Fate fate, std::optional<std::int64_t> reply);
    Doubt read(const std::optional<std::string>& value);
    void next_generation_if_due();

private:
    Doubt saw(std::int64_t value);
    void make_key();

    std::uint32_t caller_;
    std::uint32_t generation_ = 0;
    std::int64_t least_ = 0;     // certainly there
    std::int64_t floating_ = 0;  // of unknown fate, and not seen
    std::string key_;
};

/// All keys of one caller. The names are the same in every project, the values are not: whoever gets another caller's
/// or another project's reply can tell.
class Book {
public:
    static constexpr std::size_t slots = 4;

    /// `name` is the caller's number inside its project, `caller` that among all.
    explicit Book(std::uint32_t caller);
    Register& slot(std::size_t at) noexcept { return slots_[at]; }
    Counter& counter() noexcept { return counter_; }
    /// Between two operations: no call of this caller is under way.
    void settle();

private:
    std::array<Register, slots> slots_;
    Counter counter_;
};

constexpr std::uint32_t projects = 8;
inline std::string project_of(std::uint32_t caller) { return "soak-" + std::to_string(caller % projects); }

}  // namespace redoubt::soak
