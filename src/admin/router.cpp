// admin: the table of routes; see the header.
#include "admin/router.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "admin/target.hpp"

namespace redoubt::admin {
namespace {

bool is_field(const std::string& segment) noexcept { return segment.starts_with('{') && segment.ends_with('}'); }

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
    return std::equal(
        pattern.begin(), pattern.end(), segments.begin(), segments.end(),
        [](const std::string& expected, const std::string& given) { return is_field(expected) || expected == given; });
}

}  // namespace

void Router::add(Route route) {
    auto target = parse_target(route.pattern);
    if (!target) throw std::logic_error("a route's pattern is no path: " + route.pattern);
    Line line{std::move(route), std::move(target->segments)};
    const auto fields = [](const Line& one) {
        return std::count_if(one.segments.begin(), one.segments.end(), is_field);
    };
    const auto place =
        std::find_if(lines_.begin(), lines_.end(), [&](const Line& other) { return fields(other) > fields(line); });
    lines_.insert(place, std::move(line));
}

Router::Found Router::find(std::string_view method, const std::vector<std::string>& segments) const {
    const std::string_view wanted = method == "HEAD" ? "GET" : method;
    Found found;
    std::set<std::string_view> methods;
    for (const Line& line : lines_) {
        if (!fits(line.segments, segments)) continue;
        methods.insert(line.route.method);
        if (line.route.method == "GET") methods.insert("HEAD");
        if (found.route != nullptr || line.route.method != wanted) continue;
        found.route = &line.route;
        for (std::size_t i = 0; i != segments.size(); ++i) {
            const std::string& name = line.segments[i];
            if (is_field(name)) found.fields.emplace_back(name.substr(1, name.size() - 2), segments[i]);
        }
    }
    for (const std::string_view name : methods) {
        if (!found.allow.empty()) found.allow += ", ";
        found.allow += name;
    }
    return found;
}

}  // namespace redoubt::admin
