// tests: what a caller of the soak makes of its outcomes; see the header.
#include "steps.hpp"

#include <fmt/format.h>

namespace redoubt::soak {

Act Steps::next_act() {
    const std::uint32_t chance = random_.below(100);
    if (chance < 42) return Act::get;
    if (chance < 66) return Act::set;
    if (chance < 82) return Act::incr;
    if (chance < 89) return Act::mget;
    if (chance < 92) return Act::get_counter;
    if (chance < 98) return Act::pipeline;
    return chance < 99 ? Act::incr_batch : Act::get_batch;
}

CallOptions Steps::next_options() {
    CallOptions options;
    // From hopeless (the loop may need longer for one turn) to generous.
    if (!random_.one_in(3)) options.deadline = std::chrono::microseconds(50u << random_.below(12));
    if (random_.one_in(2)) options.retries = random_.below(3);
    return options;
}

void Steps::counted_ok(std::uint64_t commands) noexcept {
    ++tally_.operations;
    ++tally_.ok;
    tally_.commands += commands;
    progress_.ended();
}

void Steps::counted_failure(const Error& error, std::uint64_t commands) {
    ++tally_.operations;
    tally_.commands += commands;
    ++tally_.failed[static_cast<std::size_t>(error.kind)][static_cast<std::size_t>(error.certainty)];
    progress_.ended();
    switch (error.kind) {
        case ErrorKind::connection:
        case ErrorKind::timeout: break;
        case ErrorKind::cancelled:
            if (!may_be_cancelled_) deviates("cancelled by nobody: " + error.message());
            break;
        case ErrorKind::circuit_open:
        case ErrorKind::pool_exhausted:
            refused_ = true;
            progress_.put_back();
            if (error.certainty != Certainty::not_sent) deviates("refused, but sent: " + error.message());
            break;
        default: deviates("an error that nothing here can cause: " + error.message());
    }
    if (error.elapsed > operation_timeout + lateness) deviates("far past its deadline: " + error.message());
}

void Steps::deviates(std::string_view what) {
    progress_.deviation(fmt::format("caller {} of {}: {}", caller_, project_of(caller_), what));
}

void Steps::ended_get(Register& slot, const result<MaybeText>& outcome) {
    (void)count(outcome, 1);
    if (outcome) check(slot.read(*outcome));
}

void Steps::ended_get_counter(const result<MaybeText>& outcome) {
    (void)count(outcome, 1);
    if (outcome) check(book_.counter().read(*outcome));
}

void Steps::ended_set(Register& slot, const result<bool>& outcome) {
    slot.written(count(outcome, 1));
    if (outcome && !*outcome) deviates("SET says that it did not store");
}

void Steps::ended_incr(const result<std::int64_t>& outcome) {
    const Fate fate = count(outcome, 1);
    check(book_.counter().incremented(fate, outcome ? std::optional(*outcome) : std::nullopt));
}

void Steps::ended_mget(const result<std::vector<MaybeText>>& outcome) {
    (void)count(outcome, Book::slots);
    if (!outcome) return;
    if (outcome->size() != Book::slots) return deviates(fmt::format("MGET gave {} values", outcome->size()));
    for (std::size_t i = 0; i < Book::slots; ++i) check(book_.slot(i).read((*outcome)[i]));
}

void Steps::ended_pipeline(Register& set, Register& other, const result<PipelineReplies>& outcome) {
    const Fate fate = count(outcome, 4);
    if (!outcome) {
        set.written(fate);
        return check(book_.counter().incremented(fate, std::nullopt));
    }
    const auto& [stored, number, read, read_other] = *outcome;
    if (is_good(stored)) {
        set.written(Fate::applied);
        if (!*stored) deviates("SET says that it did not store");
    }
    if (is_good(number)) check(book_.counter().incremented(Fate::applied, *number));
    if (is_good(read)) check(set.read(*read));
    if (is_good(read_other)) check(other.read(*read_other));
}

void Steps::ended_incr_batch(std::size_t count_asked, const result<BatchReplies>& outcome) {
    const Fate fate = count(outcome, count_asked);
    if (!outcome) {
        for (std::size_t i = 0; i < count_asked; ++i) check(book_.counter().incremented(fate, std::nullopt));
        return;
    }
    if (outcome->size() != count_asked) return deviates("a batch gave another number of replies");
    for (const result<std::int64_t>& number : *outcome) {
        if (is_good(number)) check(book_.counter().incremented(Fate::applied, *number));
    }
}

void Steps::ended_get_batch(std::size_t count_asked, const result<GetBatchReplies>& outcome) {
    (void)count(outcome, count_asked);
    if (!outcome) return;
    if (outcome->size() != count_asked) return deviates("a batch gave another number of replies");
    for (std::size_t i = 0; i < count_asked; ++i) {
        const result<MaybeText>& value = (*outcome)[i];
        if (is_good(value)) check(book_.slot(i % Book::slots).read(*value));
    }
}

}  // namespace redoubt::soak
