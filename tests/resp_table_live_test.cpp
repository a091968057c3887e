// resp: the command table against real servers: every name, arity, key position and flag that they report.
#include <redoubt/resp/command_table.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isolation/raw_command.hpp"
#include "support/encoded.hpp"
#include "support/live_server.hpp"

namespace redoubt {
namespace {

using testing::LiveServer;
using Words = std::vector<std::string>;

/// What COMMAND says of one.
struct Reported {
    std::int64_t arity = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int64_t step = 0;
    std::set<std::string> flags;
};

std::string table_name(std::string name) {
    for (char& byte : name)
        byte = byte == '|' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(byte)));
    return name;
}

void collect(const Value& entry, std::map<std::string, Reported>& into) {
    Reported reported;
    reported.arity = entry.elements.at(1).integer;
    for (const Value& flag : entry.elements.at(2).elements) reported.flags.insert(flag.text);
    reported.first = entry.elements.at(3).integer;
    reported.last = entry.elements.at(4).integer;
    reported.step = entry.elements.at(5).integer;
    into.emplace(table_name(entry.elements.at(0).text), reported);
    for (const Value& subcommand : entry.elements.at(9).elements) collect(subcommand, into);
}

const CommandSpec* find_words(std::string_view name) {
    const std::size_t space = name.find(' ');
    if (space == std::string_view::npos) return find_command(name);
    return find_command(name.substr(0, space), name.substr(space + 1));
}

/// The arity of Valkey 8, where Redis 7.0 is stricter; the server checks its own.
const std::set<std::string_view> widened{"ZRANK", "ZREVRANK", "COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS"};

bool admits(std::int64_t ours, std::int64_t theirs) {
    if (ours == theirs) return true;
    return ours < 0 && std::abs(theirs) >= -ours;
}

class TableLive : public ::testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        const std::optional<std::string> program = testing::find_program(GetParam());
        ASSERT_TRUE(program) << GetParam() << " is missing: apt-get install redis-server valkey-server";
        server_ = std::make_unique<LiveServer>(*program);
    }
    LiveServer& server() { return *server_; }

    std::map<std::string, Reported> reported() {
        std::map<std::string, Reported> all;
        for (const Value& entry : server().ask({"COMMAND"}).elements) collect(entry, all);
        return all;
    }

private:
    std::unique_ptr<LiveServer> server_;
};

TEST_P(TableLive, EveryNameOfTheServerIsInTheTable) {
    const Value list = server().ask({"COMMAND", "LIST"});
    EXPECT_GE(list.elements.size(), 366U);
    for (const Value& name : list.elements) {
        const CommandSpec* spec = find_words(table_name(name.text));
        ASSERT_NE(spec, nullptr) << name.text << " is not in the table";
        EXPECT_EQ(spec->name, table_name(name.text));
    }
    for (const auto& [name, entry] : reported()) EXPECT_NE(find_words(name), nullptr) << name;
}

TEST_P(TableLive, ArityAndKeyPositionsAreTheServers) {
    for (const auto& [name, entry] : reported()) {
        const CommandSpec* spec = find_words(name);
        ASSERT_NE(spec, nullptr) << name;
        if (widened.count(name) != 0) {
            EXPECT_TRUE(admits(spec->arity, entry.arity)) << name;
        } else {
            EXPECT_EQ(spec->arity, entry.arity) << name;
        }
        EXPECT_EQ(spec->keys.first, entry.first) << name;
        EXPECT_EQ(spec->keys.last, entry.last) << name;
        if (entry.first != 0) {
            EXPECT_EQ(spec->keys.step, entry.step) << name;
        }
    }
}

TEST_P(TableLive, FlagsAgreeWithPolicyAndRetry) {
    for (const auto& [name, entry] : reported()) {
        const CommandSpec& spec = *find_words(name);
        if (entry.flags.count("blocking") != 0) {
            EXPECT_TRUE(spec.blocking) << name;
        }
        if (entry.flags.count("write") != 0) {
            EXPECT_NE(spec.retry, RetryCategory::read_only) << name;
        }
        if (spec.retry == RetryCategory::accumulating && entry.flags.count("readonly") != 0) {
            ADD_FAILURE() << name << " only reads, says the server";
        }
        // A key that moves must not be left to static positions.
        if (entry.flags.count("movablekeys") != 0) {
            EXPECT_NE(spec.policy, Policy::keys) << name;
        }
        if (spec.policy == Policy::library_only || spec.policy == Policy::keyless) {
            EXPECT_EQ(entry.first, 0) << name;
        }
        if (entry.flags.count("admin") != 0 || entry.flags.count("pubsub") != 0) {
            EXPECT_NE(spec.policy, Policy::keys) << name;
            EXPECT_NE(spec.policy, Policy::numkeys) << name;
        }
    }
}

