// apps: splits a line into arguments with the quoting of redis-cli. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace redoubt::apps {

struct TokenizeError {
    std::size_t column = 0;    ///< 1-based: where the bad part begins
    std::string_view message;  ///< static text
};

/// Arguments are separated by white space. In "..." \n \r \t \b \a \xHH \" \\ are escapes (another character
/// after a backslash stands for itself); in '...' only \' is one. Quotes may begin inside an argument, and the
/// argument ends with them. A blank line has no arguments.
std::variant<std::vector<std::string>, TokenizeError> tokenize(std::string_view line);

}  // namespace redoubt::apps
