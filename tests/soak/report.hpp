// tests: what the soak counted: outcomes, and the deviations that fail it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <redoubt/redoubt.hpp>

#include "support/fault_schedule.hpp"

namespace redoubt::soak {

/// One thread's counts.
struct Tally {
    static constexpr std::size_t kinds = static_cast<std::size_t>(ErrorKind::cancelled) + 1;
    static constexpr std::size_t certainties = static_cast<std::size_t>(Certainty::applied) + 1;

    std::uint64_t operations = 0;
    std::uint64_t ok = 0;
    std::uint64_t commands = 0;  // a pipeline and an MGET are one operation of several commands, or keys
    std::array<std::array<std::uint64_t, certainties>, kinds> failed{};

    void add(const Tally& other) noexcept;
    std::uint64_t of(ErrorKind kind) const noexcept;
    std::uint64_t refused() const noexcept { return of(ErrorKind::circuit_open) + of(ErrorKind::pool_exhausted); }
    std::uint64_t of(ErrorKind kind, Certainty certainty) const noexcept {
        return failed[static_cast<std::size_t>(kind)][static_cast<std::size_t>(certainty)];
    }
};

/// Shared by all threads: how much is left to do, and what was wrong.
class Progress {
public:
    /// `something_missing` is asked, by any caller's thread, when that many operations are done: while it says so, they
    /// go on past their number.
    Progress(std::uint64_t operations, std::function<bool()> something_missing)
        : left_(static_cast<std::int64_t>(operations)), something_missing_(std::move(something_missing)) {}

    /// Leave for one more operation.
    bool take() {
        std::int64_t left = left_.load(std::memory_order_relaxed);
        while (left > 0 && !left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) continue;
        return left > 0 || (left > given_up && something_missing_());
    }
    /// One that was refused at once has shown little: it does not count as done.
    void put_back() noexcept { left_.fetch_add(1, std::memory_order_relaxed); }
    void give_up() noexcept { left_.store(given_up * 2, std::memory_order_relaxed); }
    void ended() noexcept { ended_.fetch_add(1, std::memory_order_relaxed); }
    std::uint64_t operations_ended() const noexcept { return ended_.load(std::memory_order_relaxed); }

    /// Prints it, the first few times.
    void deviation(std::string_view what);
    std::uint64_t deviations() const noexcept { return deviations_.load(); }

private:
    /// No refused operations that are put back can reach it again from twice of it.
    static constexpr std::int64_t given_up = std::numeric_limits<std::int64_t>::min() / 4;

    std::atomic<std::int64_t> left_;
    std::function<bool()> something_missing_;
    std::atomic<std::uint64_t> ended_{0};
    std::atomic<std::uint64_t> deviations_{0};
    std::mutex printing_;
};

/// What the whole run was.
struct Summary {
    std::string server;
    std::uint64_t seed = 0;
    std::uint32_t callers = 0;
    std::uint32_t threads = 0;
    Tally tally;
    std::uint64_t wires_lost = 0;  // as the library tells it
    std::uint64_t breaker_opened = 0;
    std::array<std::uint64_t, testing::fault_kinds> faults{};  // by the gate
    std::uint64_t keys_checked = 0;                            // at the end, past the gate
    std::uint64_t deviations = 0;
    double seconds = 0;
    double peak_rss_mb = 0;
};
void print(std::ostream& out, const Summary& summary);
std::string to_json(const Summary& summary);

}  // namespace redoubt::soak
