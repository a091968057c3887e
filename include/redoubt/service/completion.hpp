// service: the outcome of a call, and how the handler of an async one is told.
#pragma once

#include <exception>
#include <string_view>
#include <utility>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/isolation/project.hpp>
#include <redoubt/service/await_support.hpp>

namespace redoubt::service {

/// How a handler is told: `void(std::exception_ptr, Reply)`, or `void(result<Reply>)` for the `try_` form.
struct ThrowingCompletion {
    template <class Value>
    using signature = Rethrows(std::exception_ptr, Value);  // for handlers: void(std::exception_ptr, Value)
    template <class Handler, class Value>
    static void succeed(Handler& handler, Value& value) {
        if constexpr (IsAwaiting<Handler>::value) {
            Arrival<Value> arrival{nullptr, &value};
            std::move(handler)(&arrival);
        } else {
            std::move(handler)(std::exception_ptr(), std::move(value));
        }
    }
    template <class Value, class Handler>
    static void fail(Handler& handler, const Error& error) {
        std::move(handler)(to_exception_ptr(error), Value{});
    }
};
struct ResultCompletion {
    template <class Value>
    using signature = void(result<Value>);
    template <class Handler, class Value>
    static void succeed(Handler& handler, Value& value) {
        std::move(handler)(result<Value>(boost::system::in_place_value, std::move(value)));
    }
    template <class Value, class Handler>
    static void fail(Handler& handler, const Error& error) {
        std::move(handler)(result<Value>(boost::system::in_place_error, error));
    }
};

/// What the replies came to; what is wrong with them says whose and which call it was.
template <class Replies>
result<typename Replies::value_type> taken(Replies& replies, const isolation::Project& project, std::string_view name) {
    if constexpr (requires { replies.describe(project); }) replies.describe(project);
    result<typename Replies::value_type> outcome(replies.take());
    if (!outcome && outcome.error().operation.empty()) {
        return result<typename Replies::value_type>(boost::system::in_place_error,
                                                    project.refusal(outcome.error(), name));
    }
    return outcome;
}

}  // namespace redoubt::service
