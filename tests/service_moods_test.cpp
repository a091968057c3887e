// service: the moods of a server, each with its exception, its certainty, whether it is tried again and whether the
// breaker counts it, against both real servers; and that everything goes on afterwards.
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include "support/kept_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::error_of;
using testing::eventually;
using testing::RawClient;

/// What a mood is to its callers.
struct Mood {
    ErrorKind kind;
    std::string_view prefix;  // of the server's error; empty: its text is plain
    Certainty certainty;
    bool tried_again;
    bool counted;  // by the breaker
};

class Moods : public testing::KeptServiceTest {
protected:
    RedisServiceConfig patient() {
        RedisServiceConfig given = scripting(1);
        given.circuit_breaker.failure_threshold = 1000;
        return given;
    }
    EmbeddedServer& start_with(std::vector<std::string> arguments) {
        EmbeddedServerOptions options = testing::options_for(GetParam());
        options.extra_arguments = std::move(arguments);
        return start_server(options);
    }
    /// The same on both kinds of calls. Each mood has a project of its own, so that no retry budget runs out.
    template <class Blocking, class Async>
    void expect_mood(const Mood& mood, Blocking blocking, Async async) {
        for (const bool is_async : {false, true}) {
            const std::uint64_t before = failed_calls();
            const Error error = is_async ? error_of(async) : error_of(blocking);
            const std::uint64_t counted = failed_calls() - before;
            EXPECT_EQ(error.kind, mood.kind) << error.message();
            EXPECT_EQ(error.prefix(), mood.prefix) << error.message();
            EXPECT_EQ(error.certainty, mood.certainty) << error.message();
            EXPECT_EQ(error.attempts, mood.tried_again ? 2U : 1U) << error.message();
            EXPECT_EQ(counted, mood.counted ? error.attempts : 0U) << error.message();
        }
    }
    void expect_set_fails_as(const Mood& mood, const ProjectIsolatedRedisClient& redis) {
        expect_mood(
            mood, [&] { (void)redis.set("k", "v"); },
            [&] { (void)redis.async().set("k", "v")(boost::asio::use_future).get(); });
    }
    void expect_get_fails_as(const Mood& mood, const ProjectIsolatedRedisClient& redis) {
        expect_mood(
            mood, [&] { (void)redis.get("k"); }, [&] { (void)redis.async().get("k")(boost::asio::use_future).get(); });
    }
    /// That the mood cost no connection.
    std::string connections_made() { return raw().info("total_connections_received"); }
};

TEST_P(Moods, Loading) {
    start_with(
        {"--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no"});
    RedisService& service = start(patient());
    const auto redis = service.get_connection("alpha");
    raw().command({"EVAL", "for i = 0, 49999 do redis.call('SET', 'proj:alpha:key' .. i, ARGV[1]) end", "0",
                   std::string(30, 'v')});
    EXPECT_EQ(raw().command({"SAVE"}), "+OK\r\n");
    server().restart_without_waiting();
    std::unique_ptr<RawClient> aside;
    ASSERT_TRUE(eventually([&] {
        try {
            aside = std::make_unique<RawClient>(server());
            return contains(aside->command({"GET", "k"}), "-LOADING");
        } catch (const std::exception&) {
            return false;  // it does not listen yet
        }
    }));
    expect_get_fails_as({ErrorKind::server, "LOADING", Certainty::rejected, true, true}, redis);
    EXPECT_EQ(aside->command({"CONFIG", "SET", "key-load-delay", "0"}), "+OK\r\n");
    EXPECT_TRUE(eventually([&] { return aside->info("loading") == "0"; }));
    expect_works(redis);
    EXPECT_EQ(redis.get("key49999"), std::string(30, 'v'));
}

TEST_P(Moods, BusyWithAScript) {
    start_with({"--busy-reply-threshold", "50"});
    RedisServiceConfig given = patient();
    given.url += "?db=1";
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    expect_works(redis);
    RawClient looping(server());
    looping.send("*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n");
    EXPECT_TRUE(eventually([&] { return contains(raw().command({"PING"}), "-BUSY"); }));
    const Mood busy{ErrorKind::server, "BUSY", Certainty::rejected, true, false};
    expect_set_fails_as(busy, redis);
    // A connection that is opened now cannot choose its database: that is the server's mood, too.
    expect_set_fails_as({ErrorKind::server, "BUSY", Certainty::not_sent, true, false}, service.get_connection("new"));
    EXPECT_EQ(raw().command({"SCRIPT", "KILL"}), "+OK\r\n");
    EXPECT_TRUE(contains(looping.read_frame(), "-ERR"));
    expect_works(redis);
    expect_works(service.get_connection("new"));
}

