// tests: everything that the callers of the chaos write, with the ledger of each key, and the check at the end.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
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
    World() : begin_(Clock::now()) {}
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
    Ids& list_of(std::uint64_t id) { return ids("list", id); }
    Ids& stream_of(std::uint64_t id) { return ids("stream", id); }
    /// One write lost, one applied twice: `check` must find both.
    static void sabotage(const ProjectIsolatedRedisClient& redis);
    Ids& unique() noexcept { return unique_; }
    static std::string unique_key(std::uint64_t id) { return "unique:" + std::to_string(id); }
    Counter& counter(std::uint32_t at) noexcept { return counters_[at]; }
    /// A DEL of a hash is one of all its fields.
    void hash_deleted(const Register& of, Span span, Fate fate);

    // A transaction pushes the id to a list, sets a key of its own, and counts.
    Ids& transaction_list_of(std::uint64_t id) { return ids("tlist", id); }
    Ids& transaction_keys() noexcept { return transaction_keys_; }
    static std::string transaction_key(std::uint64_t id) { return "tkey:" + std::to_string(id); }
    Counter& transaction_counter() noexcept { return transaction_counter_; }
    Counter& watched() noexcept { return watched_; }  ///< counted up by WATCH, GET, MULTI, SET, EXEC

    struct Checked {
        std::uint64_t keys = 0;
        Deviations deviations;
    };
    /// Reads all there is, and compares. Nothing may be under way any more. `failovers` may have lost some of it.
    Checked check(const ProjectIsolatedRedisClient& redis, Failovers& failovers);

private:
    Ids& ids(const std::string& name, std::uint64_t id);
    void check_registers(const ProjectIsolatedRedisClient& redis, Failovers& failovers, Checked& checked);
    void check_collections(const ProjectIsolatedRedisClient& redis, Failovers& failovers, Checked& checked);
    void check_counters(const ProjectIsolatedRedisClient& redis, Failovers& failovers, Checked& checked);

    TimePoint begin_;
    std::atomic<std::uint64_t> last_version_{0};
    std::atomic<std::uint64_t> last_id_{0};
    std::mutex mutex_;
    std::map<std::pair<std::uint32_t, Tick>, std::unique_ptr<Register>> registers_;  // by kind and slot, and generation
    std::map<std::pair<std::string, std::uint64_t>, std::unique_ptr<Ids>> ids_;
    Ids unique_{"unique"};
    Ids transaction_keys_{"tkey"};
    std::array<Counter, counters> counters_{Counter("count:0"), Counter("count:1"), Counter("count:2"),
                                            Counter("count:3")};
    Counter transaction_counter_{"tcount"};
    Counter watched_{"watched"};
};

}  // namespace redoubt::chaos
