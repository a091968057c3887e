// policy: who is told of a breaker's changes: when, how often, and what becomes of those who throw or leave.
#include <redoubt/policy/circuit_listeners.hpp>

#include <atomic>
#include <barrier>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt {
namespace {

constexpr CircuitStateChange opened{"cache:6379", CircuitState::closed, CircuitState::open};

void no_failure(std::string_view what) { ADD_FAILURE() << what; }

TEST(CircuitListeners, AreToldUntilTheirSubscriptionEnds) {
    CircuitListeners listeners;
    std::string heard;
    {
        const auto subscription = listeners.add([&](const CircuitStateChange& change) {
            heard += std::string(change.endpoint) + ' ' + std::string(to_string(change.from)) + '>' +
                     std::string(to_string(change.to)) + '\n';
        });
        listeners.tell(opened, no_failure);
        listeners.tell({"other", CircuitState::disabled, CircuitState::forced_open}, no_failure);
    }
    listeners.tell(opened, no_failure);
    EXPECT_EQ(heard, "cache:6379 closed>open\nother disabled>forced_open\n");
}

TEST(CircuitListeners, OneThatThrowsDoesNotKeepTheOthersFromHearing) {
    CircuitListeners listeners;
    int heard = 0;
    const auto first = listeners.add([](const CircuitStateChange&) { throw std::runtime_error("not today"); });
    const auto second = listeners.add([](const CircuitStateChange&) { throw 7; });
    const auto third = listeners.add([&](const CircuitStateChange&) { ++heard; });
    const auto empty = listeners.add({});
    std::vector<std::string> failures;
    listeners.tell(opened, [&](std::string_view what) { failures.emplace_back(what); });
    EXPECT_EQ(heard, 1);
    EXPECT_EQ(failures, (std::vector<std::string>{"not today", "something that is no std::exception"}));
}

TEST(CircuitListeners, OneMayEndItselfAndAddAnother) {
    CircuitListeners listeners;
    int heard = 0;
    std::optional<CircuitSubscription> one;
    std::optional<CircuitSubscription> another;
    one = listeners.add([&](const CircuitStateChange&) {
        ++heard;
        one.reset();
        another = listeners.add([&](const CircuitStateChange&) { heard += 100; });
    });
    listeners.tell(opened, no_failure);
    EXPECT_EQ(heard, 1);
    listeners.tell(opened, no_failure);
    EXPECT_EQ(heard, 101);
}

TEST(CircuitListeners, ASubscriptionMayMoveAndOutliveThem) {
    int heard = 0;
    CircuitSubscription kept;
    {
        CircuitListeners listeners;
        auto made = listeners.add([&](const CircuitStateChange&) { ++heard; });
        kept = std::move(made);
        made.end();  // of nothing
        listeners.tell(opened, no_failure);
        kept = listeners.add([&](const CircuitStateChange&) { heard += 10; });
        listeners.tell(opened, no_failure);
    }
    kept.end();
    EXPECT_EQ(heard, 11);
}

TEST(CircuitListeners, TheEndWaitsForACallThatIsUnderWay) {
    CircuitListeners listeners;
    std::barrier inside{2};
    std::atomic<bool> ending{false};
    std::atomic<bool> returned{false};
    auto subscription = listeners.add([&](const CircuitStateChange&) {
        inside.arrive_and_wait();
        while (!ending) std::this_thread::yield();
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        returned = true;
    });
    std::jthread teller([&] { listeners.tell(opened, no_failure); });
    inside.arrive_and_wait();
    ending = true;
    subscription.end();
    EXPECT_TRUE(returned);
}

// Each is inside of one listener and changes the state, which both are to hear.
TEST(CircuitListeners, TwoThatChangeTheStateDoNotWaitForEachOther) {
    CircuitListeners listeners;
    std::atomic<int> heard{0};
    const auto change_again = [&](const CircuitStateChange& change) {
        ++heard;
        if (change.to == CircuitState::open) listeners.tell({"", CircuitState::open, CircuitState::closed}, no_failure);
    };
    const auto first = listeners.add(change_again);
    const auto second = listeners.add(change_again);
    constexpr int changes = 2000;
    {
        const auto tell = [&] {
            for (int i = 0; i != changes; ++i) listeners.tell(opened, no_failure);
        };
        std::jthread one(tell);
        std::jthread other(tell);
    }
    EXPECT_EQ(heard, 2 * changes * 2 * (1 + 2));  // by both listeners, each change and the two that follow it
}

TEST(CircuitListeners, ManyThreadsComeAndGo) {
    CircuitListeners listeners;
    std::atomic<int> heard{0};
    std::atomic<bool> done{false};
    std::jthread teller([&] {
        while (!done) listeners.tell(opened, no_failure);
    });
    {
        std::vector<std::jthread> all;
        for (int i = 0; i < 3; ++i)
            all.emplace_back([&] {
                for (int round = 0; round < 2'000; ++round) {
                    bool alive = true;
                    auto subscription = listeners.add([&](const CircuitStateChange&) {
                        EXPECT_TRUE(alive);
                        ++heard;
                    });
                    if (round % 16 == 0) std::this_thread::yield();
                    subscription.end();
                    alive = false;
                }
            });
    }
    while (heard == 0) {  // whoever adds now is heard
        const auto last = listeners.add([&](const CircuitStateChange&) { ++heard; });
        std::this_thread::yield();
    }
    done = true;
}

}  // namespace
}  // namespace redoubt
