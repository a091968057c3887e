// dispatch: one call alone: what follows a failed attempt, what its errors say, which replies are errors, what counts.
#include <redoubt/dispatch/call_state.hpp>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/resp/read_reply.hpp>

#include "connection/server_error.hpp"
#include "dispatch/call_settings.hpp"
#include "dispatch/dispatcher.hpp"

namespace redoubt::dispatch {
namespace {

const TimePoint start = TimePoint{} + 1h;
const KeyPrefix prefix{"proj:a:"};

CallSettings settings_with(std::uint32_t retries = 3) {
    return {10s, 2s, {.max_retries = retries, .base = 1s, .cap = 10s, .idempotent_writes = false}};
}
Error lost(Certainty certainty) { return Error::of(ErrorKind::connection, certainty, Stage::sent, "lost"); }

const CallOptions no_options;

TimePoint deadline_with(const CallOptions& options) {
    return CallState(settings_with().operation_timeout, options, start).deadline();
}

CallState::Failure failed(RetryCategory category, TimePoint now = start, bool partly = false) {
    CallState::Failure failure;
    failure.category = category;
    failure.partly_answered = partly;
    failure.chance = 0.5;
    failure.now = now;
    return failure;
}

/// After `attempts` attempts that ended with the error, `later` after the call began.
std::optional<Duration> pause_after(const Error& error, RetryCategory category, const CallOptions& options = {},
                                    std::uint32_t attempts = 1, Duration later = 0s, bool partly = false) {
    const policy::RetryBudget budget;
    CallState state(settings_with().operation_timeout, options, start);
    for (std::uint32_t i = 0; i != attempts; ++i) state.begin_attempt();
    Error told = error;
    return state.after_failure(settings_with(), told, failed(category, start + later, partly), budget);
}

TEST(CallState, CertaintyAndCategoryDecideWhetherAnotherAttemptIsMade) {
    using enum RetryCategory;
    constexpr std::array categories{read_only, idempotent, conditional, accumulating, never};
    for (const RetryCategory category : categories) {
        for (const bool opted_in : {false, true}) {
            SCOPED_TRACE(::testing::Message() << static_cast<int>(category) << opted_in);
            const CallOptions options{.retry_idempotent_writes = opted_in};
            EXPECT_TRUE(pause_after(lost(Certainty::not_sent), category, options));
            EXPECT_TRUE(pause_after(lost(Certainty::rejected), category, options));
            EXPECT_FALSE(pause_after(lost(Certainty::applied), category, options));
            EXPECT_EQ(pause_after(lost(Certainty::unknown), category, options).has_value(),
                      category == read_only || (category == idempotent && opted_in));
            // What was answered in part is never made again, whatever is known of the rest.
            for (const Certainty certainty : {Certainty::not_sent, Certainty::rejected, Certainty::unknown}) {
                EXPECT_FALSE(pause_after(lost(certainty), category, options, 1, 0s, true));
            }
        }
    }
}

TEST(CallState, WhatAnEarlierAttemptLeftOpenStaysOpen) {
    for (const RetryCategory category : {RetryCategory::read_only, RetryCategory::idempotent}) {
        for (const Certainty last :
             {Certainty::not_sent, Certainty::rejected, Certainty::unknown, Certainty::applied}) {
            const CallOptions options{.retry_idempotent_writes = true};
            CallState state(10s, options, start);
            state.begin_attempt();
            const policy::RetryBudget budget;
            Error first = lost(Certainty::unknown);
            ASSERT_TRUE(state.after_failure(settings_with(), first, failed(category), budget));
            state.begin_attempt();
            Error error = lost(last);
            state.describe(error, "DEL", nullptr, start);
            EXPECT_EQ(error.attempts, 2U);
            const bool open = category == RetryCategory::idempotent && last != Certainty::applied;
            EXPECT_EQ(error.certainty, open ? Certainty::unknown : last);
        }
    }
    // A failure after which nothing was tried again is told as it is.
    CallState state(10s, no_options, start);
    state.begin_attempt();
    Error error = lost(Certainty::not_sent);
    (void)state.after_failure(settings_with(0), error, failed(RetryCategory::idempotent), policy::RetryBudget{});
    state.describe(error, "DEL", nullptr, start);
    EXPECT_EQ(error.certainty, Certainty::not_sent);
}

TEST(CallState, TheCallersOptionsWinOverTheSettings) {
    const Error error = lost(Certainty::not_sent);
    EXPECT_TRUE(pause_after(error, RetryCategory::never, {}, 3));
    EXPECT_FALSE(pause_after(error, RetryCategory::never, {}, 4));
    EXPECT_FALSE(pause_after(error, RetryCategory::never, {.retries = 0}));
    EXPECT_TRUE(pause_after(error, RetryCategory::never, {.deadline = 1h, .retries = 9}, 9));
    CallSettings settings = settings_with();
    settings.retry.idempotent_writes = true;
    const CallOptions options{.retry_idempotent_writes = false};
    CallState state(settings.operation_timeout, options, start);
    state.begin_attempt();
    Error error_of_write = lost(Certainty::unknown);
    EXPECT_FALSE(
        state.after_failure(settings, error_of_write, failed(RetryCategory::idempotent), policy::RetryBudget{}));

    const CallOptions all{
        .deadline = 1s, .retries = 2, .retry_idempotent_writes = true, .retry_as = RetryAs::at_least_once};
    const CallOptions merged = CallOptions{.retries = 7}.merged_over(all);
    EXPECT_EQ(merged.deadline, 1s);
    EXPECT_EQ(merged.retries, 7u);
    EXPECT_EQ(merged.retry_idempotent_writes, true);
    EXPECT_EQ(merged.retry_as, RetryAs::at_least_once);
    EXPECT_EQ(CallOptions{.retry_as = RetryAs::never}.merged_over(all).retry_as, RetryAs::never);
}

TEST(CallState, ACallersWordDecidesWithinWhatItCanMean) {
    using enum RetryCategory;
    constexpr std::array categories{read_only, idempotent, conditional, accumulating, never};
    for (const RetryCategory category : categories) {
        SCOPED_TRACE(static_cast<int>(category));
        const auto retried = [&](RetryAs word, Certainty certainty) {
            return pause_after(lost(certainty), category, {.retry_as = word}).has_value();
        };
        for (const Certainty certainty :
             {Certainty::not_sent, Certainty::rejected, Certainty::unknown, Certainty::applied}) {
            EXPECT_FALSE(retried(RetryAs::never, certainty));
        }
        for (const RetryAs word : {RetryAs::idempotent, RetryAs::at_least_once}) {
            EXPECT_TRUE(retried(word, Certainty::not_sent));
            EXPECT_TRUE(retried(word, Certainty::rejected));
            EXPECT_FALSE(retried(word, Certainty::applied));
        }
        // What adds each time cannot be idempotent, whoever says so; it takes the other words.
        EXPECT_EQ(retried(RetryAs::idempotent, Certainty::unknown), category != accumulating);
        EXPECT_TRUE(retried(RetryAs::at_least_once, Certainty::unknown));
        // Nor does any word repeat what was answered in part.
        EXPECT_FALSE(
            pause_after(lost(Certainty::unknown), category, {.retry_as = RetryAs::at_least_once}, 1, 0s, true));
    }
    // The word wins over what is configured for all idempotent writes.
    EXPECT_TRUE(pause_after(lost(Certainty::unknown), RetryCategory::idempotent,
                            {.retry_idempotent_writes = false, .retry_as = RetryAs::idempotent}));
}

TEST(CallState, AnErrorSaysWhyTheCallWasNotTriedAgain) {
    policy::RetryBudget spent;
    for (int i = 0; i != 10; ++i) spent.on_failure();
    const policy::RetryBudget whole;
    const auto text = [&](Duration deadline, TimePoint refused_until, const policy::RetryBudget& budget,
                          std::uint32_t retries = 3) {
        const CallOptions options{.deadline = deadline, .retries = retries};
        CallState state(settings_with().operation_timeout, options, start);
        state.begin_attempt();
        Error error = lost(Certainty::not_sent);
        CallState::Failure failure = failed(RetryCategory::read_only);
        failure.refused_until = refused_until;
        const bool again = state.after_failure(settings_with(), error, failure, budget).has_value();
        state.describe(error, "GET", nullptr, start);
        return again ? std::string("again") : error.message();
    };
    const auto has = [](const std::string& told, std::string_view part) {
        return told.find(part) != std::string::npos;
    };
    EXPECT_EQ(text(1s, TimePoint::min(), whole), "again");
    EXPECT_TRUE(has(text(1s, TimePoint::min(), spent), "not tried again: retry budget exhausted"));
    EXPECT_TRUE(has(text(500ms, TimePoint::min(), whole), "not tried again: the pause would pass the deadline"));
    EXPECT_TRUE(has(text(1s, start + 501ms, whole), "not tried again: the node's circuit breaker is open"));
    EXPECT_EQ(text(1s, start + 500ms, whole), "again");  // just then it is half open, and may have closed
    EXPECT_FALSE(has(text(1s, start + 1h, spent, 0), "not tried again"));
}

TEST(Charge, OnlyWhatSaysSomethingOfTheServerCostsTheBudget) {
    const auto left = [](const Error& error) {
        policy::RetryBudget budget;
        for (int i = 0; i != 10; ++i) {
            if (costs_budget(error)) budget.on_failure();
        }
        return budget.allows_retry();
    };
    EXPECT_FALSE(left(lost(Certainty::unknown)));
    EXPECT_FALSE(left(Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent, "late")));
    EXPECT_FALSE(left(Error::of(ErrorKind::server, Certainty::rejected, Stage::reply, "LOADING")));
    EXPECT_TRUE(left(Error::of(ErrorKind::server, Certainty::rejected, Stage::reply, "WRONGTYPE no list")));
    EXPECT_TRUE(left(Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire, "full")));
    EXPECT_TRUE(left(Error::of(ErrorKind::circuit_open, Certainty::not_sent, Stage::admission, "open")));
    EXPECT_TRUE(left(Error::of(ErrorKind::cancelled, Certainty::not_sent, Stage::queued, "cancelled")));
}

