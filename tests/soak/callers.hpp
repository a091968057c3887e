// tests: the callers of the soak: coroutines on the service's loop, and threads that block.
#pragma once

#include <cstdint>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/redoubt.hpp>

#include "steps.hpp"

namespace redoubt::soak {

/// Lives until its loop has ended.
class CoroutineCaller {
public:
    CoroutineCaller(boost::asio::io_context& loop, const ProjectIsolatedRedisClient& redis, std::uint32_t caller,
                    std::uint64_t seed, Progress& progress, Tally& tally)
        : loop_(loop),
          redis_(redis.async()),
          steps_(caller, seed, progress, tally),
          progress_(progress),
          canceller_(loop),
          pause_(loop) {}

    /// One operation after the other, until none is left to do.
    boost::asio::awaitable<void> run();
    Steps& steps() noexcept { return steps_; }

private:
    boost::asio::awaitable<void> step(const AsyncProjectRedisClient& redis, Act act);
    boost::asio::awaitable<void> several(const AsyncProjectRedisClient& redis, Act act);
    boost::asio::awaitable<void> get(Register& slot);
    boost::asio::awaitable<void> set(Register& slot);
    boost::asio::awaitable<void> incr();
    boost::asio::awaitable<void> throwing_get(Register& slot);
    boost::asio::awaitable<void> time_out();
    boost::asio::awaitable<void> two_at_once();

    template <class Reply, class Operation>
    boost::asio::awaitable<result<Reply>> perform(Operation operation);
    void cancel_at_a_random_moment();
    void cancel_after_turns(std::uint32_t turns, std::uint64_t call, boost::asio::cancellation_type type);

    boost::asio::io_context& loop_;
    AsyncProjectRedisClient redis_;
    Steps steps_;
    Progress& progress_;
    boost::asio::cancellation_signal signal_;
    boost::asio::steady_timer canceller_;
    boost::asio::steady_timer pause_;
    std::uint64_t call_ = 0;   // so that a cancellation that comes late is for nobody
    bool cancelling_ = false;  // this call listens to `signal_`
};

/// On the calling thread, until none is left to do.
void run_blocking(const ProjectIsolatedRedisClient& redis, Steps& steps, Progress& progress);

}  // namespace redoubt::soak
