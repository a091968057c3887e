// service: several commands in one go: a typed chain, and a batch for loops.
#pragma once

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include <redoubt/service/commands.hpp>
#include <redoubt/service/execution.hpp>

namespace redoubt {

/// `redis.pipeline().get("a").incr("b").execute()`: sent as one piece, answered by a tuple. Not atomic: other
/// clients' commands may run in between (a transaction is). Keys and values are encoded as each method is called
/// and need not live any longer. A value type, used by one thread.
template <class Mode, class... Replies>
class Pipeline : public ChainCommands<Pipeline<Mode, Replies...>> {
public:
    explicit Pipeline(service::Handle handle) : handle_(std::move(handle)) {}
    Pipeline(service::Handle&& handle, service::Gathered&& gathered, std::tuple<service::Reader<Replies>...> readers)
        : handle_(std::move(handle)), gathered_(std::move(gathered)), readers_(readers) {}

    /// Appends a command made by a builder.
    template <class Reply>
    Pipeline<Mode, Replies..., Reply> invoke(const Command<Reply>& command) && {
        gathered_.add(handle_, command);
        return {std::move(handle_), std::move(gathered_),
                std::tuple_cat(readers_, std::tuple<service::Reader<Reply>>(command.reader()))};
    }

    /// `std::tuple<Replies...>`; throws (or completes with) the first failure among them.
    auto execute() && {
        static_assert(sizeof...(Replies) != 0, "a pipeline without commands");
        return Mode::run(handle_, std::move(gathered_), "PIPELINE", service::AllReplies<Replies...>(readers_));
    }
    /// `result<std::tuple<result<Replies>...>>`: each command's own outcome, inside that of the whole.
    auto try_execute() && {
        static_assert(sizeof...(Replies) != 0, "a pipeline without commands");
        return Mode::try_run(handle_, std::move(gathered_), "PIPELINE", service::TupleReplies<Replies...>(readers_));
    }

private:
    service::Handle handle_;
    service::Gathered gathered_;
    std::tuple<service::Reader<Replies>...> readers_;
};

/// Any number of commands whose replies have one type:
/// `auto b = redis.batch<std::int64_t>(); for (...) b.incr(key); auto values = std::move(b).execute();`
template <class Mode, class Reply>
class Batch : public Commands<Batch<Mode, Reply>> {
public:
    explicit Batch(service::Handle handle) : state_(std::make_unique<State>()) { state_->handle = std::move(handle); }

    /// Appends a command; its place in the outcome is the number of those before it.
    template <class Other>
    void invoke(const Command<Other>& command) const {
        static_assert(std::is_same_v<Other, Reply>, "every command of a batch has the batch's reply type");
        state_->gathered.add(state_->handle, command);
        state_->readers.push_back(command.reader());
    }
    std::size_t size() const noexcept { return state_->readers.size(); }

    /// `std::vector<Reply>`; throws the first failure among them. An empty batch sends nothing.
    auto execute() && {
        return Mode::run(state_->handle, std::move(state_->gathered), "PIPELINE",
                         service::AllVectorReplies<Reply>(std::move(state_->readers)));
    }
    /// `result<std::vector<result<Reply>>>`: each command's own outcome, inside that of the whole.
    auto try_execute() && {
        return Mode::try_run(state_->handle, std::move(state_->gathered), "PIPELINE",
                             service::VectorReplies<Reply>(std::move(state_->readers)));
    }

private:
    struct State {
        service::Handle handle;
        service::Gathered gathered;
        std::vector<service::Reader<Reply>> readers;
    };
    std::unique_ptr<State> state_;
};

}  // namespace redoubt
