// service: what happens to a server under a running service: it restarts with nothing, loses a connection, pauses, or is
// a managed one that refuses what the library asks of it besides calls; against both real servers.
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

const Script add("return redis.call('INCRBY', KEYS[1], ARGV[1])");

class ServerChanges : public testing::KeptServiceTest {
protected:
    RedisServiceConfig patient() { return scripting(2); }
    std::size_t in_flight(std::string_view project) {
        const boost::json::object metrics = service_->get_metrics();
        const auto& pool = metrics.at("connection_factory").at("pools").at(project);
        return pool.at("in_flight_commands").to_number<std::size_t>();
    }
    /// Everything that the library asks of a server besides calls.
    void expect_served_without(const std::string& url) {
        RedisServiceConfig given = patient();
        given.url = url;
        given.health_check_interval = 20ms;
        RedisService& service = start(given);
        const auto redis = service.get_connection("alpha");
        expect_works(redis);
        EXPECT_EQ(redis.run<std::int64_t>(add, {"n"}, {"2"}), 2);
        EXPECT_TRUE(redis.transaction().incr("n").execute().has_value());
        const auto check = [&](const boost::json::object& health) {
            EXPECT_EQ(health.at("status"), "healthy") << health;
            EXPECT_EQ(health.at("test_operations").at("status"), "passed") << health;
            // It says what it could not learn, and why.
            EXPECT_EQ(health.at("memory").at("status"), "unknown") << health;
            EXPECT_EQ(health.at("test_operations").at("failed_step"), "info");
            EXPECT_TRUE(contains(health.at("test_operations").at("error").as_string(), "INFO")) << health;
            EXPECT_TRUE(contains(boost::json::serialize(health.at("security")), "unknown")) << health;
        };
        check(service.health_check());
        EXPECT_TRUE(eventually([&] { return !service.last_health().empty(); }));
        check(service.last_health());
        EXPECT_EQ(service.circuit_state(), CircuitState::closed);
        EXPECT_EQ(failed_calls(), 0U);
        service.close();
    }
};

TEST_P(ServerChanges, AManagedServerThatRefusesByAcl) {
    raw().command(
        {"ACL", "SETUSER", "tenant", "on", ">secret", "~*", "&*", "+@all", "-config", "-acl", "-info", "-client"});
    expect_served_without("unix://tenant:secret@" + server().socket_path());
}

TEST_P(ServerChanges, AManagedServerThatHasNoSuchCommands) {
    EmbeddedServerOptions options = testing::options_for(GetParam());
    for (const char* command : {"CONFIG", "ACL", "INFO", "CLIENT"}) {
        options.extra_arguments.insert(options.extra_arguments.end(), {"--rename-command", command, ""});
    }
    start_server(options);
    expect_served_without(server().url());
}

TEST_P(ServerChanges, ARestartWithNothing) {
    RedisService& service = start(patient());
    const auto redis = service.get_connection("alpha");
    const auto other = service.get_connection("beta");
    EXPECT_EQ(redis.run<std::int64_t>(add, {"n"}, {"1"}), 1);
    expect_works(redis);
    const std::string run_id = raw().info("run_id");
    server().restart();
    RawClient after(server());
    EXPECT_NE(after.info("run_id"), run_id);
    // Its scripts are gone: loaded once, then run once.
    EXPECT_EQ(redis.run<std::int64_t>(add, {"n"}, {"1"}), 1);
    auto calls = testing::command_calls(after);
    EXPECT_EQ(calls["evalsha"], 2U);
    EXPECT_EQ(calls["script|load"], 1U);
    EXPECT_EQ(redis.run<std::int64_t>(add, {"n"}, {"1"}), 2);
    calls = testing::command_calls(after);
    EXPECT_EQ(calls["evalsha"], 3U);
    EXPECT_EQ(calls["script|load"], 1U);
    // So they are after SCRIPT FLUSH.
    after.command({"SCRIPT", "FLUSH"});
    EXPECT_EQ(other.run<std::int64_t>(add, {"n"}, {"5"}), 5);
    EXPECT_EQ(redis.get("works"), std::nullopt);
    expect_works(redis);
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
}

