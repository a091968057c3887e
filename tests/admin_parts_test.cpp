// admin: the pure parts of the HTTP endpoint: request targets, the table of routes, who may ask, and counting calls.
#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "admin/access.hpp"
#include "admin/call_metrics.hpp"
#include "admin/router.hpp"
#include "admin/target.hpp"

namespace redoubt::admin {
namespace {

using Words = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(RequestTargets, AreTakenApartAndDecoded) {
    const auto segments = [](std::string_view text) { return parse_target(text)->segments; };
    EXPECT_EQ(segments("/"), Words{""});
    EXPECT_EQ(segments("/health"), Words{"health"});
    EXPECT_EQ(segments("/a/b/"), (Words{"a", "b", ""}));
    EXPECT_EQ(segments("//x"), (Words{"", "x"}));
    EXPECT_EQ(segments("/a%2Fb/%2f"), (Words{"a/b", "/"}));
    EXPECT_EQ(segments("/%00%ff%25"), Words{std::string("\0\xff%", 3)});
    EXPECT_EQ(segments("/../%2e%2e"), (Words{"..", ".."}));
    EXPECT_EQ(segments("/a+b"), Words{"a+b"});
    EXPECT_EQ(segments("/a?b/c"), Words{"a"});
    EXPECT_EQ(segments("http://host:80/a/b?c"), (Words{"a", "b"}));
    EXPECT_EQ(parse_target("/a?")->query, Pairs{});
    EXPECT_EQ(parse_target("/a?ttl=1.5&x&%3D=%26&&y==")->query,
              (Pairs{{"ttl", "1.5"}, {"x", ""}, {"=", "&"}, {"y", "="}}));
    for (const std::string_view bad :
         {"", "*", "health", "/%", "/%2", "/%2g", "/%g2", "/a?%", "/a?b=%zz", "http://host", "ftp://host/"}) {
        EXPECT_FALSE(parse_target(bad)) << bad;
    }
}

Handler nothing() {
    return [](Request) -> boost::asio::awaitable<Response> { co_return Response{}; };
}

TEST(Routes, AreFoundByMethodAndPath) {
    Router router;
    router.add({"GET", "/projects/{id}/cache/{key}", nothing()});
    router.add({"PUT", "/projects/{id}/cache/{key}", nothing()});
    router.add({"GET", "/projects/{id}/cache/fixed", nothing()});
    router.add({"GET", "/health", nothing(), false});
    router.add({"GET", "/", nothing()});

    const auto found = router.find("GET", {"projects", "a", "cache", "k/\n"});
    ASSERT_NE(found.route, nullptr);
    EXPECT_EQ(found.fields, (Pairs{{"id", "a"}, {"key", "k/\n"}}));
    EXPECT_EQ(found.allow, "GET, HEAD, PUT");
    EXPECT_EQ(router.find("GET", {"projects", "a", "cache", "fixed"}).route->pattern, "/projects/{id}/cache/fixed");
    EXPECT_EQ(router.find("HEAD", {"health"}).route->pattern, "/health");
    EXPECT_FALSE(router.find("HEAD", {"health"}).route->needs_token);
    EXPECT_EQ(router.find("GET", {""}).route->pattern, "/");
    EXPECT_EQ(router.find("GET", {"projects", "", "cache", ""}).fields, (Pairs{{"id", ""}, {"key", ""}}));

    const auto wrong_method = router.find("DELETE", {"projects", "a", "cache", "k"});
    EXPECT_EQ(wrong_method.route, nullptr);
    EXPECT_EQ(wrong_method.allow, "GET, HEAD, PUT");
    for (const Words& nowhere : {Words{"healthy"}, Words{"health", ""}, Words{"projects", "a", "cache"}, Words{}}) {
        EXPECT_EQ(router.find("GET", nowhere).route, nullptr);
        EXPECT_EQ(router.find("GET", nowhere).allow, "");
    }
}

Request request(std::string method, Pairs headers) {
    Request made;
    made.method = std::move(method);
    made.headers = std::move(headers);
    return made;
}

unsigned status(const Access& access, const Request& asked, bool needs_token = true) {
    const auto refused = access.refuse(asked, needs_token);
    return refused ? refused->status : 0;
}

TEST(AccessRules, WithoutATokenOnlyALoopbackHostIsAnswered) {
    const Access access("");
    for (const char* host : {"localhost", "LOCALHOST:80", "127.0.0.1:9", "127.9.9.9", "[::1]:80", "[::1]"}) {
        EXPECT_EQ(status(access, request("GET", {{"Host", host}})), 0U) << host;
    }
    for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "",
                             "[::2]", "[::1", "0.0.0.0", "::1"}) {
        EXPECT_EQ(status(access, request("GET", {{"Host", host}})), 403U) << host;
    }
    EXPECT_EQ(status(access, request("GET", {})), 0U);  // HTTP/1.0: no browser
    EXPECT_EQ(status(access, request("GET", {{"Host", "localhost"}, {"host", "localhost"}})), 400U);
}

