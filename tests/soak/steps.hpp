// tests: one caller of the soak: what it does next, and what it makes of each outcome. The calls themselves are made by
// coroutines and by blocking threads alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <redoubt/redoubt.hpp>

#include "support/random.hpp"

#include "ledger.hpp"
#include "report.hpp"

namespace redoubt::soak {

using testing::Random;

using MaybeText = std::optional<std::string>;

enum class Act : std::uint8_t { get, set, incr, mget, get_counter, pipeline, incr_batch, get_batch };

class Steps {
public:
    using PipelineReplies = std::tuple<result<bool>, result<std::int64_t>, result<MaybeText>, result<MaybeText>>;
    using BatchReplies = std::vector<result<std::int64_t>>;
    using GetBatchReplies = std::vector<result<MaybeText>>;

    Steps(std::uint32_t caller, std::uint64_t seed, Progress& progress, Tally& tally)
        : caller_(caller), book_(caller), random_(seed * 1'000'003 + caller), progress_(progress), tally_(tally) {}

    Act next_act();
    /// Of the call that comes: mostly none.
    CallOptions next_options();
    bool has_options() { return random_.one_in(24); }

    Book& book() noexcept { return book_; }
    Random& random() noexcept { return random_; }
    std::uint32_t caller() const noexcept { return caller_; }
    Register& any_slot() { return book_.slot(random_.below(Book::slots)); }

    /// While set, an outcome may be that the call was cancelled.
    void expect_cancellation(bool possible) noexcept { may_be_cancelled_ = possible; }

    void ended_get(Register& slot, const result<MaybeText>& outcome);
    void ended_get_counter(const result<MaybeText>& outcome);
    void ended_set(Register& slot, const result<bool>& outcome);
    void ended_incr(const result<std::int64_t>& outcome);
    void ended_mget(const result<std::vector<MaybeText>>& outcome);
    void ended_pipeline(Register& set, Register& other, const result<PipelineReplies>& outcome);
    void ended_incr_batch(std::size_t count, const result<BatchReplies>& outcome);
    void ended_get_batch(std::size_t count, const result<GetBatchReplies>& outcome);

    /// The call that ended last was refused at once: a pause is due, about as long as the breaker's.
    bool was_refused() noexcept { return std::exchange(refused_, false); }

private:
    /// Counts the outcome.
    template <class T>
    Fate count(const result<T>& outcome, std::uint64_t commands) {
        if (outcome) {
            counted_ok(commands);
            return Fate::applied;
        }
        const Error error = outcome.error();
        counted_failure(error, commands);
        return fate_of(error);
    }
    /// The error of one command among several: none is expected.
    template <class T>
    bool is_good(const result<T>& part) {
        if (part) return true;
        deviates("a command of a pipeline failed: " + part.error().message());
        return false;
    }
    void counted_ok(std::uint64_t commands) noexcept;
    void counted_failure(const Error& error, std::uint64_t commands);
    void check(Doubt&& doubt) {
        if (!doubt.empty()) deviates(doubt);
    }
    void deviates(std::string_view what);

    std::uint32_t caller_;
    Book book_;
    Random random_;
    Progress& progress_;
    Tally& tally_;
    bool may_be_cancelled_ = false;
    bool refused_ = false;
};

/// A deadline of the configuration; a call may take this much longer where the machine is busy.
constexpr Duration operation_timeout = 4s;
constexpr Duration lateness = 20s;
constexpr Duration pause_after_refusal = 20ms;

}  // namespace redoubt::soak
