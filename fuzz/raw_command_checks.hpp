// fuzz: what must hold of the parser of raw commands for any words. Returns what is wrong, or nothing.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "isolation/raw_command.hpp"
#include "resp/scanner.hpp"

namespace redoubt::fuzz {

/// The words of the input stand between bytes of this value.
inline constexpr char between_words = '\xFF';

inline std::vector<std::string_view> split_words(std::string_view bytes) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; at <= bytes.size();) {
        const std::size_t end = std::min(bytes.find(between_words, at), bytes.size());
        words.push_back(bytes.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

/// What a caller's word may become: itself, its name in capitals, or the same behind the prefix.
inline bool may_become(std::string_view word, std::string_view sent, const KeyPrefix& prefix) {
    if (sent == word || sent == "nosort") return true;
    if (const auto key = prefix.strip(sent); key && *key == word) return true;
    return std::equal(word.begin(), word.end(), sent.begin(), sent.end(),
                      [](char left, char right) { return std::toupper(static_cast<unsigned char>(left)) == right; });
}

inline std::string check_encoded(const isolation::RawCommand& command, const std::vector<std::string_view>& words,
                                 const KeyPrefix& prefix) {
    const CommandSpec& spec = command.spec();
    std::string bytes(encoded_bound(spec, command.arguments(), prefix), '\0');
    bytes.resize(static_cast<std::size_t>(encode(spec, command.arguments(), prefix, bytes.data()) - bytes.data()));
    const ReplyLimits limits;
    resp::ReplyScanner scanner{limits};
    if (scanner.scan(bytes) != resp::ReplyScanner::Status::complete) return "the encoded command is not complete";
    if (scanner.size() != bytes.size()) return "bytes follow the encoded command";

    ReplyCursor cursor(bytes);
    const auto count = static_cast<std::size_t>(cursor.next().integer);
    if (count != spec.words + command.arguments().size()) return "not as many words as arguments";
    // These two are put together anew, always with a pattern.
    const bool same_words = spec.name != "SCAN" && spec.reply != ReplyRule::name_list;
    if (same_words && count != words.size()) return "not as many words as the caller gave";
    std::size_t confined = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string_view sent = cursor.next().text;
        const bool is_argument = i >= spec.words;
        const auto kind = is_argument ? command.arguments()[i - spec.words].kind() : Argument::Kind::text;
        if (kind == Argument::Kind::key || kind == Argument::Kind::glob) {
            ++confined;
            if (!prefix.strip(sent)) return "a key or a pattern without the prefix";
        }
        if (same_words && !may_become(words[i], sent, prefix)) return "a word became another";
    }
    if (spec.policy != Policy::keyless && confined == 0) return "no word has the prefix";
    return {};
}

inline std::string check_raw_command(std::string_view bytes) {
    const KeyPrefix prefix{"proj:a:"};
    const std::vector<std::string_view> words = split_words(bytes);
    const auto command = isolation::RawCommand::parse(words);
    if (command) {
        if (command->spec().policy >= Policy::typed_only) return "a command that is refused was let through";
        return check_encoded(*command, words, prefix);
    }
    const Error& error = command.error();
    if (error.certainty != Certainty::not_sent) return "a refusal is not `not_sent`";
    if (error.reason().empty()) return "a refusal without a reason";
    return {};
}

}  // namespace redoubt::fuzz
