// service: long values, which go to their place as they come: byte for byte what was stored, on every way in.
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::error_of;

// Compared with `==`: to show how two texts of 20 MB differ would take more memory than there is.
class LongValues : public testing::LiveServiceTest {};

std::string text_of(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 1;
    for (char& byte : text) byte = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
    return text;
}

TEST_P(LongValues, ComeBackAsTheyWere) {
    for (const Protocol protocol : {Protocol::resp2, Protocol::resp3}) {
        auto settings = config();
        settings.protocol = protocol;
        RedisService service(settings);
        service.initialize();
        const auto redis = service.get_connection("p");
        raw().command({"CONFIG", "SET", "maxmemory", "0"});  // replies count, and keys would be evicted for them
        for (const std::size_t size : {256u * 1024 - 1, 256u * 1024, 256u * 1024 + 1, 1'000'000u, 20'000'000u}) {
            const std::string text = text_of(size);
            redis.set("k", text);
            redis.hset("h", "f", text);
            EXPECT_TRUE((redis.get("k")) == (text));
            EXPECT_TRUE((redis.async().get("k")(asio::use_future).get()) == (text));
            EXPECT_TRUE((redis.hget("h", "f")) == (text));
            EXPECT_TRUE((redis.getrange("k", 1, -1)) == (text.substr(1)));
            auto batch = redis.batch<std::optional<std::string>>();
            for (int i = 0; i != 3; ++i) batch.get(i == 1 ? "none" : "k");
            EXPECT_TRUE(
                (std::move(batch).execute() == std::vector<std::optional<std::string>>{text, std::nullopt, text}));
            const auto [first, length, second] = redis.pipeline().get("k").strlen("k").get("k").execute();
            EXPECT_TRUE((first) == (text));
            EXPECT_EQ(length, static_cast<std::int64_t>(size));
            EXPECT_TRUE((second) == (text));
            const auto both = redis.transaction().get("k").getdel("k").execute();
            ASSERT_TRUE(both);
            EXPECT_TRUE((std::get<1>(*both)) == (text));
        }
    }
}

// Many at once, on few connections, with small ones between them.
TEST_P(LongValues, GoToTheirCallers) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("p");
    constexpr std::size_t many = 16;
    for (std::size_t i = 0; i != many; ++i) {
        redis.set("long" + std::to_string(i), text_of(300'000) + std::to_string(i));
        redis.set("short" + std::to_string(i), std::to_string(i));
    }
    for (int round = 0; round != 5; ++round) {
        std::vector<std::future<std::optional<std::string>>> longs;
        std::vector<std::future<std::optional<std::string>>> shorts;
        for (std::size_t i = 0; i != many; ++i) {
            longs.push_back(redis.async().get("long" + std::to_string(i))(asio::use_future));
            shorts.push_back(redis.async().get("short" + std::to_string(i))(asio::use_future));
        }
        for (std::size_t i = 0; i != many; ++i) {
            EXPECT_TRUE((longs[i].get()) == (text_of(300'000) + std::to_string(i)));
            EXPECT_EQ(shorts[i].get(), std::to_string(i));
        }
    }
}

// Who waits no longer has his string in no one's way: it is gone while its bytes still come.
TEST_P(LongValues, OfCallersWhoGaveUpAreForgotten) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("p");
    raw().command({"CONFIG", "SET", "maxmemory", "0"});
    redis.set("long", text_of(50'000'000));
    redis.set("short", "s");
    int given_up = 0;
    for (int i = 0; i != 30; ++i) {
        const auto hasty = redis.with({.deadline = std::chrono::milliseconds(1 + i), .retries = 0});
        const auto count = [&](auto call) {
            try {
                EXPECT_EQ(call()->size(), 50'000'000u);
            } catch (const RedisOperationTimeoutException&) {
                ++given_up;
            }
        };
        count([&] { return hasty.get("long"); });
        count([&] { return hasty.async().get("long")(asio::use_future).get(); });
        EXPECT_EQ(redis.get("short"), "s");
        EXPECT_EQ(redis.async().get("short")(asio::use_future).get(), "s");
    }
    EXPECT_GT(given_up, 0);
    EXPECT_TRUE((redis.get("long")) == (text_of(50'000'000)));
}

REDOUBT_BOTH_SERVERS(LongValues);

}  // namespace
}  // namespace redoubt
