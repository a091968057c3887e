// apps: `redoubt memory` as a user runs it.
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "apps/memory_text.hpp"
#include "apps/progress_bar.hpp"
#include "support/live_service.hpp"
#include "support/run_program.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using testing::contains;
using testing::Ran;
using Words = std::vector<std::string>;

class MemoryCommand : public testing::LiveServiceTest {
protected:
    Ran memory(Words arguments) {
        arguments.insert(arguments.begin(), {REDOUBT_PROGRAM, "memory"});
        arguments.insert(arguments.end(), {"--url", server().url()});
        return testing::run_program(arguments, {});
    }
    void plant() {
        for (int i = 0; i != 500; ++i) {
            raw().command({"SET", "proj:alpha:user:" + std::to_string(i), std::string(100, 'v'), "EX", "1000"});
        }
        raw().command({"SET", "proj:alpha:blob\x1b[2J", std::string(50'000, 'b')});
        raw().command({"SET", "proj:beta:k", "v"});
    }
};

TEST_P(MemoryCommand, ShowsTheServers) {
    const Ran ran = memory({});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    EXPECT_TRUE(ran.out.starts_with("memory     healthy\nused       ")) << ran.out;
    EXPECT_TRUE(contains(ran.out, " of 64.0 MiB (")) << ran.out;
    EXPECT_TRUE(contains(ran.out, "fragmentation ratio ")) << ran.out;
    EXPECT_TRUE(contains(ran.out, "eviction   allkeys-lru: 0 keys")) << ran.out;
    const Ran as_json = memory({"--json"});
    EXPECT_EQ(as_json.status, 0) << as_json.err;
    const json::value value = json::parse(as_json.out);
    EXPECT_EQ(value.at("memory").at("max_memory_bytes").to_number<int>(), 64 << 20);
    EXPECT_TRUE(value.at("advice").is_array());
    raw().command({"CONFIG", "SET", "maxmemory", "0"});
    EXPECT_TRUE(contains(memory({}).out, "the machine's memory: no maxmemory is set"));
}

TEST_P(MemoryCommand, ShowsAProjects) {
    plant();
    const Ran ran = memory({"--project", "alpha"});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.err, "");  // the bar is for terminals
    for (const char* part :
         {"project alpha: 501 keys found, 501 measured", "501 keys, all measured",
          "no TTL     1 keys of those measured", "100.0%", "  user:*\n", "blob\\x1b[2J", "largest keys"}) {
        EXPECT_TRUE(contains(ran.out, part)) << part << '\n' << ran.out;
    }
    EXPECT_FALSE(contains(ran.out, "\x1b")) << ran.out;
    EXPECT_FALSE(contains(ran.out, "beta"));
}

TEST_P(MemoryCommand, ShowsASampleAsJson) {
    plant();
    const Ran ran = memory({"--project", "alpha", "--max-keys", "100", "--top", "3", "--match", "user:*", "--json"});
    EXPECT_EQ(ran.status, 0) << ran.err;
    const json::value report = json::parse(ran.out);
    EXPECT_EQ(report.at("project").as_string(), "alpha");
    EXPECT_EQ(report.at("keys_found").to_number<int>(), 500);
    EXPECT_EQ(report.at("keys_measured").to_number<int>(), 100);
    EXPECT_EQ(report.at("largest_keys").as_array().size(), 3u);
    EXPECT_EQ(report.at("patterns").at(0).at("pattern").as_string(), "user:*");
    EXPECT_EQ(report.at("estimate").at("keys").to_number<double>(), 500);
    EXPECT_EQ(report.at("estimate").at("confidence").to_number<double>(), 0.95);
    const Ran text = memory({"--project", "alpha", "--max-keys", "100"});
    EXPECT_TRUE(contains(text.out, "(95%: ")) << text.out;
}

TEST_P(MemoryCommand, RefusesWhatItCannotDo) {
    EXPECT_EQ(memory({"--project", "a:b"}).status, 1);
    EXPECT_EQ(memory({"--max-keys", "5"}).status, 2);  // of no project
    EXPECT_EQ(memory({"--project", "alpha", "--max-keys", "0"}).status, 2);
    EXPECT_EQ(memory({"--project", "alpha", "--seconds", "0"}).status, 2);
    server().kill();
    const Ran dead = memory({});
    EXPECT_EQ(dead.status, 1);
    EXPECT_TRUE(contains(dead.err, "RedisConnectionException")) << dead.err;
}

REDOUBT_BOTH_SERVERS(MemoryCommand);

TEST(MemoryText, OfSizes) {
    EXPECT_EQ(apps::bytes_text(0), "0 B");
    EXPECT_EQ(apps::bytes_text(1023), "1023 B");
    EXPECT_EQ(apps::bytes_text(1536), "1.5 KiB");
    EXPECT_EQ(apps::bytes_text(3.0 * (1 << 30)), "3.0 GiB");
    EXPECT_EQ(apps::shown_name("a\x1b\xff\"b"), "a\\x1b\\xff\\\"b");
}

TEST(ProgressBar, FillsFromLeftToRight) {
    EXPECT_EQ(apps::bar_line(0, "none", 10), "[..........]   0% none");
    EXPECT_EQ(apps::bar_line(0.55, "half", 10), "[#####.....]  55% half");
    EXPECT_EQ(apps::bar_line(7, "all", 10), "[##########] 100% all");
}

}  // namespace
}  // namespace redoubt
