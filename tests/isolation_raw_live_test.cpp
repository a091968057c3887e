// isolation: raw commands that block, publish or list, against both servers: what is stored, what comes back, and that a
// wait has a wire of its own.
#include <future>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include "support/live_service.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::error_of;

class RawLive : public testing::LiveServiceTest {
protected:
    void SetUp() override {
        service_ = std::make_unique<RedisService>(config());
        service_->initialize();
    }
    void TearDown() override { service_->close(); }
    ProjectIsolatedRedisClient project(const std::string& id) { return service_->get_connection(id); }
    template <class... Words>
    std::string text(const std::string& id, const Words&... words) {
        return to_cli_text(project(id).command(words...));
    }

private:
    std::unique_ptr<RedisService> service_;
};

TEST_P(RawLive, BlockingCommandsTakeWhatIsThereAndNameTheKeyAsTheCallerDoes) {
    raw().command({"RPUSH", "proj:beta:l", "theirs"});
    raw().command({"RPUSH", "proj:alpha:l", "a", "b", "c", "d"});
    raw().command({"ZADD", "proj:alpha:z", "1", "m", "2", "n"});
    EXPECT_EQ(text("alpha", "BLPOP", "none", "l", "1"), "1) \"l\"\n2) \"a\"");
    EXPECT_EQ(text("alpha", "BRPOP", "l", "1"), "1) \"l\"\n2) \"d\"");
    EXPECT_EQ(text("alpha", "BLMPOP", "1", "2", "none", "l", "LEFT"), "1) \"l\"\n2) 1) \"b\"");
    EXPECT_EQ(text("alpha", "BLMOVE", "l", "m", "LEFT", "LEFT", "1"), "\"c\"");
    EXPECT_EQ(text("alpha", "BRPOPLPUSH", "m", "l", "1"), "\"c\"");
    EXPECT_TRUE(contains(text("alpha", "BZPOPMIN", "z", "1"), "1) \"z\"\n2) \"m\""));
    EXPECT_TRUE(contains(text("alpha", "BZMPOP", "1", "1", "z", "MAX"), "1) \"z\"\n"));
    EXPECT_EQ(raw().command({"LRANGE", "proj:beta:l", "0", "-1"}), "*1\r\n$6\r\ntheirs\r\n");
}

TEST_P(RawLive, AWaitThatEndsIsNil) {
    EXPECT_EQ(text("alpha", "BLPOP", "none", "0.01"), "(nil)");
    EXPECT_EQ(text("alpha", "BLPOP", "none", "0.0001"), "(nil)");  // not for ever
    EXPECT_EQ(text("alpha", "XREAD", "BLOCK", "1", "STREAMS", "none", "$"), "(nil)");
}

TEST_P(RawLive, AWaitHoldsNobodyUp) {
    const auto redis = project("alpha");
    auto waiting = redis.async().command("BLPOP", "l", "20")(boost::asio::use_future);
    std::thread blocked([&] { EXPECT_EQ(text("alpha", "BRPOP", "m", "20"), "1) \"m\"\n2) \"w\""); });
    while (raw().info("blocked_clients") != "2") std::this_thread::yield();
    EXPECT_TRUE(redis.set("k", "v"));  // on a wire that carries other calls
    EXPECT_EQ(redis.get("k"), "v");
    redis.rpush("l", "v");
    redis.rpush("m", "w");
    blocked.join();
    EXPECT_EQ(to_cli_text(waiting.get()), "1) \"l\"\n2) \"v\"");
}

TEST_P(RawLive, AWaitWithoutEndNeedsADeadline) {
    const auto redis = project("alpha");
    const Error refused = error_of([&] { redis.command("BLPOP", "l", "0"); });
    EXPECT_EQ(refused.certainty, Certainty::not_sent);
    EXPECT_TRUE(contains(refused.message(), "deadline")) << refused.message();
    const Error late =
        error_of([&] { redis.with({.deadline = 50ms}).command("XREAD", "BLOCK", "0", "STREAMS", "s", "$"); });
    EXPECT_EQ(late.kind, ErrorKind::timeout);
    EXPECT_EQ(redis.with({.deadline = 1s}).command("PING").text, "PONG");
}

