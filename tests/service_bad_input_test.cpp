// service: bad settings, wrong credentials, peers that are no Redis server, exhausted pools and replies of another
// type: each is an error of its own that names what is wrong, tells no secret, and leaves the service usable.
#include <redoubt/service/service.hpp>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>
#include <boost/json/serialize.hpp>

#include "resp/building.hpp"
#include "support/fake_peer.hpp"
#include "support/live_service.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::error_of;
using testing::FakePeer;
using testing::options_for;
using testing::quiet_config;
using testing::RawClient;

constexpr const char* secret = "s3cret-not-to-be-seen";

/// What initialize() fails with, of a fresh service. No text of it tells the secret.
Error error_of_initialize(const RedisServiceConfig& config) {
    RedisService service(config);
    Error error = error_of([&] { service.initialize(); });
    for (const Error* one = &error; one != nullptr; one = one->cause.get()) {
        EXPECT_FALSE(contains(one->message(), secret)) << one->message();
        EXPECT_EQ(one->message().find_first_of("\r\n"), std::string::npos) << one->message();
    }
    EXPECT_FALSE(contains(boost::json::serialize(service.get_metrics()), secret));
    // Once more: the failure has left nothing behind.
    EXPECT_EQ(error_of([&] { service.initialize(); }).kind, error.kind);
    return error;
}

void expect_names(const Error& error, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) {
        EXPECT_TRUE(contains(error.message(), part)) << "no '" << part << "' in: " << error.message();
    }
}

Error error_of_environment(std::string_view variable, const std::string& value) {
    return error_of([&] {
        RedisService service(RedisServiceConfig::from_env(
            [&](std::string_view name) { return name == variable ? std::optional(value) : std::nullopt; }));
    });
}

TEST(BadSettings, EveryVariableNamesItselfAndWhatIsAllowed) {
    struct Case {
        const char* variable;
        std::vector<std::string> bad;
        const char* allowed;
    };
    const std::vector<std::string> numbers{"", "x", "-1", "1.5", "1e3", " 1", "99999999999999999999"};
    const std::vector<std::string> durations{"x", "-1", "nan", "inf", "1 s", "5days", "999999h", "1.5.5"};
    const std::vector<std::string> fractions{"x", "0", "-0.5", "1.01", "80%", "nan"};
    const std::vector<std::string> words{"maybe", "YES!", "2x"};
    const std::vector<Case> cases{
        {"REDIS_MAX_CONNECTIONS", {"9", "0", "x", "-10", "100001"}, "10 to 100000"},
        {"REDIS_MIN_IDLE_CONNECTIONS", {"x", "-1"}, "0 to 100000"},
        {"REDIS_MIN_IDLE_CONNECTIONS", {"11"}, "at most max_connections"},
        {"REDIS_MAX_TOTAL_CONNECTIONS", {"9", "x"}, "10 to"},
        {"REDIS_MAX_WAITING", numbers, "whole number"},
        {"REDIS_CONNECTION_TIMEOUT", durations, "seconds"},
        {"REDIS_OPERATION_TIMEOUT", durations, "seconds"},
        {"REDIS_ATTEMPT_TIMEOUT", {"0", "0s", "x"}, "above 0"},
        {"REDIS_MAX_RETRIES", {"1001", "-1", "x"}, "0 to 1000"},
        {"REDIS_RETRY_DELAY", {"0", "-1", "x"}, "above 0"},
        {"REDIS_RETRY_DELAY_MAX", {"0"}, "above 0"},
        {"REDIS_RETRY_DELAY_MAX", {"500ms"}, "at least retry_delay"},
        {"REDIS_RETRY_IDEMPOTENT_WRITES", words, "yes or no"},
        {"REDIS_MAX_QUEUED_COMMANDS", {"0", "x"}, "whole number"},
        {"REDIS_MAX_QUEUED_BYTES", {"1023", "x"}, "whole number"},
        {"REDIS_MAX_BULK_BYTES", {"1023", "x"}, "whole number"},
        {"REDIS_MAX_REPLY_BYTES", {"1023", "x"}, "whole number"},
        {"REDIS_MAX_REPLY_ELEMENTS", {"63", "x"}, "whole number"},
        {"REDIS_MAX_REPLY_DEPTH", {"3", "1001"}, "4 to 1000"},
        {"REDIS_HEALTH_CHECK_INTERVAL", {"-1", "x", "25h"}, "seconds"},
        {"REDIS_MEMORY_WARNING_THRESHOLD", fractions, "fraction"},
        {"REDIS_MEMORY_CRITICAL_THRESHOLD", {"0.8", "0.5"}, "above memory_warning_threshold"},
        {"CIRCUIT_BREAKER_FAILURE_THRESHOLD", {"0", "x"}, "1 to 1000000"},
        {"CIRCUIT_BREAKER_RECOVERY_TIMEOUT", {"0", "-60"}, "above 0"},
        {"CIRCUIT_BREAKER_SUCCESS_THRESHOLD", {"0", "x"}, "1 to 1000000"},
        {"CIRCUIT_BREAKER_HALF_OPEN_PERMITS", {"0", "1001"}, "1 to 1000"},
        {"REDIS_TLS_VERIFY", {"no", "maybe"}, "yes"},
        {"REDIS_TLS_CA", {"/ca.pem"}, "rediss://"},
        {"REDIS_TLS_CERT", {"/cert.pem"}, "tls_cert and tls_key"},
        {"REDIS_TLS_KEY", {"/key.pem"}, "tls_cert and tls_key"},
        {"REDIS_TLS_SERVER_NAME", {"name"}, "rediss://"},
        {"REDIS_ENVIRONMENT", {"staging", "Production", ""}, "production or development"},
        {"REDIS_PROTOCOL", {"4", "resp3"}, "auto, 2 or 3"},
        {"REDIS_CLIENT_NAME", {"two words", "line\nbreak"}, "printable"},
        {"REDIS_IO_THREADS", {"0", "65"}, "1 to 64"},
    };
    for (const Case& one : cases) {
        for (const std::string& value : one.bad) {
            SCOPED_TRACE(std::string(one.variable) + "=" + ::testing::PrintToString(value));
            const Error error = error_of_environment(one.variable, value);
            EXPECT_EQ(error.kind, ErrorKind::configuration);
            expect_names(error, {one.variable, one.allowed});
            EXPECT_EQ(error.message().find_first_of("\r\n"), std::string::npos);
        }
    }
}

