// tests: the ledger of the chaos: what callers were told, against what the server has. Pure: no clock, no socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "support/fate.hpp"

namespace redoubt::chaos {

using testing::Fate;

/// Nanoseconds on one clock that never goes back.
using Tick = std::int64_t;
constexpr Tick never = std::numeric_limits<Tick>::max();

/// A call, as its caller saw it: what it did happened between the two, if its outcome is known.
struct Span {
    Tick begin = 0;
    Tick end = 0;
};

/// What is wrong, one line each; empty: nothing.
using Deviations = std::vector<std::string>;

/// One key (or one field of a hash) that several clients write, each time with a version that is never used again.
///
/// The check is that of linearisability for a register with unique values (Gibbons and Korach, "Testing shared
/// memories", 1997). All that is known of a version lies in its zone, between the first moment at which it was certainly
/// there and the last at which it still was (its acknowledged write and every read of it are both). Of two versions that
/// were each seen over a time these times must not overlap: else the older one came back. And an acknowledged write or
/// DEL must not lie wholly inside the time of another version: else it was lost. A write of unknown fate may land at any
/// later time, but only once: its zone begins when it is first seen.
class RegisterHistory {
public:
    enum class Rule : std::uint8_t {
        exact,
        /// Writes were repeated when their fate was unknown, so an older version may come back. Still a value that
        /// nobody wrote or that was not applied must not be there, and nothing vanishes.
        may_repeat,
    };
    explicit RegisterHistory(std::string name, Rule rule = Rule::exact) : name_(std::move(name)), rule_(rule) {}

    void wrote(std::uint64_t version, Span span, Fate fate);
    void deleted(Span span, Fate fate);
    /// EXPIRE that found the key, or may have; `time_to_live` in ticks.
    void expires(Span span, Fate fate, Tick time_to_live);
    /// nullopt: there was nothing.
    void read(Span span, std::optional<std::uint64_t> version);

    Deviations check() const;
    std::size_t versions() const noexcept { return versions_.size(); }

    /// The server's clock counts in milliseconds, and looks at them once a turn of its loop.
    static constexpr Tick expiry_slack = 50'000'000;

private:
    struct Version {
        bool written = false;
        Fate fate = Fate::unknown;
        Span write{};
        bool seen = false;
        Tick first_read_end = never;
        Tick last_read_begin = std::numeric_limits<Tick>::min();
        /// The first moment by which it was certainly there; never: that is not known.
        Tick there_by() const noexcept;
        /// The last moment at which it certainly was, or was still to come.
        Tick there_until() const noexcept;
    };
    struct Clearing {
        Tick from = 0;   // the earliest moment at which the key may be gone by it
        Tick until = 0;  // what was written after this is not gone by it; never: its fate is unknown
    };
    struct Zone {
        Tick begin = 0;
        Tick end = 0;
        std::uint64_t version = 0;
        const char* what = "SET";
    };
    struct Expiry {
        Span span;
        Fate fate = Fate::unknown;
        Tick time_to_live = 0;
    };
    void check_versions(Deviations& found) const;
    void check_order(Deviations& found) const;
    void check_nothing(Deviations& found) const;
    bool is_alone(const Expiry& expiry) const noexcept;

    std::string name_;
    Rule rule_;
    std::map<std::uint64_t, Version> versions_;
    std::vector<Zone> deletions_;
    std::vector<Expiry> expiries_;
    std::vector<Clearing> clearings_;
    std::vector<Span> nothing_;  // reads that found nothing
};

/// Ids, each added once at most: to a list, a stream, or as keys of their own (SET NX).
class IdHistory {
public:
    explicit IdHistory(std::string name) : name_(std::move(name)) {}
    void added(std::uint64_t id, Fate fate) { told_[id] = fate; }
    /// `found`: what the server has, in any order.
    Deviations check(const std::vector<std::uint64_t>& found) const;
    const std::unordered_map<std::uint64_t, Fate>& told() const noexcept { return told_; }

private:
    std::string name_;
    std::unordered_map<std::uint64_t, Fate> told_;
};

/// What one transaction does to two collections is in both or in neither.
Deviations check_together(const std::string& name, const std::vector<std::uint64_t>& one,
                          const std::vector<std::uint64_t>& other);

/// A key that several clients INCR.
class CounterHistory {
public:
    explicit CounterHistory(std::string name) : name_(std::move(name)) {}
    /// `reply`: what INCR answered, when the caller got it.
    void incremented(Span span, Fate fate, std::optional<std::int64_t> reply);
    void read(Span span, std::int64_t value) { reads_.push_back({span, value}); }
    /// `value`: what the server has in the end.
    Deviations check(std::int64_t value) const;

private:
    struct Seen {
        Span span;
        std::int64_t value = 0;
    };
    std::string name_;
    std::int64_t applied_ = 0;
    std::int64_t unknown_ = 0;
    std::vector<Seen> replies_;
    std::vector<Seen> reads_;
    std::vector<Tick> begins_;  // of those that may have been applied
};

}  // namespace redoubt::chaos
