// pool: a pool that moves to another node: which node is told of what became of dials and wires, and moving while closing.
#include <future>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "connection/moved.hpp"
#include "support/moving_pool.hpp"

namespace redoubt::pool {
namespace {

using connection::is_moved;
using testing::AsyncOp;
using testing::Call;
using testing::eventually;

class PoolMoveRecords : public testing::MovingPoolTest {};

// Whichever node is the pool's by then: what became of a dial, or of a wire, is the affair of the node it led to.
TEST_F(PoolMoveRecords, ADialThatFailsAfterTheMoveIsRecordedWithTheNodeThatWasDialled) {
    config_.circuit_breaker.failure_threshold = 1;
    config_.circuit_breaker.recovery_timeout = 60s;
    server_.pause();
    const auto old = make_node();
    const auto other = other_node();
    const auto pool = pool_of(old);
    auto blocking = std::async(std::launch::async, [&] { return who(*pool); });
    EXPECT_TRUE(eventually([&] { return pool->is_busy(); }));
    EXPECT_EQ(blocking.wait_for(50ms), std::future_status::timeout);
    pool->move_to(other);
    EXPECT_EQ(old->figures().connections_failed, 0u);
    server_.kill();
    EXPECT_EQ(blocking.get(), new_one);
    EXPECT_EQ(old->figures().connections_failed, 1u);
    EXPECT_EQ(old->breaker().state(), CircuitState::open);
    EXPECT_EQ(other->figures().connections_failed, 0u);
    EXPECT_EQ(other->figures().connections_opened, 1u);
    EXPECT_EQ(other->breaker().state(), CircuitState::closed);
    server_.restart();
}

TEST_F(PoolMoveRecords, AWireThatBrokeBeforeTheMoveIsRecordedWithItsOwnNode) {
    config_.circuit_breaker.failure_threshold = 1;
    config_.circuit_breaker.recovery_timeout = 60s;
    const auto old = make_node();
    const auto other = other_node();
    const auto pool = pool_of(old);
    const auto wire = pool->shared_wire(in(10s)).value();
    EXPECT_EQ(&wire->node(), old.get());
    Call hanging({"BLPOP", "queue", "0"});
    auto run = std::async(std::launch::async, [&] { return wire->run(hanging, Clock::now()); });
    EXPECT_TRUE(eventually([&] { return wire->in_flight() == 1; }));
    server_.kill();
    EXPECT_TRUE(run.get());
    pool->move_to(other);
    pool->forget(wire);
    EXPECT_EQ(old->breaker().state(), CircuitState::open);
    EXPECT_EQ(other->breaker().state(), CircuitState::closed);
    EXPECT_EQ(who(*pool), new_one);
    server_.restart();
}

TEST_F(PoolMoveRecords, DialsThatAreGivenUpForTheMoveCountNowhere) {
    config_.circuit_breaker.failure_threshold = 1;
    server_.pause();
    const auto old = make_node();
    const auto other = other_node();
    const auto pool = pool_of(old);
    AsyncOp shared({"GET", "who"});
    AsyncOp own({"BLPOP", "queue", "0"}, "queue", Demand::exclusive);
    submit(*pool, shared, tenant_);
    submit(*pool, own, tenant_);
    auto blocking = std::async(std::launch::async, [&] { return who(*pool); });
    EXPECT_EQ(blocking.wait_for(50ms), std::future_status::timeout);
    pool->move_to(other);
    old->stop_dials();
    EXPECT_EQ(blocking.get(), new_one);
    ASSERT_TRUE(ended(shared));
    EXPECT_EQ(shared.frames.at(0), new_one);
    ASSERT_TRUE(ended(own));
    ASSERT_TRUE(own.failure);
    EXPECT_TRUE(is_moved(*own.failure)) << own.failure->message();
    EXPECT_EQ(own.failure->certainty, Certainty::not_sent);
    EXPECT_EQ(old->figures().connections_failed, 0u);
    EXPECT_EQ(old->breaker().state(), CircuitState::closed);
    EXPECT_EQ(on_loop([&] { return &pool->async().node(); }), other.get());
    server_.resume();
}

TEST_F(PoolMoveRecords, AClosedPoolGoesNowhere) {
    const auto old = make_node();
    const auto pool = pool_of(old);
    EXPECT_EQ(who(*pool), old_one);
    pool->close(closing());
    on_loop([&] { pool->close_async(closing()); });
    pool->move_to(other_node());
    EXPECT_EQ(&pool->node(), old.get());
    EXPECT_NE(who(*pool).find("closing"), std::string::npos);
    EXPECT_EQ(connections_to(other_), 0u);
}

// Whichever of the two comes first: nobody waits for ever, and no connection is left behind.
TEST_F(PoolMoveRecords, MovingAndClosingAtOnce) {
    const auto old = make_node();
    const auto other = other_node();
    for (int round = 0; round != 30; ++round) {
        const auto pool = pool_of(old);
        AsyncOp async({"BLPOP", "queue", "0"}, "queue", Demand::exclusive);
        submit(*pool, async, tenant_);
        auto calling = std::async(std::launch::async, [&] {
            for (;;) {
                const auto wire = pool->shared_wire(in(10s));
                if (!wire && is_moved(wire.error())) continue;
                if (!wire) return wire.error();
                Call call({"GET", "who"});
                if ((*wire)->run(call, Clock::now()) && call.error() && !is_moved(*call.error())) return *call.error();
            }
        });
        auto moving = std::async(std::launch::async, [&] {
            for (int i = 0; i != round; ++i) pool->move_to(i % 2 == 0 ? other : old);
        });
        pool->close(closing());
        on_loop([&] { pool->close_async(closing()); });
        moving.get();
        EXPECT_EQ(calling.get().reason(), "closing");
        ASSERT_TRUE(ended(async));
        settle();
        EXPECT_EQ(pool->figures().created, 0u);
    }
    EXPECT_TRUE(eventually([&] { return connections_to(server_) == 0 && connections_to(other_) == 0; }));
}

}  // namespace
}  // namespace redoubt::pool
