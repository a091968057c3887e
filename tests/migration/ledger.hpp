// tests: the ledger of a migration: each key has one writer, which knows what was applied, and any number of readers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/fate.hpp"

namespace redoubt::migration {

using testing::Fate;
using MaybeText = std::optional<std::string>;

/// Notes what is wrong. Thread-safe.
class Deviations {
public:
    void add(const std::string& text);
    std::uint64_t count() const noexcept { return count_; }

private:
    std::atomic<std::uint64_t> count_{0};
};

/// One key: a counter (INCR) or a text (SET, DEL). What is written to it is numbered, so what a reader sees lies between
/// what was applied for certain when it began and what was begun when it ended. Thread-safe; one writer at a time.
class Entry {
public:
    enum class Kind : std::uint8_t { counter, text };
    Entry(Kind kind, std::string owner, std::string key, std::uint16_t slot)
        : kind_(kind), slot_(slot), owner_(std::move(owner)), key_(std::move(key)) {}
    Entry(Entry&&) = delete;

    Kind kind() const noexcept { return kind_; }
    const std::string& key() const noexcept { return key_; }
    std::uint16_t slot() const noexcept { return slot_; }

    /// The number of a write that begins: a value, or the key's end (DEL); of a counter, one INCR.
    std::uint64_t begin(bool deletes = false);
    void end(std::uint64_t version, Fate fate);
    /// What SET stores as this version.
    std::string value(std::uint64_t version, std::size_t padding) const;
    /// Whether the key is there; nullopt: that is not certain.
    std::optional<bool> is_there() const;

    /// What was applied for certain when a reader begins.
    std::uint64_t floor() const;
    /// Nothing is wrong: empty.
    std::string check(std::uint64_t floor, const MaybeText& seen) const;
    /// What INCR answered to the write that ends with it.
    std::string check_counted(std::uint64_t floor, std::int64_t answer) const;

private:
    struct Version {
        bool deletes = false;
        bool open = true;    // not known yet, or never to be known
        bool void_ = false;  // certainly not applied
    };
    std::string strange(std::string_view what, const MaybeText& seen) const;

    const Kind kind_;
    const std::uint16_t slot_;
    const std::string owner_;
    const std::string key_;
    mutable std::mutex mutex_;
    std::uint64_t applied_ = 0;      // of a text: the last version for certain; of a counter: how many for certain
    std::uint64_t begun_ = 0;        // of a counter: those that may have been applied
    std::vector<Version> versions_;  // of a text, from 1 on
};

/// A hash tag's keys, all in one slot.
struct Group {
    Entry* counter = nullptr;
    std::vector<Entry*> texts;
};

/// The keys that one caller writes.
struct Book {
    std::uint32_t caller = 0;
    std::string project;
    std::vector<std::unique_ptr<Entry>> all;
    std::vector<Entry*> counters;  ///< outside of groups
    std::vector<Entry*> texts;
    std::vector<Group> groups;
};

struct BookPlan {
    std::size_t counters = 0;
    std::size_t texts = 0;
    std::size_t groups = 0;
    std::function<bool(std::uint16_t slot)> moves;  ///< every second key is in such a slot
};
Book make_book(std::uint32_t caller, std::string project, const BookPlan& plan);

}  // namespace redoubt::migration
