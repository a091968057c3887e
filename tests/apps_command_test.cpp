// apps: the built `redoubt` command as a user runs it, with both real servers: exec, health, metrics, demo, and what
// it says and returns when something is wrong.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "support/live_service.hpp"
#include "support/run_program.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using testing::contains;
using testing::Ran;
using Words = std::vector<std::string>;

/// A folder in which a server program of one kind can be found and nothing else.
class OnlyProgram {
public:
    explicit OnlyProgram(const std::string& program) {
        std::string name = (std::filesystem::temp_directory_path() / "redoubt-path-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        folder_ = name;
        const std::string path = std::getenv("PATH");
        for (std::size_t at = 0; at < path.size();) {
            const std::size_t end = std::min(path.find(':', at), path.size());
            const std::filesystem::path candidate = path.substr(at, end - at) + "/" + program;
            if (std::filesystem::exists(candidate)) {
                std::filesystem::create_symlink(candidate, folder_ / program);
                return;
            }
            at = end + 1;
        }
    }
    ~OnlyProgram() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    OnlyProgram(const OnlyProgram&) = delete;
    OnlyProgram& operator=(const OnlyProgram&) = delete;
    std::string path() const { return folder_.string(); }

private:
    std::filesystem::path folder_;
};

Ran redoubt_command(const Words& arguments, const std::string& input = {}, const Words& environment = {}) {
    Words words{REDOUBT_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return testing::run_program(words, environment, input);
}

void expect_one_line(const std::string& text) {
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    EXPECT_TRUE(text.ends_with('\n')) << text;
}

class RunCommand : public testing::LiveServiceTest {
protected:
    /// `redoubt exec --project P --url U ARGUMENTS...`
    Ran exec(const std::string& project, const Words& arguments, const std::string& input = {}) {
        Words words{"exec", "--project", project, "--url", server().url()};
        words.insert(words.end(), arguments.begin(), arguments.end());
        return redoubt_command(words, input);
    }
    /// The same, which must succeed in silence: what it printed.
    std::string answer(const std::string& project, const Words& arguments, const std::string& input = {}) {
        const Ran ran = exec(project, arguments, input);
        EXPECT_EQ(ran.status, 0) << ran.err;
        EXPECT_EQ(ran.err, "");
        return ran.out;
    }
};

TEST_P(RunCommand, TwoProjectsNeverSeeEachOther) {
    EXPECT_EQ(answer("alpha", {"--", "SET", "user_data", "of alpha"}), "OK\n");
    EXPECT_EQ(answer("beta", {"--", "GET", "user_data"}), "(nil)\n");
    EXPECT_EQ(answer("beta", {"--", "SET", "user_data", "of beta"}), "OK\n");
    EXPECT_EQ(answer("alpha", {"--", "GET", "user_data"}), "\"of alpha\"\n");
    EXPECT_EQ(answer("beta", {"--", "GET", "user_data"}), "\"of beta\"\n");
    EXPECT_EQ(answer("beta", {"--", "GET", "proj:alpha:user_data"}), "(nil)\n");
    EXPECT_EQ(answer("beta", {"--", "DEL", "proj:alpha:user_data", "alpha:user_data"}), "(integer) 0\n");
    EXPECT_EQ(answer("alpha", {"--", "SCAN", "0", "COUNT", "1000"}), "1) \"0\"\n2) 1) \"user_data\"\n");
    EXPECT_EQ(answer("alp", {"--", "SCAN", "0", "COUNT", "1000"}), "1) \"0\"\n2) (empty array)\n");
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}), (Words{"proj:alpha:user_data", "proj:beta:user_data"}));
    for (const Words& refused : {Words{"KEYS", "*"}, Words{"FLUSHALL"}, Words{"EVAL", "return 1", "0"},
                                 Words{"SELECT", "1"}, Words{"JSON.GET", "k"}}) {
        Words words{"--"};
        words.insert(words.end(), refused.begin(), refused.end());
        const Ran ran = exec("beta", words);
        EXPECT_EQ(ran.status, 1);
        EXPECT_EQ(ran.out, "");
        EXPECT_TRUE(ran.err.starts_with("RedisProjectIsolationException: ")) << ran.err;
        expect_one_line(ran.err);
    }
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}).size(), 2U);
}

