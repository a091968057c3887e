// tests: pools against a private real server, and a loop for their async side.
#pragma once

#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <redoubt/embedded/embedded_server.hpp>

#include "pool/pool.hpp"
#include "support/processes.hpp"
#include "support/raw_client.hpp"
#include "support/scripted_operation.hpp"

namespace redoubt::testing {

/// The bytes of a command.
inline std::string encoded_words(std::initializer_list<std::string_view> words) {
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string_view word : words) bytes += bulk(word);
    return bytes;
}

/// Remembers how the breaker moved.
class Watcher final : public Telemetry {
public:
    void breaker_changed(std::string_view, std::string_view from, std::string_view to) noexcept override {
        const std::lock_guard lock(mutex_);
        moves_ += std::string(from) + '>' + std::string(to) + ' ';
    }
    std::string moves() const {
        const std::lock_guard lock(mutex_);
        return moves_;
    }

private:
    mutable std::mutex mutex_;
    std::string moves_;
};

/// An async operation: a command, with the key that it keeps its order by and what it asks of its wire.
class AsyncOp : public ScriptedOperation {
public:
    AsyncOp(std::initializer_list<std::string_view> words, std::string key = {}, Demand demand = Demand::shared)
        : ScriptedOperation(std::string(*words.begin())), key_(std::move(key)) {
        bytes(encoded_words(words));
        set_demand(demand);
        time(std::chrono::seconds(10), Clock::now() + std::chrono::seconds(60));
    }
    std::string_view ordering_key() const noexcept override { return key_; }

private:
    std::string key_;
};

class LivePoolTest : public ::testing::Test {
protected:
    /// Runs it where the async side lives, and returns what it returns.
    template <class Function>
    auto on_loop(Function function) {
        return boost::asio::post(loop_, boost::asio::use_future(std::move(function))).get();
    }
    LivePoolTest()
        : server_([] {
              EmbeddedServerOptions options;
              options.program = "redis-server";
              options.start_timeout = 30s;
              return options;
          }()) {
        config_.url = server_.url();
        config_.circuit_breaker = {.failure_threshold = 2, .recovery_timeout = 50ms, .success_threshold = 3};
        settings_.max_connections = 10;
        thread_ = std::jthread([this] { loop_.run(); });
    }
    ~LivePoolTest() override {
        for (const auto& pool : pools_) {
            pool->close(closing());
            on_loop([&] { pool->close_async(closing()); });
        }
        work_.reset();
        loop_.stop();
        thread_.join();
        pools_.clear();  // they live on the loop
    }

    static TimePoint in(Duration duration) { return Clock::now() + duration; }
    static Error closing() {
        return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::admission, "closing");
    }

    std::shared_ptr<pool::Node> make_node() {
        RedisServiceConfig config = config_;
        const Target target = config.resolve();
        return std::make_shared<pool::Node>(config, target, watcher_);
    }
    std::shared_ptr<pool::Pool> make_pool() {
        pools_.push_back(pool::Pool::create(make_node(), budget_, std::make_shared<pool::PoolSettings>(settings_),
                                            loop_.get_executor()));
        return pools_.back();
    }
    void submit(pool::Pool& pool, Operation& operation, pool::Tenant& tenant) {
        const auto refused = on_loop([&] { return pool.async().submit(operation, tenant, Clock::now()); });
        EXPECT_FALSE(refused) << refused->message();
    }
    /// The operation has ended.
    bool ended(const ScriptedOperation& operation) {
        return eventually([&] { return on_loop([&] { return operation.ends() != 0; }); });
    }
    void tidy(pool::Pool& pool, TimePoint now) {
        on_loop([&] { pool.tidy(now); });
    }
    void maintain(pool::Pool& pool) {
        tidy(pool, Clock::now());
        boost::asio::co_spawn(loop_, pool.open_spares(), boost::asio::use_future).get();
    }
    /// What the server has, without the connection that asks.
    std::size_t server_connections() { return std::stoul(RawClient(server_).info("connected_clients")) - 1; }
    std::size_t connections_ever() { return std::stoul(RawClient(server_).info("total_connections_received")); }

    EmbeddedServer server_;
    RedisServiceConfig config_;
    pool::PoolSettings settings_;
    std::shared_ptr<Watcher> watcher_ = std::make_shared<Watcher>();
    std::shared_ptr<pool::ConnectionBudget> budget_ = std::make_shared<pool::ConnectionBudget>(100);
    std::vector<std::shared_ptr<pool::Pool>> pools_;
    boost::asio::io_context loop_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{loop_.get_executor()};
    std::jthread thread_;
};

}  // namespace redoubt::testing
