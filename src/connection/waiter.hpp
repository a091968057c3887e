// connection: how a thread sleeps until another thread finishes its operation or hands it the lead.
#pragma once

#include <atomic>
#include <cstdint>

#include <semaphore.h>

#include <redoubt/base/clock.hpp>

namespace redoubt::connection {

/// One a thread, for as long as the thread lives, so that whoever wakes it never touches freed memory.
class Waiter {
public:
    enum class State : std::uint32_t { running, parked, done, lead };

    static Waiter& of_this_thread();

    Waiter() { ::sem_init(&semaphore_, 0, 0); }
    ~Waiter() { ::sem_destroy(&semaphore_); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    void reset() noexcept { state_.store(State::running, std::memory_order_relaxed); }
    State state() const noexcept { return state_.load(std::memory_order_acquire); }

    /// Sleeps until `signal`, at the latest until `deadline`; returns the state then, `running` at the deadline.
    State park_until(TimePoint deadline);
    /// True: it was parked, and `wake` must follow.
    [[nodiscard]] bool signal(State state) noexcept {
        return state_.exchange(state, std::memory_order_acq_rel) == State::parked;
    }
    void wake() noexcept { ::sem_post(&semaphore_); }

private:
    std::atomic<State> state_{State::running};
    sem_t semaphore_;
};

}  // namespace redoubt::connection
