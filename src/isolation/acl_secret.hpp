// isolation: the secrets of ACL users: derived, random, and their hash as the server keeps it.
#pragma once

#include <string>
#include <string_view>

namespace redoubt::isolation {

/// HMAC-SHA256 of `text` by `key`, 64 hexadecimal digits.
std::string hmac_hex(std::string_view key, std::string_view text);
/// SHA256, 64 hexadecimal digits: what ACL SETUSER takes behind `#`.
std::string sha256_hex(std::string_view text);
/// 32 bytes from the system's generator, 64 hexadecimal digits.
/// @throws std::runtime_error when it has none
std::string random_secret();

}  // namespace redoubt::isolation
