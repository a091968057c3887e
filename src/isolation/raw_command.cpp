// isolation: looks a raw command up, and marks its keys or refuses it. Default deny: what is not known to be
// confined is not sent.
#include "isolation/raw_command.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace redoubt::isolation {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::size_t longest_shown_name = 64;
constexpr std::size_t largest_scan_count = 10000;

bool is_printable(std::string_view word) noexcept {
    return std::all_of(word.begin(), word.end(), [](char byte) { return byte >= 0x21 && byte <= 0x7E; });
}

/// Whether the word is this option, which is upper case.
bool is_option(std::string_view word, std::string_view option) noexcept {
    return std::equal(word.begin(), word.end(), option.begin(), option.end(), [](char byte, char upper) {
        return (byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte) == upper;
    });
}

/// A number without sign, space or leading zero, so that we and the server cannot read it as two numbers.
/// More than `longest` digits: nullopt.
std::optional<std::size_t> read_count(std::string_view word, std::size_t longest) noexcept {
    if (word.empty() || word.size() > longest || word.front() == '0') return std::nullopt;
    std::size_t value = 0;
    for (const char byte : word) {
        if (byte < '0' || byte > '9') return std::nullopt;
        value = value * 10 + static_cast<std::size_t>(byte - '0');
    }
    return value;
}

bool is_digits(std::string_view word) noexcept {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char byte) { return byte >= '0' && byte <= '9'; });
}

Error refusal(const CommandSpec* spec, std::string_view name, std::string_view why) {
    std::string text{name};
    text.append(" is refused: ").append(why);
    Error error = Error::with_detail(ErrorKind::isolation, Certainty::not_sent, Stage::admission, std::move(text));
    if (spec != nullptr) error.operation = spec->name;
    return error;
}

Error refusal(const CommandSpec& spec, std::string_view why) { return refusal(&spec, spec.name, why); }

/// The rows that follow a container in the sorted table.
std::span<const CommandSpec> subcommands_of(const CommandSpec& spec) noexcept {
    const std::span<const CommandSpec> table = command_table();
    const auto first = static_cast<std::size_t>(&spec - table.data()) + 1;
    std::size_t last = first;
    if (spec.words > 1) return {};
    while (last < table.size() && table[last].words == 2 && table[last].name.size() > spec.name.size() &&
           table[last].name.substr(0, spec.name.size()) == spec.name && table[last].name[spec.name.size()] == ' ') {
        ++last;
    }
    return table.subspan(first, last - first);
}

std::string allowed_subcommands(const CommandSpec& container) {
    std::string list;
    for (const CommandSpec& spec : subcommands_of(container)) {
        if (spec.policy != Policy::keys && spec.policy != Policy::keyless) continue;
        list += list.empty() ? "; allowed: " : ", ";
        list += spec.name.substr(container.name.size() + 1);
    }
    return list.empty() ? "; none of its subcommands is open to a project" : list;
}

Error unknown(Words words) {
    constexpr std::string_view why = "it is not in the command table, and what is not known cannot be confined";
    const std::string_view name = words[0];
    if (!is_printable(name) || name.empty()) {
        return refusal(nullptr, "A command",
                       "its name must be of the bytes 0x21 to 0x7E, without spaces; a subcommand is a word of its own");
    }
    if (const CommandSpec* container = find_command(name); container != nullptr) {
        return refusal(*container, "its subcommand is not in the command table" + allowed_subcommands(*container));
    }
    return refusal(nullptr, name.substr(0, longest_shown_name), why);
}