TEST(AccessRules, ATokenIsComparedAsAWhole) {
    const std::string token = "0123456789abcdef";
    const Access access(token);
    const auto with = [&](const std::string& value) {
        return status(access, request("GET", {{"Host", "any.example"}, {"authorization", value}}));
    };
    EXPECT_EQ(with("Bearer " + token), 0U);
    EXPECT_EQ(with("bearer " + token), 0U);
    EXPECT_EQ(with("Basic " + std::string("OjAxMjM0NTY3ODlhYmNkZWY=")), 0U);      // :token
    EXPECT_EQ(with("Basic " + std::string("dXNlcjowMTIzNDU2Nzg5YWJjZGVm")), 0U);  // user:token
    EXPECT_EQ(with("Basic " + std::string("MDEyMzQ1Njc4OWFiY2RlZg==")), 401U);    // token
    for (const std::string bad : {"", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdeg", "Basic",
                                  "Basic ====", "Basic !", "Digest x"}) {
        EXPECT_EQ(with(bad), 401U) << bad;
    }
    EXPECT_EQ(with("Bearer " + token + "0"), 401U);
    EXPECT_EQ(with(token), 401U);
    EXPECT_EQ(status(access, request("GET", {{"Host", "any"}})), 401U);
    EXPECT_EQ(status(access, request("GET", {{"Host", "any"}}), false), 0U);
    EXPECT_TRUE(check_token("short"));
    EXPECT_TRUE(check_token("with a space in it, which no header can have"));
    EXPECT_TRUE(check_token(std::string(513, 'x')));
    EXPECT_FALSE(check_token(std::string(512, 'x')));
}

TEST(AccessRules, AForeignPageMayNotChangeAnything) {
    const Access access("");
    const auto put = [&](Pairs more) {
        more.emplace_back("Host", "localhost:80");
        return status(access, request("PUT", std::move(more)));
    };
    EXPECT_EQ(put({}), 0U);
    EXPECT_EQ(put({{"Origin", "http://localhost:80"}, {"Sec-Fetch-Site", "same-origin"}}), 0U);
    EXPECT_EQ(put({{"Sec-Fetch-Site", "none"}}), 0U);
    for (const char* origin : {"http://evil.example", "http://localhost:81", "null", ""}) {
        EXPECT_EQ(put({{"Origin", origin}}), 403U) << origin;
    }
    EXPECT_EQ(put({{"Sec-Fetch-Site", "cross-site"}}), 403U);
    EXPECT_EQ(put({{"Sec-Fetch-Site", "same-site"}}), 403U);
    EXPECT_EQ(status(access, request("GET", {{"Host", "localhost"}, {"Origin", "http://evil.example"}})), 0U);
}

void count(CallMetrics& metrics, std::string_view operation, std::string_view project, Duration took,
           const Error* error = nullptr) {
    CallInfo call;
    call.operation = operation;
    call.project_id = project;
    CallOutcome outcome;
    outcome.duration = took;
    outcome.error = error;
    metrics.call_ended(call, outcome);
}

