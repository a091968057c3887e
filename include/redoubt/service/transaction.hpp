// service: MULTI .. EXEC as a typed chain, with WATCH.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <redoubt/service/commands.hpp>
#include <redoubt/service/execution.hpp>
#include <redoubt/service/watched.hpp>

namespace redoubt {

namespace service {

/// How the reply of a queued command is read, and what the command is called.
template <class Reply>
struct QueuedCommand {
    Reader<Reply> reader;
    std::string_view name;
};

/// The replies of MULTI, of each queued command, and of EXEC, whose elements become the values. nullopt: EXEC said
/// nil, because a watched key had changed; nothing was executed.
template <class... Replies>
class ExecReplies {
public:
    using value_type = std::optional<std::tuple<result<Replies>...>>;
    explicit ExecReplies(std::tuple<QueuedCommand<Replies>...> queued) noexcept : queued_(queued) {}

    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) {
        const ReplyNode head = cursor.next();
        if (index == 0) begin();
        if (index != exec_index) {
            if (head.text != (index == 0 ? "OK" : "QUEUED")) began_ = false;
            return ReadOutcome::ok();
        }
        if (head.is_null()) {
            ended_ = began_;
            return ReadOutcome::ok();
        }
        if (head.type != RespType::array || head.integer != static_cast<std::int64_t>(sizeof...(Replies))) {
            return ReadOutcome::mismatch("an array with a reply for each queued command", head);
        }
        ended_ = began_;
        ReadOutcome outcome = ReadOutcome::ok();
        slots_.emplace();
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (read_slot(std::get<I>(queued_), std::get<I>(*slots_), cursor, prefix, outcome), ...);
        }
        (std::index_sequence_for<Replies...>{});
        return outcome;
    }
    void fail(std::uint32_t index, const Error& error) {
        if (index == 0) {
            begin();
            began_ = false;
        }
        if (index == exec_index && error.prefix() == "EXECABORT") ended_ = began_;
        // EXECABORT only says that something was refused before; what that was is more use.
        if (index == exec_index && refused_) {
            const Error first = std::move(*refused_);
            refused_ = error;
            refused_->cause = std::make_shared<const Error>(first);
        } else if (!refused_) {
            refused_ = error;
        }
    }
    result<value_type> take() {
        // A server or proxy that refused MULTI has executed the commands one by one.
        if (refused_ && !began_) {
            Error error = Error::of(ErrorKind::server, Certainty::unknown, Stage::reply,
                                    "the server did not begin the transaction; its commands may have been executed "
                                    "one by one");
            error.cause = std::make_shared<const Error>(*refused_);
            return result<value_type>(boost::system::in_place_error, error);
        }
        if (refused_) return result<value_type>(boost::system::in_place_error, *refused_);
        if (!began_) {
            return result<value_type>(boost::system::in_place_error,
                                      Error::of(ErrorKind::server, Certainty::unknown, Stage::reply,
                                                "a command of the transaction was not queued"));
        }
        return result<value_type>(boost::system::in_place_value, std::move(slots_));
    }
    /// Says in the errors of single commands whose they are. Before `take`.
    void describe(const isolation::Project& project) {
        if (!slots_) return;
        const auto add = [&](auto& slot) {
            if (!slot) slot = project.refusal(slot.error(), {});
        };
        std::apply([&](auto&... slot) { (add(slot), ...); }, *slots_);
    }
    /// Of the queued commands the first that was answered with an error. Before `take`.
    std::optional<Error> inner_error() const {
        std::optional<Error> first;
        if (!slots_) return first;
        const auto look = [&](const auto& slot) {
            if (!first && !slot) first = slot.error();
        };
        std::apply([&](const auto&... slot) { (look(slot), ...); }, *slots_);
        return first;
    }
    /// EXEC was answered as such, so nothing is queued or watched any more.
    const bool& ended() const noexcept { return ended_; }

private:
    static constexpr std::uint32_t exec_index = sizeof...(Replies) + 1;

