// service: what one project writes no other can see, against both real servers, looked at from the server's side.
#include <redoubt/service/service.hpp>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_service.hpp"

namespace redoubt {
namespace {

using namespace std::string_literals;
using testing::command_calls;
using testing::contains;
using testing::error_of;
using testing::quiet_config;
using testing::RawClient;
using Names = std::vector<std::string>;

class Isolation : public testing::LiveServiceTest {
protected:
    void SetUp() override {
        service_ = std::make_unique<RedisService>(config());
        service_->initialize();
    }
    RedisService& service() { return *service_; }
    ProjectIsolatedRedisClient project(std::string_view id) { return service_->get_connection(id); }
    Names stored() {
        Names names = raw().sorted_strings({"KEYS", "*"});
        std::erase_if(names, [](const std::string& name) { return name.starts_with("proj:_redoubt:"); });
        return names;
    }

private:
    std::unique_ptr<RedisService> service_;
};

/// All keys of the project, page by page. Every page says that nothing foreign was on it.
std::set<std::string> scan_all(const ProjectIsolatedRedisClient& redis, const ScanOptions& options) {
    std::set<std::string> found;
    std::uint64_t cursor = 0;
    do {
        const ScanPage page = redis.scan(cursor, options);
        found.insert(page.keys.begin(), page.keys.end());
        EXPECT_EQ(page.foreign, 0U);
        cursor = page.cursor;
    } while (cursor != 0);
    return found;
}

void write_every_type(const ProjectIsolatedRedisClient& redis, const std::string& mine) {
    redis.set("string", mine);
    redis.rpush("list", mine, "last");
    redis.sadd("set", mine);
    redis.hset("hash", "field", mine);
    redis.zadd("sorted", 1.5, mine);
    redis.pfadd("hyperloglog", mine);
    redis.setbit("bits", static_cast<std::uint32_t>(mine.size()), true);
    redis.command("XADD", "stream", "1-1", "field", mine);
    redis.command("GEOADD", "places", "13.4", "52.5", mine);
}

void expect_every_type(const ProjectIsolatedRedisClient& redis, const std::string& mine) {
    EXPECT_EQ(redis.get("string"), mine);
    EXPECT_EQ(redis.lrange("list", 0, -1), (Names{mine, "last"}));
    EXPECT_EQ(redis.smembers("set"), Names{mine});
    EXPECT_EQ(redis.hgetall("hash"), (StringMap{{"field", mine}}));
    EXPECT_EQ(redis.zrange_with_scores("sorted", 0, -1), (std::vector<ScoredMember>{{mine, 1.5}}));
    EXPECT_EQ(redis.pfcount("hyperloglog"), 1);
    EXPECT_EQ(redis.bitpos("bits", true), static_cast<std::int64_t>(mine.size()));
    const Value entries = redis.command("XRANGE", "stream", "-", "+");
    ASSERT_EQ(entries.elements.size(), 1U);
    EXPECT_EQ(entries.elements[0].elements.at(1).elements.at(1).text, mine);
    EXPECT_TRUE(redis.command("GEOPOS", "places", "nobody").elements.at(0).is_null());
    EXPECT_FALSE(redis.command("GEOPOS", "places", mine).elements.at(0).is_null());
}

TEST_P(Isolation, TwoProjectsUseTheSameKeysOfEveryType) {
    write_every_type(project("alpha"), "of alpha");
    write_every_type(project("beta"), "of beta, longer");
    expect_every_type(project("alpha"), "of alpha");
    expect_every_type(project("beta"), "of beta, longer");

    Names expected;
    for (const std::string id : {"alpha", "beta"}) {
        for (const std::string key :
             {"string", "list", "set", "hash", "sorted", "hyperloglog", "bits", "stream", "places"}) {
            expected.push_back("proj:" + id + ":" + key);
        }
    }
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(stored(), expected);
    EXPECT_EQ(raw().command({"GET", "proj:alpha:string"}), "$8\r\nof alpha\r\n");
}

TEST_P(Isolation, EveryKeyOfACommandIsPrefixed) {
    const auto redis = project("alpha");
    redis.mset({{"a", "1"}, {"b", "2"}});
    redis.rename("a", "c");
    redis.copy("c", "d");
    redis.sadd("s", "x", "y");
    redis.sadd("t", "y");
    redis.sunionstore("u", {"s", "t"});
    redis.zadd("z", 1, "m");
    redis.zunionstore("w", {"z"});
    redis.command("MSET", "e", "5", "f", "6");
    redis.command("BITOP", "OR", "g", "b", "c");
    redis.pipeline().set("p", "1").set("q", "2").execute();
    redis.transaction().set("r", "1").execute();
    Names expected;
    for (const char* key : {"b", "c", "d", "e", "f", "g", "p", "q", "r", "s", "t", "u", "w", "z"}) {
        expected.push_back(std::string("proj:alpha:") + key);
    }
    EXPECT_EQ(stored(), expected);
    EXPECT_EQ(project("beta").exists({"b", "c", "d", "e", "f", "g", "p", "q", "r", "s"}), 0);
}

TEST_P(Isolation, KeysAreStoredByteForByte) {
    std::string binary;
    for (int byte = 0; byte < 256; ++byte) binary += static_cast<char>(byte);
    const Names keys{"",
                     std::string(1 << 20, 'k'),
                     binary,
                     "proj:beta:k",
                     "proj:alpha:k",
                     "line\r\nEnd",
                     "*1\r\n$8\r\nFLUSHALL\r\n",
                     "{tag}:\xC3\xA9",
                     "\0"s,
                     "* ? [a] \\"};
    const auto redis = project("alpha");
    project("beta").set("k", "of beta");
    for (std::size_t i = 0; i < keys.size(); ++i) {
        SCOPED_TRACE(keys[i].substr(0, 32));
        const std::string value = std::to_string(i);
        EXPECT_TRUE(redis.set(keys[i], value));
        EXPECT_EQ(redis.get(keys[i]), value);
        const std::string name = "proj:alpha:" + keys[i];
        EXPECT_EQ(raw().command({"GET", name}), "$1\r\n" + value + "\r\n");
        EXPECT_EQ(project("beta").get(keys[i]), std::nullopt);
    }
    EXPECT_EQ(project("beta").get("k"), "of beta");
    EXPECT_EQ(raw().command({"DBSIZE"}), ":" + std::to_string(keys.size() + 1) + "\r\n");
    EXPECT_EQ(scan_all(redis, {}), std::set<std::string>(keys.begin(), keys.end()));
}

TEST_P(Isolation, BadProjectIdsAreRefusedBeforeAByteIsSent) {
    const Names bad{"",
                    std::string(129, 'a'),
                    "a:b",
                    "*",
                    "[a]",
                    "{a}",
                    "..",
                    ".a",
                    "-a",
                    "_a",
                    "_redoubt",
                    "a\0b"s,
                    "\0"s,
                    "a\r\nFLUSHALL\r\n",
                    "a\n",
                    "a b",
                    " a",
                    "a ",
                    "a\t",
                    "\xD0\xB0lpha",      // Cyrillic a
                    "alph\xC3\xA1",      // a with an accent
                    "\xEF\xBD\x81lpha",  // full-width a
                    "a\xE2\x80\x8B",     // zero-width space
                    "a/b",
                    "a?",
                    "a\\b",
                    "default"};
    const auto before = command_calls(raw());
    for (const std::string& id : bad) {
        SCOPED_TRACE(::testing::PrintToString(id));
        const Error error = error_of([&] { (void)service().get_connection(id); });
        EXPECT_EQ(error.kind, ErrorKind::isolation);
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(error.message(), "project id")) << error.message();
        EXPECT_EQ(error.message().find_first_of("\r\n"), std::string::npos);
    }
    EXPECT_EQ(command_calls(raw()), before);
    EXPECT_THROW((void)service().get_connection("a:b"), RedisProjectIsolationException);

