// resp: what the encoder wrote, for comparing; and the same bytes made the simplest way.
#pragma once

#include <redoubt/resp/command.hpp>

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace redoubt::testing {

/// The command's bytes. Throws when the encoder wrote past the bound that it promised.
inline std::string encoded(const CommandSpec& spec, std::span<const Argument> arguments, const KeyPrefix& prefix) {
    constexpr char untouched = '\x5A';
    const std::size_t bound = encoded_bound(spec, arguments, prefix);
    std::vector<char> buffer(bound + 64, untouched);
    const char* end = encode(spec, arguments, prefix, buffer.data());
    const auto size = static_cast<std::size_t>(end - buffer.data());
    if (size > bound) throw std::logic_error("encode wrote more than encoded_bound");
    for (std::size_t i = bound; i < buffer.size(); ++i) {
        if (buffer[i] != untouched) throw std::logic_error("encode wrote past encoded_bound");
    }
    return {buffer.data(), size};
}

inline std::string encoded(const CommandView& command, const KeyPrefix& prefix) {
    return encoded(command.spec(), command.arguments(), prefix);
}

/// A RESP array of bulk strings.
inline std::string resp(std::span<const std::string> words) {
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return bytes;
}

}  // namespace redoubt::testing