TEST_P(Moods, OutOfMemory) {
    RedisService& service = start(patient());
    const auto redis = service.get_connection("alpha");
    expect_works(redis);
    const std::string connections = connections_made();
    raw().command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
    raw().command({"CONFIG", "SET", "maxmemory", "1"});
    expect_set_fails_as({ErrorKind::memory, "OOM", Certainty::rejected, false, false}, redis);
    EXPECT_THROW((void)redis.set("k", "v"), RedisMemoryException);
    EXPECT_EQ(redis.get("works"), "yes");  // what takes no memory goes on
    EXPECT_EQ(redis.del("works"), 1);
    // In a transaction the server refuses it when it is queued, and nothing is executed.
    const Error aborted = error_of([&] { (void)redis.transaction().set("a", "1").execute(); });
    EXPECT_EQ(aborted.certainty, Certainty::rejected) << aborted.message();
    raw().command({"CONFIG", "SET", "maxmemory", "64mb"});
    expect_works(redis);
    EXPECT_EQ(connections_made(), connections);
}

TEST_P(Moods, CannotSave) {
    RedisService& service = start(patient());
    const auto redis = service.get_connection("alpha");
    expect_works(redis);
    const std::string connections = connections_made();
    // Where its snapshot goes is a folder, which no rename replaces.
    const std::filesystem::path obstacle = std::filesystem::path(server().directory()) / "dump.rdb";
    std::filesystem::create_directories(obstacle / "in the way");
    raw().command({"CONFIG", "SET", "save", "3600 1000000"});
    EXPECT_TRUE(contains(raw().command({"BGSAVE"}), "Background saving started"));
    EXPECT_TRUE(eventually([&] { return raw().info("rdb_last_bgsave_status") == "err"; }));
    expect_set_fails_as({ErrorKind::server, "MISCONF", Certainty::rejected, false, false}, redis);
    EXPECT_EQ(redis.get("works"), "yes");
    // It refuses even PING; a service that begins now serves what it can, and health says what is wrong.
    RedisService another(patient());
    another.initialize();
    EXPECT_EQ(another.get_connection("alpha").get("works"), "yes");
    const boost::json::object health = another.health_check();
    EXPECT_EQ(health.at("status"), "unhealthy");
    EXPECT_TRUE(contains(health.at("test_operations").at("error").as_string(), "MISCONF"));
    another.close();
    std::filesystem::remove_all(obstacle);
    raw().command({"BGSAVE"});
    EXPECT_TRUE(eventually([&] { return raw().info("rdb_last_bgsave_status") == "ok"; }));
    expect_works(redis);
    EXPECT_EQ(another.get_metrics().at("initialized"), false);
    EXPECT_EQ(std::stoi(connections_made()), std::stoi(connections) + 2);  // of the other service
}

TEST_P(Moods, ReadOnlyReplica) {
    RedisService& service = start(patient());
    const auto redis = service.get_connection("alpha");
    expect_works(redis);
    const std::string connections = connections_made();
    EXPECT_EQ(raw().command({"REPLICAOF", "127.0.0.1", "1"}), "+OK\r\n");  // nobody is there
    expect_set_fails_as({ErrorKind::server, "READONLY", Certainty::rejected, true, false}, redis);
    EXPECT_EQ(redis.get("works"), "yes");
    // Its master is not there, and it was told not to serve what it has.
    EXPECT_EQ(raw().command({"CONFIG", "SET", "replica-serve-stale-data", "no"}), "+OK\r\n");
    expect_get_fails_as({ErrorKind::server, "MASTERDOWN", Certainty::rejected, true, true},
                        service.get_connection("beta"));
    EXPECT_EQ(raw().command({"REPLICAOF", "NO", "ONE"}), "+OK\r\n");
    expect_works(redis);
    EXPECT_EQ(std::stoi(connections_made()), std::stoi(connections) + 2);  // of "beta"
}

