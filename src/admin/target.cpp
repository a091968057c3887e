// admin: request targets; see the header.
#include "admin/target.hpp"

#include <algorithm>

namespace redoubt::admin {
namespace {

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// Calls `part` with each piece between separators; false as soon as that says so.
template <class Part>
bool for_each_part(std::string_view text, char separator, const Part& part) {
    for (;;) {
        const std::size_t end = text.find(separator);
        if (!part(text.substr(0, end))) return false;
        if (end == std::string_view::npos) return true;
        text.remove_prefix(end + 1);
    }
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i != text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i]);
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return out;
}

std::optional<RequestTarget> parse_target(std::string_view target) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!target.starts_with(scheme)) continue;
        target.remove_prefix(scheme.size());
        target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
        if (!target.starts_with('/')) return std::nullopt;
    }
    if (!target.starts_with('/')) return std::nullopt;
    target = target.substr(0, target.find('#'));
    const std::size_t mark = target.find('?');
    RequestTarget out;
    const bool good_path = for_each_part(target.substr(1, mark == std::string_view::npos ? mark : mark - 1), '/',
                                         [&](std::string_view segment) {
                                             auto decoded = percent_decode(segment);
                                             if (decoded) out.segments.push_back(std::move(*decoded));
                                             return decoded.has_value();
                                         });
    if (!good_path) return std::nullopt;
    if (mark == std::string_view::npos || mark + 1 == target.size()) return out;
    const bool good_query = for_each_part(target.substr(mark + 1), '&', [&](std::string_view pair) {
        const std::size_t equals = std::min(pair.find('='), pair.size());
        auto name = percent_decode(pair.substr(0, equals));
        auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())));
        if (!name || !value) return false;
        if (!pair.empty()) out.query.emplace_back(std::move(*name), std::move(*value));
        return true;
    });
    if (!good_query) return std::nullopt;
    return out;
}

}  // namespace redoubt::admin
