// isolation: the rules of ACL users: exactly what the client allows, word for word, and what both servers make of them.
#include "isolation/acl_rules.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isolation/project_id.hpp"
#include "support/live_server.hpp"
#include "support/servers.hpp"

namespace redoubt::isolation {
namespace {

using testing::LiveServer;
using Words = std::vector<std::string>;
using Names = std::set<std::string>;

AclUser user_of(AclRole role, std::string_view id = "a") { return {role, prefix_for(id), 0}; }

/// All names of the table, as a server that knows them all would list them.
Words all_names() {
    Words names;
    for (const CommandSpec& spec : command_table()) names.push_back(acl_name(spec));
    return names;
}

std::string joined(const Words& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

// --- what is granted ----------------------------------------------------------------------------------------------

TEST(AclGrants, AreWhatTheClientAllows) {
    const Names not_granted{"GEORADIUS", "GEORADIUSBYMEMBER", "PFMERGE"};
    const Names of_the_library{"AUTH", "CLIENT SETNAME", "HELLO", "READONLY", "SELECT"};
    for (const CommandSpec& spec : command_table()) {
        const bool allowed = spec.policy != Policy::refused && spec.policy != Policy::library_only;
        const std::string name(spec.name);
        const bool granted = spec.acl != AclGrant::none;
        EXPECT_EQ(granted, (allowed && !not_granted.contains(name)) || of_the_library.contains(name)) << name;
    }
}

TEST(AclGrants, OfEachRole) {
    const auto granted = [](AclRole role) {
        const Words grants = acl_grants(user_of(role), all_names());
        return Names(grants.begin(), grants.end());
    };
    EXPECT_EQ(granted(AclRole::scan),
              (Names{"+auth", "+client|setname", "+hello", "+ping", "+pubsub|channels", "+pubsub|numsub",
                     "+pubsub|shardchannels", "+pubsub|shardnumsub", "+readonly", "+scan"}));
    const Names project = granted(AclRole::project);
    Names scripts = granted(AclRole::script_project);
    for (const char* name : {"+eval", "+evalsha", "+eval_ro", "+evalsha_ro", "+script|load", "+script|exists"}) {
        EXPECT_FALSE(project.contains(name)) << name;
        EXPECT_EQ(scripts.erase(name), 1u) << name;
    }
    EXPECT_EQ(project, scripts);
    for (const char* name :
         {"+get", "+mset", "+bitop", "+object|encoding", "+time", "+multi", "+watch", "+subscribe", "+publish",
          "+xgroup|create", "+xreadgroup", "+blpop", "+geosearchstore", "+georadius_ro"}) {
        EXPECT_TRUE(project.contains(name)) << name;
    }
    for (const char* name : {"+scan", "+keys", "+eval", "+pfmerge", "+georadius", "+select", "+client", "+object",
                             "+pubsub|channels", "+restore", "+migrate", "+reset", "+info", "+debug", "+fcall"}) {
        EXPECT_FALSE(project.contains(name)) << name;
    }
}

TEST(AclGrants, TakeAwayWhatAContainerWouldBringAlong) {
    const Words known{"command", "command|count", "command|getkeys", "command|list", "command|tomorrow", "get"};
    EXPECT_EQ(acl_grants(user_of(AclRole::project), known),
              (Words{"+command", "+command|count", "+command|list", "+get", "-command|getkeys", "-command|tomorrow"}));
}

TEST(AclGrants, AreNoMoreThanTheServerKnows) {
    EXPECT_EQ(acl_grants(user_of(AclRole::project), Words{"get", "hexpire"}), Words{"+get"});
    EXPECT_TRUE(acl_grants(user_of(AclRole::project), {}).empty());
}

TEST(AclGrants, SelectOnlyTheDatabaseOfTheConfiguration) {
    AclUser user = user_of(AclRole::project);
    const Words known{"select"};
    EXPECT_TRUE(acl_grants(user, known).empty());
    user.database = 3;
    EXPECT_EQ(acl_grants(user, known), Words{"+select|3"});
}

TEST(AclRules, WordForWord) {
    const Words known{"get", "set", "ping", "scan", "keys"};
    EXPECT_EQ(joined(acl_rules(user_of(AclRole::project), known)),
              "on clearselectors resetkeys ~proj:a:* resetchannels &proj:a:* "
              "&__keyspace@0__:proj:a:* -@all +get +ping +set");
    EXPECT_EQ(joined(acl_rules(user_of(AclRole::scan), known)),
              "on clearselectors resetkeys resetchannels -@all +ping +scan");
}

TEST(AclRules, ThePrefixIsALiteralInThePatterns) {
    const AclUser user{AclRole::project, KeyPrefix("p*?[x]\\^:"), 0};
    EXPECT_EQ(acl_key_pattern(user), "~p\\*\\?\\[x\\]\\\\\\^:*");
    EXPECT_EQ(acl_channel_patterns(user),
              (Words{"&p\\*\\?\\[x\\]\\\\\\^:*", "&__keyspace@0__:p\\*\\?\\[x\\]\\\\\\^:*"}));
}

TEST(AclUserName, IsTheProjectsAndBack) {
    EXPECT_EQ(acl_user_of("a.b-c_D"), "proj_a.b-c_D");
    EXPECT_EQ(project_of_acl_user("proj_a.b-c_D"), "a.b-c_D");
    EXPECT_EQ(project_of_acl_user(acl_scan_user), std::nullopt);
    EXPECT_EQ(project_of_acl_user("default"), std::nullopt);
}

// --- what servers make of it ---------------------------------------------------------------------------------------

class AclRulesLive : public ::testing::TestWithParam<std::string> {
protected:
    LiveServer& server() {
        if (!server_) server_.emplace(*testing::find_program(GetParam()));
        return *server_;
    }
    Words known() {
        Words names;
        for (const Value& name : server().ask({"COMMAND", "LIST"}).elements) names.push_back(name.text);
        std::sort(names.begin(), names.end());
        return names;
    }
    /// Makes the user; what the server says when it does not take a rule.
    std::string make(const std::string& name, const AclUser& user) {
        Words words{"ACL", "SETUSER", name, "reset", ">secret"};
        const Words rules = acl_rules(user, known());
        words.insert(words.end(), rules.begin(), rules.end());
        return server().ask(words).text;
    }
    Value field(const std::string& name, std::string_view wanted) {
        const Value user = server().ask({"ACL", "GETUSER", name});
        for (std::size_t i = 0; i + 1 < user.elements.size(); i += 2) {
            if (user.elements[i].text == wanted) return user.elements[i + 1];
        }
        throw std::runtime_error("ACL GETUSER has no such field");
    }
    /// All commands that the rules of ACL GETUSER allow; Redis 7.0 gives them back in categories.
    Names allowed(const std::string& rules, const Words& known) {
        Names names;
        std::istringstream in(rules);
        for (std::string rule; in >> rule;) {
            const std::string body = rule.substr(1);
            Words meant;
            if (body == "@all") {
                meant = known;
            } else if (body.starts_with('@')) {
                for (const Value& name : server().ask({"ACL", "CAT", body.substr(1)}).elements)
                    meant.push_back(name.text);
            } else {
                meant.push_back(body);
                for (const std::string& name : known) {
                    if (name.starts_with(body + "|")) meant.push_back(name);
                }
            }
            for (const std::string& name : meant) {
                if (rule.front() == '+')
                    names.insert(name);
                else
                    names.erase(name);
            }
        }
        return names;
    }
    /// Empty: it would be executed.
    std::string dry_run(const std::string& user, const Words& command) {
        Words words{"ACL", "DRYRUN", user};
        words.insert(words.end(), command.begin(), command.end());
        const Value answer = server().ask(words);
        return answer.text == "OK" ? std::string() : answer.text;
    }

private:
    std::optional<LiveServer> server_;
};

TEST_P(AclRulesLive, EveryNameIsTakenAndReadBack) {
    const Words names = known();
    for (const AclRole role : {AclRole::project, AclRole::script_project, AclRole::scan}) {
        const AclUser user = user_of(role);
        ASSERT_EQ(make("u", user), "OK");
        EXPECT_EQ(field("u", "keys").text, acl_key_pattern(user));
        EXPECT_EQ(field("u", "channels").text, joined(acl_channel_patterns(user)));
        EXPECT_TRUE(field("u", "selectors").elements.empty());
        Names wanted;
        for (const std::string& grant : acl_grants(user, names)) {
            if (grant.front() == '+') wanted.insert(grant.substr(1));
        }
        Names got = allowed(field("u", "commands").text, names);
        EXPECT_EQ(got, wanted);
        std::printf("%s: role %d, %zu of %zu names granted\n", GetParam().c_str(), static_cast<int>(role),
                    wanted.size(), names.size());
    }
}

TEST_P(AclRulesLive, TheChecksHold) {
    for (const AclRole role : {AclRole::project, AclRole::script_project, AclRole::scan}) {
        AclUser user = user_of(role);
        ASSERT_EQ(make("u", user), "OK");
        for (const AclCheck& check : acl_checks(user)) {
            EXPECT_EQ(dry_run("u", check.words).empty(), check.allowed)
                << joined(check.words) << ": " << dry_run("u", check.words);
        }
    }
}

/// Every command with keys: with the project's own it would be executed, with any of them replaced it would not.
TEST_P(AclRulesLive, EveryKeyedCommandIsConfinedToItsKeys) {
    ASSERT_EQ(make("u", user_of(AclRole::project)), "OK");
    const Words names = known();
    std::size_t commands = 0;
    std::size_t attempts = 0;
    for (const CommandSpec& spec : command_table()) {
        const bool known_there = std::find(names.begin(), names.end(), acl_name(spec)) != names.end();
        if (!known_there || spec.policy != Policy::keys || spec.acl != AclGrant::project) continue;
        Words command;
        std::istringstream in{std::string(spec.name)};
        for (std::string word; in >> word;) command.push_back(word);
        // One argument more than the least, so that a command with sources has one; pairs stay pairs.
        const auto least = static_cast<std::size_t>(std::abs(spec.arity));
        std::size_t size = spec.arity < 0 && spec.keys.last < 0 && spec.keys.step == 1 ? least + 1 : least;
        while (command.size() < size) command.push_back("proj:a:k" + std::to_string(command.size()));
        const auto last =
            static_cast<std::size_t>(spec.keys.last < 0 ? static_cast<int>(size) + spec.keys.last : spec.keys.last);
        EXPECT_EQ(dry_run("u", command), "") << joined(command);
        ++commands;
        for (auto at = static_cast<std::size_t>(spec.keys.first); at <= std::min(last, size - 1);
             at += static_cast<std::size_t>(spec.keys.step)) {
            Words foreign = command;
            foreign[at] = "proj:b:k";
            EXPECT_NE(dry_run("u", foreign), "") << joined(foreign);
            ++attempts;
        }
    }
    std::printf("%s: %zu commands, %zu foreign keys refused\n", GetParam().c_str(), commands, attempts);
    EXPECT_GT(commands, 140u);
}

/// What an escaped prefix with glob characters confines to is that prefix, read literally.
TEST_P(AclRulesLive, AGlobCharacterInAPrefixIsNoPattern) {
    const AclUser user{AclRole::project, KeyPrefix("p*?[x]\\^:"), 0};
    ASSERT_EQ(make("u", user), "OK");
    EXPECT_EQ(dry_run("u", {"GET", "p*?[x]\\^:k"}), "");
    EXPECT_NE(dry_run("u", {"GET", "pAAx\\^:k"}), "");
    EXPECT_NE(dry_run("u", {"GET", "p*?x\\^:k"}), "");
}

/// The server alone lets a project's user into another database with keys of its own prefix; the client refuses DB.
TEST_P(AclRulesLive, CopyIntoAnotherDatabaseIsTheClientsToRefuse) {
    ASSERT_EQ(make("u", user_of(AclRole::project)), "OK");
    EXPECT_EQ(dry_run("u", {"COPY", "proj:a:x", "proj:a:y", "DB", "1"}), "");
    EXPECT_NE(dry_run("u", {"COPY", "proj:a:x", "proj:b:y", "DB", "1"}), "");
}

TEST_P(AclRulesLive, WhatOnlyExecutionShows) {
    ASSERT_EQ(make("u", user_of(AclRole::project)), "OK");
    server().ask({"RPUSH", "proj:a:list", "1", "2"});
    server().ask({"SET", "proj:b:w1", "canary"});
    server().ask({"AUTH", "u", "secret"});
    const Value by = server().ask({"SORT", "proj:a:list", "BY", "proj:b:w*"});
    const Value get = server().ask({"SORT", "proj:a:list", "GET", "proj:b:w*"});
    const Value read_only = server().ask({"SORT_RO", "proj:a:list", "GET", "proj:b:w*"});
    EXPECT_TRUE(by.is_error()) << by.text;
    EXPECT_TRUE(get.is_error()) << get.text;
    EXPECT_TRUE(read_only.is_error()) << read_only.text;
    EXPECT_FALSE(server().ask({"SORT", "proj:a:list"}).is_error());
}

INSTANTIATE_TEST_SUITE_P(BothServers, AclRulesLive, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return parameter.param.substr(0, parameter.param.find('-')); });

}  // namespace
}  // namespace redoubt::isolation
