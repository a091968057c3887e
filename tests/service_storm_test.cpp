// service: storms: while a breaker is open nobody connects but its probes; reconnecting is limited for a service; ten
// thousand callers in an outage have their answers at once, in bounded memory.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "connection/transport.hpp"
#include "support/acl_service.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::eventually;

constexpr int callers = 10'000;

std::size_t resident_bytes() {
    std::ifstream file("/proc/self/statm");
    std::size_t all = 0;
    std::size_t resident = 0;
    file >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t allowed_growth = 600u << 20u;
#else
constexpr std::size_t allowed_growth = 100u << 20u;
#endif

/// Stands where a dead server was: accepts, hangs up, and counts.
class Turnstile {
public:
    explicit Turnstile(const std::string& path) : stop_(::eventfd(0, EFD_CLOEXEC)) {
        ::unlink(path.c_str());
        const connection::Address address = connection::unix_address(path);
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_storage storage = address.storage;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&storage), address.size) != 0 ||
            ::listen(listener_, 1000) != 0) {
            throw std::runtime_error(std::string("cannot listen: ") + std::strerror(errno));
        }
        thread_ = std::thread([this] {
            std::array<pollfd, 2> watched{{{stop_, POLLIN, 0}, {listener_, POLLIN, 0}}};
            while (::poll(watched.data(), watched.size(), -1) >= 0 && watched[0].revents == 0) {
                ::close(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
                ++accepted_;
            }
        });
    }
    ~Turnstile() {
        (void)::eventfd_write(stop_, 1);
        thread_.join();
        ::close(listener_);
        ::close(stop_);
    }
    Turnstile(const Turnstile&) = delete;
    Turnstile& operator=(const Turnstile&) = delete;
    int accepted() const { return accepted_; }

private:
    int stop_;
    int listener_ = -1;
    std::atomic<int> accepted_{0};
    std::thread thread_;
};

class Storm : public testing::AclServiceTest {
protected:
    static RedisServiceConfig with_short_times(RedisServiceConfig given) {
        given.connection_timeout = 5s;
        given.operation_timeout = 10s;
        given.retry_delay = 1ms;
        given.circuit_breaker.failure_threshold = 3;
        return given;
    }
    /// Calls until it is open.
    static void open_breaker(RedisService& service) {
        const auto redis = service.get_connection("opener");
        EXPECT_TRUE(eventually([&] {
            (void)redis.try_ping();
            return service.circuit_state() != CircuitState::closed;
        }));
    }
};

// All that may want a connection, for a while.
void want_connections(RedisService& service, const std::string& name, TimePoint until) {
    const auto redis = service.get_connection(name);
    std::vector<Subscriber> subscribers;
    int number = 0;
    do {
        EXPECT_FALSE(redis.try_get("k"));
        EXPECT_FALSE(redis.try_blpop("list", 1s));
        EXPECT_THROW((void)redis.transaction().watch("k"), RedisException);
        std::vector<std::future<result<std::string>>> calls;
        for (int i = 0; i != 50; ++i) calls.push_back(redis.async().try_ping()(asio::use_future));
        auto popped = redis.async().try_blpop("list", 1s)(asio::use_future);
        for (auto& call : calls) EXPECT_FALSE(call.get());
        EXPECT_FALSE(popped.get());
        // A project that was never used: with ACL users its user would have to be made first.
        EXPECT_FALSE(service.get_connection(name + "-" + std::to_string(++number)).try_ping());
        if (subscribers.size() < 5) {
            subscribers.push_back(redis.with({.deadline = 1ms}).subscriber());
            EXPECT_THROW(subscribers.back().subscribe("news"), RedisException);
        }
        // Degraded while it is half open, which is soon and often here.
        EXPECT_NE(service.health_check().at("status").as_string(), "healthy");
    } while (Clock::now() < until);
}

TEST_P(Storm, WhileItIsOpenNobodyConnects) {
    for (const bool with_users : {false, true}) {
        RedisServiceConfig given = with_short_times(with_users ? acl_config() : config());
        given.circuit_breaker.recovery_timeout = 1h;
        given.min_idle_connections = 5;
        given.idle_timeout = 200ms;  // so the pools are looked after each 50 ms
        given.health_check_interval = 20ms;
        given.max_retries = 3;
        RedisService& service = start(given);
        const auto redis = service.get_connection("alpha");
        redis.set("k", "v");
        Subscriber listening = redis.subscriber();
        listening.subscribe("before");
        EXPECT_TRUE(redis.async().ping()(asio::use_future).get() == "PONG");
        server().kill();
        open_breaker(service);
        {
            const Turnstile turnstile(server().socket_path());
            std::jthread another([&] { want_connections(service, "beta", Clock::now() + 500ms); });
            want_connections(service, "alpha", Clock::now() + 500ms);
            another.join();
            EXPECT_EQ(turnstile.accepted(), 0) << (with_users ? "with users" : "without users");
        }
        close_service();
        server().restart();
    }
}

