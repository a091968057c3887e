// service: a password that is rotated while calls run: the provider is asked for each connection, once more when the
// server refuses, no call is dropped by it, and no text holds a secret; against both real servers.
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/notes.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;
using testing::eventually;
using testing::RawClient;

/// What an application's vault would be.
class Vault {
public:
    void keep(std::string password) {
        const std::lock_guard lock(mutex_);
        password_ = std::move(password);
    }
    Credentials ask() {
        ++asked_;
        const std::lock_guard lock(mutex_);
        return {"app", password_};
    }
    int asked() const { return asked_; }

private:
    std::mutex mutex_;
    std::string password_;
    std::atomic<int> asked_{0};
};

/// Collects what telemetry and log are told.
class Told final : public Telemetry {
public:
    void breaker_changed(std::string_view, std::string_view, std::string_view) noexcept override {}
    void connection_failed(const Error& error) noexcept override { notes_.add(error.message() + "\n"); }
    std::string text() const { return notes_.text(); }

private:
    testing::Notes notes_;
};

class ProvidedCredentials : public testing::LiveServiceTest {
protected:
    void SetUp() override {
        vault_.keep("secret-0");
        raw().command({"ACL", "SETUSER", "app", "on", ">secret-0", "~*", "&*", "+@all"});
        raw().command({"ACL", "SETUSER", "default", "resetpass", ">administrator"});
    }
    RedisServiceConfig provided() {
        RedisServiceConfig given = config();
        given.url = "unix://" + server().socket_path();
        given.credentials_provider = [this] { return vault_.ask(); };
        return given;
    }
    /// As operators do: the server takes both, then everybody is told, then the old one ends.
    void rotate(int to) {
        const std::string next = "secret-" + std::to_string(to);
        EXPECT_EQ(raw().command({"ACL", "SETUSER", "app", ">" + next}), "+OK\r\n");
        vault_.keep(next);
        EXPECT_EQ(raw().command({"ACL", "SETUSER", "app", "<secret-" + std::to_string(to - 1)}), "+OK\r\n");
    }

    Vault vault_;
};

TEST_P(ProvidedCredentials, AreAskedForEachConnectionAndOnceMoreWhenRefused) {
    RedisService service(provided());
    service.initialize();
    EXPECT_EQ(vault_.asked(), 1);
    const auto redis = service.get_connection("alpha");
    EXPECT_TRUE(redis.set("k", "v"));
    EXPECT_EQ(vault_.asked(), 2);
    EXPECT_EQ(redis.async().get("k")(asio::use_future).get(), "v");
    EXPECT_EQ(vault_.asked(), 3);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(redis.get("k"), "v");
    EXPECT_EQ(vault_.asked(), 3);

    // The server has another one already, of which the vault learns between the two times that it is asked.
    raw().command({"ACL", "SETUSER", "app", "resetpass", ">secret-1"});
    RedisServiceConfig given = provided();
    std::atomic<int> asked{0};
    given.credentials_provider = [&]() -> Credentials { return {"app", asked++ % 2 == 0 ? "secret-0" : "secret-1"}; };
    RedisService late(given);
    late.initialize();
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(late.get_connection("alpha").async().get("k")(asio::use_future).get(), "v");
    EXPECT_EQ(asked, 4);
    EXPECT_EQ(late.circuit_state(), CircuitState::closed);
}

TEST_P(ProvidedCredentials, AreAskedTwiceAndNotMoreWhenTheyAreWrong) {
    const auto told = std::make_shared<Told>();
    RedisServiceConfig given = provided();
    given.max_retries = 3;
    given.circuit_breaker.failure_threshold = 1;
    RedisService service(given);
    service.set_telemetry(told);
    service.initialize();
    vault_.keep("wrong-secret");
    const auto redis = service.get_connection("alpha");
    for (const bool is_async : {false, true}) {
        const int before = vault_.asked();
        const Error error =
            error_of([&] { is_async ? (void)redis.async().get("k")(asio::use_future).get() : (void)redis.get("k"); });
        EXPECT_EQ(error.kind, ErrorKind::authentication) << error.message();
        EXPECT_EQ(error.prefix(), "WRONGPASS");
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_EQ(error.attempts, 1U);
        EXPECT_EQ(vault_.asked() - before, 2);
        EXPECT_FALSE(contains(error.message(), "wrong-secret")) << error.message();
    }
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    EXPECT_TRUE(contains(told->text(), "WRONGPASS"));
    EXPECT_FALSE(contains(told->text(), "wrong-secret")) << told->text();
    vault_.keep("secret-0");
    EXPECT_EQ(redis.get("k"), std::nullopt);
}

TEST_P(ProvidedCredentials, AProviderThatThrowsEndsTheCallWithItsReason) {
    RedisServiceConfig given = provided();
    bool broken = false;
    given.credentials_provider = [&] {
        if (broken) throw std::runtime_error("the vault is sealed");
        return vault_.ask();
    };
    RedisService service(given);
    service.initialize();
    broken = true;
    const auto redis = service.get_connection("alpha");
    for (const bool is_async : {false, true}) {
        const Error error =
            error_of([&] { is_async ? (void)redis.async().get("k")(asio::use_future).get() : (void)redis.get("k"); });
        EXPECT_EQ(error.kind, ErrorKind::configuration) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(error.message(), "the vault is sealed")) << error.message();
    }
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
    broken = false;
    EXPECT_EQ(redis.get("k"), std::nullopt);
}

