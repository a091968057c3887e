// pool: the fair queue: no tenant waits for more than its turn, whatever the others ask for.
#include "pool/fair_queue.hpp"

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/scripted_operation.hpp"

namespace redoubt::pool {
namespace {

using testing::ScriptedOperation;

struct Play {
    FairQueue queue;
    std::map<char, Tenant> tenants;
    std::deque<ScriptedOperation> operations;

    ScriptedOperation& push(char tenant, std::size_t bytes) {
        operations.emplace_back(std::string(1, tenant));
        operations.back().bytes(std::string(bytes, 'x'));
        queue.push(tenants[tenant], operations.back());
        return operations.back();
    }
    void push(char tenant, std::size_t bytes, int times) {
        for (int i = 0; i != times; ++i) push(tenant, bytes);
    }
    std::string serve(std::size_t many) {
        std::string order;
        while (many-- != 0 && !queue.empty()) {
            order += static_cast<ScriptedOperation*>(queue.next(TimePoint{}))->name();
            queue.served();
        }
        return order;
    }
};

std::string times(std::size_t many, char name) { return std::string(many, name); }

TEST(FairQueue, ServesOneTenantInItsOrder) {
    Play play;
    std::vector<Operation*> pushed;
    for (int i = 0; i != 100; ++i) pushed.push_back(&play.push('a', 10));
    EXPECT_EQ(play.queue.size(), 100u);
    EXPECT_EQ(play.queue.bytes(), 1300u);
    for (Operation* operation : pushed) {
        EXPECT_EQ(play.queue.next(TimePoint{}), operation);
        play.queue.served();
    }
    EXPECT_TRUE(play.queue.empty());
    EXPECT_EQ(play.queue.bytes(), 0u);
    EXPECT_EQ(play.tenants['a'].waiting_bytes(), 0u);
    EXPECT_EQ(play.queue.next(TimePoint{}), nullptr);
}

TEST(FairQueue, ManyOfOneDoNotDelayTheOnlyOneOfAnother) {
    Play play;
    play.push('a', 20, 10'000);
    play.push('b', 20);
    play.push('c', 20);
    const std::size_t turn = FairQueue::turn_bytes / FairQueue::smallest_cost;
    EXPECT_EQ(play.serve(turn + 2), times(turn, 'a') + "bc");
    play.push('b', 20);
    EXPECT_EQ(play.serve(turn + 1), times(turn, 'a') + "b");
}

TEST(FairQueue, LargeOnesCostTheirTenantTurns) {
    Play play;
    play.push('a', 8 * FairQueue::turn_bytes, 3);
    play.push('b', FairQueue::turn_bytes - 3, 40);
    const std::string order = play.serve(43);
    // In the long run both get the same bytes: one of a for eight of b.
    EXPECT_EQ(order.substr(0, 1), "a");
    const std::size_t second = order.find('a', 1);
    EXPECT_GE(second, 8u);
    EXPECT_LE(second, 10u);
    const std::size_t third = order.find('a', second + 1);
    EXPECT_GE(third - second, 8u);
    EXPECT_LE(third - second, 10u);
}

TEST(FairQueue, EvenTheLargestIsPaidFor) {
    Play play;
    play.push('a', 100 << 20, 2);
    play.push('b', FairQueue::turn_bytes - 3, 200);
    const std::string order = play.serve(202);
    const std::size_t second = order.find('a', 1);
    EXPECT_GE(second, 63u);
    EXPECT_LE(second, 66u);
}

TEST(FairQueue, PassesOverWhoCannotBeServed) {
    Play play;
    play.push('a', 20, 2);
    play.push('b', 20, 2);
    play.queue.next(TimePoint{});
    play.queue.pass();
    EXPECT_EQ(play.serve(4), "bbaa");
}

TEST(FairQueue, TakesOutThoseWhoseTimeIsOver) {
    Play play;
    const TimePoint start = TimePoint() + std::chrono::hours(1);
    for (int i = 0; i != 6; ++i) {
        play.push(i % 2 == 0 ? 'a' : 'b', 20).time(Duration::zero(), start + std::chrono::seconds(i));
    }
    OperationQueue expired;
    OperationQueue parked;
    EXPECT_EQ(play.queue.take_expired(start + std::chrono::seconds(3), expired, parked),
              start + std::chrono::seconds(4));
    EXPECT_EQ(expired.size(), 4u);
    EXPECT_EQ(play.queue.size(), 2u);
    EXPECT_EQ(play.serve(9).size(), 2u);
    EXPECT_EQ(play.queue.take_expired(start, expired, parked), TimePoint::max());
    while (expired.pop_front() != nullptr) {}
}

// Of `r`, which may have ten a second and one at once; of the others nobody is held up by it.
struct RatedPlay : Play {
    static constexpr auto interval = std::chrono::milliseconds(100);
    const TimePoint start = TimePoint() + std::chrono::hours(1);
    std::shared_ptr<policy::RateLimit> rate = std::make_shared<policy::RateLimit>(10, 1);

    RatedPlay() { tenants.try_emplace('r', rate); }
    std::string serve(TimePoint now) {
        std::string order;
        queue.wake(now);
        while (Operation* const next = queue.next(now)) {
            order += static_cast<ScriptedOperation*>(next)->name();
            queue.served();
        }
        return order;
    }
};

TEST(FairQueue, ParksThoseWhoseRateIsUsedUp) {
    RatedPlay play;
    play.push('r', 20, 3);
    play.push('a', 20, 2);
    EXPECT_EQ(play.serve(play.start), "raa");
    EXPECT_TRUE(play.queue.empty());
    EXPECT_EQ(play.queue.size(), 2u);
    EXPECT_EQ(play.queue.wakes_at(), play.start + play.interval);
    play.push('a', 20);
    EXPECT_EQ(play.serve(play.start + play.interval / 2), "a");
    EXPECT_EQ(play.serve(play.start + play.interval), "r");
    EXPECT_EQ(play.serve(play.start + 5 * play.interval), "r");
    EXPECT_EQ(play.queue.size(), 0u);
    EXPECT_EQ(play.queue.next(play.start), nullptr);
}

TEST(FairQueue, GivesBackTheRateOfWhoGivesUp) {
    RatedPlay play;
    play.push('r', 20);
    ScriptedOperation& second = play.push('r', 20);
    ScriptedOperation& third = play.push('r', 20);
    EXPECT_EQ(play.serve(play.start), "r");
    play.queue.remove(play.tenants['r'], second);
    EXPECT_EQ(play.serve(play.start), "");  // in the ring again, and parked for the next one's time, which is the same
    EXPECT_EQ(play.queue.wakes_at(), play.start + play.interval);
    play.queue.remove(play.tenants['r'], third);
    EXPECT_EQ(play.queue.size(), 0u);
    EXPECT_EQ(play.rate->wait_of(1, 0, play.start), play.interval);
    EXPECT_EQ(play.queue.pop(), nullptr);
}

TEST(FairQueue, TellsWhoseTimeIsOverWhileParked) {
    RatedPlay play;
    play.push('r', 20).time(Duration::zero(), play.start + std::chrono::seconds(9));
    play.push('r', 20).time(Duration::zero(), play.start + std::chrono::milliseconds(10));
    ScriptedOperation& last = play.push('r', 20);
    last.time(Duration::zero(), play.start + std::chrono::seconds(1));
    EXPECT_EQ(play.serve(play.start), "r");
    OperationQueue expired;
    OperationQueue parked;
    EXPECT_EQ(play.queue.take_expired(play.start + std::chrono::milliseconds(20), expired, parked),
              last.call_deadline());
    EXPECT_TRUE(expired.empty());
    EXPECT_EQ(parked.size(), 1u);
    while (parked.pop_front() != nullptr) {}
    EXPECT_EQ(play.serve(play.start), "");
    EXPECT_EQ(play.queue.pop(), &last);
    EXPECT_EQ(play.queue.pop(), nullptr);
}

struct LargeRead : ScriptedOperation {
    LargeRead() : ScriptedOperation("r") { set_demand(Demand::bulk); }
};

// What a large reply will cost is charged before, once it is known, and settled by what it was charged.
TEST(FairQueue, SettlesWhatWasForeseen) {
    const auto rate = std::make_shared<policy::RateLimit>(1'000'000, 1000);
    Tenant tenant(rate);
    const TimePoint now = Clock::now() + std::chrono::hours(1);  // so that nothing is refilled
    const auto used = [&] {
        std::uint32_t left = 0;
        while (!rate->admit(1, now)) ++left;
        rate->give_back(left);
        return 1000 - left;
    };
    LargeRead first, second, third;
    ASSERT_TRUE(tenant.may_pass(first, now));
    EXPECT_EQ(first.foreseen(), 0u);
    ASSERT_TRUE(tenant.may_pass(second, now));
    tenant.charge(first, 60);  // it was the first large one
    ASSERT_TRUE(tenant.may_pass(third, now));
    EXPECT_EQ(third.foreseen(), 60u);
    tenant.charge(second, 60);  // nothing was foreseen of this one, so nothing is given back
    EXPECT_EQ(used(), 3u + 60 + 60 + 60);
    tenant.charge(third, 0);  // not large any more
    EXPECT_EQ(used(), 3u + 60 + 60);
    ASSERT_TRUE(tenant.may_pass(first, now));
    EXPECT_EQ(first.foreseen(), 0u);
    tenant.charge(first, 60);
    ASSERT_TRUE(tenant.may_pass(second, now));
    tenant.forget_foreseen(second);  // lost on the way
    EXPECT_EQ(used(), 5u + 60 + 60 + 60);
    ASSERT_TRUE(tenant.may_pass(second, now));
    tenant.take_back(second);  // not sent
    EXPECT_EQ(used(), 5u + 60 + 60 + 60);
    // A large command is bulk for its own size.
    LargeRead write;
    write.bytes(std::string(100'000, 'x'));
    ASSERT_TRUE(tenant.may_pass(write, now));
    EXPECT_EQ(write.foreseen(), 0u);
}

TEST(FairQueue, KnowsWhoseTurnByTheRateComesTooLate) {
    RatedPlay play;
    Tenant& tenant = play.tenants['r'];
    for (int i = 0; i != 4; ++i) play.push('r', 20);
    EXPECT_EQ(play.serve(play.start), "r");
    ScriptedOperation next("r");
    next.time(Duration::zero(), play.start + 4 * play.interval);
    EXPECT_FALSE(tenant.too_late(next, play.start));
    next.time(Duration::zero(), play.start + 4 * play.interval - std::chrono::nanoseconds(1));
    const std::optional<Error> late = tenant.too_late(next, play.start);
    ASSERT_TRUE(late);
    EXPECT_EQ(late->kind, ErrorKind::pool_exhausted);
    EXPECT_EQ(late->certainty, Certainty::not_sent);
    EXPECT_EQ(late->retry_after, Duration(4 * play.interval));
    EXPECT_FALSE(tenant.may_pass(next, play.start + std::chrono::hours(1))) << "others are before it";
}

// Everything at random against plain accounts; and the promise: between two turns of a tenant that always has something
// waiting, every other tenant gets at most one turn's bytes and one operation.
TEST(FairQueue, KeepsItsPromisesAtRandom) {
    std::minstd_rand random(7);
    for (int round = 0; round != 50; ++round) {
        Play play;
        std::map<char, std::deque<Operation*>> model;
        std::map<char, std::size_t> since;  // cost served to others since 'q', the quiet one, was served or came
        const auto push = [&](char tenant, std::size_t bytes) {
            if (tenant == 'q' && model['q'].empty()) since.clear();
            model[tenant].push_back(&play.push(tenant, bytes));
        };
        for (int step = 0; step != 2000; ++step) {
            switch (random() % 8) {
                case 0:
                case 1:
                case 2: push(static_cast<char>('a' + random() % 5), random() % 10 == 0 ? random() % 5000 : 20); break;
                case 3: push('q', 20); break;
                case 4: {
                    std::deque<Operation*>& waiting = model[static_cast<char>('a' + random() % 5)];
                    if (waiting.empty()) break;
                    const std::size_t at = random() % waiting.size();
                    auto& gone = static_cast<ScriptedOperation&>(*waiting[at]);
                    play.queue.remove(play.tenants[gone.name()[0]], gone);
                    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(at));
                    break;
                }
                default: {
                    Operation* const next = play.queue.next(TimePoint{});
                    if (next == nullptr) break;
                    const char tenant = static_cast<ScriptedOperation*>(next)->name()[0];
                    ASSERT_EQ(next, model[tenant].front());
                    model[tenant].pop_front();
                    const std::size_t cost = std::max(next->encoded_bound(), FairQueue::smallest_cost);
                    play.queue.served();
                    if (tenant == 'q') {
                        since.clear();
                        break;
                    }
                    if (model['q'].empty()) break;
                    since[tenant] += cost;
                    ASSERT_LE(since[tenant], 2 * FairQueue::turn_bytes + 5100);
                    break;
                }
            }
            std::size_t waiting = 0;
            for (const auto& [name, queue] : model) waiting += queue.size();
            ASSERT_EQ(play.queue.size(), waiting);
        }
        while (play.queue.pop() != nullptr) {}
        EXPECT_EQ(play.queue.tenants(), 0u);
    }
}

}  // namespace
}  // namespace redoubt::pool
