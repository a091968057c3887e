// bench: callers that block: each a thread of its own, all in one measuring window.
#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "support/cell.hpp"

namespace bench {

/// Runs `call(caller, n)` over and over on each thread, and prints the result.
template <class Call>
void run_threads(std::size_t callers, double seconds, Call call) {
    Window window(seconds);
    std::vector<std::unique_ptr<Tally>> tallies;
    for (std::size_t i = 0; i < callers; ++i) tallies.push_back(std::make_unique<Tally>(window.phase));
    std::mutex mutex;
    std::exception_ptr failed;

    std::vector<std::thread> threads;
    for (std::size_t caller = 0; caller < callers; ++caller) {
        threads.emplace_back([&, caller] {
            Tally& tally = *tallies[caller];
            try {
                for (std::size_t n = 0; tally.running(); ++n) {
                    const Tally::Timing timing = tally.begin();
                    call(caller, n);
                    tally.end(timing);
                }
            } catch (...) {
                const std::lock_guard lock(mutex);
                failed = std::current_exception();
            }
        });
    }
    const auto total = [&] {
        std::uint64_t sum = 0;
        for (const auto& tally : tallies) sum += tally->operations();
        return sum;
    };
    std::this_thread::sleep_for(Window::warm_up);
    window.open(total());
    std::this_thread::sleep_for(window.length());
    window.close(total());
    for (std::thread& thread : threads) thread.join();
    if (failed) std::rethrow_exception(failed);

    std::vector<float> samples;
    for (const auto& tally : tallies) samples.insert(samples.end(), tally->samples().begin(), tally->samples().end());
    window.print(std::move(samples));
}

}  // namespace bench
