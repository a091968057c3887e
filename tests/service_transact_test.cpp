// service: optimistic transactions that are tried again while a watched key changes.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_service.hpp"

namespace redoubt {
namespace {

using testing::error_of;

int number_of(const std::optional<std::string>& text) { return text ? std::stoi(*text) : 0; }

class Transact : public testing::LiveServiceTest {};

TEST_P(Transact, LosesNoUpdateAmongThreads) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    constexpr int threads = 4;
    constexpr int rounds = 100;
    std::vector<std::thread> all;
    std::atomic<int> conflicts{0};
    for (int i = 0; i != threads; ++i) {
        all.emplace_back([&] {
            for (int round = 0; round != rounds; ++round) {
                int tries = 0;
                const auto done = redis.transact({"n"}, 1'000'000, [&](auto&& t) {
                    ++tries;
                    return std::move(t).set("n", std::to_string(number_of(redis.get("n")) + 1)).incr("written");
                });
                ASSERT_TRUE(done.has_value());
                conflicts += tries - 1;
            }
        });
    }
    for (std::thread& one : all) one.join();
    EXPECT_EQ(redis.get("n"), std::to_string(threads * rounds));
    EXPECT_EQ(redis.get("written"), std::to_string(threads * rounds));
    EXPECT_GT(conflicts, 0);
}

TEST_P(Transact, GivesUpAfterItsAttemptsAndLeavesNothingBehind) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    int calls = 0;
    const auto spoil = [&](auto&& t) {
        redis.set("k", std::to_string(++calls));
        return std::move(t).set("k", "mine");
    };
    EXPECT_EQ(redis.transact({"k"}, 3, spoil), std::nullopt);
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(redis.get("k"), "3");
    EXPECT_EQ(redis.transact({"k"}, 0, spoil), std::nullopt);
    EXPECT_EQ(calls, 4);
    // What `fill` throws comes through, and its watched connection is not used again.
    for (int i = 0; i != 20; ++i) {
        EXPECT_THROW(redis.transact({"k"}, 3,
                                    [&](auto&& t) {
                                        if (i >= 0) throw std::runtime_error("of the caller");
                                        return std::move(t).set("k", "x");
                                    }),
                     std::runtime_error);
    }
    EXPECT_EQ(redis.transact({"k"}, 3, [](auto&& t) { return std::move(t).set("k", "done").incr("n"); }),
              std::make_optional(std::tuple<bool, std::int64_t>(true, 1)));
    EXPECT_EQ(error_of([&] {
                  (void)redis.transact(std::initializer_list<std::string_view>{}, 1,
                                       [](auto&& t) { return std::move(t).incr("n"); });
              }).kind,
              ErrorKind::configuration);
}
REDOUBT_BOTH_SERVERS(Transact);

}  // namespace
}  // namespace redoubt
