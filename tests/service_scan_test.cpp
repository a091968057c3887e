// service: scans as ranges and page by page, and the helpers for a whole project, beside another project whose keys must
// neither be seen nor touched.
#include <algorithm>
#include <array>
#include <iterator>
#include <ranges>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;
using Texts = std::vector<std::string>;

static_assert(std::ranges::input_range<KeyScan>);
static_assert(std::ranges::input_range<FieldScan>);

// What a pattern or a prefix could be mistaken for.
const std::array<std::string_view, 14> odd_keys{"*", "?",   "[a]",  "[", "]",          "\\", "\\*",
                                                "^", "a*b", "a\nb", "",  "proj:beta:", "a",  "proj:*"};

Texts sorted(Texts texts) {
    std::sort(texts.begin(), texts.end());
    return texts;
}

class Scans : public testing::LiveServiceTest {
protected:
    void SetUp() override {
        service_ = std::make_unique<RedisService>(config());
        service_->initialize();
    }
    RedisService& service() { return *service_; }
    ProjectIsolatedRedisClient alpha() { return service_->get_connection("alpha"); }
    ProjectIsolatedRedisClient beta() { return service_->get_connection("beta"); }

    /// Both projects have the odd keys, and as many more.
    void fill(int more) {
        for (const ProjectIsolatedRedisClient& redis : {alpha(), beta()}) {
            auto batch = redis.batch<bool>();
            for (const std::string_view key : odd_keys) batch.set(key, "v");
            for (int i = 0; i < more; ++i) batch.set("more:" + std::to_string(i), "v");
            std::move(batch).execute();
        }
        // Names that begin almost as the project's keys do.
        for (const std::string key :
             {"proj:alpha", "proj:alphabet:x", "proj:alpha_:x", "PROJ:alpha:x", "xproj:alpha:x"}) {
            raw().command({"SET", key, "v"});
        }
    }
    /// The keys that are stored, past the library.
    Texts stored(const std::string& pattern) { return raw().sorted_strings({"KEYS", pattern}); }

    template <class Body>
    void in_a_coroutine(Body body) {
        asio::io_context loop{1};
        std::exception_ptr failure;
        asio::co_spawn(loop, body(alpha().async()), [&](std::exception_ptr outcome) { failure = std::move(outcome); });
        testing::expect_runs_out(loop);
        if (failure) std::rethrow_exception(failure);
    }

private:
    std::unique_ptr<RedisService> service_;
};

TEST_P(Scans, AreRangesOverTheProjectsOwnKeys) {
    fill(500);
    std::set<std::string> expected(odd_keys.begin(), odd_keys.end());
    for (int i = 0; i < 500; ++i) expected.insert("more:" + std::to_string(i));
    std::set<std::string> seen;
    for (const std::string& key : alpha().scan({.count = 7})) seen.insert(key);
    EXPECT_EQ(seen, expected);

    auto some = alpha().scan({.match = "more:1*", .count = 10});
    std::size_t count = 0;
    for (const std::string& key : some) {
        EXPECT_TRUE(key.starts_with("more:1")) << key;
        ++count;
    }
    EXPECT_GE(count, 111U);
    EXPECT_EQ(some.begin(), some.end());  // it was walked
    EXPECT_EQ(std::ranges::distance(service().get_connection("empty").scan()), 0);
    alpha().rpush("list", "x");
    Texts lists;
    for (const std::string& key : alpha().scan({.type = "list"})) lists.push_back(key);
    EXPECT_EQ(lists, Texts{"list"});
    // With a cursor it is a page, as before.
    const ScanPage page = alpha().scan(0, {.count = 10000});
    EXPECT_EQ(page.foreign, 0U);
    EXPECT_EQ(error_of([&] { (void)alpha().scan({.count = 0}).begin(); }).kind, ErrorKind::configuration);
}

