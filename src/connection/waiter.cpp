// connection: parking; see the header.
#include "connection/waiter.hpp"

#include <cerrno>
#include <chrono>
#include <climits>
#include <ctime>

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace redoubt::connection {
namespace {

timespec as_timespec(TimePoint time) {
    // steady_clock is CLOCK_MONOTONIC here, by which the futex counts.
    const auto since = time.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    return {static_cast<time_t>(seconds.count()), static_cast<long>(std::chrono::nanoseconds(since - seconds).count())};
}

// A yield that takes longer has given a time slice away.
constexpr auto brief = std::chrono::milliseconds(1);
constexpr auto abstinence = std::chrono::milliseconds(100);

}  // namespace

void yield_briefly() noexcept {
    static thread_local TimePoint not_before{};
    const TimePoint begin = Clock::now();
    if (begin < not_before) return;
    ::sched_yield();
    const TimePoint end = Clock::now();
    if (end - begin > brief) not_before = end + abstinence;
}

Waiter& Waiter::of_this_thread() {
    static thread_local Waiter waiter;
    return waiter;
}

// Whoever signals changes the state first, the row's count second, and wakes last. So a thread that reads the count
// before the state either sees the new state, or does not fall asleep because the count has changed, or is woken.
Waiter::State Waiter::park_until(TimePoint deadline, Seats::Seat seat) {
    seat_ = seat;
    State expected = State::running;
    if (!state_.compare_exchange_strong(expected, State::parked, std::memory_order_acq_rel)) return expected;
    const timespec until = as_timespec(deadline);
    for (;;) {
        const std::uint32_t count = seat.row->load(std::memory_order_acquire);
        if (const State now = state(); now != State::parked) return now;
        // Woken, not even asleep, interrupted: the state tells.
        if (::syscall(SYS_futex, seat.row, FUTEX_WAIT_BITSET_PRIVATE, count, &until, nullptr, seat.bit) == 0 ||
            errno == EAGAIN || errno == EINTR) {
            continue;
        }
        expected = State::parked;
        // Signalled just now: its wake, still to come, finds nobody.
        if (!state_.compare_exchange_strong(expected, State::running, std::memory_order_acq_rel)) return expected;
        return State::running;
    }
}

void Waiter::wake(std::span<const Seats::Seat> seats) noexcept {
    for (std::size_t i = 0; i != seats.size();) {
        std::atomic<std::uint32_t>* const row = seats[i].row;
        std::uint32_t bits = 0;
        for (; i != seats.size() && seats[i].row == row; ++i) bits |= seats[i].bit;
        row->fetch_add(1, std::memory_order_release);
        (void)::syscall(SYS_futex, row, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, bits);
    }
}

}  // namespace redoubt::connection
