// apps: `redoubt serve --embedded` as people use it: curl on each route, and a real Prometheus that scrapes it and whose
// alerts, by the rules that we ship, fire when the server is killed, when its memory is full, and when nobody answers.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <redoubt/embedded/embedded_server.hpp>

#include "support/raw_client.hpp"
#include "support/run_program.hpp"
#include "support/servers.hpp"
#include "support/serving.hpp"

namespace redoubt {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using testing::ChildProcess;
using testing::HttpClient;
using testing::Ran;
using testing::RawClient;
using testing::Serving;
using Words = std::vector<std::string>;

const std::string path_setting = std::string("PATH=") + std::getenv("PATH");

TEST(ServeEmbedded, CurlOnEachRoute) {
    Serving serving(REDOUBT_PROGRAM, {"--embedded"});
    const auto curl = [&](const Words& arguments, const std::string& path) {
        Words words{"/usr/bin/env", "curl", "--silent", "--show-error", "--write-out", "\n%{http_code}"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        words.push_back(serving.url() + path);
        const Ran ran = testing::run_program(words, {path_setting});
        EXPECT_EQ(ran.status, 0) << ran.err;
        return ran.out;
    };
    EXPECT_TRUE(curl({}, "/health").ends_with("\n200"));
    EXPECT_EQ(curl({}, "/health/live"), "{\"status\":\"alive\"}\n\n200");
    EXPECT_EQ(curl({}, "/health/ready"), "{\"status\":\"ready\"}\n\n200");
    EXPECT_TRUE(curl({}, "/metrics").ends_with("\n200"));
    EXPECT_TRUE(curl({}, "/metrics.json").ends_with("\n200"));
    EXPECT_EQ(curl({}, "/projects/shop/cache"), "{\"cached_data\":null}\n\n200");
    EXPECT_EQ(curl({"--request", "PUT", "--data-binary", "hello"}, "/projects/shop/cache/project%3Ashop%3Adata"),
              "\n204");
    EXPECT_EQ(curl({}, "/projects/shop/cache"), "{\"cached_data\":\"hello\"}\n\n200");
    EXPECT_EQ(curl({}, "/projects/shop/cache/project:shop:data"), "hello\n200");
    EXPECT_EQ(curl({"--request", "DELETE"}, "/projects/shop/cache/project:shop:data"), "\n204");
    EXPECT_TRUE(curl({}, "/projects/shop/cache/project:shop:data").ends_with("\n404"));
    EXPECT_TRUE(curl({}, "/projects/_redoubt/cache").ends_with("\n400"));
    // It asks before it sends: `Expect: 100-continue`.
    const std::string too_large(2u << 20, 'x');
    EXPECT_TRUE(curl({"--request", "PUT", "--expect100-timeout", "20", "--data-binary", too_large.substr(0, 100'000),
                      "--header", "Expect: 100-continue"},
                     "/projects/shop/cache/k")
                    .ends_with("\n204"));
    EXPECT_TRUE(curl({"--head"}, "/health").find("HTTP/1.1 200 OK") == 0);
    EXPECT_EQ(serving.process().end(), 0);
}

/// A Prometheus of the test's own, in a folder of its own.
class Prometheus {
public:
    Prometheus(std::uint16_t target, const std::string& rules, const std::string& token) {
        std::string pattern = (fs::temp_directory_path() / "redoubt-prometheus-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        folder_ = pattern;
        std::ofstream(folder_ / "rules.yml") << rules;
        std::ofstream(folder_ / "token") << token;
        std::ofstream(folder_ / "prometheus.yml")
            << "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
               "rule_files: [rules.yml]\n"
               "scrape_configs:\n"
               "  - job_name: redoubt\n"
               "    authorization: {credentials_file: token}\n"
               "    static_configs: [{targets: ['127.0.0.1:"
            << target << "']}]\n";
        process_ = std::make_unique<ChildProcess>(
            Words{"/usr/bin/env", "prometheus", "--config.file=" + (folder_ / "prometheus.yml").string(),
                  "--storage.tsdb.path=" + (folder_ / "data").string(), "--web.listen-address=127.0.0.1:0"},
            Words{path_setting});
        const std::string line = process_->line_with("msg=\"Listening on\" address=127.0.0.1:");
        port_ = static_cast<std::uint16_t>(std::stoul(line.substr(line.rfind(':') + 1)));
    }
    ~Prometheus() {
        process_.reset();
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    Prometheus(const Prometheus&) = delete;
    Prometheus& operator=(const Prometheus&) = delete;

    /// Waits until `path` of its API answers something of which `condition` holds, for at most a minute.
    template <class Condition>
    bool waits_for(const std::string& path, const Condition& condition) {
        const TimePoint until = Clock::now() + std::chrono::seconds(60);
        while (Clock::now() < until) {
            const auto answer = HttpClient(port_).ask("GET", "/api/v1/" + path);
            if (answer.status == 200 && condition(json::parse(answer.body).at("data"))) return true;
            last_ = answer.body;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return false;
    }
    bool fires(const char* alert) {
        return waits_for("alerts", [&](const json::value& data) {
            for (const json::value& one : data.at("alerts").as_array()) {
                if (one.at("labels").at("alertname") == alert && one.at("state") == "firing") return true;
            }
            return false;
        });
    }
    bool has_ended(const char* alert) {
        return waits_for("alerts", [&](const json::value& data) {
            const json::array& alerts = data.at("alerts").as_array();
            return std::none_of(alerts.begin(), alerts.end(),
                                [&](const json::value& one) { return one.at("labels").at("alertname") == alert; });
        });
    }
    bool has(const std::string& query) {
        return waits_for("query?query=" + query,
                         [](const json::value& data) { return !data.at("result").as_array().empty(); });
    }
    const std::string& last() const noexcept { return last_; }

private:
    fs::path folder_;
    std::unique_ptr<ChildProcess> process_;
    std::uint16_t port_ = 0;
    std::string last_;
};

/// The rules that we ship, in a hurry: what holds for minutes there holds for a second here.
std::string hurried_rules() {
    std::ifstream file(std::string(REDOUBT_SOURCE_DIR) + "/observability/redoubt-alerts.yml");
    std::ostringstream text;
    text << file.rdbuf();
    const std::string shipped = text.str();
    const std::string hurried = std::regex_replace(shipped, std::regex("for: [0-9]+[sm]\n"), "for: 1s\n");
    EXPECT_NE(hurried, shipped);
    return hurried;
}

class ServeAlerts : public ::testing::TestWithParam<std::string> {};

TEST_P(ServeAlerts, FireInARealPrometheus) {
    EmbeddedServerOptions options;
    options.program = GetParam();
    options.start_timeout = 30s;
    EmbeddedServer server(options);
    const std::string token = "correct-horse-battery";
    Serving serving(REDOUBT_PROGRAM, {},
                    {"REDIS_URL=" + server.url(), "REDIS_MAX_RETRIES=0", "REDIS_HEALTH_CHECK_INTERVAL=0.2",
                     "CIRCUIT_BREAKER_FAILURE_THRESHOLD=2", "REDOUBT_ADMIN_TOKEN=" + token});
    Prometheus prometheus(serving.port(), hurried_rules(), token);
    ASSERT_TRUE(prometheus.has("up%7Bjob=%22redoubt%22%7D==1")) << prometheus.last();
    ASSERT_TRUE(prometheus.has("redoubt_health_status%7Bstatus=%22healthy%22%7D==1")) << prometheus.last();
    for (const char* alert :
         {"RedoubtDown", "RedoubtUnhealthy", "RedoubtCircuitBreakerOpen", "RedoubtMemoryCritical"}) {
        EXPECT_TRUE(prometheus.has_ended(alert)) << prometheus.last();
    }

    RawClient raw(server);
    const std::int64_t used = std::stoll(raw.info("used_memory"));
    raw.command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
    raw.command({"CONFIG", "SET", "maxmemory", std::to_string(used / 2)});
    EXPECT_TRUE(prometheus.fires("RedoubtMemoryCritical")) << prometheus.last();
    raw.command({"CONFIG", "SET", "maxmemory", "0"});
    EXPECT_TRUE(prometheus.has_ended("RedoubtMemoryCritical")) << prometheus.last();

    server.kill();
    EXPECT_TRUE(prometheus.fires("RedoubtCircuitBreakerOpen")) << prometheus.last();
    EXPECT_TRUE(prometheus.fires("RedoubtUnhealthy")) << prometheus.last();

    serving.process().end(SIGKILL);
    EXPECT_TRUE(prometheus.fires("RedoubtDown")) << prometheus.last();
}

INSTANTIATE_TEST_SUITE_P(BothServers, ServeAlerts, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& one) { return one.param.substr(0, one.param.find('-')); });

}  // namespace
}  // namespace redoubt
