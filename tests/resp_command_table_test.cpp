// resp: the command table is sorted, complete against a committed list, and found in any case.
#include <redoubt/resp/command_table.hpp>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt {
namespace {

/// The names of COMMAND LIST of both servers, one a line.
std::vector<std::string> listed_names() {
    std::ifstream file{REDOUBT_SOURCE_DIR "/tests/data/command_names.txt"};
    std::vector<std::string> names;
    for (std::string line; std::getline(file, line);) names.push_back(line);
    return names;
}

std::string encoded(std::string_view name) {
    std::string bytes;
    for (std::size_t at = 0; at < name.size();) {
        const std::size_t end = std::min(name.find(' ', at), name.size());
        bytes += "$" + std::to_string(end - at) + "\r\n" + std::string{name.substr(at, end - at)} + "\r\n";
        at = end + 1;
    }
    return bytes;
}

/// Looks up `OBJECT ENCODING` as its two words.
const CommandSpec* find_words(std::string_view name) {
    const std::size_t space = name.find(' ');
    if (space == std::string_view::npos) return find_command(name);
    return find_command(name.substr(0, space), name.substr(space + 1));
}

std::string with_case(std::string_view name, int (*change)(int)) {
    std::string text{name};
    for (char& byte : text) byte = static_cast<char>(change(byte));
    return text;
}

TEST(CommandTable, IsSortedAndHoldsNoNameTwice) {
    const auto table = command_table();
    for (std::size_t i = 1; i < table.size(); ++i) EXPECT_LT(table[i - 1].name, table[i].name);
}

TEST(CommandTable, HoldsExactlyTheNamesOfBothServers) {
    std::set<std::string> listed;
    for (const std::string& name : listed_names()) listed.insert(name);
    ASSERT_EQ(listed.size(), 373U);
    std::set<std::string> held;
    for (const CommandSpec& spec : command_table()) held.insert(std::string{spec.name});
    EXPECT_EQ(held, listed);
}

TEST(CommandTable, NamesAreEncoded) {
    for (const CommandSpec& spec : command_table()) {
        EXPECT_EQ(spec.encoded_name, encoded(spec.name));
        EXPECT_EQ(spec.words, spec.name.find(' ') == std::string_view::npos ? 1 : 2) << spec.name;
    }
    EXPECT_EQ(find_command("get")->encoded_name, "$3\r\nGET\r\n");
    EXPECT_EQ(find_command("object", "encoding")->encoded_name, "$6\r\nOBJECT\r\n$8\r\nENCODING\r\n");
    EXPECT_EQ(find_command("cluster", "count-failure-reports")->encoded_name,
              "$7\r\nCLUSTER\r\n$21\r\nCOUNT-FAILURE-REPORTS\r\n");
}

TEST(CommandTable, EveryNameIsFoundInAnyCase) {
    for (const CommandSpec& spec : command_table()) {
        EXPECT_EQ(find_words(spec.name), &spec) << spec.name;
        EXPECT_EQ(find_words(with_case(spec.name, std::tolower)), &spec) << spec.name;
        std::string mixed{spec.name};
        for (std::size_t i = 0; i < mixed.size(); i += 2) mixed[i] = static_cast<char>(std::tolower(mixed[i]));
        EXPECT_EQ(find_words(mixed), &spec) << mixed;
    }
}

TEST(CommandTable, WhatIsNotInItIsNotFound) {
    for (const std::string_view name :
         {"", " ", "GE", "GETT", "JSON.SET", "FT.SEARCH", "HEXPIRE", "SENTINEL", "GET ", " GET", "GET\n",
          "OBJECT ENCODING", "THISNAMEISFARLONGERTHANANYCOMMANDTHATTHEREIS", "G\xC3\x89T", "OBJECT|ENCODING"}) {
        EXPECT_EQ(find_command(name), nullptr) << name;
    }
    EXPECT_EQ(find_command(std::string_view{"GET\0", 4}), nullptr);
    EXPECT_EQ(find_command(std::string_view{"\0GET", 4}), nullptr);
    EXPECT_EQ(find_command("OBJECT", "BOGUS"), nullptr);
    EXPECT_EQ(find_command("OBJECT", "ENCODING "), nullptr);
    EXPECT_EQ(find_command("OBJECT", std::string_view{"ENCODING\0", 9}), nullptr);
    EXPECT_EQ(find_command("COMMAND", "GETKEY"), nullptr);
    EXPECT_EQ(find_command("CLUSTER", "COUNT-FAILURE-REPORTSX"), nullptr);
    EXPECT_EQ(find_command("CLUSTER", std::string(100000, 'A')), nullptr);
    // 0xC7 is G with the high bit: no reader may fold it into a letter.
    EXPECT_EQ(find_command("\xC7"
                           "ET"),
              nullptr);
}

TEST(CommandTable, ContainersNeedBothWordsAndOthersIgnoreTheSecond) {
    EXPECT_EQ(find_command("get", "encoding")->name, "GET");
    EXPECT_EQ(find_command("get", std::string_view{"\0\r\n", 3})->name, "GET");
    EXPECT_EQ(find_command("object")->policy, Policy::refused);
    EXPECT_EQ(find_command("command")->policy, Policy::keyless);
    EXPECT_EQ(find_command("command", "docs")->name, "COMMAND DOCS");
}

TEST(CommandTable, EachRowIsConsistent) {
    for (const CommandSpec& spec : command_table()) {
        EXPECT_NE(spec.arity, 0) << spec.name;
        EXPECT_GE(std::abs(spec.arity), spec.words) << spec.name;
        switch (spec.policy) {
            case Policy::keys:
                EXPECT_GT(spec.keys.first, 0) << spec.name;
                EXPECT_EQ(spec.keys.numkeys, 0) << spec.name;
                break;
            case Policy::numkeys: EXPECT_GT(spec.keys.numkeys, 0) << spec.name; break;
            case Policy::keyless:
                EXPECT_EQ(spec.keys.first, 0) << spec.name;
                EXPECT_EQ(spec.keys.numkeys, 0) << spec.name;
                break;
            case Policy::special: EXPECT_NE(spec.retry, RetryCategory::never) << spec.name; break;
            case Policy::typed_only:
            case Policy::library_only:
            case Policy::refused: EXPECT_FALSE(spec.reason.empty()) << spec.name; break;
        }
        if (spec.policy < Policy::typed_only) {
            EXPECT_TRUE(spec.reason.empty()) << spec.name;
            EXPECT_NE(spec.retry, RetryCategory::never) << spec.name;
        }
        if (spec.policy == Policy::refused) {
            EXPECT_EQ(spec.retry, RetryCategory::never) << spec.name;
        }
    }
}

TEST(CommandTable, PoliciesCountAsInTheReference) {
    std::size_t counts[7] = {};
    for (const CommandSpec& spec : command_table()) ++counts[static_cast<std::size_t>(spec.policy)];
    EXPECT_EQ(counts[static_cast<std::size_t>(Policy::keys)], 160U);
    EXPECT_EQ(counts[static_cast<std::size_t>(Policy::numkeys)], 12U);
    EXPECT_EQ(counts[static_cast<std::size_t>(Policy::special)], 14U);
    EXPECT_EQ(counts[static_cast<std::size_t>(Policy::keyless)], 13U);
    EXPECT_EQ(counts[static_cast<std::size_t>(Policy::typed_only)], 19U);
    EXPECT_EQ(counts[static_cast<std::size_t>(Policy::library_only)], 32U);
    EXPECT_EQ(counts[static_cast<std::size_t>(Policy::refused)], 123U);  // 109 and 14 bare containers
}

TEST(CommandTable, RetryCategoriesThatMatterMost) {
    const auto retry = [](std::string_view name) { return find_command(name)->retry; };
    EXPECT_EQ(retry("GET"), RetryCategory::read_only);
    EXPECT_EQ(retry("SET"), RetryCategory::idempotent);
    EXPECT_EQ(retry("DEL"), RetryCategory::idempotent);
    EXPECT_EQ(retry("SETNX"), RetryCategory::conditional);
    EXPECT_EQ(retry("INCR"), RetryCategory::accumulating);
    EXPECT_EQ(retry("LPUSH"), RetryCategory::accumulating);
    EXPECT_EQ(retry("LPOP"), RetryCategory::accumulating);
    EXPECT_EQ(retry("GETDEL"), RetryCategory::accumulating);
    EXPECT_EQ(retry("EVAL"), RetryCategory::never);
    EXPECT_EQ(retry("EVAL_RO"), RetryCategory::never);
    EXPECT_EQ(retry("EXEC"), RetryCategory::never);
    // A destination may be one of the sources: then twice is not once.
    EXPECT_EQ(retry("ZUNIONSTORE"), RetryCategory::conditional);
    EXPECT_EQ(retry("BITOP"), RetryCategory::conditional);
}

}  // namespace
}  // namespace redoubt
