// service: fork: a child process gets clear errors, hangs nowhere, touches nothing of its parent's, and can begin anew;
// against both real servers.
#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio.hpp>

#include "base/fork_guard.hpp"
#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/processes.hpp"

#if defined(__SANITIZE_THREAD__)
// A child that begins anew starts threads.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::eventually;

/// Runs `body` in a child, which must end by itself within half a minute; what it found wrong, empty if nothing.
std::string in_child(const std::function<std::string()>& body) {
    int pipe[2] = {-1, -1};
    if (::pipe(pipe) != 0) return "no pipe";
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(30);
        std::string wrong;
        try {
            wrong = body();
        } catch (const std::exception& failure) {
            wrong = std::string("it threw ") + failure.what();
        }
        (void)!::write(pipe[1], wrong.data(), wrong.size());
        ::_exit(0);
    }
    ::close(pipe[1]);
    std::string wrong;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(pipe[0], buffer, sizeof buffer)) > 0;) {
        wrong.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(pipe[0]);
    int status = 0;
    if (::waitpid(child, &status, 0) != child) return "no child";
    if (!WIFEXITED(status)) return "the child ended by signal " + std::to_string(WTERMSIG(status)) + ": " + wrong;
    if (WEXITSTATUS(status) != 0) return "the child ended with " + std::to_string(WEXITSTATUS(status)) + ": " + wrong;
    return wrong;
}

/// What the call does not say as it should; empty if it does.
template <class Call>
std::string unless_refused(std::string_view name, Call call) {
    try {
        call();
    } catch (const RedisConnectionException& refused) {
        const bool clear = contains(refused.what(), "forked") && refused.certainty() == Certainty::not_sent;
        return clear ? "" : std::string(name) + " says: " + refused.what() + "\n";
    }
    return std::string(name) + " was not refused\n";
}

TEST(ForkGuard, AChildsDescriptorIsDead) {
    int pair[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    ASSERT_EQ(::write(pair[1], "reply", 5), 5);
    base::guard_descriptor(pair[0]);
    EXPECT_EQ(in_child([&]() -> std::string {
                  char byte = 0;
                  if (::read(pair[0], &byte, 1) != 0) return "it reads what the parent was sent";
                  if (::send(pair[0], "x", 1, MSG_NOSIGNAL) != -1) return "it writes to the parent's peer";
                  return "";
              }),
              "");
    char buffer[16];
    EXPECT_EQ(::read(pair[0], buffer, sizeof buffer), 5);
    EXPECT_EQ(::write(pair[0], "still here", 10), 10);
    EXPECT_EQ(::read(pair[1], buffer, sizeof buffer), 10);
    base::unguard_descriptor(pair[0]);
    // Given up: a child has it as any descriptor is inherited.
    EXPECT_EQ(in_child([&] { return std::string(::send(pair[0], "y", 1, MSG_NOSIGNAL) == 1 ? "" : "it is dead"); }),
              "");
    EXPECT_EQ(::read(pair[1], buffer, sizeof buffer), 1);
    ::close(pair[0]);
    ::close(pair[1]);
}

class Fork : public testing::LiveServiceTest {
protected:
    RedisServiceConfig patient() {
        RedisServiceConfig given = config();
        given.attempt_timeout = given.operation_timeout = testing::patience;
        return given;
    }
};

TEST_P(Fork, TheChildIsRefusedAndTheParentGoesOn) {
    auto service = std::make_unique<RedisService>(patient());
    service->initialize();
    const auto redis = service->get_connection("alpha");
    const auto factory = service->factory();
    Subscriber subscriber = redis.subscriber();
    subscriber.subscribe("news");
    // In the parent eight threads and their futures go on all the while.
    std::atomic<bool> stop{false};
    std::atomic<std::int64_t> applied{0};
    std::atomic<std::int64_t> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            const std::string own = "own" + std::to_string(i);
            for (std::int64_t n = 1; !stop; ++n) {
                const std::int64_t got = i % 2 == 0 ? redis.incr(own) : redis.async().incr(own)(asio::use_future).get();
                got == n ? ++applied : ++wrong;
            }
        });
    }
    EXPECT_TRUE(eventually([&] { return applied > 1000; }));
    for (int round = 0; round < 20; ++round) {
        auto watched = std::make_unique<Transaction<service::Blocking>>(redis.transaction().watch("w"));
        const std::string found = in_child([&] {
            std::string all;
            all += unless_refused("a blocking call", [&] { (void)redis.get("k"); });
            all += unless_refused("an async call", [&] { (void)redis.async().get("k")(asio::use_future).get(); });
            std::promise<void> called;
            redis.async().try_get("k")([&](const result<std::optional<std::string>>& outcome) {
                if (outcome || !contains(outcome.error().message(), "forked")) all += "an async handler\n";
                called.set_value();
            });
            called.get_future().get();
            all += unless_refused("a pipeline", [&] { (void)redis.pipeline().get("k").execute(); });
            all += unless_refused("a transaction", [&] { (void)redis.transaction().incr("k").execute(); });
            all += unless_refused("a lease", [&] { (void)redis.transaction().watch("k"); });
            all += unless_refused("get_connection", [&] { (void)service->get_connection("beta"); });
            all += unless_refused("the factory", [&] { (void)factory->get_connection("beta"); });
            all += unless_refused("health_check", [&] { (void)service->health_check(); });
            all += unless_refused("get_metrics", [&] { (void)service->get_metrics(); });
            all += unless_refused("initialize", [&] { service->initialize(); });
            watched.reset();
            { const Subscriber ended = std::move(subscriber); }
            service->close();
            all += round % 2 == 0 ? "" : unless_refused("a handle from before", [&] { (void)redis.get("k"); });
            service->initialize();
            const auto own = service->get_connection("child");
            if (own.incr("n") != 2 * round + 1) all += "a new blocking call\n";
            // Not a future: Asio completes those on its system's pool, whose threads are the parent's.
            std::promise<std::int64_t> answer;
            own.async().try_incr("n")([&](const result<std::int64_t>& outcome) { answer.set_value(outcome.value()); });
            if (answer.get_future().get() != 2 * round + 2) all += "a new async call\n";
            service.reset();
            return all;
        });
        EXPECT_EQ(found, "") << "round " << round;
        if (!found.empty()) break;
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    std::int64_t stored = 0;
    for (int i = 0; i < 8; ++i) {
        stored += std::stoll(raw().strings({"GET", "proj:alpha:own" + std::to_string(i)}).at(0));
    }
    EXPECT_EQ(stored, applied);
    EXPECT_EQ(raw().strings({"GET", "proj:child:n"}).at(0), "40");
    EXPECT_EQ(redis.publish("news", "still here"), 1);
    const std::optional<SubscriptionEvent> heard = subscriber.receive(testing::patience);
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->payload, "still here");
    EXPECT_EQ(service->circuit_state(), CircuitState::closed);
}

