// base: a URL taken apart into what it names and the options it sets, with everything that is wrong with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <redoubt/base/config.hpp>

#include "base/settings.hpp"

namespace redoubt::base {

struct ParsedUrl {
    std::optional<Target> target;                              ///< absent when the URL names none
    std::vector<std::pair<std::string, std::string>> options;  ///< all but `db`, decoded, in their order
    std::vector<Problem> problems;
};

ParsedUrl parse_url(std::string_view url);

/// A URL that may be malformed, fit for a message: what could be a password is masked, options are left out.
std::string mask_url(std::string_view url);

}  // namespace redoubt::base
