// connection: the pure machine of a connection that listens: what is wanted, what the server has confirmed, what came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <redoubt/base/config.hpp>
#include <redoubt/base/error.hpp>
#include <redoubt/connection/subscription_event.hpp>
#include <redoubt/resp/key_prefix.hpp>
#include <redoubt/resp/reply.hpp>

#include "connection/byte_buffer.hpp"
#include "resp/scanner.hpp"

namespace redoubt::connection {

struct SubscriptionSettings {
    KeyPrefix prefix;
    std::uint32_t database = 0;  ///< whose keyspace events
    /// The server lets the project subscribe to the one pattern of all its channels only (an ACL user's rule is compared
    /// literally): patterns are matched here.
    bool one_pattern = false;
    ReplyLimits reply_limits;
    Duration attempt_timeout{};  ///< for the answer to a subscription or a PING
    SubscriberOptions options;
};

/// Outlives its connections: what is wanted is asked for again on the next one. Not synchronised; no socket, no clock.
class Subscription {
public:
    explicit Subscription(const SubscriptionSettings& settings);

    // What is wanted ------------------------------------------------------------------------------------------
    enum class Standing : std::uint8_t {
        unknown,  ///< not wanted (any more)
        asked,    ///< not confirmed yet on this connection, or there is none
        confirmed,
        refused,  ///< by the server: see `refusal`; it is not asked for again until it is added again
    };
    void add(Subscribed kind, std::string_view name, TimePoint now);
    void remove(Subscribed kind, std::string_view name, TimePoint now);
    Standing standing(Subscribed kind, std::string_view name) const;
    const Error* refusal(Subscribed kind, std::string_view name) const;
    bool wants_connection() const noexcept { return !wanted_.empty(); }

    // One connection ------------------------------------------------------------------------------------------
    void connected(TimePoint now);
    /// It is gone. When something stood on it, a gap follows once all stands again.
    void lost(std::string_view why);
    bool is_connected() const noexcept { return connected_; }
    /// The server owes an answer.
    bool awaits_answer() const noexcept { return !asked_.empty(); }

    std::string_view output() const noexcept { return output_.view(); }
    void written(std::size_t bytes) noexcept { output_.consume(bytes); }
    /// False: the buffer is full, and the policy is to pause.
    bool may_read() const noexcept;
    std::span<char> read_space();
    /// Takes what came. False: see `fault`; the connection must be closed.
    [[nodiscard]] bool commit_read(std::size_t bytes, TimePoint now);
    /// When `on_time` has something to do; max() without a connection.
    TimePoint wake_at() const noexcept;
    /// Asks a silent server for a sign of life. False: it gave none in time.
    [[nodiscard]] bool on_time(TimePoint now);
    const std::optional<Error>& fault() const noexcept { return fault_; }

    // What came -----------------------------------------------------------------------------------------------
    std::optional<SubscriptionEvent> next();
    bool has_next() const noexcept { return dropped_ != 0 || !events_.empty(); }
    std::uint64_t dropped_in_all() const noexcept { return dropped_in_all_; }

private:
    struct Wanted {
        Standing standing = Standing::asked;
    };
    using Name = std::pair<Subscribed, std::string>;
    // A command whose answer is still to come.
    struct Asked {
        enum class What : std::uint8_t { subscribe, unsubscribe, ping } what;
        Subscribed kind;
        std::string name;  // without the prefix; empty for all channels, under `one_pattern`
    };

    bool filters(Subscribed kind) const noexcept { return settings_.one_pattern && kind == Subscribed::pattern; }
    std::string wire_name(Subscribed kind, std::string_view name) const;
    void ask(Asked::What what, Subscribed kind, std::string_view name, TimePoint now);
    void append(std::string_view word, std::string_view argument);
    bool take(std::string_view frame);
    bool take_answer(std::string_view word, std::string_view name);
    bool take_error(std::string_view text);
    bool take_message(std::string_view word, ReplyCursor& cursor);
    bool hear(Subscribed by, std::string_view pattern, std::string_view channel, std::string_view payload);
    bool hear_by_any_pattern(std::string_view channel, std::string_view payload);
    std::optional<std::string_view> key_of(std::string_view channel) const;
    void confirm(Subscribed kind, const std::string& name);
    void keep(SubscriptionEvent event);
    void look_for_end_of_gap();
    bool fail(std::string_view text);
    bool foreign();

    SubscriptionSettings settings_;
    std::string keyspace_;  // in front of the project's keys in the channels of keyspace events
    std::map<Name, Wanted> wanted_;
    std::map<Name, Error> refused_;

    bool connected_ = false;
    std::deque<Asked> asked_;
    TimePoint heard_ = TimePoint::min();     // the last bytes
    TimePoint asked_at_ = TimePoint::min();  // the oldest unanswered command, or its predecessor's answer
    ByteBuffer output_;
    ByteBuffer input_;
    resp::ReplyScanner scanner_;
    std::optional<Error> fault_;

    std::deque<SubscriptionEvent> events_;
    std::size_t buffered_bytes_ = 0;
    std::uint64_t dropped_ = 0;  // since the consumer was told
    std::uint64_t dropped_in_all_ = 0;
    std::optional<std::string> gap_;  // why; told when all stands again
};

}  // namespace redoubt::connection
