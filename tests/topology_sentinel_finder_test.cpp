// topology: the finder by scripts of events: the way to a master, its failover, and what goes wrong at each step.
#include "topology/sentinel_finder.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt::topology {
namespace {

using namespace std::chrono_literals;
using Actions = std::vector<FinderAction>;
using Kind = FinderAction::Kind;

const NodeAddress a{"10.0.0.1", 6379};
const NodeAddress b{"10.0.0.2", 6379};

FinderAction connect(std::size_t sentinel) { return {Kind::connect, sentinel, {}, {}}; }
FinderAction ask(std::size_t sentinel) { return {Kind::ask, sentinel, {}, {}}; }
FinderAction verify(std::size_t number, const NodeAddress& address) { return {Kind::verify, number, address, {}}; }
FinderAction move(const NodeAddress& address) { return {Kind::move, 0, address, {}}; }

/// Three Sentinels; pauses are not spread.
class SentinelFinderTest : public ::testing::Test {
protected:
    static SentinelFinder::Settings settings() {
        SentinelFinder::Settings made;
        made.master_name = "m";
        made.sentinels = {{"s0", 1}, {"s1", 1}, {"s2", 1}};
        return made;
    }
    static std::optional<MasterReport> says(const NodeAddress& address, std::uint64_t epoch) {
        return MasterReport{address, epoch};
    }
    /// All connected, all say `a` with epoch 1, and it is the master.
    void settle() {
        finder.start(now);
        for (std::size_t i = 0; i != 3; ++i) finder.on_connected(i, now);
        for (std::size_t i = 0; i != 3; ++i) finder.on_report(i, says(a, 1), now);
        ASSERT_EQ(finder.on_verified(1, "", now), Actions{move(a)});
        ASSERT_EQ(finder.master(), a);
    }

