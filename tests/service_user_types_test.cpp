// service: types of the application's own as replies and arguments, and what a wrong type is told.
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace shop {

struct Colour {
    int red = 0;
};
std::string to_argument(const Colour& colour) { return "red-" + std::to_string(colour.red); }

struct User {
    std::string name;
    int age = 0;
    friend bool operator==(const User&, const User&) = default;
};

redoubt::ReadOutcome read_reply(redoubt::ReplyCursor& cursor, const redoubt::KeyPrefix& prefix, User& out) {
    redoubt::StringMap fields;
    if (const auto read = redoubt::read_reply(cursor, prefix, fields); !read) return read;
    out.name = fields["name"];
    out.age = std::stoi(fields["age"]);
    return redoubt::ReadOutcome::ok();
}

/// One that reads a single string and leaves the cursor where it began when that is not what it wants.
struct Code {
    std::string text;
    friend bool operator==(const Code&, const Code&) = default;
};
redoubt::ReadOutcome read_reply(redoubt::ReplyCursor& cursor, const redoubt::KeyPrefix&, Code& out) {
    const redoubt::ReplyNode node = cursor.peek();
    if (node.text.size() != 3) return redoubt::ReadOutcome::mismatch("code of three letters", node);
    out.text = cursor.next().text;
    return redoubt::ReadOutcome::ok();
}

}  // namespace shop

