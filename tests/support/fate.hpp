// tests: may a command that ended like this have been executed?
#pragma once

#include <cstdint>

#include <redoubt/base/error.hpp>
#include <redoubt/base/result.hpp>

namespace redoubt::testing {

enum class Fate : std::uint8_t { applied, not_applied, unknown };

inline Fate fate_of(const Error& error) noexcept {
    if (error.certainty == Certainty::applied) return Fate::applied;
    return error.certainty == Certainty::unknown ? Fate::unknown : Fate::not_applied;
}
template <class T>
Fate fate_of(const result<T>& outcome) {
    return outcome ? Fate::applied : fate_of(outcome.error());
}

}  // namespace redoubt::testing
