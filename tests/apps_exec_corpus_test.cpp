// apps: what a project is answered is what a server with its keys alone answers: every command that is open to projects,
// on a shared server through Redoubt and on a second one without.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "apps/tokenizer.hpp"
#include "support/live_server.hpp"
#include "support/live_service.hpp"
#include "support/run_program.hpp"

namespace redoubt {
namespace {

using Words = std::vector<std::string>;

/// How two answers may differ.
enum class Difference { none, order, value };

struct Corpus {
    std::vector<std::string> lines;
    std::vector<Words> calls;  // the lines' words
    std::map<std::string, Difference> exceptions;
};

const CommandSpec& spec_of(const Words& words) {
    const CommandSpec* const spec = find_command(words.at(0), words.size() > 1 ? words[1] : std::string());
    if (spec == nullptr) throw std::runtime_error("not in the command table: " + words[0]);
    return *spec;
}

Words words_of(const std::string& line) {
    auto tokens = apps::tokenize(line);
    if (const auto* error = std::get_if<apps::TokenizeError>(&tokens)) {
        throw std::runtime_error(line + ": " + std::string(error->message));
    }
    return std::get<Words>(std::move(tokens));
}

/// `differs order COMMAND INFO: the reason`.
void add_exception(const std::string& line, Corpus& corpus) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos || colon + 2 == line.size()) throw std::runtime_error("without a reason: " + line);
    Words words = words_of(line.substr(0, colon));
    const std::string how = words.at(1);
    words.erase(words.begin(), words.begin() + 2);
    if (how != "order" && how != "value") throw std::runtime_error("order or value: " + line);
    corpus.exceptions.emplace(spec_of(words).name, how == "order" ? Difference::order : Difference::value);
}

Corpus read_corpus() {
    std::ifstream file{REDOUBT_SOURCE_DIR "/tests/data/exec_corpus.txt"};
    Corpus corpus;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        if (line.starts_with("differs ")) {
            add_exception(line, corpus);
        } else {
            corpus.lines.push_back(line);
            corpus.calls.push_back(words_of(line));
        }
    }
    return corpus;
}

/// The same elements in an order of their own, all the way down.
Value sorted(Value value) {
    for (Value& element : value.elements) element = sorted(std::move(element));
    const auto before = [](const Value& left, const Value& right) { return to_json_text(left) < to_json_text(right); };
    if (value.type != RespType::map) std::sort(value.elements.begin(), value.elements.end(), before);
    return value;
}

/// The types of a value and of all within it.
std::string shape(const Value& value) {
    std::string text(1, static_cast<char>(value.type));
    for (const Value& element : value.elements) text += shape(element);
    return text;
}

/// An answer as text, types included, so that it can be compared and shown.
std::string comparable(const Value& value, Difference difference) {
    if (value.is_error()) return "error " + value.text;
    if (difference == Difference::value) return shape(value);
    const Value compared = difference == Difference::order ? sorted(value) : value;
    return shape(compared) + " " + to_json_text(compared);
}

class ExecCorpus : public testing::LiveServiceTest {};

TEST(ExecCorpusFile, HoldsEveryCommandThatIsOpenToProjects) {
    const Corpus corpus = read_corpus();
    std::set<std::string_view> called;
    for (const Words& words : corpus.calls) {
        const CommandSpec& spec = spec_of(words);
        EXPECT_LT(spec.policy, Policy::typed_only) << spec.name << " is refused";
        called.insert(spec.name);
    }
    std::size_t open = 0;
    for (const CommandSpec& spec : command_table()) {
        if (spec.policy >= Policy::typed_only) continue;
        ++open;
        EXPECT_EQ(called.count(spec.name), 1U) << spec.name << " is not in tests/data/exec_corpus.txt";
    }
    for (const auto& [name, difference] : corpus.exceptions) EXPECT_EQ(called.count(name), 1U) << name;
    EXPECT_EQ(open, 199U);
}

/// Somebody listens on both servers, on the shared one also to what belongs to others.
void subscribe(testing::RawClient& client, std::initializer_list<std::string_view> words) { client.command(words); }

