// base: URLs of Sentinels and Clusters, the settings that only they have, and what is refused.
#include <redoubt/base/config.hpp>

#include <map>
#include <string>

#include <gtest/gtest.h>

#include <redoubt/base/exceptions.hpp>

#include "base/target_url.hpp"

namespace redoubt {
namespace {

using Seed = Target::Seed;

RedisServiceConfig with_url(std::string url) {
    RedisServiceConfig config;
    config.url = std::move(url);
    config.environment = Environment::development;
    return config;
}

Target target_of(std::string url) { return with_url(std::move(url)).resolve(); }

std::string refusal_of(RedisServiceConfig config) {
    try {
        config.resolve();
    } catch (const RedisConfigurationException& exception) {
        return exception.what();
    }
    return {};
}
std::string refusal_of_url(const std::string& url) { return refusal_of(with_url(url)); }

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(SentinelUrl, NamesTheSentinelsAndTheMaster) {
    const Target target =
        target_of("redis+sentinel://user:p%40ss@h1:1,[::1]:2,10.0.0.1.nip.io,h4/3?master=my-master.1");
    EXPECT_EQ(target.deployment, Deployment::sentinel);
    EXPECT_EQ(target.scheme, Target::Scheme::tcp);
    EXPECT_EQ(target.seeds, (std::vector<Seed>{{"h1", 1}, {"::1", 2}, {"10.0.0.1.nip.io", 26379}, {"h4", 26379}}));
    EXPECT_EQ(target.master_name, "my-master.1");
    EXPECT_EQ(target.user, "user");
    EXPECT_EQ(target.password, "p@ss");
    EXPECT_EQ(target.database, 3u);
    EXPECT_EQ(target.endpoint(), "my-master.1");
    EXPECT_EQ(to_string(target),
              "redis+sentinel://user:***@h1:1,[::1]:2,10.0.0.1.nip.io:26379,h4:26379/3?master=my-master.1");
}

TEST(SentinelUrl, TakesOptionsAndTheLoginOfTheSentinels) {
    RedisServiceConfig config =
        with_url("redis+sentinel://h1,h2?master=m&sentinel_user=watch&sentinel_password=s%2Fcret&max_retries=7&db=2");
    const Target target = config.resolve();
    EXPECT_EQ(config.sentinel_user, "watch");
    EXPECT_EQ(config.sentinel_password, "s/cret");
    EXPECT_EQ(config.max_retries, 7u);
    EXPECT_EQ(target.database, 2u);
    EXPECT_EQ(target.password, "");

    const std::map<std::string, std::string, std::less<>> variables{{"REDIS_URL", "redis+sentinel://h/?master=m"},
                                                                    {"REDIS_ENVIRONMENT", "development"},
                                                                    {"REDIS_SENTINEL_USER", "u"},
                                                                    {"REDIS_SENTINEL_PASSWORD", "pw"},
                                                                    {"REDIS_MAX_REPLICA_LAG", "250ms"}};
    const RedisServiceConfig read = RedisServiceConfig::from_env([&](std::string_view name) {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional{found->second};
    });
    EXPECT_EQ(read.sentinel_user, "u");
    EXPECT_EQ(read.sentinel_password, "pw");
    EXPECT_EQ(read.max_replica_lag, 250ms);
}

TEST(SentinelUrl, BadOnesSayWhatIsMissing) {
    EXPECT_TRUE(has(refusal_of_url("redis+sentinel://h1,h2/0"), "?master=NAME"));
    EXPECT_TRUE(has(refusal_of_url("redis+sentinel://h1,h2/mymaster"), "a database, 0 to"));
    EXPECT_TRUE(has(refusal_of_url("redis+sentinel://h1,,h2/0?master=m"), "a host: a name"));
    EXPECT_TRUE(has(refusal_of_url("redis+sentinel:///0?master=m"), "a host: a name"));
    EXPECT_TRUE(has(refusal_of_url("redis+sentinel://h1:1,h2:0?master=m"), "a port, 1 to 65535"));
    EXPECT_TRUE(has(refusal_of_url("redis+sentinel://h1:1,h1:1?master=m"), "each host once"));
    EXPECT_TRUE(
        has(refusal_of_url("redis+sentinel://h1?master=a%20b"), "URL option master is \"a b\", allowed: letters"));
    EXPECT_TRUE(has(refusal_of_url("redis+sentinel://h1?master=m&master=n"), "an option given once"));
    EXPECT_TRUE(has(refusal_of_url("rediss+sentinel://h1?master=m"), "TLS with them is not built yet"));
    EXPECT_TRUE(has(refusal_of_url("redis://h1?master=m"), "with redis+sentinel:// also master"));
    EXPECT_TRUE(has(refusal_of_url("redis+sentinel://h1?master=m&sentinel_user=u"), "the password of sentinel_user"));
}

TEST(SentinelUrl, TheLoginOfSentinelsIsRefusedWhereThereAreNone) {
    const std::string text = refusal_of_url("redis://h?sentinel_user=u&sentinel_password=hunter2");
    EXPECT_TRUE(has(text, "sentinel_user (REDIS_SENTINEL_USER) is \"u\", allowed: only with a redis+sentinel:// URL"))
        << text;
    EXPECT_TRUE(has(text, "sentinel_password (REDIS_SENTINEL_PASSWORD) is \"***\"")) << text;
    EXPECT_FALSE(has(text, "hunter2")) << text;
}

TEST(ClusterUrl, NamesSomeNodes) {
    const Target target = target_of("redis+cluster://:pw@h1:7000,h2/");
    EXPECT_EQ(target.deployment, Deployment::cluster);
    EXPECT_EQ(target.seeds, (std::vector<Seed>{{"h1", 7000}, {"h2", 6379}}));
    EXPECT_EQ(target.password, "pw");
    EXPECT_EQ(target.endpoint(), "h1:7000");
    EXPECT_EQ(to_string(target), "redis+cluster://:***@h1:7000,h2:6379/");
    EXPECT_TRUE(has(refusal_of_url("redis+cluster://h1,h2/1"), "database 0: a Cluster has no other"));
    EXPECT_TRUE(has(refusal_of_url("redis+cluster://h1,h2?db=1"), "database 0: a Cluster has no other"));
}

TEST(GroupUrls, AreLocalOnlyWhenEachHostIs) {
    EXPECT_TRUE(target_of("redis+cluster://127.0.0.1,localhost,[::1]").is_local());
    EXPECT_FALSE(target_of("redis+cluster://127.0.0.1,far.example").is_local());
    RedisServiceConfig config;
    config.url = "redis+sentinel://127.0.0.1,far.example/0?master=m";
    EXPECT_TRUE(has(refusal_of(config), "a password"));
}

TEST(GroupUrls, AreMaskedAsOthersAre) {
    EXPECT_EQ(base::mask_url("redis+sentinel://u:secret@h1:1,h2:2/0?master=m"),
              "redis+sentinel://u:***@h1:1,h2:2/0?...");
    EXPECT_EQ(base::mask_url("redis+cluster://h1:7000,h2:7001/x"), "redis+cluster://h1:7000,h2:7001/x");
    EXPECT_EQ(base::mask_url("redis+cluster://u:secret,h2"), "redis+cluster://u:***");
    EXPECT_EQ(base::mask_url("redis+cluster://h1:7000,u:secret"), "redis+cluster://h1:***");
    for (const auto* const url : {"redis+sentinel://u:hunter2@h1,h2", "redis+sentinel://u:hun,hunter2@h1?x=1",
                                  "redis+sentinel://u:hun/hunter2@h1,h2?master=m", "redis+cluster://u:hunter2,h2"}) {
        EXPECT_NE(refusal_of_url(url), "") << url;
        EXPECT_FALSE(has(refusal_of_url(url), "hunter2")) << refusal_of_url(url);
    }
}

TEST(ReadFrom, IsRefusedWhereThereIsNoReplica) {
    EXPECT_EQ(refusal_of_url("redis://h?read_from=master"), "");
    EXPECT_TRUE(has(refusal_of_url("redis://h?read_from=replica"),
                    "read_from (REDIS_READ_FROM) is \"replica\", allowed: master, replica_preferred or lowest_latency; "
                    "replica only with a redis+sentinel:// or redis+cluster:// URL"));
    for (const auto* const url :
         {"redis://h?read_from=replica_preferred", "redis://h?read_from=lowest_latency",
          "redis+cluster://h?read_from=replica", "redis+sentinel://h?master=m&read_from=replica"}) {
        EXPECT_EQ(refusal_of_url(url), "") << url;
    }
    EXPECT_TRUE(
        has(refusal_of_url("redis+cluster://h?read_from=slave"),
            "URL option read_from is \"slave\", allowed: master, replica, replica_preferred or lowest_latency"));
    EXPECT_TRUE(has(refusal_of_url("redis://h?max_replica_lag=0"), "max_replica_lag"));
}

TEST(Administrator, IsOfOneServer) {
    RedisServiceConfig config = with_url("redis+cluster://h1");
    config.admin_url = "redis+cluster://:pw@h1";
    EXPECT_TRUE(has(refusal_of(config), "one server")) << refusal_of(config);
    config.admin_url = "redis://:pw@h1";
    config.acl_users = AclUsers::provisioned;
    EXPECT_TRUE(has(refusal_of(config), "acl_users (REDIS_ACL_USERS) is \"on\"")) << refusal_of(config);
}

}  // namespace
}  // namespace redoubt