TEST(BadSettings, BadUrlsAreNamedWithTheirSecretsMasked) {
    for (const std::string tail :
         {"@host", "@127.0.0.1:99999", "@127.0.0.1:x", "@127.0.0.1:6379/x", "@127.0.0.1:6379/-1",
          "@127.0.0.1:6379/0?no_such_option=1", "@127.0.0.1:6379/0?attempt_timeout=never", "@127.0.0.1/0/1", "@:6379",
          "@127.0.0.1 :6379", "@[::1:6379", "@host:6379?protocol=9"}) {
        for (const std::string scheme : {"http://", "redis:/", "", "redis://"}) {
            if (scheme == "redis://" && tail == "@host") continue;  // a good one
            const std::string url = scheme + "user:" + secret + tail;
            SCOPED_TRACE(url);
            const Error error = error_of_environment("REDIS_URL", url);
            EXPECT_EQ(error.kind, ErrorKind::configuration);
            EXPECT_FALSE(contains(error.message(), secret)) << error.message();
        }
    }
    expect_names(error_of_environment("REDIS_URL", "http://localhost:6379"), {"REDIS_URL", "redis://"});
    expect_names(error_of_environment("REDIS_URL", "redis://example.com:6379"), {"REDIS_URL", "password"});
    expect_names(error_of_environment("REDIS_URL", ""), {"REDIS_URL"});
    // All that is wrong in one message.
    const Error all = error_of([] {
        RedisServiceConfig config;
        config.url = "redis://localhost:6379?protocol=7&db=x";
        config.max_connections = 3;
        config.io_threads = 0;
        RedisService service(config);
    });
    expect_names(all, {"protocol", "a database", "max_connections", "io_threads"});
}

class BadInput : public testing::LiveServiceTest {};

