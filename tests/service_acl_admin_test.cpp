// service: the administrative client and the settings of ACL users: what they need, what they refuse, what they hide,
// and what ten thousand users cost a server.
#include <redoubt/service/admin.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "isolation/acl_secret.hpp"
#include "support/acl_service.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::error_of;
using testing::RawClient;
using Texts = std::vector<std::string>;

// --- the settings ---------------------------------------------------------------------------------------------------

RedisServiceConfig good_config() {
    RedisServiceConfig config;
    config.acl_users = AclUsers::provisioned;
    config.admin_url = "redis://admin:hush-hush@localhost:5240";
    config.acl_secret = testing::acl_master;
    return config;
}

std::string refusal_of(RedisServiceConfig config) {
    try {
        (void)config.resolve();
    } catch (const RedisConfigurationException& refused) {
        return refused.what();
    }
    return {};
}

TEST(AclSettings, AreReadFromTheEnvironment) {
    const std::map<std::string, std::string, std::less<>> variables{
        {"REDIS_ACL_USERS", "on"},
        {"REDIS_ADMIN_URL", "unix:///run/admin.sock"},
        {"REDIS_ACL_SECRET", std::string(testing::acl_master)},
        {"REDIS_SCRIPT_PROJECTS", "a,b"}};
    RedisServiceConfig config = RedisServiceConfig::from_env([&](std::string_view name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
    EXPECT_EQ(config.acl_users, AclUsers::provisioned);
    EXPECT_EQ(config.acl_secret, testing::acl_master);
    EXPECT_EQ(config.script_projects, "a,b");
    EXPECT_EQ(config.admin_target()->path, "/run/admin.sock");
    EXPECT_EQ(RedisServiceConfig{}.acl_users, AclUsers::off);
    EXPECT_EQ(RedisServiceConfig{}.admin_target(), std::nullopt);
}

TEST(AclSettings, ThatFitAreTaken) {
    EXPECT_EQ(refusal_of(good_config()), "");
    RedisServiceConfig random = good_config();
    random.acl_secret.clear();
    EXPECT_EQ(refusal_of(random), "");
    RedisServiceConfig existing = good_config();
    existing.acl_users = AclUsers::existing;
    existing.admin_url.clear();
    EXPECT_EQ(refusal_of(existing), "");
    existing.acl_secret.clear();
    existing.acl_secret_provider = [](std::string_view) { return std::string("x"); };
    EXPECT_EQ(refusal_of(existing), "");
}

TEST(AclSettings, ThatDoNotFitAreNamed) {
    RedisServiceConfig shared = good_config();
    shared.pool_mode = PoolMode::shared;
    EXPECT_TRUE(contains(refusal_of(shared), "acl_users (REDIS_ACL_USERS) is \"on\"")) << refusal_of(shared);
    EXPECT_TRUE(contains(refusal_of(shared), "a connection never changes its user")) << refusal_of(shared);
    RedisServiceConfig nobody = good_config();
    nobody.admin_url.clear();
    EXPECT_TRUE(contains(refusal_of(nobody), "REDIS_ADMIN_URL")) << refusal_of(nobody);
    RedisServiceConfig unknown = good_config();
    unknown.acl_users = AclUsers::existing;
    unknown.acl_secret.clear();
    EXPECT_TRUE(contains(refusal_of(unknown), "REDIS_ACL_SECRET")) << refusal_of(unknown);
    RedisServiceConfig word;
    word.url = "redis://localhost?acl_users=maybe";
    EXPECT_TRUE(contains(refusal_of(word), "off, on or existing")) << refusal_of(word);
}

TEST(AclSettings, NeverShowASecret) {
    RedisServiceConfig config = good_config();
    config.acl_secret = "too-short";
    EXPECT_TRUE(contains(refusal_of(config), "acl_secret (REDIS_ACL_SECRET) is \"***\"")) << refusal_of(config);
    EXPECT_FALSE(contains(refusal_of(config), "too-short"));
    for (const char* url : {"redis://admin:hush-hush@localhost:99999", "redis://admin:hush-hush@localhost?pool_mode=x",
                            "http://admin:hush-hush@localhost", "redis://admin:hush-hush@"}) {
        config = good_config();
        config.admin_url = url;
        EXPECT_TRUE(contains(refusal_of(config), "admin_url (REDIS_ADMIN_URL)")) << refusal_of(config);
        EXPECT_FALSE(contains(refusal_of(config), "hush-hush")) << refusal_of(config);
    }
    config.admin_url = "redis://elsewhere.example";
    EXPECT_TRUE(contains(refusal_of(config), "a password for a host that is not this machine")) << refusal_of(config);
    // Nor is either an option of a URL.
    for (const char* option : {"admin_url", "acl_secret"}) {
        RedisServiceConfig given;
        given.url = std::string("redis://localhost?") + option + "=hush-hush";
        EXPECT_TRUE(contains(refusal_of(given), "URL option")) << refusal_of(given);
        EXPECT_FALSE(contains(refusal_of(given), "hush-hush")) << refusal_of(given);
    }
}

TEST(AclSecret, IsTheStandardsHmacAndHash) {
    // RFC 4231, test case 2; FIPS 180-2.
    EXPECT_EQ(isolation::hmac_hex("Jefe", "what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(isolation::sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(isolation::random_secret().size(), 64u);
    EXPECT_NE(isolation::random_secret(), isolation::random_secret());
}

// --- the client -------------------------------------------------------------------------------------------------------

/// What the library logs, for as long as it lives.
class Log {
public:
    Log() : former_(spdlog::get("redoubt")) {
        spdlog::drop("redoubt");
        spdlog::register_logger(
            std::make_shared<spdlog::logger>("redoubt", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
    }
    ~Log() {
        spdlog::drop("redoubt");
        if (former_) spdlog::register_logger(former_);
    }
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    std::string text() const { return text_.str(); }

private:
    std::ostringstream text_;
    std::shared_ptr<spdlog::logger> former_;
};

class AdminClient : public testing::AclServiceTest {};

TEST_P(AdminClient, GoesAroundThePrefixAndSaysSo) {
    const Log log;
    RedisService& service = start();
    service.get_connection("alpha").set("k", "v");
    const RedisAdminClient admin = service.admin();
    EXPECT_EQ(admin.command("GET", "proj:alpha:k").text, "v");
    EXPECT_EQ(admin.command("SET", "plain", "very private").text, "OK");
    EXPECT_EQ(admin.command("CONFIG", "SET", "maxmemory-samples", "7").text, "OK");
    EXPECT_EQ(admin.command("dbsize").integer, 2);
    EXPECT_EQ(raw().command({"GET", "plain"}), "$12\r\nvery private\r\n");
    EXPECT_EQ(admin.list_projects(), Texts{"alpha"});
    const std::string told = log.text();
    for (const char* line : {"administrator: GET\n", "administrator: SET\n", "administrator: CONFIG SET\n",
                             "administrator: DBSIZE\n", "administrator: list_projects\n"}) {
        EXPECT_TRUE(contains(told, line)) << line << " is not in: " << told;
    }
    for (const char* argument : {"very private", "plain", "proj:alpha:k", "maxmemory-samples"}) {
        EXPECT_FALSE(contains(told, argument)) << argument << " is in: " << told;
    }
}

TEST_P(AdminClient, LeavesNoStateBehind) {
    const RedisAdminClient admin(acl_config());
    EXPECT_EQ(admin.command("SELECT", "1").text, "OK");
    EXPECT_EQ(admin.command("SET", "k", "v").text, "OK");
    EXPECT_EQ(admin.command("MULTI").text, "OK");
    EXPECT_EQ(admin.command("GET", "k").text, "v");
    EXPECT_EQ(raw().command({"GET", "k"}), "$1\r\nv\r\n");
}

TEST_P(AdminClient, AnErrorReplyIsThrown) {
    const RedisAdminClient admin(acl_config());
    admin.command("RPUSH", "list", "x");
    const Error wrong = error_of([&] { (void)admin.command("GET", "list"); });
    EXPECT_EQ(wrong.prefix(), "WRONGTYPE");
    EXPECT_EQ(wrong.operation, "GET");
    EXPECT_TRUE(contains(wrong.message(), server().socket_path())) << wrong.message();
    EXPECT_EQ(error_of([&] { (void)admin.command(""); }).kind, ErrorKind::configuration);
    EXPECT_EQ(error_of([&] { (void)admin.command(std::span<const std::string_view>()); }).kind,
              ErrorKind::configuration);
}

TEST_P(AdminClient, NeedsTheAdministratorsUrl) {
    RedisService& service = start(config());
    const Error without = error_of([&] { (void)service.admin(); });
    EXPECT_EQ(without.kind, ErrorKind::configuration);
    EXPECT_TRUE(contains(without.message(), "REDIS_ADMIN_URL")) << without.message();
    EXPECT_EQ(error_of([&] { (void)RedisAdminClient(config()); }).kind, ErrorKind::configuration);
    // With the URL alone it is there, without users.
    RedisServiceConfig given = config();
    given.admin_url = server().url();
    EXPECT_EQ(start(given).admin().command("PING").text, "PONG");
    EXPECT_EQ(users(), Texts{"default"});
}

TEST_P(AdminClient, ABadProjectIsRefusedBeforeAByteIsSent) {
    const RedisAdminClient admin(acl_config());
    for (const std::string& id : {std::string(), std::string("a:b"), std::string("*"), std::string("a b"),
                                  std::string("_redoubt"), std::string("a\0b", 3), std::string(129, 'x')}) {
        EXPECT_EQ(error_of([&] { admin.provision_project(id); }).kind, ErrorKind::isolation) << id;
        EXPECT_EQ(error_of([&] { admin.rotate_project(id); }).kind, ErrorKind::isolation) << id;
        EXPECT_EQ(error_of([&] { admin.remove_project(id); }).kind, ErrorKind::isolation) << id;
    }
    EXPECT_EQ(testing::command_calls(raw()).count("acl|setuser"), 0u);
}

TEST_P(AdminClient, ItsCallsFailWhenTheServiceIsClosed) {
    const RedisAdminClient admin = start().admin();
    EXPECT_EQ(admin.command("PING").text, "PONG");
    close_service();
    EXPECT_EQ(error_of([&] { (void)admin.command("PING"); }).kind, ErrorKind::connection);
    EXPECT_EQ(error_of([&] { admin.provision_project("alpha"); }).kind, ErrorKind::connection);
}

TEST_P(AdminClient, AServerThatHangsIsATimeOut) {
    RedisServiceConfig given = acl_config();
    given.operation_timeout = 300ms;
    const RedisAdminClient admin(given);
    admin.provision_project("alpha");
    server().pause();
    EXPECT_EQ(error_of([&] { admin.provision_project("alpha"); }).kind, ErrorKind::timeout);
    EXPECT_EQ(error_of([&] { (void)admin.command("PING"); }).kind, ErrorKind::timeout);
    server().resume();
}

/// The longest id that a project can have is a user's name, too.
TEST_P(AdminClient, TheLongestProjectId) {
    const std::string longest(128, 'x');
    const RedisAdminClient admin(acl_config());
    admin.provision_project(longest);
    EXPECT_EQ(admin.list_projects(), Texts{longest});
    RawClient as_it = raw_as(longest);
    EXPECT_EQ(as_it.command({"SET", "proj:" + longest + ":k", "v"}), "+OK\r\n");
    admin.remove_project(longest);
    EXPECT_EQ(admin.list_projects(), Texts{});
}

/// What they cost: told, and bounded far above what was seen. REDOUBT_ACL_PROJECTS=10000 for the whole measurement.
TEST_P(AdminClient, ManyProjects) {
    const char* const wanted = std::getenv("REDOUBT_ACL_PROJECTS");
    const std::size_t projects = wanted != nullptr ? std::stoul(wanted) : 1'000;
    EmbeddedServerOptions options = testing::options_for(GetParam());
    options.max_memory = "0";
    start_server(options);
    const RedisAdminClient admin(acl_config());
    spdlog::set_level(spdlog::level::warn);
    const auto memory = [&] { return std::stoull(raw().info("used_memory")); };
    const auto before = memory();
    const TimePoint begin = Clock::now();
    for (std::size_t i = 0; i < projects; ++i) admin.provision_project("project-" + std::to_string(i));
    const std::chrono::duration<double> elapsed = Clock::now() - begin;
    const double each = static_cast<double>(memory() - before) / static_cast<double>(projects);
    std::printf("%s: %zu projects provisioned in %.1f s (%.2f ms each), %.1f KB of server memory each\n",
                GetParam().c_str(), projects, elapsed.count(), elapsed.count() * 1000 / static_cast<double>(projects),
                each / 1024);
    EXPECT_EQ(admin.list_projects().size(), projects);
    EXPECT_LT(each, 100 * 1024);
    // A project's call costs no more for the others.
    RedisService& service = start();
    const TimePoint first = Clock::now();
    service.get_connection("project-7").set("k", "v");
    const std::chrono::duration<double, std::milli> call = Clock::now() - first;
    std::printf("%s: first call of one of them in %.1f ms\n", GetParam().c_str(), call.count());
    spdlog::set_level(spdlog::level::info);
}

REDOUBT_BOTH_SERVERS(AdminClient);

}  // namespace
}  // namespace redoubt