TEST_P(Fork, AnApplicationsLoopGoesOnInTheParentAlone) {
    asio::io_context loop{1};
    RedisService service(loop, patient());
    service.initialize();
    const auto redis = service.get_connection("alpha").async();
    std::vector<std::int64_t> seen;
    const auto note = [&](const result<std::int64_t>& outcome) { seen.push_back(outcome ? *outcome : -1); };
    redis.try_incr("n")(note);
    testing::expect_soon(loop, [&] { return seen.size() == 1; });
    raw().command({"CLIENT", "PAUSE", "60000", "WRITE"});
    redis.try_incr("n")(note);
    testing::run_ready(loop);
    loop.notify_fork(asio::io_context::fork_prepare);
    const std::string found = in_child([&]() -> std::string {
        loop.notify_fork(asio::io_context::fork_child);
        std::string text;
        redis.try_incr("n")(
            [&](const result<std::int64_t>& outcome) { text = outcome ? "" : outcome.error().message(); });
        testing::expect_soon(loop, [&] { return !text.empty(); });
        if (!contains(text, "forked")) return "a call: " + text;
        // What was under way is the parent's; here its connection is dead.
        testing::expect_soon(loop, [&] { return seen.size() == 2; });
        return seen.size() == 2 && seen.back() == -1 ? "" : "what was under way";
    });
    loop.notify_fork(asio::io_context::fork_parent);
    EXPECT_EQ(found, "");
    raw().command({"CLIENT", "UNPAUSE"});
    redis.try_incr("n")(note);
    testing::expect_soon(loop, [&] { return seen.size() == 3; });
    EXPECT_EQ(seen, (std::vector<std::int64_t>{1, 2, 3}));
    service.close();
    testing::expect_runs_out(loop);
}

REDOUBT_BOTH_SERVERS(Fork);

}  // namespace
}  // namespace redoubt
