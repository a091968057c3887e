// service: the clients: a project's handle for blocking calls, and its async twin.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/resp/value.hpp>
#include <redoubt/service/commands.hpp>
#include <redoubt/service/execution.hpp>
#include <redoubt/service/memory_report.hpp>
#include <redoubt/service/pipeline.hpp>
#include <redoubt/service/run_script.hpp>
#include <redoubt/service/scan.hpp>
#include <redoubt/service/subscriber.hpp>
#include <redoubt/service/transact.hpp>
#include <redoubt/service/transaction.hpp>
#include <redoubt/service/user_types.hpp>

namespace redoubt {

namespace service {

/// Isolates and encodes a command that is given as words of any kind.
template <class... Words>
void encode_words(const Handle& handle, Gathered& gathered, ReplyRule& rule, const Words&... words) {
    const std::array<Word, sizeof...(Words)> kept{Word(words)...};
    std::array<std::string_view, sizeof...(Words)> argv;
    for (std::size_t i = 0; i != argv.size(); ++i) argv[i] = kept[i].view();
    gathered.refused = handle.project->encode_raw(argv, gathered.commands, rule);
}

}  // namespace service

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

    /// The same with the reply read as a `T`, which may be a type of the application's own (user_types.hpp); words may
    /// be numbers, and values of such types.
    template <class T, class... Words>
    auto command_as(const Words&... words) const {
        service::Gathered gathered;
        ReplyRule rule = ReplyRule::none;
        service::encode_words(handle_, gathered, rule, words...);
        const std::string_view name = gathered.commands.last_name();
        return service::Async::run(handle_, std::move(gathered), name, service::UserReply<T>(rule));
    }

    // With a cursor a page; without one a scan that keeps it: `while (auto page = co_await scan.next())` (scan.hpp).
    using Commands<AsyncProjectRedisClient>::scan;
    using Commands<AsyncProjectRedisClient>::hscan;
    using Commands<AsyncProjectRedisClient>::sscan;
    using Commands<AsyncProjectRedisClient>::zscan;
    AsyncScan<ScanPage> scan(ScanOptions options = {}) const {
        return AsyncScan<ScanPage>(service::scan_of_keys(handle_, options));
    }
    AsyncScan<HashScanPage> hscan(std::string_view key, MemberScanOptions options = {}) const {
        return AsyncScan<HashScanPage>(service::scan_of_members(handle_, key, options));
    }
    AsyncScan<SetScanPage> sscan(std::string_view key, MemberScanOptions options = {}) const {
        return AsyncScan<SetScanPage>(service::scan_of_members(handle_, key, options));
    }
    AsyncScan<SortedSetScanPage> zscan(std::string_view key, MemberScanOptions options = {}) const {
        return AsyncScan<SortedSetScanPage>(service::scan_of_members(handle_, key, options));
    }
    /// As those of the blocking client, for coroutines.
    boost::asio::awaitable<std::vector<std::string>> keys(std::string_view pattern = {}) const {
        return service::async_keys(handle_, std::string(pattern));
    }
    boost::asio::awaitable<std::uint64_t> count_keys(std::string_view pattern = {}) const {
        return service::async_count_keys(handle_, std::string(pattern));
    }
    boost::asio::awaitable<DeleteKeysProgress> delete_all_keys(DeleteKeysOptions options = {},
                                                               DeleteKeysCallback progress = {}) const {
        return service::async_delete_all_keys(handle_, options, std::string(options.match), std::move(progress));
    }

    /// As that of the blocking client, for coroutines.
    boost::asio::awaitable<MemoryReport> memory_report(MemoryReportOptions options = {},
                                                       MemoryReportCallback progress = {}) const {
        return service::async_memory_report(handle_, options, std::string(options.match), std::move(progress));
    }

