// tests: a blocking wire whose other end the test plays.
#pragma once

#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "connection/blocking_wire.hpp"
#include "support/scripted_peer.hpp"

namespace redoubt::testing {

constexpr Duration long_time = std::chrono::minutes(1);

inline connection::WireSettings settings_with(Duration attempt_timeout = long_time) {
    return {ReplyLimits{}, Multiplexer::Limits{}, attempt_timeout};
}
inline Error closing() { return Error::of(ErrorKind::connection, Certainty::unknown, Stage::sent, "closing"); }

/// Sends `<name>` and keeps its answer.
class Call final : public connection::BlockingOperation {
public:
    explicit Call(std::string name, Duration deadline = long_time, Duration attempt_timeout = long_time)
        : bytes_("<" + std::move(name) + ">") {
        set_timing(Clock::now() + deadline, attempt_timeout);
    }
    std::size_t encoded_bound() const noexcept override { return bytes_.size(); }
    char* encode(char* out) const noexcept override {
        std::memcpy(out, bytes_.data(), bytes_.size());
        return out + bytes_.size();
    }
    bool on_reply(std::string_view frame) override {
        answer += frame;
        return true;
    }
    std::string answer;

private:
    std::string bytes_;
};

class BlockingWireFixture : public ::testing::Test {
protected:
    std::unique_ptr<connection::BlockingWire> make_wire(Duration attempt_timeout = long_time) {
        auto wire = std::make_unique<connection::BlockingWire>(listener_.connect(), settings_with(attempt_timeout));
        peer_ = listener_.accept();
        return wire;
    }
    std::unique_ptr<connection::BlockingWire> make_echo_wire(EchoPeer::Answer answer = [](const std::string& name) {
        return bulk(name);
    }) {
        auto wire = make_wire();
        echo_ = std::make_unique<EchoPeer>(std::move(peer_), std::move(answer));
        return wire;
    }
    /// Runs the call on a thread of its own.
    static std::future<bool> run(connection::BlockingWire& wire, Call& call) {
        return std::async(std::launch::async, [&] { return wire.run(call, Clock::now()); });
    }
    static void expect_answer(std::future<bool>& run, const Call& call, const std::string& name) {
        ASSERT_EQ(run.wait_for(10s), std::future_status::ready) << name;
        EXPECT_TRUE(run.get());
        EXPECT_FALSE(call.error()) << call.error()->message();
        EXPECT_EQ(call.answer, bulk(name));
    }
    static void expect_failure(const Call& call, ErrorKind kind, Certainty certainty, FailureSource source) {
        ASSERT_TRUE(call.error());
        EXPECT_EQ(call.error()->kind, kind) << call.error()->message();
        EXPECT_EQ(call.error()->certainty, certainty) << call.error()->message();
        EXPECT_EQ(call.failure_source(), source) << call.error()->message();
    }

    Listener listener_;
    PeerSocket peer_;
    std::unique_ptr<EchoPeer> echo_;
};

}  // namespace redoubt::testing
