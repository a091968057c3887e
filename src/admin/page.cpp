// admin: the page at `/`; see the header.
#include "admin/page.hpp"

#include <string>
#include <utility>

namespace redoubt::admin {
namespace {

constexpr std::string_view without_page =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Redoubt</title>\n"
    "<h1>Redoubt</h1>\n"
    "<p>This program was built without its page, because Node.js and npm were not there, or npm could not fetch the "
    "page's packages; the configuration of the build said which. Everything else is served:</p>\n"
    "<ul>\n<li><a href=\"health\">health</a></li>\n<li><a href=\"metrics.json\">metrics.json</a></li>\n"
    "<li><a href=\"metrics\">metrics</a></li>\n</ul>\n</html>\n";

Response with_policy(Response response) {
    response.with("Content-Security-Policy", std::string(page_policy()));
    response.with("X-Content-Type-Options", "nosniff");
    response.with("X-Frame-Options", "DENY");
    response.with("Referrer-Policy", "no-referrer");
    return response;
}

/// `If-None-Match` lists tags, each perhaps weak (`W/`), or is `*`.
bool is_known(const Request& request, std::string_view tag) {
    const std::string* known = request.header("If-None-Match");
    return known != nullptr && (*known == "*" || known->find(tag) != std::string::npos);
}

Response answer(const PageFile& file, const Request& request) {
    Response response;
    if (is_known(request, file.tag)) {
        response.status = 304;
    } else {
        response = Response::text(200, file.content_type, std::string(file.body));
    }
    response.with("ETag", std::string(file.tag));
    // Asked for again each time, and then answered with 304: a new version of the program is seen at once.
    response.with("Cache-Control", "no-cache");
    return with_policy(std::move(response));
}

}  // namespace

#ifndef REDOUBT_HAS_PAGE
std::span<const PageFile> page_files() { return {}; }
#endif

std::string_view page_policy() noexcept {
    return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
           "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

void add_page_routes(Router& routes, std::span<const PageFile> files) {
    if (files.empty()) {
        routes.add({"GET", "/",
                    [](Request) -> boost::asio::awaitable<Response> {
                        co_return with_policy(
                            Response::text(200, "text/html; charset=utf-8", std::string(without_page)));
                    },
                    false});
        return;
    }
    for (const PageFile& file : files) {
        routes.add({"GET", std::string(file.path),
                    [&file](Request request) -> boost::asio::awaitable<Response> { co_return answer(file, request); },
                    false});
    }
}

}  // namespace redoubt::admin