TEST_P(RunCommand, ArgumentsReachTheServerAsTheyAre) {
    EXPECT_EQ(answer("alpha", {"--", "RPUSH", "l", "-1", "[a,b]", "", "two words", "--json", "--"}), "(integer) 6\n");
    EXPECT_EQ(raw().strings({"LRANGE", "proj:alpha:l", "0", "-1"}),
              (Words{"-1", "[a,b]", "", "two words", "--json", "--"}));
    EXPECT_EQ(answer("alpha", {"--json", "--", "LRANGE", "l", "0", "3"}), "[\"-1\",\"[a,b]\",\"\",\"two words\"]\n");
    EXPECT_EQ(answer("alpha", {"--", "HSET", "h", "f", "1"}), "(integer) 1\n");
    EXPECT_EQ(answer("alpha", {"--json", "--", "HGETALL", "h"}), "{\"f\":\"1\"}\n");
    EXPECT_EQ(answer("alpha", {"--", "HGETALL", "h"}), "1# \"f\" => \"1\"\n");
    EXPECT_EQ(answer("alpha", {"--json", "--", "GET", "none"}), "null\n");
    EXPECT_EQ(answer("alpha", {"--", "SET", "", "empty key"}), "OK\n");
    EXPECT_EQ(raw().command({"GET", "proj:alpha:"}), "$9\r\nempty key\r\n");
}

TEST_P(RunCommand, LinesOfStandardInput) {
    const std::string lines =
        "SET greeting \"two words\\n\"\n"
        "\n"
        "  GET greeting  \n"
        "SET 'single \\'quoted\\'' \"\\x00\\xff\"\r\n"
        "INCR n\n"
        "INCR n";
    EXPECT_EQ(answer("alpha", {"--stdin"}, lines), "OK\n\"two words\\n\"\nOK\n(integer) 1\n(integer) 2\n");
    EXPECT_EQ(raw().command({"GET", "proj:alpha:single 'quoted'"}), std::string("$2\r\n\0\xff\r\n", 8));
    EXPECT_EQ(answer("alpha", {"--stdin", "--json"}, "GET greeting\nGET none\n"), "\"two words\\n\"\nnull\n");
    EXPECT_EQ(answer("alpha", {"--stdin"}, ""), "");

    // What fails is told with its line; the next runs.
    const Ran mixed = exec("alpha", {"--stdin"}, "INCR n\nINCR greeting\nKEYS *\nINCR n\n");
    EXPECT_EQ(mixed.status, 1);
    EXPECT_EQ(mixed.out, "(integer) 3\n(integer) 4\n");
    EXPECT_EQ(std::count(mixed.err.begin(), mixed.err.end(), '\n'), 2) << mixed.err;
    EXPECT_TRUE(mixed.err.starts_with("RedisServerException: ")) << mixed.err;
    EXPECT_TRUE(contains(mixed.err, "\nRedisProjectIsolationException: ")) << mixed.err;
    EXPECT_TRUE(contains(mixed.err, "(line 2)")) << mixed.err;
    EXPECT_TRUE(contains(mixed.err, "(line 3)")) << mixed.err;
    const Ran unclosed = exec("alpha", {"--stdin"}, "INCR n\nSET k \"open\nINCR n\n");
    EXPECT_EQ(unclosed.status, 2);
    EXPECT_EQ(unclosed.out, "(integer) 5\n");
    EXPECT_TRUE(contains(unclosed.err, "line 2")) << unclosed.err;
}

