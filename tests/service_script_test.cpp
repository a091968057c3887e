// service: scripts on both real servers: refused unless the server alone keeps them inside, and honest about what is
// known of them.
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;

const Script sum("return redis.call('INCRBY', KEYS[1], ARGV[1])");
const Script names("return {KEYS[1], #KEYS, ARGV[1]}");

class Scripts : public testing::LiveServiceTest {
protected:
    /// A project with a user of its own that may run scripts, on a server that the operator vouches for.
    RedisServiceConfig confined() {
        auto settings = config();
        settings.admin_url = settings.url;
        settings.acl_users = AclUsers::provisioned;
        settings.script_projects = "other, alpha";
        settings.scripts_attested = true;
        return settings;
    }
    void expect_refused(RedisServiceConfig settings, std::string_view why, const std::string& project = "alpha") {
        RedisService service(std::move(settings));
        service.initialize();
        const auto before = testing::command_calls(raw());
        const auto redis = service.get_connection(project);
        const Error refused = error_of([&] { (void)redis.run<std::int64_t>(sum, {"k"}, {"1"}); });
        EXPECT_EQ(refused.kind, ErrorKind::isolation);
        EXPECT_EQ(refused.certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(refused.message(), why)) << refused.message();
        asio::io_context loop;
        std::string async_text;
        asio::co_spawn(
            loop,
            [&]() -> asio::awaitable<void> {
                try {
                    (void)co_await redis.async().run<std::int64_t>(sum);
                } catch (const RedisProjectIsolationException& failure) {
                    async_text = failure.what();
                }
            },
            asio::detached);
        testing::expect_runs_out(loop);
        EXPECT_TRUE(contains(async_text, why)) << async_text;
        for (const auto& [name, calls] : testing::command_calls(raw())) {
            EXPECT_FALSE(name.starts_with("eval") || name.starts_with("script")) << name;
        }
    }
};

TEST_P(Scripts, AreRefusedUnlessAllThreeHold) {
    constexpr std::string_view missing = "refused unless script_projects lists the project";
    expect_refused(config(), missing);
    auto no_user = confined();
    no_user.acl_users = AclUsers::off;
    expect_refused(no_user, missing);
    auto not_listed = confined();
    not_listed.script_projects = "alphabet,beta";
    expect_refused(not_listed, missing);
    auto not_attested = confined();
    not_attested.scripts_attested = false;
    // Debian's packages are patched, but their versions do not show it.
    expect_refused(not_attested, "scripts_attested");
    auto development = config();
    development.environment = Environment::development;
    expect_refused(development, missing);
    EXPECT_EQ(error_of([&] {
                  auto unconfined = config();
                  unconfined.allow_unconfined_scripts = true;
                  RedisService service(unconfined);
              }).kind,
              ErrorKind::configuration);
}

TEST_P(Scripts, RunWhereTheServerHolds) {
    RedisService service(confined());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    EXPECT_EQ(redis.run<std::int64_t>(sum, {"n"}, {"5"}), 5);
    EXPECT_EQ(redis.run<std::int64_t>(sum, {"n"}, {"5"}), 10);
    EXPECT_EQ(redis.get("n"), "10");
    EXPECT_EQ(testing::RawClient(server()).command({"GET", "proj:alpha:n"}), "$2\r\n10\r\n");
    // It sees its keys as they are stored.
    const Value value = redis.run(names, {"a", "b"}, {"x"});
    ASSERT_EQ(value.elements.size(), 3u);
    EXPECT_EQ(value.elements[0].text, "proj:alpha:a");
    EXPECT_EQ(value.elements[1].integer, 2);
    // The cache may be emptied at any time.
    raw().command({"SCRIPT", "FLUSH"});
    EXPECT_EQ(redis.run<std::int64_t>(sum, {"n"}, {"5"}), 15);
    const Script read("return redis.call('GET', KEYS[1])", true);
    EXPECT_EQ(redis.run<std::string>(read, {"n"}), "15");
    const Script writes("return redis.call('SET', KEYS[1], 'x')", true);
    EXPECT_EQ(error_of([&] { (void)redis.run(writes, {"n"}); }).kind, ErrorKind::server);
    EXPECT_EQ(redis.get("n"), "15");
}