TEST(CallState, ThePauseEndsBeforeTheDeadline) {
    const Error error = lost(Certainty::not_sent);
    EXPECT_EQ(pause_after(error, RetryCategory::read_only), 500ms);
    EXPECT_EQ(pause_after(error, RetryCategory::read_only, {}, 2), 1s);
    EXPECT_TRUE(pause_after(error, RetryCategory::read_only, {}, 1, 9400ms));
    EXPECT_FALSE(pause_after(error, RetryCategory::read_only, {}, 1, 9500ms));
    EXPECT_FALSE(pause_after(error, RetryCategory::read_only, {}, 1, 11s));
    EXPECT_FALSE(pause_after(error, RetryCategory::read_only, {.deadline = 400ms}));
    EXPECT_EQ(deadline_with({}), start + 10s);
    EXPECT_EQ(deadline_with({.deadline = 50ms}), start + 50ms);
}

TEST(CallState, ADeadlineThatIsNoneDoesNotOverflow) {
    EXPECT_GT(deadline_with({.deadline = Duration::max()}), start + 24h);
    EXPECT_EQ(deadline_with({.deadline = Duration::min()}), start);
}

TEST(CallState, AnOutageIsNotMultipliedByRetries) {
    policy::RetryBudget budget;
    CallState state(settings_with().operation_timeout, no_options, start);
    state.begin_attempt();
    const auto allowed = [&] {
        Error error = lost(Certainty::not_sent);
        return state.after_failure(settings_with(), error, failed(RetryCategory::read_only), budget).has_value();
    };
    EXPECT_TRUE(allowed());
    for (int i = 0; i != 10; ++i) budget.on_failure();
    EXPECT_FALSE(allowed());
}