TEST_P(ProvidedCredentials, AnOutageDuringARotationHealsByItself) {
    RedisServiceConfig given = provided();
    given.circuit_breaker = {.failure_threshold = 1, .recovery_timeout = 10ms, .success_threshold = 2};
    RedisService service(given);
    service.initialize();
    const auto redis = service.get_connection("alpha");
    EXPECT_TRUE(redis.set("k", "v"));
    server().kill();
    EXPECT_EQ(error_of([&] { redis.set("k", "w"); }).kind, ErrorKind::connection);
    EXPECT_EQ(service.circuit_state(), CircuitState::open);
    // It comes back without the user: whoever calls is told of that, and not of a breaker.
    server().restart();
    RawClient admin(server());
    EXPECT_TRUE(contains(admin.command({"ACL", "SETUSER", "default", "resetpass", ">administrator"}), "OK"));
    EXPECT_TRUE(eventually([&] { return service.circuit_state() == CircuitState::closed; }));
    EXPECT_EQ(error_of([&] { redis.set("k", "w"); }).kind, ErrorKind::authentication);
    admin.command({"ACL", "SETUSER", "app", "on", ">secret-0", "~*", "&*", "+@all"});
    EXPECT_TRUE(redis.set("k", "w"));
}

/// Counts that many callers share.
struct Outcomes {
    std::atomic<std::int64_t> applied{0};
    std::atomic<std::int64_t> unknown{0};
    std::atomic<std::int64_t> not_sent{0};  // more were lost at once than the retry budget covers
    std::atomic<std::int64_t> others{0};
    std::mutex mutex;
    std::string text;  // of all failures
    void add(const result<std::int64_t>& outcome) {
        if (outcome) {
            ++applied;
            return;
        }
        const Error& error = outcome.error();
        const bool lost = error.kind == ErrorKind::connection;
        ++(lost && error.certainty == Certainty::unknown    ? unknown
           : lost && error.certainty == Certainty::not_sent ? not_sent
                                                            : others);
        const std::lock_guard lock(mutex);
        if (text.size() < 100'000) text += error.message() + "\n";
    }
};

TEST_P(ProvidedCredentials, RotateUnderEightThreadsAndAHundredCoroutines) {
    RedisServiceConfig given = provided();
    given.max_retries = 10;
    given.retry_delay = given.retry_delay_max = 5ms;
    given.attempt_timeout = given.operation_timeout = 60s;
    given.circuit_breaker.failure_threshold = 1000;
    const auto told = std::make_shared<Told>();
    RedisService service(given);
    service.set_telemetry(told);
    service.initialize();
    for (const bool kill : {false, true}) {
        const std::string key = kill ? "killed" : "kept";
        const auto redis = service.get_connection("alpha");
        Outcomes outcomes;
        std::atomic<bool> stop{false};
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&] {
                while (!stop) outcomes.add(redis.try_incr(key));
            });
        }
        asio::thread_pool coroutines{2};
        for (int i = 0; i < 100; ++i) {
            asio::co_spawn(
                coroutines,
                [&]() -> asio::awaitable<void> {
                    const auto async = redis.async();
                    while (!stop) outcomes.add(co_await async.try_incr(key)(asio::use_awaitable));
                },
                asio::detached);
        }
        const int first = kill ? 21 : 1;
        for (int i = first; i != first + 20; ++i) {
            const std::int64_t before = outcomes.applied;
            rotate(i);
            if (kill) raw().command({"CLIENT", "KILL", "USER", "app"});
            // A connection that is made now, and calls on those that were there.
            EXPECT_TRUE(service.get_connection("p" + std::to_string(i)).set("k", "v"));
            EXPECT_TRUE(eventually([&] { return outcomes.applied > before + 200; }));
        }
        stop = true;
        for (std::thread& thread : threads) thread.join();
        coroutines.join();
        EXPECT_EQ(outcomes.others, 0) << outcomes.text;
        EXPECT_EQ(outcomes.unknown != 0, kill) << outcomes.text;
        if (!kill) {
            EXPECT_EQ(outcomes.not_sent, 0) << outcomes.text;
        }
        const std::int64_t stored = std::stoll(raw().strings({"GET", "proj:alpha:" + key}).at(0));
        EXPECT_GE(stored, outcomes.applied);
        EXPECT_LE(stored, outcomes.applied + outcomes.unknown);
        std::printf("%s: 20 rotations, %lld calls answered, %lld of unknown fate, %lld not sent, %lld others\n",
                    key.c_str(), static_cast<long long>(outcomes.applied), static_cast<long long>(outcomes.unknown),
                    static_cast<long long>(outcomes.not_sent), static_cast<long long>(outcomes.others));
        EXPECT_FALSE(contains(outcomes.text, "secret-")) << outcomes.text;
    }
    EXPECT_FALSE(contains(told->text(), "secret-")) << told->text();
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
}

REDOUBT_BOTH_SERVERS(ProvidedCredentials);

}  // namespace
}  // namespace redoubt
