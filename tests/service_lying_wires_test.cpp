// service: wires that lie: a peer that stops answering, answers late, closes inside a reply, sends garbage or a reply too
// many. The attempt fails in time with the right error, and others go on on a new wire; blocking and async.
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include "support/fault_gate.hpp"
#include "support/live_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::Direction;
using testing::eventually;
using testing::Fault;
using testing::FaultGate;
using testing::FaultKind;

constexpr Duration attempt_timeout = 150ms;
constexpr Duration allowance = 50ms;

/// The two ways to call, as one.
struct Way {
    std::string name;
    std::function<result<std::int64_t>(const ProjectIsolatedRedisClient&, std::string_view)> incr;
    std::function<result<std::optional<std::string>>(const ProjectIsolatedRedisClient&, std::string_view)> get;
    std::function<result<std::string>(const ProjectIsolatedRedisClient&)> ping;
};

const Way blocking{"blocking", [](const auto& redis, std::string_view key) { return redis.try_incr(key); },
                   [](const auto& redis, std::string_view key) { return redis.try_get(key); },
                   [](const auto& redis) { return redis.try_ping(); }};
const Way async{
    "async",
    [](const auto& redis, std::string_view key) { return redis.async().try_incr(key)(boost::asio::use_future).get(); },
    [](const auto& redis, std::string_view key) { return redis.async().try_get(key)(boost::asio::use_future).get(); },
    [](const auto& redis) { return redis.async().try_ping()(boost::asio::use_future).get(); }};

class LyingWires : public testing::LiveServiceTest {
protected:
    void SetUp() override {
        testing::FaultGateOptions options;
        options.server_socket = server().socket_path();
        gate_ = std::make_unique<FaultGate>(options);
        RedisServiceConfig given = testing::quiet_config(gate_->url());
        given.attempt_timeout = attempt_timeout;
        given.operation_timeout = 5s;
        given.connection_timeout = 5s;
        given.circuit_breaker.failure_threshold = 1'000'000;
        service_ = std::make_unique<RedisService>(given);
        service_->initialize();
        redis_.emplace(service_->get_connection("alpha"));
        redis_->set("k", "v");
    }
    void TearDown() override {
        if (gate_) gate_->calm();
        service_.reset();
        gate_.reset();
    }
    FaultGate& gate() { return *gate_; }
    const ProjectIsolatedRedisClient& redis() const { return *redis_; }

    /// All calls of both kinds on a wire that works.
    void expect_all_well(const Way& way) {
        const auto value = way.get(redis(), "k");
        ASSERT_TRUE(value) << value.error().message();
        EXPECT_EQ(*value, "v");
    }
    /// A call of a thread of its own, to a server that is stopped; its command was written when this returns.
    template <class Call>
    auto begin_call(const Call& call) {
        const std::uint64_t before = gate().received();
        auto outcome = std::async(std::launch::async, call);
        EXPECT_TRUE(eventually([&] { return gate().received() > before; }));
        return outcome;
    }
    /// `spoil` makes the wires lie; the call then fails with a time-out of a command that was sent, not before and not
    /// long after `limit`; and the next one is answered, on another wire.
    void expect_timeout(const Way& way, Duration limit, const CallOptions& options, const std::function<void()>& spoil,
                        const std::function<void()>& mend) {
        // On a busy machine a thread may be late once; not five times in a row.
        Duration best = Duration::max();
        for (int i = 0; i < 5 && best > limit + allowance; ++i) {
            expect_all_well(way);
            const std::uint64_t wires = gate().accepted();
            spoil();
            const TimePoint begin = Clock::now();
            const auto outcome = way.incr(redis().with(options), "n");
            const Duration elapsed = Clock::now() - begin;
            mend();
            ASSERT_FALSE(outcome);
            EXPECT_EQ(outcome.error().kind, ErrorKind::timeout) << outcome.error().message();
            EXPECT_EQ(outcome.error().certainty, Certainty::unknown) << outcome.error().message();
            EXPECT_EQ(outcome.error().stage, Stage::sent) << outcome.error().message();
            EXPECT_EQ(outcome.error().attempts, 1U);
            EXPECT_GE(elapsed, limit - 1ms);
            best = std::min(best, elapsed);
            if (limit < attempt_timeout) continue;  // the caller's own haste says nothing of the wire
            expect_all_well(way);
            EXPECT_GT(gate().accepted(), wires) << "the wire that lied is still in use";
        }
        EXPECT_LE(best, limit + allowance) << way.name;
    }

private:
    std::unique_ptr<FaultGate> gate_;
    std::unique_ptr<RedisService> service_;
    std::optional<ProjectIsolatedRedisClient> redis_;
};

