// tests: processes seen from outside: what a test of child processes counts.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include <unistd.h>

#include <redoubt/base/clock.hpp>

namespace redoubt::testing {

/// Polls until `condition` holds; false when it does not within ten seconds.
inline bool eventually(const std::function<bool()>& condition) {
    const TimePoint deadline = Clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (Clock::now() >= deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

inline bool process_exists(int pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

/// Pids of this process's children, zombies too.
inline std::set<int> children() {
    std::set<int> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream file(entry.path() / "stat");
        std::string text;
        std::getline(file, text);
        const std::size_t at = text.rfind(')');  // "pid (name) state parent ..."
        if (at == std::string::npos || text.size() < at + 5) continue;
        if (std::stoi(text.substr(at + 4)) == ::getpid()) found.insert(std::stoi(name));
    }
    return found;
}

inline std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

}  // namespace redoubt::testing
