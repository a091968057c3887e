// pool: the ledger: every sequence of its events in legal order keeps its promises.
#include "pool/ledger.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt::pool {
namespace {

using Grant = Ledger::Grant;

TEST(Ledger, OpensUpToTheCapacityButTwo) {
    Ledger ledger(10, 100);
    for (int i = 0; i != 8; ++i) EXPECT_EQ(ledger.request(), Grant::open);
    EXPECT_EQ(ledger.request_now(), Grant::refuse);
    EXPECT_EQ(ledger.request(), Grant::wait);
    EXPECT_EQ(ledger.opening(), 8u);
    for (int i = 0; i != 8; ++i) ledger.opened();
    EXPECT_EQ(ledger.leased(), 8u);
    EXPECT_EQ(ledger.next(), std::nullopt);
    ledger.returned();
    EXPECT_EQ(ledger.next(), Grant::idle);
    ledger.lost();
    EXPECT_EQ(ledger.request_now(), Grant::open);
    ledger.open_failed();
    EXPECT_EQ(ledger.created(), 7u);
}

TEST(Ledger, NobodyOvertakesThoseWhoWait) {
    Ledger ledger(3, 3);
    EXPECT_EQ(ledger.request(), Grant::open);
    for (int i = 0; i != 3; ++i) EXPECT_EQ(ledger.request(), Grant::wait);
    EXPECT_EQ(ledger.request(), Grant::refuse);
    ledger.leave();
    EXPECT_EQ(ledger.waiting(), 2u);
    ledger.open_failed();
    EXPECT_EQ(ledger.request_now(), Grant::refuse);
    EXPECT_EQ(ledger.next(), Grant::open);
    EXPECT_EQ(ledger.next(), std::nullopt);
    ledger.opened();
    EXPECT_EQ(ledger.request(), Grant::wait);
    ledger.returned();
    EXPECT_EQ(ledger.request(), Grant::wait) << "not even when there is room";
    EXPECT_EQ(ledger.next(), Grant::idle);
    ledger.reopen();
    EXPECT_EQ(ledger.opening(), 1u);
    EXPECT_EQ(ledger.created(), 0u);
}

TEST(Ledger, ExtraSharedWiresLeaveRoomForLeases) {
    Ledger ledger(10, 100);
    EXPECT_TRUE(ledger.begin_shared(false));
    EXPECT_TRUE(ledger.begin_shared(false));
    for (int i = 0; i != 4; ++i) EXPECT_TRUE(ledger.begin_shared(true));
    EXPECT_FALSE(ledger.begin_shared(true));
    for (int i = 0; i != 6; ++i) ledger.shared_opened();
    for (int i = 0; i != 4; ++i) EXPECT_EQ(ledger.request(), Grant::open);
    EXPECT_EQ(ledger.request(), Grant::wait);
    ledger.shared_lost(true);
    EXPECT_FALSE(ledger.begin_shared(true)) << "who waits goes first";
    EXPECT_EQ(ledger.next(), Grant::open);
}

/// The ledger with its user, the pool, who does only what its state allows, and what the user knows of it.
struct Play {
    Ledger ledger;
    std::size_t capacity;
    std::size_t waiting = 0;
    std::size_t idle_leases = 0;  // granted `idle`, may turn out closed
    std::size_t opening = 0;
    std::size_t spares = 0;
    std::size_t shared_opening = 0;
    std::size_t extra_opening = 0;
    std::size_t extra_open = 0;
    std::string done{};

    Play(std::size_t all, std::size_t max_waiting) : ledger(all, max_waiting), capacity(all) {}

    static constexpr const char* names[] = {
        "request",     "leave",        "opened",       "open_failed",  "returned",     "lost",          "reopen",
        "begin_spare", "spare_opened", "spare_failed", "idle_closed",  "begin_shared", "shared_opened", "shared_failed",
        "shared_lost", "request_now",  "begin_extra",  "extra_opened", "extra_failed", "extra_lost"};
    static constexpr int events = 20;

