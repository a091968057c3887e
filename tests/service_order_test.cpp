// service: calls that one caller starts one after the other, without waiting, are applied in that order, while wires
// are lost at random moments: what is lost is one gap, and what was applied of it lies at its beginning.
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::expect_soon;
using testing::patience;

/// One `RPUSH list number`: the length that it answered, or its error's certainty.
struct Pushed {
    std::int64_t length = 0;
    std::optional<Certainty> failure;
};
Pushed pushed(const result<std::int64_t>& outcome) {
    if (outcome) return {*outcome, std::nullopt};
    return {0, outcome.error().certainty};
}

/// What contradicts the order, when at most one wire was lost; empty: nothing. `list` is what is stored, of which
/// `before` elements were there already; call number i pushed `before_calls + i`.
std::string order_fault(const std::vector<std::string>& list, std::size_t before, std::size_t before_calls,
                        const std::vector<Pushed>& calls) {
    std::size_t at = before;
    bool gap_began = false;
    bool gap_ended = false;
    bool rest_of_gap_is_lost = false;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        const std::string number = std::to_string(before_calls + i);
        const bool applied = at < list.size() && list[at] == number;
        if (applied) ++at;
        if (!calls[i].failure) {
            if (!applied) return number + " was answered, and is not stored in its place";
            if (calls[i].length != static_cast<std::int64_t>(at)) return number + " has the answer of another call";
            if (gap_began) gap_ended = true;
            continue;
        }
        if (gap_ended) return number + " failed after the gap, and only one wire was lost";
        gap_began = true;
        if (applied && *calls[i].failure != Certainty::unknown) return number + " was applied, but said otherwise";
        if (applied && rest_of_gap_is_lost) return number + " was applied after one before it was not";
        if (!applied) rest_of_gap_is_lost = true;
    }
    if (at != list.size()) return "stored out of order, or by nobody: " + list[at];
    return {};
}

TEST(OrderFault, FindsEachKind) {
    const std::vector<std::string> three{"0", "1", "2"};
    const Pushed unknown{0, Certainty::unknown};
    const Pushed not_sent{0, Certainty::not_sent};
    EXPECT_EQ(order_fault(three, 0, 0, {{1, {}}, {2, {}}, {3, {}}}), "");
    EXPECT_EQ(order_fault({"0", "1"}, 0, 0, {{1, {}}, unknown, unknown}), "");
    EXPECT_EQ(order_fault({"0", "3"}, 0, 0, {{1, {}}, unknown, not_sent, {2, {}}}), "");
    EXPECT_NE(order_fault({"1", "0", "2"}, 0, 0, {{1, {}}, {2, {}}, {3, {}}}), "");      // out of order
    EXPECT_NE(order_fault(three, 0, 0, {{2, {}}, {1, {}}, {3, {}}}), "");                // answers changed places
    EXPECT_NE(order_fault({"0", "2"}, 0, 0, {{1, {}}, unknown, unknown}), "");           // the later, not the earlier
    EXPECT_NE(order_fault({"0", "1"}, 0, 0, {{1, {}}, not_sent}), "");                   // not sent, but there
    EXPECT_NE(order_fault({"0"}, 0, 0, {{1, {}}, {2, {}}}), "");                         // answered, but gone
    EXPECT_NE(order_fault({"0", "1", "1"}, 0, 0, {{1, {}}, {2, {}}}), "");               // twice
    EXPECT_NE(order_fault({"1", "3"}, 0, 0, {unknown, {1, {}}, unknown, {2, {}}}), "");  // two gaps
}

/// Projects `p0`, `p1`, ..: one caller with one key each. Phases in which one wire of each is lost, at a random moment.
class Order : public testing::LiveServiceTest {
protected:
    static constexpr std::size_t calls_in_a_phase = 150;

    RedisServiceConfig patient() {
        RedisServiceConfig given = config();
        given.attempt_timeout = given.operation_timeout = given.connection_timeout = patience;
        given.retry_delay = given.retry_delay_max = 1ms;
        given.circuit_breaker.failure_threshold = 1'000'000;
        return given;
    }
    void lose_wires() { raw().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}); }
    std::vector<std::string> stored(std::size_t caller) {
        return raw().strings({"LRANGE", "proj:p" + std::to_string(caller) + ":list", "0", "-1"});
    }
    void check(std::size_t caller, std::size_t before_calls, std::size_t& before, const std::vector<Pushed>& calls) {
        const std::vector<std::string> list = stored(caller);
        EXPECT_EQ(order_fault(list, before, before_calls, calls), "") << "caller " << caller;
        before = list.size();
        for (const Pushed& call : calls) failed_ += call.failure ? 1 : 0;
    }
    std::mt19937 random_{20'240'611};
    std::size_t failed_ = 0;
};

