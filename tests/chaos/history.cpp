// tests: the ledger of the chaos; see the header.
#include "chaos/history.hpp"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

namespace redoubt::chaos {

namespace {

double ms(Tick tick) { return static_cast<double>(tick) / 1e6; }

std::string when(Tick begin, Tick end) { return fmt::format("{:.3f} to {:.3f} ms", ms(begin), ms(end)); }

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
    if (fate == Fate::applied) deletions_.push_back({span.begin, span.end, 0, "DEL"});
    clearings_.push_back({span.begin, fate == Fate::applied ? span.end : never});
}

void RegisterHistory::expires(Span span, Fate fate, Tick time_to_live) {
    if (fate == Fate::not_applied) return;
    expiries_.push_back({span, fate, time_to_live});
    clearings_.push_back({span.begin + time_to_live - expiry_slack, fate == Fate::applied ? span.end : never});
}

void RegisterHistory::read(Span span, std::optional<std::uint64_t> version) {
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

Deviations RegisterHistory::check() const {
    Deviations found;
    check_versions(found);
    if (rule_ == Rule::exact) check_order(found);
    check_nothing(found);
    return found;
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

void RegisterHistory::check_order(Deviations& found) const {
    std::vector<Zone> lasting;               // was there from before `begin` until after `end`
    std::vector<Zone> passing = deletions_;  // came at some moment between the two
    for (const auto& [number, version] : versions_) {
        if (!version.written || version.fate == Fate::not_applied) continue;
        if (version.fate == Fate::unknown && !version.seen) continue;
        const Tick by = version.there_by();
        const Tick until = version.there_until();
        if (by < until) {
            lasting.push_back({by, until, number});
        } else {
            passing.push_back({until, by, number});
        }
    }
    for (const Expiry& expiry : expiries_) {
        if (!is_alone(expiry)) continue;
        passing.push_back({expiry.span.begin, expiry.span.end + expiry.time_to_live + expiry_slack, 0, "EXPIRE"});
    }
    std::sort(lasting.begin(), lasting.end(), [](const Zone& a, const Zone& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < lasting.size(); ++i) {
        const Zone& older = lasting[i - 1];
        Zone& newer = lasting[i];
        if (newer.begin < older.end) {
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
void RegisterHistory::check_nothing(Deviations& found) const {
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
        found.push_back(
            fmt::format("{}: nothing was there ({}), but a version that was written at {:.3f} ms was applied "
                        "before, and nobody has taken it away",
                        name_, when(span.begin, span.end), ms(*last_write)));
    }
}

// Ids --------------------------------------------------------------------------------------------------------------

Deviations IdHistory::check(const std::vector<std::uint64_t>& found) const {
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
        } else if (at->second == Fate::not_applied) {
            deviations.push_back(
                fmt::format("{}: {} is there, but its caller was told that it was not applied", name_, id));
        }
    }
    for (const auto& [id, fate] : told_) {
        if (fate == Fate::applied && !seen.contains(id)) {
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
    if (reply) replies_.push_back({span, *reply});
}

Deviations CounterHistory::check(std::int64_t value) const {
    Deviations deviations;
    if (value < applied_) {
        deviations.push_back(fmt::format("{}: {}, but {} INCRs were applied", name_, value, applied_));
    }
    if (value > applied_ + unknown_) {
        deviations.push_back(
            fmt::format("{}: {}, but at most {} INCRs were applied", name_, value, applied_ + unknown_));
    }
    std::unordered_set<std::int64_t> given;
    for (const Seen& reply : replies_) {
        if (!given.insert(reply.value).second) {
            deviations.push_back(fmt::format("{}: {} was the answer to two INCRs", name_, reply.value));
        }
    }
    // Of two calls of which one ended before the other began, the later saw more.
    std::vector<Seen> by_end = replies_;
    std::sort(by_end.begin(), by_end.end(), [](const Seen& a, const Seen& b) { return a.span.end < b.span.end; });
    for (std::size_t i = 1; i < by_end.size(); ++i) by_end[i].value = std::max(by_end[i].value, by_end[i - 1].value);
    const auto most_before = [&](Tick tick) {
        const auto at = std::lower_bound(by_end.begin(), by_end.end(), tick,
                                         [](const Seen& one, Tick end) { return one.span.end < end; });
        return at == by_end.begin() ? std::int64_t{0} : std::prev(at)->value;
    };
    for (const Seen& reply : replies_) {
        if (const std::int64_t before = most_before(reply.span.begin); before >= reply.value) {
            deviations.push_back(
                fmt::format("{}: INCR answered {} after another had answered {}", name_, reply.value, before));
        }
    }
    std::vector<Tick> begins = begins_;
    std::sort(begins.begin(), begins.end());
    for (const Seen& read : reads_) {
        const auto most = std::lower_bound(begins.begin(), begins.end(), read.span.end) - begins.begin();
        if (const std::int64_t before = most_before(read.span.begin); read.value < before || read.value > most) {
            deviations.push_back(fmt::format("{}: GET answered {}, but at least {} and at most {} were applied then",
                                             name_, read.value, before, most));
        }
    }
    return deviations;
}

}  // namespace redoubt::chaos
