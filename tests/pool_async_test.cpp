// pool: the async side against a real server: growth under load with every key in its order, wires of one's own, wires
// that are replaced or not needed any more.
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_pool.hpp"

namespace redoubt::pool {
namespace {

using testing::AsyncOp;
using testing::eventually;
using testing::RawClient;

class AsyncPoolTest : public testing::LivePoolTest {
protected:
    /// Counts up keys, one INCR after another for each; what the server answers tells their order.
    struct Counting {
        std::deque<AsyncOp> operations{};
        std::map<std::string, int> given{};
        std::size_t ended = 0;
        std::size_t failed = 0;
        bool ordered = true;
    };
    void count_up(Pool& pool, const std::string& key, Counting& counting) {
        const int expected = ++counting.given[key];
        AsyncOp& operation =
            counting.operations.emplace_back(std::initializer_list<std::string_view>{"INCR", key}, key);
        operation.then = [&counting, &operation, expected] {
            ++counting.ended;
            counting.failed += operation.failed == 0 ? 0 : 1;
            if (operation.failed == 0 && operation.frames.at(0) != ":" + std::to_string(expected) + "\r\n") {
                counting.ordered = false;
            }
        };
        const auto refused = pool.async().submit(operation, tenant_, Clock::now());
        EXPECT_FALSE(refused) << refused->message();
    }
    void connect(Pool& pool) {
        AsyncOp first({"PING"});
        submit(pool, first, tenant_);
        EXPECT_TRUE(ended(first));
    }

