// admin: the page's files as routes: what is answered, to whom, and what a browser may do with it.
#include <future>
#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "admin/page.hpp"
#include "admin/target.hpp"

namespace redoubt::admin {
namespace {

constexpr PageFile files[] = {{"/", "text/html; charset=utf-8", "\"one\"", "<p>page</p>"},
                              {"/page.js", "text/javascript; charset=utf-8", "\"two\"", "1"}};

Response get(const Router& router, std::string_view path, std::string known_tag = {}) {
    const auto target = parse_target(path);
    const Router::Found found = router.find("GET", target->segments);
    EXPECT_NE(found.route, nullptr) << path;
    EXPECT_FALSE(found.route->needs_token) << path;
    Request request;
    request.method = "GET";
    if (!known_tag.empty()) request.headers.emplace_back("if-none-match", std::move(known_tag));
    boost::asio::io_context loop;
    auto answer = boost::asio::co_spawn(loop, found.route->handler(std::move(request)), boost::asio::use_future);
    loop.run();
    return answer.get();
}

std::string header(const Response& response, std::string_view name) {
    for (const auto& [known, value] : response.headers) {
        if (known == name) return value;
    }
    return {};
}

TEST(Page, files_are_answered_with_their_type_and_policy) {
    Router router;
    add_page_routes(router, files);
    for (const PageFile& file : files) {
        const Response response = get(router, file.path);
        EXPECT_EQ(response.status, 200U);
        EXPECT_EQ(response.body, file.body);
        EXPECT_EQ(header(response, "Content-Type"), file.content_type);
        EXPECT_EQ(header(response, "ETag"), file.tag);
        EXPECT_EQ(header(response, "Cache-Control"), "no-cache");
        EXPECT_EQ(header(response, "Content-Security-Policy"), page_policy());
        EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff");
    }
}

TEST(Page, what_the_browser_has_is_not_sent_again) {
    Router router;
    add_page_routes(router, files);
    for (const char* known : {"\"two\"", "W/\"two\"", "\"x\", \"two\"", "*"}) {
        const Response response = get(router, "/page.js", known);
        EXPECT_EQ(response.status, 304U) << known;
        EXPECT_EQ(response.body, "");
        EXPECT_EQ(header(response, "ETag"), "\"two\"");
    }
    EXPECT_EQ(get(router, "/page.js", "\"one\"").status, 200U);
}

TEST(Page, the_policy_lets_nothing_in_from_elsewhere) {
    const std::string policy(page_policy());
    EXPECT_TRUE(policy.starts_with("default-src 'none'; "));
    for (const char* never : {"unsafe", "http", "*", "eval"}) EXPECT_EQ(policy.find(never), std::string::npos) << never;
}

TEST(Page, a_program_without_the_page_says_so) {
    Router router;
    add_page_routes(router, {});
    const Response response = get(router, "/");
    EXPECT_EQ(response.status, 200U);
    EXPECT_NE(response.body.find("built without its page"), std::string::npos);
    EXPECT_EQ(router.find("GET", parse_target("/page.js")->segments).route, nullptr);
}

// With the page, that is how it was built; without, the test before says what is answered.
TEST(Page, its_files_name_one_another) {
    const auto built = page_files();
    if (built.empty()) return;
    ASSERT_EQ(built.front().path, "/");
    std::set<std::string> paths;
    for (const PageFile& file : built) {
        EXPECT_FALSE(file.body.empty()) << file.path;
        EXPECT_TRUE(file.tag.starts_with('"') && file.tag.ends_with('"')) << file.tag;
        paths.emplace(file.path);
    }
    EXPECT_EQ(paths, (std::set<std::string>{"/", "/icon.svg", "/page.css", "/page.js"}));
    const std::string_view html = built.front().body;
    for (const char* name : {"\"page.js\"", "\"page.css\"", "\"icon.svg\""}) {
        EXPECT_NE(html.find(name), std::string_view::npos) << name;
    }
    // No script or style within: the policy would forbid it.
    EXPECT_EQ(html.find("style="), std::string_view::npos);
    EXPECT_EQ(html.find("<style"), std::string_view::npos);
    EXPECT_EQ(html.find("onclick"), std::string_view::npos);
}

}  // namespace
}  // namespace redoubt::admin
