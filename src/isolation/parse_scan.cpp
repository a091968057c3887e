// isolation: what lists names of every project, SCAN and PUBSUB CHANNELS, and so is always asked for the project's own.
#include "isolation/parse.hpp"

namespace redoubt::isolation {
namespace {

constexpr std::size_t largest_scan_count = 10000;

/// What a pattern becomes: the escaped prefix stands before it.
Argument pattern(std::string_view text, Rules rules) noexcept {
    return rules.holds(Rule::scan_match) ? Argument::glob(text) : Argument::text(text);
}

}  // namespace

Refusal parse_scan(const CommandSpec& spec, Words words, Rules rules, Parsed& out) {
    if (!is_digits(words[1]) || words[1].size() > 20) return refusal(spec, "its cursor must be a plain number");
    std::optional<std::string_view> match;
    std::optional<std::string_view> count;
    std::optional<std::string_view> type;
    std::optional<std::string_view> second_match;
    for (std::size_t i = 2; i < words.size(); i += 2) {
        std::optional<std::string_view>* option = is_option(words[i], "MATCH")   ? &match
                                                  : is_option(words[i], "COUNT") ? &count
                                                  : is_option(words[i], "TYPE")  ? &type
                                                                                 : nullptr;
        if (option == &match && match && !rules.holds(Rule::one_scan_match)) option = &second_match;
        if (option == nullptr || option->has_value() || i + 1 == words.size()) {
            return refusal(spec, "after its cursor it takes MATCH, COUNT and TYPE, each with a value and at most once");
        }
        *option = words[i + 1];
    }
    const auto add = [&](std::string_view name, Argument value) {
        out.arguments.push_back(Argument::text(name));
        out.arguments.push_back(value);
    };
    out.arguments.push_back(Argument::text(words[1]));
    add("MATCH", pattern(match.value_or("*"), rules));
    if (second_match) add("MATCH", Argument::text(*second_match));
    if (count) {
        const std::optional<std::size_t> number = read_count(*count, 19);
        if (!number) return refusal(spec, "its COUNT must be a positive number");
        add("COUNT", Argument::text(*number > largest_scan_count ? "10000" : *count));
    }
    if (type) add("TYPE", Argument::text(*type));
    return std::nullopt;
}

Refusal parse_channel_list(const CommandSpec& spec, Words words, Rules rules, Parsed& out) {
    if (words.size() > 3) return refusal(spec, "it takes one pattern at most");
    out.arguments.push_back(pattern(words.size() == 3 ? words[2] : "*", rules));
    return std::nullopt;
}

}  // namespace redoubt::isolation