TEST_P(ExecCorpus, AnswersAreThoseOfAServerWithTheProjectsKeysAlone) {
    const Corpus corpus = read_corpus();
    RedisService service(config());
    service.initialize();
    const auto redis = service.get_connection("alpha");
    const auto other = service.get_connection("beta");
    EmbeddedServer alone(testing::options_for(GetParam()));
    testing::RawClient plain(alone);
    plain.command({"HELLO", "3"});

    testing::RawClient shared_listener(server());
    testing::RawClient shared_shard_listener(server());
    testing::RawClient alone_listener(alone);
    testing::RawClient alone_shard_listener(alone);
    subscribe(shared_listener, {"SUBSCRIBE", "proj:alpha:news"});
    subscribe(shared_listener, {"SUBSCRIBE", "proj:beta:nobody"});
    subscribe(shared_shard_listener, {"SSUBSCRIBE", "proj:alpha:shard"});
    subscribe(shared_shard_listener, {"SSUBSCRIBE", "proj:beta:shard2"});
    subscribe(alone_listener, {"SUBSCRIBE", "news"});
    subscribe(alone_shard_listener, {"SSUBSCRIBE", "shard"});

    std::size_t excepted = 0;
    std::size_t errors = 0;
    for (const Words& words : corpus.calls) {
        SCOPED_TRACE(::testing::PrintToString(words));
        const std::vector<std::string_view> views(words.begin(), words.end());
        // The same of another project, so that its keys have the same names.
        static_cast<void>(other.try_command(views));
        const result<Value> answer = redis.try_command(views);
        const std::string frame = plain.command(words);
        ReplyCursor cursor(frame);
        Value expected;
        ASSERT_TRUE(read_reply(cursor, KeyPrefix(), expected));
        const auto exception = corpus.exceptions.find(std::string(spec_of(words).name));
        const Difference difference = exception == corpus.exceptions.end() ? Difference::none : exception->second;
        excepted += difference == Difference::none ? 0 : 1;
        if (answer && difference == Difference::none) {
            EXPECT_TRUE(*answer == expected)
                << comparable(*answer, difference) << " but alone " << comparable(expected, difference);
        } else if (answer) {
            EXPECT_EQ(comparable(*answer, difference), comparable(expected, difference));
        } else if (answer.error().certainty == Certainty::not_sent) {
            // Found to be wrong before it was sent, as the server does.
            EXPECT_TRUE(testing::contains(answer.error().reason(), "argument")) << answer.error().message();
            EXPECT_TRUE(expected.is_error());
        } else {
            EXPECT_EQ("error " + std::string(answer.error().reason()), comparable(expected, difference));
        }
        errors += expected.is_error() ? 1 : 0;
    }
    std::cout << corpus.calls.size() << " calls compared, " << errors << " of them errors, " << excepted
              << " of commands whose answers differ by nature\n";
    EXPECT_EQ(alone.version(), server().version());
    service.close();
}

/// What a program printed for each of so many calls, between which it was told to echo a line.
std::vector<std::string> answers_of(const std::string& output, std::size_t calls) {
    std::vector<std::string> answers;
    std::size_t from = 0;
    for (std::size_t i = 0; i != calls; ++i) {
        const std::string line = "\"end " + std::to_string(i) + "\"\n";
        const std::size_t end = output.find(line, from);
        if (end == std::string::npos) throw std::runtime_error("no " + line);
        answers.push_back(output.substr(from, end - from));
        from = end + line.size();
    }
    return answers;
}

// The programs themselves, as a user runs them, each with all calls as its input.
TEST_P(ExecCorpus, TheProgramPrintsWhatRedisCliPrints) {
    const Corpus corpus = read_corpus();
    EmbeddedServer alone(testing::options_for(GetParam()));
    std::string input;
    for (std::size_t i = 0; i != corpus.lines.size(); ++i) {
        input += corpus.lines[i] + "\nECHO \"end " + std::to_string(i) + "\"\n";
    }
    const std::vector<std::string> path{"PATH=/usr/bin:/bin"};
    const auto ours = testing::run_program({REDOUBT_PROGRAM, "exec", "--project", "alpha", "--stdin"},
                                           {"REDIS_URL=" + server().url(), "REDIS_HEALTH_CHECK_INTERVAL=0"}, input);
    const auto theirs = testing::run_program(
        {testing::find_program("redis-cli").value(), "-s", alone.socket_path(), "--no-raw", "-3"}, path, input);
    ASSERT_EQ(theirs.status, 0) << theirs.err;
    const auto our_answers = answers_of(ours.out, corpus.calls.size());
    const auto their_answers = answers_of(theirs.out, corpus.calls.size());
    constexpr std::string_view error_mark = "(error) ";
    std::size_t errors = 0;
    for (std::size_t i = 0; i != corpus.calls.size(); ++i) {
        SCOPED_TRACE(corpus.lines[i]);
        const auto exception = corpus.exceptions.find(std::string(spec_of(corpus.calls[i]).name));
        const Difference difference = exception == corpus.exceptions.end() ? Difference::none : exception->second;
        if (their_answers[i].starts_with(error_mark)) {
            // On standard error, with the line's number and what is known beyond the server's words.
            ++errors;
            EXPECT_EQ(our_answers[i], "");
            const std::size_t end = ours.err.find("(line " + std::to_string(2 * i + 1) + ")");
            ASSERT_NE(end, std::string::npos);
            const std::size_t begin = ours.err.rfind('\n', end) + 1;
            const std::string line = ours.err.substr(begin, end - begin);
            const std::string said =
                their_answers[i].substr(error_mark.size(), their_answers[i].size() - error_mark.size() - 1);
            EXPECT_TRUE(testing::contains(line, said) || testing::contains(line, "is refused: it takes"))
                << line << said;
        } else if (difference == Difference::none) {
            EXPECT_EQ(our_answers[i], their_answers[i]);
        } else if (difference == Difference::order) {
            EXPECT_EQ(our_answers[i].size(), their_answers[i].size());
        } else {
            EXPECT_EQ(our_answers[i].substr(0, 9), their_answers[i].substr(0, 9));
        }
    }
    EXPECT_EQ(ours.status, 1) << "some calls fail";
    std::cout << corpus.calls.size() << " calls printed alike, " << errors << " of them errors\n";
}

REDOUBT_BOTH_SERVERS(ExecCorpus);

}  // namespace
}  // namespace redoubt
