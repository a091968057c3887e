// resp: builders of the commands that publish and ask about channels. A channel is prefixed as a key is.
#include <redoubt/base/isolation_counters.hpp>

#include "resp/cmd_support.hpp"
#include "resp/read_fields.hpp"

namespace redoubt::cmd {
namespace {

using Names = std::vector<std::string>;

ReadOutcome read_counts(ReplyCursor& cursor, const KeyPrefix& prefix, ChannelCounts& out) {
    out.clear();
    bool foreign = false;
    const ReadOutcome outcome = resp::read_pairs(
        cursor, "channels with their numbers of subscribers", [&](std::size_t count) { out.reserve(count); },
        [&](ReplyCursor& at) {
            auto& [channel, subscribers] = out.emplace_back();
            const ReadOutcome name = resp::read_own_name(at, prefix, channel);
            foreign = foreign || name.status() == ReadOutcome::Status::foreign_key;
            return name ? read_reply(at, prefix, subscribers) : name;
        });
    return foreign ? ReadOutcome::foreign_key() : outcome;
}

/// The pattern has asked for own channels alone; the server's word for it is not enough.
ReadOutcome read_own_channels(ReplyCursor& cursor, const KeyPrefix& prefix, Names& out) {
    const ReadOutcome outcome = read_reply(cursor, prefix, out);
    if (!outcome) return outcome;
    const std::size_t foreign = std::erase_if(out, [&](const std::string& name) { return !prefix.strip(name); });
    if (foreign != 0) isolation_counters().foreign_names.fetch_add(foreign, std::memory_order_relaxed);
    for (std::string& name : out) name.erase(0, prefix.size());
    return outcome;
}

Building<ChannelCounts> build_counts(const CommandSpec& spec, TextList channels) {
    Building<ChannelCounts> command{spec, read_counts};
    command.add(Argument::keys(channels));
    if (channels.empty()) command.set_invalid("it needs at least one channel");
    return command;
}

Building<Names> build_channels(const CommandSpec& spec, std::string_view pattern) {
    Building<Names> command{spec, read_own_channels};
    command.add(Argument::glob(pattern.empty() ? "*" : pattern));
    return command;
}

}  // namespace

Command<std::int64_t> publish(std::string_view channel, std::string_view message) {
    return build<std::int64_t>(spec_of("PUBLISH"), key(channel), text(message));
}
Command<std::int64_t> spublish(std::string_view channel, std::string_view message) {
    return build<std::int64_t>(spec_of("SPUBLISH"), key(channel), text(message));
}
Command<ChannelCounts> pubsub_numsub(TextList channels) { return build_counts(spec_of("PUBSUB NUMSUB"), channels); }
Command<ChannelCounts> pubsub_numsub(TextBraces channels) { return pubsub_numsub(list_of(channels)); }
Command<ChannelCounts> pubsub_shardnumsub(TextList channels) {
    return build_counts(spec_of("PUBSUB SHARDNUMSUB"), channels);
}
Command<ChannelCounts> pubsub_shardnumsub(TextBraces channels) { return pubsub_shardnumsub(list_of(channels)); }
Command<Names> pubsub_channels(std::string_view pattern) { return build_channels(spec_of("PUBSUB CHANNELS"), pattern); }
Command<Names> pubsub_shardchannels(std::string_view pattern) {
    return build_channels(spec_of("PUBSUB SHARDCHANNELS"), pattern);
}

}  // namespace redoubt::cmd
