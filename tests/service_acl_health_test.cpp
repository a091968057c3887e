// service: health tells of settings of the server that let projects at each other, and of what it may not know.
#include "service/health_security.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>
#include <boost/json.hpp>

#include "support/acl_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using testing::contains;

Value text(std::string of) {
    Value value;
    value.type = RespType::bulk;
    value.text = std::move(of);
    return value;
}
Value list(std::vector<Value> of) {
    Value value;
    value.type = RespType::array;
    value.elements = std::move(of);
    return value;
}
result<Value> refused() {
    return Error::with_detail(ErrorKind::authentication, Certainty::rejected, Stage::reply, "NOPERM no");
}

std::string advice_of(const service::SecurityReading& security) {
    json::array advice;
    service::add_security_advice(advice, security);
    return json::serialize(advice);
}

TEST(SecurityReading, OfAServerThatTellsEverything) {
    const auto reading = service::read_security(list({text("flags"), list({text("on"), text("nopass")})}),
                                                list({text("databases"), text("16")}),
                                                list({text("enable-debug-command"), text("local")}));
    EXPECT_EQ(json::serialize(service::security_json(reading)),
              R"({"default_user":"open","databases":16,"debug_commands":"local"})");
    const std::string advice = advice_of(reading);
    EXPECT_TRUE(contains(advice, "default is open")) << advice;
    EXPECT_TRUE(contains(advice, "16 databases")) << advice;
    EXPECT_TRUE(contains(advice, "enable-debug-command local")) << advice;
    EXPECT_FALSE(contains(advice, "unknown")) << advice;
}

TEST(SecurityReading, OfAServerThatIsAsItShouldBe) {
    for (const auto& flags : {list({text("off"), text("nopass")}), list({text("on")})}) {
        const auto reading = service::read_security(list({text("flags"), flags}), list({text("databases"), text("1")}),
                                                    list({text("enable-debug-command"), text("no")}));
        EXPECT_EQ(json::serialize(service::security_json(reading)),
                  R"({"default_user":"protected","databases":1,"debug_commands":"no"})");
        EXPECT_EQ(advice_of(reading), "[]");
    }
}

TEST(SecurityReading, OfAServerThatRefuses) {
    const auto reading = service::read_security(refused(), refused(), list({}));
    EXPECT_EQ(json::serialize(service::security_json(reading)),
              R"({"default_user":"unknown","databases":"unknown","debug_commands":"unknown"})");
    const std::string advice = advice_of(reading);
    EXPECT_TRUE(contains(advice, "ACL GETUSER")) << advice;
    EXPECT_TRUE(contains(advice, "how many databases")) << advice;
    EXPECT_TRUE(contains(advice, "whether debug commands")) << advice;
}

TEST(SecurityReading, ThatWasNotTakenAdvisesNothing) { EXPECT_EQ(advice_of({}), "[]"); }

class SecurityHealth : public testing::AclServiceTest {};

TEST_P(SecurityHealth, AnOpenServerIsAdvisedAndHealthy) {
    EmbeddedServerOptions options = testing::options_for(GetParam());
    options.extra_arguments = {"--enable-debug-command", "yes"};
    start_server(options);
    const json::value health = start().health_check();
    EXPECT_EQ(health.at("status").as_string(), "healthy");
    EXPECT_EQ(health.at("security").at("default_user").as_string(), "open");
    EXPECT_EQ(health.at("security").at("databases").to_number<int>(), 16);
    EXPECT_EQ(health.at("security").at("debug_commands").as_string(), "yes");
    const std::string advice = json::serialize(health.at("advice"));
    for (const char* part : {"default is open", "16 databases", "enable-debug-command yes"}) {
        EXPECT_TRUE(contains(advice, part)) << part << ": " << advice;
    }
}

TEST_P(SecurityHealth, AProtectedServerOfOneDatabaseIsNotAdvised) {
    EmbeddedServerOptions options = testing::options_for(GetParam());
    options.extra_arguments = {"--databases", "1"};
    options.password = "a password";
    start_server(options);
    const json::value health = start(config()).health_check();
    EXPECT_EQ(health.at("status").as_string(), "healthy") << json::serialize(health);
    EXPECT_EQ(json::serialize(health.at("security")),
              R"({"default_user":"protected","databases":1,"debug_commands":"no"})");
    EXPECT_EQ(json::serialize(health.at("advice")), "[]");
}

/// As a managed server: neither ACL nor CONFIG. Asked on the application's loop.
TEST_P(SecurityHealth, WhatTheServerDoesNotTellIsUnknown) {
    raw().command({"ACL", "SETUSER", "control", "on", ">secret", "~*", "&*", "+@all", "-acl", "-config"});
    RedisServiceConfig given = testing::quiet_config("unix://control:secret@" + server().socket_path());
    boost::asio::io_context loop{1};
    RedisService service(loop, given);
    json::value health;
    boost::asio::co_spawn(
        loop,
        [&]() -> boost::asio::awaitable<void> {
            co_await service.async_initialize();
            health = co_await service.async_health_check();
        },
        [&](std::exception_ptr failure) {
            service.close();
            if (failure) std::rethrow_exception(failure);
        });
    testing::expect_runs_out(loop);
    EXPECT_EQ(health.at("status").as_string(), "healthy") << json::serialize(health);
    EXPECT_EQ(json::serialize(health.at("security")),
              R"({"default_user":"unknown","databases":"unknown","debug_commands":"unknown"})");
    EXPECT_TRUE(contains(json::serialize(health.at("advice")), "does not tell this user"));
}

REDOUBT_BOTH_SERVERS(SecurityHealth);

}  // namespace
}  // namespace redoubt
