// admin: the target of a request taken apart: segments of its path and its query, percent-decoded. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace redoubt::admin {

struct RequestTarget {
    /// Between the slashes, decoded one by one: `/a/b%2Fc` is `a` and `b/c`. `/` alone is one empty segment. Nothing is
    /// normalised: `..` and empty segments stay.
    std::vector<std::string> segments;
    /// Decoded; a name without `=` has an empty value. `+` stays `+`.
    std::vector<std::pair<std::string, std::string>> query;
};

/// `%2F` is `/`, `%00` a NUL byte; nullopt for a `%` without two hexadecimal digits behind it.
std::optional<std::string> percent_decode(std::string_view text);

/// Takes `/path?query` and `http://host/path?query`. Nullopt for another form, and for a bad escape.
std::optional<RequestTarget> parse_target(std::string_view target);

}  // namespace redoubt::admin