TEST_P(Moods, NoPasswordOrAWrongOne) {
    EmbeddedServerOptions options = testing::options_for(GetParam());
    options.password = "right-one";
    start_server(options);
    for (const std::string_view password : {"", "wrong-one"}) {
        RedisServiceConfig wrong = patient();
        wrong.url = "unix://:" + std::string(password) + "@" + server().socket_path();
        RedisService service(wrong);
        const Error error = error_of([&] { service.initialize(); });
        EXPECT_EQ(error.kind, ErrorKind::authentication);
        EXPECT_EQ(error.prefix(), password.empty() ? "NOAUTH" : "WRONGPASS");
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_EQ(error.stage, Stage::handshake);
        EXPECT_EQ(error.attempts, 1U);
        EXPECT_FALSE(contains(error.message(), "wrong-one")) << error.message();
    }
    // Of connections that are opened later, too.
    RedisServiceConfig right = config();
    right.circuit_breaker.failure_threshold = 1;
    right.max_retries = 1;
    RedisService& service = start(right);
    expect_works(service.get_connection("alpha"));
    RawClient admin(server());
    EXPECT_EQ(admin.command({"AUTH", "right-one"}), "+OK\r\n");
    EXPECT_EQ(admin.command({"CONFIG", "SET", "requirepass", "another"}), "+OK\r\n");
    expect_works(service.get_connection("alpha"));  // who is logged in stays so
    expect_set_fails_as({ErrorKind::authentication, "WRONGPASS", Certainty::not_sent, false, false},
                        service.get_connection("beta"));
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    EXPECT_EQ(admin.command({"CONFIG", "SET", "requirepass", "right-one"}), "+OK\r\n");
    expect_works(service.get_connection("beta"));
}

TEST_P(Moods, NoPermission) {
    EXPECT_EQ(
        raw().command({"ACL", "SETUSER", "reader", "on", ">secret", "~*", "&*", "+@read", "+ping", "+multi", "+exec"}),
        "+OK\r\n");
    RedisServiceConfig given = patient();
    given.url = "unix://reader:secret@" + server().socket_path();
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    EXPECT_EQ(redis.get("k"), std::nullopt);
    EXPECT_EQ(redis.async().get("k")(boost::asio::use_future).get(), std::nullopt);
    const std::string connections = connections_made();
    expect_set_fails_as({ErrorKind::authentication, "NOPERM", Certainty::rejected, false, false}, redis);
    const Error aborted = error_of([&] { (void)redis.transaction().get("k").set("k", "v").execute(); });
    EXPECT_EQ(aborted.prefix(), "EXECABORT") << aborted.message();
    EXPECT_EQ(aborted.certainty, Certainty::rejected) << aborted.message();
    EXPECT_EQ(redis.get("k"), std::nullopt);
    EXPECT_EQ(connections_made(), connections);
}

TEST_P(Moods, MaximumNumberOfClients) {
    RedisService& service = start(patient());
    const auto redis = service.get_connection("alpha");
    expect_works(redis);
    (void)raw().command({"CONFIG", "SET", "maxclients", raw().info("connected_clients")});
    const auto more = service.get_connection("beta");
    for (const bool is_async : {false, true}) {
        const Error error = error_of(
            [&] { is_async ? (void)more.async().get("k")(boost::asio::use_future).get() : (void)more.get("k"); });
        EXPECT_EQ(error.kind, ErrorKind::connection);
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_EQ(error.stage, Stage::handshake);
        EXPECT_EQ(error.attempts, 2U);
        EXPECT_TRUE(contains(error.message(), "max number of clients")) << error.message();
    }
    expect_works(redis);  // who has a connection goes on
    (void)raw().command({"CONFIG", "SET", "maxclients", "10000"});
    expect_works(more);
}

TEST_P(Moods, ACommandTheServerDoesNotKnow) {
    start_with({"--rename-command", "INCR", ""});
    RedisService& service = start(patient());
    const auto redis = service.get_connection("alpha");
    expect_works(redis);
    expect_mood(
        {ErrorKind::server, "ERR", Certainty::rejected, false, false}, [&] { (void)redis.incr("n"); },
        [&] { (void)redis.async().incr("n")(boost::asio::use_future).get(); });
    expect_works(redis);
}

REDOUBT_BOTH_SERVERS(Moods);

}  // namespace
}  // namespace redoubt
