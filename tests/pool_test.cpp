// pool: a pool against a real server: one shared wire, leases, spares, the budget over pools, closing, recovery.
#include "pool/pool.hpp"

#include <atomic>
#include <barrier>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pool/prober.hpp"
#include "support/live_pool.hpp"

namespace redoubt::pool {
namespace {

using testing::eventually;
using testing::RawClient;

constexpr const char* ping = "*1\r\n$4\r\nPING\r\n";

TimePoint in(Duration duration) { return Clock::now() + duration; }

/// A blocking command on a wire.
class Call final : public connection::BlockingOperation {
public:
    explicit Call(std::string bytes = ping) : bytes_(std::move(bytes)) { set_timing(in(10s), 10s); }
    std::size_t encoded_bound() const noexcept override { return bytes_.size(); }
    char* encode(char* out) const noexcept override {
        std::memcpy(out, bytes_.data(), bytes_.size());
        return out + bytes_.size();
    }
    bool on_reply(std::string_view frame) override {
        answer = frame;
        return true;
    }
    std::string answer;

private:
    std::string bytes_;
};

bool answers(connection::BlockingWire& wire) {
    Call call;
    return wire.run(call, Clock::now()) && call.answer == "+PONG\r\n";
}

class PoolTest : public testing::LivePoolTest {
protected:
    static void expect_refused(const result<Lease>& lease, ErrorKind kind, std::string_view part) {
        ASSERT_TRUE(lease.has_error());
        EXPECT_EQ(lease.error().kind, kind) << lease.error().message();
        EXPECT_EQ(lease.error().certainty, Certainty::not_sent);
        EXPECT_NE(lease.error().reason().find(part), std::string_view::npos) << lease.error().message();
    }
};

TEST_F(PoolTest, ManyThreadsOpenOneSharedWire) {
    const auto pool = make_pool();
    constexpr int threads = 16;  // more would spread over several wires
    std::barrier together(threads);
    std::vector<std::future<std::shared_ptr<NodeWire>>> wires;
    for (int i = 0; i != threads; ++i) {
        wires.push_back(std::async(std::launch::async, [&] {
            together.arrive_and_wait();
            const auto wire = pool->shared_wire(in(10s)).value();
            return answers(*wire) ? wire : nullptr;
        }));
    }
    const auto first = wires[0].get();
    ASSERT_TRUE(first);
    for (std::size_t i = 1; i != wires.size(); ++i) EXPECT_EQ(wires[i].get(), first);
    EXPECT_EQ(server_connections(), 1u);
    const PoolFigures figures = pool->figures();
    EXPECT_EQ(figures.created, 1u);
    EXPECT_EQ(figures.available, 1u);
    EXPECT_EQ(figures.max, 10u);
    EXPECT_EQ(figures.leased + figures.waiting + figures.in_flight, 0u);
    EXPECT_EQ(budget_->open(), 1u);

    first->close(closing());
    pool->forget(first);
    EXPECT_EQ(pool->figures().created, 0u);
    const auto second = pool->shared_wire(in(10s)).value();
    EXPECT_NE(second, first);
    EXPECT_TRUE(answers(*second));
}

TEST_F(PoolTest, LeasesUpToItsCapacityAndRefusesAtTheDeadline) {
    const auto pool = make_pool();
    std::vector<Lease> leases;
    for (int i = 0; i != 8; ++i) leases.push_back(pool->lease(in(10s)).value());
    const TimePoint begin = Clock::now();
    auto late = std::async(std::launch::async, [&] { return pool->lease(begin + 60ms); });
    EXPECT_TRUE(eventually([&] { return pool->figures().waiting == 1 || Clock::now() > begin + 60ms; }));
    expect_refused(late.get(), ErrorKind::pool_exhausted, "max_connections");
    EXPECT_GE(Clock::now() - begin, 60ms);

    const auto shared = pool->shared_wire(in(10s)).value();  // its place is kept
    EXPECT_TRUE(answers(*shared));
    PoolFigures figures = pool->figures();
    EXPECT_EQ(figures.created, 9u);
    EXPECT_EQ(figures.leased, 8u);
    EXPECT_EQ(figures.available, 1u);
    EXPECT_EQ(figures.waiting, 0u);
    EXPECT_EQ(server_connections(), 9u);
    for (Lease& lease : leases) EXPECT_TRUE(answers(lease.wire()));

    leases[0].set_clean(true);
    leases.clear();  // one rests, seven are closed
    EXPECT_TRUE(eventually([&] { return server_connections() == 2; }));
    figures = pool->figures();
    EXPECT_EQ(figures.created, 2u);
    EXPECT_EQ(figures.available, 2u);
    EXPECT_EQ(budget_->open(), 2u);
    const std::string before = RawClient(server_).info("total_connections_received");
    Lease again = pool->lease(in(10s)).value();
    EXPECT_TRUE(answers(again.wire()));
    // One more: the connection that asks.
    EXPECT_EQ(std::stoul(RawClient(server_).info("total_connections_received")), std::stoul(before) + 1);
}

TEST_F(PoolTest, ServesWaitingCallersInTheirOrder) {
    settings_.max_connections = 3;  // one to lease
    const auto pool = make_pool();
    Lease held = pool->lease(in(10s)).value();
    std::mutex mutex;
    std::string order;
    std::vector<std::future<void>> waiting;
    for (char name = 'a'; name <= 'e'; ++name) {
        waiting.push_back(std::async(std::launch::async, [&, name] {
            Lease lease = pool->lease(in(30s)).value();
            EXPECT_TRUE(answers(lease.wire()));
            const std::lock_guard lock(mutex);
            order += name;
            lease.set_clean(name % 2 == 0);  // the next one gets it, or opens another
        }));
        ASSERT_TRUE(eventually([&] { return pool->figures().waiting == waiting.size(); }));
    }
    held = Lease();
    for (auto& one : waiting) one.get();
    EXPECT_EQ(order, "abcde");
    EXPECT_EQ(pool->figures().leased, 0u);
}

TEST_F(PoolTest, BoundsHowManyWait) {
    settings_.max_connections = 3;
    settings_.max_waiting = 1;
    const auto pool = make_pool();
    Lease held = pool->lease(in(10s)).value();
    auto first = std::async(std::launch::async, [&] { return pool->lease(in(30s)); });
    ASSERT_TRUE(eventually([&] { return pool->figures().waiting == 1; }));
    expect_refused(pool->lease(in(1h)), ErrorKind::pool_exhausted, "max_waiting");
    held = Lease();
    EXPECT_TRUE(first.get());
}

TEST_F(PoolTest, AConnectionThatTheServerClosedIsReplaced) {
    const auto pool = make_pool();
    {
        Lease lease = pool->lease(in(10s)).value();
        lease.set_clean(true);
    }
    RawClient(server_).command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    EXPECT_TRUE(eventually([&] { return server_connections() == 0; }));
    Lease lease = pool->lease(in(10s)).value();
    EXPECT_TRUE(answers(lease.wire()));
    EXPECT_EQ(pool->figures().created, 1u);
    EXPECT_EQ(budget_->open(), 1u);
    EXPECT_EQ(watcher_->moves(), "");
}

TEST_F(PoolTest, KeepsSparesAndClosesThoseBeyond) {
    settings_.min_idle = 3;
    settings_.idle_timeout = 1ns;
    const auto pool = make_pool();
    maintain(*pool);
    EXPECT_EQ(pool->figures().created, 3u);
    EXPECT_EQ(pool->figures().available, 3u);
    EXPECT_EQ(server_connections(), 3u);
    std::vector<Lease> leases;
    for (int i = 0; i != 5; ++i) {
        leases.push_back(pool->lease(in(10s)).value());
        leases.back().set_clean(true);
    }
    EXPECT_EQ(pool->figures().created, 5u);
    leases.clear();
    EXPECT_EQ(pool->figures().available, 5u);
    maintain(*pool);
    EXPECT_EQ(pool->figures().created, 3u);
    EXPECT_TRUE(eventually([&] { return server_connections() == 3; }));
    EXPECT_EQ(budget_->open(), 3u);

    const auto shared = pool->shared_wire(in(10s)).value();  // takes one that rests
    EXPECT_TRUE(answers(*shared));
    EXPECT_EQ(pool->figures().created, 3u);
    settings_.min_idle = 10;
    const auto full = make_pool();
    maintain(*full);
    EXPECT_EQ(full->figures().created, 10u);
}

TEST_F(PoolTest, TheBudgetOverPoolsClosesWhatRestsElsewhere) {
    budget_ = std::make_shared<ConnectionBudget>(2);
    const auto rich = make_pool(), poor = make_pool();
    budget_->when_exhausted([&] { return rich->close_one_idle() || poor->close_one_idle(); });
    const auto shared = rich->shared_wire(in(10s)).value();
    {
        Lease lease = rich->lease(in(10s)).value();
        lease.set_clean(true);
    }
    EXPECT_EQ(budget_->open(), 2u);
    Lease lease = poor->lease(in(10s)).value();
    EXPECT_TRUE(answers(lease.wire()));
    EXPECT_TRUE(answers(*shared));
    EXPECT_EQ(rich->figures().created, 1u);
    EXPECT_EQ(budget_->open(), 2u);
    EXPECT_FALSE(rich->close_one_idle());
    expect_refused(poor->lease(in(10s)), ErrorKind::pool_exhausted, "max_total_connections");
    EXPECT_EQ(poor->shared_wire(in(10s)).error().kind, ErrorKind::pool_exhausted);
    EXPECT_EQ(poor->figures().created, 1u);
    EXPECT_EQ(budget_->open(), 2u);
    lease = Lease();
    EXPECT_EQ(budget_->open(), 1u);
    EXPECT_TRUE(poor->shared_wire(in(10s)));
}

TEST_F(PoolTest, TheAsyncSideTakesWhatRests) {
    settings_.min_idle = 1;
    const auto pool = make_pool();
    maintain(*pool);
    std::promise<void> done;
    Tenant tenant;
    testing::ScriptedOperation operation("ping");
    operation.bytes(ping);
    operation.then = [&] { done.set_value(); };
    boost::asio::post(loop_, [&] { EXPECT_FALSE(pool->async().submit(operation, tenant, Clock::now())); });
    done.get_future().get();
    EXPECT_EQ(operation.frames, (std::vector<std::string>{"+PONG\r\n"}));
    EXPECT_EQ(pool->figures().created, 1u);
    EXPECT_EQ(server_connections(), 1u);
    pool->close(closing());
    std::promise<void> closed;
    boost::asio::post(loop_, [&] {
        pool->close_async(closing());
        closed.set_value();
    });
    closed.get_future().get();
    EXPECT_EQ(pool->figures().created, 0u);
    EXPECT_EQ(budget_->open(), 0u);
}

TEST_F(PoolTest, CloseFailsWhoeverWaitsAndKeepsTrueAccounts) {
    settings_.max_connections = 4;
    for (int round = 0; round != 20; ++round) {
        const auto pool = make_pool();
        const auto shared = pool->shared_wire(in(10s)).value();
        std::vector<Lease> held;
        for (int i = 0; i != 2; ++i) {
            held.push_back(pool->lease(in(10s)).value());
            held.back().set_clean(true);
        }
        Call blocked("*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n");
        auto blocking = std::async(std::launch::async, [&] { return held[1].wire().run(blocked, Clock::now()); });
        std::vector<std::future<result<Lease>>> waiting;
        for (int i = 0; i != 3; ++i) {
            waiting.push_back(std::async(std::launch::async, [&] { return pool->lease(in(30s)); }));
        }
        auto pausing = std::async(std::launch::async, [&] { return pool->pause_until(in(30s)); });
        ASSERT_TRUE(eventually([&] { return pool->figures().waiting == 3 && held[1].wire().in_flight() == 1; }));
        auto giving_back = std::async(std::launch::async, [&] { held[0] = Lease(); });  // while it closes
        pool->close(closing());
        giving_back.get();
        EXPECT_TRUE(blocking.get());
        ASSERT_TRUE(blocked.error());
        EXPECT_EQ(blocked.error()->reason(), "closing");
        EXPECT_TRUE(pausing.get());
        for (auto& one : waiting) {
            result<Lease> lease = one.get();  // the first may have been served just before
            EXPECT_TRUE(lease.has_value() || lease.error().reason() == "closing") << lease.error().message();
        }
        held.clear();
        expect_refused(pool->lease(in(10s)), ErrorKind::connection, "closing");
        EXPECT_TRUE(pool->shared_wire(in(10s)).has_error());
        EXPECT_FALSE(answers(*shared));
        const PoolFigures figures = pool->figures();
        EXPECT_EQ(figures.created, 0u);
        EXPECT_EQ(figures.leased + figures.waiting + figures.available, 0u);
        EXPECT_EQ(budget_->open(), 0u);
    }
}

TEST_F(PoolTest, ANodeRecoversByItsOwnProbesWithoutAnyCaller) {
    const auto pool = make_pool();
    Node& node = pool->node();
    const auto prober = std::make_shared<Prober>(loop_.get_executor(), std::shared_ptr<Node>(pool, &node));
    node.when_opened([&] { prober->wake(); });
    EXPECT_TRUE(answers(*pool->shared_wire(in(10s)).value()));
    server_.kill();
    const auto dead = pool->shared_wire(in(10s)).value();
    EXPECT_FALSE(answers(*dead));
    pool->forget(dead);
    for (int i = 0; i != 2; ++i) EXPECT_TRUE(pool->shared_wire(in(10s)).has_error());
    EXPECT_NE(node.breaker().state(), CircuitState::closed);
    const Node::Admission refused = node.admit(Clock::now());
    EXPECT_FALSE(refused);
    EXPECT_EQ(node.circuit_open_error(refused).kind, ErrorKind::circuit_open);
    EXPECT_EQ(node.circuit_open_error(refused).certainty, Certainty::not_sent);
    // It tries, and fails, as long as the server is away.
    EXPECT_TRUE(eventually([&] { return watcher_->moves().find("half_open>open") != std::string::npos; }));
    EXPECT_FALSE(node.admit(Clock::now()));

    server_.restart();
    EXPECT_TRUE(eventually([&] { return node.breaker().state() == CircuitState::closed; }));
    const std::string moves = watcher_->moves();
    EXPECT_TRUE(moves.starts_with("closed>open open>half_open half_open>open ")) << moves;
    EXPECT_TRUE(moves.ends_with(" open>half_open half_open>closed ")) << moves;
    EXPECT_TRUE(answers(*pool->shared_wire(in(10s)).value()));
    prober->stop();
}

}  // namespace
}  // namespace redoubt::pool
