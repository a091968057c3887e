// tests: when nodes of a Cluster became masters, and when they no longer were, as they say themselves.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <redoubt/embedded/embedded_cluster.hpp>

#include "embedded/raw_connection.hpp"

namespace redoubt::testing {

using Slots = std::bitset<EmbeddedCluster::all_slots>;

/// What a node's CLUSTER NODES says of its own slots.
inline Slots own_slots(const std::string& nodes) {
    Slots slots;
    std::istringstream lines(nodes);
    for (std::string line; std::getline(lines, line);) {
        if (line.find("myself") == std::string::npos) continue;
        std::istringstream words(line);
        std::string word;
        for (int i = 0; words >> word; ++i) {
            if (i < 8 || word.front() == '[') continue;  // half moved: [slot->-id]
            const auto dash = word.find('-');
            const std::size_t first = std::stoul(word);
            const std::size_t last = dash == std::string::npos ? first : std::stoul(word.substr(dash + 1));
            for (std::size_t slot = first; slot <= last; ++slot) slots.set(slot);
        }
    }
    return slots;
}

/// Asks each node, past the library, again and again what it is.
class ClusterClock {
public:
    struct Change {
        std::size_t node = 0;
        bool master = false;   ///< now, and was not before; or the other way around
        TimePoint not_before;  ///< then it was still the other
        TimePoint at;
        Slots slots;  ///< of the new master
    };

    explicit ClusterClock(EmbeddedCluster& cluster) : ready_(cluster.nodes()) {
        for (std::size_t i = 0; i != cluster.nodes(); ++i) {
            watchers_.emplace_back([this, i, socket = cluster.node(i).socket_path()] { watch(i, socket); });
        }
        for (const auto& ready : ready_) {
            while (!ready) std::this_thread::yield();
        }
    }
    ~ClusterClock() {
        stop_ = true;
        for (std::thread& one : watchers_) one.join();
    }
    ClusterClock(const ClusterClock&) = delete;
    ClusterClock& operator=(const ClusterClock&) = delete;

    std::vector<Change> changes() const {
        const std::lock_guard lock(mutex_);
        return changes_;
    }
    /// The first change of this node to this role after `since`.
    std::optional<Change> change(std::size_t node, bool master, TimePoint since) const {
        const std::lock_guard lock(mutex_);
        for (const Change& one : changes_) {
            if (one.node == node && one.master == master && one.at > since) return one;
        }
        return std::nullopt;
    }
    /// Blocks until there is one.
    Change wait_for(std::size_t node, bool master, TimePoint since) const {
        const TimePoint deadline = Clock::now() + std::chrono::seconds(60);
        while (Clock::now() < deadline) {
            if (const auto found = change(node, master, since)) return *found;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        throw std::runtime_error(master ? "no replica became a master" : "no master became a replica");
    }

private:
    static constexpr std::chrono::milliseconds between{3};

    // A node that hangs answers when it goes on, so that its answer tells what it is then.
    std::optional<std::string> exchange(embedded::RawConnection& connection,
                                        std::initializer_list<std::string_view> words) const {
        connection.send(embedded::encode_command({words.begin(), words.size()}));
        while (!stop_) {
            try {
                return connection.read_frame();
            } catch (const std::system_error& failure) {
                if (failure.code() != std::errc::timed_out) throw;
            }
        }
        return std::nullopt;
    }

    void watch(std::size_t node, const std::string& socket) {
        std::optional<embedded::RawConnection> connection;
        std::optional<bool> was;
        TimePoint last = TimePoint::min();
        while (!stop_) {
            try {
                if (!connection) connection.emplace(embedded::RawConnection::to_unix_socket(socket, between * 30));
                const TimePoint asked = Clock::now();
                const auto answer = exchange(*connection, {"ROLE"});
                if (!answer) return;
                if (!answer->starts_with('*')) continue;  // it still loads
                const bool master = answer->find("$6\r\nmaster\r\n") == answer->find('$');
                if (was && *was != master) {
                    Change change{node, master, last, Clock::now(), {}};
                    if (master) {
                        const auto nodes = exchange(*connection, {"CLUSTER", "NODES"});
                        if (nodes) change.slots = own_slots(*nodes);
                    }
                    const std::lock_guard lock(mutex_);
                    changes_.push_back(change);
                }
                was = master;
                last = asked;
                ready_[node] = true;
            } catch (const std::exception&) {
                connection.reset();  // it does not run
            }
            std::this_thread::sleep_for(between);
        }
    }

    mutable std::mutex mutex_;
    std::vector<Change> changes_;
    std::atomic<bool> stop_{false};
    std::vector<std::atomic<bool>> ready_;
    std::vector<std::thread> watchers_;
};

}  // namespace redoubt::testing
