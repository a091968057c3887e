// service: what a project's keys take, measured at both real servers: whole, as a sample, cut short, and as its own user.
#include <future>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <boost/asio.hpp>
#include <boost/json.hpp>

#include "support/acl_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::error_of;

class MemoryReports : public testing::LiveServiceTest {
protected:
    ProjectIsolatedRedisClient alpha() {
        if (!service_) {
            RedisServiceConfig given = config();
            service_ = std::make_unique<RedisService>(given);
            service_->initialize();
        }
        return service_->get_connection("alpha");
    }
    /// `count` strings of two sizes, and one of each other type; and another project's.
    void plant(int count) {
        const auto redis = alpha();
        auto batch = redis.batch<bool>();
        const std::string small(50, 's');
        const std::string large(2000, 'l');
        for (int i = 0; i != count; ++i) {
            const std::string key = "user:" + std::to_string(i) + ":name";
            i % 10 == 0 ? batch.set(key, large, {.ex = 1h}) : batch.set(key, small);
        }
        (void)std::move(batch).execute();
        redis.hset("cart:3f2504e0-4f89-11d3-9a0c-0305e82c3301", "a", "b");
        redis.rpush("queue", std::string(30'000, 'q'));
        redis.sadd("tags", "x");
        redis.zadd("board", 1.0, "x");
        const auto beta = service_->get_connection("beta");
        for (int i = 0; i != 50; ++i) beta.set("other" + std::to_string(i), large);
    }
    /// By the server itself, key by key.
    std::int64_t truth() {
        std::int64_t bytes = 0;
        for (const std::string& key : raw().strings({"KEYS", "proj:alpha:*"})) {
            bytes += std::stoll(raw().strings({"MEMORY", "USAGE", key}).at(0));
        }
        return bytes;
    }

    std::unique_ptr<RedisService> service_;
};

TEST_P(MemoryReports, OfAWholeProjectAreExact) {
    plant(300);
    const MemoryReport report = alpha().memory_report();
    EXPECT_EQ(report.found, 304u);
    EXPECT_EQ(report.measured, 304u);
    EXPECT_TRUE(report.walked_all);
    EXPECT_FALSE(report.stopped);
    EXPECT_EQ(report.bytes, truth());
    EXPECT_DOUBLE_EQ(report.estimated_bytes, static_cast<double>(report.bytes));
    EXPECT_DOUBLE_EQ(report.standard_error_bytes, 0);
    EXPECT_EQ(report.without_ttl, 274u);
    std::map<std::string, std::uint64_t> types;
    for (const auto& group : report.types) types[group.name] = group.keys;
    EXPECT_EQ(types, (std::map<std::string, std::uint64_t>{
                         {"string", 300}, {"hash", 1}, {"list", 1}, {"set", 1}, {"zset", 1}}));
    std::map<std::string, std::uint64_t> patterns;
    for (const auto& group : report.patterns) patterns[group.name] = group.keys;
    EXPECT_EQ(patterns, (std::map<std::string, std::uint64_t>{
                            {"user:*:name", 300}, {"cart:*", 1}, {"queue", 1}, {"tags", 1}, {"board", 1}}));
    ASSERT_EQ(report.largest.size(), 10u);
    EXPECT_EQ(report.largest[0].name, "queue");
    EXPECT_EQ(report.largest[0].type, "list");
    EXPECT_FALSE(report.largest[0].expires);
    EXPECT_TRUE(report.largest[1].expires);
    EXPECT_TRUE(report.largest[1].name.starts_with("user:"));

    const MemoryReport some = alpha().memory_report({.match = "user:1?:*", .top = 0});
    EXPECT_EQ(some.found, 10u);
    EXPECT_TRUE(some.largest.empty());
    EXPECT_EQ(alpha().memory_report({.match = "nothing*"}).found, 0u);
}

TEST_P(MemoryReports, OfASampleHoldTheTruth) {
    plant(5000);
    const auto exact = static_cast<double>(truth());
    int held = 0;
    for (int i = 0; i != 10; ++i) {
        const MemoryReport report = alpha().memory_report({.max_keys = 500});
        EXPECT_EQ(report.found, 5004u);
        EXPECT_EQ(report.measured, 500u);
        EXPECT_TRUE(report.walked_all);
        EXPECT_GT(report.standard_error_bytes, 0);
        // The list of 30'000 bytes is no key like the others, and may be in the sample or not: three errors.
        if (std::abs(report.estimated_bytes - exact) < 3 * report.standard_error_bytes) ++held;
        EXPECT_NEAR(report.estimated_bytes, exact, exact / 2);
    }
    EXPECT_GE(held, 8);
}

TEST_P(MemoryReports, TellHowFarTheyAreAndCanBeStopped) {
    plant(2000);
    std::vector<MemoryReportProgress> told;
    const MemoryReport report = alpha().memory_report({.max_keys = 1000, .page = 100}, [&](const auto& progress) {
        told.push_back(progress);
        return true;
    });
    EXPECT_EQ(report.measured, 1000u);
    ASSERT_GE(told.size(), 20u);
    bool measuring = false;
    double before = 0;
    for (const MemoryReportProgress& progress : told) {
        if (progress.measuring != measuring) before = 0;
        EXPECT_TRUE(!measuring || progress.measuring);
        EXPECT_GE(progress.fraction, before);
        EXPECT_LE(progress.fraction, 1.0);
        measuring = progress.measuring;
        before = progress.fraction;
    }
    EXPECT_DOUBLE_EQ(told.back().fraction, 1.0);
    EXPECT_EQ(told.back().measured, 1000u);

    const MemoryReport walking = alpha().memory_report({.page = 10}, [](const auto&) { return false; });
    EXPECT_TRUE(walking.stopped);
    EXPECT_FALSE(walking.walked_all);
    EXPECT_EQ(walking.measured, 0u);
    const MemoryReport half = alpha().memory_report({}, [](const auto& progress) { return progress.measured < 500; });
    EXPECT_TRUE(half.stopped);
    EXPECT_EQ(half.measured, 500u);
    EXPECT_GT(half.standard_error_bytes, 0);
}

// The time is over long before the walk is: what was seen is scaled up by how far it came.
TEST_P(MemoryReports, CutShortByTimeEstimateTheRest) {
    plant(20'000);
    const auto exact = static_cast<double>(truth());
    std::size_t pages = 0;
    const MemoryReport report =
        alpha().memory_report({.max_keys = 1000, .time = 300ms, .page = 20}, [&](const MemoryReportProgress& progress) {
            // As if the network were slow: the clock decides, not this.
            const TimePoint until = Clock::now() + (progress.measuring ? 0ms : 2ms);
            while (Clock::now() < until) {}
            ++pages;
            return true;
        });
    EXPECT_FALSE(report.walked_all);
    EXPECT_FALSE(report.stopped);
    EXPECT_LT(report.share_walked, 0.9);
    EXPECT_GT(report.share_walked, 0.0);
    EXPECT_GT(report.measured, 0u);
    EXPECT_LT(report.seconds, 5);
    EXPECT_NEAR(report.estimated_keys, 20'004, 20'004 * 0.35);
    EXPECT_NEAR(report.estimated_bytes, exact, std::max(4 * report.standard_error_bytes, exact / 2));
    EXPECT_GT(pages, 10u);
}

TEST_P(MemoryReports, AreTheSameForCoroutines) {
    plant(300);
    boost::asio::io_context loop{1};
    RedisService service(loop, config());
    MemoryReport report;
    boost::asio::co_spawn(
        loop,
        [&]() -> boost::asio::awaitable<void> {
            co_await service.async_initialize();
            report = co_await service.get_connection("alpha").async().memory_report({.match = "user:*"});
        },
        [&](std::exception_ptr failure) {
            service.close();
            if (failure) std::rethrow_exception(failure);
        });
    testing::expect_runs_out(loop);
    EXPECT_EQ(report.measured, 300u);
    EXPECT_EQ(report.bytes, alpha().memory_report({.match = "user:*"}).bytes);
}

TEST_P(MemoryReports, RefuseOptionsOutOfBounds) {
    const auto refused = [&](const MemoryReportOptions& options) {
        const Error error = error_of([&] { (void)alpha().memory_report(options); });
        EXPECT_EQ(error.kind, ErrorKind::configuration);
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        return error.message();
    };
    EXPECT_TRUE(contains(refused({.max_keys = 0}), "max_keys must be 1 to 1000000"));
    EXPECT_TRUE(contains(refused({.max_keys = 1'000'001}), "max_keys must be 1 to 1000000"));
    EXPECT_TRUE(contains(refused({.time = Duration::zero()}), "time must be above 0"));
    EXPECT_TRUE(contains(refused({.page = 0}), "page must be 1 to 10000"));
    EXPECT_TRUE(contains(refused({.top = 1001}), "top must be 0 to 1000"));
}

REDOUBT_BOTH_SERVERS(MemoryReports);

class MemoryReportOfUser : public testing::AclServiceTest {};

// The server's second wall lets it through: SCAN as the scan user, the rest as the project's own.
TEST_P(MemoryReportOfUser, WorksBehindBothWalls) {
    RedisService& service = start();
    const auto alpha = service.get_connection("alpha");
    for (int i = 0; i != 20; ++i) alpha.set("k" + std::to_string(i), "v");
    service.get_connection("beta").set("k", "v");
    const MemoryReport report = alpha.memory_report();
    EXPECT_EQ(report.measured, 20u);
    EXPECT_EQ(report.patterns.at(0).name, "k*");
}

REDOUBT_BOTH_SERVERS(MemoryReportOfUser);

}  // namespace
}  // namespace redoubt
