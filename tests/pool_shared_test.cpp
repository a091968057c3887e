// pool: one pool for many tenants: few connections, bounded queues, and nobody waits long behind the others.
#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_pool.hpp"

namespace redoubt::pool {
namespace {

using testing::AsyncOp;
using testing::eventually;
using testing::RawClient;

class SharedPoolTest : public testing::LivePoolTest {
protected:
    SharedPoolTest() {
        settings_.window_operations = 64;
        settings_.window_bytes = 1 << 20;
    }
};

TEST_F(SharedPoolTest, ManyTenantsShareOneWire) {
    const auto pool = make_pool();
    std::deque<Tenant> tenants(1000);
    std::deque<AsyncOp> operations;
    std::size_t ended = 0;
    std::size_t failed = 0;
    on_loop([&] {
        for (int round = 0; round != 3; ++round) {
            for (Tenant& tenant : tenants) {
                AsyncOp& operation = operations.emplace_back(std::initializer_list<std::string_view>{"PING"});
                operation.then = [&] {
                    ++ended;
                    failed += operation.failed == 0 ? 0 : 1;
                };
                EXPECT_FALSE(pool->async().submit(operation, tenant, Clock::now()));
            }
        }
    });
    EXPECT_TRUE(eventually([&] { return on_loop([&] { return ended == 3000; }); }));
    EXPECT_EQ(failed, 0u);
    EXPECT_EQ(server_connections(), 1u);
    EXPECT_EQ(pool->figures().waiting, 0u);
}

TEST_F(SharedPoolTest, AFloodDelaysAQuietTenantByAboutAWindow) {
    settings_.max_waiting = 100'000;
    const auto pool = make_pool();
    Tenant flooding, quiet;
    std::deque<AsyncOp> flood, calls;
    std::size_t served = 0;  // of the flood
    std::size_t open = 0;
    std::size_t begun_at = 0;
    std::vector<std::size_t> waited;  // behind how many of the flood
    const auto call = [&](const auto& again) -> void {
        begun_at = served;
        AsyncOp& operation = calls.emplace_back(std::initializer_list<std::string_view>{"GET", "k"});
        operation.then = [&, again] {
            EXPECT_EQ(operation.completed, 1);
            waited.push_back(served - begun_at);
            if (waited.size() < 100) again(again);
        };
        EXPECT_FALSE(pool->async().submit(operation, quiet, Clock::now()));
    };
    on_loop([&] {
        for (int i = 0; i != 50'000; ++i) {
            AsyncOp& operation = flood.emplace_back(std::initializer_list<std::string_view>{"PING"});
            ++open;
            operation.then = [&] {
                ++served;
                --open;
            };
            EXPECT_FALSE(pool->async().submit(operation, flooding, Clock::now()));
        }
        call(call);
    });
    EXPECT_TRUE(eventually([&] { return on_loop([&] { return open == 0 && waited.size() == 100; }); }));
    // The first waits for the connection, and so for nobody; each other for the window before it, and a turn.
    EXPECT_LE(*std::max_element(waited.begin(), waited.end()), 64u + 64u);
}

TEST_F(SharedPoolTest, QueuesAreBoundedForEachTenantByNumberAndBytes) {
    settings_.window_operations = 1;
    settings_.max_waiting = 3;
    settings_.max_queued_bytes = 4000;
    const auto pool = make_pool();
    Tenant greedy, modest;
    AsyncOp blocking({"BLPOP", "none", "0"});
    submit(*pool, blocking, greedy);
    EXPECT_TRUE(eventually([&] { return RawClient(server_).info("blocked_clients") == "1"; }));
    std::deque<AsyncOp> operations;
    std::vector<AsyncOp*> taken{&blocking};
    const auto refusal = [&](Tenant& tenant, const std::string& value) {
        AsyncOp& operation = operations.emplace_back(std::initializer_list<std::string_view>{"SET", "k", value});
        const auto refused = on_loop([&] { return pool->async().submit(operation, tenant, Clock::now()); });
        if (!refused) taken.push_back(&operation);
        return refused ? std::string(refused->reason()) : std::string();
    };
    for (int i = 0; i != 3; ++i) EXPECT_EQ(refusal(greedy, "v"), "");
    EXPECT_NE(refusal(greedy, "v").find("max_waiting"), std::string::npos);
    EXPECT_EQ(refusal(modest, "v"), "");
    EXPECT_NE(refusal(modest, std::string(4000, 'v')).find("max_queued_bytes"), std::string::npos);
    EXPECT_EQ(refusal(modest, std::string(1500, 'v')), "");
    EXPECT_NE(refusal(modest, std::string(1500, 'v')).find("max_queued_bytes"), std::string::npos)
        << "the rest is for others";
    EXPECT_EQ(pool->figures().waiting, 5u);
    RawClient(server_).command({"RPUSH", "none", "x"});
    for (const AsyncOp* operation : taken) EXPECT_TRUE(ended(*operation));
    EXPECT_EQ(taken.size(), 6u);
    EXPECT_EQ(pool->figures().waiting, 0u);
}

TEST_F(SharedPoolTest, WhoWaitsForRoomMayLeaveAndIsGivenUpInTime) {
    settings_.window_operations = 1;
    const auto pool = make_pool();
    Tenant tenant;
    AsyncOp blocking({"BLPOP", "none", "0"});
    submit(*pool, blocking, tenant);
    EXPECT_TRUE(eventually([&] { return RawClient(server_).info("blocked_clients") == "1"; }));
    AsyncOp leaves({"PING"}), late({"PING"}), stays({"PING"});
    late.time(10s, in(30ms));
    submit(*pool, leaves, tenant);
    submit(*pool, late, tenant);
    submit(*pool, stays, tenant);
    on_loop([&] {
        EXPECT_TRUE(pool->async().is_unwritten(leaves));
        EXPECT_EQ(pool->async().cancel(leaves, tenant), Multiplexer::Cancelled::unwritten);
    });
    EXPECT_TRUE(ended(late));
    EXPECT_EQ(late.failure->kind, ErrorKind::pool_exhausted);
    EXPECT_EQ(late.failure->certainty, Certainty::not_sent);
    EXPECT_EQ(pool->figures().waiting, 1u);
    RawClient(server_).command({"RPUSH", "none", "x"});
    EXPECT_TRUE(ended(stays));
    EXPECT_EQ(stays.completed, 1);
    EXPECT_EQ(leaves.ends(), 0);
}

TEST_F(SharedPoolTest, RoomMadeByACancelledOneIsUsed) {
    settings_.window_operations = 1;
    const auto pool = make_pool();
    Tenant tenant;
    AsyncOp warm({"PING"});
    submit(*pool, warm, tenant);
    EXPECT_TRUE(ended(warm));
    AsyncOp first({"PING"}), second({"PING"});
    on_loop([&] {
        EXPECT_FALSE(pool->async().submit(first, tenant, Clock::now()));
        EXPECT_FALSE(pool->async().submit(second, tenant, Clock::now()));
        EXPECT_EQ(pool->async().waiting(), 1u);
        EXPECT_EQ(pool->async().cancel(first, tenant), Multiplexer::Cancelled::unwritten);
    });
    EXPECT_TRUE(ended(second));
    EXPECT_EQ(second.completed, 1);
}

TEST_F(SharedPoolTest, DedicatedPoolsWaitWhenTheWireIsFull) {
    settings_.window_operations = settings_.window_bytes = 0;
    config_.max_queued_commands = 10;
    const auto pool = make_pool();
    Tenant tenant;
    std::deque<AsyncOp> operations;
    std::size_t ended = 0;
    on_loop([&] {
        for (int i = 0; i != 1000; ++i) {
            AsyncOp& operation = operations.emplace_back(std::initializer_list<std::string_view>{"PING"});
            operation.then = [&] { ended += operation.completed == 1 ? 1 : 0; };
            EXPECT_FALSE(pool->async().submit(operation, tenant, Clock::now()));
        }
    });
    EXPECT_TRUE(eventually([&] { return on_loop([&] { return ended == 1000; }); }));
    EXPECT_EQ(server_connections(), 1u);
}

}  // namespace
}  // namespace redoubt::pool
