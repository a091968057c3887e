// resp: builders of the commands that publish messages and ask about channels. A project's channels carry its prefix,
// as its keys do: only its own subscribers hear it. To subscribe takes a connection of its own, not a command.
#pragma once

#include <redoubt/resp/cmd/keys.hpp>

namespace redoubt {

/// Channels with how many are subscribed to each, patterns not counted.
using ChannelCounts = std::vector<std::pair<std::string, std::int64_t>>;

namespace cmd {

/// Sends a message to whoever is subscribed now; says how many got it from this node.
Command<std::int64_t> publish(std::string_view channel, std::string_view message);
/// The same on a sharded channel, which stays within the shard of a cluster that its name belongs to.
Command<std::int64_t> spublish(std::string_view channel, std::string_view message);
/// How many are subscribed to each of the channels.
Command<ChannelCounts> pubsub_numsub(TextList channels);
Command<ChannelCounts> pubsub_numsub(TextBraces channels);
Command<ChannelCounts> pubsub_shardnumsub(TextList channels);
Command<ChannelCounts> pubsub_shardnumsub(TextBraces channels);
/// The project's channels that have subscribers and match the glob; empty: all. Those of others are left out.
Command<std::vector<std::string>> pubsub_channels(std::string_view pattern = {});
Command<std::vector<std::string>> pubsub_shardchannels(std::string_view pattern = {});

}  // namespace cmd
}  // namespace redoubt