    /// Runs a script (script.hpp), its reply read as a `T`; for coroutines. Everything is copied before it returns.
    template <class T = Value>
    boost::asio::awaitable<T> run(const Script& script, TextList keys = {}, TextList arguments = {}) const {
        return service::run_script<T>(handle_, service::OwnedScriptCall(script, keys, arguments));
    }

    Pipeline<service::Async> pipeline() const { return Pipeline<service::Async>(handle_); }
    template <class Reply>
    Batch<service::Async, Reply> batch() const {
        return Batch<service::Async, Reply>(handle_);
    }
    Transaction<service::Async> transaction() const { return Transaction<service::Async>(handle_); }
    /// Leases a connection and sends WATCH there: `auto watched = co_await redis.watch("stock", "price");`. Keys may also
    /// be a span. Fails as any call does, and with RedisPoolExhaustedException when no connection is free in time.
    auto watch(TextList keys) const { return service::start_watch<service::ThrowingCompletion>(handle_, keys); }
    template <service::Text... Keys>
    auto watch(const Keys&... keys) const {
        const std::array<std::string_view, sizeof...(Keys)> all{std::string_view(keys)...};
        return watch(TextList(all));
    }
    auto try_watch(TextList keys) const { return service::start_watch<service::ResultCompletion>(handle_, keys); }
    template <service::Text... Keys>
    auto try_watch(const Keys&... keys) const {
        const std::array<std::string_view, sizeof...(Keys)> all{std::string_view(keys)...};
        return try_watch(TextList(all));
    }
    /// Executed on the connection on which the keys are watched, or not at all: `not_sent` where that is lost, and
    /// nullopt where one of them has changed. It is one attempt, whatever `retries` says.
    WatchedTransaction<> transaction(Watched watched) const {
        return WatchedTransaction<>(handle_, std::move(watched));
    }
    /// As `transact` of the blocking client, for coroutines. `fill` takes a `WatchedTransaction<>` by value and returns
    /// it with its commands, or is a coroutine that does. Keys are copied; `fill` is moved into the coroutine, but not
    /// what it refers to.
    /// `co_await redis.transact("n", 5, [&](WatchedTransaction<> t) -> asio::awaitable<WatchedTransaction<bool>> {
    ///      co_return std::move(t).set("n", next(co_await redis.get("n")));
    ///  });`
    template <class Fill>
    auto transact(TextList keys, unsigned attempts, Fill fill) const {
        return service::transact(handle_, std::vector<std::string>(keys.begin(), keys.end()), attempts,
                                 std::move(fill));
    }
    template <class Fill>
    auto transact(std::string_view key, unsigned attempts, Fill fill) const {
        return transact(TextList(&key, 1), attempts, std::move(fill));
    }
    AsyncProjectRedisClient with(const CallOptions& options) const {
        return AsyncProjectRedisClient(handle_.with(options.merged_over(handle_.options())));
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
        if (auto error = handle_.project->run(command, sink, handle_.options())) return *error;
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

    /// The same with the reply read as a `T`, which may be a type of the application's own (user_types.hpp); words may
    /// be numbers, and values of such types: `command_as<User>("HGETALL", "user:7")`.
    /// @throws RedisReplyTypeException naming the command, what was expected and what came, when the reply is no `T`
    template <class T, class... Words>
    T command_as(const Words&... words) const {
        return try_command_as<T>(words...).value();
    }
    template <class T, class... Words>
    result<T> try_command_as(const Words&... words) const {
        service::Gathered gathered;
        ReplyRule rule = ReplyRule::none;
        service::encode_words(handle_, gathered, rule, words...);
        const std::string_view name = gathered.commands.last_name();
        return service::Blocking::try_run(handle_, std::move(gathered), name, service::UserReply<T>(rule));
    }

    // With a cursor a page; without one a range that keeps it: `for (const auto& key : redis.scan())` (scan.hpp).
    using Commands<ProjectIsolatedRedisClient>::scan;
    using Commands<ProjectIsolatedRedisClient>::hscan;
    using Commands<ProjectIsolatedRedisClient>::sscan;
    using Commands<ProjectIsolatedRedisClient>::zscan;
    KeyScan scan(ScanOptions options = {}) const { return KeyScan(service::scan_of_keys(handle_, options)); }
    FieldScan hscan(std::string_view key, MemberScanOptions options = {}) const {
        return FieldScan(service::scan_of_members(handle_, key, options));
    }
    MemberScan sscan(std::string_view key, MemberScanOptions options = {}) const {
        return MemberScan(service::scan_of_members(handle_, key, options));
    }
    ScoredMemberScan zscan(std::string_view key, MemberScanOptions options = {}) const {
        return ScoredMemberScan(service::scan_of_members(handle_, key, options));
    }
    /// The project's keys that match the glob (empty: all), each once, in no order. It walks the whole server; a
    /// deadline is that of each step.
    std::vector<std::string> keys(std::string_view pattern = {}) const { return service::keys(handle_, pattern); }
    /// How many keys the project has, or how many match. It walks the whole server, and keeps 8 bytes of hash a key.
    std::uint64_t count_keys(std::string_view pattern = {}) const { return service::count_keys(handle_, pattern); }
    /// Deletes the project's keys, or those that match, page by page (SCAN and UNLINK). `progress` is told after each
    /// page; when it returns false, or a page fails, go on from the cursor that was told last. Keys that come
    /// meanwhile may stay.
    /// @throws RedisProjectIsolationException in the unprefixed pool of `development`, where all keys are meant
    DeleteKeysProgress delete_all_keys(const DeleteKeysOptions& options = {},
                                       const DeleteKeysCallback& progress = {}) const {
        return service::delete_all_keys(handle_, options, progress);
    }

    /// What the project's keys take of the server's memory, measured on a random sample of them, and estimated for the
    /// whole with its error (memory_report.hpp). It walks the whole server, within the options' bounds; a deadline is that of
    /// each step.
    /// @throws RedisConfigurationException for options out of bounds
    MemoryReport memory_report(const MemoryReportOptions& options = {},
                               const MemoryReportCallback& progress = {}) const {
        return service::memory_report(handle_, options, progress);
    }

    Pipeline<service::Blocking> pipeline() const { return Pipeline<service::Blocking>(handle_); }
    template <class Reply>
    Batch<service::Blocking, Reply> batch() const {
        return Batch<service::Blocking, Reply>(handle_);
    }
    Transaction<service::Blocking> transaction() const { return Transaction<service::Blocking>(handle_); }
    /// Runs a script (script.hpp), its reply read as a `T`. Its keys get the prefix.
    /// @throws RedisProjectIsolationException naming what is missing where scripts may not be run
    template <class T = Value>
    T run(const Script& script, TextList keys = {}, TextList arguments = {}) const {
        return try_run<T>(script, keys, arguments).value();
    }
    template <class T = Value>
    T run(const Script& script, TextBraces keys, TextBraces arguments = {}) const {
        return run<T>(script, TextList(keys.begin(), keys.size()), TextList(arguments.begin(), arguments.size()));
    }
    template <class T = Value>
    result<T> try_run(const Script& script, TextList keys = {}, TextList arguments = {}) const {
        service::SingleReply<T> reply(static_cast<service::Reader<T>>(&read_reply));
        service::SinkOf<service::SingleReply<T>> sink(reply);
        const isolation::ScriptCall call{script.source(), script.sha1(), script.read_only(), keys, arguments};
        if (auto error = handle_.project->run_script(call, sink, handle_.options())) return *error;
        return reply.take();
    }
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
        return ProjectIsolatedRedisClient(handle_.with(options.merged_over(handle_.options())));
    }
    const std::string& project_id() const noexcept { return handle_.project->id(); }

private:
    Error not_found(std::string_view operation, std::string_view key) const;
    service::Handle handle_;
};

}  // namespace redoubt
