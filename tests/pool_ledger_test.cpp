// pool: the ledger: every sequence of its events in legal order keeps its promises.
#include "pool/ledger.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt::pool {
namespace {

using Grant = Ledger::Grant;
using Turn = Ledger::Turn;

TEST(Ledger, OpensUpToTheCapacityButTwo) {
    Ledger ledger(10, 100);
    for (Ledger::Ticket ticket = 1; ticket <= 8; ++ticket) EXPECT_EQ(ledger.request(ticket), Grant::open);
    EXPECT_EQ(ledger.request(9), Grant::wait);
    EXPECT_EQ(ledger.opening(), 8u);
    for (int i = 0; i != 8; ++i) ledger.opened();
    EXPECT_EQ(ledger.leased(), 8u);
    EXPECT_EQ(ledger.next(), std::nullopt);
    ledger.returned();
    EXPECT_EQ(ledger.next(), (Turn{9, Grant::idle}));
    ledger.lost();
    EXPECT_EQ(ledger.request(10), Grant::open);
    ledger.open_failed();
    EXPECT_EQ(ledger.created(), 7u);
}

TEST(Ledger, ServesInTheOrderOfRequests) {
    Ledger ledger(3, 3);
    EXPECT_EQ(ledger.request(1), Grant::open);
    EXPECT_EQ(ledger.request(2), Grant::wait);
    EXPECT_EQ(ledger.request(3), Grant::wait);
    EXPECT_EQ(ledger.request(4), Grant::wait);
    EXPECT_EQ(ledger.request(5), Grant::refuse);
    ledger.leave(3);
    ledger.leave(77);  // not there
    EXPECT_EQ(ledger.waiting(), 2u);
    ledger.open_failed();
    EXPECT_EQ(ledger.next(), (Turn{2, Grant::open}));
    EXPECT_EQ(ledger.next(), std::nullopt);
    ledger.opened();
    EXPECT_EQ(ledger.request(6), Grant::wait) << "nobody overtakes";
    ledger.returned();
    EXPECT_EQ(ledger.request(7), Grant::wait) << "not even when there is room";
    EXPECT_EQ(ledger.next(), (Turn{4, Grant::idle}));
    ledger.reopen();
    EXPECT_EQ(ledger.opening(), 1u);
    EXPECT_EQ(ledger.created(), 0u);
}

/// The ledger with its user, the pool, who does only what its state allows, and what the user knows of it.
struct Play {
    Ledger ledger;
    std::size_t capacity;
    std::deque<Ledger::Ticket> waiting{};
    Ledger::Ticket next_ticket = 1;
    std::size_t idle_leases = 0;  // granted `idle`, may turn out closed
    std::size_t opening = 0;
    std::size_t spares = 0;
    std::size_t shared_opening = 0;
    std::string done{};

    Play(std::size_t all, std::size_t max_waiting) : ledger(all, max_waiting), capacity(all) {}

    static constexpr const char* names[] = {"request",       "leave",         "opened",      "open_failed",
                                            "returned",      "lost",          "reopen",      "begin_spare",
                                            "spare_opened",  "spare_failed",  "idle_closed", "begin_shared",
                                            "shared_opened", "shared_failed", "shared_lost"};
    static constexpr int events = 15;

    void granted(Grant grant) { ++(grant == Grant::idle ? idle_leases : opening); }
    // As Pool::serve_waiting, after whatever may have made room.
    void serve() {
        while (const auto turn = ledger.next()) {
            ASSERT_FALSE(waiting.empty()) << done;
            ASSERT_EQ(turn->ticket, waiting.front()) << done;
            waiting.pop_front();
            granted(turn->grant);
        }
    }

