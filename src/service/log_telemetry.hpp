// service: what is worth a line in the log, through the logger `redoubt`, which an application may replace or
// silence (spdlog::register_logger, before the first service).
#pragma once

#include <memory>

#include <redoubt/base/telemetry.hpp>

namespace redoubt::service {

/// Logs, and passes everything on to `next`, if there is one.
std::shared_ptr<Telemetry> make_log_telemetry(std::shared_ptr<Telemetry> next);

/// One line at warn, for what is no event of a node.
void log_warning(std::string_view text);
/// One line at info: what an administrator did.
void log_info(std::string_view text);

}  // namespace redoubt::service