TEST_P(RawLive, StreamsComeBackUnderTheNamesThatTheCallerGave) {
    EXPECT_EQ(text("alpha", "XADD", "s", "1-1", "f", "v"), "\"1-1\"");
    EXPECT_TRUE(contains(text("alpha", "XREAD", "STREAMS", "s", "0"), "\"s\""));
    EXPECT_EQ(text("alpha", "XREAD", "COUNT", "1", "STREAMS", "s", "1-1"), "(nil)");
    EXPECT_EQ(text("beta", "XREAD", "STREAMS", "s", "0"), "(nil)");
    EXPECT_EQ(text("alpha", "XGROUP", "CREATE", "s", "STREAMS", "0"), "OK");
    EXPECT_TRUE(contains(text("alpha", "XREADGROUP", "GROUP", "STREAMS", "c", "STREAMS", "s", ">"), "\"s\""));
    const Error error =
        error_of([&] { project("alpha").command("XREADGROUP", "GROUP", "no", "c", "STREAMS", "s", ">"); });
    EXPECT_EQ(error.prefix(), "NOGROUP");
    EXPECT_TRUE(contains(error.message(), "'s'")) << error.message();
    EXPECT_FALSE(contains(error.reason(), "proj:")) << error.message();
}

TEST_P(RawLive, SortAndGeoradiusStoreAtOwnKeys) {
    const auto redis = project("alpha");
    redis.command("RPUSH", "l", "3", "1", "2");
    EXPECT_EQ(text("alpha", "SORT", "l", "STORE", "sorted"), "(integer) 3");
    EXPECT_EQ(text("alpha", "SORT", "l", "BY", "anything", "GET", "#"), "1) \"3\"\n2) \"1\"\n3) \"2\"");
    redis.command("GEOADD", "g", "1", "1", "here");
    EXPECT_EQ(text("alpha", "GEORADIUS", "g", "1", "1", "5", "km", "STORE", "near"), "(integer) 1");
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}),
              (std::vector<std::string>{"proj:alpha:g", "proj:alpha:l", "proj:alpha:near", "proj:alpha:sorted"}));
}

TEST_P(RawLive, ChannelsAreTheProjectsOwn) {
    testing::RawClient subscriber(server());
    subscriber.command({"SUBSCRIBE", "proj:alpha:news"});
    testing::RawClient other(server());
    other.command({"SUBSCRIBE", "proj:beta:secret"});
    testing::RawClient shard(server());
    shard.command({"SSUBSCRIBE", "proj:alpha:shard"});
    EXPECT_EQ(text("alpha", "PUBSUB", "CHANNELS"), "1) \"news\"");
    EXPECT_EQ(text("alpha", "PUBSUB", "CHANNELS", "s*"), "(empty array)");
    EXPECT_EQ(text("alpha", "PUBSUB", "SHARDCHANNELS"), "1) \"shard\"");
    EXPECT_EQ(text("alpha", "PUBSUB", "NUMSUB", "news", "secret"),
              "1) \"news\"\n2) (integer) 1\n3) \"secret\"\n4) (integer) 0");
    EXPECT_EQ(text("alpha", "PUBSUB", "SHARDNUMSUB", "shard"), "1) \"shard\"\n2) (integer) 1");
    EXPECT_EQ(text("alpha", "PUBLISH", "secret", "x"), "(integer) 0");
    EXPECT_EQ(text("alpha", "PUBLISH", "news", "x"), "(integer) 1");
    EXPECT_EQ(subscriber.read_frame(), "*3\r\n$7\r\nmessage\r\n$15\r\nproj:alpha:news\r\n$1\r\nx\r\n");
    EXPECT_EQ(text("beta", "PUBSUB", "CHANNELS"), "1) \"secret\"");
}

REDOUBT_BOTH_SERVERS(RawLive);

}  // namespace
}  // namespace redoubt
