// isolation: checks project ids as bytes: nothing is normalised, so no two ids can mean one prefix.
#include "isolation/project_id.hpp"

#include <algorithm>
#include <string>

namespace redoubt::isolation {
namespace {

constexpr std::string_view allowed =
    "1 to 128 bytes are allowed: letters A-Z a-z, digits, and after the first byte also _ . -";

bool is_letter_or_digit(char byte) noexcept {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

bool is_allowed(char byte, std::size_t position) noexcept {
    return is_letter_or_digit(byte) || (position > 0 && (byte == '_' || byte == '.' || byte == '-'));
}

Error refusal(std::string what) {
    what += "; ";
    what += allowed;
    return Error::with_detail(ErrorKind::isolation, Certainty::not_sent, Stage::admission, std::move(what));
}

std::string hex(char byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    const auto value = static_cast<unsigned char>(byte);
    return {'0', 'x', digits[value >> 4], digits[value & 0xF]};
}

}  // namespace

std::optional<Error> check_project_id(std::string_view project_id) {
    if (project_id.empty()) {
        return Error::of(ErrorKind::isolation, Certainty::not_sent, Stage::admission, "a project id is required");
    }
    if (project_id.size() > longest_project_id) {
        return refusal("the project id is " + std::to_string(project_id.size()) + " bytes long");
    }
    for (std::size_t position = 0; position < project_id.size(); ++position) {
        if (is_allowed(project_id[position], position)) continue;
        return refusal("the project id has the byte " + hex(project_id[position]) + " at position " +
                       std::to_string(position));
    }
    return std::nullopt;
}

KeyPrefix prefix_for(std::string_view project_id, Colocation colocation) {
    const bool together = colocation == Colocation::together;
    const std::string_view head = together ? "proj:{" : "proj:";
    const std::string_view tail = together ? "}:" : ":";
    std::string text;
    text.reserve(head.size() + project_id.size() + tail.size());
    text.append(head).append(project_id).append(tail);
    return KeyPrefix{std::move(text)};
}

bool lists_project(std::string_view list, std::string_view project_id) noexcept {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        std::string_view one = list.substr(0, comma);
        while (one.starts_with(' ')) one.remove_prefix(1);
        while (one.ends_with(' ')) one.remove_suffix(1);
        if (one == project_id) return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

}  // namespace redoubt::isolation
