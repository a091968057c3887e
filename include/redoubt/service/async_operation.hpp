// service: one async operation: the node with its commands, its replies and its caller's handler, and how it is begun
// with any token.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/system_executor.hpp>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/dispatch/async_call.hpp>
#include <redoubt/isolation/project.hpp>
#include <redoubt/service/completion.hpp>
#include <redoubt/service/handle.hpp>

namespace redoubt::service {

/// The node, from the allocator that Asio's own operations are recycled by. It is made with the operation, when neither
/// the token nor the handler is known: the handler moves in when the operation is begun. `Replies` reads the replies
/// (`read`, `fail`) and gives the handler's value or what is wrong with it (`take`).
template <class Replies, class Completion>
class PendingCall final : public dispatch::AsyncCall {
public:
    using Value = typename Replies::value_type;
    struct Destroy {
        void operator()(PendingCall* call) const noexcept { call->destroy(); }
    };
    using Owner = std::unique_ptr<PendingCall, Destroy>;

    /// `options`: null, or kept by `project`.
    static Owner make(const std::shared_ptr<isolation::Project>& project, const CallOptions* options,
                      std::string_view name, Replies&& replies) {
        PendingCall* const place = Allocator().allocate(1);
        return Owner(::new (static_cast<void*>(place)) PendingCall(project, options, name, std::move(replies)));
    }

    /// The same, not begun.
    Owner clone() const {
        Owner copy = make(project_, options(), name(), Replies(replies_));
        copy->copy_commands(*this);
        return copy;
    }

    /// From here on it belongs to itself.
    template <class Given>
    static void begin(Owner owner, Given&& handler) {
        using Handler = std::decay_t<Given>;
        PendingCall* const call = owner.get();
        if (call->runs_on_lane(boost::asio::get_associated_executor(handler, call->project_->lane()))) {
            call->template receive_with<LaneReceiver<Handler>>(std::forward<Given>(handler));
        } else {
            call->template receive_with<ForeignReceiver<Handler>>(std::forward<Given>(handler));
        }
        owner.release()->start();
    }

private:
    using Allocator = boost::asio::recycling_allocator<PendingCall>;

    template <class Derived, class Handler>
    class ReceiverOf : public AsyncCall::Receiver {
    public:
        template <class Given>
        ReceiverOf(PendingCall& call, Given&& handler) : call_(call), handler_(std::forward<Given>(handler)) {}
        void destroy() noexcept final {
            auto* const self = static_cast<Derived*>(this);
            if constexpr (fits<Derived>) {
                self->~Derived();
            } else {
                auto allocator = allocator_for<Derived>(handler_);
                self->~Derived();
                std::allocator_traits<decltype(allocator)>::deallocate(allocator, self, 1);
            }
        }

    protected:
        ~ReceiverOf() = default;
        PendingCall& call_;
        Handler handler_;
    };

    /// The handler runs on the service's own loop.
    template <class Handler>
    class LaneReceiver final : public ReceiverOf<LaneReceiver<Handler>, Handler> {
    public:
        template <class Given>
        LaneReceiver(PendingCall& call, Given&& handler)
            : ReceiverOf<LaneReceiver, Handler>(call, std::forward<Given>(handler)) {
            // A cancellation is emitted where the handler runs; only there it may touch the call.
            auto slot = boost::asio::get_associated_cancellation_slot(this->handler_);
            if (!slot.is_connected()) return;
            call.set_cancellable();
            slot.assign([&call](boost::asio::cancellation_type type) {
                using boost::asio::cancellation_type;
                if (type == cancellation_type::none) return;
                call.cancel((type & (cancellation_type::terminal | cancellation_type::partial)) !=
                            cancellation_type::none);
            });
        }

        void finish(const Error* error, Ending how) override {
            PendingCall& call = this->call_;
            if (call.is_cancellable()) boost::asio::get_associated_cancellation_slot(this->handler_).clear();
            if constexpr (IsAwaiting<Handler>::value && gives_value) {
                if (error == nullptr && how == Ending::direct) [[likely]] {
                    // A coroutine takes the value from where it is as soon as it runs; the node goes when it rests.
                    const Owner owner(&call);
                    Value&& value = call.replies_.take();
                    return Completion::succeed(this->handler_, value);
                }
            }
            Handler handler(std::move(this->handler_));
            if (how == Ending::direct) return call.deliver(handler, error);
            auto deliver = call.delivery(std::move(handler), error);
            if (how == Ending::alone) {
                std::thread(std::move(deliver)).detach();
            } else if (how == Ending::elsewhere) {
                boost::asio::post(boost::asio::system_executor(), std::move(deliver));
            } else {
                const auto executor = boost::asio::get_associated_executor(deliver.handler, deliver.lane);
                boost::asio::post(executor, std::move(deliver));
            }
        }
    };

