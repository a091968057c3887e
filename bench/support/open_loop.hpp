// bench: one caller whose GETs fall due at fixed times, however long the last one took.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include <redoubt/base/exceptions.hpp>

#include "support/cell.hpp"

namespace bench {

struct Measured {
    std::vector<double> us;
    std::size_t gets = 0;
    std::size_t failed = 0;
    double quantile(double q) {
        if (us.empty()) return 0;
        const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(us.size() - 1));
        std::nth_element(us.begin(), us.begin() + at, us.end());
        return us[static_cast<std::size_t>(at)];
    }
};

/// One GET is due each millisecond. While one takes longer, those that fall due meanwhile count as if begun then and ended
/// with it: else a stall of seconds would be one slow GET among thousands, and p99 would not see it. `get` throws
/// RedisException when it fails.
template <class Get>
Measured measure_due(const Get& get, double seconds) {
    constexpr std::chrono::milliseconds interval{1};
    constexpr double interval_us = 1000;
    constexpr double failed_us = 10e6;  // counts as the deadline of a call
    Measured measured;
    const Clock::time_point end =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    for (Clock::time_point due = Clock::now(); due < end; due += interval) {
        std::this_thread::sleep_until(due);
        const Clock::time_point begin = Clock::now();  // how late this thread woke up is nobody's fault
        double us = failed_us;
        try {
            get();
            us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
        } catch (const redoubt::RedisException&) {
            ++measured.failed;
        }
        ++measured.gets;
        measured.us.push_back(us);
        for (due = std::max(due, begin); Clock::now() - due > interval; due += interval) {
            us -= interval_us;
            if (us > 0) measured.us.push_back(us);
        }
    }
    return measured;
}

}  // namespace bench