    // Again, where an earlier attempt was refused as a whole.
    void begin() {
        slots_.reset();
        refused_.reset();
        began_ = true;
        ended_ = false;
    }

    template <class Reply>
    static void read_slot(const QueuedCommand<Reply>& queued, result<Reply>& slot, ReplyCursor& cursor,
                          const KeyPrefix& prefix, ReadOutcome& outcome) {
        if (const ReplyNode head = cursor.peek(); head.is_error()) {
            fail_slot(queued, slot, error_inside_exec(head.text, prefix));
            cursor.skip();
            return;
        }
        const ReadOutcome read = queued.reader(cursor, prefix, *slot);
        if (read) return;
        fail_slot(queued, slot, error_of_shape(read));
        if (read.status() == ReadOutcome::Status::foreign_key) outcome = read;
    }

    template <class Reply>
    static void fail_slot(const QueuedCommand<Reply>& queued, result<Reply>& slot, Error error) {
        error.operation = queued.name;
        slot = error;
    }

    std::tuple<QueuedCommand<Replies>...> queued_;
    value_type slots_;
    std::optional<Error> refused_;
    bool began_ = true;  // MULTI was answered with OK, and every command with QUEUED
    bool ended_ = false;
};

/// The same for callers who want all or an exception.
template <class... Replies>
class AllExecReplies : public ExecReplies<Replies...> {
public:
    using value_type = std::optional<std::tuple<Replies...>>;
    using ExecReplies<Replies...>::ExecReplies;

    result<value_type> take() {
        auto outcome = ExecReplies<Replies...>::take();
        if (!outcome) return result<value_type>(boost::system::in_place_error, outcome.error());
        if (!*outcome) return result<value_type>(boost::system::in_place_value);
        return std::apply(
            [](auto&... slot) -> result<value_type> {
                if (const std::optional<Error> failed = first_failure(slot...)) {
                    return result<value_type>(boost::system::in_place_error, *failed);
                }
                return result<value_type>(boost::system::in_place_value, std::tuple<Replies...>(std::move(*slot)...));
            },
            **outcome);
    }
};

void add_multi(Gathered& gathered, const Handle& handle);
void add_exec(Gathered& gathered, const Handle& handle);
/// Sends WATCH for the keys on a connection of its own, which it returns.
result<std::shared_ptr<isolation::LeasedCalls>> watch(const Handle& handle, std::span<const std::string_view> keys);
/// Runs MULTI .. EXEC there; the connection may rest when `ended` says afterwards that nothing is watched any more.
std::optional<Error> execute_watched(isolation::LeasedCalls& lease, const Handle& handle,
                                     const EncodedCommands& commands, ReplySink& sink, const bool& ended);

/// What a transaction has of the connection on which its keys are watched.
template <class Mode>
struct WatchOf {
    struct type {};
};
template <>
struct WatchOf<Blocking> {
    using type = std::shared_ptr<isolation::LeasedCalls>;
};
template <>
struct WatchOf<AsyncWatched> {
    using type = Watched;
};

}  // namespace service

/// `redis.transaction().incr("sold").execute()`: all commands are executed together or none. With `watch` before
/// them none is executed when a watched key has changed since. A value type, used by one thread. After EXEC was
/// sent and its answer was lost, the error is `unknown`: it is never sent again.
template <class Mode, class... Replies>
class Transaction : public ChainCommands<Transaction<Mode, Replies...>> {
    using Watch = typename service::WatchOf<Mode>::type;

public:
    /// What `execute` gives: nullopt when a watched key had changed.
    using outcome_type = std::optional<std::tuple<Replies...>>;

    explicit Transaction(service::Handle handle, Watch&& watch = {})
        : handle_(std::move(handle)), watch_(std::move(watch)) {
        service::add_multi(gathered_, handle_);
    }
    Transaction(service::Handle&& handle, service::Gathered&& gathered, Watch&& watch,
                std::tuple<service::QueuedCommand<Replies>...> queued)
        : handle_(std::move(handle)), gathered_(std::move(gathered)), watch_(std::move(watch)), queued_(queued) {}