namespace redoubt {
namespace {

namespace asio = boost::asio;
using shop::Code;
using shop::User;
using testing::contains;
using testing::error_of;

class UserTypes : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
protected:
    UserTypes() : server_(testing::options_for(std::get<0>(GetParam()))) {
        service_ = std::make_unique<RedisService>(
            testing::quiet_config(server_.url() + "?protocol=" + std::get<1>(GetParam())));
        service_->initialize();
    }
    ProjectIsolatedRedisClient other() { return service_->get_connection("beta"); }
    ProjectIsolatedRedisClient redis() { return service_->get_connection("alpha"); }

private:
    EmbeddedServer server_;
    std::unique_ptr<RedisService> service_;
};

TEST_P(UserTypes, AreReadByTheirOwnReader) {
    const auto r = redis();
    r.command_as<std::int64_t>("HSET", "user", "name", "Ada", "age", 36);
    EXPECT_EQ(r.command_as<User>("HGETALL", "user"), (User{"Ada", 36}));
    EXPECT_EQ(*r.try_command_as<User>("HGETALL", "user"), (User{"Ada", 36}));
    r.rpush("codes", "abc", "def");
    EXPECT_EQ(r.command_as<std::vector<Code>>("LRANGE", "codes", 0, -1), (std::vector<Code>{{"abc"}, {"def"}}));
    EXPECT_EQ(r.command_as<std::optional<Code>>("LINDEX", "codes", 1), Code{"def"});
    EXPECT_EQ(r.command_as<std::optional<Code>>("LINDEX", "codes", 7), std::nullopt);
    // The types that the library knows are read as they are elsewhere.
    EXPECT_EQ(r.command_as<std::vector<std::string>>("LRANGE", "codes", 0, -1),
              (std::vector<std::string>{"abc", "def"}));
    EXPECT_EQ(r.command_as<StringMap>("HGETALL", "user"), r.hgetall("user"));
    EXPECT_EQ(r.command_as<Value>("GET", "none"), Value{});
}

TEST_P(UserTypes, AreWordsOfACommand) {
    const auto r = redis();
    EXPECT_EQ(r.command_as<std::string>("ECHO", shop::Colour{7}), "red-7");
    EXPECT_EQ(r.command_as<std::string>("ECHO", -5), "-5");
    EXPECT_EQ(r.command_as<std::string>("ECHO", 0.25), "0.25");
    EXPECT_EQ(r.command_as<std::string>("ECHO", std::uint64_t{18446744073709551615U}), "18446744073709551615");
    EXPECT_EQ(r.command_as<std::string>("ECHO", std::string("text")), "text");
    // A key of such a type gets the prefix like any other.
    EXPECT_EQ(r.command_as<std::string>("SET", shop::Colour{7}, 1), "OK");
    EXPECT_EQ(r.get("red-7"), "1");
}

TEST_P(UserTypes, SeeKeysWithoutThePrefix) {
    const auto r = redis();
    r.rpush("l", "abc");
    const auto popped = r.command_as<Value>("LMPOP", 1, "l", "LEFT");
    ASSERT_EQ(popped.elements.size(), 2U);
    EXPECT_EQ(popped.elements[0].text, "l");
    EXPECT_EQ(popped.elements[1].elements.at(0).text, "abc");
    EXPECT_EQ(r.command_as<std::optional<Code>>("LMPOP", 1, "l", "LEFT"), std::nullopt);
    r.set("key", "v");
    EXPECT_EQ(r.command_as<ScanPage>("SCAN", 0, "COUNT", 1000).keys, std::vector<std::string>{"key"});
}

TEST_P(UserTypes, InCoroutines) {
    asio::io_context loop{1};
    std::exception_ptr failure;
    asio::co_spawn(
        loop,
        [r = redis().async()]() -> asio::awaitable<void> {
            co_await r.command_as<std::int64_t>("HSET", "user", "name", "Ada", "age", 36);
            // A User{...} written beside the co_await would be destroyed twice by GCC 12.
            const User user = co_await r.command_as<User>("HGETALL", "user");
            EXPECT_EQ(user, (User{"Ada", 36}));
        },
        [&](std::exception_ptr outcome) { failure = std::move(outcome); });
    testing::expect_runs_out(loop);
    EXPECT_FALSE(failure);
    EXPECT_EQ(redis().async().command_as<User>("HGETALL", "user")(asio::use_future).get(), (User{"Ada", 36}));
}

TEST_P(UserTypes, AWrongTypeNamesTheCommandWhatWasExpectedAndWhatCame) {
    const auto r = redis();
    r.set("k", "text");
    const Error error = error_of([&] { (void)r.command_as<std::int64_t>("GET", "k"); });
    EXPECT_EQ(error.kind, ErrorKind::reply_type);
    EXPECT_EQ(error.certainty, Certainty::applied);
    EXPECT_EQ(error.operation, "GET");
    EXPECT_TRUE(contains(error.reason(), "expected integer, got bulk string")) << error.reason();
    EXPECT_FALSE(contains(error.reason(), "text")) << error.reason();
    const Error own = error_of([&] { (void)r.command_as<Code>("GET", "k"); });
    EXPECT_TRUE(contains(own.reason(), "expected code of three letters, got bulk string")) << own.reason();
    // What the reader throws is a mismatch too; the connection goes on.
    r.hset("user", "name", "Ada");
    const Error thrown = error_of([&] { (void)r.command_as<User>("HGETALL", "user"); });
    EXPECT_TRUE(contains(thrown.reason(), "expected what its own reader takes")) << thrown.reason();
    r.rpush("codes", "abc", "long", "def");
    EXPECT_EQ(error_of([&] { (void)r.command_as<std::vector<Code>>("LRANGE", "codes", 0, -1); }).kind,
              ErrorKind::reply_type);
    EXPECT_EQ(r.get("k"), "text");
}

// In a transaction too, where each command's failure is its own.
TEST(WrongTypes, InsideExecSayWhatWasExpectedAndWhatCame) {
    service::ExecReplies<std::int64_t, std::optional<std::string>> replies(
        std::make_tuple(service::QueuedCommand<std::int64_t>{cmd::incr("n").reader(), "INCR"},
                        service::QueuedCommand<std::optional<std::string>>{cmd::get("k").reader(), "GET"}));
    const KeyPrefix prefix{"proj:alpha:"};
    std::uint32_t index = 0;
    for (const std::string_view frame : {"+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n*0\r\n$4\r\ntext\r\n"}) {
        ReplyCursor cursor(frame);
        EXPECT_TRUE(replies.read(index++, cursor, prefix));
    }
    const auto outcome = replies.take();
    ASSERT_TRUE(outcome);
    ASSERT_TRUE(*outcome);
    const Error& error = std::get<0>(**outcome).error();
    EXPECT_EQ(error.kind, ErrorKind::reply_type);
    EXPECT_TRUE(contains(error.reason(), "expected integer, got array")) << error.reason();
    EXPECT_EQ(*std::get<1>(**outcome), "text");
}

TEST_P(UserTypes, AreIsolatedLikeEverythingElse) {
    const auto r = redis();
    EXPECT_THROW((void)r.command_as<std::string>("FLUSHALL"), RedisProjectIsolationException);
    EXPECT_FALSE(r.try_command_as<std::string>("KEYS", "*"));
    EXPECT_THROW((void)r.command_as<std::string>("LPOP"), RedisProjectIsolationException);
    other().set("k", "theirs");
    EXPECT_EQ(r.command_as<std::optional<Code>>("GET", "k"), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(BothServers, UserTypes,
                         ::testing::Combine(::testing::ValuesIn(testing::server_programs()),
                                            ::testing::Values("2", "3")),
                         [](const auto& parameter) {
                             return testing::short_name(std::get<0>(parameter.param)) + "_resp" +
                                    std::get<1>(parameter.param);
                         });

}  // namespace
}  // namespace redoubt
