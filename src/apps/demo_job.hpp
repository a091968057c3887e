// apps: demo: a job of many writers that goes on while a master dies, and what became of each of its writes.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <redoubt/redoubt.hpp>

namespace redoubt::apps {

/// One write, and what its caller was told.
struct Write {
    struct Failure {
        ErrorKind kind;
        Certainty certainty;
    };
    TimePoint ended;
    Duration took{};
    std::optional<Failure> failed;
};

/// Appends its numbers to a list of its own, each once: a write of unknown outcome is not repeated.
class Writer {
public:
    Writer(ProjectIsolatedRedisClient redis, std::string key, bool async);
    ~Writer() { stop(); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    void stop();
    std::size_t succeeded() const noexcept { return succeeded_; }
    const std::string& key() const noexcept { return key_; }
    const std::deque<Write>& writes() const noexcept { return writes_; }  ///< of one that was stopped

private:
    void run();

    ProjectIsolatedRedisClient redis_;
    std::string key_;
    bool async_;
    std::atomic<bool> stop_{false};
    std::atomic<std::size_t> succeeded_{0};
    std::deque<Write> writes_;
    std::thread thread_;  // last
};

/// Writers that begin at once. What it tells of their writes, it tells when they were stopped.
class Job {
public:
    void add(ProjectIsolatedRedisClient redis, std::string key, bool async) {
        writers_.emplace_back(std::move(redis), std::move(key), async);
    }
    /// Waits until each of them has succeeded so many times more than now.
    bool each_writes(std::size_t more, Duration patience) const;
    void stop();

    std::size_t writers() const noexcept { return writers_.size(); }
    std::size_t writes() const;
    std::size_t failures(Certainty certainty) const;
    /// `12 not_sent (RedisCircuitBreakerOpenException 10, ...), 3 unknown (...)`; `none` when all succeeded.
    std::string failures_by_certainty() const;
    /// When the last of them had succeeded again.
    TimePoint all_wrote_again(TimePoint killed) const;
    /// Successes in between, of all of them, and of the one with the fewest.
    struct Served {
        std::size_t all = 0;
        std::size_t fewest = 0;
        Duration slowest{};
    };
    Served served_between(TimePoint begin, TimePoint end) const;

    struct Outcomes {
        std::size_t checked = 0;
        std::size_t lost = 0;   ///< acknowledged just before the master died, when no replica had it yet
        std::size_t wrong = 0;  ///< not as the caller was told, or twice
        Outcomes& operator+=(const Outcomes& other) noexcept;
    };
    /// `stored`: what lies in the list of this key. `killed`: when its master died; nullopt: it did not.
    Outcomes compare(const std::function<std::vector<std::string>(const std::string& key)>& stored,
                     std::optional<TimePoint> killed) const;

private:
    std::deque<Writer> writers_;
};

}  // namespace redoubt::apps