    /// Queues a command made by a builder.
    template <class Reply>
    Transaction<Mode, Replies..., Reply> invoke(const Command<Reply>& command) && {
        gathered_.add(handle_, command);
        return {std::move(handle_), std::move(gathered_), std::move(watch_),
                std::tuple_cat(queued_, std::tuple<service::QueuedCommand<Reply>>({command.reader(), command.name()}))};
    }

    /// Leases a connection and sends WATCH at once: what is read afterwards, through any client, is safe to decide
    /// on. Blocking transactions only; before the first command, once. (For coroutines: `redis.async().watch`.)
    /// @throws what a call does, and RedisPoolExhaustedException when no connection is free in time
    Transaction&& watch(std::span<const std::string_view> keys) && {
        static_assert(std::is_same_v<Mode, service::Blocking>, "WATCH needs a blocking transaction");
        static_assert(sizeof...(Replies) == 0, "WATCH comes before the commands");
        watch_ = service::watch(handle_, keys).value();
        return std::move(*this);
    }
    Transaction&& watch(std::initializer_list<std::string_view> keys) && {
        return std::move(*this).watch(std::span<const std::string_view>(keys.begin(), keys.size()));
    }
    Transaction&& watch(std::string_view key) && { return std::move(*this).watch({key}); }

    /// `std::optional<std::tuple<Replies...>>`: nullopt when a watched key had changed; throws the first failure.
    auto execute() && { return finish<service::AllExecReplies<Replies...>, true>(); }
    /// `result<std::optional<std::tuple<result<Replies>...>>>`.
    auto try_execute() && { return finish<service::ExecReplies<Replies...>, false>(); }

private:
    template <class Outcome, bool Throwing>
    auto finish() {
        static_assert(sizeof...(Replies) != 0, "a transaction without commands");
        service::add_exec(gathered_, handle_);
        gathered_.commands.set_atomic();
        Outcome replies(queued_);
        if constexpr (std::is_same_v<Mode, service::Blocking>) {
            auto outcome = watch_ && !gathered_.refused
                               ? finish_watched(replies)
                               : service::Blocking::try_run(handle_, std::move(gathered_), "MULTI", std::move(replies));
            if constexpr (Throwing) {
                return std::move(outcome).value();
            } else {
                return outcome;
            }
        } else if constexpr (std::is_same_v<Mode, service::AsyncWatched>) {
            using Completion = std::conditional_t<Throwing, service::ThrowingCompletion, service::ResultCompletion>;
            return Mode::template start<Completion>(handle_, std::move(gathered_), std::move(watch_),
                                                    std::move(replies));
        } else if constexpr (Throwing) {
            return Mode::run(handle_, std::move(gathered_), "MULTI", std::move(replies));
        } else {
            return Mode::try_run(handle_, std::move(gathered_), "MULTI", std::move(replies));
        }
    }
    template <class Outcome>
    result<typename Outcome::value_type> finish_watched(Outcome& replies) {
        service::SinkOf<Outcome> sink(replies);
        if (auto error = service::execute_watched(*watch_, handle_, gathered_.commands, sink, replies.ended())) {
            return result<typename Outcome::value_type>(boost::system::in_place_error, *error);
        }
        return service::taken(replies, *handle_.project, "MULTI");
    }

    service::Handle handle_;
    service::Gathered gathered_;
    [[no_unique_address]] Watch watch_;
    std::tuple<service::QueuedCommand<Replies>...> queued_;
};

/// A transaction whose keys an async caller watches: of `Watched`, and what the body of an async `transact` is given
/// (`WatchedTransaction<>`) and gives back (with the types of its replies).
template <class... Replies>
using WatchedTransaction = Transaction<service::AsyncWatched, Replies...>;

}  // namespace redoubt