/// The reason for which the command is never sent as a raw one, whatever its arguments.
std::optional<Error> check_policy(const CommandSpec& spec) {
    switch (spec.policy) {
        case Policy::refused:
            if (!subcommands_of(spec).empty()) {
                return refusal(spec, std::string{spec.reason} + allowed_subcommands(spec));
            }
            return refusal(spec, spec.reason);
        case Policy::library_only: return refusal(spec, "only Redoubt itself sends it: " + std::string{spec.reason});
        case Policy::typed_only:
        case Policy::special:
            if (!spec.reason.empty()) return refusal(spec, spec.reason);
            break;
        case Policy::keys:
        case Policy::numkeys:
        case Policy::keyless: break;
    }
    if (spec.blocking) {
        return refusal(spec,
                       "it may wait on the server, which takes a wire of its own, and is not available through "
                       "command() yet; use the form that does not wait");
    }
    return std::nullopt;
}

std::optional<Error> check_arity(const CommandSpec& spec, std::size_t words) {
    const bool at_least = spec.arity < 0;
    const auto wanted = static_cast<std::size_t>(at_least ? -spec.arity : spec.arity);
    if (at_least ? words >= wanted : words == wanted) return std::nullopt;
    const std::size_t count = wanted - spec.words;
    return refusal(spec, std::string{at_least ? "it takes at least " : "it takes exactly "} + std::to_string(count) +
                             (count == 1 ? " argument" : " arguments") + " after its name, not " +
                             std::to_string(words - spec.words));
}

/// Rules of single commands, beyond the positions of their keys.
std::optional<Error> check_options(const CommandSpec& spec, Words words) {
    if (spec.name == "COPY") {
        const auto is_db = [](std::string_view word) { return is_option(word, "DB"); };
        if (std::any_of(words.begin() + 3, words.end(), is_db)) {
            return refusal(spec, "its option DB leaves the database; REPLACE is allowed");
        }
    }
    // The server's own key check passes a destination alone, so neither do we lean on it.
    if (spec.name == "PFMERGE" && words.size() == 2) {
        return refusal(spec, "it takes a destination and at least one source");
    }
    return std::nullopt;
}

/// SET, GETEX, ZADD and EXPIRE differ by their options; anything not understood is taken for the worse.
RetryCategory refined_retry(const CommandSpec& spec, Words words) noexcept {
    const auto any = [&](std::size_t first, auto&&... options) {
        for (std::size_t i = first; i < words.size(); ++i) {
            if ((is_option(words[i], options) || ...)) return true;
        }
        return false;
    };
    if (spec.name == "SET") {
        for (std::size_t i = 3; i < words.size(); ++i) {
            const bool plain = is_option(words[i], "EX") || is_option(words[i], "PX") || is_option(words[i], "EXAT") ||
                               is_option(words[i], "PXAT") || is_digits(words[i]);
            if (!plain) return RetryCategory::conditional;
        }
    } else if (spec.name == "GETEX") {
        if (words.size() == 2) return RetryCategory::read_only;
        if (any(2, "EXAT", "PXAT")) return RetryCategory::conditional;
    } else if (spec.name == "ZADD") {
        if (any(2, "INCR")) return RetryCategory::accumulating;
        if (any(2, "NX", "XX", "GT", "LT")) return RetryCategory::conditional;
    } else if (spec.name == "GEOADD") {
        if (any(2, "NX", "XX")) return RetryCategory::conditional;
    } else if (spec.name == "EXPIRE" || spec.name == "PEXPIRE" || spec.name == "EXPIREAT" || spec.name == "PEXPIREAT") {
        if (words.size() > 3) return RetryCategory::conditional;
    }
    return spec.retry;
}

/// Marks the keys at fixed positions and those that a count announces. False: the count is not a plain number,
/// or fewer keys follow.
bool mark_keys(const CommandSpec& spec, Words words, std::vector<bool>& is_key) {
    const KeyPositions& keys = spec.keys;
    const auto size = static_cast<std::ptrdiff_t>(words.size());
    if (keys.first > 0) {
        const std::ptrdiff_t last = std::min<std::ptrdiff_t>(keys.last < 0 ? size + keys.last : keys.last, size - 1);
        for (std::ptrdiff_t i = keys.first; i <= last; i += keys.step) is_key[static_cast<std::size_t>(i)] = true;
    }
    if (spec.policy != Policy::numkeys) return true;
    const auto position = static_cast<std::size_t>(keys.numkeys);
    if (position >= words.size()) return false;
    const std::optional<std::size_t> count = read_count(words[position], 5);
    if (!count || *count > words.size() - position - 1) return false;
    for (std::size_t i = position + 1; i <= position + *count; ++i) is_key[i] = true;
    return true;
}

