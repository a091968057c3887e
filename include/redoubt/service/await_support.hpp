// service: lets an asio::awaitable coroutine `co_await` an operation that completes with an exception_ptr and a value.
// Boost 1.81 to 1.83 select for that signature a handler whose body does not compile (`if (*result)` on a struct), so
// our operations carry a return type of their own in their signature, for which this handler is chosen. No coroutine
// frame is made for the await.
#pragma once

#include <exception>
#include <utility>

#include <boost/asio/awaitable.hpp>

namespace redoubt::service {

/// The return type in the signature of throwing operations. Never made.
struct Rethrows;

}  // namespace redoubt::service

namespace boost::asio::detail {

// Awaits the pair as one value, and throws or unpacks it.
template <typename T, typename Executor>
class awaitable_async_op_handler<redoubt::service::Rethrows(std::exception_ptr, T), Executor>
    : public awaitable_async_op_handler<void(std::pair<std::exception_ptr, T>), Executor> {
    using Base = awaitable_async_op_handler<void(std::pair<std::exception_ptr, T>), Executor>;

public:
    using Base::Base;
    using typename Base::result_type;

    void operator()(std::exception_ptr failure, T value) {
        Base::operator()(std::pair<std::exception_ptr, T>(std::move(failure), std::move(value)));
    }
    static T resume(result_type& result) {
        std::pair<std::exception_ptr, T> outcome = Base::resume(result);
        if (outcome.first) std::rethrow_exception(std::exchange(outcome.first, nullptr));
        return std::move(outcome.second);
    }
};

}  // namespace boost::asio::detail
