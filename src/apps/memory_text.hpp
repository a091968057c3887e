// apps: `redoubt memory`: what it prints for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include <redoubt/service/memory_report.hpp>

namespace redoubt::apps {

/// `1.5 MiB`; `812 B`.
std::string bytes_text(double bytes);
/// Without control bytes, which could move a terminal's cursor.
std::string shown_name(std::string_view name);

/// Of the server: the `memory` of the health JSON, and the advice.
std::string server_memory_text(const boost::json::object& health);
/// Of a project; at most `top` patterns.
std::string project_memory_text(std::string_view project, const MemoryReport& report, std::size_t top);

}  // namespace redoubt::apps
