// pool: a pool that moves to another node: what becomes of everything that it has at that moment.
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "connection/moved.hpp"
#include "support/moving_pool.hpp"

namespace redoubt::pool {
namespace {

using connection::is_moved;
using testing::AsyncOp;
using testing::Call;
using testing::eventually;
using testing::RawClient;

class PoolMoveTest : public testing::MovingPoolTest {};

TEST_F(PoolMoveTest, EverythingThatRestsOrIsSharedIsClosedAndTheNextCallsGoToTheNewNode) {
    const auto pool = make_pool();
    EXPECT_EQ(who(*pool), old_one);
    {
        Lease rested = pool->lease(in(10s)).value();
        rested.set_clean(true);
    }
    AsyncOp before({"GET", "who"});
    submit(*pool, before, tenant_);
    ASSERT_TRUE(ended(before));
    EXPECT_EQ(before.frames.at(0), old_one);
    EXPECT_EQ(connections_to(server_), 2u);  // the one that rested is the async side's now

    pool->move_to(other_node());
    EXPECT_EQ(who(*pool), new_one);
    AsyncOp after({"GET", "who"});
    submit(*pool, after, tenant_);
    ASSERT_TRUE(ended(after));
    EXPECT_EQ(after.frames.at(0), new_one);
    EXPECT_TRUE(eventually([&] { return connections_to(server_) == 0; }));
    const PoolFigures figures = pool->figures();
    EXPECT_EQ(figures.created, 2u);
    EXPECT_EQ(figures.leased + figures.waiting + figures.in_flight, 0u);
}

TEST_F(PoolMoveTest, WhatHangsAtTheOldNodeEndsAtOnceWithWhatIsKnownOfIt) {
    const auto pool = make_pool();
    EXPECT_EQ(who(*pool), old_one);
    AsyncOp first({"PING"});
    submit(*pool, first, tenant_);
    ASSERT_TRUE(ended(first));
    server_.pause();
    Call hanging({"GET", "who"});
    auto blocking = std::async(std::launch::async, [&] {
        const auto wire = pool->shared_wire(in(10s)).value();
        (void)wire->run(hanging, Clock::now());
    });
    AsyncOp async({"GET", "who"});
    submit(*pool, async, tenant_);
    EXPECT_TRUE(eventually([&] { return pool->figures().in_flight >= 2; }));
    const TimePoint began = Clock::now();
    pool->move_to(other_node());
    blocking.get();
    ASSERT_TRUE(ended(async));
    EXPECT_LT(Clock::now() - began, 2s);
    ASSERT_TRUE(hanging.error());
    EXPECT_TRUE(is_moved(*hanging.error())) << hanging.error()->message();
    EXPECT_EQ(hanging.error()->certainty, Certainty::unknown);
    ASSERT_TRUE(async.failure);
    EXPECT_TRUE(is_moved(*async.failure)) << async.failure->message();
    EXPECT_EQ(async.failure->certainty, Certainty::unknown);
    // The old node's breaker has no part in it.
    EXPECT_EQ(watcher_->moves(), "");
    server_.resume();
}

TEST_F(PoolMoveTest, WhoConnectsToAServerThatDoesNotAnswerConnectsToTheNewOne) {
    server_.pause();
    const auto old = make_node();
    const auto pool = pool_of(old);
    auto blocking = std::async(std::launch::async, [&] { return who(*pool); });
    AsyncOp async({"GET", "who"});
    submit(*pool, async, tenant_);
    EXPECT_TRUE(eventually([&] { return pool->figures().waiting >= 1; }));
    EXPECT_EQ(blocking.wait_for(20ms), std::future_status::timeout);
    const TimePoint began = Clock::now();
    pool->move_to(other_node());
    old->stop_dials();
    EXPECT_EQ(blocking.get(), new_one);
    ASSERT_TRUE(ended(async));
    EXPECT_FALSE(async.failure) << async.failure->message();
    EXPECT_EQ(async.frames.at(0), new_one);
    EXPECT_LT(Clock::now() - began, 2s);
    server_.resume();
}

TEST_F(PoolMoveTest, ALeaseIsBrokenOffAndIsNeverLentAgain) {
    const auto pool = make_pool();
    Lease lease = pool->lease(in(10s)).value();
    EXPECT_EQ(lease.node().endpoint(), pool->node().endpoint());
    pool->move_to(other_node());
    EXPECT_NE(lease.node().endpoint(), pool->node().endpoint());
    Call call({"GET", "who"});
    EXPECT_FALSE(lease.wire().run(call, Clock::now()));
    lease.set_clean(true);
    lease = {};
    Lease next = pool->lease(in(10s)).value();
    Call again({"GET", "who"});
    EXPECT_TRUE(next.wire().run(again, Clock::now()));
    EXPECT_EQ(again.answer, new_one);
    EXPECT_EQ(pool->figures().created, 1u);
}

TEST_F(PoolMoveTest, AnAsyncOperationOnAWireOfItsOwnIsBrokenOff) {
    const auto pool = make_pool();
    AsyncOp blocked({"BLPOP", "queue", "0"}, "queue", Demand::exclusive);
    submit(*pool, blocked, tenant_);
    EXPECT_TRUE(eventually([&] { return pool->figures().in_flight == 1; }));
    pool->move_to(other_node());
    ASSERT_TRUE(ended(blocked));
    ASSERT_TRUE(blocked.failure);
    EXPECT_TRUE(is_moved(*blocked.failure)) << blocked.failure->message();
    AsyncOp again({"BLPOP", "queue", "0"}, "queue", Demand::exclusive);
    submit(*pool, again, tenant_);
    EXPECT_TRUE(eventually([&] { return RawClient(other_).info("blocked_clients") == "1"; }));
    RawClient(other_).command({"RPUSH", "queue", "job"});
    ASSERT_TRUE(ended(again));
    EXPECT_EQ(again.completed, 1);
    EXPECT_EQ(pool->figures().leased, 0u);
}

TEST_F(PoolMoveTest, PausesEndAndTheRetryBudgetIsWhole) {
    const auto pool = make_pool();
    EXPECT_EQ(who(*pool), old_one);
    for (int i = 0; i != 10; ++i) pool->budget().on_failure();
    EXPECT_FALSE(pool->budget().allows_retry());
    auto pausing = std::async(std::launch::async, [&] { return pool->pause_until(in(30s)); });
    boost::asio::steady_timer timer(loop_);
    std::promise<void> woken;
    on_loop([&] {
        timer.expires_after(30s);
        pool->async().begin_pause(timer);
        timer.async_wait([&](const boost::system::error_code&) {
            pool->async().end_pause(timer);
            woken.set_value();
        });
    });
    EXPECT_EQ(pausing.wait_for(20ms), std::future_status::timeout);
    pool->move_to(other_node());
    EXPECT_FALSE(pausing.get().has_value());
    woken.get_future().get();
    EXPECT_TRUE(pool->budget().allows_retry());
}

TEST_F(PoolMoveTest, CallersWaitForANodeThatIsNotKnownYet) {
    const auto unknown = unknown_node();
    const auto pool = pool_of(unknown);
    auto blocking = std::async(std::launch::async, [&] { return who(*pool); });
    AsyncOp async({"GET", "who"});
    submit(*pool, async, tenant_);
    EXPECT_EQ(blocking.wait_for(50ms), std::future_status::timeout);
    pool->move_to(other_node());
    EXPECT_EQ(blocking.get(), new_one);
    ASSERT_TRUE(ended(async));
    EXPECT_EQ(async.completed, 1);
    EXPECT_EQ(connections_to(server_), 0u);
}

TEST_F(PoolMoveTest, TheyAreToldWhenItIsNotToBeFound) {
    const auto unknown = unknown_node();
    const auto pool = pool_of(unknown);
    auto blocking = std::async(std::launch::async, [&] { return who(*pool); });
    AsyncOp async({"GET", "who"});
    submit(*pool, async, tenant_);
    EXPECT_EQ(blocking.wait_for(50ms), std::future_status::timeout);
    unknown->set_absence(
        Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, "nobody knows the master"));
    EXPECT_NE(blocking.get().find("nobody knows the master"), std::string::npos);
    ASSERT_TRUE(ended(async));
    ASSERT_TRUE(async.failure);
    EXPECT_EQ(async.failure->reason(), "nobody knows the master");
    EXPECT_EQ(watcher_->moves(), "");  // no breaker counts it
    EXPECT_EQ(connections_to(server_), 0u);
}

TEST_F(PoolMoveTest, ItMayGoBackAndForth) {
    const auto old = make_node();
    const auto pool = pool_of(old);
    const auto other = other_node();
    for (int i = 0; i != 20; ++i) {
        EXPECT_EQ(who(*pool), old_one);
        pool->move_to(other);
        old->stop_dials();
        EXPECT_EQ(who(*pool), new_one);
        old->allow_dials();
        pool->move_to(old);
        other->stop_dials();
        other->allow_dials();
    }
    settle();
    EXPECT_TRUE(eventually([&] { return connections_to(other_) == 0; }));
}

// Callers of both kinds while it moves again and again: each call ends, and the accounts are right afterwards.
TEST_F(PoolMoveTest, MovingUnderLoadLosesNobodyAndNoConnection) {
    const auto old = make_node();
    const auto other = other_node();
    const auto pool = pool_of(old);
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> answered{0};
    std::atomic<std::size_t> strange{0};
    std::vector<std::jthread> callers;
    for (int i = 0; i != 4; ++i) {
        callers.emplace_back([&, leases = i == 0] {
            while (!stop) {
                Call call({"GET", "who"});
                std::optional<Error> failed;
                if (leases) {
                    result<Lease> lease = pool->lease(in(10s));
                    if (!lease) {
                        failed = lease.error();
                    } else if (lease->wire().run(call, Clock::now())) {
                        lease->set_clean(!call.error());
                        failed = call.error();
                    }
                } else {
                    const auto wire = pool->shared_wire(in(10s));
                    if (!wire) {
                        failed = wire.error();
                    } else if ((*wire)->run(call, Clock::now())) {
                        failed = call.error();
                    }
                }
                if (!failed && !call.answer.empty()) ++answered;
                if (failed && !is_moved(*failed)) ++strange;
            }
        });
    }
    for (int i = 0; i != 40; ++i) {
        AsyncOp async({"GET", "who"});
        submit(*pool, async, tenant_);
        pool->move_to(i % 2 == 0 ? other : old);
        ASSERT_TRUE(ended(async));
        if (async.failure) {
            EXPECT_TRUE(is_moved(*async.failure)) << async.failure->message();
        }
        const std::size_t before = answered;
        EXPECT_TRUE(eventually([&] { return answered > before; }));
    }
    stop = true;
    callers.clear();
    EXPECT_EQ(strange, 0u);
    settle();
    const PoolFigures figures = pool->figures();
    EXPECT_EQ(figures.leased + figures.waiting + figures.in_flight, 0u);
    EXPECT_TRUE(eventually([&] { return connections_to(server_) == pool->figures().created; }));
    EXPECT_TRUE(eventually([&] { return connections_to(other_) == 0; }));
}

}  // namespace
}  // namespace redoubt::pool
