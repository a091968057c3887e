// pool: the memory of keys with large replies, alone; and that a call on such a key leaves the shared wire to the others.
#include "pool/large_keys.hpp"

#include <string>

#include <gtest/gtest.h>

#include "support/live_service.hpp"

namespace redoubt {
namespace {

using testing::contains;

TEST(LargeKeys, RemembersWhatItWasTold) {
    pool::LargeKeys keys;
    EXPECT_TRUE(keys.empty());
    EXPECT_FALSE(keys.contains("proj:a:k"));
    keys.remember("proj:a:k");
    EXPECT_FALSE(keys.empty());
    EXPECT_TRUE(keys.contains("proj:a:k"));
    EXPECT_FALSE(keys.contains("proj:b:k"));
}

TEST(LargeKeys, IsBoundedAndForgetsTheOldest) {
    pool::LargeKeys keys;
    for (int i = 0; i != 100'000; ++i) keys.remember(std::to_string(i));
    int known = 0;
    for (int i = 0; i != 100'000; ++i) known += keys.contains(std::to_string(i)) ? 1 : 0;
    EXPECT_GT(known, 0);
    EXPECT_LT(known, 1000);
    EXPECT_TRUE(keys.contains("99999"));
}

class KnownLarge : public testing::LiveServiceTest {};

TEST_P(KnownLarge, ACallOnItHasAConnectionOfItsOwn) {
    RedisService service(config());
    service.initialize();
    const auto r = service.get_connection("alpha");
    raw().command({"SET", "proj:alpha:big", std::string(300'000, 'x')});
    EXPECT_EQ(r.get("big").value_or("").size(), 300'000U);  // nobody knows yet: on the shared wire
    EXPECT_EQ(r.incr("n"), 1);
    std::string clients = raw().command({"CLIENT", "LIST"});
    EXPECT_FALSE(contains(clients, "cmd=get")) << clients;
    EXPECT_EQ(r.get("big").value_or("").size(), 300'000U);
    clients = raw().command({"CLIENT", "LIST"});
    EXPECT_TRUE(contains(clients, "cmd=get")) << clients;
    EXPECT_TRUE(contains(clients, "cmd=incr")) << clients;
    EXPECT_EQ(r.get("small"), std::nullopt);
}

REDOUBT_BOTH_SERVERS(KnownLarge);

}  // namespace
}  // namespace redoubt
