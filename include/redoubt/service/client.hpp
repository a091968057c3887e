// service: the clients: a project's handle for blocking calls, and its async twin.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/resp/value.hpp>
#include <redoubt/service/commands.hpp>
#include <redoubt/service/handle.hpp>
#include <redoubt/service/pipeline.hpp>
#include <redoubt/service/subscriber.hpp>
#include <redoubt/service/transaction.hpp>

namespace redoubt {

/// Every method returns an Asio operation: `co_await` it, or call it with a completion token
/// (`redis.async().get("k")(asio::use_future)`). It completes with `void(std::exception_ptr, T)`; the `try_` forms
/// with `void(result<T>)`. Arguments are copied before the method returns. Handlers run on their associated executor;
/// cancellation is honoured when that is the service's loop.
/// Copyable; may be used from any thread.
class AsyncProjectRedisClient : public Commands<AsyncProjectRedisClient>, public TryCommands<AsyncProjectRedisClient> {
public:
    explicit AsyncProjectRedisClient(service::Handle handle) : handle_(std::move(handle)) {}

    template <class Reply>
    auto invoke(const Command<Reply>& command) const {
        return service::Async::start<service::ThrowingCompletion>(handle_, command);
    }
    template <class Reply>
    auto try_invoke(const Command<Reply>& command) const {
        return service::Async::start<service::ResultCompletion>(handle_, command);
    }
    /// Any command as words, isolated like every other; the words are copied.
    auto command(std::span<const std::string_view> words) const {
        service::Gathered gathered;
        ReplyRule rule = ReplyRule::none;
        gathered.refused = handle_.project->encode_raw(words, gathered.commands, rule);
        const std::string_view name = gathered.commands.last_name();
        return service::Async::run(handle_, std::move(gathered), name, service::RawReply(rule));
    }
    /// `command("HSET", "h", "field", "1")`.
    template <service::Text... Words>
    auto command(const Words&... words) const {
        const std::array<std::string_view, sizeof...(Words)> argv{std::string_view(words)...};
        return command(std::span<const std::string_view>(argv));
    }

    Pipeline<service::Async> pipeline() const { return Pipeline<service::Async>(handle_); }
    template <class Reply>
    Batch<service::Async, Reply> batch() const {
        return Batch<service::Async, Reply>(handle_);
    }
    Transaction<service::Async> transaction() const { return Transaction<service::Async>(handle_); }
    AsyncProjectRedisClient with(const CallOptions& options) const {
        return AsyncProjectRedisClient({handle_.project, options.merged_over(handle_.options)});
    }

private:
    service::Handle handle_;
};

/// A project's handle: cheap, copyable, thread-safe. Every key is stored as `proj:{project_id}:{key}`, added exactly
/// once and stripped exactly once. Methods block the calling thread, at most until the call's deadline, and throw
/// (exceptions.hpp); the `try_` forms return `result<T>`. It may outlive its service: its calls then fail.
class ProjectIsolatedRedisClient : public Commands<ProjectIsolatedRedisClient>,
                                   public TryCommands<ProjectIsolatedRedisClient> {
public:
    explicit ProjectIsolatedRedisClient(service::Handle handle) : handle_(std::move(handle)) {}

    template <class Reply>
    Reply invoke(const Command<Reply>& command) const {
        return try_invoke(command).value();
    }
    template <class Reply>
    result<Reply> try_invoke(const Command<Reply>& command) const {
        service::SingleReply<Reply> reply(command.reader());
        service::SinkOf<service::SingleReply<Reply>> sink(reply);
        if (auto error = handle_.project->run(command, sink, handle_.options)) return *error;
        return reply.take();
    }

    /// GET that must find something.
    /// @throws RedisKeyNotFoundException when there is no such key
    std::string get_required(std::string_view key) const;
    /// HGET that must find something.
    /// @throws RedisKeyNotFoundException when there is no such key or field
    std::string hget_required(std::string_view key, std::string_view field) const;

    /// Any command as words: `command("HSET", "h", "field", "1")`. Keys are prefixed and stripped as in the typed
    /// methods; what cannot be isolated is refused before a byte is sent. An error reply is thrown.
    /// @throws RedisProjectIsolationException naming the command and the rule
    template <service::Text... Words>
    Value command(const Words&... words) const {
        const std::array<std::string_view, sizeof...(Words)> argv{std::string_view(words)...};
        return command(std::span<const std::string_view>(argv));
    }
    Value command(std::span<const std::string_view> words) const { return try_command(words).value(); }
    result<Value> try_command(std::span<const std::string_view> words) const;

    Pipeline<service::Blocking> pipeline() const { return Pipeline<service::Blocking>(handle_); }
    template <class Reply>
    Batch<service::Blocking, Reply> batch() const {
        return Batch<service::Blocking, Reply>(handle_);
    }
    Transaction<service::Blocking> transaction() const { return Transaction<service::Blocking>(handle_); }
    /// Reads and writes as one, if nobody comes between: watches the keys, calls `fill` with the transaction, which reads
    /// what it needs through any client, queues its commands and gives the transaction back, and executes it; all of it
    /// again while a watched key had changed, at most `attempts` times (at least once). nullopt: it had changed each time,
    /// and nothing was executed.
    /// `redis.transact({"stock"}, 5, [&](auto&& t) { return std::move(t).set("stock", next(redis.get("stock"))); })`
    /// @throws what `fill`, `Transaction::watch` and `Transaction::execute` throw
    template <class Fill>
    auto transact(std::span<const std::string_view> keys, unsigned attempts, Fill&& fill) const {
        for (;;) {
            auto outcome = fill(transaction().watch(keys)).execute();
            if (outcome || attempts <= 1) return outcome;
            --attempts;
        }
    }
    template <class Fill>
    auto transact(std::initializer_list<std::string_view> keys, unsigned attempts, Fill&& fill) const {
        return transact(std::span<const std::string_view>(keys.begin(), keys.size()), attempts,
                        std::forward<Fill>(fill));
    }
    /// Listens to the project's channels and key events; see Subscriber.
    Subscriber subscriber(const SubscriberOptions& options = {}) const { return Subscriber(handle_, options); }

    /// The same project for coroutines and completion tokens.
    AsyncProjectRedisClient async() const { return AsyncProjectRedisClient(handle_); }
    /// A handle with its own defaults: `with({.deadline = 50ms, .retries = 0})`.
    ProjectIsolatedRedisClient with(const CallOptions& options) const {
        return ProjectIsolatedRedisClient({handle_.project, options.merged_over(handle_.options)});
    }
    const std::string& project_id() const noexcept { return handle_.project->id(); }

private:
    Error not_found(std::string_view operation, std::string_view key) const;
    service::Handle handle_;
};

}  // namespace redoubt
