// tests: what a caller of the chaos does and makes of it; see the header.
#include "chaos/caller.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

namespace redoubt::chaos {

namespace {
constexpr std::uint64_t most_printed = 20;
}  // namespace

void Tally::add(const Tally& other) noexcept {
    operations += other.operations;
    commands += other.commands;
    ok += other.ok;
    for (std::size_t i = 0; i < certainties; ++i) failed[i] += other.failed[i];
    for (std::size_t i = 0; i < kinds; ++i) by_kind[i] += other.by_kind[i];
    parts_failed += other.parts_failed;
    late += other.late;
    latest = std::max(latest, other.latest);
}

void Progress::deviation(std::string_view what) {
    const std::uint64_t number = ++deviations_;
    if (number > most_printed) return;
    const std::lock_guard lock(printing_);
    fmt::print(stderr, "DEVIATION {}: {}\n", number, what);
    if (number == most_printed) fmt::print(stderr, "further ones are only counted\n");
}

Act Caller::choose(bool blocking) {
    if (progress_.expects_cluster() && random_.one_in(16)) {
        return random_.one_in(2) ? Act::read_many : Act::write_many;
    }
    const std::uint32_t chance = random_.below(100);
    if (chance < 26) return Act::read;
    if (chance < 46) return Act::write;
    if (chance < 50) return Act::clear;
    if (chance < 53) return Act::expire;
    if (chance < 65) return Act::incr;
    if (chance < 68) return Act::read_counter;
    if (chance < 75) return Act::set_nx;
    if (chance < 82) return Act::push;
    if (chance < 89) return Act::xadd;
    if (chance < 94) return Act::pipeline;
    if (chance < 98 || !blocking) return Act::transaction;
    return Act::watched;
}

void Caller::begin(Act act) {
    act_ = act;
    begun_ = std::max<Tick>(world_.now(), 1);
    busy_since_.store(begun_, std::memory_order_relaxed);
}

Span Caller::end_call() {
    const Span span{busy_since_.load(std::memory_order_relaxed), world_.now()};
    busy_since_.store(0, std::memory_order_relaxed);
    const Duration over = std::chrono::nanoseconds(span.end - span.begin) - deadline_;
    tally_.latest = std::max(tally_.latest, over);
    if (over > lateness) ++tally_.late;
    return span;
}

// Refused at once: about as long as the breaker is open. Else as long as keeps the AOF small, which each restart reads.
Duration Caller::rest() {
    if (std::exchange(refused_, false)) return std::chrono::milliseconds(random_.between(20, 60));
    return std::chrono::microseconds(random_.between(500, 30'000));
}

void Caller::choose_register(Act act) {
    RegisterKind kind = RegisterKind::clearable;
    if (act == Act::expire) {
        // A hash keeps its time to live when a field is written: another rule, for which there is no ledger.
    } else if (act == Act::clear) {
        if (random_.one_in(3)) kind = RegisterKind::clearable_field;
    } else {
        kind = static_cast<RegisterKind>(random_.below(register_kinds));
    }
    const auto any = [&] { return random_.below(World::slots[static_cast<std::size_t>(kind)]); };
    reg_ = &world_.reg(kind, any());
    version_ = world_.next_version();
    // Mostly small, sometimes larger than one read.
    value_ = Register::value_of(version_, random_.one_in(40) ? random_.between(2000, 30'000) : random_.below(80));
    time_to_live_ = std::chrono::milliseconds(random_.between(1, 300));
    other_ = &world_.reg(RegisterKind::plain, random_.below(World::slots[0]));
    counter_ = &world_.counter(random_.below(World::counters));
    const std::uint32_t first = random_.below(World::slots[0]);
    for (std::uint32_t i = 0; i != many_.size(); ++i) {
        many_[i] = &world_.reg(RegisterKind::plain, (first + i) % World::slots[0]);
    }
}

void Caller::choose_id() {
    id_ = world_.next_id();
    id_text_ = std::to_string(id_);
}

void Caller::note_read(Register& reg, Span span, const MaybeText& value) {
    reg.note([&](RegisterHistory& history) {
        history.read(span, value ? std::optional(Register::version_of(*value)) : std::nullopt);
    });
}

void Caller::note_write(Register& reg, Span span, Fate fate) {
    reg.note([&](RegisterHistory& history) { history.wrote(version_, span, fate); });
}

void Caller::note_incr(Counter& counter, Span span, const result<std::int64_t>& outcome) {
    counter.note([&](CounterHistory& history) {
        history.incremented(span, testing::fate_of(outcome), outcome ? std::optional(*outcome) : std::nullopt);
    });
}

void Caller::ended_read(const result<MaybeText>& outcome) {
    const Span span = end_call();
    (void)count(outcome);
    if (outcome) note_read(*reg_, span, *outcome);
}

void Caller::ended_write(Fate fate) { note_write(*reg_, end_call(), fate); }

void Caller::ended_clear(const result<std::int64_t>& outcome) {
    const Span span = end_call();
    const Fate fate = count(outcome);
    if (reg_->is_field()) return world_.hash_deleted(*reg_, span, fate);
    reg_->note([&](RegisterHistory& history) { history.deleted(span, fate); });
}

void Caller::ended_expire(const result<bool>& outcome) {
    const Span span = end_call();
    const Fate fate = count(outcome);
    if (outcome && !*outcome) return;  // there was no such key
    reg_->note([&](RegisterHistory& history) {
        history.expires(span, fate, std::chrono::nanoseconds(time_to_live_).count());
    });
}

void Caller::ended_incr(const result<std::int64_t>& outcome) {
    const Span span = end_call();
    (void)count(outcome);
    note_incr(*counter_, span, outcome);
}

void Caller::ended_read_counter(const result<MaybeText>& outcome) {
    const Span span = end_call();
    (void)count(outcome);
    if (outcome) counter_->note([&](CounterHistory& history) { history.read(span, Counter::number_of(*outcome)); });
}

void Caller::ended_added(Ids& ids, Fate fate) { ids.added(id_, fate, end_call().end); }

void Caller::ended_set_nx(const result<bool>& outcome) {
    const Span span = end_call();
    world_.unique().added(id_, count(outcome), span.end);
    // The key was this call's own: somebody has executed it before.
    if (outcome && !*outcome) deviates(fmt::format("SET NX of {} was applied twice", id_key_));
}

void Caller::ended_pipeline(const result<PipelineReplies>& outcome) {
    const Span span = end_call();
    const Fate fate = count(outcome, 5);
    Ids& list = world_.list_of(id_);
    Ids& stream = world_.stream_of(id_);
    if (!outcome) {
        note_incr(*counter_, span, outcome.error());
        list.added(id_, fate, span.end);
        stream.added(id_, fate, span.end);
        return note_write(*other_, span, fate);
    }
    const auto& [number, pushed, entry, stored, seen] = *outcome;
    note_incr(*counter_, span, number);
    (void)count_part(number, counter_->key());
    list.added(id_, count_part(pushed, list.key()), span.end);
    stream.added(id_, count_part(entry, stream.key()), span.end);
    note_write(*other_, span, count_part(stored, other_->key()));
    (void)count_part(seen, other_->key());
    if (seen) note_read(*other_, span, *seen);
}

void Caller::ended_read_many(const result<std::vector<MaybeText>>& outcome) {
    const Span span = end_call();
    (void)count(outcome);
    if (!outcome) return;
    for (std::size_t i = 0; i != many_.size(); ++i) note_read(*many_[i], span, outcome->at(i));
}

void Caller::ended_write_many(Fate fate) {
    const Span span = end_call();
    for (Register* const one : many_) note_write(*one, span, fate);
}

void Caller::ended_transaction(const result<TransactionReplies>& outcome) {
    const Span span = end_call();
    Fate fate = count(outcome, 3);
    result<std::int64_t> number = outcome ? result<std::int64_t>(0) : result<std::int64_t>(outcome.error());
    if (outcome && !*outcome) {
        deviates("a transaction that watches nothing was not executed");
        fate = Fate::unknown;
    } else if (outcome) {
        const auto& [pushed, stored, counted] = **outcome;
        if (!pushed || !stored || !counted) deviates("a command inside EXEC failed");
        if (stored && !*stored) deviates(fmt::format("the transaction {} was applied twice", id_));
        number = counted;
    }
    world_.transaction_list_of(id_).added(id_, fate, span.end);
    world_.transaction_keys(id_).added(id_, fate, span.end);
    note_incr(world_.transaction_counter(id_), span, number);
}

void Caller::count_failure(const Error& error) {
    ++tally_.failed[static_cast<std::size_t>(error.certainty)];
    ++tally_.by_kind[static_cast<std::size_t>(error.kind)];
    check_failure(error);
    if (!progress_.expects_cluster()) return;
    switch (act_) {
        case Act::incr:
        case Act::read_counter: return keep_failure(error, counter_->key(), true);
        case Act::set_nx: return keep_failure(error, id_key_, true);
        case Act::push: return keep_failure(error, world_.list_of(id_).key(), true);
        case Act::xadd: return keep_failure(error, world_.stream_of(id_).key(), true);
        case Act::watched: return keep_failure(error, world_.watched().key(), false);
        case Act::transaction: return keep_failure(error, world_.transaction_list_of(id_).key(), false);
        case Act::pipeline:
        case Act::read_many:
        case Act::write_many: return keep_failure(error, "", false);
        default: return keep_failure(error, reg_->key(), true);
    }
}

void Caller::keep_failure(const Error& error, std::string key, bool single) {
    progress_.failed({{begun_, world_.now()}, std::move(key), single, usual_, error.certainty, error.message()});
}

void Caller::check_failure(const Error& error) {
    const auto wrong = [&](std::string_view what) { deviates(fmt::format("{}: {}", what, error.message())); };
    switch (error.kind) {
        case ErrorKind::connection:
        case ErrorKind::timeout: break;
        case ErrorKind::circuit_open:
        case ErrorKind::pool_exhausted:
            refused_ = true;
            // An earlier attempt of a write that is repeated may have been applied, or another part of a command.
            if (error.certainty != Certainty::not_sent && error.attempts == 0 && act_ != Act::write_many &&
                act_ != Act::read_many) {
                wrong("refused, but sent");
            }
            break;
        case ErrorKind::server: {
            refused_ = true;
            // An error of several keys names what became of each; its cause is what the server said.
            const std::string_view prefix = error.cause ? error.cause->prefix() : error.prefix();
            if (prefix == "LOADING" || prefix == "EXECABORT") break;
            if (prefix == "READONLY" && progress_.expects_replicas()) break;
            const auto moves = {"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"};
            if (progress_.expects_cluster() && std::find(moves.begin(), moves.end(), prefix) != moves.end()) break;
            wrong("an answer that nothing can cause");
            break;
        }
        default: wrong("an error that nothing here can cause");
    }
}

}  // namespace redoubt::chaos
