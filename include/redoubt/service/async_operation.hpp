// service: one async operation: the node that owns the caller's handler, and how it is begun with any token.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/dispatch/async_call.hpp>
#include <redoubt/isolation/project.hpp>
#include <redoubt/service/await_support.hpp>

namespace redoubt::service {

/// How a handler is told: `void(std::exception_ptr, Reply)`, or `void(result<Reply>)` for the `try_` form.
struct ThrowingCompletion {
    template <class Value>
    using signature = Rethrows(std::exception_ptr, Value);  // for handlers: void(std::exception_ptr, Value)
    template <class Handler, class Value>
    static void call(Handler& handler, result<Value>&& outcome) {
        if (outcome) {
            std::move(handler)(std::exception_ptr(), std::move(*outcome));
        } else {
            std::move(handler)(to_exception_ptr(outcome.error()), Value{});
        }
    }
};
struct ResultCompletion {
    template <class Value>
    using signature = void(result<Value>);
    template <class Handler, class Value>
    static void call(Handler& handler, result<Value>&& outcome) {
        std::move(handler)(std::move(outcome));
    }
};

/// The node. `Replies` reads the replies (`read`, `fail`) and gives the handler's value or what is wrong with it
/// (`take`).
template <class Handler, class Replies, class Completion>
class AsyncOperation final : public dispatch::AsyncCall {
public:
    using Value = typename Replies::value_type;
    using Allocator = boost::asio::associated_allocator_t<Handler, boost::asio::recycling_allocator<void>>;
    using NodeAllocator = typename std::allocator_traits<Allocator>::template rebind_alloc<AsyncOperation>;
    using Executor = boost::asio::associated_executor_t<Handler, Lane>;

    static void begin(Handler&& handler, std::shared_ptr<isolation::Project> project, EncodedCommands&& commands,
                      std::optional<Error>&& refused, const CallOptions& options, std::string_view name,
                      Replies&& replies) {
        NodeAllocator allocator(
            boost::asio::get_associated_allocator(handler, boost::asio::recycling_allocator<void>()));
        AsyncOperation* const place = std::allocator_traits<NodeAllocator>::allocate(allocator, 1);
        // Constructing moves and does not throw.
        AsyncOperation* const node = ::new (static_cast<void*>(place))
            AsyncOperation(std::move(handler), std::move(project), std::move(commands), std::move(refused), options,
                           name, std::move(replies));
        node->connect_cancellation();
        node->start();
    }

private:
    AsyncOperation(Handler&& handler, std::shared_ptr<isolation::Project>&& project, EncodedCommands&& commands,
                   std::optional<Error>&& refused, const CallOptions& options, std::string_view name, Replies&& replies)
        : AsyncCall(project->dispatcher(), project->prefix(), std::move(commands), std::move(refused), options, name),
          project_(std::move(project)),
          handler_(std::move(handler)),
          executor_(boost::asio::get_associated_executor(handler_, lane())),
          replies_(std::move(replies)),
          same_lane_(is_lane(executor_)) {
        // The other loop must not end while the answer is still to come.
        if (!same_lane_) {
            work_ = boost::asio::prefer(boost::asio::any_io_executor(executor_),
                                        boost::asio::execution::outstanding_work.tracked);
        }
    }
    ~AsyncOperation() override = default;

    bool is_lane(const Executor& executor) const noexcept {
        if constexpr (std::is_same_v<Executor, Lane>) {
            return executor == lane();
        } else if constexpr (std::is_same_v<Executor, boost::asio::any_io_executor>) {
            const Lane* const inner = executor.template target<Lane>();
            return inner != nullptr && *inner == lane();
        } else {
            return false;
        }
    }

    // A cancellation is emitted where the handler runs; only there it may touch the call.
    void connect_cancellation() {
        if (!same_lane_) return;
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (!slot.is_connected()) return;
        slot.assign([this](boost::asio::cancellation_type type) {
            using boost::asio::cancellation_type;
            if (type == cancellation_type::none) return;
            cancel((type & (cancellation_type::terminal | cancellation_type::partial)) != cancellation_type::none);
        });
    }

    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        return replies_.read(index, cursor, prefix);
    }
    void fail(std::uint32_t index, const Error& error) override { replies_.fail(index, error); }

    void finish(const Error* error, bool at_once) override {
        auto slot = boost::asio::get_associated_cancellation_slot(handler_);
        if (same_lane_ && slot.is_connected()) slot.clear();

        // Everything is taken out of the node, which is given back before the handler runs and begins another.
        Handler handler(std::move(handler_));
        Executor executor(std::move(executor_));
        boost::asio::any_io_executor work(std::move(work_));
        const bool direct = same_lane_ && at_once;
        result<Value> outcome =
            error != nullptr ? result<Value>(boost::system::in_place_error, *error) : replies_.take();
        const std::shared_ptr<isolation::Project> project(std::move(project_));
        NodeAllocator allocator(
            boost::asio::get_associated_allocator(handler, boost::asio::recycling_allocator<void>()));
        this->~AsyncOperation();
        std::allocator_traits<NodeAllocator>::deallocate(allocator, this, 1);

        if (direct) {
            Completion::call(handler, std::move(outcome));
            return;
        }
        boost::asio::post(
            executor, [handler = std::move(handler), outcome = std::move(outcome), work = std::move(work)]() mutable {
                Completion::call(handler, std::move(outcome));
            });
    }

    std::shared_ptr<isolation::Project> project_;
    Handler handler_;
    Executor executor_;
    boost::asio::any_io_executor work_;
    Replies replies_;
    bool same_lane_;
};

/// What a deferred operation keeps until its token is known: the encoded command, so that the caller's arguments need
/// not live any longer.
template <class Replies, class Completion>
struct Initiation {
    std::shared_ptr<isolation::Project> project;
    EncodedCommands commands;
    std::optional<Error> refused;
    CallOptions options;
    std::string_view name;
    Replies replies;

    template <class Handler>
    void operator()(Handler&& handler) && {
        AsyncOperation<std::decay_t<Handler>, Replies, Completion>::begin(
            std::decay_t<Handler>(std::forward<Handler>(handler)), std::move(project), std::move(commands),
            std::move(refused), options, name, std::move(replies));
    }
};

/// The operation: to be awaited, or called with a completion token.
template <class Replies, class Completion>
auto make_operation(Initiation<Replies, Completion>&& initiation) {
    using Signature = typename Completion::template signature<typename Replies::value_type>;
    return boost::asio::async_initiate<const boost::asio::deferred_t, Signature>(std::move(initiation),
                                                                                 boost::asio::deferred);
}

}  // namespace redoubt::service
