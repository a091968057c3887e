// service: Subscriber, what a project hears: messages of its channels, and what happens to its keys.
#pragma once

#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include <redoubt/connection/subscription_event.hpp>
#include <redoubt/service/commands.hpp>
#include <redoubt/service/execution.hpp>

namespace redoubt {

/// Listens on a connection of its own, which lives on the service's loop (an application's loop must run). Channels and
/// patterns carry the project's prefix on the server and come back without it: another project's messages are never
/// heard. When the connection is lost it is made again, all subscriptions with it, and a `gap` event says that messages
/// may be missing.
///
/// Movable. Any thread may subscribe; one at a time receives. Destroying it, or `close`, ends it.
class Subscriber {
public:
    explicit Subscriber(service::Handle handle, const SubscriberOptions& options = {});
    ~Subscriber();
    Subscriber(Subscriber&& other) noexcept;
    Subscriber& operator=(Subscriber&& other) noexcept;

    // Each waits until the server has confirmed all names: what is published afterwards is heard. What was subscribed
    // before stays. At most until the call's deadline (`with({.deadline = ...})`, else `operation_timeout`); past it the
    // names stay subscribed, and are confirmed when the server can be reached.
    /// @throws RedisAuthenticationException where the server's ACL refuses a name, which is then not subscribed;
    ///         RedisOperationTimeoutException, whose cause says why there is no connection; RedisConnectionException when
    ///         it or the service is closed
    void subscribe(std::span<const std::string_view> channels);
    template <service::Text... Names>
    void subscribe(const Names&... channels) {
        const std::array<std::string_view, sizeof...(Names)> names{std::string_view(channels)...};
        subscribe(std::span<const std::string_view>(names));
    }
    /// Globs over the project's channels.
    void psubscribe(std::span<const std::string_view> patterns);
    template <service::Text... Names>
    void psubscribe(const Names&... patterns) {
        const std::array<std::string_view, sizeof...(Names)> names{std::string_view(patterns)...};
        psubscribe(std::span<const std::string_view>(names));
    }
    /// Any of the four kinds: sharded channels and keyspace events, too.
    void subscribe(Subscribed kind, std::span<const std::string_view> names);
    /// The names are copied before it returns.
    boost::asio::awaitable<void> async_subscribe(Subscribed kind, std::span<const std::string_view> names);
    template <service::Text... Names>
    boost::asio::awaitable<void> async_subscribe(Subscribed kind, const Names&... names) {
        const std::array<std::string_view, sizeof...(Names)> all{std::string_view(names)...};
        return async_subscribe(kind, std::span<const std::string_view>(all));
    }

    /// Not waited for; a message that is on its way is not heard any more. Names that are not subscribed are ignored.
    void unsubscribe(Subscribed kind, std::span<const std::string_view> names);
    void unsubscribe(std::string_view channel) { unsubscribe(Subscribed::channel, {&channel, 1}); }
    void punsubscribe(std::string_view pattern) { unsubscribe(Subscribed::pattern, {&pattern, 1}); }

    /// The next event, in the order in which they came; nullopt when none came in time.
    /// @throws RedisConnectionException when it was closed and everything was received
    /// @throws RedisProjectIsolationException when a message came that is not the project's; it is closed then
    std::optional<SubscriptionEvent> receive(Duration wait);
    /// The next event, however long it takes; for a coroutine on any executor. Cancellation ends the wait alone.
    boost::asio::awaitable<SubscriptionEvent> async_receive();

    /// `for (const SubscriptionEvent& event : subscriber)`: blocks for each, and ends when it is closed.
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = SubscriptionEvent;
        using difference_type = std::ptrdiff_t;
        using pointer = const SubscriptionEvent*;
        using reference = const SubscriptionEvent&;
        Iterator() = default;
        explicit Iterator(Subscriber& subscriber) : subscriber_(&subscriber) { ++*this; }
        reference operator*() const noexcept { return *event_; }
        pointer operator->() const noexcept { return &*event_; }
        Iterator& operator++();
        friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
            return a.event_.has_value() == b.event_.has_value();
        }

    private:
        Subscriber* subscriber_ = nullptr;
        std::optional<SubscriptionEvent> event_;
    };
    Iterator begin() { return Iterator(*this); }
    Iterator end() const noexcept { return {}; }

    /// Messages that were dropped here because nobody received them (`SubscriptionOverflow::drop_oldest`), in all.
    std::uint64_t dropped() const;
    /// Ends it, from any thread; whoever waits is told. What was heard before can still be received.
    void close() noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace redoubt
