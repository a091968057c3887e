// tests: the traffic of a migration; see the header.
#include "traffic.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text_values.hpp"

namespace redoubt::migration {
namespace {

constexpr Duration slow_call = 100ms;
constexpr std::uint32_t one_hot_in = 3;  // calls on keys of the slot that is on its way
constexpr std::size_t most_keys = 8;     // of a command of several
constexpr std::size_t in_batch = 16;

struct Weight {
    Act act;
    std::uint32_t weight;
};
constexpr std::array weights{
    Weight{Act::get, 36},     Weight{Act::set, 22},       Weight{Act::incr, 20},       Weight{Act::del, 4},
    Weight{Act::pipeline, 3}, Weight{Act::incr_batch, 1}, Weight{Act::mget, 4},        Weight{Act::mset, 3},
    Weight{Act::del_many, 2}, Weight{Act::exists, 2},     Weight{Act::transaction, 2}, Weight{Act::watched, 1},
};

std::string name_of(const Error& error) {
    std::string name(to_string(error.kind));
    for (const Error* one = &error; one != nullptr; one = one->cause.get()) {
        if (!one->prefix().empty()) name += fmt::format(" {}", one->prefix());
        if (one->not_retried == NotRetried::budget_spent) name += " (no retry left in the pool's budget)";
        if (one->not_retried == NotRetried::no_time) name += " (no time left to try again)";
    }
    return name;
}

std::string_view name_of(Act act) {
    static constexpr std::array<std::string_view, 12> names{
        "GET",  "SET",  "INCR", "DEL",    "a pipeline", "a batch of INCR",
        "MGET", "MSET", "DEL",  "EXISTS", "MULTI",      "WATCH, MULTI"};
    return names[static_cast<std::size_t>(act)];
}

std::optional<Fate> fate_named(std::string_view word) {
    if (word == "applied") return Fate::applied;
    if (word == "unknown") return Fate::unknown;
    if (word == "rejected" || word == "not_sent") return Fate::not_applied;
    return std::nullopt;
}

}  // namespace

// `...; of its 5 keys keys 1-2, 4: applied; key 3: rejected`
std::vector<Fate> fates_of_keys(const Error& error, std::size_t count) {
    std::vector<Fate> fates(count, testing::fate_of(error));
    const std::string text(error.reason());
    auto at = text.find("; of its ");
    if (at == std::string::npos) return fates;
    at = text.find(" keys ", at) + 6;
    while (at < text.size()) {
        const auto end = std::min(text.find(';', at), text.size());
        const std::string_view item = std::string_view(text).substr(at, end - at);
        at = end + 2;
        const auto space = item.find(' ');
        const auto colon = item.rfind(": ");
        if (space == std::string_view::npos || colon == std::string_view::npos) continue;
        const std::optional<Fate> fate = fate_named(item.substr(colon + 2));
        std::string_view ranges = item.substr(space + 1, colon - space - 1);
        while (fate && !ranges.empty()) {
            const auto comma = std::min(ranges.find(", "), ranges.size());
            const std::string_view range = ranges.substr(0, comma);
            ranges.remove_prefix(std::min(comma + 2, ranges.size()));
            const auto dash = range.find('-');
            const auto first = base::parse_unsigned<std::size_t>(range.substr(0, dash));
            const auto last =
                dash == std::string_view::npos ? first : base::parse_unsigned<std::size_t>(range.substr(dash + 1));
            if (!first || !last) break;  // "...": the rest has what is said of the whole
            for (std::size_t i = *first; i <= *last && i <= count; ++i) fates[i - 1] = *fate;
        }
    }
    return fates;
}

Tally& Tally::operator+=(const Tally& other) {
    unexecuted += other.unexecuted;
    for (std::size_t i = 0; i != classes; ++i) {
        commands[i] += other.commands[i];
        for (std::size_t certainty = 0; certainty != 4; ++certainty) failed[i][certainty] += other.failed[i][certainty];
        for (const auto& [what, count] : other.why[i]) why[i][what] += count;
        slowest[i] = std::max(slowest[i], other.slowest[i]);
        slow[i] += other.slow[i];
    }
    return *this;
}

std::uint64_t Tally::failures(Class of) const {
    std::uint64_t count = 0;
    for (const std::uint64_t one : failed[static_cast<std::size_t>(of)]) count += one;
    return count;
}

void Traffic::add(const Book& book) {
    std::vector<std::vector<Entry*>>& slots = by_slot[book.project];
    slots.resize(topology::slot_count);
    for (const auto& entry : book.all) {
        slots[entry->slot()].push_back(entry.get());
        all[book.project].push_back(entry.get());
    }
}

Steps::Steps(Book& book, Traffic& traffic, std::uint64_t seed)
    : book_(book), traffic_(traffic), random_(seed * 1'000'003 + book.caller) {
    for (const auto& entry : book_.all) by_slot_[entry->slot()].push_back(entry.get());
    for (Group& one : book_.groups) groups_by_slot_[one.counter->slot()].push_back(&one);
}

Entry& Steps::own(const std::vector<Entry*>& from, Entry::Kind kind) {
    if (random_.one_in(one_hot_in)) {
        const auto hot = by_slot_.find(traffic_.moving.load(std::memory_order_relaxed));
        if (hot != by_slot_.end()) {
            Entry* const entry = hot->second[random_.below(static_cast<std::uint32_t>(hot->second.size()))];
            if (entry->kind() == kind) return *entry;
        }
    }
    return *from[random_.below(static_cast<std::uint32_t>(from.size()))];
}

Entry& Steps::any() {
    const auto choose = [&](const std::vector<Entry*>& from) -> Entry& {
        return *from[random_.below(static_cast<std::uint32_t>(from.size()))];
    };
    const std::uint32_t slot = traffic_.moving.load(std::memory_order_relaxed);
    if (slot != Traffic::no_slot && random_.one_in(one_hot_in)) {
        const std::vector<Entry*>& hot = traffic_.by_slot.at(book_.project)[slot];
        if (!hot.empty()) return choose(hot);
    }
    return choose(traffic_.all.at(book_.project));
}

Group& Steps::group() {
    if (random_.one_in(one_hot_in)) {
        const auto hot = groups_by_slot_.find(traffic_.moving.load(std::memory_order_relaxed));
        if (hot != groups_by_slot_.end()) return *hot->second.front();
    }
    return book_.groups[random_.below(static_cast<std::uint32_t>(book_.groups.size()))];
}

void Steps::read(Entry& entry) { parts_.push_back({&entry, entry.floor(), 0, entry.is_there()}); }

void Steps::write(Entry& entry, bool deletes) {
    Part part{&entry, entry.floor(), 0, entry.is_there()};
    part.version = entry.begin(deletes);
    // Mostly small, sometimes larger than one read.
    if (entry.kind() == Entry::Kind::text && !deletes) {
        part.value = entry.value(part.version, random_.one_in(200) ? random_.between(2000, 20'000) : random_.below(60));
    }
    parts_.push_back(std::move(part));
}

bool Steps::is_there_already(const Entry& entry) const {
    return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) { return part.entry == &entry; });
}

// Each once: the order of what is split is nobody's.
void Steps::write_texts(std::size_t count, bool deletes) {
    while (parts_.size() < count) {
        Entry& entry = own(book_.texts, Entry::Kind::text);
        if (!is_there_already(entry)) write(entry, deletes);
    }
}

Act Steps::next() {
    std::uint32_t all = 0;
    for (const Weight& one : weights) all += one.weight;
    std::uint32_t chosen = random_.below(all);
    const Weight* at = weights.data();
    for (; chosen >= at->weight; ++at) chosen -= at->weight;
    act_ = at->act;
    parts_.clear();
    const bool tagged = random_.one_in(2);  // of several keys: in one slot, or wherever they are
    const std::size_t several = random_.between(2, most_keys);
    switch (act_) {
        case Act::get: read(any()); break;
        case Act::set: write(own(book_.texts, Entry::Kind::text)); break;
        case Act::incr: write(own(book_.counters, Entry::Kind::counter)); break;
        case Act::del: write_texts(1, true); break;
        case Act::pipeline: {
            // Six keys, each once where it is written.
            Entry& first = own(book_.counters, Entry::Kind::counter);
            write(first);
            write_texts(2, false);
            read(any());
            Entry* second = &first;
            while (second == &first) second = &own(book_.counters, Entry::Kind::counter);
            write(*second);
            read(any());
            Entry* text = parts_[1].entry;
            while (text == parts_[1].entry) text = &own(book_.texts, Entry::Kind::text);
            write(*text);
            break;
        }
        case Act::incr_batch:
            while (parts_.size() < in_batch) {
                Entry& entry = own(book_.counters, Entry::Kind::counter);
                if (!is_there_already(entry)) write(entry);
            }
            break;
        case Act::mget:
            if (tagged) {
                const Group& of = group();
                read(*of.counter);
                for (Entry* const text : of.texts) read(*text);
            } else {
                while (parts_.size() < several) read(any());
            }
            break;
        case Act::mset:
        case Act::del_many:
            if (tagged) {
                for (Entry* const text : group().texts) write(*text, act_ == Act::del_many);
            } else {
                write_texts(several, act_ == Act::del_many);
            }
            break;
        case Act::exists:
            while (parts_.size() < several) read(own(book_.texts, Entry::Kind::text));
            break;
        case Act::transaction:
        case Act::watched: {
            const Group& of = group();
            write(*of.counter);
            write(*of.texts[0]);
            if (act_ == Act::transaction) read(*of.texts[1]);
            break;
        }
    }
    began_ = Clock::now();
    return act_;
}

std::span<const std::string_view> Steps::keys() {
    keys_.clear();
    for (const Part& part : parts_) keys_.emplace_back(part.entry->key());
    return keys_;
}

std::span<const TextPair> Steps::pairs() {
    pairs_.clear();
    for (const Part& part : parts_) pairs_.emplace_back(part.entry->key(), part.value);
    return pairs_;
}

void Steps::end_call(Class of, std::size_t commands) {
    const auto at = static_cast<std::size_t>(of);
    const Duration took = Clock::now() - began_;
    tally_.commands[at] += commands;
    tally_.slowest[at] = std::max(tally_.slowest[at], took);
    if (took > slow_call) ++tally_.slow[at];
    traffic_.commands.fetch_add(commands, std::memory_order_relaxed);
}

void Steps::failed(Class of, const Error& error) {
    const auto at = static_cast<std::size_t>(of);
    ++tally_.failed[at][static_cast<std::size_t>(error.certainty)];
    ++tally_.why[at][name_of(error)];
}

void Steps::note(Part& part, const result<MaybeText>& outcome) {
    if (!outcome) return;
    const std::string deviation = part.entry->check(part.floor, *outcome);
    if (deviation.empty()) return;
    // What else was in the call says where it may come from.
    std::string call;
    for (const Part& one : parts_) call += fmt::format(" {}@{}", one.entry->key(), one.entry->slot());
    wrong(fmt::format("{} (caller {}, {} of{}; slot {} on its way)", deviation, book_.caller, name_of(act_), call,
                      traffic_.moving.load()));
}

void Steps::note(Part& part, const result<bool>& outcome) { part.entry->end(part.version, testing::fate_of(outcome)); }

void Steps::note(Part& part, const result<std::int64_t>& outcome) {
    if (outcome) {
        if (std::string deviation = part.entry->check_counted(part.floor, *outcome); !deviation.empty())
            wrong(deviation);
    }
    part.entry->end(part.version, testing::fate_of(outcome));
}

void Steps::ended_get(const result<MaybeText>& outcome) {
    end_call(Class::single, 1);
    if (!outcome) failed(Class::single, outcome.error());
    note(parts_.front(), outcome);
}

void Steps::ended_set(const result<bool>& outcome) {
    end_call(Class::single, 1);
    if (!outcome) failed(Class::single, outcome.error());
    note(parts_.front(), outcome);
}

void Steps::ended_number(const result<std::int64_t>& outcome) {
    const Class of = act_ == Act::incr || act_ == Act::del ? Class::single : Class::several;
    end_call(of, 1);
    if (!outcome) failed(of, outcome.error());
    if (act_ == Act::incr) return note(parts_.front(), outcome);
    std::vector<Fate> fates(parts_.size(), Fate::applied);
    if (!outcome) fates = fates_of_keys(outcome.error(), parts_.size());
    // Nobody else writes these keys, so that how many are there is known.
    std::int64_t there = 0;
    bool certain = true;
    for (std::size_t i = 0; i != parts_.size(); ++i) {
        certain = certain && parts_[i].there;
        there += parts_[i].there.value_or(false) ? 1 : 0;
        if (act_ != Act::exists) parts_[i].entry->end(parts_[i].version, fates[i]);
    }
    if (outcome && certain && *outcome != there) {
        wrong(fmt::format("{} of {} keys, the first {}, answered {} in place of {}",
                          act_ == Act::exists ? "EXISTS" : "DEL", parts_.size(), parts_.front().entry->key(), *outcome,
                          there));
    }
}

void Steps::ended_mget(const result<std::vector<MaybeText>>& outcome) {
    end_call(Class::several, 1);
    if (!outcome) return failed(Class::several, outcome.error());
    if (outcome->size() != parts_.size()) {
        return wrong(fmt::format("MGET of {} keys answered {} values", parts_.size(), outcome->size()));
    }
    for (std::size_t i = 0; i != parts_.size(); ++i) note(parts_[i], result<MaybeText>((*outcome)[i]));
}

void Steps::ended_mset(const result<Ok>& outcome) {
    end_call(Class::several, 1);
    std::vector<Fate> fates(parts_.size(), Fate::applied);
    if (!outcome) {
        failed(Class::several, outcome.error());
        fates = fates_of_keys(outcome.error(), parts_.size());
    }
    for (std::size_t i = 0; i != parts_.size(); ++i) parts_[i].entry->end(parts_[i].version, fates[i]);
}

void Steps::ended_pipeline(const result<PipelineReplies>& outcome) {
    end_call(Class::pipelined, parts_.size());
    const auto one = [&](std::size_t at, const auto& reply) {
        if (!reply) failed(Class::pipelined, reply.error());
        note(parts_[at], reply);
    };
    if (outcome) {
        one(0, std::get<0>(*outcome));
        one(1, std::get<1>(*outcome));
        one(2, std::get<2>(*outcome));
        one(3, std::get<3>(*outcome));
        one(4, std::get<4>(*outcome));
        one(5, std::get<5>(*outcome));
        return;
    }
    for (Part& part : parts_) {
        failed(Class::pipelined, outcome.error());
        if (part.version != 0) part.entry->end(part.version, testing::fate_of(outcome.error()));
    }
}

void Steps::ended_batch(const result<std::vector<result<std::int64_t>>>& outcome) {
    end_call(Class::pipelined, parts_.size());
    for (std::size_t i = 0; i != parts_.size(); ++i) {
        const result<std::int64_t> reply = outcome ? (*outcome)[i] : result<std::int64_t>(outcome.error());
        if (!reply) failed(Class::pipelined, reply.error());
        note(parts_[i], reply);
    }
}

void Steps::ended_transaction(const result<TransactionReplies>& outcome) {
    end_call(Class::several, 1);
    if (outcome && *outcome) {
        const auto& [counted, stored, seen] = **outcome;
        if (!counted || !stored || !seen) wrong("a command inside EXEC failed: " + parts_.front().entry->key());
        note(parts_[0], counted);
        note(parts_[1], stored);
        note(parts_[2], seen);
        return;
    }
    if (outcome) wrong("a transaction that watches nothing was not executed");
    if (!outcome) failed(Class::several, outcome.error());
    const Fate fate = outcome ? Fate::not_applied : testing::fate_of(outcome.error());
    for (std::size_t i : {0u, 1u}) parts_[i].entry->end(parts_[i].version, fate);
}

void Steps::ended_watched(const result<WatchedReplies>& outcome) {
    end_call(Class::several, 1);
    if (outcome && *outcome) {
        const auto& [counted, stored] = **outcome;
        if (!counted || !stored) wrong("a command inside EXEC failed: " + parts_.front().entry->key());
        note(parts_[0], counted);
        note(parts_[1], stored);
        return;
    }
    if (!outcome) failed(Class::several, outcome.error());
    if (outcome) ++tally_.unexecuted;
    // That nobody else has written the key does not mean that nothing has touched it: MIGRATE takes it away.
    const Fate fate = outcome ? Fate::not_applied : testing::fate_of(outcome.error());
    for (Part& part : parts_) part.entry->end(part.version, fate);
}

}  // namespace redoubt::migration