TEST_P(BadInput, CredentialsAreCheckedAndNeverTold) {
    EmbeddedServerOptions options = options_for(GetParam());
    options.password = secret;
    start_server(options);
    const std::string path = server().socket_path();
    raw().command({"AUTH", secret});
    raw().command({"ACL", "SETUSER", "app", "on", std::string(">") + secret, "~*", "&*", "+@all"});
    for (const std::string protocol : {"?protocol=2", "?protocol=3", ""}) {
        SCOPED_TRACE(protocol);
        const Error missing = error_of_initialize(quiet_config("unix://" + path + protocol));
        EXPECT_EQ(missing.kind, ErrorKind::authentication) << missing.message();
        expect_names(missing, {"NOAUTH", path});
        for (const std::string& wrong :
             {":wrong-" + std::string(secret), std::string("app:wrong"), "nobody:" + std::string(secret)}) {
            const Error error = error_of_initialize(quiet_config("unix://" + wrong + "@" + path + protocol));
            EXPECT_EQ(error.kind, ErrorKind::authentication) << error.message();
            EXPECT_EQ(error.certainty, Certainty::not_sent);
            expect_names(error, {"WRONGPASS", path});
        }
        for (const std::string user : {"", "app", "default"}) {
            RedisService service(quiet_config("unix://" + user + ":" + secret + "@" + path + protocol));
            service.initialize();
            EXPECT_TRUE(service.get_connection("alpha").set("k", user));
            EXPECT_FALSE(contains(boost::json::serialize(service.health_check()), secret));
        }
    }
}

TEST_P(BadInput, APasswordForAServerThatHasNone) {
    const Error error = error_of_initialize(
        quiet_config("unix://:" + std::string(secret) + "@" + server().socket_path() + "?protocol=2"));
    EXPECT_EQ(error.kind, ErrorKind::authentication) << error.message();
}

TEST_P(BadInput, ADatabaseThatTheServerDoesNotHave) {
    EmbeddedServerOptions options = options_for(GetParam());
    options.extra_arguments = {"--databases", "2"};
    start_server(options);
    const Error error = error_of_initialize(quiet_config(server().url() + "?db=5"));
    EXPECT_EQ(error.kind, ErrorKind::configuration);
    expect_names(error, {"database 5", server().socket_path()});
    RedisService service(quiet_config(server().url() + "?db=1"));
    service.initialize();
    service.get_connection("alpha").set("k", "v");
    raw().command({"SELECT", "1"});
    EXPECT_EQ(raw().command({"GET", "proj:alpha:k"}), "$1\r\nv\r\n");
}

TEST_P(BadInput, AnExhaustedPoolSaysSoAndRecovers) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    redis.set("k", "v");
    const auto hasty = redis.with({.deadline = 30ms});
    using Watching = decltype(redis.transaction());
    std::vector<Watching> watching;
    std::optional<Error> exhausted;
    while (!exhausted && watching.size() < 20) {
        try {
            watching.push_back(hasty.transaction().watch("k"));
        } catch (const RedisPoolExhaustedException& failure) {
            exhausted = failure.error();
        }
    }
    ASSERT_TRUE(exhausted);
    EXPECT_EQ(watching.size(), 8U);  // of ten, two are kept for what is shared
    EXPECT_EQ(exhausted->certainty, Certainty::not_sent);
    expect_names(*exhausted, {"max_connections", "alpha"});
    // Others are not touched by it, and the shared connection is not leased.
    EXPECT_EQ(service.get_connection("beta").ping(), "PONG");
    EXPECT_EQ(redis.get("k"), "v");
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    watching.clear();
    EXPECT_TRUE(redis.transaction().watch("k").incr("n").execute());
}

TEST_P(BadInput, AReplyOfAnotherTypeThanAskedFor) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    redis.set("k", "text");
    // No public builder asks for the wrong type, so one is made as the builders do.
    resp::Building<std::int64_t> command(*find_command("GET"), static_cast<Command<std::int64_t>::Reader>(&read_reply));
    command.add(Argument::key("k"));
    const auto expect_type_error = [](const Error& error) {
        EXPECT_EQ(error.kind, ErrorKind::reply_type);
        EXPECT_EQ(error.certainty, Certainty::applied);
        expect_names(error, {"GET", "expected", "integer", "bulk"});
        EXPECT_FALSE(contains(error.message(), "text")) << error.message();
    };
    EXPECT_THROW((void)redis.invoke(command), RedisReplyTypeException);
    expect_type_error(redis.try_invoke(command).error());
    expect_type_error(redis.async().try_invoke(command)(boost::asio::use_future).get().error());
    const auto piped = redis.pipeline().invoke(command).get("k").try_execute();
    ASSERT_TRUE(piped);
    EXPECT_EQ(std::get<0>(*piped).error().kind, ErrorKind::reply_type);
    EXPECT_EQ(*std::get<1>(*piped), "text");
    EXPECT_EQ(redis.get("k"), "text");
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
}