TEST(CallCounting, ByCommandProjectAndOutcome) {
    CallMetrics metrics(2);
    const Error failure = Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent, "slow");
    EXPECT_TRUE(metrics.watches_calls());
    EXPECT_EQ(metrics.totals().quantile(0.5), std::nullopt);
    count(metrics, "GET", "alpha", std::chrono::microseconds(60));
    count(metrics, "GET", "alpha", std::chrono::microseconds(100));  // a bound is inside its bucket
    count(metrics, "GET", "alpha", std::chrono::seconds(11));
    count(metrics, "GET", "alpha", std::chrono::milliseconds(2), &failure);
    count(metrics, "SET", "", std::chrono::milliseconds(2));
    for (const char* project : {"beta", "gamma", "delta"}) count(metrics, "GET", project, std::chrono::milliseconds(1));

    const auto rows = metrics.rows();
    ASSERT_EQ(rows.size(), 5U);
    EXPECT_EQ(rows[0].project, "alpha");
    EXPECT_EQ(rows[0].error, std::nullopt);
    EXPECT_EQ(rows[0].durations.count(), 3U);
    EXPECT_EQ(rows[0].durations.counts.front(), 2U);
    EXPECT_EQ(rows[0].durations.counts.back(), 1U);
    EXPECT_NEAR(rows[0].durations.sum_seconds, 11.00016, 1e-9);
    EXPECT_EQ(rows[1].error, ErrorKind::timeout);
    EXPECT_EQ(rows[2].project, "beta");
    EXPECT_EQ(rows[3].project, "other");
    EXPECT_EQ(rows[3].durations.count(), 2U);
    EXPECT_EQ(rows[4].operation, "SET");
    EXPECT_EQ(metrics.totals().count(), 8U);

    // Of connections, by pool; they are no calls.
    metrics.connection_opened("endpoint", "alpha", std::chrono::milliseconds(1));
    metrics.connection_obtained("endpoint", "alpha", std::chrono::milliseconds(2));
    metrics.connection_returned("endpoint", "alpha", std::chrono::milliseconds(3));
    EXPECT_EQ(metrics.totals().count(), 8U);
    const auto all = metrics.rows();
    ASSERT_EQ(all.size(), 8U);
    EXPECT_EQ(all[5].measure, CallMetrics::Measure::create_time);
    EXPECT_EQ(all[7].measure, CallMetrics::Measure::use_time);
    EXPECT_NEAR(all[7].durations.sum_seconds, 0.003, 1e-9);
}

TEST(CallCounting, QuantilesAreThoseOfTheirBuckets) {
    CallMetrics metrics;
    for (int i = 0; i != 90; ++i) count(metrics, "GET", "a", std::chrono::microseconds(200));
    const DurationHistogram before = metrics.totals();
    EXPECT_NEAR(*before.quantile(0.5), 0.000175, 1e-9);
    for (int i = 0; i != 10; ++i) count(metrics, "GET", "a", std::chrono::milliseconds(3));
    EXPECT_NEAR(*metrics.totals().quantile(0.95), 0.00375, 1e-9);
    const DurationHistogram later = metrics.totals().since(before);
    EXPECT_EQ(later.count(), 10U);
    EXPECT_NEAR(later.sum_seconds, 0.03, 1e-9);
    EXPECT_GT(*later.quantile(0.01), 0.0025);
}

TEST(CallCounting, MemoryIsBoundedAndNoCallIsLost) {
    CallMetrics metrics;
    constexpr int operations = 100;
    constexpr int projects = 100;
    for (int operation = 0; operation != operations; ++operation) {
        for (int project = 0; project != projects; ++project) {
            count(metrics, "OP" + std::to_string(operation), "p" + std::to_string(project), Duration(1));
        }
    }
    const auto rows = metrics.rows();
    EXPECT_LE(rows.size(), 4096U);
    EXPECT_EQ(metrics.totals().count(), static_cast<std::uint64_t>(operations) * projects);
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.operation == "_OTHER"; }));
}

TEST(CallCounting, FromManyThreads) {
    CallMetrics metrics;
    constexpr int each = 20'000;
    std::vector<std::thread> threads;
    for (int thread = 0; thread != 4; ++thread) {
        threads.emplace_back([&metrics, thread] {
            for (int i = 0; i != each; ++i) {
                count(metrics, i % 2 == 0 ? "GET" : "SET", "p" + std::to_string((i + thread) % 7), Duration(i));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(metrics.totals().count(), 4U * each);
    EXPECT_EQ(metrics.rows().size(), 14U);
}

}  // namespace
}  // namespace redoubt::admin