    const std::string longest(128, 'a');
    for (const std::string& id : {"a"s, "A.b_c-9"s, longest, "550e8400-e29b-41d4-a716-446655440000"s, "a.."s}) {
        project(id).set("k", id);
        EXPECT_EQ(raw().strings({"GET", "proj:" + id + ":k"}), Names{id});
    }
    EXPECT_EQ(project("A.b_c-9").project_id(), "A.b_c-9");
}

TEST_P(Isolation, WhatCannotBeIsolatedIsRefusedAndNeverSent) {
    const std::vector<std::vector<std::string_view>> refused{
        {"KEYS", "*"},
        {"RANDOMKEY"},
        {"DBSIZE"},
        {"FLUSHALL"},
        {"flushdb"},
        {"SELECT", "1"},
        {"SWAPDB", "0", "1"},
        {"MOVE", "k", "1"},
        {"EVAL", "return redis.call('get', KEYS[1])", "1", "k"},
        {"EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0"},
        {"FCALL", "f", "0"},
        {"SCRIPT", "LOAD", "return 1"},
        {"FUNCTION", "FLUSH"},
        {"SUBSCRIBE", "news"},
        {"PSUBSCRIBE", "*"},
        {"MONITOR"},
        {"CONFIG", "GET", "*"},
        {"CLIENT", "KILL", "TYPE", "normal"},
        {"CLIENT", "REPLY", "OFF"},
        {"ACL", "LIST"},
        {"AUTH", "x"},
        {"HELLO", "2"},
        {"RESET"},
        {"QUIT"},
        {"MULTI"},
        {"WATCH", "k"},
        {"DEBUG", "SLEEP", "0"},
        {"SHUTDOWN"},
        {"REPLICAOF", "127.0.0.1", "1"},
        {"MIGRATE", "127.0.0.1", "1", "k", "0", "10"},
        {"JSON.GET", "k"},
        {"FT.SEARCH", "i", "*"},
        {"NO_SUCH_COMMAND", "k"},
        {"GET k"},
        {"GET\r\nFLUSHALL", "k"},
        {""},
        {"COPY", "a", "b", "DB", "1"},
        {"ZUNION", "99999999999999999999", "a"},
        {"GET"},
        {"GET", "a", "b"},
    };
    const auto redis = project("alpha");
    redis.set("k", "v");
    const auto calls = command_calls(raw());
    const std::string errors = raw().info("total_error_replies");
    for (const auto& words : refused) {
        SCOPED_TRACE(words[0]);
        const Error error = error_of([&] { redis.command(std::span<const std::string_view>(words)); });
        EXPECT_EQ(error.kind, ErrorKind::isolation) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_EQ(error.attempts, 0U);
        EXPECT_EQ(error.message().find_first_of("\r\n"), std::string::npos);
        EXPECT_TRUE(contains(error.message(), "alpha")) << error.message();
    }
    EXPECT_EQ(error_of([&] { redis.command(std::span<const std::string_view>()); }).kind, ErrorKind::isolation);
    EXPECT_THROW(redis.command("JSON.GET", "k"), RedisProjectIsolationException);
    EXPECT_TRUE(contains(error_of([&] { redis.command("KEYS", "*"); }).message(), "scan()"));
    EXPECT_TRUE(contains(error_of([&] { redis.command("JSON.GET", "k"); }).message(), "JSON.GET"));
    EXPECT_EQ(command_calls(raw()), calls);
    EXPECT_EQ(raw().info("total_error_replies"), errors);
    EXPECT_EQ(redis.get("k"), "v");
}

TEST_P(Isolation, ScanShowsAProjectItsOwnKeysAlone) {
    std::set<std::string> expected;
    auto batch = project("alpha").batch<bool>();
    auto other = project("alphabet").batch<bool>();
    for (int i = 0; i < 300; ++i) {
        batch.set("key:" + std::to_string(i), "v");
        other.set("key:" + std::to_string(i), "v");
        other.set("other:" + std::to_string(i), "v");
        expected.insert("key:" + std::to_string(i));
    }
    std::move(batch).execute();
    std::move(other).execute();
    raw().command({"MSET", "unprefixed", "v", "proj:alpha", "v", "proj:alphaX", "v", "Xproj:alpha:key", "v"});
    const auto redis = project("alpha");
    redis.rpush("numbers", "1");

    EXPECT_EQ(scan_all(redis, {.count = 50, .type = "string"}), expected);
    EXPECT_EQ(scan_all(redis, {.match = "num*"}), std::set<std::string>{"numbers"});
    EXPECT_EQ(scan_all(redis, {.match = "key:[12]"}), (std::set<std::string>{"key:1", "key:2"}));
    EXPECT_EQ(scan_all(redis, {.match = "proj:*"}), std::set<std::string>{});
    EXPECT_EQ(scan_all(redis, {.match = "*:key:1"}), std::set<std::string>{});
    EXPECT_EQ(scan_all(project("alphabe"), {}), std::set<std::string>{});
    EXPECT_EQ(scan_all(project("a"), {}), std::set<std::string>{});

    std::set<std::string> seen;
    std::string cursor = "0";
    do {
        const Value page = redis.command("SCAN", cursor, "COUNT", "100");
        for (const Value& key : page.elements.at(1).elements) seen.insert(key.text);
        cursor = page.elements.at(0).text;
    } while (cursor != "0");
    expected.insert("numbers");
    EXPECT_EQ(seen, expected);
}

TEST_P(Isolation, ErrorsNameKeysAsTheProjectKnowsThem) {
    const auto redis = project("alpha");
    const Error error = error_of([&] { redis.command("XPENDING", "no-stream", "group"); });
    EXPECT_EQ(error.kind, ErrorKind::server);
    EXPECT_EQ(error.prefix(), "NOGROUP");
    EXPECT_TRUE(contains(error.message(), "'no-stream'")) << error.message();
    EXPECT_FALSE(contains(error.message(), "proj:alpha:")) << error.message();
}

TEST_P(Isolation, DevelopmentHasAnUnprefixedPool) {
    RedisServiceConfig given = config();
    given.environment = Environment::development;
    RedisService development(given);
    development.initialize();
    for (const std::string_view id : {"default", ""}) {
        const auto redis = development.get_connection(id);
        redis.set("user_data", id);
        EXPECT_EQ(raw().strings({"GET", "user_data"}), Names{std::string(id)});
        EXPECT_EQ(redis.get("user_data"), id);
        EXPECT_THROW(redis.command("FLUSHALL"), RedisProjectIsolationException);
    }
    development.get_connection("alpha").set("user_data", "of alpha");
    EXPECT_EQ(stored(), (Names{"proj:alpha:user_data", "user_data"}));
    EXPECT_EQ(development.get_connection("").get("user_data"), "");
    EXPECT_THROW((void)development.get_connection("a:b"), RedisProjectIsolationException);
    EXPECT_THROW((void)development.get_connection("_redoubt"), RedisProjectIsolationException);
}

REDOUBT_BOTH_SERVERS(Isolation);

}  // namespace
}  // namespace redoubt
