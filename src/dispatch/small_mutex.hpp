// dispatch: a mutex of one byte, for what is seldom held and never for long; there is one a project.
#pragma once

#include <atomic>

namespace redoubt::dispatch {

/// For std::lock_guard.
class SmallMutex {
public:
    void lock() noexcept {
        while (held_.exchange(true, std::memory_order_acquire)) held_.wait(true, std::memory_order_relaxed);
    }
    void unlock() noexcept {
        held_.store(false, std::memory_order_release);
        held_.notify_one();
    }

private:
    std::atomic<bool> held_{false};
};

}  // namespace redoubt::dispatch