TEST_P(Scans, MatchKeysThatLookLikePatterns) {
    fill(20);
    EXPECT_EQ(alpha().keys("\\*"), Texts{"*"});
    EXPECT_EQ(alpha().keys("\\[a\\]"), Texts{"[a]"});
    EXPECT_EQ(alpha().keys("[a]"), Texts{"a"});
    EXPECT_EQ(sorted(alpha().keys("a*")), sorted({"a", "a*b", "a\nb"}));
    EXPECT_EQ(sorted(alpha().keys("proj:*")), sorted({"proj:*", "proj:beta:"}));
    EXPECT_EQ(alpha().keys("proj:alpha:*"), Texts{});  // the prefix is added, not looked for
    EXPECT_EQ(alpha().keys("none*"), Texts{});
    EXPECT_EQ(alpha().keys().size(), odd_keys.size() + 20);
    EXPECT_EQ(alpha().count_keys(), odd_keys.size() + 20);
    EXPECT_EQ(alpha().count_keys("more:*"), 20U);
    EXPECT_EQ(service().get_connection("empty").count_keys(), 0U);
    EXPECT_EQ(service().get_connection("alph").keys(), Texts{});
}

TEST_P(Scans, GoOverMembers) {
    const auto r = alpha();
    auto batch = r.batch<std::int64_t>();
    for (int i = 0; i < 1000; ++i) {
        const std::string number = std::to_string(i);
        batch.hset("h", "f" + number, number);
        batch.sadd("s", "m" + number);
        batch.zadd("z", i, "m" + number);
    }
    std::move(batch).execute();
    StringMap fields;
    for (const auto& [field, value] : r.hscan("h", {.count = 10})) fields[field] = value;
    EXPECT_EQ(fields, r.hgetall("h"));
    std::set<std::string> members;
    for (const std::string& member : r.sscan("s", {.match = "m99*"})) members.insert(member);
    EXPECT_EQ(members.size(), 11U);
    double sum = 0;
    std::set<std::string> once;
    for (const ScoredMember& one : r.zscan("z")) sum += once.insert(one.member).second ? one.score : 0;
    EXPECT_EQ(sum, 999 * 1000 / 2);
    EXPECT_EQ(std::ranges::distance(r.hscan("none")), 0);
    EXPECT_THROW((void)r.hscan("s").begin(), RedisServerException);
}

TEST_P(Scans, DeleteAllKeysLeavesOtherProjectsAlone) {
    fill(500);
    const Texts others = stored("*");
    const Texts own = stored("proj:alpha:*");
    ASSERT_EQ(own.size(), odd_keys.size() + 500);
    const DeleteKeysProgress counted = alpha().delete_all_keys({.dry_run = true});
    EXPECT_TRUE(counted.finished);
    EXPECT_EQ(counted.deleted, 0U);
    EXPECT_GE(counted.found, own.size());
    EXPECT_EQ(stored("*"), others);

    const DeleteKeysProgress some = alpha().delete_all_keys({.match = "more:4*"});
    EXPECT_EQ(some.deleted, 111U);
    const DeleteKeysProgress all = alpha().delete_all_keys();
    EXPECT_EQ(all.deleted, own.size() - 111);
    EXPECT_TRUE(all.finished);
    EXPECT_EQ(all.cursor, 0U);
    Texts left;
    std::set_difference(others.begin(), others.end(), own.begin(), own.end(), std::back_inserter(left));
    EXPECT_EQ(stored("*"), left);
    EXPECT_EQ(left.size(), odd_keys.size() + 500 + 5);
    EXPECT_EQ(alpha().count_keys(), 0U);
    EXPECT_EQ(alpha().delete_all_keys().found, 0U);
}

TEST_P(Scans, DeleteAllKeysGoesOnWhereItStopped) {
    fill(2000);
    DeleteKeysProgress last;
    std::uint64_t deleted = 0;
    int rounds = 0;
    do {
        int steps = 0;
        last = alpha().delete_all_keys({.batch = 50, .cursor = last.cursor}, [&](const DeleteKeysProgress& progress) {
            EXPECT_LE(progress.deleted, progress.found);
            return ++steps < 3;
        });
        EXPECT_LE(steps, 3);
        deleted += last.deleted;
        ++rounds;
    } while (!last.finished);
    EXPECT_GT(rounds, 5);
    EXPECT_EQ(deleted, odd_keys.size() + 2000);
    EXPECT_EQ(stored("proj:alpha:*"), Texts{});
    EXPECT_EQ(stored("proj:beta:*").size(), odd_keys.size() + 2000);
    EXPECT_EQ(error_of([&] { (void)alpha().delete_all_keys({.batch = 0}); }).kind, ErrorKind::configuration);
}

