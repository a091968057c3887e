// isolation: commands that name channels: PUBLISH, SPUBLISH, PUBSUB NUMSUB, PUBSUB SHARDNUMSUB.
#include "isolation/parse.hpp"

namespace redoubt::isolation {

Refusal parse_publish(const CommandSpec&, Words words, Rules rules, Parsed& out) {
    out.arguments.push_back(channel(words[1], rules));
    out.arguments.push_back(Argument::text(words[2]));
    return std::nullopt;
}

Refusal parse_channel_counts(const CommandSpec& spec, Words words, Rules rules, Parsed& out) {
    if (words.size() == spec.words) return refusal(spec, "it needs a channel");
    for (const std::string_view name : words.subspan(spec.words)) out.arguments.push_back(channel(name, rules));
    return std::nullopt;
}

}  // namespace redoubt::isolation
