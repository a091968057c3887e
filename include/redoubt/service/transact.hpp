// service: optimistic transactions of coroutines, which are tried again while a watched key changes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/service/transaction.hpp>

namespace redoubt::service {

/// What `fill` gives: a transaction, or a coroutine that gives one.
template <class Filled>
struct FilledBy {
    using type = Filled;
    static constexpr bool by_coroutine = false;
};
template <class Filled>
struct FilledBy<boost::asio::awaitable<Filled>> {
    using type = Filled;
    static constexpr bool by_coroutine = true;
};

template <class Fill>
using FilledOf = FilledBy<std::invoke_result_t<Fill&, WatchedTransaction<>>>;

template <class Fill>
boost::asio::awaitable<typename FilledOf<Fill>::type::outcome_type> transact(Handle handle,
                                                                             std::vector<std::string> keys,
                                                                             unsigned attempts, Fill fill) {
    using boost::asio::use_awaitable;
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    for (;;) {
        auto begin = start_watch<ThrowingCompletion>(handle, views);
        Watched watched = co_await std::move(begin)(use_awaitable);
        WatchedTransaction<> transaction(handle, std::move(watched));
        if constexpr (FilledOf<Fill>::by_coroutine) {
            auto body = fill(std::move(transaction));
            auto filled = co_await std::move(body);
            auto executed = std::move(filled).execute();
            auto outcome = co_await std::move(executed)(use_awaitable);
            if (outcome || attempts <= 1) co_return outcome;
        } else {
            auto executed = fill(std::move(transaction)).execute();
            auto outcome = co_await std::move(executed)(use_awaitable);
            if (outcome || attempts <= 1) co_return outcome;
        }
        --attempts;
    }
}

}  // namespace redoubt::service
