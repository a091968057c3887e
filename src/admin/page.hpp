// admin: the page at `/`: its files as routes.
#pragma once

#include "admin/page_files.hpp"
#include "admin/router.hpp"

namespace redoubt::admin {

/// What the page may do in a browser: its own script, style and requests, and nothing of any other host.
std::string_view page_policy() noexcept;

/// One route a file. They are answered without the token, for they hold nothing of this server; what the page asks for
/// (`/events`) wants it. Without files, `/` says that the program was built without the page.
void add_page_routes(Router& routes, std::span<const PageFile> files = page_files());

}  // namespace redoubt::admin
