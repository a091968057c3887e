// isolation: looks a raw command up, and marks its keys or refuses it. Default deny: what is not known to be
// confined is not sent.
#include "isolation/raw_command.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace redoubt::isolation {
namespace {

constexpr std::size_t longest_shown_name = 64;

bool is_printable(std::string_view word) noexcept {
    return std::all_of(word.begin(), word.end(), [](char byte) { return byte >= 0x21 && byte <= 0x7E; });
}

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
        if (spec.policy >= Policy::typed_only) continue;
        list += list.empty() ? "; allowed: " : ", ";
        list += spec.name.substr(container.name.size() + 1);
    }
    return list.empty() ? "; none of its subcommands is open to a project" : list;
}

Error unknown(Words words) {
    constexpr std::string_view why = "it is not in the command table, and what is not known cannot be confined";
    const std::string_view name = words[0];
    if (!is_printable(name) || name.empty()) {
        return refusal("A command",
                       "its name must be of the bytes 0x21 to 0x7E, without spaces; a subcommand is a word of its own");
    }
    if (const CommandSpec* container = find_command(name); container != nullptr) {
        return refusal(*container, "its subcommand is not in the command table" + allowed_subcommands(*container));
    }
    return refusal(name.substr(0, longest_shown_name), why);
}

/// The reason for which the command is never sent as a raw one, whatever its arguments.
Refusal check_policy(const CommandSpec& spec) {
    switch (spec.policy) {
        case Policy::refused:
            if (!subcommands_of(spec).empty()) {
                return refusal(spec, std::string{spec.reason} + allowed_subcommands(spec));
            }
            return refusal(spec, spec.reason);
        case Policy::library_only: return refusal(spec, "only Redoubt itself sends it: " + std::string{spec.reason});
        case Policy::typed_only: return refusal(spec, spec.reason);
        case Policy::special:
        case Policy::keys:
        case Policy::numkeys:
        case Policy::keyless: break;
    }
    return std::nullopt;
}

Refusal check_arity(const CommandSpec& spec, std::size_t words) {
    const bool at_least = spec.arity < 0;
    const auto wanted = static_cast<std::size_t>(at_least ? -spec.arity : spec.arity);
    if (at_least ? words >= wanted : words == wanted) return std::nullopt;
    const std::size_t count = wanted - spec.words;
    return refusal(spec, std::string{at_least ? "it takes at least " : "it takes exactly "} + std::to_string(count) +
                             (count == 1 ? " argument" : " arguments") + " after its name, not " +
                             std::to_string(words - spec.words));
}

using Parser = Refusal (*)(const CommandSpec& spec, Words words, Rules rules, Parsed& out);

struct NamedParser {
    std::string_view name;
    Parser parse;
};

/// Of the commands whose policy in the table is `special`.
constexpr std::array special_parsers{
    NamedParser{"CLUSTER KEYSLOT", parse_key_slot},
    NamedParser{"GEORADIUS", parse_georadius},
    NamedParser{"GEORADIUSBYMEMBER", parse_georadius},
    NamedParser{"PUBLISH", parse_publish},
    NamedParser{"PUBSUB CHANNELS", parse_channel_list},
    NamedParser{"PUBSUB NUMSUB", parse_channel_counts},
    NamedParser{"PUBSUB SHARDCHANNELS", parse_channel_list},
    NamedParser{"PUBSUB SHARDNUMSUB", parse_channel_counts},
    NamedParser{"SCAN", parse_scan},
    NamedParser{"SORT", parse_sort},
    NamedParser{"SORT_RO", parse_sort},
    NamedParser{"SPUBLISH", parse_publish},
    NamedParser{"XREAD", parse_streams},
    NamedParser{"XREADGROUP", parse_streams},
};

/// nullptr: none, so the command cannot be confined.
Parser parser_of(const CommandSpec& spec) noexcept {
    if (spec.policy != Policy::special) return parse_keys;
    for (const NamedParser& special : special_parsers) {
        if (special.name == spec.name) return special.parse;
    }
    return nullptr;
}

bool is_confined(const Argument& argument) noexcept {
    return argument.kind() == Argument::Kind::key || argument.kind() == Argument::Kind::glob;
}

}  // namespace

result<RawCommand> RawCommand::parse(Words words, Rules rules) {
    if (words.empty()) {
        return Error::of(ErrorKind::isolation, Certainty::not_sent, Stage::admission, "a command needs a name");
    }
    const CommandSpec* spec = find_command(words[0], words.size() > 1 ? words[1] : std::string_view{});
    if (spec == nullptr) return unknown(words);
    if (auto error = check_policy(*spec)) return *error;
    // An empty word is no subcommand, nor an argument of a command that has subcommands.
    if (words.size() > 1 && words[1].empty() && !subcommands_of(*spec).empty()) return unknown(words);
    if (auto error = check_arity(*spec, words.size())) return *error;

    const Parser parse_words = parser_of(*spec);
    if (parse_words == nullptr) return refusal(*spec, "it needs a parser of its own, which there is not");
    RawCommand command{*spec};
    command.parsed_.retry = refined_retry(*spec, words);
    if (auto error = parse_words(*spec, words, rules, command.parsed_)) return *error;
    const std::span<const Argument> made = command.arguments();
    if (spec->policy != Policy::keyless && rules.all_hold() && std::none_of(made.begin(), made.end(), is_confined)) {
        return refusal(*spec, "it names no key that could be given the project's prefix");
    }
    return command;
}

}  // namespace redoubt::isolation
