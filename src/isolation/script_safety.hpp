// isolation: whether a server keeps a script from reaching into others: known by its version.
#pragma once

#include <string_view>

namespace redoubt::isolation {

/// True when INFO's text names a version in which CVE-2025-46818 (a script changes what other users' scripts run) and
/// CVE-2025-67733 (a script writes replies of its own making into the connection; Valkey) are mended. What it does not
/// know counts as unpatched; a distribution's own patches do not show.
/// Versions: Redis from 7.2.11, 7.4.6, 8.2.2, 8.4.0; Valkey from 9.0.3 (the notes of those releases).
bool scripts_stay_inside(std::string_view info) noexcept;

}  // namespace redoubt::isolation
