// apps: `redoubt memory` in words; see the header.
#include "apps/memory_text.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text_values.hpp"
#include "service/memory_sample.hpp"

namespace redoubt::apps {
namespace {

namespace json = boost::json;

double number(const json::object& object, std::string_view name) {
    const json::value* const field = object.if_contains(name);
    return field != nullptr && field->is_number() ? field->to_number<double>() : 0;
}

std::string text(const json::object& object, std::string_view name) {
    const json::value* const field = object.if_contains(name);
    return field != nullptr && field->is_string() ? std::string(field->as_string()) : std::string();
}

double share(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

}  // namespace

std::string bytes_text(double bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units.at(unit));
}

std::string shown_name(std::string_view name) { return service::as_utf8(base::escaped(name)); }

std::string server_memory_text(const json::object& health) {
    const json::object& memory = health.at("memory").as_object();
    std::string out = fmt::format("memory     {}\n", text(memory, "status"));
    if (!memory.contains("usage_bytes")) return out + "           the server does not tell (INFO)\n";
    const bool machine = text(memory, "limit") == "machine";
    out += fmt::format("used       {} of {} ({:.1f}%), {}\n", bytes_text(number(memory, "usage_bytes")),
                       bytes_text(number(memory, "max_memory_bytes")), number(memory, "usage_percentage") * 100,
                       machine ? "the machine's memory: no maxmemory is set" : "maxmemory");
    out += fmt::format("peak       {}\n", bytes_text(number(memory, "peak_bytes")));
    out += fmt::format("resident   {}, fragmentation ratio {:.2f}\n", bytes_text(number(memory, "resident_bytes")),
                       number(memory, "fragmentation_ratio"));
    out += fmt::format("eviction   {}: {:.0f} keys since the server started, {:.2f} a second\n",
                       shown_name(text(memory, "eviction_policy")), number(memory, "evicted_keys"),
                       number(memory, "evicted_keys_per_second_since_start"));
    for (const json::value& line : health.at("advice").as_array()) {
        const std::string_view advice(line.as_string());
        if (advice.find("memory") != std::string_view::npos || advice.find("eviction") != std::string_view::npos) {
            out += fmt::format("advice     {}\n", shown_name(advice));
        }
    }
    return out;
}

std::string project_memory_text(std::string_view project, const MemoryReport& report, std::size_t top) {
    const auto measured_bytes = static_cast<double>(report.bytes);
    std::string out = fmt::format("project {}: {} keys found, {} measured in {:.1f} s\n", project, report.found,
                                  report.measured, report.seconds);
    if (!report.walked_all) {
        out += fmt::format("the walk was ended early, after {:.1f}% of the server's keys: everything is an estimate\n",
                           report.share_walked * 100);
    }
    const bool whole = report.walked_all && report.measured + report.gone >= report.found;
    if (!whole) {
        out +=
            fmt::format("in all     about {} (95%: {} to {}), about {:.0f} keys\n", bytes_text(report.estimated_bytes),
                        bytes_text(report.low_bytes), bytes_text(report.high_bytes), report.estimated_keys);
        out += "           right for many keys of like sizes; a few very large ones may have been missed\n";
    } else {
        out += fmt::format("in all     {}, {:.0f} keys, all measured\n", bytes_text(report.estimated_bytes),
                           report.estimated_keys);
    }
    if (report.measured == 0) return out;
    out += fmt::format("no TTL     {} keys of those measured ({:.1f}%), {} ({:.1f}%)\n", report.without_ttl,
                       share(static_cast<double>(report.without_ttl), static_cast<double>(report.measured)),
                       bytes_text(static_cast<double>(report.without_ttl_bytes)),
                       share(static_cast<double>(report.without_ttl_bytes), measured_bytes));
    const auto table = [&](std::string_view title, const std::vector<MemoryReport::Group>& groups) {
        out += fmt::format("\n{:>10}  {:>6}  {:>10}  {}\n", "keys", "share", "size", title);
        for (std::size_t i = 0; i != std::min(groups.size(), top); ++i) {
            const MemoryReport::Group& group = groups[i];
            const auto bytes = static_cast<double>(group.bytes);
            out += fmt::format("{:>10}  {:>5.1f}%  {:>10}  {}\n", group.keys, share(bytes, measured_bytes),
                               bytes_text(bytes), shown_name(group.name));
        }
        if (groups.size() > top) out += fmt::format("{:>10}  and {} more\n", "", groups.size() - top);
    };
    table("type", report.types);
    table("pattern", report.patterns);
    out += fmt::format("\n{:>10}  {:>10}  {:>3}  {}\n", "type", "size", "TTL", "largest keys");
    for (const MemoryReport::Key& key : report.largest) {
        out +=
            fmt::format("{:>10}  {:>10}  {:>3}  {}\n", shown_name(key.type), bytes_text(static_cast<double>(key.bytes)),
                        key.expires ? "yes" : "no", shown_name(key.name));
    }
    return out;
}

}  // namespace redoubt::apps