TEST_P(Storm, OnlyItsProbesConnectBeforeItCloses) {
    RedisServiceConfig given = with_short_times(config());
    given.circuit_breaker.recovery_timeout = 20ms;
    given.min_idle_connections = 5;
    given.idle_timeout = 200ms;
    RedisService& service = start(given);
    service.get_connection("alpha").ping();
    std::atomic<int> half_opened{0};
    const auto counted = service.circuit_breaker().on_state_change([&](const CircuitStateChange& change) {
        if (change.to == CircuitState::half_open) ++half_opened;
    });
    server().kill();
    open_breaker(service);
    {
        const int before = half_opened;
        const Turnstile turnstile(server().socket_path());
        want_connections(service, "alpha", Clock::now() + 500ms);
        const int accepted = turnstile.accepted();
        EXPECT_GE(accepted, 1);
        EXPECT_LE(accepted, half_opened - before + 1);  // one may have been under way
    }
    server().restart();
    EXPECT_TRUE(eventually([&] { return service.circuit_state() == CircuitState::closed; }));
    EXPECT_EQ(service.get_connection("alpha").ping(), "PONG");
}

TEST_P(Storm, AServiceOpensNoMoreConnectionsThanItsRate) {
    RedisServiceConfig given = with_short_times(config());
    given.max_connects_per_second = 100;
    RedisService& service = start(given);
    constexpr int projects = 140;  // and one, the service's own, is there
    const TimePoint begin = Clock::now();
    std::vector<std::future<std::string>> calls;
    for (int i = 0; i != projects; ++i) {
        calls.push_back(service.get_connection("p" + std::to_string(i)).async().ping()(asio::use_future));
    }
    for (auto& call : calls) EXPECT_EQ(call.get(), "PONG");
    // A hundred at once, and each further one a hundredth of a second later.
    EXPECT_GE(Clock::now() - begin, 400ms);

    // Whoever has no time to wait is told at once.
    given.max_connects_per_second = 1;  // twenty at once
    RedisService& slow = start(given);
    int refused = 0;
    for (int i = 0; i != 30; ++i) {
        const auto redis = slow.get_connection("q" + std::to_string(i)).with({.deadline = 500ms, .retries = 0});
        const auto answer = redis.try_ping();
        if (answer) continue;
        EXPECT_EQ(answer.error().kind, ErrorKind::pool_exhausted) << answer.error().message();
        EXPECT_TRUE(testing::contains(answer.error().message(), "max_connects_per_second"));
        ++refused;
    }
    EXPECT_GE(refused, 9);
    EXPECT_LE(refused, 11);
    EXPECT_EQ(slow.circuit_state(), CircuitState::closed);
}

/// How ten thousand calls ended.
struct Ends {
    std::atomic<int> open{0};
    std::atomic<int> exhausted{0};
    std::atomic<int> lost{0};
    std::atomic<int> others{0};
    std::atomic<std::int64_t> slowest_ns{0};  ///< of those that an open breaker refused
    int sum() const { return open + exhausted + lost + others; }
    void count(const result<std::int64_t>& outcome, Duration took) {
        if (outcome) {
            ++others;
        } else if (outcome.error().kind == ErrorKind::circuit_open) {
            ++open;
            std::int64_t slowest = slowest_ns;
            while (slowest < took.count() && !slowest_ns.compare_exchange_weak(slowest, took.count())) {}
        } else if (outcome.error().kind == ErrorKind::pool_exhausted) {
            ++exhausted;
        } else {
            ++(outcome.error().kind == ErrorKind::connection ? lost : others);
        }
    }
};

asio::awaitable<void> caller(AsyncProjectRedisClient redis, int calls, Ends& ends) {
    for (int i = 0; i != calls; ++i) {
        const TimePoint begin = Clock::now();
        const auto outcome = co_await redis.try_incr("n")(asio::use_awaitable);
        ends.count(outcome, Clock::now() - begin);
    }
}

