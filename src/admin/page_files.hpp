// admin: the files of the page, which the build puts into the program.
#pragma once

#include <span>
#include <string_view>

namespace redoubt::admin {

struct PageFile {
    std::string_view path;  ///< `/`, `/page.js`
    std::string_view content_type;
    std::string_view tag;  ///< as in ETag, with its quotes
    std::string_view body;
};

/// The first is the page itself, at `/`. Empty: this program was built without Node.js.
std::span<const PageFile> page_files();

}  // namespace redoubt::admin
