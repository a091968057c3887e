// dispatch: calls through the topology of Sentinels, without a service around it: the master is found, and when it is
// another one, calls go there, those that hang at the old one at once.
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <redoubt/dispatch/call_state.hpp>
#include <redoubt/resp/cmd.hpp>

#include "dispatch/dispatcher.hpp"
#include "support/sentinel_group.hpp"
#include "topology/topology.hpp"

namespace redoubt::dispatch {
namespace {

using testing::FailoverClock;

const KeyPrefix prefix{"proj:a:"};

/// Takes any reply.
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

/// A dispatcher on a loop of its own.
class Rig {
public:
    explicit Rig(RedisServiceConfig config) : config_(std::move(config)), target_(config_.resolve()) {
        budget_ = std::make_shared<pool::ConnectionBudget>(config_.max_total_connections,
                                                           config_.max_connects_per_second, 1000);
        topology_ =
            topology::make_topology(config_, target_, loop_.get_executor(), budget_, std::make_shared<Telemetry>());
        const CallSettings settings{config_.operation_timeout,
                                    config_.attempt_timeout,
                                    {config_.max_retries, config_.retry_delay, config_.retry_delay_max, false}};
        auto origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{target_.endpoint(), "a"});
        dispatcher_ = std::make_unique<Dispatcher>(topology_->open_project(loop_.get_executor(), nullptr, {}), settings,
                                                   std::move(origin), loop_.get_executor(), nullptr);
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Rig() {
        topology_->stop();
        topology_->stop_dials();
        dispatcher_->router().for_each_pool([](pool::Pool& pool) { pool.close(service_closed_error()); });
        boost::asio::post(loop_, [this] { dispatcher_->close_async(service_closed_error()); });
        work_.reset();
        thread_.join();
    }
    template <class Command>
    std::optional<Error> run(const Command& command, const CallOptions& options = {}) {
        AnyReply reply;
        auto failed = dispatcher_->run(ArgumentsRequest(command, prefix), reply, prefix, options);
        last = reply.text;
        return failed;
    }
    topology::Topology& topology() { return *topology_; }
    std::string last;

private:
    RedisServiceConfig config_;
    Target target_;
    boost::asio::io_context loop_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{loop_.get_executor()};
    std::shared_ptr<pool::ConnectionBudget> budget_;
    std::unique_ptr<topology::Topology> topology_;
    std::unique_ptr<Dispatcher> dispatcher_;
    std::thread thread_;
};

std::string text_of(const std::optional<Error>& error) { return error ? error->message() : "success"; }

class DispatchSentinel : public testing::SentinelGroupTest {};

TEST_P(DispatchSentinel, CallsFollowTheMaster) {
    RedisServiceConfig given = config();
    given.attempt_timeout = 60s;
    given.operation_timeout = 60s;
    Rig rig(given);
    EXPECT_EQ(text_of(rig.run(cmd::set("k", "v"))), "success");
    EXPECT_EQ(node(0).command({"GET", "proj:a:k"}), "$1\r\nv\r\n");
    std::string endpoint;
    rig.topology().for_each_node([&](pool::Node& one) { endpoint = one.endpoint(); });
    EXPECT_EQ(endpoint, "127.0.0.1:" + std::to_string(group().node(0).port()));
    ASSERT_EQ(node(0).command({"WAIT", "2", "5000"}), ":2\r\n");

    FailoverClock clock(group());
    const TimePoint began = Clock::now();
    group().node(0).pause();
    EXPECT_EQ(text_of(rig.run(cmd::get("k"))), "success");
    const TimePoint answered = Clock::now();
    EXPECT_EQ(rig.last, "v");
    EXPECT_LT(answered - clock.announced(began), 1s);
    std::cout << "answered " << (answered - clock.announced(began)) / 1us << " us after the promotion\n";
    EXPECT_EQ(text_of(rig.run(cmd::set("k", "new"))), "success");
    const std::size_t heir = group().wait_for_another_master(0);
    EXPECT_EQ(node(heir).command({"GET", "proj:a:k"}), "$3\r\nnew\r\n");
    group().node(0).resume();
}

INSTANTIATE_TEST_SUITE_P(BothServers, DispatchSentinel, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return testing::short_name(parameter.param); });

}  // namespace
}  // namespace redoubt::dispatch