    /// The caller's wish to cancel, on its way to the lane.
    struct Wish {
        std::shared_ptr<isolation::Project> project;
        PendingCall* call;  // of the lane; nullptr: it has ended
    };

    /// The handler runs on another loop, which must not end while the answer is still to come.
    template <class Handler>
    class ForeignReceiver final : public ReceiverOf<ForeignReceiver<Handler>, Handler> {
    public:
        template <class Given>
        ForeignReceiver(PendingCall& call, Given&& handler)
            : ReceiverOf<ForeignReceiver, Handler>(call, std::forward<Given>(handler)),
              executor_(boost::asio::get_associated_executor(this->handler_, call.lane())),
              work_(boost::asio::prefer(boost::asio::any_io_executor(executor_),
                                        boost::asio::execution::outstanding_work.tracked)) {
            auto slot = boost::asio::get_associated_cancellation_slot(this->handler_);
            if (!slot.is_connected()) return;
            call.set_cancellable();
            // A cancellation is emitted where the handler runs, and only on the lane it may touch the call, which may
            // have ended by then.
            wish_ = std::make_shared<Wish>(Wish{call.project_, &call});
            slot.assign([wish = wish_](boost::asio::cancellation_type type) {
                using boost::asio::cancellation_type;
                if (type == cancellation_type::none) return;
                const bool also_written =
                    (type & (cancellation_type::terminal | cancellation_type::partial)) != cancellation_type::none;
                boost::asio::post(wish->project->lane(), [wish, also_written] {
                    if (wish->call != nullptr) wish->call->cancel(also_written);
                });
            });
        }
        ~ForeignReceiver() {
            if (wish_) wish_->call = nullptr;
        }

        void finish(const Error* error, Ending how) override {
            Handler handler(std::move(this->handler_));
            if (how == Ending::alone) [[unlikely]] {
                std::thread([executor = executor_,
                             deliver = this->call_.delivery(std::move(handler), error)]() mutable {
                    boost::asio::dispatch(executor, std::move(deliver));
                }).detach();
                return;
            }
            if (wish_) [[unlikely]] {
                const auto executor(std::move(executor_));
                const auto work(std::move(work_));
                return boost::asio::post(executor,
                                         ClearsSlot<Handler>{this->call_.delivery(std::move(handler), error)});
            }
            const auto executor(std::move(executor_));
            // Given up only behind `post`: the other loop may run the handler, end and be destroyed before that returns.
            const auto work(std::move(work_));
            boost::asio::post(executor, this->call_.delivery(std::move(handler), error));
        }

    private:
        boost::asio::associated_executor_t<Handler, Lane> executor_;
        boost::asio::any_io_executor work_;
        std::shared_ptr<Wish> wish_;
    };

    /// An outcome on its way to its executor.
    template <class Handler>
    struct Delivery {
        Handler handler;
        result<Value> outcome;
        Lane lane;
        void operator()() {
            if (outcome) {
                Completion::succeed(handler, *outcome);
            } else {
                Completion::template fail<Value>(handler, outcome.error());
            }
        }
    };

    /// The same, of one that could be cancelled: the slot belongs to where the handler runs.
    template <class Handler>
    struct ClearsSlot {
        Delivery<Handler> delivery;
        void operator()() {
            boost::asio::get_associated_cancellation_slot(delivery.handler).clear();
            delivery();
        }
    };

    // Whoever succeeds has a value.
    static constexpr bool gives_value = std::is_same_v<decltype(std::declval<Replies&>().take()), Value&&>;

    // An everyday handler (a coroutine's is two pointers) needs no memory of its own.
    static constexpr std::size_t handler_room = 56;
    template <class Derived>
    static constexpr bool fits = sizeof(Derived) <= handler_room && alignof(Derived) <= alignof(std::max_align_t);
    template <class Derived, class Handler>
    static auto allocator_for(const Handler& handler) {
        auto allocator = boost::asio::get_associated_allocator(handler, boost::asio::recycling_allocator<void>());
        return typename std::allocator_traits<decltype(allocator)>::template rebind_alloc<Derived>(allocator);
    }

    PendingCall(const std::shared_ptr<isolation::Project>& project, const CallOptions* options, std::string_view name,
                Replies&& replies)
        : AsyncCall(project->dispatcher(), project->prefix(), options, name),
          project_(project),
          replies_(std::move(replies)) {}
    ~PendingCall() override {
        if (receiver() != nullptr) receiver()->destroy();
    }
    void destroy() noexcept override {
        this->~PendingCall();
        Allocator().deallocate(this, 1);
    }

