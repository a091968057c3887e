// resp: builders of the commands on hyperloglogs, which estimate how many distinct elements they were given.
#pragma once

#include <redoubt/resp/cmd/keys.hpp>

namespace redoubt::cmd {

/// Adds to a hyperloglog. True when its estimate changed.
Command<bool> pfadd(std::string_view key, std::string_view element);
Command<bool> pfadd(std::string_view key, TextList elements);
Command<bool> pfadd(std::string_view key, TextBraces elements);
/// The estimated number of distinct elements, of one or of the union of several.
Command<std::int64_t> pfcount(std::string_view key);
Command<std::int64_t> pfcount(TextList keys);
Command<std::int64_t> pfcount(TextBraces keys);
/// Merges the sources into `destination`, which counts as one of them.
Command<Ok> pfmerge(std::string_view destination, TextList sources);
Command<Ok> pfmerge(std::string_view destination, TextBraces sources);

}  // namespace redoubt::cmd
