// connection: the blocking wire that looks for bytes before it sleeps: answers, time-outs and other threads' output.
#include <future>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "support/blocking_wire_fixture.hpp"

namespace redoubt::connection {
namespace {

using testing::bulk;
using testing::Call;
using testing::closing;
using testing::long_time;
using testing::settings_with;

class BlockingPollTest : public testing::BlockingWireFixture {
protected:
    std::unique_ptr<BlockingWire> make_spinning_wire(Duration busy_poll, Duration attempt_timeout = long_time) {
        WireSettings settings = settings_with(attempt_timeout);
        settings.busy_poll = busy_poll;
        auto wire = std::make_unique<BlockingWire>(listener_.connect(), settings);
        peer_ = listener_.accept();
        return wire;
    }
};

TEST_F(BlockingPollTest, AnswersAndTimeOutsComeWhileItSpinsAndAfterwards) {
    for (const Duration busy_poll : {Duration(50us), Duration(long_time)}) {
        const auto wire = make_spinning_wire(busy_poll);
        Call call("call");
        auto running = run(*wire, call);
        EXPECT_EQ(peer_.read(6), "<call>");
        peer_.write(bulk("call"));
        expect_answer(running, call, "call");
        Call hasty("hasty", 20ms);
        const TimePoint begin = Clock::now();
        EXPECT_TRUE(wire->run(hasty, begin));
        EXPECT_GE(Clock::now() - begin, 20ms);
        expect_failure(hasty, ErrorKind::timeout, Certainty::unknown, FailureSource::operation);
        EXPECT_TRUE(wire->is_open());
    }
}

TEST_F(BlockingPollTest, ASilentPeerIsFoundOut) {
    const auto wire = make_spinning_wire(long_time, 50ms);
    Call call("call", long_time, 50ms);
    EXPECT_TRUE(wire->run(call, Clock::now()));
    expect_failure(call, ErrorKind::timeout, Certainty::unknown, FailureSource::wire);
}

TEST_F(BlockingPollTest, CloseEndsTheSpin) {
    const auto wire = make_spinning_wire(long_time);
    Call call("call");
    auto running = run(*wire, call);
    EXPECT_EQ(peer_.read(6), "<call>");
    wire->close(closing());
    ASSERT_EQ(running.wait_for(10s), std::future_status::ready);
    EXPECT_TRUE(running.get());
    expect_failure(call, ErrorKind::connection, Certainty::unknown, FailureSource::wire);
}

// The socket takes only a part of the large one: the rest is the spinning leader's to write.
TEST_F(BlockingPollTest, TheSpinningLeaderWritesWhatOthersCouldNot) {
    const auto wire = make_spinning_wire(long_time);
    Call leader("leader");
    auto leading = run(*wire, leader);
    EXPECT_EQ(peer_.read(8), "<leader>");
    const std::string large(8 << 20, 'x');
    Call big(large), small("small");
    auto running = run(*wire, big);
    ASSERT_TRUE(peer_.readable(10'000));
    auto following = run(*wire, small);
    echo_ = std::make_unique<testing::EchoPeer>(std::move(peer_), [&](const std::string& name) {
        return name == large ? bulk("leader") + bulk(large) : bulk(name);
    });
    expect_answer(leading, leader, "leader");
    expect_answer(running, big, large);
    expect_answer(following, small, "small");
}

}  // namespace
}  // namespace redoubt::connection