// The server keeps the writes back; those of the connection that is killed are lost with it, and one dropped connection
// is one failure.
TEST_P(ServerChanges, AConnectionIsKilledUnderItsCalls) {
    RedisServiceConfig given = patient();
    given.attempt_timeout = given.operation_timeout = 60s;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    EXPECT_EQ(redis.async().incr("n")(boost::asio::use_future).get(), 1);
    EXPECT_EQ(redis.incr("n"), 2);
    raw().command({"CLIENT", "PAUSE", "60000", "WRITE"});
    std::vector<std::future<std::int64_t>> calls;
    for (int i = 0; i < 50; ++i) calls.push_back(redis.async().incr("n")(boost::asio::use_future));
    for (int i = 0; i < 4; ++i) calls.push_back(std::async(std::launch::async, [&] { return redis.incr("n"); }));
    EXPECT_TRUE(eventually([&] { return raw().info("blocked_clients") == "2" && in_flight("alpha") == 54; }));
    const std::uint64_t before = failed_calls();
    raw().command({"CLIENT", "KILL", "TYPE", "normal"});
    for (auto& call : calls) {
        const Error error = error_of([&] { (void)call.get(); });
        EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
        EXPECT_EQ(error.certainty, Certainty::unknown) << error.message();
        EXPECT_EQ(error.stage, Stage::sent) << error.message();
        EXPECT_EQ(error.attempts, 1U) << error.message();
    }
    EXPECT_EQ(failed_calls() - before, 2U);  // the connection of the async calls, and that of the blocking ones
    raw().command({"CLIENT", "UNPAUSE"});
    EXPECT_EQ(redis.incr("n"), 3);
    EXPECT_EQ(redis.async().incr("n")(boost::asio::use_future).get(), 4);
}

TEST_P(ServerChanges, APauseThatIsShortIsOnlyAWait) {
    RedisServiceConfig given = patient();
    given.attempt_timeout = given.operation_timeout = 60s;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    expect_works(redis);
    const std::string connections = raw().info("total_connections_received");
    raw().command({"CLIENT", "PAUSE", "60000", "WRITE"});
    auto async = redis.async().incr("n")(boost::asio::use_future);
    auto blocking = std::async(std::launch::async, [&] { return redis.incr("n"); });
    EXPECT_TRUE(eventually([&] { return raw().info("blocked_clients") == "2"; }));
    EXPECT_EQ(async.wait_for(0ms), std::future_status::timeout);
    raw().command({"CLIENT", "UNPAUSE"});
    EXPECT_EQ(async.get() + blocking.get(), 3);
    EXPECT_EQ(failed_calls(), 0U);
    EXPECT_EQ(raw().info("total_connections_received"), connections);
}

TEST_P(ServerChanges, APauseThatIsLongIsATimeout) {
    RedisServiceConfig given = patient();
    given.attempt_timeout = 100ms;
    RedisService& service = start(given);
    const auto redis = service.get_connection("alpha");
    expect_works(redis);
    const std::uint64_t before = failed_calls();
    raw().command({"CLIENT", "PAUSE", "60000", "WRITE"});
    for (const bool is_async : {false, true}) {
        const Error error = error_of(
            [&] { is_async ? (void)redis.async().incr("n")(boost::asio::use_future).get() : (void)redis.incr("n"); });
        EXPECT_EQ(error.kind, ErrorKind::timeout) << error.message();
        EXPECT_EQ(error.certainty, Certainty::unknown) << error.message();
        EXPECT_EQ(error.stage, Stage::sent) << error.message();
        EXPECT_EQ(error.attempts, 1U) << error.message();
    }
    EXPECT_EQ(failed_calls() - before, 2U);
    raw().command({"CLIENT", "UNPAUSE"});
    expect_works(redis);
    // What the server had taken of the lost connections it dropped, or applied once.
    EXPECT_LE(redis.incr("n"), 3);
}

REDOUBT_BOTH_SERVERS(ServerChanges);

}  // namespace
}  // namespace redoubt
