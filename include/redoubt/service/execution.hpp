// service: how commands are executed on what a surface holds, blocking or async.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/isolation/project.hpp>
#include <redoubt/service/async_operation.hpp>
#include <redoubt/service/handle.hpp>
#include <redoubt/service/replies.hpp>

namespace redoubt::service {

/// Commands on their way into one call, with the first thing that was wrong with any of them.
struct Gathered {
    EncodedCommands commands;
    std::optional<Error> refused;

    void add(const Handle& handle, const CommandView& command) {
        if (!refused) refused = handle.project->encode(command, commands);
    }
    /// The only one.
    void add_alone(const Handle& handle, const CommandView& command) {
        if (!refused) refused = handle.project->encode_alone(command, commands);
    }
};

/// The calling thread waits; `try_` forms return `result`, the others throw.
struct Blocking {
    template <class Replies>
    static result<typename Replies::value_type> try_run(const Handle& handle, Gathered&& gathered,
                                                        std::string_view name, Replies replies) {
        using Outcome = result<typename Replies::value_type>;
        if (gathered.refused) {
            handle.project->report_refusal(*gathered.refused, name, handle.options());
            return Outcome(boost::system::in_place_error, *gathered.refused);
        }
        if (gathered.commands.count() == 0) return replies.take();
        SinkOf<Replies> sink(replies);
        if (auto error = handle.project->run(gathered.commands, name, sink, handle.options())) {
            return Outcome(boost::system::in_place_error, *error);
        }
        return taken(replies, *handle.project, name);
    }
    template <class Replies>
    static typename Replies::value_type run(const Handle& handle, Gathered&& gathered, std::string_view name,
                                            Replies replies) {
        return try_run(handle, std::move(gathered), name, std::move(replies)).value();
    }
};

/// One that has to be looked at first (`Project::is_plain`): encodes it, or says in the call why not.
void encode_alone(dispatch::AsyncCall& call, const isolation::Project& project, const CommandView& command);

/// An Asio operation, to be awaited or called with a token.
struct Async {
    /// One command, encoded into the operation itself.
    template <class Completion, class Reply>
    static auto start(const Handle& handle, const Command<Reply>& command) {
        return make_operation<SingleReply<Reply>, Completion>(
            handle, command.name(), SingleReply<Reply>(command.reader()), [&](dispatch::AsyncCall& call) {
                if (handle.project->is_plain(command, call.commands())) [[likely]]
                    return call.commands().append(command, handle.project->prefix());
                encode_alone(call, *handle.project, command);
            });
    }
    template <class Replies>
    static auto try_run(const Handle& handle, Gathered&& gathered, std::string_view name, Replies replies) {
        return start_gathered<ResultCompletion>(handle, gathered, name, std::move(replies));
    }
    template <class Replies>
    static auto run(const Handle& handle, Gathered&& gathered, std::string_view name, Replies replies) {
        return start_gathered<ThrowingCompletion>(handle, gathered, name, std::move(replies));
    }

private:
    template <class Completion, class Replies>
    static auto start_gathered(const Handle& handle, Gathered& gathered, std::string_view name, Replies&& replies) {
        return make_operation<Replies, Completion>(handle, name, std::move(replies), [&](dispatch::AsyncCall& call) {
            call.commands() = std::move(gathered.commands);
            if (call.commands().count() == 0) call.expect_nothing();
            if (gathered.refused) call.refuse(std::move(*gathered.refused));
        });
    }
};

}  // namespace redoubt::service