TEST_P(LyingWires, APeerThatStopsIsNoticedInTime) {
    for (const Way& way : {blocking, async}) {
        SCOPED_TRACE(way.name);
        const auto stop = [&] { server().pause(); };
        const auto go_on = [&] { server().resume(); };
        expect_timeout(way, attempt_timeout, {}, stop, go_on);
        expect_timeout(way, 60ms, {.deadline = 60ms}, stop, go_on);
    }
}

TEST_P(LyingWires, ABlackHoleIsNoticedInTimeAndOthersGoOn) {
    for (const Way& way : {blocking, async}) {
        SCOPED_TRACE(way.name);
        for (const Direction direction : {Direction::up, Direction::down, Direction::both}) {
            const auto spoil = [&] {
                gate().inject({.kind = FaultKind::black_hole, .direction = direction, .milliseconds = Fault::for_ever});
            };
            expect_timeout(way, attempt_timeout, {}, spoil, [] {});
        }
    }
}

TEST_P(LyingWires, AnAnswerThatComesLateReachesNobody) {
    for (const Way& way : {blocking, async}) {
        SCOPED_TRACE(way.name);
        // Later than the attempt may take: the wire is given up.
        expect_timeout(
            way, attempt_timeout, {},
            [&] { gate().inject({.kind = FaultKind::delay, .direction = Direction::down, .milliseconds = 3000}); },
            [] {});
        // Later than the caller's own deadline: the wire stays, and the answer is swallowed.
        const std::uint64_t wires = gate().accepted();
        gate().inject({.kind = FaultKind::delay, .direction = Direction::down, .milliseconds = 90});
        const auto late = way.incr(redis().with({.deadline = 40ms}), "n");
        ASSERT_FALSE(late);
        EXPECT_EQ(late.error().kind, ErrorKind::timeout);
        EXPECT_EQ(late.error().certainty, Certainty::unknown);
        expect_all_well(way);
        EXPECT_EQ(gate().accepted(), wires);
    }
}

TEST_P(LyingWires, AnEndInsideAReplyFailsTheCallAtOnceAndOthersGoOn) {
    redis().set("long", std::string(5000, 'x'));
    for (const Way& way : {blocking, async}) {
        for (const FaultKind kind : {FaultKind::drop, FaultKind::reset}) {
            SCOPED_TRACE(way.name + ", " + std::string(to_string(kind)));
            expect_all_well(way);
            const std::uint64_t wires = gate().accepted();
            gate().inject({.kind = kind, .direction = Direction::down, .bytes = 2000});
            const TimePoint begin = Clock::now();
            const auto outcome = way.get(redis(), "long");
            EXPECT_LT(Clock::now() - begin, attempt_timeout);
            ASSERT_FALSE(outcome);
            EXPECT_EQ(outcome.error().kind, ErrorKind::connection) << outcome.error().message();
            EXPECT_EQ(outcome.error().certainty, Certainty::unknown) << outcome.error().message();
            expect_all_well(way);
            EXPECT_GT(gate().accepted(), wires);
        }
    }
}

