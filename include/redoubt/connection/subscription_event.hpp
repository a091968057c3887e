// connection: what a subscriber hears, and how much of it is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <redoubt/base/clock.hpp>

namespace redoubt {

using namespace std::chrono_literals;

/// What a name given to a subscriber stands for. Each carries the project's prefix on the server.
enum class Subscribed : std::uint8_t {
    channel,        ///< SUBSCRIBE
    pattern,        ///< PSUBSCRIBE: a glob over the project's channels
    shard_channel,  ///< SSUBSCRIBE: of SPUBLISH
    keyspace,       ///< keyspace notifications: a glob over the project's keys (the server's `notify-keyspace-events`)
};

/// One thing heard, names without the project's prefix.
struct SubscriptionEvent {
    enum class Kind : std::uint8_t {
        message,  ///< somebody published
        gap,      ///< messages may be missing: the connection was lost and all subscriptions stand again, or the buffer
                  ///< was full. What was read before from the same data may be stale.
    };
    Kind kind = Kind::message;
    Subscribed by = Subscribed::channel;
    std::string channel;     ///< of a keyspace event: the key
    std::string pattern;     ///< the glob that matched; empty for a channel
    std::string payload;     ///< of a keyspace event: what happened to the key (`set`, `expired`); of a gap: why
    std::uint64_t lost = 0;  ///< of a gap: messages that were dropped here; 0 when the server has dropped them, if any
};

/// What happens when a subscriber's buffer is full because nobody receives.
enum class SubscriptionOverflow : std::uint8_t {
    drop_oldest,  ///< the oldest messages go; a gap says how many
    pause,  ///< nothing more is read: the server keeps what comes, up to its `client-output-buffer-limit`; then it
            ///< closes the connection, which is a gap
};

struct SubscriberOptions {
    std::size_t max_buffered = 10'000;           ///< messages that nobody has received yet; at least 1
    std::size_t max_buffered_bytes = 16u << 20;  ///< of their names and payloads
    SubscriptionOverflow overflow = SubscriptionOverflow::drop_oldest;
    Duration ping_interval = 10s;  ///< a connection that is silent for so long is asked whether it is alive; above 0
};

}  // namespace redoubt
