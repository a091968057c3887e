// tests: the ledger of the chaos: what callers were told, against what the server has. Pure: no clock, no socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
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

/// What failovers may lose. A replica has all that its master had done up to some moment shortly before it took its place;
/// what the master acknowledged after that is gone, by the nature of asynchronous replication. It is counted apart, and
/// everything else is a deviation as ever.
class Failovers {
public:
    struct Failover {
        Tick from = 0;   ///< what was acknowledged before this, the heir has
        Tick at = 0;     ///< nobody sees the heir's data before this
        Tick until = 0;  ///< the old master acknowledged nothing after this
    };
    void add(Failover failover) { all_.push_back(failover); }
    std::size_t size() const noexcept { return all_.size(); }
    /// Meanwhile a master that has been replaced without knowing it may have answered, of what it had.
    void add_old_answers(Tick from, Tick until) { old_answers_.push_back({from, until}); }
    bool may_be_old(const Span& answer) const noexcept;
    bool expects_old_answers() const noexcept { return !old_answers_.empty(); }

    /// What was known to be done at `known`, and was last seen at `last`, may be missing at `seen`.
    bool may_lose(Tick known, Tick last, Tick seen) const noexcept;
    bool may_lose(Tick known) const noexcept { return may_lose(known, known, never); }

    /// Writes that are gone.
    void count_lost(std::uint64_t writes) noexcept { lost_ += writes; }
    std::uint64_t lost() const noexcept { return lost_; }
    /// What would be a deviation if there had been no failover, but is not one write that is gone: something older was
    /// seen again.
    void count_seen() noexcept { ++seen_; }
    std::uint64_t seen() const noexcept { return seen_; }
    /// Answers that are none but an old master's.
    void count_old(std::uint64_t answers) noexcept { old_ += answers; }
    std::uint64_t old() const noexcept { return old_; }

private:
    std::vector<Failover> all_;
    std::vector<Span> old_answers_;
    std::uint64_t lost_ = 0;
    std::uint64_t seen_ = 0;
    std::uint64_t old_ = 0;
};

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

    Deviations check() const {
        Failovers none;
        return check(none);
    }
    Deviations check(Failovers& failovers) const;
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
        Tick known = 0;  // by when it was certainly done
        const char* what = "SET";
    };
    struct Expiry {
        Span span;
        Fate fate = Fate::unknown;
        Tick time_to_live = 0;
    };
    void note(Span span, std::optional<std::uint64_t> version);
    RegisterHistory without_old_answers(const Failovers& failovers) const;
    Deviations check_answers(Failovers& failovers) const;
    void check_versions(Deviations& found) const;
    void check_order(Deviations& found, Failovers& failovers) const;
    void check_nothing(Deviations& found, Failovers& failovers) const;
    bool may_be_nothing(const Span& span, const Failovers& failovers) const;
    bool is_alone(const Expiry& expiry) const noexcept;

    std::string name_;
    Rule rule_;
    std::map<std::uint64_t, Version> versions_;
    std::vector<Zone> deletions_;
    std::vector<Expiry> expiries_;
    std::vector<Clearing> clearings_;
    std::vector<Span> nothing_;  // reads that found nothing
    std::vector<std::pair<Span, std::optional<std::uint64_t>>> reads_;
};

/// Ids, each added once at most: to a list, a stream, or as keys of their own (SET NX).
class IdHistory {
public:
    explicit IdHistory(std::string name) : name_(std::move(name)) {}
    /// `ended`: when the caller was told.
    void added(std::uint64_t id, Fate fate, Tick ended = 0) { told_[id] = {fate, ended}; }
    /// `found`: what the server has, in any order.
    Deviations check(const std::vector<std::uint64_t>& found) const {
        Failovers none;
        return check(found, none);
    }
    Deviations check(const std::vector<std::uint64_t>& found, Failovers& failovers) const {
        return check(found, [&failovers](std::uint64_t /*id*/) -> Failovers& { return failovers; });
    }
    /// Where each id may have been lost by failovers of its own.
    using FailoversOf = std::function<Failovers&(std::uint64_t id)>;
    Deviations check(const std::vector<std::uint64_t>& found, const FailoversOf& failovers_of) const;
    struct Told {
        Fate fate = Fate::unknown;
        Tick ended = 0;
    };
    const std::unordered_map<std::uint64_t, Told>& told() const noexcept { return told_; }

private:
    std::string name_;
    std::unordered_map<std::uint64_t, Told> told_;
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
    Deviations check(std::int64_t value) const {
        Failovers none;
        return check(value, none);
    }
    Deviations check(std::int64_t value, Failovers& failovers) const;

private:
    struct Seen {
        Span span;
        std::int64_t value = 0;
    };
    void check_total(std::int64_t value, Deviations& found, Failovers& failovers) const;
    Deviations check_all_answers(Failovers& failovers) const;
    void check_twice(Deviations& found, Failovers& failovers) const;
    void check_answers(Deviations& found, Failovers& failovers) const;
    CounterHistory without_old_answers(const Failovers& failovers) const;
    /// The most that was answered before this moment, but for what may have been lost between the two.
    std::int64_t most_before(Tick tick, Tick seen, const Failovers& failovers) const;
    std::string name_;
    std::int64_t applied_ = 0;
    std::int64_t unknown_ = 0;
    std::vector<Seen> replies_;
    std::vector<Seen> reads_;
    std::vector<Tick> begins_;  // of those that may have been applied
    std::vector<Tick> ends_;    // of those that were
};

}  // namespace redoubt::chaos
