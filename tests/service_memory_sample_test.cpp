// service: the sample of a project's keys: fair, counted right, and its estimate's error as large as it says.
#include "service/memory_sample.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace redoubt::service {
namespace {

namespace json = boost::json;
using Texts = std::vector<std::string>;

MemoryReport::Key key_of(std::string name, std::int64_t bytes, std::string type = "string", bool expires = false) {
    return {std::move(name), std::move(type), bytes, expires};
}

TEST(KeyReservoir, KeepsAllWhileThereIsRoomAndEachOnce) {
    KeyReservoir reservoir(10, 1);
    for (const char* key : {"a", "b", "c", "b"}) reservoir.add(key);
    EXPECT_EQ(reservoir.seen(), 4u);
    Texts kept = reservoir.take();
    std::sort(kept.begin(), kept.end());
    EXPECT_EQ(kept, (Texts{"a", "b", "c"}));
}

// 20'000 samples of 5 of 20: each key is in a quarter of them, and as often the first.
TEST(KeyReservoir, GivesEachKeyTheSameChance) {
    std::map<std::string, int> chosen;
    std::map<std::string, int> first;
    constexpr int rounds = 20'000;
    for (int round = 0; round != rounds; ++round) {
        KeyReservoir reservoir(5, static_cast<std::uint64_t>(round));
        for (int i = 0; i != 20; ++i) reservoir.add("k" + std::to_string(i));
        const Texts kept = reservoir.take();
        ASSERT_EQ(kept.size(), 5u);
        for (const std::string& key : kept) ++chosen[key];
        ++first[kept.front()];
    }
    ASSERT_EQ(chosen.size(), 20u);
    // Five standard deviations of a binomial count.
    for (const auto& [key, count] : chosen)
        EXPECT_NEAR(count, rounds * 0.25, 5 * std::sqrt(rounds * 0.25 * 0.75)) << key;
    for (const auto& [key, count] : first)
        EXPECT_NEAR(count, rounds * 0.05, 5 * std::sqrt(rounds * 0.05 * 0.95)) << key;
}

TEST(ShareWalked, IsTheCursorsBitsReversed) {
    EXPECT_DOUBLE_EQ(share_walked(0), 1);
    EXPECT_DOUBLE_EQ(share_walked(1), 0.5);
    EXPECT_DOUBLE_EQ(share_walked(2), 0.25);
    EXPECT_DOUBLE_EQ(share_walked(3), 0.75);
    EXPECT_DOUBLE_EQ(share_walked(1U << 9U), 1.0 / 1024);
    EXPECT_DOUBLE_EQ(share_walked(1023), 1023.0 / 1024);
}

TEST(MemoryTally, AddsUpByTypePatternAndTtl) {
    MemoryTally tally(2);
    tally.add(key_of("user:1", 100));
    tally.add(key_of("user:22", 300, "string", true));
    tally.add(key_of("cart:5", 1000, "hash"));
    tally.add(key_of("motd", 50));
    tally.add_gone();
    const MemoryReport report = std::move(tally).finish(5, 1.0);
    EXPECT_EQ(report.measured, 4u);
    EXPECT_EQ(report.gone, 1u);
    EXPECT_EQ(report.bytes, 1450);
    EXPECT_EQ(report.without_ttl, 3u);
    EXPECT_EQ(report.without_ttl_bytes, 1150);
    const json::object out = to_json(report);
    EXPECT_EQ(json::serialize(out.at("types")),
              R"([{"type":"hash","keys":1,"bytes":1000},{"type":"string","keys":3,"bytes":450}])");
    EXPECT_EQ(json::serialize(out.at("patterns")),
              R"([{"pattern":"cart:*","keys":1,"bytes":1000},{"pattern":"user:*","keys":2,"bytes":400},)"
              R"({"pattern":"motd","keys":1,"bytes":50}])");
    EXPECT_EQ(json::serialize(out.at("largest_keys")),
              R"([{"key":"cart:5","type":"hash","bytes":1000,"expires":false},)"
              R"({"key":"user:22","type":"string","bytes":300,"expires":true}])");
}

TEST(MemoryTally, ListsNoMoreThanAThousandPatterns) {
    MemoryTally tally(0);
    const auto name = [](int i) {
        std::string out;
        for (; i != 0; i /= 10) out += static_cast<char>('g' + i % 10);
        return out;
    };
    for (int i = 1; i <= 1500; ++i) tally.add(key_of(name(i), 1));
    tally.add(key_of(name(1), 1));
    const MemoryReport report = std::move(tally).finish(1501, 1.0);
    ASSERT_EQ(report.patterns.size(), 1001u);
    EXPECT_EQ(report.patterns.front().name, "(other)");
    EXPECT_EQ(report.patterns.front().keys, 500u);
    EXPECT_TRUE(report.largest.empty());
}

TEST(MemoryEstimate, IsExactWhenAllAreMeasured) {
    MemoryTally tally(1);
    for (int i = 1; i <= 10; ++i) tally.add(key_of("k", i * 10));
    const MemoryReport report = std::move(tally).finish(10, 1.0);
    EXPECT_DOUBLE_EQ(report.estimated_bytes, 550);
    EXPECT_DOUBLE_EQ(report.standard_error_bytes, 0);
    EXPECT_DOUBLE_EQ(report.low_bytes, 550);
    EXPECT_DOUBLE_EQ(report.high_bytes, 550);

    // However the mean is rounded; and what is gone is no part of it.
    MemoryTally thirds(1);
    for (int i = 0; i != 501; ++i) thirds.add(key_of("k", i % 7 == 0 ? 57'432 : 184));
    for (int i = 0; i != 3; ++i) thirds.add_gone();
    const MemoryReport rounded = std::move(thirds).finish(504, 1.0);
    EXPECT_EQ(rounded.estimated_bytes, static_cast<double>(rounded.bytes));
    EXPECT_EQ(rounded.estimated_keys, 501);
    EXPECT_EQ(rounded.high_bytes, rounded.low_bytes);
}

// Cochran's formula by hand: sizes 10, 20, 30, 40 of 100 keys: mean 25, s^2 166.67, N 100, n 4.
TEST(MemoryEstimate, FollowsTheFormula) {
    MemoryTally tally(1);
    for (const int size : {10, 20, 30, 40}) tally.add(key_of("k", size));
    const MemoryReport report = std::move(tally).finish(100, 1.0);
    const double s2 = 500.0 / 3;
    EXPECT_NEAR(report.estimated_bytes, 2500, 1e-9);
    EXPECT_NEAR(report.standard_error_bytes, 100 * std::sqrt(s2 / 4 * 0.96), 1e-9);
    EXPECT_NEAR(report.low_bytes, std::max(2500 - 1.96 * report.standard_error_bytes, 100.0), 1e-9);

    MemoryTally again(1);
    for (const int size : {10, 20, 30, 40}) again.add(key_of("k", size));
    const MemoryReport early = std::move(again).finish(50, 0.5);  // half of the server's keys walked
    const double of_mean = s2 / 4 * 0.96;
    const double of_keys = 100.0 * 100.0 * 0.5 / 50;
    EXPECT_NEAR(early.estimated_keys, 100, 1e-9);
    EXPECT_NEAR(early.standard_error_bytes, std::sqrt(10'000 * of_mean + 625 * of_keys + of_mean * of_keys), 1e-9);

    MemoryTally one(1);
    one.add(key_of("k", 10));
    EXPECT_DOUBLE_EQ(std::move(one).finish(100, 1.0).standard_error_bytes, 1000 * std::sqrt(0.99));
    EXPECT_DOUBLE_EQ(MemoryTally(1).finish(0, 0.0).estimated_bytes, 0);
}

// The interval holds the truth about as often as it says, for sizes that differ by much (exponential), walked whole and
// in part.
TEST(MemoryEstimate, TheIntervalHoldsTheTruthNineteenTimesOfTwenty) {
    std::mt19937_64 random(3);
    std::exponential_distribution<double> size(1.0 / 500);
    std::vector<std::int64_t> sizes;
    for (int i = 0; i != 5000; ++i) sizes.push_back(50 + static_cast<std::int64_t>(size(random)));
    const auto truth = static_cast<double>(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
    for (const double share : {1.0, 0.25}) {
        int held = 0;
        constexpr int rounds = 400;
        std::bernoulli_distribution walked(share);
        for (int round = 0; round != rounds; ++round) {
            KeyReservoir reservoir(400, static_cast<std::uint64_t>(round));
            for (std::size_t i = 0; i != sizes.size(); ++i) {
                if (share == 1.0 || walked(random)) reservoir.add(std::to_string(i));
            }
            const std::uint64_t found = reservoir.seen();
            MemoryTally tally(0);
            for (const std::string& key : reservoir.take()) tally.add(key_of(key, sizes[std::stoul(key)]));
            const MemoryReport report = std::move(tally).finish(found, share);
            if (report.low_bytes <= truth && truth <= report.high_bytes) ++held;
        }
        EXPECT_GE(held, rounds * 0.91) << share;
        EXPECT_LE(held, rounds * 0.985) << share;
    }
}

TEST(KeyPattern, ReplacesWhatVaries) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"user:1234:cart", "user:*:cart"},
        {"user:99", "user:*"},
        {"9f86d081884c7d65:x", "*:x"},
        {"session:3f2504e0-4f89-11d3-9a0c-0305e82c3301", "session:*"},
        {"3F2504E0-4F89-11D3-9A0C-0305E82C3301:a", "*:a"},
        {"3f2504e0-4f89-11d3-9a0c-0305e82c33012", "*-*f*-*d*-*a*c-*"},  // no UUID: a digit too many
        {"deadbeef", "deadbeef"},                                       // a word, for all one knows
        {"feedface1", "*"},                                             // letters and a digit
        {"cafe:babe", "cafe:babe"},                                     // too short
        {"v2:item-007.json", "v*:item-*.json"},
        {"2026-11-23T14:17", "*-*-*T*:*"},
        {"xdeadbeef1", "xdeadbeef*"},  // part of a word
        {"deadbeef1z", "deadbeef*z"},
        {"", ""},
        {std::string("a\0"
                     "1",
                     3),
         std::string("a\0*", 3)},
    };
    for (const auto& [key, pattern] : cases) EXPECT_EQ(key_pattern(key), pattern) << key;
}

TEST(AsUtf8, KeepsTextAndShowsOtherBytes) {
    EXPECT_EQ(as_utf8("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    EXPECT_EQ(as_utf8("a\xff\xc3"), "a\\xff\\xc3");
    EXPECT_EQ(as_utf8("\xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80"), "\\xc0\\x80 \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80");
}

}  // namespace
}  // namespace redoubt::service
