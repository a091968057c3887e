// apps: `redoubt serve` as it is run, with both real servers: each route, each kind of trouble, the token, its end.
#include <csignal>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <redoubt/embedded/embedded_server.hpp>

#include "support/processes.hpp"
#include "support/raw_client.hpp"
#include "support/run_program.hpp"
#include "support/servers.hpp"
#include "support/serving.hpp"

namespace redoubt {
namespace {

namespace json = boost::json;
using testing::eventually;
using testing::HttpAnswer;
using testing::HttpClient;
using testing::Ran;
using testing::RawClient;
using testing::Serving;
using Words = std::vector<std::string>;

constexpr std::string_view test_token = "correct-horse-battery";

Ran serve(const Words& arguments, const Words& environment = {}) {
    Words words{REDOUBT_PROGRAM, "serve", "--port", "0"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return testing::run_program(words, environment);
}

class Serve : public ::testing::TestWithParam<std::string> {
protected:
    EmbeddedServer& server() {
        if (!server_) {
            EmbeddedServerOptions options;
            options.program = GetParam();
            options.start_timeout = 30s;
            server_ = std::make_unique<EmbeddedServer>(options);
        }
        return *server_;
    }
    Serving& start(Words environment = {}, Words arguments = {}) {
        environment.push_back("REDIS_URL=" + server().url());
        environment.emplace_back("REDIS_MAX_RETRIES=0");
        serving_ = std::make_unique<Serving>(REDOUBT_PROGRAM, std::move(arguments), std::move(environment));
        return *serving_;
    }
    RawClient raw() { return RawClient(server()); }

private:
    std::unique_ptr<EmbeddedServer> server_;
    std::unique_ptr<Serving> serving_;
};

std::string error_of(const HttpAnswer& answer) { return std::string(json::parse(answer.body).at("error").as_string()); }

TEST_P(Serve, TheOriginalsExample) {
    Serving& serving = start();
    const std::string id = "550e8400-e29b-41d4-a716-446655440000";
    EXPECT_EQ(serving.get("/projects/" + id + "/cache").body, "{\"cached_data\":null}\n");
    raw().command({"SET", "proj:" + id + ":project:" + id + ":data", "a \"value\" \xc3\xa9"});
    const HttpAnswer found = serving.get("/projects/" + id + "/cache");
    EXPECT_EQ(found.status, 200U);
    EXPECT_EQ(found.header("content-type"), "application/json");
    EXPECT_EQ(json::parse(found.body), json::value(json::object{{"cached_data", "a \"value\" \xc3\xa9"}}));
    // JSON has no bytes that are no text.
    raw().command({"SET", "proj:" + id + ":project:" + id + ":data", std::string("\0\xff", 2)});
    EXPECT_EQ(json::parse(serving.get("/projects/" + id + "/cache").body),
              json::value(json::object{{"cached_data", "AP8="}, {"encoding", "base64"}}));
    EXPECT_EQ(serving.get("/projects/other/cache").body, "{\"cached_data\":null}\n");
    for (const char* bad : {"", "_redoubt", "default", "a%3Ab", "*", "%2e%2e", "a%00", "%20"}) {
        const HttpAnswer refused = serving.get("/projects/" + std::string(bad) + "/cache");
        EXPECT_EQ(refused.status, 400U) << bad;
        EXPECT_EQ(error_of(refused), "isolation") << bad;
    }
    raw().command({"DEL", "proj:" + id + ":project:" + id + ":data"});
    raw().command({"LPUSH", "proj:" + id + ":project:" + id + ":data", "x"});
    EXPECT_EQ(serving.get("/projects/" + id + "/cache").status, 409U);
}

TEST_P(Serve, KeysOfAProjectAreReadWrittenAndDeleted) {
    Serving& serving = start();
    const std::string bytes("\0\r\n\xff%", 5);
    EXPECT_EQ(serving.get("/projects/p/cache/k").status, 404U);
    EXPECT_EQ(error_of(serving.get("/projects/p/cache/k")), "key_not_found");
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/k", bytes).status, 204U);
    const HttpAnswer found = serving.get("/projects/p/cache/k");
    EXPECT_EQ(found.body, bytes);
    EXPECT_EQ(found.header("content-type"), "application/octet-stream");
    EXPECT_EQ(found.header("content-disposition"), "attachment");
    EXPECT_EQ(serving.get("/projects/q/cache/k").status, 404U);
    const HttpAnswer head = serving.ask("HEAD", "/projects/p/cache/k");
    EXPECT_EQ(head.header("content-length"), "5");
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/empty").status, 204U);
    EXPECT_EQ(serving.get("/projects/p/cache/empty").body, "");

    // Names are decoded once, to the byte.
    const Words keys{std::string("a/b"), std::string("\0x", 2), "%41", "a b+c", "..", "\xff"};
    const Words paths{"a%2Fb", "%00x", "%2541", "a%20b+c", "..", "%FF"};
    for (std::size_t i = 0; i != keys.size(); ++i) {
        EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/" + paths[i], paths[i]).status, 204U);
        EXPECT_EQ(raw().strings({"GET", "proj:p:" + keys[i]}), Words{paths[i]});
    }
    EXPECT_EQ(serving.get("/projects/p/cache/%zz").status, 400U);
    EXPECT_EQ(serving.get("/projects/p/cache/a/b").status, 404U);

    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/t?ttl=1h", "v").status, 204U);
    const int ttl = std::stoi(raw().strings({"TTL", "proj:p:t"}).at(0));
    EXPECT_GT(ttl, 3500);
    EXPECT_LE(ttl, 3600);
    EXPECT_EQ(raw().strings({"TTL", "proj:p:k"}), Words{"-1"});
    for (const char* query : {"?ttl=0", "?ttl=-1", "?ttl=x", "?ttl=", "?ttl", "?ttl=1&ttl=2", "?tll=1", "?ttl=1&x",
                              "?ttl=99999999999999999999"}) {
        const HttpAnswer refused = serving.ask("PUT", "/projects/p/cache/never" + std::string(query), "v");
        EXPECT_EQ(refused.status, 400U) << query;
        EXPECT_EQ(error_of(refused), "bad_query") << query;
    }
    EXPECT_EQ(serving.get("/projects/p/cache/never").status, 404U);

    EXPECT_EQ(serving.ask("DELETE", "/projects/p/cache/k").status, 204U);
    EXPECT_EQ(serving.ask("DELETE", "/projects/p/cache/k").status, 404U);
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/k", std::string((1u << 20) + 1, 'x')).status, 413U);
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/k", std::string(1u << 20, 'x')).status, 204U);
    raw().command({"SETRANGE", "proj:p:huge", std::to_string(16u << 20), "x"});
    EXPECT_EQ(error_of(serving.get("/projects/p/cache/huge")), "value_too_large");
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/k", "v", "Sec-Fetch-Site: cross-site\r\n").status, 403U);
    EXPECT_EQ(serving.ask("POST", "/projects/p/cache/k", "v").header("allow"), "DELETE, GET, HEAD, PUT");
}

TEST_P(Serve, HealthAndMetricsOfAHealthyServer) {
    Serving& serving = start();
    const HttpAnswer health = serving.get("/health");
    EXPECT_EQ(health.status, 200U);
    EXPECT_EQ(json::parse(health.body).at("status").as_string(), "healthy");
    EXPECT_EQ(json::parse(health.body).at("service").as_string(), "redis");
    EXPECT_EQ(serving.get("/health/live").body, "{\"status\":\"alive\"}\n");
    EXPECT_EQ(serving.get("/health/ready").body, "{\"status\":\"ready\"}\n");
    EXPECT_EQ(serving.ask("HEAD", "/health").status, 200U);
    EXPECT_EQ(serving.ask("PUT", "/health").status, 405U);
    EXPECT_TRUE(json::parse(serving.get("/metrics.json").body).at("initialized").as_bool());
    serving.get("/projects/alpha/cache/k");
    const HttpAnswer metrics = serving.get("/metrics");
    EXPECT_EQ(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for (const std::string_view part :
         {"db_client_operation_duration_seconds_count{db_operation_name=\"STRLEN\",db_system_name=\"redis\","
          "redoubt_project_id=\"alpha\"} 1\n",
          "redoubt_initialized 1\n", ",state=\"closed\"} 1\n", "redoubt_projects 1\n"}) {
        EXPECT_NE(metrics.body.find(part), std::string::npos) << part << " in\n" << metrics.body;
    }
}

TEST_P(Serve, AHangingServerIsUnhealthyWithinItsDeadline) {
    Serving& serving = start({"REDIS_OPERATION_TIMEOUT=1", "REDIS_ATTEMPT_TIMEOUT=1"});
    EXPECT_EQ(serving.get("/health").status, 200U);
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/k", "v").status, 204U);
    server().pause();
    const TimePoint begin = Clock::now();
    HttpClient second(serving.port());
    second.send(HttpClient::request("GET", "/health"));  // joins the check that is under way
    const HttpAnswer health = serving.get("/health");
    EXPECT_LT(Clock::now() - begin, 4s);  // two, and what a busy machine adds
    EXPECT_EQ(health.status, 503U);
    EXPECT_EQ(json::parse(health.body).at("status").as_string(), "unhealthy");
    EXPECT_EQ(second.read_answer().status, 503U);
    // Nothing else waits for the server.
    EXPECT_EQ(serving.get("/health/live").status, 200U);
    EXPECT_EQ(serving.get("/metrics").status, 200U);
    const HttpAnswer ready = serving.get("/health/ready");
    EXPECT_EQ(ready.status, 503U);
    EXPECT_EQ(ready.header("retry-after"), "1");
    const HttpAnswer write = serving.ask("PUT", "/projects/p/cache/k", "w");
    EXPECT_EQ(write.status, 504U);
    EXPECT_EQ(error_of(write), "timeout");
    server().resume();
    EXPECT_TRUE(eventually([&] { return serving.get("/health").status == 200; }));
}

TEST_P(Serve, ADeadServerIsSaidSoAndComesBack) {
    Serving& serving = start({"CIRCUIT_BREAKER_FAILURE_THRESHOLD=2", "CIRCUIT_BREAKER_RECOVERY_TIMEOUT=0.3",
                              "CIRCUIT_BREAKER_SUCCESS_THRESHOLD=1"});
    EXPECT_EQ(serving.get("/health/ready").status, 200U);
    server().kill();
    std::set<std::string> errors;
    EXPECT_TRUE(eventually([&] {
        const HttpAnswer answer = serving.get("/projects/p/cache/k");
        EXPECT_EQ(answer.status, 503U);
        EXPECT_GE(std::stoi(answer.header("retry-after")), 1);
        EXPECT_NE(json::parse(answer.body).at("certainty").as_string(), "applied");
        errors.insert(error_of(answer));
        return errors.contains("circuit_open");
    }));
    EXPECT_EQ(serving.get("/health").status, 503U);
    EXPECT_EQ(serving.get("/health/ready").status, 503U);
    EXPECT_EQ(serving.get("/health/live").status, 200U);
    server().restart();
    EXPECT_TRUE(eventually([&] { return serving.get("/health").status == 200; }));
    // The server may be back before the breaker's recovery time is over.
    EXPECT_TRUE(eventually([&] { return serving.ask("PUT", "/projects/p/cache/k", "v").status == 204; }));
}

TEST_P(Serve, WithATokenOnlyTheProbesAreOpen) {
    Serving& serving = start({"REDOUBT_ADMIN_TOKEN=" + std::string(test_token)}, {"--bind", "0.0.0.0"});
    for (const char* path : {"/health", "/metrics", "/metrics.json", "/projects/p/cache", "/nowhere"}) {
        EXPECT_EQ(serving.get(path).status, 401U) << path;
        EXPECT_NE(serving.get(path, "Authorization: Bearer " + std::string(test_token) + "\r\n").status, 401U) << path;
    }
    EXPECT_EQ(serving.ask("PUT", "/projects/p/cache/k", "v").status, 401U);
    EXPECT_EQ(raw().command({"EXISTS", "proj:p:k"}), ":0\r\n");
    EXPECT_EQ(serving.get("/health/live").status, 200U);
    EXPECT_EQ(serving.get("/health/ready").status, 200U);
}

TEST_P(Serve, ForeignNamesOfThisMachineAreNotAnsweredTo) {
    Serving& serving = start();
    HttpClient client(serving.port());
    client.send("GET /health HTTP/1.1\r\nHost: rebound.example\r\n\r\n");
    EXPECT_EQ(client.read_answer().status, 403U);
}

TEST_P(Serve, EndsInOrderOnEitherSignal) {
    for (const int number : {SIGTERM, SIGINT}) {
        Serving& serving = start();
        HttpClient idle(serving.port());
        EXPECT_EQ(idle.ask("GET", "/health/live").status, 200U);
        // Under way when the signal comes: it is answered.
        server().pause();
        HttpClient busy(serving.port());
        busy.send(HttpClient::request("GET", "/health"));
        EXPECT_EQ(HttpClient(serving.port()).ask("GET", "/health/live").status, 200U);
        serving.process().signal(number);
        EXPECT_TRUE(idle.ends());
        EXPECT_EQ(busy.read_answer().status, 503U);
        server().resume();
        EXPECT_EQ(serving.process().wait(), 0);
    }
}

TEST_P(Serve, WaitsForAServerThatIsNotThereYet) {
    server().kill();
    Serving& serving = start();
    const HttpAnswer health = serving.get("/health");
    EXPECT_EQ(health.status, 503U);
    const json::value document = json::parse(health.body);
    EXPECT_EQ(document.at("status").as_string(), "unhealthy");
    EXPECT_NE(document.at("test_operations").at("error").as_string().find("connect"), std::string::npos) << health.body;
    EXPECT_EQ(serving.get("/projects/p/cache").status, 503U);
    EXPECT_EQ(serving.get("/health/live").status, 200U);
    EXPECT_NE(serving.get("/metrics").body.find("redoubt_initialized 0\n"), std::string::npos);
    EXPECT_FALSE(json::parse(serving.get("/metrics.json").body).at("initialized").as_bool());
    server().restart();
    EXPECT_TRUE(eventually([&] { return serving.get("/health").status == 200; }));
    EXPECT_EQ(serving.process().end(), 0);
}

INSTANTIATE_TEST_SUITE_P(BothServers, Serve, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& one) { return one.param.substr(0, one.param.find('-')); });

TEST(ServeUsage, RefusesWhatIsNotSafeOrNotThere) {
    const auto refused = [](const Words& arguments, const Words& environment, const std::string& part) {
        const Ran ran = serve(arguments, environment);
        EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
        EXPECT_EQ(ran.out, "");
        EXPECT_TRUE(ran.err.starts_with("RedisConfigurationException: ")) << ran.err;
        EXPECT_NE(ran.err.find(part), std::string::npos) << ran.err;
    };
    const std::string url = "REDIS_URL=unix:///no/such.sock";
    refused({"--bind", "0.0.0.0"}, {url}, "REDOUBT_ADMIN_TOKEN");
    refused({"--bind", "::"}, {url}, "REDOUBT_ADMIN_TOKEN");
    refused({"--bind", "localhost"}, {url}, "bind address");
    refused({}, {url, "REDOUBT_ADMIN_TOKEN=short"}, "16 to 512");
    refused({}, {url, "REDOUBT_ADMIN_TOKEN="}, "16 to 512");
    refused({}, {"REDIS_URL=http://nonsense"}, "REDIS_URL");
    EXPECT_EQ(serve({"--port", "70000"}).status, 2);
    EXPECT_EQ(serve({"--port", "x"}).status, 2);

    const Serving other(REDOUBT_PROGRAM, {"--embedded"});
    Words words{REDOUBT_PROGRAM, "serve", "--port", std::to_string(other.port()), "--embedded"};
    const Ran taken = testing::run_program(words, {std::string("PATH=") + std::getenv("PATH")});
    EXPECT_EQ(taken.status, 1);
    EXPECT_NE(taken.err.find("cannot listen on 127.0.0.1 port"), std::string::npos) << taken.err;
}

}  // namespace
}  // namespace redoubt
