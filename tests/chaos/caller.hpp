// tests: a caller of the chaos: what it does next, and what it makes of each outcome. The calls themselves are made by
// coroutines and by blocking threads alike.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <redoubt/redoubt.hpp>

#include "chaos/world.hpp"
#include "support/random.hpp"

namespace redoubt::chaos {

/// One caller's counts; read when it has ended.
struct Tally {
    static constexpr std::size_t kinds = static_cast<std::size_t>(ErrorKind::cancelled) + 1;
    static constexpr std::size_t certainties = static_cast<std::size_t>(Certainty::applied) + 1;
    std::uint64_t operations = 0;
    std::uint64_t commands = 0;
    std::uint64_t ok = 0;
    std::array<std::uint64_t, certainties> failed{};
    std::array<std::uint64_t, kinds> by_kind{};
    std::uint64_t parts_failed = 0;  // commands of pipelines that failed alone
    std::uint64_t late = 0;          // answers more than `lateness` past the deadline
    Duration latest{};               // past the deadline
    void add(const Tally& other) noexcept;
};
constexpr Duration lateness = std::chrono::milliseconds(50);

/// A call, or a part of one, that ended with an error.
struct Failure {
    Span span;
    std::string key;      ///< of several keys in one slot: one of them; empty: in several slots
    bool single = false;  ///< of one key
    bool usual = false;   ///< at default settings: no deadline or number of retries of its own
    Certainty certainty = Certainty::not_sent;
    std::string text;
};

/// Shared by all: whether to go on, and what was wrong.
class Progress {
public:
    void stop() noexcept { stopped_ = true; }
    bool goes_on() const noexcept { return !stopped_.load(std::memory_order_relaxed); }
    /// Prints it, the first few times.
    void deviation(std::string_view what);
    std::uint64_t deviations() const noexcept { return deviations_; }
    /// Before the callers begin: masters become replicas here, and say READONLY then.
    void expect_replicas() noexcept { replicas_ = true; }
    bool expects_replicas() const noexcept { return replicas_; }
    /// Before the callers begin: keys are in many slots, which move, and may have no master for a while. Failures are kept.
    void expect_cluster() noexcept { cluster_ = true; }
    bool expects_cluster() const noexcept { return cluster_; }
    void failed(Failure failure) {
        const std::lock_guard lock(printing_);
        failures_.push_back(std::move(failure));
    }
    /// When all callers have ended.
    const std::vector<Failure>& failures() const noexcept { return failures_; }

private:
    std::atomic<bool> stopped_{false};
    std::atomic<std::uint64_t> deviations_{0};
    std::mutex printing_;
    bool replicas_ = false;
    bool cluster_ = false;
    std::vector<Failure> failures_;
};

enum class Act : std::uint8_t {
    read,
    write,
    clear,
    expire,
    incr,
    read_counter,
    set_nx,
    push,
    xadd,
    pipeline,
    transaction,
    watched,    // of threads only
    read_many,  // of Clusters only, as the next one
    write_many,
};

class Caller {
public:
    using PipelineReplies =
        std::tuple<result<std::int64_t>, result<std::int64_t>, result<std::string>, result<bool>, result<MaybeText>>;
    using TransactionReplies = std::optional<std::tuple<result<std::int64_t>, result<bool>, result<std::int64_t>>>;

    Caller(World& world, Progress& progress, std::uint32_t number, std::uint64_t seed, Duration operation_timeout)
        : world_(world),
          progress_(progress),
          random_(seed * 1'000'003 + number),
          operation_timeout_(operation_timeout) {}

    /// One call after the other until the end, each after a short rest.
    boost::asio::awaitable<void> run(boost::asio::io_context& loop, AsyncProjectRedisClient redis);
    void run_blocking(const ProjectIsolatedRedisClient& redis);

    const Tally& tally() const noexcept { return tally_; }
    /// When the call that is under way was begun; 0: none is. Any thread.
    Tick busy_since() const noexcept { return busy_since_.load(std::memory_order_relaxed); }

private:
    Act choose(bool blocking);
    void begin(Act act);
    Span end_call();
    template <class Client>
    Client with_options(const Client& redis);
    Duration rest();

    boost::asio::awaitable<void> step(AsyncProjectRedisClient redis, Act act);
    boost::asio::awaitable<void> several(AsyncProjectRedisClient redis, Act act);
    void step(const ProjectIsolatedRedisClient& redis, Act act);
    void several(const ProjectIsolatedRedisClient& redis, Act act);
    void count_up_watched(const ProjectIsolatedRedisClient& redis);

    // What a step is about.
    void choose_register(Act act);
    void choose_id();
    void ended_read(const result<MaybeText>& outcome);
    void ended_write(Fate fate);
    void ended_clear(const result<std::int64_t>& outcome);
    void ended_expire(const result<bool>& outcome);
    void ended_incr(const result<std::int64_t>& outcome);
    void ended_read_counter(const result<MaybeText>& outcome);
    void ended_added(Ids& ids, Fate fate);
    void ended_set_nx(const result<bool>& outcome);
    void ended_pipeline(const result<PipelineReplies>& outcome);
    void ended_read_many(const result<std::vector<MaybeText>>& outcome);
    void ended_write_many(Fate fate);
    void ended_transaction(const result<TransactionReplies>& outcome);

    void note_read(Register& reg, Span span, const MaybeText& value);
    void note_write(Register& reg, Span span, Fate fate);
    void note_incr(Counter& counter, Span span, const result<std::int64_t>& outcome);
    void count_failure(const Error& error);
    void keep_failure(const Error& error, std::string key, bool single);
    template <class T>
    Fate count_part(const result<T>& outcome, const std::string& key) {
        if (!outcome && progress_.expects_cluster()) {
            ++tally_.parts_failed;
            check_failure(outcome.error());
            keep_failure(outcome.error(), key, true);
        }
        return testing::fate_of(outcome);
    }
    void check_failure(const Error& error);
    template <class T>
    Fate count(const result<T>& outcome, std::uint64_t commands = 1) {
        ++tally_.operations;
        tally_.commands += commands;
        outcome ? void(++tally_.ok) : count_failure(outcome.error());
        return testing::fate_of(outcome);
    }
    void deviates(std::string_view what) { progress_.deviation(what); }

    World& world_;
    Progress& progress_;
    testing::Random random_;
    Duration operation_timeout_;
    Tally tally_;
    std::atomic<Tick> busy_since_{0};
    Tick begun_ = 0;
    Act act_ = Act::read;
    bool usual_ = true;
    Duration deadline_{};
    bool refused_ = false;

    Register* reg_ = nullptr;
    Register* other_ = nullptr;
    std::array<Register*, 3> many_{};
    Counter* counter_ = nullptr;
    std::uint64_t version_ = 0;
    std::string value_;
    std::uint64_t id_ = 0;
    std::string id_text_;
    std::string id_key_;
    std::chrono::milliseconds time_to_live_{};
};

}  // namespace redoubt::chaos