    /// False: not possible now.
    bool step(int event) {
        switch (event) {
            case 0: {
                const bool full = waiting.size() >= 2;
                const Ledger::Ticket ticket = next_ticket++;
                const Grant grant = ledger.request(ticket);
                if (grant == Grant::wait) {
                    waiting.push_back(ticket);
                } else if (grant != Grant::refuse) {
                    EXPECT_TRUE(waiting.empty()) << done << ": overtaken";
                    granted(grant);
                }
                EXPECT_FALSE(full && grant != Grant::refuse) << done;
                EXPECT_FALSE(!full && grant == Grant::refuse) << done;
                break;
            }
            case 1:
                if (waiting.empty()) return false;
                ledger.leave(waiting.back());
                waiting.pop_back();
                break;
            case 2:
            case 3:
                if (opening == 0) return false;
                --opening;
                event == 2 ? ledger.opened() : ledger.open_failed();
                break;
            case 4:
            case 5:
                if (ledger.leased() == 0) return false;
                idle_leases -= idle_leases != 0;
                event == 4 ? ledger.returned() : ledger.lost();
                break;
            case 6:
                if (idle_leases == 0) return false;
                --idle_leases;
                ++opening;
                ledger.reopen();
                break;
            case 7:
                if (!ledger.begin_spare()) return false;
                ++spares;
                break;
            case 8:
                if (spares == 0) return false;
                --spares;
                (void)ledger.spare_opened();
                break;
            case 9:
                if (spares == 0) return false;
                --spares;
                ledger.spare_failed();
                break;
            case 10:
                if (ledger.idle() == 0) return false;
                ledger.idle_closed();
                break;
            case 11:  // a shared wire takes what rests, and is opened when nothing does
                if (ledger.shared() + shared_opening == Ledger::kept_for_shared) return false;
                ledger.begin_shared();
                ++shared_opening;
                if (ledger.idle() == 0) break;
                ledger.idle_closed();
                ledger.shared_opened();
                --shared_opening;
                break;
            case 12:
            case 13:
                if (shared_opening == 0) return false;
                --shared_opening;
                event == 12 ? ledger.shared_opened() : ledger.shared_failed();
                break;
            case 14:
                if (ledger.shared() == 0) return false;
                ledger.shared_lost();
                break;
            default: return false;
        }
        done += std::string(names[event]) + ' ';
        serve();
        return true;
    }

    void check() const {
        ASSERT_LE(ledger.leased() + opening, capacity - Ledger::kept_for_shared) << done;
        ASSERT_LE(ledger.created() + opening + shared_opening, capacity) << done;
        // A spare that is being opened gives way when it comes and finds its place taken.
        ASSERT_LE(ledger.created() + ledger.opening(), capacity + spares) << done;
        ASSERT_EQ(ledger.opening(), opening + spares + shared_opening) << done;
        ASSERT_EQ(ledger.waiting(), waiting.size()) << done;
        ASSERT_TRUE(waiting.empty() || ledger.leased() + opening == capacity - Ledger::kept_for_shared)
            << done << ": somebody waits while there is room";
        ASSERT_EQ(ledger.created(), ledger.idle() + ledger.leased() + ledger.shared()) << done;
    }
};

std::size_t play_all(const Play& play, int depth) {
    if (depth == 0 || ::testing::Test::HasFailure()) return 1;
    std::size_t played = 0;
    for (int event = 0; event != Play::events; ++event) {
        Play next = play;
        if (!next.step(event)) continue;
        next.check();
        played += play_all(next, depth - 1);
    }
    return played;
}

TEST(Ledger, KeepsItsPromisesInEverySequenceOfEvents) {
    for (const std::size_t capacity : {3u, 4u}) {
        SCOPED_TRACE(capacity);
        EXPECT_GT(play_all(Play(capacity, 2), 7), 50'000u);
    }
}

TEST(Ledger, KeepsItsPromisesFromCrowdedBeginnings) {
    // All leased and two waiting; all resting; all opening.
    const std::vector<std::vector<int>> beginnings{{0, 0, 2, 2, 11, 11, 12, 12, 0, 0},
                                                   {7, 7, 7, 7, 8, 8, 8, 8},
                                                   {0, 0, 7, 7, 0},
                                                   {11, 11, 7, 7, 12, 8, 12, 0, 0},
                                                   {7, 8, 0, 4, 0, 0, 0}};
    for (const std::vector<int>& beginning : beginnings) {
        Play play(4, 2);
        for (const int event : beginning) {
            play.step(event);
            play.check();
        }
        EXPECT_GT(play_all(play, 6), 1'000u) << play.done;
    }
}

}  // namespace
}  // namespace redoubt::pool
