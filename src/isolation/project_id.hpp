// isolation: which project ids there may be, and the prefix that one gives.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <redoubt/base/error.hpp>
#include <redoubt/resp/key_prefix.hpp>

namespace redoubt::isolation {

inline constexpr std::size_t longest_project_id = 128;

/// nullopt when the id matches `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`, as bytes; else what is wrong with it.
std::optional<Error> check_project_id(std::string_view project_id);

/// Where a project's keys are in a Cluster: each in its own slot, or all in one.
enum class Colocation : std::uint8_t { spread, together };

/// `proj:alpha:`, or, together, `proj:{alpha}:`. The id must have passed `check_project_id`.
KeyPrefix prefix_for(std::string_view project_id, Colocation colocation = Colocation::spread);

/// Whether the id stands in a list of ids with commas and blanks between them.
bool lists_project(std::string_view list, std::string_view project_id) noexcept;

}  // namespace redoubt::isolation
