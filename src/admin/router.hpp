// admin: the table of routes: which handler a method and a path lead to.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/http_message.hpp"

namespace redoubt::admin {

/// One line of the table.
struct Route {
    std::string method;   ///< `GET` answers HEAD, too
    std::string pattern;  ///< `/projects/{project_id}/cache`: a segment in braces stands for any one segment
    Handler handler;
    bool needs_token = true;  ///< false: answered without it even when there is one
};

class Router {
public:
    /// A pattern with a fixed segment goes before one with braces at that place, whichever was added first.
    void add(Route route);

    struct Found {
        const Route* route = nullptr;  ///< null: no such path, or not with this method
        std::vector<std::pair<std::string, std::string>> fields;
        std::string allow;  ///< the methods that the path has; empty: there is no such path
    };
    Found find(std::string_view method, const std::vector<std::string>& segments) const;

private:
    struct Line {
        Route route;
        std::vector<std::string> segments;
    };
    std::vector<Line> lines_;
};

}  // namespace redoubt::admin
