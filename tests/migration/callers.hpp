// tests: the callers of a migration: coroutines and blocking threads, each at its share of the offered rate.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/redoubt.hpp>

#include "traffic.hpp"

namespace redoubt::migration {

/// When a caller's next call is due: late calls are made up for.
class Pace {
public:
    /// `commands_per_second`: 0: as fast as they are answered.
    explicit Pace(double commands_per_second)
        : each_(commands_per_second <= 0
                    ? Duration::zero()
                    : std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / commands_per_second))) {}
    void made(std::size_t commands) { due_ += each_ * commands; }
    /// Too little to wait for is not waited for.
    bool is_early() const { return due_ - Clock::now() > std::chrono::milliseconds(2); }
    TimePoint due() const noexcept { return due_; }

private:
    const Duration each_;
    TimePoint due_ = Clock::now();
};

/// Lives until its loop has ended.
class CoroutineCaller {
public:
    CoroutineCaller(boost::asio::io_context& loop, const ProjectIsolatedRedisClient& redis, Steps& steps,
                    Traffic& traffic, double commands_per_second)
        : redis_(redis.async()), steps_(steps), traffic_(traffic), pace_(commands_per_second), timer_(loop) {}
    boost::asio::awaitable<void> run();

private:
    boost::asio::awaitable<void> step(Act act);
    boost::asio::awaitable<void> watched();

    AsyncProjectRedisClient redis_;
    Steps& steps_;
    Traffic& traffic_;
    Pace pace_;
    boost::asio::steady_timer timer_;
};

/// On the calling thread.
void run_blocking(const ProjectIsolatedRedisClient& redis, Steps& steps, Traffic& traffic, double commands_per_second);

}  // namespace redoubt::migration
