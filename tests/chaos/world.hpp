// tests: everything that the callers of the chaos write, with the ledger of each key, and the check at the end.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <redoubt/redoubt.hpp>

#include "chaos/history.hpp"

namespace redoubt::chaos {

using MaybeText = std::optional<std::string>;

/// One key or field that several callers write; thread-safe.
class Register {
public:
    Register(std::string key, std::string field, RegisterHistory::Rule rule)
        : key_(std::move(key)),
          field_(std::move(field)),
          repeats_(rule == RegisterHistory::Rule::may_repeat),
          history_(key_ + (field_.empty() ? "" : "/" + field_), rule) {}
    const std::string& key() const noexcept { return key_; }
    const std::string& field() const noexcept { return field_; }
    bool is_field() const noexcept { return !field_.empty(); }
    bool repeats() const noexcept { return repeats_; }

    template <class Note>
    void note(Note&& note) {
        const std::lock_guard lock(mutex_);
        std::forward<Note>(note)(history_);
    }
    /// A value that was read: its version. A value that is none of ours is version 0, which nobody writes.
    static std::uint64_t version_of(std::string_view value);
    static std::string value_of(std::uint64_t version, std::size_t padding);
    Deviations check(Failovers& failovers) const { return history_.check(failovers); }

private:
    std::string key_;
    std::string field_;
    bool repeats_;
    std::mutex mutex_;
    RegisterHistory history_;
};

/// A list, a stream, or keys by their ids; thread-safe.
class Ids {
public:
    explicit Ids(std::string key) : key_(std::move(key)), history_(key_) {}
    const std::string& key() const noexcept { return key_; }
    void added(std::uint64_t id, Fate fate, Tick ended) {
        const std::lock_guard lock(mutex_);
        history_.added(id, fate, ended);
    }
    const IdHistory& history() const noexcept { return history_; }

private:
    std::string key_;
    std::mutex mutex_;
    IdHistory history_;
};

/// A key that is INCRed; thread-safe.
class Counter {
public:
    explicit Counter(std::string key) : key_(std::move(key)), history_(key_) {}
    const std::string& key() const noexcept { return key_; }
    template <class Note>
    void note(Note&& note) {
        const std::lock_guard lock(mutex_);
        std::forward<Note>(note)(history_);
    }
    /// -1: it is no number.
    static std::int64_t number_of(const MaybeText& value);
    const CounterHistory& history() const noexcept { return history_; }

private:
    std::string key_;
    std::mutex mutex_;
    CounterHistory history_;
};

enum class RegisterKind : std::uint8_t {
    plain,      ///< SET and GET
    clearable,  ///< and DEL, and PEXPIRE
    field,      ///< HSET and HGET
    clearable_field,
    repeated,  ///< SET that is repeated when its fate is unknown
};
constexpr std::size_t register_kinds = static_cast<std::size_t>(RegisterKind::repeated) + 1;

/// Thread-safe, but for `check`. What it gives lives as long as it does.
class World {
public:
    World();
    Tick now() const noexcept { return tick_of(Clock::now()); }
    Tick tick_of(TimePoint time) const noexcept {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(time - begin_).count();
    }
    std::uint64_t next_version() noexcept { return ++last_version_; }
    std::uint64_t next_id() noexcept { return ++last_id_; }

    static constexpr std::array<std::uint32_t, register_kinds> slots{6, 4, 4, 3, 3};
    static constexpr std::uint32_t counters = 4;
    /// Of the keys that are in use now: after some seconds others take their places.
    Register& reg(RegisterKind kind, std::uint32_t slot);
    /// Of those that are written now, or were.
    std::vector<std::string> keys();
    Ids& list_of(std::uint64_t id) { return ids("list", id); }
    Ids& stream_of(std::uint64_t id) { return ids("stream", id); }
    /// One write lost, one applied twice: `check` must find both.
    static void sabotage(const ProjectIsolatedRedisClient& redis);
    Ids& unique() noexcept { return unique_; }
    static std::string unique_key(std::uint64_t id) { return "unique:" + std::to_string(id); }
    Counter& counter(std::uint32_t at) noexcept { return counters_[at]; }
    /// A DEL of a hash is one of all its fields.
    void hash_deleted(const Register& of, Span span, Fate fate);

    // A transaction pushes the id to a list, sets a key of its own, and counts. Its keys are in one slot of a Cluster.
    static constexpr std::uint32_t transaction_groups = 8;
    Ids& transaction_list_of(std::uint64_t id) { return ids(transaction_tag(group_of(id)) + "list", id); }
    Ids& transaction_keys(std::uint64_t id) noexcept { return transaction_keys_[group_of(id)]; }
    static std::string transaction_key(std::uint64_t id) {
        return transaction_tag(group_of(id)) + "key:" + std::to_string(id);
    }
    Counter& transaction_counter(std::uint64_t id) noexcept { return transaction_counters_[group_of(id)]; }
    Counter& watched() noexcept { return watched_; }  ///< counted up by WATCH, GET, MULTI, SET, EXEC

    struct Checked {
        std::uint64_t keys = 0;
        Deviations deviations;
    };
    /// Reads all there is, and compares. Nothing may be under way any more. `failovers` may have lost some of it.
    Checked check(const ProjectIsolatedRedisClient& redis, Failovers& failovers) {
        return check(redis, [&failovers](const std::string& /*key*/) -> Failovers& { return failovers; });
    }
    /// Where each key may have been lost by failovers of its own; what it gives has to last.
    using FailoversOf = std::function<Failovers&(const std::string& key)>;
    Checked check(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of);

private:
    static std::uint32_t group_of(std::uint64_t id) noexcept {
        return static_cast<std::uint32_t>(id % transaction_groups);
    }
    static std::string transaction_tag(std::uint32_t group) { return "{t" + std::to_string(group) + "}"; }
    Ids& ids(const std::string& name, std::uint64_t id);
    void check_registers(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of, Checked& checked);
    void check_collections(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of, Checked& checked);
    void check_transactions(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of, Checked& checked);
    void check_counters(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of, Checked& checked);

    TimePoint begin_;
    std::atomic<std::uint64_t> last_version_{0};
    std::atomic<std::uint64_t> last_id_{0};
    std::mutex mutex_;
    std::map<std::pair<std::uint32_t, Tick>, std::unique_ptr<Register>> registers_;  // by kind and slot, and generation
    std::map<std::pair<std::string, std::uint64_t>, std::unique_ptr<Ids>> ids_;
    Ids unique_{"unique"};
    std::deque<Ids> transaction_keys_;
    std::array<Counter, counters> counters_{Counter("count:0"), Counter("count:1"), Counter("count:2"),
                                            Counter("count:3")};
    std::deque<Counter> transaction_counters_;
    std::map<std::string, std::vector<std::uint64_t>> in_lists_;  // of transactions: by the tag what the lists have
    Counter watched_{"watched"};
};

}  // namespace redoubt::chaos