TEST_P(LyingWires, AHalfClosedWireIsLeftAndOthersGoOn) {
    for (const Way& way : {blocking, async}) {
        for (const Direction direction : {Direction::up, Direction::down}) {
            SCOPED_TRACE(way.name + ", " + std::string(to_string(direction)));
            expect_all_well(way);
            const std::uint64_t wires = gate().accepted();
            gate().inject({.kind = FaultKind::half_close, .direction = direction, .milliseconds = Fault::for_ever});
            const TimePoint begin = Clock::now();
            // The end may be seen before it is written: then it goes to another wire at once.
            if (const auto outcome = way.incr(redis(), "n"); !outcome) {
                EXPECT_EQ(outcome.error().kind, ErrorKind::connection) << outcome.error().message();
            }
            EXPECT_LT(Clock::now() - begin, attempt_timeout);
            expect_all_well(way);
            EXPECT_GT(gate().accepted(), wires);
        }
    }
}

TEST_P(LyingWires, GarbageFailsTheCallAtOnceAndOthersGoOn) {
    for (const Way& way : {blocking, async}) {
        SCOPED_TRACE(way.name);
        // On a wire that is there already: what was said to those of the round before may be heard late.
        std::uint64_t wires = 0;
        EXPECT_TRUE(eventually([&] {
            wires = gate().accepted();
            expect_all_well(way);
            return gate().accepted() == wires;
        }));
        server().pause();
        auto call = begin_call([&] {
            const TimePoint begin = Clock::now();
            auto outcome = way.incr(redis().with({.deadline = 5s}), "n");
            return std::pair(std::move(outcome), Clock::now() - begin);
        });
        gate().say("what is this\r\n");
        const auto [outcome, elapsed] = call.get();
        server().resume();
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().kind, ErrorKind::connection) << outcome.error().message();
        EXPECT_EQ(outcome.error().certainty, Certainty::unknown) << outcome.error().message();
        EXPECT_LE(elapsed, attempt_timeout + allowance);
        expect_all_well(way);
        EXPECT_GT(gate().accepted(), wires);
    }
}

TEST_P(LyingWires, AReplyTooManyReachesNobody) {
    for (const Way& way : {blocking, async}) {
        SCOPED_TRACE(way.name);
        expect_all_well(way);
        std::uint64_t wires = gate().accepted();
        server().pause();
        auto call = begin_call([&] { return way.ping(redis().with({.deadline = 5s})); });
        gate().say("+PONG\r\n$5\r\nwrong\r\n");
        const auto outcome = call.get();
        server().resume();
        if (outcome) {
            EXPECT_EQ(*outcome, "PONG");
        }
        expect_all_well(way);  // and not "wrong"
        EXPECT_GT(gate().accepted(), wires);

        // While nothing is under way.
        wires = gate().accepted();
        gate().say("$5\r\nwrong\r\n");
        const TimePoint later = Clock::now() + 20ms;  // a wire that was used just now is trusted for some milliseconds
        EXPECT_TRUE(eventually([&] { return Clock::now() >= later; }));
        expect_all_well(way);
        EXPECT_GT(gate().accepted(), wires);
    }
}

// The kernel gives up what nobody acknowledges, and asks on idle connections whether anybody is there.
TEST_P(LyingWires, TheKernelWatchesTcpToo) {
    expect_all_well(blocking);
    expect_all_well(async);
    int wires = 0;
    for (int fd = 0; fd < 1024; ++fd) {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        void* const any = &peer;
        if (::getpeername(fd, static_cast<sockaddr*>(any), &size) != 0 || peer.sin_family != AF_INET) continue;
        if (ntohs(peer.sin_port) != gate().port()) continue;
        ++wires;
        const auto option = [&](int level, int name) {
            int value = 0;
            socklen_t length = sizeof value;
            EXPECT_EQ(::getsockopt(fd, level, name, &value, &length), 0);
            return value;
        };
        EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 1000);  // an attempt may take less
        EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
        EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 15);
    }
    EXPECT_GE(wires, 2);  // one of each kind
}

REDOUBT_BOTH_SERVERS(LyingWires);

}  // namespace
}  // namespace redoubt
