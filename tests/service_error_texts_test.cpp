// service: what an exception says: in one line which command of which project failed at which stage, and what is known of
// it; never a value and never a secret; against both real servers.
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;
using testing::eventually;
using testing::RawClient;

constexpr std::string_view secret = "the-password";
const std::string value = "the-value-nobody-may-read";

/// One line of the table: what is asked for in a text.
struct Text {
    std::string_view name;
    ErrorKind kind;
    Stage stage;
    Certainty certainty;
    std::string_view operation;
    std::vector<std::string_view> parts;
};

class ErrorTexts : public testing::LiveServiceTest {
protected:
    void SetUp() override {
        EmbeddedServerOptions options = testing::options_for(GetParam());
        options.password = secret;
        options.extra_arguments = {"--rename-command", "APPEND", ""};
        start_server(options);
    }
    RedisServiceConfig patient() {
        RedisServiceConfig given = config();
        given.attempt_timeout = given.operation_timeout = testing::patience;
        given.drain_timeout = Duration::zero();
        return given;
    }
    void expect_text(const Text& wanted, const Error& error) {
        SCOPED_TRACE(wanted.name);
        const std::string text = error.message();
        EXPECT_EQ(error.kind, wanted.kind) << text;
        EXPECT_EQ(error.stage, wanted.stage) << text;
        EXPECT_EQ(error.certainty, wanted.certainty) << text;
        EXPECT_EQ(error.operation, wanted.operation) << text;
        EXPECT_TRUE(text.starts_with(std::string(wanted.operation) + ": ")) << text;
        EXPECT_TRUE(contains(text, "certainty " + std::string(to_string(wanted.certainty)))) << text;
        EXPECT_TRUE(contains(text, "project \"alpha\"")) << text;
        EXPECT_TRUE(contains(text, "endpoint " + server().socket_path())) << text;
        for (const std::string_view part : wanted.parts) EXPECT_TRUE(contains(text, part)) << text;
        EXPECT_FALSE(contains(text, "\n")) << text;
        // With all that led to it.
        for (const Error* one = &error; one != nullptr; one = one->cause.get()) {
            EXPECT_FALSE(contains(one->message(), secret)) << one->message();
            EXPECT_FALSE(contains(one->message(), value)) << one->message();
        }
        try {
            raise(error);
        } catch (const RedisException& exception) {
            EXPECT_EQ(exception.what(), text);
            EXPECT_EQ(exception.project_id(), "alpha");
            EXPECT_EQ(exception.endpoint(), server().socket_path());
            EXPECT_EQ(exception.operation(), wanted.operation);
        }
    }
};

TEST_P(ErrorTexts, SayWhichStageRanOut) {
    RedisService service(patient());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    EXPECT_TRUE(redis.set("text", value));
    (void)redis.async().get("text")(asio::use_future).get();
    const auto hasty = redis.with({.deadline = 30ms});

    // Refused before anything was tried.
    expect_text({"bad argument",
                 ErrorKind::configuration,
                 Stage::admission,
                 Certainty::not_sent,
                 "SET",
                 {"refused before anything was tried"}},
                error_of([&] { redis.set("k", value, {.ex = -1s}); }));
    // Answered.
    expect_text(
        {"wrong type", ErrorKind::server, Stage::reply, Certainty::rejected, "LPUSH", {"WRONGTYPE", "answered"}},
        error_of([&] { redis.lpush("text", value); }));
    expect_text(
        {"not a number", ErrorKind::server, Stage::reply, Certainty::rejected, "INCR", {"ERR", "1 attempt in "}},
        error_of([&] { redis.async().incr("text")(asio::use_future).get(); }));
    expect_text({"unknown to the server",
                 ErrorKind::server,
                 Stage::reply,
                 Certainty::rejected,
                 "APPEND",
                 {"ERR unknown command 'APPEND'"}},
                error_of([&] { redis.append("text", value); }));
    // One of several.
    const auto slots = redis.pipeline().get("text").incr("text").lpush("text", value).try_execute();
    expect_text({"a slot", ErrorKind::server, Stage::reply, Certainty::rejected, "LPUSH", {"WRONGTYPE", "1 attempt"}},
                std::get<2>(*slots).error());
    expect_text({"another slot", ErrorKind::server, Stage::reply, Certainty::rejected, "INCR", {"ERR"}},
                std::get<1>(*slots).error());
    const auto async_slots =
        redis.async().pipeline().get("text").incr("text").lpush("text", value).try_execute()(asio::use_future).get();
    expect_text({"an async slot", ErrorKind::server, Stage::reply, Certainty::rejected, "LPUSH", {"WRONGTYPE"}},
                std::get<2>(*async_slots).error());
    expect_text({"the first failure", ErrorKind::server, Stage::reply, Certainty::rejected, "INCR", {"ERR"}},
                error_of([&] { redis.pipeline().set("k", value).incr("text").lpush("text", "x").execute(); }));

    // All connections are leased.
    std::vector<Transaction<service::Blocking>> watched;
    for (int i = 0; i < 8; ++i) watched.push_back(redis.transaction().watch("w"));
    expect_text({"leased",
                 ErrorKind::pool_exhausted,
                 Stage::waiting_for_wire,
                 Certainty::not_sent,
                 "WATCH",
                 {"waiting for a wire", "max_connections"}},
                error_of([&] { (void)hasty.transaction().watch("w"); }));
    watched.clear();

    // Sent and unanswered; queued; connecting: the server hangs.
    server().pause();
    for (const bool is_async : {false, true}) {
        expect_text({"hangs",
                     ErrorKind::timeout,
                     Stage::sent,
                     Certainty::unknown,
                     "SET",
                     {"sent and unanswered", "no answer in time", "1 attempt in "}},
                    error_of([&] {
                        is_async ? (void)hasty.async().set("k", value)(asio::use_future).get()
                                 : (void)hasty.set("k", value);
                    }));
    }
    server().resume();
    EXPECT_EQ(redis.get("text"), value);
}

