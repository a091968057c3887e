// tests: when failovers happened, as the Sentinels announce them.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <redoubt/embedded/embedded_sentinel.hpp>

#include "embedded/raw_connection.hpp"

namespace redoubt::testing {

/// Hears what the Sentinels announce, past the library, and notes when the first of them named a new master.
class FailoverClock {
public:
    explicit FailoverClock(EmbeddedSentinel& group) {
        for (std::size_t i = 0; i != group.sentinels(); ++i) {
            listeners_.emplace_back([this, socket = group.sentinel(i).socket_path()] { listen(socket); });
        }
        while (ready_.load() != listeners_.size()) std::this_thread::yield();
    }
    ~FailoverClock() {
        stop_ = true;
        for (std::thread& one : listeners_) one.join();
    }
    FailoverClock(const FailoverClock&) = delete;
    FailoverClock& operator=(const FailoverClock&) = delete;

    /// When the first announcement after `since` came; blocks until there is one.
    TimePoint announced(TimePoint since) const {
        const TimePoint deadline = Clock::now() + std::chrono::seconds(30);
        while (Clock::now() < deadline) {
            {
                const std::lock_guard lock(mutex_);
                const auto first = std::upper_bound(announced_.begin(), announced_.end(), since);
                if (first != announced_.end()) return *first;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        throw std::runtime_error("no failover was announced");
    }
    /// Each master that was announced after another one, and when first.
    std::vector<std::pair<TimePoint, std::string>> masters() const {
        const std::lock_guard lock(mutex_);
        return masters_;
    }

private:
    void listen(const std::string& socket) {
        embedded::RawConnection connection =
            embedded::RawConnection::to_unix_socket(socket, std::chrono::milliseconds(100));
        const std::string_view words[] = {"SUBSCRIBE", "+promoted-slave", "+switch-master"};
        connection.send(embedded::encode_command(words));
        (void)connection.read_frame();
        (void)connection.read_frame();
        ++ready_;
        while (!stop_) {
            std::string message;
            try {
                message = embedded::strings_of_frame(connection.read_frame()).at(2);
            } catch (const std::system_error& failure) {
                if (failure.code() == std::errc::timed_out) continue;
                return;
            }
            note(message);
        }
    }

    // `name old-ip old-port new-ip new-port`, or `slave address ip port @ name ip port`.
    void note(const std::string& message) {
        const bool is_switch = !message.starts_with("slave ");
        const auto begin = is_switch ? message.rfind(' ') + 1 : message.find(':') + 1;
        const std::string port = message.substr(begin, message.find(' ', begin) - begin);
        const std::lock_guard lock(mutex_);
        announced_.push_back(Clock::now());
        if (masters_.empty() || masters_.back().second != port) masters_.emplace_back(announced_.back(), port);
    }

    mutable std::mutex mutex_;
    std::vector<TimePoint> announced_;
    std::vector<std::pair<TimePoint, std::string>> masters_;
    std::atomic<bool> stop_{false};
    std::atomic<std::size_t> ready_{0};
    std::vector<std::thread> listeners_;
};

}  // namespace redoubt::testing