    TimePoint now = TimePoint{} + 1h;
    SentinelFinder finder{settings(), [] { return 0.5; }};
};

TEST_F(SentinelFinderTest, TheFirstAnswerLeadsToTheMaster) {
    EXPECT_EQ(finder.start(now), (Actions{connect(0), connect(1), connect(2)}));
    EXPECT_EQ(finder.on_connected(1, now), Actions{ask(1)});
    EXPECT_EQ(finder.on_report(1, says(a, 3), now), Actions{verify(1, a)});
    EXPECT_EQ(finder.on_verified(1, "", now), Actions{move(a)});
    EXPECT_EQ(finder.master(), a);
    EXPECT_FALSE(finder.in_doubt(now));
    // The others come later and say the same.
    EXPECT_EQ(finder.on_connected(0, now), Actions{ask(0)});
    EXPECT_EQ(finder.on_report(0, says(a, 3), now), Actions{});
}

TEST_F(SentinelFinderTest, OneThatAnswersIsEnough) {
    finder.start(now);
    EXPECT_EQ(finder.on_lost(0, "refused", now), Actions{});
    EXPECT_EQ(finder.on_lost(1, "refused", now), Actions{});
    finder.on_connected(2, now);
    EXPECT_EQ(finder.on_report(2, says(a, 1), now), Actions{verify(1, a)});
    EXPECT_EQ(finder.on_verified(1, "", now), Actions{move(a)});
}

TEST_F(SentinelFinderTest, SaysWhoSaidWhatWhenNobodyKnowsTheMaster) {
    finder.start(now);
    finder.on_lost(0, "cannot connect: refused", now);
    finder.on_lost(1, "no answer in time", now);
    finder.on_connected(2, now);
    const Actions actions = finder.on_report(2, std::nullopt, now);
    ASSERT_EQ(actions.size(), 1u);
    EXPECT_EQ(actions[0].kind, Kind::absent);
    EXPECT_EQ(actions[0].text,
              "no Sentinel leads to the master 'm': s0:1: cannot connect: refused; s1:1: no answer in time; "
              "s2:1: does not know a master of that name");
    // And it goes on: those that were lost are tried again, the other is asked again.
    EXPECT_EQ(finder.wakes_at(), now + 50ms);
    EXPECT_EQ(finder.on_time(now + 50ms), Actions{ask(2)});
    EXPECT_EQ(finder.on_time(now + 250ms), (Actions{connect(0), connect(1)}));
}

TEST_F(SentinelFinderTest, NewsLeadToTheNewMasterAfterOneQuestion) {
    settle();
    EXPECT_EQ(finder.on_news(1, now), Actions{ask(1)});
    EXPECT_EQ(finder.on_report(1, says(b, 2), now), Actions{verify(2, b)});
    EXPECT_EQ(finder.on_verified(2, "", now), Actions{move(b)});
    // Those that have not heard yet do not lead back.
    EXPECT_EQ(finder.on_news(0, now), Actions{ask(0)});
    EXPECT_EQ(finder.on_report(0, says(a, 1), now), Actions{});
    EXPECT_EQ(finder.master(), b);
}

TEST_F(SentinelFinderTest, NewsWhileItIsAskedMakeItAskAgain) {
    settle();
    EXPECT_EQ(finder.on_news(1, now), Actions{ask(1)});
    EXPECT_EQ(finder.on_news(1, now), Actions{});
    EXPECT_EQ(finder.on_report(1, says(a, 1), now), Actions{ask(1)});
    EXPECT_EQ(finder.on_report(1, says(b, 2), now), Actions{verify(2, b)});
}

TEST_F(SentinelFinderTest, OneThatIsNoMasterYetIsAskedForAgainAndAgain) {
    settle();
    finder.on_news(1, now);
    finder.on_report(1, says(b, 2), now);
    EXPECT_EQ(finder.on_verified(2, "says that it is a replica still", now), Actions{});
    EXPECT_EQ(finder.master(), a);
    EXPECT_TRUE(finder.in_doubt(now));
    ASSERT_EQ(finder.wakes_at(), now + 50ms);
    now += 50ms;
    EXPECT_EQ(finder.on_time(now), (Actions{ask(0), ask(1), ask(2)}));
    EXPECT_EQ(finder.on_report(0, says(a, 1), now), Actions{});
    EXPECT_EQ(finder.on_report(1, says(b, 2), now), Actions{verify(3, b)});
    EXPECT_EQ(finder.on_report(2, says(b, 2), now), Actions{});
    EXPECT_EQ(finder.on_verified(3, "", now), Actions{move(b)});
}

TEST_F(SentinelFinderTest, DoubtAsksAllAtOnceThenOftenAndEnds) {
    settle();
    EXPECT_EQ(finder.wakes_at(), now + 5s);
    now += 1s;
    EXPECT_EQ(finder.on_doubt(now), (Actions{ask(0), ask(1), ask(2)}));
    EXPECT_EQ(finder.on_doubt(now), Actions{});  // one round at a time
    for (std::size_t i = 0; i != 3; ++i) EXPECT_EQ(finder.on_report(i, says(a, 1), now), Actions{});
    std::vector<Duration> pauses;
    const TimePoint began = now;
    while (finder.in_doubt(now)) {
        pauses.push_back(finder.wakes_at() - now);
        now = finder.wakes_at();
        ASSERT_EQ(finder.on_time(now), (Actions{ask(0), ask(1), ask(2)}));
        for (std::size_t i = 0; i != 3; ++i) finder.on_report(i, says(a, 1), now);
    }
    ASSERT_GT(pauses.size(), 5u);
    EXPECT_EQ((std::vector<Duration>(pauses.begin(), pauses.begin() + 5)),
              (std::vector<Duration>{50ms, 100ms, 200ms, 400ms, 500ms}));
    EXPECT_LT(now - began, 11s);
    EXPECT_EQ(finder.wakes_at(), now + 5s);
}

TEST_F(SentinelFinderTest, ALateVerificationOfAnotherNodeIsIgnored) {
    settle();
    finder.on_news(0, now);
    finder.on_report(0, says(b, 2), now);
    finder.on_news(1, now);
    EXPECT_EQ(finder.on_report(1, says({"10.0.0.3", 6379}, 3), now), (Actions{verify(3, {"10.0.0.3", 6379})}));
    EXPECT_EQ(finder.on_verified(2, "", now), Actions{});
    EXPECT_EQ(finder.master(), a);
    EXPECT_EQ(finder.on_verified(3, "", now), (Actions{move({"10.0.0.3", 6379})}));
}

TEST_F(SentinelFinderTest, SentinelsThatWereSetUpAnewAreBelievedWhenMostSayTheSame) {
    settle();
    finder.on_news(0, now);
    EXPECT_EQ(finder.on_report(0, says(b, 0), now), Actions{});  // the others still name `a`
    finder.on_news(1, now);
    EXPECT_EQ(finder.on_report(1, says(b, 0), now), Actions{});
    finder.on_news(2, now);
    EXPECT_EQ(finder.on_report(2, says(b, 0), now), Actions{verify(2, b)});
}

TEST_F(SentinelFinderTest, AnOldWordOfTheOnlyOneThatIsLeftIsNotBelieved) {
    settle();
    finder.on_news(0, now);
    finder.on_report(0, says(b, 2), now);
    finder.on_verified(2, "", now);
    finder.on_lost(0, "gone", now);
    EXPECT_EQ(finder.on_lost(1, "gone", now), Actions{});
    EXPECT_EQ(finder.on_news(2, now), Actions{ask(2)});
    EXPECT_EQ(finder.on_report(2, says(a, 1), now), Actions{});
    EXPECT_EQ(finder.master(), b);
}

TEST_F(SentinelFinderTest, ALostSentinelIsTriedAgainAfterGrowingPauses) {
    settle();
    std::vector<Duration> pauses;
    for (int i = 0; i != 7; ++i) {
        finder.on_lost(2, "gone", now);
        const TimePoint lost = now;
        for (Actions actions; actions != Actions{connect(2)};) {
            now = finder.wakes_at();
            actions = finder.on_time(now);
            for (std::size_t one = 0; one != 2; ++one) {
                if (actions != Actions{connect(2)}) finder.on_report(one, says(a, 1), now);
            }
            std::erase_if(actions, [](const FinderAction& action) { return action.kind == Kind::ask; });
        }
        pauses.push_back(now - lost);
    }
    EXPECT_EQ(pauses, (std::vector<Duration>{250ms, 500ms, 1s, 2s, 4s, 5s, 5s}));
    // One success, and it begins anew.
    finder.on_connected(2, now);
    finder.on_lost(2, "gone", now);
    EXPECT_LE(finder.wakes_at(), now + 250ms);
}

// A failover as it usually goes; at each step one Sentinel after the other is lost. Whatever is left leads to `b`.
TEST_F(SentinelFinderTest, ALossAtAnyStepOfAFailoverOnlyDelaysIt) {
    enum class Step { connected, named, verified, news, reported, confirmed, count };
    for (int step = 0; step != static_cast<int>(Step::count); ++step) {
        for (std::size_t lost = 0; lost != 3; ++lost) {
            SentinelFinder one(settings(), [] { return 0.5; });
            TimePoint at = TimePoint{} + 1h;
            NodeAddress truth = a;
            std::uint64_t epoch = 1;
            std::vector<FinderAction> moves;
            // Performs what it says until nothing is left to do; a Sentinel that was lost answers when it is tried anew.
            const auto perform = [&](Actions todo) {
                for (std::size_t i = 0; i != todo.size(); ++i) {
                    const FinderAction action = todo[i];
                    Actions more;
                    switch (action.kind) {
                        case Kind::connect: more = one.on_connected(action.index, at); break;
                        case Kind::ask: more = one.on_report(action.index, MasterReport{truth, epoch}, at); break;
                        case Kind::verify:
                            more = one.on_verified(action.index, action.address == truth ? "" : "is none", at);
                            break;
                        case Kind::move: moves.push_back(action); break;
                        case Kind::absent: break;
                    }
                    todo.insert(todo.end(), more.begin(), more.end());
                }
            };
            const auto lose_at = [&](Step here) {
                if (step == static_cast<int>(here)) perform(one.on_lost(lost, "gone", at));
            };
            Actions first = one.start(at);
            lose_at(Step::connected);
            perform(first);
            lose_at(Step::named);
            ASSERT_EQ(one.master(), a) << step << ' ' << lost;
            lose_at(Step::verified);
            truth = b;
            epoch = 2;
            lose_at(Step::news);
            const Actions asked = one.on_news(lost == 0 ? 1 : 0, at);
            lose_at(Step::reported);
            perform(asked);
            lose_at(Step::confirmed);
            ASSERT_EQ(one.master(), b) << step << ' ' << lost;
            ASSERT_EQ(moves.size(), 2u);
            for (int turn = 0; turn != 20; ++turn) {
                at = one.wakes_at();
                perform(one.on_time(at));
            }
            EXPECT_EQ(one.master(), b);
            EXPECT_EQ(one.connected(), 3u) << step << ' ' << lost;
        }
    }
}

TEST(MasterReports, AreReadFromTheTwoReplies) {
    const std::string address = "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n7001\r\n";
    const std::string about = "*4\r\n$4\r\nname\r\n$1\r\nm\r\n$12\r\nconfig-epoch\r\n$2\r\n17\r\n";
    const auto report = read_master_report(address, about);
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(*report, (MasterReport{{"127.0.0.1", 7001}, 17}));
    EXPECT_FALSE(read_master_report("*-1\r\n", "-ERR No such master with that name\r\n").has_value());
    EXPECT_FALSE(read_master_report(address, "-ERR No such master with that name\r\n").has_value());
    EXPECT_FALSE(read_master_report("*2\r\n$1\r\nh\r\n$1\r\n0\r\n", about).has_value());
    EXPECT_FALSE(read_master_report("*2\r\n$0\r\n\r\n$1\r\n1\r\n", about).has_value());
    EXPECT_FALSE(read_master_report("+OK\r\n", about).has_value());
    EXPECT_FALSE(read_master_report(address, "*2\r\n$12\r\nconfig-epoch\r\n$2\r\n-1\r\n").has_value());
}

TEST(SentinelNews, AreOfOneMaster) {
    EXPECT_TRUE(is_about_master("m 127.0.0.1 7000 127.0.0.1 7001", "m"));
    EXPECT_FALSE(is_about_master("mm 127.0.0.1 7000 127.0.0.1 7001", "m"));
    EXPECT_TRUE(is_about_master("slave 127.0.0.1:7001 127.0.0.1 7001 @ m 127.0.0.1 7000", "m"));
    EXPECT_FALSE(is_about_master("slave 127.0.0.1:7001 127.0.0.1 7001 @ other 127.0.0.1 7000", "m"));
    EXPECT_FALSE(is_about_master("", "m"));
}

}  // namespace
}  // namespace redoubt::topology