TEST_P(Scans, WithoutAProjectNothingIsDeleted) {
    raw().command({"SET", "proj:beta:k", "v"});
    RedisServiceConfig development = config();
    development.environment = Environment::development;
    RedisService service(development);
    service.initialize();
    const auto unprefixed = service.get_connection("default");
    const Error error = error_of([&] { (void)unprefixed.delete_all_keys(); });
    EXPECT_EQ(error.kind, ErrorKind::isolation);
    EXPECT_EQ(error.certainty, Certainty::not_sent);
    EXPECT_EQ(raw().command({"GET", "proj:beta:k"}), "$1\r\nv\r\n");
}

TEST_P(Scans, InCoroutinesArePages) {
    fill(300);
    in_a_coroutine([](AsyncProjectRedisClient redis) -> asio::awaitable<void> {
        std::set<std::string> seen;
        const auto scan = redis.scan({.count = 20});
        while (auto page = co_await scan.next()) {
            EXPECT_EQ(page->foreign, 0U);
            seen.insert(page->keys.begin(), page->keys.end());
        }
        EXPECT_EQ(seen.size(), odd_keys.size() + 300);
        EXPECT_FALSE(co_await scan.next());
        EXPECT_EQ((co_await redis.keys("more:29*")).size(), 11U);
        EXPECT_EQ(co_await redis.count_keys(), odd_keys.size() + 300);
        EXPECT_EQ((co_await redis.scan(0, {.count = 1000})).foreign, 0U);

        co_await redis.hset("h", "f", "v");
        co_await redis.sadd("s", "m");
        co_await redis.zadd("z", 1, "m");
        EXPECT_EQ((co_await redis.hscan("h").next())->fields.size(), 1U);
        EXPECT_EQ((co_await redis.sscan("s").next())->members.size(), 1U);
        EXPECT_EQ((co_await redis.zscan("z").next())->members.size(), 1U);

        const auto counted = co_await redis.delete_all_keys({.match = "more:*", .dry_run = true});
        EXPECT_EQ(counted.deleted, 0U);
        EXPECT_GE(counted.found, 300U);
        int steps = 0;
        const auto all = co_await redis.delete_all_keys({.batch = 50}, [&](const DeleteKeysProgress&) {
            ++steps;
            return true;
        });
        EXPECT_TRUE(all.finished);
        EXPECT_EQ(all.deleted, odd_keys.size() + 303);
        EXPECT_GT(steps, 2);
    });
    EXPECT_EQ(stored("proj:alpha:*"), Texts{});
    EXPECT_EQ(stored("proj:beta:*").size(), odd_keys.size() + 300);
}

// Any completion token does, and a page that failed can be asked for again.
TEST_P(Scans, OnePageIsAnOperationLikeEveryOther) {
    fill(10);
    (void)alpha().async().ping()(asio::use_future).get();
    const auto broken = alpha().with({.deadline = 50ms}).async().scan({.count = 10000});
    server().pause();
    EXPECT_THROW((void)broken.next()(asio::use_future).get(), RedisOperationTimeoutException);
    EXPECT_THROW((void)broken.next()(asio::use_future).get(), RedisOperationTimeoutException);
    server().resume();
    const auto scan = alpha().async().scan({.count = 10000});
    const auto page = scan.next()(asio::use_future).get();
    ASSERT_TRUE(page);
    EXPECT_EQ(page->keys.size(), odd_keys.size() + 10);
    EXPECT_FALSE(scan.next()(asio::use_future).get());
}

REDOUBT_BOTH_SERVERS(Scans);

}  // namespace
}  // namespace redoubt
