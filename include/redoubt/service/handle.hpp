// service: what every surface holds: the project, and the options of its calls; and how commands are executed on it,
// blocking or async.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/isolation/project.hpp>
#include <redoubt/service/async_operation.hpp>
#include <redoubt/service/replies.hpp>

namespace redoubt::service {

struct Handle {
    std::shared_ptr<isolation::Project> project;
    CallOptions options;
};

/// Commands on their way into one call, with the first thing that was wrong with any of them.
struct Gathered {
    EncodedCommands commands;
    std::optional<Error> refused;

    void add(const Handle& handle, const CommandView& command) {
        if (!refused) refused = handle.project->encode(command, commands);
    }
};

/// The calling thread waits; `try_` forms return `result`, the others throw.
struct Blocking {
    template <class Replies>
    static result<typename Replies::value_type> try_run(const Handle& handle, Gathered&& gathered,
                                                        std::string_view name, Replies replies) {
        using Outcome = result<typename Replies::value_type>;
        if (gathered.refused) return Outcome(boost::system::in_place_error, *gathered.refused);
        if (gathered.commands.count() == 0) return replies.take();
        SinkOf<Replies> sink(replies);
        if (auto error = handle.project->run(gathered.commands, name, sink, handle.options)) {
            return Outcome(boost::system::in_place_error, *error);
        }
        return replies.take();
    }
    template <class Replies>
    static typename Replies::value_type run(const Handle& handle, Gathered&& gathered, std::string_view name,
                                            Replies replies) {
        return try_run(handle, std::move(gathered), name, std::move(replies)).value();
    }
};

/// An Asio operation, to be awaited or called with a token.
struct Async {
    template <class Replies>
    static auto try_run(const Handle& handle, Gathered&& gathered, std::string_view name, Replies replies) {
        return make_operation(Initiation<Replies, ResultCompletion>{handle.project, std::move(gathered.commands),
                                                                    std::move(gathered.refused), handle.options, name,
                                                                    std::move(replies)});
    }
    template <class Replies>
    static auto run(const Handle& handle, Gathered&& gathered, std::string_view name, Replies replies) {
        return make_operation(Initiation<Replies, ThrowingCompletion>{handle.project, std::move(gathered.commands),
                                                                      std::move(gathered.refused), handle.options, name,
                                                                      std::move(replies)});
    }
};

}  // namespace redoubt::service