TEST(CallState, ErrorsSayHowOftenHowLongWhatAndWhereTo) {
    CallState state(settings_with().operation_timeout, no_options, start);
    state.begin_attempt();
    state.begin_attempt();
    EXPECT_EQ(state.attempts(), 2u);
    Error error = lost(Certainty::unknown);
    state.describe(error, "INCR", std::make_shared<const ErrorOrigin>(ErrorOrigin{"cache:6379", "alpha"}),
                   start + 1500ms);
    EXPECT_EQ(error.attempts, 2u);
    EXPECT_EQ(error.elapsed, 1500ms);
    const std::string text = error.message();
    for (const char* part :
         {"INCR: lost", "certainty unknown", "project \"alpha\"", "endpoint cache:6379", "2 attempts"}) {
        EXPECT_NE(text.find(part), std::string::npos) << text;
    }
}

TEST(Chance, IsWithinItsBounds) {
    double low = 1, high = 0;
    for (int i = 0; i != 1000; ++i) {
        const double value = chance();
        low = std::min(low, value);
        high = std::max(high, value);
    }
    EXPECT_GE(low, 0.0);
    EXPECT_LT(high, 1.0);
    EXPECT_GT(high - low, 0.5);
}

/// Reads integers, and refuses what the test says.
class Integers final : public ReplySink {
public:
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& with) override {
        std::int64_t value = 0;
        ReadOutcome outcome = read_reply(cursor, with, value);
        if (outcome && value == foreign) outcome = ReadOutcome::foreign_key();
        if (outcome) values.push_back({index, value});
        return outcome;
    }
    void fail(std::uint32_t index, const Error& error) override { failures.push_back({index, error}); }

    static constexpr std::int64_t foreign = 666;
    std::vector<std::pair<std::uint32_t, std::int64_t>> values;
    std::vector<std::pair<std::uint32_t, Error>> failures;
};

