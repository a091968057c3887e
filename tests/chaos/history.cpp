// tests: the ledger of the chaos; see the header.
#include "chaos/history.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include <fmt/format.h>

namespace redoubt::chaos {

namespace {

double ms(Tick tick) { return static_cast<double>(tick) / 1e6; }

std::string when(Tick begin, Tick end) { return fmt::format("{:.3f} to {:.3f} ms", ms(begin), ms(end)); }

}  // namespace

bool Failovers::may_lose(Tick known, Tick last, Tick seen) const noexcept {
    return std::any_of(all_.begin(), all_.end(),
                       [&](const Failover& one) { return known >= one.from && last <= one.until && seen > one.at; });
}

bool Failovers::may_be_old(const Span& answer) const noexcept {
    return std::any_of(old_answers_.begin(), old_answers_.end(),
                       [&](const Span& old) { return answer.end >= old.begin && answer.begin <= old.end; });
}

namespace {

/// What is found with all answers, unless less is without those that an old master may have given.
template <class Check, class CheckWithout>
Deviations check_twice_over(Failovers& failovers, Check check, CheckWithout without) {
    Failovers counted = failovers;
    Deviations found = check(counted);
    if (found.empty() || !failovers.expects_old_answers()) {
        failovers = counted;
        return found;
    }
    Deviations fewer = without(failovers);
    failovers.count_old(found.size() - std::min(fewer.size(), found.size()));
    return fewer;
}

}  // namespace

// Registers --------------------------------------------------------------------------------------------------------

void RegisterHistory::wrote(std::uint64_t version, Span span, Fate fate) {
    Version& entry = versions_[version];
    entry.written = true;
    entry.write = span;
    entry.fate = fate;
}

void RegisterHistory::deleted(Span span, Fate fate) {
    if (fate == Fate::not_applied) return;
    if (fate == Fate::applied) deletions_.push_back({span.begin, span.end, 0, span.end, "DEL"});
    clearings_.push_back({span.begin, fate == Fate::applied ? span.end : never});
}

void RegisterHistory::expires(Span span, Fate fate, Tick time_to_live) {
    if (fate == Fate::not_applied) return;
    expiries_.push_back({span, fate, time_to_live});
    clearings_.push_back({span.begin + time_to_live - expiry_slack, fate == Fate::applied ? span.end : never});
}

void RegisterHistory::read(Span span, std::optional<std::uint64_t> version) {
    reads_.emplace_back(span, version);
    note(span, version);
}

void RegisterHistory::note(Span span, std::optional<std::uint64_t> version) {
    if (!version) {
        nothing_.push_back(span);
        return;
    }
    Version& entry = versions_[*version];
    entry.seen = true;
    entry.first_read_end = std::min(entry.first_read_end, span.end);
    entry.last_read_begin = std::max(entry.last_read_begin, span.begin);
}

Tick RegisterHistory::Version::there_by() const noexcept {
    return fate == Fate::applied ? std::min(write.end, first_read_end) : first_read_end;
}

Tick RegisterHistory::Version::there_until() const noexcept { return std::max(write.begin, last_read_begin); }

Deviations RegisterHistory::check(Failovers& failovers) const {
    Deviations found;
    check_versions(found);
    Deviations answers = check_twice_over(
        failovers, [this](Failovers& all) { return check_answers(all); },
        [this](Failovers& all) { return without_old_answers(all).check_answers(all); });
    found.insert(found.end(), std::make_move_iterator(answers.begin()), std::make_move_iterator(answers.end()));
    return found;
}

Deviations RegisterHistory::check_answers(Failovers& failovers) const {
    Deviations found;
    if (rule_ == Rule::exact) check_order(found, failovers);
    check_nothing(found, failovers);
    return found;
}

RegisterHistory RegisterHistory::without_old_answers(const Failovers& failovers) const {
    RegisterHistory other = *this;
    other.nothing_.clear();
    for (auto& [number, version] : other.versions_) {
        version.seen = false;
        version.first_read_end = never;
        version.last_read_begin = std::numeric_limits<Tick>::min();
    }
    for (const auto& [span, version] : reads_) {
        if (!failovers.may_be_old(span)) other.note(span, version);
    }
    return other;
}

void RegisterHistory::check_versions(Deviations& found) const {
    for (const auto& [number, version] : versions_) {
        if (!version.seen) continue;
        if (!version.written) {
            found.push_back(fmt::format("{}: version {} is there, and nobody wrote it", name_, number));
        } else if (version.fate == Fate::not_applied) {
            found.push_back(
                fmt::format("{}: version {} is there, but its caller was told that it was not applied", name_, number));
        } else if (version.first_read_end < version.write.begin) {
            found.push_back(fmt::format("{}: version {} was read before it was written", name_, number));
        }
    }
}

void RegisterHistory::check_order(Deviations& found, Failovers& failovers) const {
    std::vector<Zone> lasting;               // was there from before `begin` until after `end`
    std::vector<Zone> passing = deletions_;  // came at some moment between the two
    for (const auto& [number, version] : versions_) {
        if (!version.written || version.fate == Fate::not_applied) continue;
        if (version.fate == Fate::unknown && !version.seen) continue;
        const Tick by = version.there_by();
        const Tick until = version.there_until();
        if (by < until) {
            lasting.push_back({by, until, number, by});
        } else {
            passing.push_back({until, by, number, by});
        }
    }
    for (const Expiry& expiry : expiries_) {
        if (!is_alone(expiry)) continue;
        passing.push_back(
            {expiry.span.begin, expiry.span.end + expiry.time_to_live + expiry_slack, 0, expiry.span.end, "EXPIRE"});
    }
    std::sort(lasting.begin(), lasting.end(), [](const Zone& a, const Zone& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < lasting.size(); ++i) {
        const Zone& older = lasting[i - 1];
        Zone& newer = lasting[i];
        if (newer.begin < older.end && failovers.may_lose(newer.known, newer.end, older.end)) {
            failovers.count_seen();
        } else if (newer.begin < older.end) {
            found.push_back(fmt::format("{}: version {} (there {}) came back after version {} (there {})", name_,
                                        older.version, when(older.begin, older.end), newer.version,
                                        when(newer.begin, newer.end)));
        }
        if (newer.end < older.end) newer = older;  // the one that reaches furthest is compared with the next
    }
    for (const Zone& zone : passing) {
        const auto after = std::lower_bound(lasting.begin(), lasting.end(), zone.begin,
                                            [](const Zone& one, Tick tick) { return one.begin < tick; });
        if (after == lasting.begin()) continue;
        const Zone& around = *std::prev(after);
        if (zone.end >= around.end) continue;
        if (failovers.may_lose(zone.known, zone.known, around.end)) {
            failovers.count_seen();
            continue;
        }
        found.push_back(
            fmt::format("{}: the applied {} of version {} ({}) is lost: version {} was there before and "
                        "after ({})",
                        name_, zone.what, zone.version, when(zone.begin, zone.end), around.version,
                        when(around.begin, around.end)));
    }
}

// Another EXPIRE near it may have moved the moment.
bool RegisterHistory::is_alone(const Expiry& expiry) const noexcept {
    if (expiry.fate != Fate::applied) return false;
    const Tick end = expiry.span.end + expiry.time_to_live + expiry_slack;
    return std::none_of(expiries_.begin(), expiries_.end(), [&](const Expiry& other) {
        if (&other == &expiry || other.span.begin >= end) return false;
        return other.fate == Fate::unknown || other.span.end > expiry.span.begin;
    });
}

// Nothing may be there at first, and after a DEL or an EXPIRE, unless something was certainly written in between.
void RegisterHistory::check_nothing(Deviations& found, Failovers& failovers) const {
    // By when something was there: how late the latest of those writes was begun.
    std::vector<std::pair<Tick, Tick>> writes;
    for (const auto& [number, version] : versions_) {
        if (version.written && version.there_by() != never)
            writes.emplace_back(version.there_by(), version.write.begin);
    }
    // From when on the key may be gone: until when writes are covered by that.
    std::vector<std::pair<Tick, Tick>> gone;
    for (const Clearing& clearing : clearings_) gone.emplace_back(clearing.from, clearing.until);
    for (auto* const list : {&writes, &gone}) {
        std::sort(list->begin(), list->end());
        for (std::size_t i = 1; i < list->size(); ++i) {
            (*list)[i].second = std::max((*list)[i].second, (*list)[i - 1].second);
        }
    }
    const auto most_before = [](const std::vector<std::pair<Tick, Tick>>& list, Tick tick) -> std::optional<Tick> {
        const auto at = std::lower_bound(list.begin(), list.end(), std::pair(tick, std::numeric_limits<Tick>::min()));
        if (at == list.begin()) return std::nullopt;
        return std::prev(at)->second;
    };
    for (const Span& span : nothing_) {
        const std::optional<Tick> last_write = most_before(writes, span.begin);
        if (!last_write) continue;
        const std::optional<Tick> covered = most_before(gone, span.end);
        if (covered && *covered >= *last_write) continue;
        if (may_be_nothing(span, failovers)) {
            failovers.count_seen();
            continue;
        }
        found.push_back(
            fmt::format("{}: nothing was there ({}), but a version that was written at {:.3f} ms was applied "
                        "before, and nobody has taken it away",
                        name_, when(span.begin, span.end), ms(*last_write)));
    }
}

// As above, for one read, without what a failover may have lost before it.
bool RegisterHistory::may_be_nothing(const Span& span, const Failovers& failovers) const {
    if (failovers.size() == 0) return false;
    Tick last_write = std::numeric_limits<Tick>::min();
    for (const auto& [number, version] : versions_) {
        const Tick by = version.there_by();
        if (!version.written || by == never || by >= span.begin) continue;
        // What is seen again later was not lost, and was there in between.
        const Tick last = std::max(by, version.seen ? version.last_read_begin : by);
        if (!failovers.may_lose(by, last, span.end)) last_write = std::max(last_write, version.write.begin);
    }
    Tick covered = std::numeric_limits<Tick>::min();
    for (const Clearing& clearing : clearings_) {
        if (clearing.from < span.end) covered = std::max(covered, clearing.until);
    }
    return covered >= last_write;
}

// Ids --------------------------------------------------------------------------------------------------------------

Deviations IdHistory::check(const std::vector<std::uint64_t>& found, const FailoversOf& failovers_of) const {
    Deviations deviations;
    std::unordered_set<std::uint64_t> seen;
    for (const std::uint64_t id : found) {
        if (!seen.insert(id).second) {
            deviations.push_back(fmt::format("{}: {} is there twice", name_, id));
            continue;
        }
        const auto at = told_.find(id);
        if (at == told_.end()) {
            deviations.push_back(fmt::format("{}: {} is there, and nobody added it", name_, id));
        } else if (at->second.fate == Fate::not_applied) {
            deviations.push_back(
                fmt::format("{}: {} is there, but its caller was told that it was not applied", name_, id));
        }
    }
    for (const auto& [id, told] : told_) {
        if (told.fate != Fate::applied || seen.contains(id)) continue;
        Failovers& failovers = failovers_of(id);
        if (failovers.may_lose(told.ended)) {
            failovers.count_lost(1);
        } else {
            deviations.push_back(fmt::format("{}: {} was applied, and is not there", name_, id));
        }
    }
    return deviations;
}

Deviations check_together(const std::string& name, const std::vector<std::uint64_t>& one,
                          const std::vector<std::uint64_t>& other) {
    Deviations deviations;
    const std::unordered_set<std::uint64_t> first(one.begin(), one.end());
    const std::unordered_set<std::uint64_t> second(other.begin(), other.end());
    const auto half = [&](std::uint64_t id) {
        deviations.push_back(fmt::format("{}: only a part of the transaction {} was applied", name, id));
    };
    for (const std::uint64_t id : first) {
        if (!second.contains(id)) half(id);
    }
    for (const std::uint64_t id : second) {
        if (!first.contains(id)) half(id);
    }
    return deviations;
}

// Counters ---------------------------------------------------------------------------------------------------------

void CounterHistory::incremented(Span span, Fate fate, std::optional<std::int64_t> reply) {
    if (fate == Fate::not_applied) return;
    ++(fate == Fate::applied ? applied_ : unknown_);
    begins_.push_back(span.begin);
    if (fate == Fate::applied) ends_.push_back(span.end);
    if (reply) replies_.push_back({span, *reply});
}

Deviations CounterHistory::check(std::int64_t value, Failovers& failovers) const {
    Deviations found;
    check_total(value, found, failovers);
    Deviations answers = check_twice_over(
        failovers, [this](Failovers& all) { return check_all_answers(all); },
        [this](Failovers& all) { return without_old_answers(all).check_all_answers(all); });
    found.insert(found.end(), std::make_move_iterator(answers.begin()), std::make_move_iterator(answers.end()));
    return found;
}

Deviations CounterHistory::check_all_answers(Failovers& failovers) const {
    Deviations found;
    check_twice(found, failovers);
    check_answers(found, failovers);
    return found;
}

CounterHistory CounterHistory::without_old_answers(const Failovers& failovers) const {
    CounterHistory other = *this;
    const auto is_old = [&](const Seen& answer) { return failovers.may_be_old(answer.span); };
    std::erase_if(other.replies_, is_old);
    std::erase_if(other.reads_, is_old);
    return other;
}

void CounterHistory::check_total(std::int64_t value, Deviations& found, Failovers& failovers) const {
    if (value < applied_) {
        const auto may_be_lost =
            std::count_if(ends_.begin(), ends_.end(), [&](Tick end) { return failovers.may_lose(end); });
        if (value >= applied_ - may_be_lost) {
            failovers.count_lost(static_cast<std::uint64_t>(applied_ - value));
        } else {
            found.push_back(fmt::format("{}: {}, but {} INCRs were applied", name_, value, applied_));
        }
    }
    if (value > applied_ + unknown_) {
        found.push_back(fmt::format("{}: {}, but at most {} INCRs were applied", name_, value, applied_ + unknown_));
    }
}

void CounterHistory::check_twice(Deviations& found, Failovers& failovers) const {
    // By value, and of the same value by time.
    std::vector<Seen> replies = replies_;
    std::sort(replies.begin(), replies.end(), [](const Seen& a, const Seen& b) {
        return a.value != b.value ? a.value < b.value : a.span.end < b.span.end;
    });
    for (std::size_t i = 1; i < replies.size(); ++i) {
        const Seen& before = replies[i - 1];
        if (before.value != replies[i].value) continue;
        if (failovers.may_lose(before.span.end, before.span.end, replies[i].span.end)) {
            failovers.count_seen();
        } else {
            found.push_back(fmt::format("{}: {} was the answer to two INCRs", name_, before.value));
        }
    }
}

std::int64_t CounterHistory::most_before(Tick tick, Tick seen, const Failovers& failovers) const {
    std::int64_t most = 0;
    for (const Seen& reply : replies_) {
        if (reply.span.end < tick && !failovers.may_lose(reply.span.end, reply.span.end, seen)) {
            most = std::max(most, reply.value);
        }
    }
    return most;
}

// Of two calls of which one ended before the other began, the later saw more.
void CounterHistory::check_answers(Deviations& found, Failovers& failovers) const {
    std::vector<Seen> by_end = replies_;
    std::sort(by_end.begin(), by_end.end(), [](const Seen& a, const Seen& b) { return a.span.end < b.span.end; });
    for (std::size_t i = 1; i < by_end.size(); ++i) by_end[i].value = std::max(by_end[i].value, by_end[i - 1].value);
    // What must have been applied before a call began, unless that was too much: then without what may have been lost.
    const auto least_at = [&](const Span& span, std::int64_t most_allowed) {
        const auto at = std::lower_bound(by_end.begin(), by_end.end(), span.begin,
                                         [](const Seen& one, Tick end) { return one.span.end < end; });
        const std::int64_t before = at == by_end.begin() ? 0 : std::prev(at)->value;
        if (before <= most_allowed || failovers.size() == 0) return before;
        const std::int64_t kept = most_before(span.begin, span.end, failovers);
        if (kept <= most_allowed) failovers.count_seen();
        return kept;
    };
    for (const Seen& reply : replies_) {
        if (const std::int64_t before = least_at(reply.span, reply.value - 1); before >= reply.value) {
            found.push_back(
                fmt::format("{}: INCR answered {} after another had answered {}", name_, reply.value, before));
        }
    }
    std::vector<Tick> begins = begins_;
    std::sort(begins.begin(), begins.end());
    for (const Seen& read : reads_) {
        const auto most = std::lower_bound(begins.begin(), begins.end(), read.span.end) - begins.begin();
        if (const std::int64_t before = least_at(read.span, read.value); read.value < before || read.value > most) {
            found.push_back(fmt::format("{}: GET answered {}, but at least {} and at most {} were applied then", name_,
                                        read.value, before, most));
        }
    }
}

}  // namespace redoubt::chaos