TEST_P(Scripts, RunFromCoroutines) {
    RedisService service(confined());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    asio::io_context loop;
    std::vector<std::int64_t> sums;
    asio::co_spawn(
        loop,
        [&]() -> asio::awaitable<void> {
            const std::vector<std::string_view> keys{"n"};
            const std::vector<std::string_view> by{"7"};
            sums.push_back(co_await redis.async().run<std::int64_t>(sum, keys, by));
            sums.push_back(co_await redis.async().run<std::int64_t>(sum, keys, by));
        },
        [](std::exception_ptr failed) {
            if (failed) std::rethrow_exception(failed);
        });
    testing::expect_runs_out(loop);
    EXPECT_EQ(sums, (std::vector<std::int64_t>{7, 14}));
}

TEST_P(Scripts, CannotReachOtherKeysWhateverTheyName) {
    RedisService service(confined());
    service.initialize();
    raw().command({"SET", "proj:beta:secret", "canary"});
    const auto redis = service.get_connection("alpha");
    const std::vector<std::string> attempts{
        "return redis.call('GET', 'proj:beta:secret')",
        "return redis.call('SET', 'proj:beta:secret', 'taken')",
        "return redis.call('KEYS', '*')",
        "return redis.call('SCAN', '0')",
        "return redis.call('FLUSHALL')",
        "return redis.call('CONFIG', 'GET', '*')",
        "return redis.call('ACL', 'WHOAMI')",
        "return redis.call('RANDOMKEY')",
        "return redis.call('PUBLISH', 'proj:beta:news', 'x')",
        "return redis.call('GEORADIUS', KEYS[1], 0, 0, 1, 'km', 'STORE', KEYS[1], 'STORE', 'proj:beta:secret')",
        "return redis.pcall('GET', 'proj:beta:secret')",
        "return redis.call('SORT', KEYS[1], 'BY', 'nosort', 'GET', 'proj:beta:*')",
    };
    for (const std::string& source : attempts) {
        const auto outcome = redis.try_run(Script(source), std::vector<std::string_view>{"mine"});
        ASSERT_FALSE(outcome.has_value()) << source;
        EXPECT_FALSE(contains(outcome.error().message(), "canary")) << source;
    }
    EXPECT_EQ(raw().command({"GET", "proj:beta:secret"}), "$6\r\ncanary\r\n");
}

TEST_P(Scripts, SayThatAnErrorMayComeBehindAWrite) {
    RedisService service(confined());
    service.initialize();
    const auto redis = service.get_connection("alpha").with({.retries = 3});
    // One that writes and then says what would elsewhere be safe to try again.
    const Script forged("redis.call('INCR', KEYS[1]); return redis.error_reply('LOADING the dataset')");
    const Error error = error_of([&] { (void)redis.run(forged, {"n"}); });
    EXPECT_EQ(error.certainty, Certainty::unknown);
    EXPECT_EQ(error.operation, "EVALSHA");
    EXPECT_EQ(redis.get("n"), "1");  // once
    for (const char* const made_up : {"NOSCRIPT No matching script.", "EXECABORT x", "NOPERM x", "READONLY x"}) {
        redis.set("n", "0");
        const Script liar("redis.call('INCR', KEYS[1]); return redis.error_reply('" + std::string(made_up) + "')");
        EXPECT_EQ(error_of([&] { (void)redis.run(liar, {"n"}); }).certainty, Certainty::unknown) << made_up;
        EXPECT_EQ(redis.get("n"), "1") << made_up;
    }
    for (int i = 0; i != 10; ++i) (void)error_of([&] { (void)redis.run(forged, {"other"}); });
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);  // what a script says is not the server's state
    redis.set("n", "1");
    const Script fails("redis.call('INCR', KEYS[1]); return redis.call('HGET', KEYS[1], 'f')");
    EXPECT_EQ(error_of([&] { (void)redis.run(fails, {"n"}); }).certainty, Certainty::unknown);
    EXPECT_EQ(redis.get("n"), "2");
}

TEST_P(Scripts, MayRunUnconfinedInDevelopmentAlone) {
    auto settings = config();
    settings.environment = Environment::development;
    settings.allow_unconfined_scripts = true;
    RedisService service(settings);
    service.initialize();
    EXPECT_EQ(service.get_connection("alpha").run<std::int64_t>(sum, {"n"}, {"5"}), 5);
}

TEST(Script, NamesItselfAsServersDo) {
    EXPECT_EQ(Script("return 1").sha1(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    EXPECT_FALSE(Script("return 1").read_only());
}

REDOUBT_BOTH_SERVERS(Scripts);

}  // namespace
}  // namespace redoubt