TEST(ReplyReader, AnErrorOfASingleCommandIsTheCalls) {
    Integers sink;
    ReplyReader reader(sink, prefix, 1, ErrorTrust::full);
    EXPECT_TRUE(reader.take("-WRONGTYPE against proj:a:k\r\n"));
    ASSERT_TRUE(reader.error());
    EXPECT_EQ(reader.error()->reason(), "WRONGTYPE against k");
    EXPECT_EQ(reader.error()->certainty, Certainty::rejected);
    EXPECT_EQ(reader.taken(), 1u);
    EXPECT_TRUE(sink.failures.empty());
    reader.restart();
    EXPECT_FALSE(reader.error());
    EXPECT_EQ(reader.taken(), 0u);
    EXPECT_TRUE(reader.take(":7\r\n"));
    EXPECT_FALSE(reader.error());
    EXPECT_EQ(sink.values.at(0).second, 7);

    ReplyReader scripts(sink, prefix, 1, ErrorTrust::if_before_execution);
    EXPECT_TRUE(scripts.take("!12\r\nLOADING fake\r\n"));
    EXPECT_EQ(scripts.error()->certainty, Certainty::unknown);
}

TEST(ReplyReader, AnErrorOfOneOfSeveralIsItsOwn) {
    Integers sink;
    ReplyReader reader(sink, prefix, 4, ErrorTrust::full);
    EXPECT_TRUE(reader.take(":1\r\n"));
    EXPECT_TRUE(reader.take("-ERR two\r\n"));
    EXPECT_TRUE(reader.take("+three\r\n"));
    EXPECT_TRUE(reader.take(":4\r\n"));
    EXPECT_FALSE(reader.error());
    EXPECT_EQ(reader.taken(), 4u);
    EXPECT_EQ(sink.values, (std::vector<std::pair<std::uint32_t, std::int64_t>>{{0, 1}, {3, 4}}));
    ASSERT_EQ(sink.failures.size(), 2u);
    EXPECT_EQ(sink.failures[0].first, 1u);
    EXPECT_EQ(sink.failures[0].second.reason(), "ERR two");
    EXPECT_EQ(sink.failures[1].first, 2u);
    EXPECT_EQ(sink.failures[1].second.kind, ErrorKind::reply_type);
}

