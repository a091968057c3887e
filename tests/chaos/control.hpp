// tests: how late this machine is by itself, and whether everybody still moves.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include <redoubt/base/clock.hpp>

namespace redoubt::chaos {

/// Calls `look` every 20 ms on a thread of its own; how late its timer was at worst says what may be asked of others.
class Control {
public:
    explicit Control(std::function<void()> look)
        : thread_([this, look = std::move(look)] {
              std::unique_lock lock(mutex_);
              TimePoint due = Clock::now() + interval;
              while (!wake_.wait_until(lock, due, [this] { return done_; })) {
                  latest_ = std::max(latest_, Clock::now() - due);
                  look();
                  due = Clock::now() + interval;
              }
          }) {}
    ~Control() {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    Duration latest_timer() {
        const std::lock_guard lock(mutex_);
        return latest_;
    }

private:
    static constexpr Duration interval = std::chrono::milliseconds(20);
    std::mutex mutex_;
    std::condition_variable wake_;
    bool done_ = false;
    Duration latest_{};
    std::thread thread_;
};

}  // namespace redoubt::chaos
