// resp: where one encoded command ends.
#pragma once

#include <cstddef>
#include <string_view>

namespace redoubt::resp {

/// The bytes of the first command of `commands`, which our own encoder wrote; all of them if it did not.
std::size_t first_command_size(std::string_view commands) noexcept;

}  // namespace redoubt::resp