    void granted(Grant grant) { ++(grant == Grant::idle ? idle_leases : opening); }
    // As Pool::serve_waiting, after whatever may have made room.
    void serve() {
        while (const auto grant = ledger.next()) {
            ASSERT_NE(waiting, 0u) << done;
            --waiting;
            granted(*grant);
        }
    }
    // A shared wire takes what rests, and is opened when nothing does.
    void open_shared(std::size_t& opening_ones, std::size_t* open_ones) {
        ++opening_ones;
        if (ledger.idle() == 0) return;
        ledger.idle_closed();
        ledger.shared_opened();
        --opening_ones;
        if (open_ones != nullptr) ++*open_ones;
    }

    /// False: not possible now.
    bool step(int event) {
        switch (event) {
            case 0: {
                const bool full = waiting >= 2;
                const Grant grant = ledger.request();
                if (grant == Grant::wait) {
                    ++waiting;
                } else if (grant != Grant::refuse) {
                    EXPECT_EQ(waiting, 0u) << done << ": overtaken";
                    granted(grant);
                }
                EXPECT_FALSE(full && grant != Grant::refuse) << done;
                EXPECT_FALSE(!full && grant == Grant::refuse) << done;
                break;
            }
            case 1:
                if (waiting == 0) return false;
                ledger.leave();
                --waiting;
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
            case 11:
                if (ledger.shared() - extra_open + shared_opening == Ledger::kept_for_shared) return false;
                EXPECT_TRUE(ledger.begin_shared(false)) << done;
                open_shared(shared_opening, nullptr);
                break;
            case 12:
            case 13:
                if (shared_opening == 0) return false;
                --shared_opening;
                event == 12 ? ledger.shared_opened() : ledger.shared_failed(false);
                break;
            case 14:
                if (ledger.shared() == extra_open) return false;
                ledger.shared_lost(false);
                break;
            case 15: {
                const Grant grant = ledger.request_now();
                if (grant == Grant::refuse) return false;
                EXPECT_EQ(waiting, 0u) << done << ": overtaken";
                granted(grant);
                break;
            }
            case 16:
                if (!ledger.begin_shared(true)) return false;
                EXPECT_EQ(waiting, 0u) << done << ": overtaken";
                open_shared(extra_opening, &extra_open);
                break;
            case 17:
            case 18:
                if (extra_opening == 0) return false;
                --extra_opening;
                extra_open += event == 17 ? 1 : 0;
                event == 17 ? ledger.shared_opened() : ledger.shared_failed(true);
                break;
            case 19:
                if (extra_open == 0) return false;
                --extra_open;
                ledger.shared_lost(true);
                break;
            default: return false;
        }
        done += std::string(names[event]) + ' ';
        serve();
        return true;
    }

    void check() const {
        const std::size_t extra = extra_opening + extra_open;
        const std::size_t leasable = capacity - Ledger::kept_for_shared;
        ASSERT_LE(ledger.leased() + opening + extra, leasable) << done;
        ASSERT_LE(2 * extra, leasable) << done;
        ASSERT_LE(ledger.created() + opening + shared_opening + extra_opening, capacity) << done;
        // A spare that is being opened gives way when it comes and finds its place taken.
        ASSERT_LE(ledger.created() + ledger.opening(), capacity + spares) << done;
        ASSERT_EQ(ledger.opening(), opening + spares + shared_opening + extra_opening) << done;
        ASSERT_EQ(ledger.waiting(), waiting) << done;
        ASSERT_TRUE(waiting == 0 || ledger.leased() + opening + extra == leasable)
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
        EXPECT_GT(play_all(Play(capacity, 2), 6), 10'000u);
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
        EXPECT_GT(play_all(play, 5), 1'000u) << play.done;
    }
}

}  // namespace
}  // namespace redoubt::pool