TEST_P(RunCommand, FailuresAreOneLineOnStandardError) {
    answer("alpha", {"--", "SET", "k", "text"});
    const Ran wrong_type = exec("alpha", {"--", "LPOP", "k"});
    EXPECT_EQ(wrong_type.status, 1);
    EXPECT_TRUE(wrong_type.err.starts_with("RedisServerException: LPOP: WRONGTYPE")) << wrong_type.err;
    expect_one_line(wrong_type.err);
    for (const std::string id : {"", "a:b", "*", "_redoubt", "default", "a\nb"}) {
        const Ran ran = exec(id, {"--", "GET", "k"});
        EXPECT_EQ(ran.status, 1) << ran.err;
        EXPECT_EQ(ran.out, "");
        EXPECT_TRUE(ran.err.starts_with("RedisProjectIsolationException: ")) << ran.err;
        expect_one_line(ran.err);
    }
    const Ran nobody = redoubt_command(
        {"exec", "--project", "alpha", "--url", "unix:///no/such.sock?max_retries=0", "--", "GET", "k"});
    EXPECT_EQ(nobody.status, 1);
    EXPECT_TRUE(nobody.err.starts_with("RedisConnectionException: ")) << nobody.err;
    expect_one_line(nobody.err);
    const Ran bad_url =
        redoubt_command({"exec", "--project", "alpha", "--url", "http://user:s3cret@127.0.0.1", "--", "GET", "k"});
    EXPECT_EQ(bad_url.status, 1);
    EXPECT_TRUE(bad_url.err.starts_with("RedisConfigurationException: ")) << bad_url.err;
    EXPECT_FALSE(contains(bad_url.err, "s3cret")) << bad_url.err;
    expect_one_line(bad_url.err);
    const Ran bad_variable = redoubt_command({"health"}, {}, {"REDIS_MAX_CONNECTIONS=3"});
    EXPECT_EQ(bad_variable.status, 1);
    EXPECT_TRUE(contains(bad_variable.err, "REDIS_MAX_CONNECTIONS")) << bad_variable.err;
}

TEST_P(RunCommand, HealthAndMetricsPrintJson) {
    const Ran health = redoubt_command({"health"}, {}, {"REDIS_URL=" + server().url()});
    EXPECT_EQ(health.status, 0) << health.err;
    EXPECT_EQ(health.err, "");
    EXPECT_EQ(json::parse(health.out).at("status").as_string(), "healthy");
    EXPECT_EQ(json::parse(health.out).at("memory").at("status").as_string(), "healthy");
    const Ran compact = redoubt_command({"health", "--json", "--url", server().url()});
    expect_one_line(compact.out);
    EXPECT_EQ(json::parse(compact.out).at("service").as_string(), "redis");
    const Ran metrics = redoubt_command({"metrics", "--url", server().url()});
    EXPECT_EQ(metrics.status, 0) << metrics.err;
    EXPECT_TRUE(json::parse(metrics.out).at("initialized").as_bool());
    EXPECT_EQ(json::parse(metrics.out).at("connection_factory").at("circuit_breaker").at("state").as_string(),
              "closed");
    server().kill();
    const Ran dead = redoubt_command({"health", "--url", server().url() + "?max_retries=0"});
    EXPECT_EQ(dead.status, 1);
    EXPECT_EQ(json::parse(dead.out).at("status").as_string(), "unhealthy");
    EXPECT_TRUE(dead.err.starts_with("RedisConnectionException: ")) << dead.err;
}

// As soon as health_check() answers, though nothing could be connected to: not after the ten seconds of a call.
TEST_P(RunCommand, HealthOfAServerThatHangsIsToldInSeconds) {
    server().pause();
    const TimePoint begin = Clock::now();
    const Ran ran = redoubt_command({"health", "--url", server().url()});
    EXPECT_LT(Clock::now() - begin, 8s);
    EXPECT_EQ(ran.status, 1);
    const json::value health = json::parse(ran.out);
    EXPECT_EQ(health.at("status").as_string(), "unhealthy");
    EXPECT_TRUE(std::string_view(health.at("problems").at(0).as_string()).starts_with("connect failed: ")) << ran.out;
    EXPECT_TRUE(ran.err.starts_with("RedisOperationTimeoutException: ")) << ran.err;
    server().resume();
}

