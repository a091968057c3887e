// connection: parking; see the header.
#include "connection/waiter.hpp"

#include <cerrno>
#include <chrono>
#include <ctime>

namespace redoubt::connection {

Waiter& Waiter::of_this_thread() {
    static thread_local Waiter waiter;
    return waiter;
}

Waiter::State Waiter::park_until(TimePoint deadline) {
    State expected = State::running;
    if (!state_.compare_exchange_strong(expected, State::parked, std::memory_order_acq_rel)) return expected;
    // steady_clock is CLOCK_MONOTONIC here, which sem_clockwait takes as it is.
    const auto since = deadline.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    const timespec until{static_cast<time_t>(seconds.count()),
                         static_cast<long>(std::chrono::nanoseconds(since - seconds).count())};
    for (;;) {
        if (::sem_clockwait(&semaphore_, CLOCK_MONOTONIC, &until) == 0) return state();
        if (errno == EINTR) continue;
        expected = State::parked;
        if (state_.compare_exchange_strong(expected, State::running, std::memory_order_acq_rel)) return State::running;
        // Signalled just now: its wake is on the way and must be taken.
        while (::sem_wait(&semaphore_) != 0) {}
        return state();
    }
}

}  // namespace redoubt::connection