/// Commands whose samples need words of their own; for all others, the smallest argv of distinct words.
const std::map<std::string_view, std::vector<Words>> samples{
    {"SET", {{"SET", "k1", "v", "EX", "10"}}},
    {"MSET", {{"MSET", "k1", "v1", "k2", "v2", "k3", "v3"}}},
    {"MSETNX", {{"MSETNX", "k1", "v1", "k2", "v2"}}},
    {"DEL", {{"DEL", "k1", "k2", "k3"}}},
    {"BITOP", {{"BITOP", "AND", "k1", "k2", "k3"}}},
    {"COPY", {{"COPY", "k1", "k2", "REPLACE"}}},
    {"LCS", {{"LCS", "k1", "k2", "LEN"}}},
    {"PFMERGE", {{"PFMERGE", "k1", "k2", "k3"}}},
    {"SDIFFSTORE", {{"SDIFFSTORE", "k1", "k2", "k3"}}},
    {"SINTERCARD", {{"SINTERCARD", "2", "k1", "k2", "LIMIT", "1"}, {"SINTERCARD", "1", "k1", "LIMIT", "1"}}},
    {"LMPOP", {{"LMPOP", "2", "k1", "k2", "LEFT", "COUNT", "1"}}},
    {"ZMPOP", {{"ZMPOP", "2", "k1", "k2", "MIN"}}},
    {"ZDIFF", {{"ZDIFF", "2", "k1", "k2", "WITHSCORES"}}},
    {"ZDIFFSTORE", {{"ZDIFFSTORE", "k1", "2", "k2", "k3"}}},
    {"ZINTER", {{"ZINTER", "2", "k1", "k2", "WEIGHTS", "1", "2"}}},
    {"ZINTERCARD", {{"ZINTERCARD", "2", "k1", "k2", "LIMIT", "1"}}},
    {"ZINTERSTORE", {{"ZINTERSTORE", "k1", "1", "k2", "AGGREGATE", "MAX"}}},
    {"ZUNION", {{"ZUNION", "1", "k1", "AGGREGATE", "MAX"}}},
    {"ZUNIONSTORE", {{"ZUNIONSTORE", "k1", "2", "k2", "k3", "WEIGHTS", "1", "2"}}},
    {"GEORADIUS_RO", {{"GEORADIUS_RO", "k1", "0", "0", "1", "m"}}},
    {"XGROUP CREATE", {{"XGROUP", "CREATE", "k1", "g", "$"}}},
    {"MEMORY USAGE", {{"MEMORY", "USAGE", "k1", "SAMPLES", "5"}}},
};

Words smallest_words(const CommandSpec& spec) {
    Words words;
    const std::size_t space = spec.name.find(' ');
    words.emplace_back(spec.name.substr(0, space));
    if (space != std::string_view::npos) words.emplace_back(spec.name.substr(space + 1));
    const auto wanted = static_cast<std::size_t>(std::abs(spec.arity));
    while (words.size() < wanted) words.push_back("w" + std::to_string(words.size()));
    return words;
}

TEST_P(TableLive, WhatIsMarkedAsKeysIsWhatTheServerTakesForKeys) {
    const auto known = reported();
    std::size_t compared = 0;
    for (const CommandSpec& spec : command_table()) {
        if ((spec.policy != Policy::keys && spec.policy != Policy::numkeys) || spec.blocking) continue;
        if (known.count(std::string{spec.name}) == 0) continue;
        const auto sample = samples.find(spec.name);
        ASSERT_TRUE(sample != samples.end() || spec.policy == Policy::keys) << spec.name << " needs a sample";
        const auto all = sample == samples.end() ? std::vector<Words>{smallest_words(spec)} : sample->second;
        for (const Words& words : all) {
            const std::vector<std::string_view> views(words.begin(), words.end());
            const auto command = isolation::RawCommand::parse(views);
            if (spec.name == "PFMERGE" && words.size() == 2) continue;
            ASSERT_TRUE(command) << command.error().message();
            std::vector<std::string> ours;
            for (const Argument& argument : command->arguments()) {
                if (argument.kind() == Argument::Kind::key) ours.emplace_back(argument.as_text());
            }
            Words question{"COMMAND", "GETKEYS"};
            question.insert(question.end(), words.begin(), words.end());
            const Value answer = server().ask(question);
            ASSERT_FALSE(answer.is_error()) << spec.name << ": " << answer.text;
            std::vector<std::string> theirs;
            for (const Value& key : answer.elements) theirs.push_back(key.text);
            std::sort(ours.begin(), ours.end());
            std::sort(theirs.begin(), theirs.end());
            EXPECT_EQ(ours, theirs) << spec.name;
            ++compared;
        }
    }
    EXPECT_GE(compared, 160U);
}

TEST_P(TableLive, TheServerUnderstandsTheBytes) {
    const KeyPrefix prefix{"proj:a:"};
    const auto send = [&](const Words& words) {
        const std::vector<std::string_view> views(words.begin(), words.end());
        const auto command = isolation::RawCommand::parse(views).value();
        return server().ask_bytes(testing::encoded(command.spec(), command.arguments(), prefix));
    };
    EXPECT_EQ(send({"SET", "k", "v"}).text, "OK");
    EXPECT_EQ(server().ask({"GET", "proj:a:k"}).text, "v");
    EXPECT_EQ(server().ask({"SET", "proj:b:k", "other"}).text, "OK");
    EXPECT_EQ(server().ask({"SET", "proj:ax:k", "other"}).text, "OK");
    const Value page = send({"SCAN", "0", "COUNT", "99999999"});
    ASSERT_EQ(page.elements.at(1).elements.size(), 1U);
    EXPECT_EQ(page.elements[1].elements[0].text, "proj:a:k");
    EXPECT_EQ(send({"OBJECT", "ENCODING", "k"}).text, "embstr");
}

INSTANTIATE_TEST_SUITE_P(Servers, TableLive, ::testing::Values("redis-server", "valkey-server"),
                         [](const auto& parameter) {
                             return std::string{parameter.param}.substr(0, std::string{parameter.param}.find('-'));
                         });

}  // namespace
}  // namespace redoubt
