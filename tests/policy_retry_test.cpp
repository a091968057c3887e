// policy: which failures are tried again, after what pause, and what the budget allows.
#include "policy/retry.hpp"

#include <array>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/base/config.hpp>

namespace redoubt::policy {
namespace {

constexpr RetrySettings usual{.max_retries = 3, .base = 1s, .cap = 10s, .idempotent_writes = false};
constexpr Duration plenty = 1h;

Error error_of(ErrorKind kind, Certainty certainty, Stage stage = Stage::sent) {
    return Error::of(kind, certainty, stage, "why");
}

Error server_error(std::string line, Certainty certainty = Certainty::rejected) {
    return Error::with_detail(ErrorKind::server, certainty, Stage::reply, std::move(line));
}

bool retried(const Error& error, RetryCategory category = RetryCategory::never, RetrySettings settings = usual) {
    return retry_pause(settings, category, error, 1, 0.5, plenty).pause.has_value();
}

TEST(RetryPause, DoublesUpToTheCapWithFullJitter) {
    RetrySettings settings = usual;
    settings.max_retries = 100;
    const auto lost = error_of(ErrorKind::connection, Certainty::not_sent);
    const auto pause = [&](std::uint32_t attempts, double chance) {
        return retry_pause(settings, RetryCategory::never, lost, attempts, chance, plenty).pause;
    };
    EXPECT_EQ(pause(1, 0.5), 500ms);
    EXPECT_EQ(pause(2, 0.5), 1s);
    EXPECT_EQ(pause(3, 0.5), 2s);
    EXPECT_EQ(pause(4, 0.5), 4s);
    EXPECT_EQ(pause(5, 0.5), 5s);
    EXPECT_EQ(pause(100, 0.5), 5s);
    EXPECT_EQ(pause(4, 0.0), 0s);
    EXPECT_EQ(pause(4, 0.25), 2s);
}

TEST(RetryPause, CannotOverflow) {
    const RetrySettings settings{.max_retries = std::numeric_limits<std::uint32_t>::max(),
                                 .base = Duration::max() / 2,
                                 .cap = 24h,
                                 .idempotent_writes = false};
    const auto lost = error_of(ErrorKind::connection, Certainty::not_sent);
    EXPECT_EQ(retry_pause(settings, RetryCategory::never, lost, std::numeric_limits<std::uint32_t>::max(), 0.5,
                          Duration::max())
                  .pause,
              12h);
}

TEST(RetryPause, EndsAfterTheRetriesThatAreAllowed) {
    const auto lost = error_of(ErrorKind::connection, Certainty::not_sent);
    const auto after = [&](std::uint32_t attempts, std::uint32_t max_retries) {
        RetrySettings settings = usual;
        settings.max_retries = max_retries;
        return retry_pause(settings, RetryCategory::read_only, lost, attempts, 0.5, plenty).pause.has_value();
    };
    EXPECT_TRUE(after(3, 3));
    EXPECT_FALSE(after(4, 3));
    EXPECT_FALSE(after(1, 0));
    EXPECT_TRUE(after(1, 1));
}

TEST(RetryPause, NeverReachesTheDeadline) {
    const auto lost = error_of(ErrorKind::connection, Certainty::not_sent);
    const auto within = [&](Duration remaining) {
        return retry_pause(usual, RetryCategory::read_only, lost, 1, 0.5, remaining).pause.has_value();
    };
    EXPECT_TRUE(within(501ms));
    EXPECT_FALSE(within(500ms));
    EXPECT_FALSE(within(0s));
    EXPECT_FALSE(within(-1s));
    EXPECT_FALSE(retry_pause(usual, RetryCategory::read_only, lost, 1, 0.0, 0s).pause.has_value());
}

TEST(RetryPause, SaysThatTimeWasShortOnlyWhenNothingElseWasInTheWay) {
    const auto why = [](const Error& error, RetryCategory category, std::uint32_t attempts, Duration remaining) {
        return retry_pause(usual, category, error, attempts, 0.5, remaining).why;
    };
    const auto lost = error_of(ErrorKind::connection, Certainty::not_sent);
    EXPECT_EQ(why(lost, RetryCategory::never, 1, plenty), NotRetried::none);
    EXPECT_EQ(why(lost, RetryCategory::never, 1, 500ms), NotRetried::no_time);
    EXPECT_EQ(why(lost, RetryCategory::never, 4, 500ms), NotRetried::none);
    EXPECT_EQ(why(error_of(ErrorKind::connection, Certainty::unknown), RetryCategory::accumulating, 1, 0s),
              NotRetried::none);
    EXPECT_EQ(why(error_of(ErrorKind::circuit_open, Certainty::not_sent), RetryCategory::read_only, 1, 0s),
              NotRetried::none);
}

TEST(RetryPause, AppliesNoWriteTwice) {
    struct Row {
        RetryCategory category;
        bool by_default;
        bool opted_in;
    };
    constexpr std::array rows{Row{RetryCategory::read_only, true, true}, Row{RetryCategory::idempotent, false, true},
                              Row{RetryCategory::conditional, false, false},
                              Row{RetryCategory::accumulating, false, false}, Row{RetryCategory::never, false, false}};
    RetrySettings opted_in = usual;
    opted_in.idempotent_writes = true;
    for (const auto& row : rows) {
        SCOPED_TRACE(static_cast<int>(row.category));
        const auto unknown = error_of(ErrorKind::connection, Certainty::unknown);
        EXPECT_EQ(retried(unknown, row.category), row.by_default);
        EXPECT_EQ(retried(unknown, row.category, opted_in), row.opted_in);
        for (const auto certainty : {Certainty::not_sent, Certainty::rejected})
            EXPECT_TRUE(retried(error_of(ErrorKind::connection, certainty), row.category));
        EXPECT_FALSE(retried(error_of(ErrorKind::connection, Certainty::applied), row.category, opted_in));
    }
}

TEST(RetryPause, KindsThatAnotherAttemptCannotHelp) {
    for (const auto kind :
         {ErrorKind::circuit_open, ErrorKind::isolation, ErrorKind::configuration, ErrorKind::reply_type,
          ErrorKind::key_not_found, ErrorKind::cancelled, ErrorKind::authentication, ErrorKind::memory}) {
        EXPECT_FALSE(retried(error_of(kind, Certainty::not_sent), RetryCategory::read_only)) << to_string(kind);
    }
    for (const auto kind : {ErrorKind::connection, ErrorKind::timeout, ErrorKind::pool_exhausted})
        EXPECT_TRUE(retried(error_of(kind, Certainty::not_sent), RetryCategory::read_only)) << to_string(kind);
}

TEST(RetryPause, AnAttemptsTimeOutIsRetriedAndTheCallsIsNot) {
    for (const auto stage : {Stage::connecting, Stage::handshake, Stage::queued, Stage::sent})
        EXPECT_TRUE(retried(error_of(ErrorKind::timeout, Certainty::not_sent, stage))) << to_string(stage);
    for (const auto stage : {Stage::admission, Stage::waiting_for_wire, Stage::backoff})
        EXPECT_FALSE(retried(error_of(ErrorKind::timeout, Certainty::not_sent, stage))) << to_string(stage);
}

TEST(RetryPause, OnlyPassingRefusalsOfTheServerAreRetried) {
    for (const auto* const line :
         {"LOADING Redis is loading", "CLUSTERDOWN The cluster is down", "MASTERDOWN Link with MASTER is down",
          "TRYAGAIN Multiple keys", "READONLY You can't write", "BUSY Redis is busy", "NOREPLICAS Not enough",
          "ERR max number of clients reached"})
        EXPECT_TRUE(retried(server_error(line))) << line;
    for (const auto* const line :
         {"WRONGTYPE Operation", "ERR syntax error", "NOSCRIPT No", "LOADINGX", "", "EXECABORT"})
        EXPECT_FALSE(retried(server_error(line), RetryCategory::read_only)) << line;
    // A script can forge one after it has written.
    EXPECT_FALSE(retried(server_error("LOADING forged", Certainty::unknown), RetryCategory::never));
}

TEST(RetryBudget, AllowsRetriesAboveHalf) {
    RetryBudget budget{10};
    for (int i = 0; i < 4; ++i) budget.on_failure();
    EXPECT_TRUE(budget.allows_retry());  // 6 tokens
    budget.on_failure();
    EXPECT_FALSE(budget.allows_retry());  // 5
    budget.on_success();
    EXPECT_TRUE(budget.allows_retry());  // 5.1
}

TEST(RetryBudget, StaysBetweenNothingAndFull) {
    RetryBudget budget{10};
    for (int i = 0; i < 1000; ++i) budget.on_success();
    for (int i = 0; i < 5; ++i) budget.on_failure();
    EXPECT_FALSE(budget.allows_retry());
    for (int i = 0; i < 1000; ++i) budget.on_failure();
    for (int i = 0; i < 50; ++i) budget.on_success();
    EXPECT_FALSE(budget.allows_retry());  // 5.0
    budget.on_success();
    EXPECT_TRUE(budget.allows_retry());
}

TEST(RetryBudget, TakesAnySize) {
    EXPECT_FALSE(RetryBudget{0}.allows_retry());
    RetryBudget huge{std::numeric_limits<std::uint32_t>::max()};
    EXPECT_TRUE(huge.allows_retry());
    huge.on_failure();
    huge.on_success();
    EXPECT_TRUE(huge.allows_retry());
}

TEST(RetryBudget, GivesBackWhatItWasToldTo) {
    for (const auto& [refill, successes] :
         {std::pair{1.0, 1}, std::pair{0.5, 2}, std::pair{0.25, 4}, std::pair{0.01, 100}, std::pair{0.001, 1000}}) {
        RetryBudget budget{4, refill};
        for (int i = 0; i < 3; ++i) budget.on_failure();  // one is left
        for (int i = 0; i < successes; ++i) budget.on_success();
        EXPECT_FALSE(budget.allows_retry()) << refill;  // two: half
        budget.on_success();
        EXPECT_TRUE(budget.allows_retry()) << refill;
    }
}

TEST(RetryBudget, LosesNoTokenBetweenThreads) {
    RetryBudget budget{100'000};
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; ++thread)
            threads.emplace_back([&budget] {
                for (int i = 0; i < 12'500; ++i) budget.on_failure();
            });
    }
    EXPECT_FALSE(budget.allows_retry());  // exactly half is left
    budget.on_success();
    EXPECT_TRUE(budget.allows_retry());
}

}  // namespace
}  // namespace redoubt::policy
