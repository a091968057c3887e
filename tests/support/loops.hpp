// tests: running a loop of Asio until something holds, with a bound.
#pragma once

#include <chrono>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <redoubt/base/clock.hpp>

namespace redoubt::testing {

inline constexpr auto patience = std::chrono::seconds(60);

/// Runs the loop until it has nothing left to do, or nothing happens for too long.
inline void expect_runs_out(boost::asio::io_context& loop) {
    loop.restart();
    loop.run_for(patience);
    EXPECT_TRUE(loop.stopped()) << "the loop still has work";
}

/// Everything that is ready now, and what follows from it at once: afterwards all commands are written.
inline void run_ready(boost::asio::io_context& loop) {
    loop.restart();
    while (loop.poll() != 0) {}
}

/// Runs the loop until the condition holds.
template <class Condition>
void expect_soon(boost::asio::io_context& loop, Condition condition) {
    const TimePoint deadline = Clock::now() + patience;
    loop.restart();
    while (!condition() && Clock::now() < deadline) {
        if (loop.run_one_for(std::chrono::milliseconds(100)) == 0) loop.restart();
    }
    EXPECT_TRUE(condition());
}

}  // namespace redoubt::testing