    template <class Executor>
    bool runs_on_lane(const Executor& executor) const noexcept {
        if constexpr (std::is_same_v<Executor, Lane>) {
            return executor == project_->lane();
        } else if constexpr (std::is_same_v<Executor, boost::asio::any_io_executor>) {
            const Lane* const inner = executor.template target<Lane>();
            return inner != nullptr && *inner == project_->lane();
        } else {
            return false;
        }
    }
    template <class Derived, class Given>
    void receive_with(Given&& handler) {
        if constexpr (fits<Derived>) {
            set_receiver(*::new (static_cast<void*>(handler_room_)) Derived(*this, std::forward<Given>(handler)));
        } else {
            auto allocator = allocator_for<Derived>(handler);
            Derived* const place = std::allocator_traits<decltype(allocator)>::allocate(allocator, 1);
            // Constructing moves and does not throw.
            set_receiver(*::new (static_cast<void*>(place)) Derived(*this, std::forward<Given>(handler)));
        }
    }

    bool on_reply(std::string_view frame) override {
        return reader().take(
            frame, [this](ReplyCursor& cursor) { return replies_.read(reader().taken(), cursor, project_->prefix()); });
    }
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        return replies_.read(index, cursor, prefix);
    }
    void fail(std::uint32_t index, const Error& error) override { replies_.fail(index, of_command(index, error)); }
    std::string* long_string(std::uint32_t index, std::size_t size) override {
        return long_string_of(replies_, index, size);
    }
    std::optional<Error> inner_error() const override { return inner_error_of(replies_); }
    HoldUse hold() noexcept override {
        if constexpr (requires { replies_.hold(); }) {
            return replies_.hold();
        } else {
            return {};
        }
    }

    // Everything is taken out of the node, which is given back before the handler runs and begins another.
    template <class Handler>
    void deliver(Handler& handler, const Error* error) {
        const std::shared_ptr<isolation::Project> project(std::move(project_));
        if constexpr (gives_value) {
            if (error == nullptr) [[likely]] {
                Value value(replies_.take());
                destroy();
                return Completion::succeed(handler, value);
            }
        }
        Delivery<Handler&> delivery{handler, outcome(error, *project), lane()};
        destroy();
        delivery();
    }
    template <class Handler>
    Delivery<Handler> delivery(Handler&& handler, const Error* error) {
        Delivery<Handler> delivery{std::move(handler), outcome(error, *project_), lane()};
        destroy();
        return delivery;
    }
    result<Value> outcome(const Error* error, const isolation::Project& project) {
        if (error != nullptr) return result<Value>(boost::system::in_place_error, *error);
        return taken(replies_, project, name());
    }

    std::shared_ptr<isolation::Project> project_;
    Replies replies_;
    alignas(std::max_align_t) std::byte handler_room_[handler_room];
};

/// A deferred operation: owns the node until its token is known.
template <class Call>
class Initiation {
public:
    explicit Initiation(typename Call::Owner owner) noexcept : call(std::move(owner)) {}
    /// An operation that is begun as an lvalue is begun anew: the same command, another call.
    Initiation(const Initiation& other) : call(other.call->clone()) {}
    Initiation(Initiation&&) noexcept = default;
    Initiation& operator=(const Initiation&) = delete;
    Initiation& operator=(Initiation&&) = delete;
    ~Initiation() = default;

    template <class Handler>
    void operator()(Handler&& handler) && {
        Call::begin(std::move(call), std::forward<Handler>(handler));
    }

private:
    // Nobody who is handed the initiation (a completion token) gets at the commands, which are isolated already.
    template <class Replies, class Completion, class Fill>
    friend auto make_operation(const Handle& handle, std::string_view name, Replies&& replies, Fill&& fill);
    typename Call::Owner call;
};

/// The operation: to be awaited, or called with a completion token. `fill` puts the commands into the node.
template <class Replies, class Completion, class Fill>
auto make_operation(const Handle& handle, std::string_view name, Replies&& replies, Fill&& fill) {
    using Call = PendingCall<Replies, Completion>;
    using Signature = typename Completion::template signature<typename Replies::value_type>;
    Initiation<Call> initiation(Call::make(handle.project, handle.given(), name, std::move(replies)));
    fill(*initiation.call);
    return boost::asio::async_initiate<const boost::asio::deferred_t, Signature>(std::move(initiation),
                                                                                 boost::asio::deferred);
}

}  // namespace redoubt::service
