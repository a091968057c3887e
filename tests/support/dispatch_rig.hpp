// tests: a dispatcher on a topology of its own, with its loop: calls of both kinds without a service around them.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <redoubt/base/telemetry.hpp>
#include <redoubt/dispatch/async_call.hpp>
#include <redoubt/resp/cmd.hpp>
#include <redoubt/resp/read_reply.hpp>

#include "dispatch/command_slot.hpp"
#include "dispatch/dispatcher.hpp"
#include "topology/topology.hpp"

namespace redoubt::testing {

/// How a call ended: its error, or the text of its reply.
struct CallOutcome {
    std::optional<Error> error;
    std::string text;
    std::string told() const { return error ? error->message() : text; }
};

class DispatchRig {
public:
    explicit DispatchRig(RedisServiceConfig config) : config_(std::move(config)), target_(config_.resolve()) {
        const auto lane = loop_.get_executor();
        budget_ = std::make_shared<pool::ConnectionBudget>(config_.max_total_connections,
                                                           config_.max_connects_per_second, 1000);
        topology_ = topology::make_topology(config_, target_, lane, budget_, std::make_shared<Telemetry>());
        auto settings = std::make_shared<const dispatch::CallSettings>(dispatch::CallSettings{
            config_.operation_timeout,
            config_.attempt_timeout,
            {config_.max_retries, config_.retry_delay, config_.retry_delay_max, config_.retry_idempotent_writes}});
        auto origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{target_.endpoint(), "a"});
        dispatcher_ = std::make_unique<dispatch::Dispatcher>(topology_->open_project(lane, nullptr, {}),
                                                             std::move(settings), std::move(origin), lane, nullptr);
        dispatcher_->set_key_slots(topology::KeySlots(prefix_.view()));
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~DispatchRig() {
        const Error closed = dispatch::service_closed_error();
        topology_->stop();
        topology_->stop_dials();
        dispatcher_->router().for_each_pool([&](pool::Pool& pool) { pool.close(closed); });
        boost::asio::post(loop_, [this, closed] { dispatcher_->close_async(closed); });
        work_.reset();
        thread_.join();
    }
    DispatchRig(const DispatchRig&) = delete;
    DispatchRig& operator=(const DispatchRig&) = delete;

    CallOutcome run(const CommandView& command, const CallOptions& options = {}) {
        AnyReply reply;
        CallOutcome outcome;
        dispatch::ArgumentsRequest request(command, prefix_);
        request.set_slot(slot_of(command));
        outcome.error = dispatcher_->run(request, reply, prefix_, options);
        outcome.text = reply.text;
        return outcome;
    }
    std::future<CallOutcome> start(const CommandView& command, const CallOptions& options = {}) {
        // It belongs to itself until it ends.
        auto* const call = new Call(*dispatcher_, prefix_, options, command);
        auto future = call->promise.get_future();
        call->start();
        return future;
    }
    std::uint16_t slot_of(const CommandView& command) const {
        return dispatch::place_of(command.spec(), command.arguments(), dispatcher_->key_slots()).slot;
    }
    dispatch::Dispatcher& dispatcher() { return *dispatcher_; }
    topology::Topology& topology() { return *topology_; }
    const KeyPrefix& prefix() const { return prefix_; }
    /// Of the node that calls go to.
    std::string endpoint() { return dispatcher_->route().pool->node().endpoint(); }

private:
    class AnyReply final : public ReplySink {
    public:
        ReadOutcome read(std::uint32_t /*index*/, ReplyCursor& cursor, const KeyPrefix& /*prefix*/) override {
            text = std::string(cursor.peek().text);
            cursor.skip();
            return {};
        }
        void fail(std::uint32_t /*index*/, const Error& /*error*/) override {}
        std::string text;
    };
    class Call final : public dispatch::AsyncCall, private dispatch::AsyncCall::Receiver {
    public:
        Call(dispatch::Dispatcher& dispatcher, const KeyPrefix& prefix, const CallOptions& options,
             const CommandView& command)
            : AsyncCall(dispatcher, prefix, &options_, command.spec().name), options_(options) {
            commands().add_place(dispatch::place_of(command.spec(), command.arguments(), dispatcher.key_slots()).slot,
                                 command.retry());
            commands().append(command, prefix);
            set_receiver(*this);
        }
        bool on_reply(std::string_view frame) override { return reader().take(frame); }
        std::promise<CallOutcome> promise;

    private:
        ReadOutcome read(std::uint32_t /*index*/, ReplyCursor& cursor, const KeyPrefix& /*prefix*/) override {
            outcome_.text = std::string(cursor.peek().text);
            cursor.skip();
            return {};
        }
        void fail(std::uint32_t /*index*/, const Error& /*error*/) override {}
        void finish(const Error* error, AsyncCall::Ending /*ending*/) override {
            if (error != nullptr) outcome_.error = *error;
            promise.set_value(std::move(outcome_));
            delete this;
        }
        void destroy() noexcept override { delete this; }
        const CallOptions options_;
        CallOutcome outcome_;
    };

    RedisServiceConfig config_;
    Target target_;
    KeyPrefix prefix_{"proj:a:"};
    boost::asio::io_context loop_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{loop_.get_executor()};
    std::shared_ptr<pool::ConnectionBudget> budget_;
    std::unique_ptr<topology::Topology> topology_;
    std::unique_ptr<dispatch::Dispatcher> dispatcher_;
    std::thread thread_;
};

}  // namespace redoubt::testing