    Tenant tenant_;
};

TEST_F(AsyncPoolTest, OneWireIsTheNormalCase) {
    const auto pool = make_pool();
    Counting counting;
    on_loop([&] {
        for (int i = 0; i != 2000; ++i) count_up(*pool, "k" + std::to_string(i % 10), counting);
    });
    EXPECT_TRUE(eventually([&] { return on_loop([&] { return counting.ended == 2000; }); }));
    EXPECT_TRUE(counting.ordered);
    EXPECT_EQ(server_connections(), 1u);
    const PoolFigures figures = pool->figures();
    EXPECT_EQ(figures.created, 1u);
    EXPECT_EQ(figures.available, 1u);
    EXPECT_EQ(figures.in_flight + figures.waiting + figures.leased, 0u);
}

TEST_F(AsyncPoolTest, GrowsUnderLargeRepliesAndKeepsEveryKeyInOrder) {
    RawClient(server_).command({"SETRANGE", "large", "20000000", "x"});
    const auto pool = make_pool();
    connect(*pool);
    Counting counting;
    std::deque<AsyncOp> large;
    std::size_t large_ended = 0;
    bool overtook = false;
    bool enough = false;
    std::size_t begun = 0;
    const auto load_more = [&](const auto& again) -> void {
        large.emplace_back(std::initializer_list<std::string_view>{"GET", "large"}, "large");
        large.back().then = [&] {
            large.front().frames.clear();
            ++large_ended;
            if (pool->async().wires() < 2) again(again);
        };
        EXPECT_FALSE(pool->async().submit(large.back(), tenant_, Clock::now()));
    };
    // Small ones in between, a few in each turn of the loop, until a second wire has been there for a while.
    const auto add = [&](const auto& again) -> void {
        for (int i = 0; i != 4; ++i) count_up(*pool, "k" + std::to_string(counting.operations.size() % 50), counting);
        if (pool->async().wires() == 2 && !overtook) {
            overtook = true;
            load_more(load_more);
        }
        enough = overtook && counting.operations.size() > begun + 2000;
        if (overtook && begun == 0) begun = counting.operations.size();
        if (!enough) boost::asio::post(loop_, [&, again] { again(again); });
    };
    on_loop([&] {
        load_more(load_more);
        add(add);
    });
    EXPECT_TRUE(
        eventually([&] { return on_loop([&] { return enough && counting.ended == counting.operations.size(); }); }));
    EXPECT_TRUE(eventually([&] { return on_loop([&] { return large_ended == large.size(); }); }));
    EXPECT_TRUE(counting.ordered);
    EXPECT_EQ(counting.failed, 0u);
    EXPECT_TRUE(overtook) << "no second wire";
    EXPECT_EQ(on_loop([&] { return pool->async().wires(); }), 2u);
    EXPECT_EQ(pool->figures().created, 2u);
}

TEST_F(AsyncPoolTest, AnOpeningThatFailsHurtsNobodyWhoHasAWire) {
    budget_ = std::make_shared<ConnectionBudget>(1);
    RawClient(server_).command({"SETRANGE", "large", "20000000", "x"});
    const auto pool = make_pool();
    connect(*pool);
    Counting counting;
    AsyncOp large({"GET", "large"}, "large");
    on_loop([&] { EXPECT_FALSE(pool->async().submit(large, tenant_, Clock::now())); });
    while (!on_loop([&] {
        count_up(*pool, "k", counting);
        return large.ends() != 0;
    })) {}
    EXPECT_TRUE(eventually([&] { return on_loop([&] { return counting.ended == counting.operations.size(); }); }));
    EXPECT_EQ(counting.failed, 0u);
    EXPECT_TRUE(counting.ordered);
    EXPECT_EQ(budget_->open(), 1u);
    EXPECT_EQ(watcher_->moves(), "");
}

TEST_F(AsyncPoolTest, WhatIsLargeHasAWireOfItsOwnWhileItLasts) {
    const auto pool = make_pool();
    AsyncOp first({"PING"});
    submit(*pool, first, tenant_);
    EXPECT_TRUE(ended(first));
    const std::string value(1 << 20, 'x');
    AsyncOp large({"SET", "k", value}, "", Demand::bulk);
    submit(*pool, large, tenant_);
    EXPECT_TRUE(ended(large));
    EXPECT_EQ(large.frames.at(0), "+OK\r\n");
    EXPECT_TRUE(eventually([&] { return pool->figures().leased == 0; }));
    EXPECT_EQ(pool->figures().created, 2u);
    EXPECT_EQ(pool->figures().available, 2u);
    const std::size_t before = connections_ever();
    AsyncOp again({"GET", "k"}, "", Demand::bulk);
    submit(*pool, again, tenant_);
    EXPECT_TRUE(ended(again));
    EXPECT_EQ(connections_ever(), before + 1) << "the one that asks";

    // None to be had: it goes where all go.
    settings_.max_connections = 3;
    const auto small = make_pool();
    const Lease held = small->lease(in(10s)).value();
    AsyncOp squeezed({"GET", "k"}, "", Demand::bulk);
    submit(*small, squeezed, tenant_);
    EXPECT_TRUE(ended(squeezed));
    EXPECT_EQ(squeezed.completed, 1);
    EXPECT_EQ(small->figures().created, 2u);
}

TEST_F(AsyncPoolTest, BlockingAndAsyncCallersWaitForTheirConnectionsInOneLine) {
    settings_.max_connections = 3;  // one to lease
    const auto pool = make_pool();
    Lease held = pool->lease(in(10s)).value();
    std::mutex mutex;
    std::string order;
    const auto note = [&](char name) {
        const std::lock_guard lock(mutex);
        order += name;
    };
    std::vector<std::future<void>> blocking;
    std::deque<AsyncOp> async;
    for (char name = 'a'; name <= 'f'; ++name) {
        if (name % 2 == 0) {
            AsyncOp& operation =
                async.emplace_back(std::initializer_list<std::string_view>{"PING"}, "", Demand::exclusive);
            operation.then = [&, name] { note(name); };
            submit(*pool, operation, tenant_);
        } else {
            blocking.push_back(std::async(std::launch::async, [&, name] {
                Lease lease = pool->lease(in(30s)).value();
                note(name);
                lease.set_clean(name == 'c');
            }));
        }
        ASSERT_TRUE(eventually([&] { return pool->figures().waiting == static_cast<std::size_t>(name - 'a') + 1; }));
    }
    held = Lease();
    for (auto& one : blocking) one.get();
    for (AsyncOp& one : async) {
        EXPECT_TRUE(ended(one));
        EXPECT_EQ(one.completed, 1);
    }
    EXPECT_EQ(order, "abcdef");
    EXPECT_TRUE(eventually([&] { return pool->figures().leased == 0; }));
    EXPECT_EQ(pool->figures().waiting, 0u);
    EXPECT_EQ(pool->figures().in_flight, 0u);
}

TEST_F(AsyncPoolTest, WhoWaitsForAConnectionMayLeaveAndIsGivenUpInTime) {
    settings_.max_connections = 3;
    settings_.max_waiting = 2;
    const auto pool = make_pool();
    Lease held = pool->lease(in(10s)).value();
    AsyncOp leaves({"PING"}, "", Demand::exclusive), late({"PING"}, "", Demand::exclusive);
    AsyncOp third({"PING"}, "", Demand::exclusive);
    submit(*pool, leaves, tenant_);
    late.time(10s, in(30ms));
    submit(*pool, late, tenant_);
    const auto refused = on_loop([&] { return pool->async().submit(third, tenant_, Clock::now()); });
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->reason().find("max_waiting"), std::string_view::npos);
    on_loop([&] {
        EXPECT_TRUE(pool->async().is_unwritten(leaves));
        EXPECT_EQ(pool->async().cancel(leaves, tenant_), Multiplexer::Cancelled::unwritten);
    });
    EXPECT_TRUE(ended(late));
    EXPECT_EQ(late.failure->kind, ErrorKind::pool_exhausted);
    EXPECT_NE(late.failure->reason().find("max_connections"), std::string_view::npos);
    EXPECT_EQ(pool->figures().waiting, 0u);
    held = Lease();
    EXPECT_EQ(leaves.ends(), 0);
    EXPECT_EQ(pool->figures().created, 0u);
}

TEST_F(AsyncPoolTest, ACommandThatBlocksMayTakeItsTimeAndIsCutOffWhenGivenUp) {
    config_.attempt_timeout = 150ms;
    const auto pool = make_pool();
    AsyncOp patient({"BLPOP", "none", "0.4"}, "", Demand::exclusive);
    patient.time(10s);
    submit(*pool, patient, tenant_);
    EXPECT_TRUE(ended(patient));
    EXPECT_EQ(patient.completed, 1);
    EXPECT_TRUE(eventually([&] { return pool->figures().leased == 0; }));
    EXPECT_EQ(pool->figures().created, 1u) << "it rests";

    AsyncOp cancelled({"BLPOP", "none", "0"}, "", Demand::exclusive);
    submit(*pool, cancelled, tenant_);
    EXPECT_TRUE(eventually([&] { return RawClient(server_).info("blocked_clients") == "1"; }));
    EXPECT_EQ(pool->figures().in_flight, 1u);
    on_loop([&] {
        EXPECT_FALSE(pool->async().is_unwritten(cancelled));
        EXPECT_EQ(pool->async().cancel(cancelled, tenant_), Multiplexer::Cancelled::tombstone);
    });
    EXPECT_EQ(pool->figures().created, 0u);
    EXPECT_EQ(pool->figures().in_flight, 0u);
    EXPECT_TRUE(eventually([&] { return server_connections() == 0; }));

    AsyncOp late({"BLPOP", "none", "0"}, "", Demand::exclusive);
    late.time(10s, in(100ms));
    submit(*pool, late, tenant_);
    EXPECT_TRUE(ended(late));
    EXPECT_EQ(late.failure->kind, ErrorKind::timeout);
    EXPECT_EQ(late.failure->certainty, Certainty::unknown);
    EXPECT_TRUE(eventually([&] { return pool->figures().created == 0; }));
    EXPECT_EQ(budget_->open(), 0u);
    EXPECT_EQ(watcher_->moves(), "");
}

TEST_F(AsyncPoolTest, WiresAreReplacedUnderLoadAndNoKeyIsReordered) {
    settings_.lifetime = 20ms;
    const auto pool = make_pool();
    Counting counting;
    std::size_t in_flight = 0;
    // 64 keys at any time, half of them never resting.
    const auto begin = [&](const auto& again, const std::string& key) -> void {
        ++in_flight;
        count_up(*pool, key, counting);
        AsyncOp& operation = counting.operations.back();
        operation.then = [&, again, key, judge = operation.then] {
            judge();
            --in_flight;
            if (counting.operations.size() < 20'000) again(again, key);
        };
    };
    on_loop([&] {
        for (int i = 0; i != 64; ++i) begin(begin, "k" + std::to_string(i));
    });
    while (!on_loop([&] {
        pool->tidy(Clock::now());
        return in_flight == 0;
    })) {}
    EXPECT_TRUE(counting.ordered);
    EXPECT_EQ(counting.failed, 0u);
    EXPECT_GE(connections_ever(), 4u);
    EXPECT_TRUE(eventually([&] { return server_connections() <= 2; }));
    EXPECT_EQ(pool->figures().created, budget_->open());
}

TEST_F(AsyncPoolTest, WhatIsNotUsedIsClosed) {
    settings_.idle_timeout = 1min;
    const auto pool = make_pool();
    AsyncOp first({"PING"}), large({"PING"}, "", Demand::bulk);
    submit(*pool, first, tenant_);
    EXPECT_TRUE(ended(first));
    submit(*pool, large, tenant_);
    EXPECT_TRUE(ended(large));
    const auto shared = pool->shared_wire(in(10s)).value();
    EXPECT_TRUE(eventually([&] { return pool->figures().leased == 0; }));
    const std::size_t created = pool->figures().created;
    EXPECT_GE(created, 2u);  // the blocking side may have taken the one that rested
    tidy(*pool, in(59s));
    EXPECT_EQ(pool->figures().created, created);
    tidy(*pool, in(2min));
    EXPECT_EQ(pool->figures().created, 0u);
    EXPECT_FALSE(shared->is_open());
    EXPECT_TRUE(eventually([&] { return server_connections() == 0; }));
    EXPECT_EQ(budget_->open(), 0u);
    AsyncOp again({"PING"});
    submit(*pool, again, tenant_);
    EXPECT_TRUE(ended(again));
    EXPECT_EQ(again.completed, 1);
}

TEST_F(AsyncPoolTest, AnIdleWireOfTheMinimumStays) {
    settings_.idle_timeout = 1min;
    settings_.min_idle = 1;
    const auto pool = make_pool();
    AsyncOp first({"PING"});
    submit(*pool, first, tenant_);
    EXPECT_TRUE(ended(first));
    tidy(*pool, in(10min));
    EXPECT_EQ(pool->figures().created, 1u);
}

}  // namespace
}  // namespace redoubt::pool
