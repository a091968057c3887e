// resp: the server's glob patterns, matched here.
#pragma once

#include <string_view>

namespace redoubt::resp {

/// As Redis and Valkey match KEYS and PSUBSCRIBE patterns: `*`, `?`, `[a-z]`, `[^a]`, and a backslash before any
/// character that is meant literally. Bytes, case-sensitive. Takes time in proportion to both lengths multiplied, at most.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

}  // namespace redoubt::resp
