// isolation: attempts of one project on another, by name. Each is made four times: through the library; through the
// library with the server's users behind it; past the library, as the project's user alone, where the server must hold;
// and through the library with the one rule turned off that stops it, where it must succeed: else it shows nothing.
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isolation/raw_command.hpp"
#include "support/acl_service.hpp"
#include "support/attacks.hpp"

namespace redoubt {
namespace {

using testing::Attack;
using testing::attacks;
using testing::contains;
using testing::RawClient;
using Texts = std::vector<std::string>;

const std::string own_prefix = "proj:alpha:";

Texts words_of(const Attack& attack, const std::string& in_front_of_own) {
    Texts words;
    for (const std::string& word : attack.words) {
        const bool own = word.starts_with('{');
        words.push_back(own ? in_front_of_own + word.substr(1, word.size() - 2) : word);
    }
    return words;
}

std::string encoded(const Texts& words) {
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return bytes;
}

class Attacks : public testing::AclServiceTest {
protected:
    static constexpr const char* kinds[] = {"secret", "hash", "list", "set", "zset", "geo", "stream", "hll"};

    /// What belongs to beta, to another database, and to the server; what alpha has; and those who listen.
    void plant() {
        RawClient& admin = raw();
        admin.command({"FLUSHALL"});
        const auto fill = [&](const std::string& prefix, const std::string& value, const std::string& member) {
            admin.command({"SET", prefix + "secret", value});
            admin.command({"HSET", prefix + "hash", member, value});
            admin.command({"RPUSH", prefix + "list", member, value});
            admin.command({"SADD", prefix + "set", "m", member, value});
            admin.command({"ZADD", prefix + "zset", "1", value});
            admin.command({"GEOADD", prefix + "geo", "1", "1", "m", "1", "1", value});
            admin.command({"XADD", prefix + "stream", "1-1", "f", value});
            admin.command({"PFADD", prefix + "hll", value});
        };
        admin.command({"SELECT", "1"});
        fill("proj:beta:", "canary-of-db1", "secret");
        admin.command({"SET", "proj:alpha:probe", "canary-of-db1"});
        admin.command({"SELECT", "0"});
        fill("proj:beta:", "canary", "secret");
        fill("proj:alpha:", "own", "secret");
        admin.command({"SET", "proj:beta:canary-name", "1"});
        for (const char* key : {"mine", "guess"}) admin.command({"SET", own_prefix + key, "canar"});
        admin.command({"FUNCTION", "LOAD", "REPLACE",
                       "#!lua name=canarylib\nredis.register_function('canaryf', function() return 'canary' end)"});
        admin.command({"ACL", "SETUSER", "canary-user", "on", ">canary"});
        admin.command({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
        admin.command({"CONFIG", "SET", "proc-title-template", "canary {title}"});
        victim_.emplace(RawClient::unix_socket(server().socket_path(), 2s));
        victim_->command({"CLIENT", "SETNAME", "canary-client"});
        victim_->command({"GET", "proj:beta:canary-name"});
        listener_.emplace(RawClient::unix_socket(server().socket_path(), 2s));
        listener_->command({"SUBSCRIBE", "proj:beta:canary-news"});
        listener_->command({"SSUBSCRIBE", "proj:beta:canary-shard"});
        listener_->command({"PSUBSCRIBE", "proj:beta:*"});
        before_ = picture();
    }

    /// All that alpha may not change.
    std::string picture() {
        RawClient& admin = observer_.emplace(RawClient::unix_socket(server().socket_path(), 2s));
        std::string all;
        for (const char* database : {"1", "0"}) {
            admin.command({"SELECT", database});
            std::size_t foreign = 0;
            for (const std::string& key : admin.sorted_strings({"KEYS", "*"})) {
                if (std::string_view(database) == "0" && key.starts_with(own_prefix)) continue;
                ++foreign;
                all += key + admin.command({"DUMP", key}) + admin.command({"PEXPIRETIME", key});
            }
            all += std::to_string(foreign) + ";";
        }
        all += admin.command({"FCALL", "canaryf", "0"});
        all += admin.command({"CONFIG", "GET", "maxmemory"});
        all += admin.info("role");
        Texts users;
        for (const std::string& user : admin.sorted_strings({"ACL", "LIST"})) {
            if (!user.starts_with("user proj_alpha") && !user.starts_with("user redoubt_scan")) users.push_back(user);
        }
        for (const std::string& user : users) all += user;
        return all;
    }

    /// What has been reached, in a word; empty: nothing. `answers`: all that the attacker was told.
    std::string breach(const Attack& attack, const std::string& answers) {
        if (contains(answers, "canary")) return "another's data in an answer";
        static const std::regex number("(:|keys=)[1-9]");
        if (attack.counts && std::regex_search(answers, number)) return "a number that tells of others";
        try {
            if (picture() != before_) return "another's data changed";
            // Own keys may hold nothing that was another's.
            for (const std::string& key : observer_->sorted_strings({"KEYS", own_prefix + "*"})) {
                if (contains(observer_->command({"DUMP", key}), "canary")) return "another's data in an own key";
            }
            if (!contains(victim_->command({"PING"}), "PONG")) return "another's connection spoilt";
            listener_->send(encoded({"PING"}));
            if (!contains(listener_->read_frame(), "pong")) return "another was sent a message";
        } catch (const std::exception& failure) {
            return std::string("a connection or the server is gone: ") + failure.what();
        }
        return {};
    }

    /// Sends it past the library, then looks what is left behind on that connection.
    std::string send_raw(RawClient& attacker, const std::string& bytes) {
        std::string answers;
        try {
            attacker.send(bytes);
            answers = attacker.read_frame();
            // What others do meanwhile.
            RawClient others(server());
            others.command({"PUBLISH", "proj:gamma:news", "canary"});
            others.command({"SET", "proj:gamma:canary", "1"});
            others.command({"DEL", "proj:gamma:canary"});
            attacker.send(encoded({"GET", own_prefix + "probe"}) + encoded({"PING"}));
            for (int frames = 0; frames != 50; ++frames) {
                const std::string frame = attacker.read_frame();
                answers += frame;
                if (contains(frame, "PONG") || contains(frame, "pong")) return answers;
            }
        } catch (const std::exception&) {
            answers += "(no answer)";
        }
        return answers;
    }

    /// Through the library: the answer or the error's text.
    std::string send_through(RedisService& service, const Attack& attack) {
        const Texts words = words_of(attack, "");
        const std::vector<std::string_view> views(words.begin(), words.end());
        const auto redis = service.get_connection("alpha");
        std::string answers;
        for (int round = 0; round != 2; ++round) {  // twice: the first may leave something behind
            const result<Value> answer = redis.try_command(views);
            answers += answer ? describe(*answer) : answer.error().message();
        }
        EXPECT_EQ(redis.get("probe"), std::nullopt);
        EXPECT_TRUE(redis.ping() == "PONG");
        // An error may name the command's own words, which are the attacker's.
        for (const std::string& word : words) {
            for (auto at = answers.find(word); !word.empty() && at != std::string::npos; at = answers.find(word)) {
                answers.erase(at, word.size());
            }
        }
        return answers;
    }
    static std::string describe(const Value& value) {
        std::string text = value.text;
        if (value.type == RespType::integer) text += ":" + std::to_string(value.integer);
        for (const Value& element : value.elements) text += " " + describe(element);
        return text;
    }

private:
    std::optional<RawClient> victim_;
    std::optional<RawClient> listener_;
    std::optional<RawClient> observer_;
    std::string before_;
};

TEST_P(Attacks, ReachNothingThroughTheLibrary) {
    RedisService& service = start(config());
    for (const Attack& attack : attacks()) {
        SCOPED_TRACE(attack.name);
        plant();
        const std::string answers = send_through(service, attack);
        EXPECT_EQ(breach(attack, answers), "") << answers;
    }
    std::printf("%s: %zu attacks through the library\n", GetParam().c_str(), attacks().size());
}

TEST_P(Attacks, ReachNothingWithUsersOfTheServer) {
    for (const Attack& attack : attacks()) {
        SCOPED_TRACE(attack.name);
        // ACL SETUSER of the canary's would go away with FLUSHALL otherwise: users stay, keys do not.
        RedisService& service = start();
        (void)service.get_connection("alpha").ping();
        plant();
        const std::string answers = send_through(service, attack);
        EXPECT_EQ(breach(attack, answers), "") << answers;
    }
}

TEST_P(Attacks, AreStoppedByTheServerAlone) {
    RedisService& service = start();
    (void)service.get_connection("alpha").ping();  // its user is made
    std::size_t stopped = 0;
    for (const Attack& attack : attacks()) {
        if (attack.past_acl) continue;
        SCOPED_TRACE(attack.name);
        plant();
        RawClient attacker = RawClient::unix_socket(server().socket_path(), 1s);
        ASSERT_EQ(log_in(attacker, "proj_alpha", secret_of("alpha")), "+OK\r\n");
        attacker.command({"HELLO", "3"});
        const std::string answers = send_raw(attacker, encoded(words_of(attack, own_prefix)));
        // What may change is its own connection's state.
        EXPECT_EQ(breach(attack, answers), "") << answers;
        ++stopped;
    }
    std::printf("%s: %zu attacks stopped by the server alone\n", GetParam().c_str(), stopped);
}

TEST_P(Attacks, SucceedWithoutTheRuleThatStopsThem) {
    const KeyPrefix prefix(own_prefix);
    std::set<isolation::Rule> rules;
    for (const Attack& attack : attacks()) {
        SCOPED_TRACE(attack.name);
        start_server(testing::options_for(GetParam()));
        plant();
        const Texts words = words_of(attack, "");
        const std::vector<std::string_view> views(words.begin(), words.end());
        const auto with = isolation::RawCommand::parse(views);
        const auto without = isolation::RawCommand::parse(views, isolation::Rules().without(attack.rule));
        ASSERT_TRUE(without.has_value()) << without.error().message();
        const auto bytes_of = [&](const isolation::RawCommand& command) {
            std::string bytes(encoded_bound(command.spec(), command.arguments(), prefix), '\0');
            bytes.resize(static_cast<std::size_t>(encode(command.spec(), command.arguments(), prefix, bytes.data()) -
                                                  bytes.data()));
            return bytes;
        };
        if (with) {
            EXPECT_NE(bytes_of(*with), bytes_of(*without));
        }
        RawClient attacker = RawClient::unix_socket(server().socket_path(), 1s);
        const std::string bytes = bytes_of(*without);
        attacker.command({"HELLO", "3"});
        std::string answers = send_raw(attacker, bytes);
        // What is there by chance comes in time.
        for (int i = 0; i != 1000 && words[0] == "RANDOMKEY"; ++i) answers += attacker.command({"RANDOMKEY"});
        if (answers.find("QUEUED") != std::string::npos || contains(answers, "(no answer)"))
            continue;  // it has spoilt its wire
        // Or the server would take another's for a key of this command.
        if (breach(attack, answers).empty()) {
            const std::string ask = bytes.substr(bytes.find("\r\n") + 2);
            const std::size_t count = static_cast<std::size_t>(std::stoul(bytes.substr(1)));
            raw().send("*" + std::to_string(count + 2) + "\r\n$7\r\nCOMMAND\r\n$7\r\nGETKEYS\r\n" + ask);
            const std::string keys = raw().read_frame();
            EXPECT_TRUE(contains(keys, "proj:beta:")) << "nothing was reached: " << answers;
        }
        rules.insert(attack.rule);
    }
    EXPECT_GE(attacks().size(), 60u);
    EXPECT_EQ(rules.size(), isolation::rule_names.size());
}

REDOUBT_BOTH_SERVERS(Attacks);

}  // namespace
}  // namespace redoubt