TEST_P(ErrorTexts, SayThatThereIsNoConnection) {
    RedisServiceConfig given = patient();
    given.circuit_breaker.failure_threshold = 8;
    RedisService service(given);
    service.initialize();
    // A password that is not right any more.
    RawClient admin(server());
    admin.command({"AUTH", secret});
    admin.command({"CONFIG", "SET", "requirepass", "another-password"});
    const auto redis = service.get_connection("alpha");
    expect_text({"refused login",
                 ErrorKind::authentication,
                 Stage::handshake,
                 Certainty::not_sent,
                 "SET",
                 {"WRONGPASS", "in the handshake"}},
                error_of([&] { redis.set("k", value); }));
    admin.command({"CONFIG", "SET", "requirepass", secret});
    server().pause();
    for (const bool is_async : {false, true}) {
        const auto hasty = redis.with({.deadline = 30ms});
        const Error late = error_of([&] {
            is_async ? (void)hasty.async().set("k", value)(asio::use_future).get() : (void)hasty.set("k", value);
        });
        // The socket takes the connection, and nobody answers on it.
        EXPECT_TRUE(late.stage == Stage::handshake || late.stage == Stage::connecting ||
                    late.stage == Stage::waiting_for_wire)
            << late.message();
        expect_text({"no connection in time", ErrorKind::timeout, late.stage, Certainty::not_sent, "SET", {}}, late);
    }
    server().kill();
    // What was being opened when it died ends in another way.
    (void)redis.async().try_set("k", value)(asio::use_future).get();
    for (const bool is_async : {false, true}) {
        expect_text({"nobody listens",
                     ErrorKind::connection,
                     Stage::connecting,
                     Certainty::not_sent,
                     "SET",
                     {"cannot connect", "connecting", "Connection refused"}},
                    error_of([&] {
                        is_async ? (void)redis.async().set("k", value)(asio::use_future).get()
                                 : (void)redis.set("k", value);
                    }));
    }
    EXPECT_TRUE(eventually([&] {
        const auto outcome = redis.try_set("k", value);
        return !outcome && outcome.error().kind == ErrorKind::circuit_open;
    }));
    expect_text({"breaker",
                 ErrorKind::circuit_open,
                 Stage::admission,
                 Certainty::not_sent,
                 "SET",
                 {"circuit breaker is open", "next probe in", "refused before anything was tried"}},
                error_of([&] { redis.set("k", value); }));
    service.close();
    expect_text(
        {"closed", ErrorKind::connection, Stage::admission, Certainty::not_sent, "SET", {"the service is closed"}},
        error_of([&] { redis.with({.retries = 0}).set("k", value); }));
}

REDOUBT_BOTH_SERVERS(ErrorTexts);

}  // namespace
}  // namespace redoubt