TEST_P(BadInput, ARefusedArgumentNamesTheCommand) {
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    for (const Error& error :
         {redis.try_set("k", "v", {.ex = 1s, .px = 1s}).error(),
          redis.try_set("k", "v", {.nx = true, .xx = true}).error(), redis.try_set("k", "v", {.ex = 0s}).error()}) {
        EXPECT_EQ(error.kind, ErrorKind::configuration);
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        expect_names(error, {"SET", "alpha"});
    }
    EXPECT_FALSE(redis.try_del(TextList{}));
    EXPECT_EQ(redis.get("k"), std::nullopt);
}

REDOUBT_BOTH_SERVERS(BadInput);

TEST(BadPeer, SomethingElseThanAServer) {
    const std::vector<std::pair<std::string, std::string_view>> answers{
        {"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n", "not a Redis"},
        {std::string(256, '\xff'), "not a Redis"},
        {"*1000000000000\r\n", "not a Redis"},
        {"$99999999999999999999\r\n", "not a Redis"},
        {"+OK\r\n+OK\r\n+OK\r\n+OK\r\n", "reply"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "not a Redis"},
    };
    for (const auto& [answer, said] : answers) {
        SCOPED_TRACE(answer.substr(0, 16));
        const FakePeer peer(FakePeer::Manner::answers, answer);
        const Error error = error_of_initialize(quiet_config(peer.url()));
        EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_EQ(error.stage, Stage::handshake);
        expect_names(error, {said, "127.0.0.1:" + std::to_string(peer.port())});
    }
}

TEST(BadPeer, OneThatAcceptsAndSaysNothing) {
    const FakePeer peer(FakePeer::Manner::silent);
    for (const std::string scheme : {"redis", "rediss"}) {
        SCOPED_TRACE(scheme);
        RedisServiceConfig config = quiet_config(peer.url(scheme));
        config.connection_timeout = 100ms;
        const TimePoint begin = Clock::now();
        const Error error = error_of_initialize(config);  // twice
        EXPECT_LT(Clock::now() - begin, 5s);
        EXPECT_EQ(error.kind, ErrorKind::timeout) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        expect_names(error, {"connection_timeout"});
    }
}

TEST(BadPeer, OneThatClosesAtOnceOrIsNotThere) {
    std::uint16_t free_port = 0;
    {
        const FakePeer peer(FakePeer::Manner::leaves);
        free_port = peer.port();
        for (const std::string scheme : {"redis", "rediss"}) {
            const Error error = error_of_initialize(quiet_config(peer.url(scheme)));
            EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
            EXPECT_EQ(error.certainty, Certainty::not_sent);
        }
        EXPECT_EQ(peer.accepted(), 4);
    }
    const Error refused = error_of_initialize(quiet_config("redis://127.0.0.1:" + std::to_string(free_port)));
    EXPECT_EQ(refused.kind, ErrorKind::connection);
    expect_names(refused, {"refused", std::to_string(free_port)});
    const Error no_file = error_of_initialize(quiet_config("unix:///no/such/folder/redis.sock"));
    EXPECT_EQ(no_file.kind, ErrorKind::connection);
    expect_names(no_file, {"/no/such/folder/redis.sock", "No such file"});
}

TEST(BadPeer, ANameThatHasNoAddress) {
    RedisServiceConfig config = quiet_config(std::string("redis://:") + secret + "@no-such-host.invalid:6379");
    config.connection_timeout = 2s;
    const Error error = error_of_initialize(config);
    expect_names(error, {"no-such-host.invalid"});
    EXPECT_TRUE(error.kind == ErrorKind::connection || error.kind == ErrorKind::timeout) << error.message();
}

}  // namespace
}  // namespace redoubt
