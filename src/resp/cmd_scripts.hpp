// resp: builders of the script commands. Private: only isolation sends them, once it knows that the server confines the
// script.
#pragma once

#include <string>
#include <vector>

#include <redoubt/resp/value.hpp>

#include "resp/cmd_support.hpp"

namespace redoubt::cmd {

/// A script of the server's cache, by its SHA-1 in hexadecimal digits.
inline Command<Value> evalsha(bool read_only, std::string_view sha1, TextList keys, TextList arguments) {
    auto command =
        build<Value>(read_only ? spec_of("EVALSHA_RO") : spec_of("EVALSHA"), text(sha1),
                     number(static_cast<std::int64_t>(keys.size())), Argument::keys(keys), Argument::texts(arguments));
    return command;
}
/// Whether it is in the cache.
inline Command<std::vector<bool>> script_exists(std::string_view sha1) {
    return build<std::vector<bool>>(spec_of("SCRIPT EXISTS"), text(sha1));
}
/// Answers with the SHA-1.
inline Command<std::string> script_load(std::string_view source) {
    return build<std::string>(spec_of("SCRIPT LOAD"), text(source));
}

}  // namespace redoubt::cmd