TEST_P(Order, ThreadsWithFuturesOnTheServicesOwnLoops) {
    constexpr std::size_t callers = 4;
    RedisServiceConfig given = patient();
    given.io_threads = 2;
    RedisService service(given);
    service.initialize();
    std::vector<std::size_t> before(callers);
    for (std::size_t phase = 0; phase < 12; ++phase) {
        std::atomic<std::size_t> started{0};
        const auto caller = [&](std::size_t number) {
            const auto redis = service.get_connection("p" + std::to_string(number)).async();
            // Its wire is there, so the phase loses a wire and not a dial.
            while (!redis.try_ping()(asio::use_future).get()) continue;
            std::vector<std::future<result<std::int64_t>>> futures;
            for (std::size_t i = 0; i < calls_in_a_phase; ++i) {
                const std::string value = std::to_string(phase * calls_in_a_phase + i);
                futures.push_back(redis.try_rpush("list", value)(asio::use_future));
                ++started;
            }
            std::vector<Pushed> calls;
            for (auto& future : futures) calls.push_back(pushed(future.get()));
            return calls;
        };
        std::vector<std::future<std::vector<Pushed>>> callers_run;
        for (std::size_t i = 0; i < callers; ++i) callers_run.push_back(std::async(std::launch::async, caller, i));
        const std::size_t moment = random_() % (callers * calls_in_a_phase);
        const TimePoint deadline = Clock::now() + patience;
        while (started < moment && Clock::now() < deadline) std::this_thread::yield();
        lose_wires();
        for (std::size_t i = 0; i < callers; ++i) check(i, phase * calls_in_a_phase, before[i], callers_run[i].get());
    }
    EXPECT_GT(failed_, 0U) << "no wire was lost with calls on it: this has shown nothing";
}

TEST_P(Order, ManyCallsOnTheApplicationsLoop) {
    constexpr std::size_t callers = 3;
    asio::io_context loop{1};
    RedisService service(loop, patient());
    service.initialize();
    std::vector<AsyncProjectRedisClient> clients;
    for (std::size_t i = 0; i < callers; ++i) {
        clients.push_back(service.get_connection("p" + std::to_string(i)).async());
    }
    std::vector<std::size_t> before(callers);
    for (std::size_t phase = 0; phase < 12; ++phase) {
        std::size_t ended = 0;
        for (const auto& redis : clients) {
            bool ready = false;
            while (!ready) {
                bool answered = false;
                redis.try_ping()([&](const result<std::string>& outcome) {
                    answered = true;
                    ready = outcome.has_value();
                });
                expect_soon(loop, [&] { return answered; });
                ASSERT_TRUE(answered);
            }
        }
        std::vector<std::vector<Pushed>> calls(callers, std::vector<Pushed>(calls_in_a_phase));
        std::size_t begun = 0;
        const std::size_t moment = random_() % calls_in_a_phase;
        // A random number of calls in each turn of the loop.
        std::function<void()> turn = [&] {
            for (std::size_t left = random_() % 20; left != 0 && begun < calls_in_a_phase; --left, ++begun) {
                if (begun == moment) lose_wires();
                for (std::size_t i = 0; i < callers; ++i) {
                    Pushed& call = calls[i][begun];
                    const std::string value = std::to_string(phase * calls_in_a_phase + begun);
                    clients[i].try_rpush("list", value)([&](const result<std::int64_t>& outcome) {
                        call = pushed(outcome);
                        ++ended;
                    });
                }
            }
            if (begun < calls_in_a_phase) asio::post(loop, turn);
        };
        asio::post(loop, turn);
        expect_soon(loop, [&] { return ended == callers * calls_in_a_phase; });
        ASSERT_EQ(ended, callers * calls_in_a_phase);
        for (std::size_t i = 0; i < callers; ++i) check(i, phase * calls_in_a_phase, before[i], calls[i]);
    }
    EXPECT_GT(failed_, 0U) << "no wire was lost with calls on it: this has shown nothing";
    service.close();
    testing::expect_runs_out(loop);
}

REDOUBT_BOTH_SERVERS(Order);

}  // namespace
}  // namespace redoubt