/// SCAN cursor [MATCH pattern] [COUNT n] [TYPE name]: always with MATCH, so that the server shows this
/// project's keys alone.
std::optional<Error> mark_scan(const CommandSpec& spec, Words words, std::vector<Argument>& out) {
    if (!is_digits(words[1]) || words[1].size() > 20) return refusal(spec, "its cursor must be a plain number");
    std::optional<std::string_view> match;
    std::optional<std::string_view> count;
    std::optional<std::string_view> type;
    for (std::size_t i = 2; i < words.size(); i += 2) {
        std::optional<std::string_view>* option = is_option(words[i], "MATCH")   ? &match
                                                  : is_option(words[i], "COUNT") ? &count
                                                  : is_option(words[i], "TYPE")  ? &type
                                                                                 : nullptr;
        if (option == nullptr || option->has_value() || i + 1 == words.size()) {
            return refusal(spec, "after its cursor it takes MATCH, COUNT and TYPE, each with a value and at most once");
        }
        *option = words[i + 1];
    }
    out.push_back(Argument::text(words[1]));
    out.push_back(Argument::text("MATCH"));
    out.push_back(Argument::glob(match.value_or("*")));
    if (count) {
        const std::optional<std::size_t> number = read_count(*count, 19);
        if (!number) return refusal(spec, "its COUNT must be a positive number");
        out.push_back(Argument::text("COUNT"));
        out.push_back(Argument::text(*number > largest_scan_count ? "10000" : *count));
    }
    if (type) {
        out.push_back(Argument::text("TYPE"));
        out.push_back(Argument::text(*type));
    }
    return std::nullopt;
}

}  // namespace

result<RawCommand> RawCommand::parse(Words words) {
    if (words.empty()) {
        return Error::of(ErrorKind::isolation, Certainty::not_sent, Stage::admission, "a command needs a name");
    }
    const CommandSpec* spec = find_command(words[0], words.size() > 1 ? words[1] : std::string_view{});
    if (spec == nullptr) return unknown(words);
    if (auto error = check_policy(*spec)) return *error;
    // An empty word is no subcommand, nor an argument of a command that has subcommands.
    if (words.size() > 1 && words[1].empty() && !subcommands_of(*spec).empty()) return unknown(words);
    if (auto error = check_arity(*spec, words.size())) return *error;
    if (auto error = check_options(*spec, words)) return *error;

    RawCommand command{*spec};
    command.retry_ = refined_retry(*spec, words);
    if (spec->policy == Policy::special) {
        if (spec->name != "SCAN") return refusal(*spec, "it needs a parser of its own, which there is not yet");
        if (auto error = mark_scan(*spec, words, command.arguments_)) return *error;
        return command;
    }

    std::vector<bool> is_key(words.size(), false);
    if (!mark_keys(*spec, words, is_key)) {
        return refusal(*spec, "its number of keys must be a plain number from 1 to 99999, followed by as many keys");
    }
    if (spec->policy != Policy::keyless && std::find(is_key.begin(), is_key.end(), true) == is_key.end()) {
        return refusal(*spec, "it names no key that could be given the project's prefix");
    }
    command.arguments_.reserve(words.size() - spec->words);
    for (std::size_t i = spec->words; i < words.size(); ++i) {
        command.arguments_.push_back(is_key[i] ? Argument::key(words[i]) : Argument::text(words[i]));
    }
    return command;
}

}  // namespace redoubt::isolation
