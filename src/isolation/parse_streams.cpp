// isolation: XREAD [COUNT n] [BLOCK ms] STREAMS key ... id ..., XREADGROUP GROUP group consumer [NOACK] and the same.
#include "isolation/parse.hpp"

namespace redoubt::isolation {
namespace {

/// Behind STREAMS: as many keys as ids.
Refusal parse_tail(const CommandSpec& spec, Words tail, Parsed& out) {
    if (tail.empty() || tail.size() % 2 != 0) return refusal(spec, "after STREAMS it takes as many keys as ids");
    for (std::size_t i = 0; i < tail.size(); ++i) {
        out.arguments.push_back(i < tail.size() / 2 ? Argument::key(tail[i]) : Argument::text(tail[i]));
    }
    return std::nullopt;
}

/// What one must not do: a key, too, may be called STREAMS. For the tests, which show what comes of it.
Refusal search_keyword(const CommandSpec& spec, Words words, Parsed& out) {
    std::size_t tail = words.size();
    while (tail > 1 && !is_option(words[tail - 1], "STREAMS")) --tail;
    for (std::size_t i = 1; i < tail; ++i) out.arguments.push_back(Argument::text(words[i]));
    return parse_tail(spec, words.subspan(tail), out);
}

}  // namespace

Refusal parse_streams(const CommandSpec& spec, Words words, Rules rules, Parsed& out) {
    if (!rules.holds(Rule::stream_grammar)) return search_keyword(spec, words, out);
    const bool group = spec.name == "XREADGROUP";
    std::size_t i = 1;
    bool count = false;
    bool block = false;
    const auto text = [&](std::string_view word) { out.arguments.push_back(Argument::text(word)); };
    if (group) {
        // The server takes GROUP anywhere; its key specs, and so its ACL, look for STREAMS behind these three words.
        if (!is_option(words[1], "GROUP")) return refusal(spec, "it begins with GROUP, a group and a consumer");
        for (; i < 4; ++i) text(words[i]);
    }
    for (; i < words.size(); ++i) {
        const bool has_value = i + 1 < words.size();
        text(words[i]);
        if (is_option(words[i], "STREAMS")) return parse_tail(spec, words.subspan(i + 1), out);
        if (group && is_option(words[i], "NOACK")) continue;
        if (is_option(words[i], "COUNT") && has_value && !count) {
            if (!is_integer(words[i + 1])) return refusal(spec, "its COUNT takes a whole number");
            count = true;
            text(words[++i]);
        } else if (is_option(words[i], "BLOCK") && has_value && !block) {
            const std::optional<Duration> wait = read_wait_milliseconds(words[i + 1]);
            if (!wait) return refusal(spec, "its BLOCK takes a plain number of milliseconds, of at most a year");
            block = true;
            out.block_time = *wait;
            text(words[++i]);
        } else {
            break;
        }
    }
    return refusal(spec,
                   group ? "before STREAMS it takes GROUP, a group and a consumer, then COUNT, BLOCK and NOACK, each "
                           "at most once"
                         : "before STREAMS it takes COUNT and BLOCK, each with a number and at most once");
}

}  // namespace redoubt::isolation
