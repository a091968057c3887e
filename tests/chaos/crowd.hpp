// tests: all callers of the chaos, coroutines and blocking threads, from their first call to their last.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "chaos/caller.hpp"
#include "chaos/options.hpp"

namespace redoubt::chaos {

/// They end when the progress is stopped.
class Crowd {
public:
    /// `timeout`: of the services' operations.
    Crowd(const Options& options, World& world, Progress& progress, boost::asio::io_context& loop, Duration timeout)
        : options_(options), world_(world), progress_(progress), loop_(loop), timeout_(timeout) {}
    ~Crowd() { join(); }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;

    using ClientOf = std::function<ProjectIsolatedRedisClient(std::uint32_t caller)>;
    /// The coroutines run on the loop, where `when_ended` is called after the last caller's last call.
    void start(const ClientOf& client_of, std::function<void()> when_ended);
    /// Waits for the blocking callers.
    void join();
    /// Somebody's exception is a deviation, and ends all.
    void ended_by(const std::exception_ptr& failure);
    /// Ends the process if somebody's call does not end. Any thread.
    void look_for_stuck() const;
    /// Of all, when they have ended.
    Tally tally() const;

private:
    void one_ended(const std::exception_ptr& failure);

    const Options& options_;
    World& world_;
    Progress& progress_;
    boost::asio::io_context& loop_;
    const Duration timeout_;
    std::vector<std::unique_ptr<Caller>> callers_;
    std::vector<std::thread> threads_;
    std::function<void()> when_ended_;
    std::atomic<bool> ready_{false};
    std::uint32_t left_ = 0;
};

}  // namespace redoubt::chaos
