// connection: how a thread sleeps until another thread finishes its operation or hands it the lead.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include <redoubt/base/clock.hpp>

namespace redoubt::connection {

/// Where the threads of one wire sleep. They take their seats in the order in which they will be answered, 32 seats
/// to a row, and one system call wakes any of a row: whoever wakes them is not preempted half way, with the rest
/// still asleep, and pays for one call instead of many.
class Seats {
public:
    struct Seat {
        std::atomic<std::uint32_t>* row = nullptr;  // counts the calls that woke somebody in it: the futex
        std::uint32_t bit = 0;
    };
    /// The next one. After 512 they come round again: two threads in one seat are merely woken together.
    Seat next() noexcept {
        const std::uint32_t seat = taken_++;
        return {&rows_[seat / 32 % rows_.size()], 1u << seat % 32};
    }

private:
    std::array<std::atomic<std::uint32_t>, 16> rows_{};
    std::uint32_t taken_ = 0;
};

/// Lets other threads run that are ready to, and comes back at once when there are none. Where that has just taken long,
/// because something else wants the processor, it does nothing for a while.
void yield_briefly() noexcept;

/// One a thread, for as long as the thread lives, so that whoever signals it never touches freed memory.
class Waiter {
public:
    enum class State : std::uint32_t { running, parked, done, lead };

    static Waiter& of_this_thread();

    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    void reset() noexcept { state_.store(State::running, std::memory_order_relaxed); }
    State state() const noexcept { return state_.load(std::memory_order_acquire); }

    /// Sleeps until `signal`, at the latest until `deadline`; returns the state then, `running` at the deadline.
    State park_until(TimePoint deadline, Seats::Seat seat);
    /// Its seat when it was parked, and `wake` must follow; no row otherwise.
    [[nodiscard]] Seats::Seat signal(State state) noexcept {
        return state_.exchange(state, std::memory_order_acq_rel) == State::parked ? seat_ : Seats::Seat{};
    }
    /// Those whom `signal` found in these seats. The seats' wire must live; the threads may be gone.
    static void wake(std::span<const Seats::Seat> seats) noexcept;

private:
    std::atomic<State> state_{State::running};
    Seats::Seat seat_;
};

}  // namespace redoubt::connection
