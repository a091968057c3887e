// resp: the command table against real servers: every name, arity, key position and flag that they report.
#include <redoubt/resp/command_table.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isolation/raw_command.hpp"
#include "isolation_fuzz/grammar.hpp"
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
    std::cout << "names: " << list.elements.size() << " in COMMAND LIST, " << reported().size() << " in COMMAND, "
              << command_table().size() << " in the table\n";
}

TEST_P(TableLive, ArityAndKeyPositionsAreTheServers) {
    const auto all = reported();
    std::cout << "arity and positions: " << all.size() << " compared\n";
    for (const auto& [name, entry] : all) {
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

/// Of an array of name, value, name, value; throws when the name is not in it.
const Value& field(const Value& map, std::string_view name) {
    for (std::size_t i = 0; i + 1 < map.elements.size(); i += 2) {
        if (map.elements[i].text == name) return map.elements[i + 1];
    }
    throw std::runtime_error("no field " + std::string(name));
}

TEST_P(TableLive, CountsOfKeysStandWhereTheServerReadsThem) {
    std::size_t compared = 0;
    const auto compare = [&](const Value& entry) {
        const std::string name = table_name(entry.elements.at(0).text);
        std::int64_t position = 0;
        for (const Value& spec : entry.elements.at(8).elements) {
            const Value& find = field(spec, "find_keys");
            if (field(find, "type").text != "keynum") continue;
            position = field(field(field(spec, "begin_search"), "spec"), "index").integer +
                       field(field(find, "spec"), "keynumidx").integer;
        }
        EXPECT_EQ(find_words(name)->keys.numkeys, position) << name;
        compared += position != 0 ? 1 : 0;
    };
    for (const Value& entry : server().ask({"COMMAND"}).elements) {
        compare(entry);
        for (const Value& subcommand : entry.elements.at(9).elements) compare(subcommand);
    }
    EXPECT_EQ(compared, 18U);
    std::cout << "counts of keys: " << compared << " compared\n";
}

/// What the server does not call keys: channels, patterns, and a key that is hashed alone.
bool names_no_keys_for_the_server(const CommandSpec& spec) {
    return spec.policy == Policy::keyless || spec.name == "SCAN" || spec.name == "CLUSTER KEYSLOT" ||
           spec.name.starts_with("PUBSUB ") || spec.name.ends_with("PUBLISH");
}

/// The words of a call in which no two keys are called the same, nor as any other word: so whoever takes another word
/// for a key shows it.
std::optional<Words> with_distinct_keys(const Words& words) {
    const std::vector<std::string_view> views(words.begin(), words.end());
    const auto command = isolation::RawCommand::parse(views);
    if (!command) return std::nullopt;
    Words distinct;
    for (std::size_t i = 0; i < command->spec().words; ++i) distinct.push_back(words[i]);
    for (const Argument& argument : command->arguments()) {
        distinct.push_back(argument.kind() == Argument::Kind::key ? "key-" + std::to_string(distinct.size())
                                                                  : std::string(argument.as_text()));
    }
    return distinct;
}

TEST_P(TableLive, WhatIsMarkedAsKeysIsWhatTheServerTakesForKeys) {
    constexpr int examples = 60;
    const isolation_fuzz::Grammar grammar;
    isolation_fuzz::Random random(1);
    const auto known = reported();
    std::map<std::string_view, std::size_t> compared;
    std::size_t without_keys = 0;
    for (std::size_t i = 0; i < grammar.size() * examples; ++i) {
        const std::string& name = grammar.name(i / examples);
        const CommandSpec& spec = *find_words(name);
        if (known.count(name) == 0) continue;
        Words made;
        grammar.make_line(i / examples, random, made);
        const auto words = with_distinct_keys(made);
        // Patterns of SORT, which only the grammar of the attacker has.
        if (!words && (name == "SORT" || name == "PFMERGE")) continue;
        ASSERT_TRUE(words) << name << ::testing::PrintToString(made);
        const std::vector<std::string_view> views(words->begin(), words->end());
        const auto command = isolation::RawCommand::parse(views);
        ASSERT_TRUE(command) << command.error().message();
        std::vector<std::string> ours;
        for (const Argument& argument : command->arguments()) {
            if (argument.kind() == Argument::Kind::key) ours.emplace_back(argument.as_text());
        }
        ++compared[spec.name];
        if (spec.policy == Policy::keyless && words->size() == 1) continue;  // GETKEYS wants two
        Words question{"COMMAND", "GETKEYS"};
        question.insert(question.end(), words->begin(), words->end());
        const Value answer = server().ask(question);
        if (names_no_keys_for_the_server(spec)) {
            EXPECT_EQ(answer.text, "ERR The command has no key arguments") << name;
            ++without_keys;
        } else {
            ASSERT_FALSE(answer.is_error()) << answer.text << ::testing::PrintToString(*words);
            std::vector<std::string> theirs;
            for (const Value& key : answer.elements) theirs.push_back(key.text);
            std::sort(ours.begin(), ours.end());
            std::sort(theirs.begin(), theirs.end());
            EXPECT_EQ(ours, theirs) << ::testing::PrintToString(*words);
        }
    }
    for (const CommandSpec& spec : command_table()) {
        if (spec.policy >= Policy::typed_only || known.count(std::string{spec.name}) == 0) continue;
        EXPECT_GE(compared[spec.name], 10U) << spec.name << " has no examples in tests/isolation_fuzz/commands.cpp";
    }
    std::size_t calls = 0;
    for (const auto& [name, count] : compared) calls += count;
    std::cout << "keys: " << calls << " calls of " << compared.size() << " commands compared, " << without_keys
              << " of them without keys\n";
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