TEST_P(RunCommand, AServerOfItsOwnForOneCall) {
    const OnlyProgram only(GetParam());
    const Ran ran = redoubt_command({"exec", "--project", "alpha", "--embedded", "--stdin"}, "SET k v\nGET k\n",
                                    {"PATH=" + only.path()});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.out, "OK\n\"v\"\n");
    const Ran health = redoubt_command({"health", "--embedded"}, {}, {"PATH=" + only.path()});
    EXPECT_EQ(json::parse(health.out).at("server").at("kind").as_string(), testing::short_name(GetParam()));
}

TEST_P(RunCommand, TheDemoPasses) {
    const OnlyProgram only(GetParam());
    const Ran ran = redoubt_command({"demo", "--json"}, {}, {"PATH=" + only.path()});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.out, GetParam())) << ran.out;
    for (const std::string_view name : {"proj:alpha:user_data", "proj:beta:user_data", "HALF_OPEN"}) {
        EXPECT_TRUE(contains(ran.out, name)) << name << " in: " << ran.out;
    }
}

TEST_P(RunCommand, TheDemoWithSentinelsPasses) {
    const OnlyProgram only(GetParam());
    const Ran ran = redoubt_command({"demo", "--sentinel", "--json"}, {}, {"PATH=" + only.path()});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    for (const std::string_view name : {"proj:alpha:user_data", "master killed in the middle", "told the truth"}) {
        EXPECT_TRUE(contains(ran.out, name)) << name << " in: " << ran.out;
    }
}

TEST_P(RunCommand, TheDemoWithAClusterPasses) {
    const OnlyProgram only(GetParam());
    const Ran ran = redoubt_command({"demo", "--cluster", "--json"}, {}, {"PATH=" + only.path()});
    EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
    EXPECT_TRUE(contains(ran.out, GetParam())) << ran.out;
    for (const std::string_view name : {"proj:alpha:user_data", "master killed in the middle", "other slots served",
                                        "errors: none", "told the truth", "proj:{alpha}:stock:1"}) {
        EXPECT_TRUE(contains(ran.out, name)) << name << " in: " << ran.out;
    }
}

REDOUBT_BOTH_SERVERS(RunCommand);

TEST(CommandUsage, ErrorsOfUsageAreStatusTwo) {
    for (const Words& words :
         {Words{}, Words{"nothing"}, Words{"exec"}, Words{"exec", "--project", "a"}, Words{"exec", "--", "GET", "k"},
          Words{"exec", "--project", "a", "--"}, Words{"exec", "--project", "a", "--stdin", "--", "GET", "k"},
          Words{"exec", "--project", "a", "--url", "redis://h", "--embedded", "--", "GET", "k"},
          Words{"exec", "--project", "a", "--no-such-option", "--", "GET", "k"}, Words{"health", "--", "x"},
          Words{"health", "x"}, Words{"demo", "--sentinel", "--embedded"}, Words{"demo", "--cluster", "--embedded"},
          Words{"demo", "--cluster", "--sentinel"}, Words{"--log", "loud", "health"}}) {
        const Ran ran = redoubt_command(words);
        EXPECT_EQ(ran.status, 2) << ::testing::PrintToString(words) << ran.err;
        EXPECT_EQ(ran.out, "") << ::testing::PrintToString(words);
        EXPECT_NE(ran.err, "") << ::testing::PrintToString(words);
    }
    const Ran help = redoubt_command({"--help"});
    EXPECT_EQ(help.status, 0);
    for (const std::string_view name : {"exec", "health", "metrics", "demo"}) EXPECT_TRUE(contains(help.out, name));
    EXPECT_TRUE(redoubt_command({"--version"}).out.starts_with("redoubt "));
}

TEST(CommandUsage, WithoutAServerProgramItSaysWhatToInstall) {
    for (const Words& words : {Words{"demo"}, Words{"health", "--embedded"}}) {
        const Ran ran = redoubt_command(words, {}, {"PATH=/nowhere"});
        EXPECT_EQ(ran.status, 1);
        EXPECT_TRUE(contains(ran.out + ran.err, "apt-get install")) << ran.out << ran.err;
    }
}

}  // namespace
}  // namespace redoubt
