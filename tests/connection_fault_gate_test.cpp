// connection: the fault gate does to a connection what it says, and its schedule is a function of its seed.
#include "support/fault_gate.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "connection/transport.hpp"
#include "support/processes.hpp"
#include "support/scripted_peer.hpp"

namespace redoubt {
namespace {

using testing::Direction;
using testing::eventually;
using testing::Fault;
using testing::FaultGate;
using testing::FaultKind;
using testing::FaultSchedule;
using testing::Listener;
using testing::PeerSocket;

/// A connection through a gate, and its two ends.
class FaultGateTest : public ::testing::TestWithParam<bool> {
protected:
    FaultGateTest() {
        testing::FaultGateOptions options;
        options.server_socket = server_.path();
        folder_ = std::make_unique<Listener>();
        if (GetParam()) options.listen_socket = folder_->path() + "-gate";
        gate_ = std::make_unique<FaultGate>(options);
        client_ = PeerSocket(connect());
        far_ = server_.accept();
        pass("hello");
    }
    int connect() const {
        const bool tcp = !GetParam();
        const int fd = ::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connection::Address address = connection::unix_address(folder_->path() + "-gate");
        if (tcp) {
            sockaddr_in form{};
            form.sin_family = AF_INET;
            form.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            form.sin_port = htons(gate_->port());
            std::memcpy(&address.storage, &form, sizeof form);
            address.size = sizeof form;
        }
        void* const any = &address.storage;
        EXPECT_EQ(::connect(fd, static_cast<sockaddr*>(any), address.size), 0);
        return fd;
    }
    /// The bytes arrive, in both directions.
    void pass(const std::string& bytes) {
        EXPECT_TRUE(client_.write(bytes));
        EXPECT_EQ(far_.read(bytes.size()), bytes);
        EXPECT_TRUE(far_.write(bytes));
        EXPECT_EQ(client_.read(bytes.size()), bytes);
    }
    FaultGate& gate() { return *gate_; }
    PeerSocket& client() { return client_; }
    PeerSocket& server() { return far_; }

private:
    Listener server_;
    std::unique_ptr<Listener> folder_;
    std::unique_ptr<FaultGate> gate_;
    PeerSocket client_;
    PeerSocket far_;
};

TEST_P(FaultGateTest, RelaysBothWaysAndEndsWithEitherEnd) {
    pass(std::string(1'000'000, 'x').substr(0, 60'000));
    EXPECT_EQ(gate().connections(), 1U);
    client().close();
    EXPECT_EQ(server().read_some(), "");
    EXPECT_TRUE(eventually([&] { return gate().connections() == 0; }));
}

TEST_P(FaultGateTest, ADelayHoldsOneDirectionBack) {
    gate().inject({.kind = FaultKind::delay, .direction = Direction::down, .milliseconds = 60});
    const TimePoint begin = Clock::now();
    EXPECT_TRUE(client().write("up"));
    EXPECT_EQ(server().read(2), "up");
    EXPECT_TRUE(server().write("down"));
    EXPECT_EQ(client().read(4), "down");
    EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(59));
    EXPECT_EQ(gate().injected(FaultKind::delay), 1U);
}

TEST_P(FaultGateTest, ABlackHoleLetsNothingThroughAndStaysOpenUntilItIsOver) {
    gate().inject({.kind = FaultKind::black_hole, .milliseconds = Fault::for_ever});
    EXPECT_TRUE(client().write("lost"));
    EXPECT_FALSE(server().readable(50));
    EXPECT_FALSE(client().readable());
    gate().calm();
    EXPECT_EQ(server().read(4), "lost");
    pass("again");
}

TEST_P(FaultGateTest, AThrottleLetsSoManyBytesThroughInAMillisecond) {
    gate().inject({.kind = FaultKind::throttle, .direction = Direction::up, .bytes = 10, .milliseconds = 60'000});
    const TimePoint begin = Clock::now();
    EXPECT_TRUE(client().write(std::string(600, 'x')));
    EXPECT_EQ(server().read(600), std::string(600, 'x'));
    EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(55));
}

TEST_P(FaultGateTest, ASplitSendsPieces) {
    gate().inject({.kind = FaultKind::split, .direction = Direction::up, .bytes = 5000, .seed = 3});
    const std::string bytes(5000, 'y');
    EXPECT_TRUE(client().write(bytes));
    EXPECT_EQ(server().read(5000), bytes);
    pass("whole again");
}

TEST_P(FaultGateTest, ADropClosesBehindSoManyBytes) {
    gate().inject({.kind = FaultKind::drop, .direction = Direction::down, .bytes = 7});
    EXPECT_TRUE(server().write("0123456789"));
    std::string got;
    for (std::string part = client().read_some(); !part.empty(); part = client().read_some()) got += part;
    EXPECT_EQ(got, "0123456");
    EXPECT_EQ(server().read_some(), "");
}

TEST_P(FaultGateTest, AResetIsToldToBothEnds) {
    gate().inject({.kind = FaultKind::reset, .direction = Direction::up, .bytes = 3});
    EXPECT_TRUE(client().write("abcdef"));
    char byte = 0;
    ASSERT_TRUE(client().readable(10'000));
    const ssize_t got = ::recv(client().fd(), &byte, 1, 0);
    if (!GetParam()) {  // a Unix socket knows no reset
        EXPECT_EQ(got, -1);
        EXPECT_EQ(errno, ECONNRESET);
    } else {
        EXPECT_LE(got, 0);
    }
    EXPECT_EQ(server().read(3), "abc");
    EXPECT_EQ(server().read_some(), "");
}

TEST_P(FaultGateTest, AHalfCloseEndsOneDirectionAndTheOtherGoesOn) {
    gate().inject({.kind = FaultKind::half_close, .direction = Direction::down, .milliseconds = Fault::for_ever});
    EXPECT_EQ(client().read_some(), "");
    EXPECT_TRUE(client().write("still"));
    EXPECT_EQ(server().read(5), "still");
}

TEST_P(FaultGateTest, WhatItSaysItselfArrives) {
    gate().say("+HELLO\r\n");
    EXPECT_EQ(client().read(8), "+HELLO\r\n");
    pass("and then the rest");
}

TEST_P(FaultGateTest, WhereNobodyListensAConnectionEnds) {
    testing::FaultGateOptions options;
    options.server_socket = "/nonexistent/redis.sock";
    FaultGate alone(options);
    PeerSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in form{};
    form.sin_family = AF_INET;
    form.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    form.sin_port = htons(alone.port());
    void* const any = &form;
    EXPECT_EQ(::connect(socket.fd(), static_cast<sockaddr*>(any), sizeof form), 0);
    EXPECT_EQ(socket.read_some(), "");
    EXPECT_EQ(alone.accepted(), 0U);
}

INSTANTIATE_TEST_SUITE_P(TcpAndUnix, FaultGateTest, ::testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "unix_socket" : "tcp"; });

std::string listing(std::uint64_t seed, std::size_t count) {
    FaultSchedule schedule({{.kind = FaultKind::delay, .gap_ms = {1, 9}, .milliseconds = {1, 5}, .bytes = {}},
                            {.kind = FaultKind::split, .gap_ms = {1, 20}, .milliseconds = {}, .bytes = {1, 90}},
                            {.kind = FaultKind::reset,
                             .gap_ms = {5, 30},
                             .milliseconds = {},
                             .bytes = {0, 9},
                             .directions = {Direction::up}}},
                           seed);
    std::string all;
    for (std::size_t i = 0; i < count; ++i, schedule.advance()) all += to_string(schedule.next()) + "\n";
    return all;
}

TEST(FaultScheduleTest, ItsSeedDecidesEveryByteOfIt) {
    EXPECT_EQ(listing(11, 500), listing(11, 500));
    EXPECT_NE(listing(11, 500), listing(12, 500));
    EXPECT_TRUE(listing(11, 500).starts_with(listing(11, 100)));
}

TEST(FaultScheduleTest, FaultsComeInTheOrderOfTheirTimesAndEachRuleKeepsToItsRanges) {
    FaultSchedule schedule({{.kind = FaultKind::delay, .gap_ms = {1, 9}, .milliseconds = {2, 5}, .bytes = {}},
                            {.kind = FaultKind::drop, .gap_ms = {3, 30}, .milliseconds = {}, .bytes = {7, 9}}},
                           1);
    Duration last{};
    std::set<FaultKind> kinds;
    for (int i = 0; i < 1000; ++i, schedule.advance()) {
        const Fault& fault = schedule.next();
        EXPECT_GE(fault.at, last);
        last = fault.at;
        kinds.insert(fault.kind);
        if (fault.kind == FaultKind::delay) {
            EXPECT_TRUE(fault.milliseconds >= 2 && fault.milliseconds <= 5);
        } else {
            EXPECT_TRUE(fault.bytes >= 7 && fault.bytes <= 9);
        }
    }
    EXPECT_EQ(kinds.size(), 2U);
}

}  // namespace
}  // namespace redoubt
