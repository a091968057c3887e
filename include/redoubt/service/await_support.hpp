// service: lets an asio::awaitable coroutine `co_await` an operation that completes with an exception_ptr and a value.
// Boost 1.81 to 1.83 select for that signature a handler whose body does not compile (`if (*result)` on a struct), so
// our operations carry a return type of their own in their signature, for which this handler is chosen. No coroutine
// frame is made for the await, and the value is moved once, from where it was read into the coroutine.
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>

namespace redoubt::service {

/// The return type in the signature of throwing operations. Never made.
struct Rethrows;

/// The end of a throwing operation on its way into a coroutine: a failure, or a value that is still where it was.
template <class Value>
struct Arrival {
    std::exception_ptr failure;
    Value* value = nullptr;
};

/// True for handlers that take an Arrival.
template <class Handler>
struct IsAwaiting : std::false_type {};

}  // namespace redoubt::service

namespace boost::asio::detail {

template <typename T, typename Executor>
class awaitable_async_op_handler<redoubt::service::Rethrows(std::exception_ptr, T), Executor>
    : public awaitable_async_op_handler<void(redoubt::service::Arrival<T>*), Executor> {
    using Arrival = redoubt::service::Arrival<T>;
    using Base = awaitable_async_op_handler<void(Arrival*), Executor>;

public:
    using Base::Base;
    using typename Base::result_type;

    /// It is read before this returns.
    void operator()(Arrival* arrival) { Base::operator()(arrival); }
    void operator()(std::exception_ptr failure, T value) {
        Arrival arrival{std::move(failure), &value};
        Base::operator()(&arrival);
    }
    static T resume(result_type& result) {
        Arrival* const arrival = Base::resume(result);
        if (arrival->failure) std::rethrow_exception(std::exchange(arrival->failure, nullptr));
        return std::move(*arrival->value);
    }
};

}  // namespace boost::asio::detail

template <typename T, typename Executor>
struct redoubt::service::IsAwaiting<
    boost::asio::detail::awaitable_async_op_handler<redoubt::service::Rethrows(std::exception_ptr, T), Executor>>
    : std::true_type {};