/// Ten thousand coroutines, over twenty projects, on a loop of their own.
Duration ten_thousand(RedisService& service, int calls, Ends& ends) {
    asio::io_context loop{1};
    std::vector<AsyncProjectRedisClient> projects;
    for (int i = 0; i != 20; ++i) projects.push_back(service.get_connection("p" + std::to_string(i)).async());
    for (int i = 0; i != callers; ++i) {
        asio::co_spawn(loop, caller(projects[static_cast<std::size_t>(i) % projects.size()], calls, ends),
                       asio::detached);
    }
    const TimePoint begin = Clock::now();
    loop.run();
    return Clock::now() - begin;
}

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

TEST_P(Storm, TenThousandCallersInAnOutageConnectNoFasterThanTheLimit) {
    RedisServiceConfig given = with_short_times(config());
    given.circuit_breaker.failure_threshold = 1'000'000;  // so that nothing but the limit holds them back
    given.max_connects_per_second = 50;
    given.max_waiting = 200;
    given.max_retries = 3;
    given.retry_delay = 20ms;
    RedisService& service = start(given);
    server().kill();
    const Turnstile turnstile(server().socket_path());
    const std::size_t memory = resident_bytes();
    const TimePoint begin = Clock::now();
    Ends ends;
    const Duration took = ten_thousand(service, 3, ends);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const std::size_t now = resident_bytes();
    const std::size_t growth = now > memory ? now - memory : 0;
    EXPECT_EQ(ends.sum(), 3 * callers);
    EXPECT_EQ(ends.others, 0);
    EXPECT_GT(ends.exhausted, 0) << "more came than may wait";
    EXPECT_GT(ends.lost, 0);
    EXPECT_LE(turnstile.accepted(), 50 + static_cast<int>(50 * seconds) + 1);
    EXPECT_LT(growth, allowed_growth);
    std::cout << "outage, breaker out of the way: " << 3 * callers << " calls in " << milliseconds(took) << " ms, "
              << turnstile.accepted() << " connects, " << ends.exhausted << " refused by full queues, memory +"
              << growth / 1024 << " KB\n";
}

TEST_P(Storm, TenThousandCallersFailFastWhileItIsOpen) {
    RedisServiceConfig given = with_short_times(config());
    given.circuit_breaker.recovery_timeout = 1h;
    given.max_retries = 3;
    RedisService& service = start(given);
    Ends first;
    const auto redis = service.get_connection("alpha");
    redis.ping();
    server().kill();
    const Turnstile turnstile(server().socket_path());
    // They find the breaker closed, and open it.
    const Duration opening = ten_thousand(service, 1, first);
    EXPECT_EQ(first.sum(), callers);
    EXPECT_EQ(first.others, 0);
    EXPECT_EQ(service.circuit_state(), CircuitState::open);
    const int connects = turnstile.accepted();
    EXPECT_LE(connects, 3 + 20);  // what opens it, and one a pool that was under way
    EXPECT_LT(opening, 2s);

    const std::size_t memory = resident_bytes();
    Ends ends;
    const Duration took = ten_thousand(service, 10, ends);
    const std::size_t now = resident_bytes();
    const std::size_t growth = now > memory ? now - memory : 0;
    EXPECT_EQ(ends.open, 10 * callers);
    EXPECT_EQ(turnstile.accepted(), connects);
    EXPECT_LT(Duration(ends.slowest_ns), 2s);
    EXPECT_LT(growth, allowed_growth);
    // One alone, without ten thousand others on its loop.
    Duration best = Duration::max();
    for (int i = 0; i != 1000; ++i) {
        const TimePoint begin = Clock::now();
        EXPECT_FALSE(redis.try_incr("n"));
        best = std::min<Duration>(best, Clock::now() - begin);
    }
    EXPECT_LT(best, 1ms);
    std::cout << "open: " << connects << " connects to open it in " << milliseconds(opening) << " ms; then "
              << 10 * callers << " calls failed in " << milliseconds(took) << " ms, slowest "
              << milliseconds(Duration(ends.slowest_ns)) << " ms (ten thousand at once), one alone "
              << milliseconds(best) * 1000 << " us, memory +" << growth / 1024 << " KB\n";
}

REDOUBT_BOTH_SERVERS(Storm);

}  // namespace
}  // namespace redoubt
