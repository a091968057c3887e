// isolation: raw commands whose keys stand at fixed positions or are announced by a count.
#include <algorithm>

#include "isolation/parse.hpp"

namespace redoubt::isolation {
namespace {

/// Rules of single commands, beyond the positions of their keys.
Refusal check_options(const CommandSpec& spec, Words words, Rules rules) {
    if (spec.name == "COPY" && rules.holds(Rule::copy_within_database)) {
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

/// Those at fixed positions. `last` may stand before `first` when there are too few words: then there is none.
void mark_fixed(const CommandSpec& spec, std::size_t count, Rules rules, std::vector<bool>& is_key) {
    const KeyPositions& keys = spec.keys;
    if (keys.first <= 0) return;
    const auto size = static_cast<std::ptrdiff_t>(count);
    const std::ptrdiff_t last = std::min<std::ptrdiff_t>(keys.last < 0 ? size + keys.last : keys.last, size - 1);
    for (std::ptrdiff_t i = keys.first; i <= last; i += keys.step) {
        is_key[static_cast<std::size_t>(i)] = true;
        if (!rules.holds(Rule::every_key)) break;
    }
}

/// Those that a count announces. False: it is not a plain number, or fewer keys follow.
bool mark_counted(const CommandSpec& spec, Words words, Rules rules, std::vector<bool>& is_key) {
    const auto position = static_cast<std::size_t>(spec.keys.numkeys);
    if (position >= words.size()) return false;
    const std::optional<std::size_t> count = read_count(words[position], 5);
    if (!count || *count > words.size() - position - 1) return false;
    const std::size_t marked = rules.holds(Rule::counted_keys) ? *count : 1;
    for (std::size_t i = position + 1; i <= position + marked; ++i) is_key[i] = true;
    return true;
}

/// The time-out of a command that blocks is its last word, or stands before the count of its keys (BLMPOP).
std::string_view time_out_of(const CommandSpec& spec, Words words) noexcept {
    return spec.keys.numkeys > 0 ? words[static_cast<std::size_t>(spec.keys.numkeys) - 1] : words.back();
}

}  // namespace

Refusal parse_keys(const CommandSpec& spec, Words words, Rules rules, Parsed& out) {
    if (Refusal error = check_options(spec, words, rules)) return error;
    if (spec.blocking) {
        const std::optional<Duration> wait = read_wait_seconds(time_out_of(spec, words));
        if (!wait) {
            return refusal(spec,
                           "its time-out must be a plain number of seconds, such as 1 or 0.25, of at most a year");
        }
        out.block_time = *wait;
    }
    std::vector<bool> is_key(words.size(), false);
    mark_fixed(spec, words.size(), rules, is_key);
    if (spec.policy == Policy::numkeys && !mark_counted(spec, words, rules, is_key)) {
        return refusal(spec, "its number of keys must be a plain number from 1 to 99999, followed by as many keys");
    }
    out.arguments.reserve(words.size() - spec.words);
    for (std::size_t i = spec.words; i < words.size(); ++i) {
        out.arguments.push_back(is_key[i] ? Argument::key(words[i]) : Argument::text(words[i]));
    }
    return std::nullopt;
}

Refusal parse_key_slot(const CommandSpec& spec, Words words, Rules, Parsed& out) {
    out.arguments.push_back(Argument::key(words[spec.words]));
    return std::nullopt;
}

}  // namespace redoubt::isolation