TEST(ReplyReader, AReplyOfTheWrongTypeWasAppliedAndAForeignKeyClosesTheWire) {
    Integers sink;
    ReplyReader reader(sink, prefix, 1, ErrorTrust::full);
    EXPECT_TRUE(reader.take("*0\r\n"));
    EXPECT_EQ(reader.error()->kind, ErrorKind::reply_type);
    EXPECT_EQ(reader.error()->certainty, Certainty::applied);
    EXPECT_NE(reader.error()->reason().find("got array"), std::string_view::npos) << reader.error()->message();
    reader.restart();
    EXPECT_FALSE(reader.take(":666\r\n"));
    EXPECT_EQ(reader.error()->kind, ErrorKind::isolation);
    EXPECT_EQ(reader.error()->certainty, Certainty::applied);
}

TEST(RecordAttempt, CountsWhatTellsOfTheNodeAndNothingElse) {
    RedisServiceConfig config;
    config.circuit_breaker.failure_threshold = 2;
    enum class Counted { success, failure, nothing };
    struct Row {
        std::optional<Error> error;
        FailureSource source;
        bool attempt_timeout_was_shorter;
        Counted counted;
    };
    const auto of = [](ErrorKind kind, Stage stage) { return Error::of(kind, Certainty::unknown, stage, "x"); };
    const auto reply = [](std::string_view text) { return connection::from_server_error(text, prefix); };
    constexpr auto own = FailureSource::operation;
    const std::vector<Row> rows{
        {std::nullopt, own, false, Counted::success},
        {of(ErrorKind::connection, Stage::sent), FailureSource::wire, true, Counted::nothing},  // its owner counts it
        {of(ErrorKind::timeout, Stage::sent), FailureSource::wire, true, Counted::nothing},
        {of(ErrorKind::timeout, Stage::sent), own, true, Counted::failure},
        {of(ErrorKind::timeout, Stage::sent), own, false, Counted::nothing},  // the caller's haste
        {of(ErrorKind::timeout, Stage::queued), own, true, Counted::nothing},
        {of(ErrorKind::pool_exhausted, Stage::waiting_for_wire), own, true, Counted::nothing},
        {of(ErrorKind::cancelled, Stage::sent), own, true, Counted::nothing},
        {of(ErrorKind::connection, Stage::connecting), own, true, Counted::nothing},
        {reply("LOADING"), own, true, Counted::failure},
        {reply("CLUSTERDOWN x"), own, false, Counted::failure},
        {reply("MASTERDOWN x"), own, true, Counted::failure},
        {reply("WRONGTYPE x"), own, true, Counted::success},
        {reply("NOPERM x"), own, true, Counted::success},
        {reply("NOSCRIPT x"), own, true, Counted::success},
        {reply("OOM x"), own, true, Counted::success},
        {of(ErrorKind::reply_type, Stage::reply), own, true, Counted::success},
    };
    for (const Row& row : rows) {
        RedisServiceConfig copy = config;
        const Target target = copy.resolve();
        pool::Node node(copy, target, std::make_shared<Telemetry>());
        for (int i = 0; i != 2; ++i) {
            const pool::Node::Admission admission = node.admit(Clock::now());
            ASSERT_TRUE(admission);
            record_attempt(node, admission, row.error ? &*row.error : nullptr, row.source,
                           row.attempt_timeout_was_shorter, Clock::now(), Duration::zero());
        }
        const CircuitBreakerMetrics metrics = node.breaker().metrics(Clock::now());
        const std::string which = row.error ? row.error->message() : "success";
        EXPECT_EQ(metrics.successful_calls, row.counted == Counted::success ? 2u : 0u) << which;
        EXPECT_EQ(metrics.failed_calls, row.counted == Counted::failure ? 2u : 0u) << which;
        EXPECT_EQ(node.breaker().state(), row.counted == Counted::failure ? CircuitState::open : CircuitState::closed)
            << which;
    }
}

}  // namespace
}  // namespace redoubt::dispatch
