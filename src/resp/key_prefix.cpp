// resp: a project's prefix as a literal inside a glob pattern.
#include <redoubt/resp/key_prefix.hpp>

namespace redoubt {

std::string KeyPrefix::glob_escaped() const {
    std::string escaped;
    escaped.reserve(text_.size());
    for (const char c : text_) {
        if (std::string_view{"*?[]\\^"}.find(c) != std::string_view::npos) escaped += '\\';
        escaped += c;
    }
    return escaped;
}

}  // namespace redoubt
