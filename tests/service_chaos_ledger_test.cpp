// service: the ledger of the chaos notices each kind of deviation, and takes what can happen for what it is.
#include "chaos/history.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt::chaos {
namespace {

constexpr Fate applied = Fate::applied;
constexpr Fate not_applied = Fate::not_applied;
constexpr Fate unknown = Fate::unknown;
constexpr Tick ms = 1'000'000;

RegisterHistory a_register() { return RegisterHistory("r"); }

/// Exactly one deviation, which says this.
void expect_one(const Deviations& found, const std::string& words) {
    ASSERT_EQ(found.size(), 1U);
    EXPECT_NE(found.front().find(words), std::string::npos) << found.front();
}
void expect_none(const Deviations& found) { EXPECT_TRUE(found.empty()) << found.front(); }

TEST(ChaosRegister, WritesAndReadsInOrderAreRight) {
    RegisterHistory history = a_register();
    history.read({0, 1}, std::nullopt);
    history.wrote(1, {2, 4}, applied);
    history.read({5, 6}, 1);
    history.wrote(2, {7, 9}, applied);
    history.read({10, 11}, 2);
    history.deleted({12, 13}, applied);
    history.read({14, 15}, std::nullopt);
    expect_none(history.check());
}

TEST(ChaosRegister, CallsThatOverlapMayTakeEitherOrder) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 10}, applied);
    history.wrote(2, {0, 10}, applied);
    history.read({1, 9}, 2);
    history.read({11, 12}, 1);
    expect_none(history.check());
}

TEST(ChaosRegister, AnAppliedWriteThatIsLostIsNoticed) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.wrote(2, {2, 3}, applied);
    history.read({4, 5}, 1);
    expect_one(history.check(), "the applied SET of version 2");
}

TEST(ChaosRegister, AnAppliedWriteOfAnEmptyKeyThatIsLostIsNoticed) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.read({2, 3}, std::nullopt);
    expect_one(history.check(), "nobody has taken it away");
}

TEST(ChaosRegister, AnOlderVersionThatComesBackIsNoticed) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, unknown);
    history.read({2, 3}, 1);
    history.wrote(2, {4, 5}, applied);
    history.read({6, 7}, 2);
    history.read({8, 9}, 1);  // of unknown fate, and retried: applied twice
    expect_one(history.check(), "version 1");
}

TEST(ChaosRegister, TwoVersionsThatTakeTurnsAreNoticed) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 20}, applied);
    history.wrote(2, {0, 20}, applied);
    history.read({1, 2}, 1);
    history.read({3, 4}, 2);
    history.read({5, 6}, 1);
    history.read({7, 8}, 2);
    expect_one(history.check(), "came back");
}

TEST(ChaosRegister, AnotherClientsNewerVersionThatVanishesIsNoticed) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.wrote(2, {2, 100}, unknown);  // another client's
    history.read({3, 4}, 2);
    history.read({5, 6}, 1);
    expect_one(history.check(), "version 1");
}

TEST(ChaosRegister, AWriteOfUnknownFateMayLandLateOrNever) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, unknown);
    history.wrote(2, {2, 3}, unknown);
    history.wrote(3, {4, 5}, applied);
    history.read({6, 7}, 3);
    history.read({8, 9}, 1);  // it lay in the network
    expect_none(history.check());
    history.wrote(4, {10, 11}, applied);
    expect_none(history.check());
    history.read({12, 13}, 1);  // once only
    EXPECT_FALSE(history.check().empty());
}

TEST(ChaosRegister, AWriteThatWasNotAppliedAndIsThereIsNoticed) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, not_applied);
    history.read({2, 3}, 1);
    expect_one(history.check(), "not applied");
}

TEST(ChaosRegister, AValueThatNobodyWroteIsNoticed) {
    RegisterHistory history = a_register();
    history.read({2, 3}, 7);
    expect_one(history.check(), "nobody wrote it");
}

TEST(ChaosRegister, AReadBeforeTheWriteIsNoticed) {
    RegisterHistory history = a_register();
    history.read({0, 1}, 1);
    history.wrote(1, {2, 3}, applied);
    expect_one(history.check(), "before it was written");
}

TEST(ChaosRegister, AnAppliedDeleteThatIsLostIsNoticed) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.deleted({2, 3}, applied);
    history.read({4, 5}, 1);
    expect_one(history.check(), "the applied DEL");
}

TEST(ChaosRegister, ADeleteOfUnknownFateExplainsNothingThatIsThereAndAnythingThatIsNot) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.deleted({2, 3}, unknown);
    history.read({4, 5}, 1);
    history.wrote(2, {6, 7}, applied);
    history.read({8, 9}, std::nullopt);  // it was late
    expect_none(history.check());
}

TEST(ChaosRegister, ADeleteThatWasNotAppliedExplainsNothing) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.deleted({2, 3}, not_applied);
    history.read({8, 9}, std::nullopt);
    expect_one(history.check(), "nobody has taken it away");
}

TEST(ChaosRegister, ADeleteBeforeTheWriteExplainsNothing) {
    RegisterHistory history = a_register();
    history.deleted({0, 1}, applied);
    history.wrote(1, {2, 3}, applied);
    history.read({4, 5}, std::nullopt);
    expect_one(history.check(), "nobody has taken it away");
}

TEST(ChaosRegister, WhatExpiresIsGoneAfterItsTimeAndNotBefore) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, ms}, applied);
    history.expires({2 * ms, 3 * ms}, applied, 200 * ms);
    history.read({10 * ms, 11 * ms}, 1);
    history.read({300 * ms, 301 * ms}, std::nullopt);
    expect_none(history.check());
    history.read({100 * ms, 101 * ms}, std::nullopt);
    expect_one(history.check(), "nobody has taken it away");
}

TEST(ChaosRegister, AnExpiryThatIsLostIsNoticed) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, ms}, applied);
    history.expires({2 * ms, 3 * ms}, applied, 100 * ms);
    history.read({400 * ms, 401 * ms}, 1);
    expect_one(history.check(), "the applied EXPIRE");
}

TEST(ChaosRegister, ALaterExpiryMayMoveTheMoment) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, ms}, applied);
    history.expires({2 * ms, 3 * ms}, applied, 100 * ms);
    history.expires({90 * ms, 91 * ms}, applied, 400 * ms);
    history.read({400 * ms, 401 * ms}, 1);
    expect_none(history.check());
}

TEST(ChaosRegister, AWriteTakesTheExpiryAway) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, ms}, applied);
    history.expires({2 * ms, 3 * ms}, applied, 100 * ms);
    history.wrote(2, {4 * ms, 5 * ms}, applied);
    history.read({400 * ms, 401 * ms}, 2);
    expect_none(history.check());
    history.read({500 * ms, 501 * ms}, std::nullopt);
    expect_one(history.check(), "nobody has taken it away");
}

TEST(ChaosRegister, WhereWritesAreRepeatedOrderIsNotPromisedButNothingIsLost) {
    RegisterHistory history("r", RegisterHistory::Rule::may_repeat);
    history.wrote(1, {0, 1}, applied);
    history.wrote(2, {2, 3}, applied);
    history.read({4, 5}, 1);
    expect_none(history.check());
    history.wrote(3, {6, 7}, not_applied);
    history.read({8, 9}, 3);
    history.read({8, 9}, std::nullopt);
    EXPECT_EQ(history.check().size(), 2U);
}

TEST(ChaosIds, EachKindOfDeviationIsNoticed) {
    IdHistory history("l");
    history.added(1, applied);
    history.added(2, not_applied);
    history.added(3, unknown);
    history.added(4, unknown);
    expect_none(history.check({1}));
    expect_none(history.check({3, 1}));
    expect_one(history.check({3}), "1 was applied, and is not there");
    expect_one(history.check({1, 1}), "1 is there twice");
    expect_one(history.check({1, 4, 4}), "4 is there twice");
    expect_one(history.check({1, 2}), "2 is there, but its caller was told that it was not applied");
    expect_one(history.check({1, 9}), "nobody added it");
}

TEST(ChaosIds, ATransactionIsWholeOrNotThere) {
    expect_none(check_together("t", {1, 2}, {2, 1}));
    expect_one(check_together("t", {1, 2}, {1}), "transaction 2");
    expect_one(check_together("t", {}, {3}), "transaction 3");
}

TEST(ChaosCounter, ItsValueLiesBetweenWhatWasAppliedAndWhatMayHaveBeen) {
    CounterHistory history("n");
    history.incremented({0, 1}, applied, 1);
    history.incremented({2, 3}, unknown, std::nullopt);
    history.incremented({4, 5}, not_applied, std::nullopt);
    expect_none(history.check(1));
    expect_none(history.check(2));
    expect_one(history.check(0), "1 INCRs were applied");
    expect_one(history.check(3), "at most 2");
}

TEST(ChaosCounter, AnAnswerThatIsGivenTwiceIsNoticed) {
    CounterHistory history("n");
    history.incremented({0, 9}, applied, 1);
    history.incremented({0, 9}, applied, 1);
    expect_one(history.check(2), "the answer to two");
}

TEST(ChaosCounter, AnswersThatGoBackAreNoticed) {
    CounterHistory history("n");
    history.incremented({0, 1}, applied, 2);
    history.incremented({2, 3}, applied, 1);
    expect_one(history.check(2), "after another had answered 2");
}

TEST(ChaosCounter, AReadOfWhatCannotBeIsNoticed) {
    CounterHistory history("n");
    history.incremented({0, 1}, applied, 1);
    history.read({2, 3}, 1);
    history.incremented({4, 5}, unknown, std::nullopt);
    history.read({6, 7}, 2);
    expect_none(history.check(2));
    history.read({2, 3}, 2);
    expect_one(history.check(2), "at most 1");
    history.read({6, 7}, 0);
    EXPECT_EQ(history.check(2).size(), 2U);
}

// Nobody sees the heir before 100; it has all that was acknowledged before 90.
Failovers a_failover() {
    Failovers failovers;
    failovers.add({90, 100, 110});
    return failovers;
}

TEST(ChaosFailover, AWriteAcknowledgedShortlyBeforeMayBeGoneAndTheOneBeforeItBack) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.wrote(2, {94, 95}, applied);
    history.read({96, 97}, 2);
    history.read({120, 121}, 1);
    expect_one(history.check(), "came back");
    Failovers failovers = a_failover();
    expect_none(history.check(failovers));
    EXPECT_EQ(failovers.seen(), 1U);
    history.wrote(3, {122, 123}, applied);
    history.read({124, 125}, 1);  // not by that failover
    expect_one(history.check(failovers), "the applied SET of version 3");
}

TEST(ChaosFailover, WhatTheHeirMustHaveMayNotBeGone) {
    for (const Span& write : {Span{80, 89}, Span{111, 112}}) {
        RegisterHistory history = a_register();
        history.wrote(1, {0, 1}, applied);
        history.wrote(2, write, applied);
        history.read({120, 121}, 1);
        Failovers failovers = a_failover();
        expect_one(history.check(failovers), "the applied SET of version 2");
        EXPECT_EQ(failovers.seen(), 0U);
    }
}

TEST(ChaosFailover, WhatIsSeenAfterItWasNotLostByIt) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.wrote(2, {94, 95}, applied);
    history.read({115, 116}, 2);
    history.read({120, 121}, 1);
    Failovers failovers = a_failover();
    expect_one(history.check(failovers), "came back");
}

TEST(ChaosFailover, BeforeItNothingIsExcused) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.wrote(2, {91, 92}, applied);
    history.read({94, 96}, 1);
    Failovers failovers = a_failover();
    expect_one(history.check(failovers), "the applied SET of version 2");
}

TEST(ChaosFailover, DeletesAndFirstWritesMayBeGoneToo) {
    RegisterHistory deleted = a_register();
    deleted.wrote(1, {0, 1}, applied);
    deleted.deleted({94, 95}, applied);
    deleted.read({120, 121}, 1);
    Failovers failovers = a_failover();
    expect_none(deleted.check(failovers));
    RegisterHistory first = a_register();
    first.wrote(1, {94, 95}, applied);
    first.read({120, 121}, std::nullopt);
    expect_none(first.check(failovers));
    EXPECT_EQ(failovers.seen(), 2U);
    RegisterHistory early = a_register();
    early.wrote(1, {50, 51}, applied);
    early.wrote(2, {94, 95}, applied);
    early.read({120, 121}, std::nullopt);
    expect_one(early.check(failovers), "nobody has taken it away");
}

TEST(ChaosFailover, IdsThatMayBeGoneAreCountedAndOthersMissed) {
    IdHistory history("l");
    history.added(1, applied, 50);
    history.added(2, applied, 95);
    history.added(3, not_applied, 95);
    Failovers failovers = a_failover();
    expect_none(history.check({1}, failovers));
    EXPECT_EQ(failovers.lost(), 1U);
    expect_one(history.check({2}, failovers), "1 was applied, and is not there");
    expect_one(history.check({1, 2, 2}, failovers), "2 is there twice");
    expect_one(history.check({1, 3}, failovers), "told that it was not applied");
}

TEST(ChaosFailover, AnOldMasterMayAnswerOfWhatItHadAndOnlyThen) {
    RegisterHistory history = a_register();
    history.wrote(1, {0, 1}, applied);
    history.wrote(2, {50, 51}, applied);
    history.read({60, 61}, 1);
    history.read({70, 71}, 2);
    Failovers late;
    late.add_old_answers(65, 80);
    EXPECT_FALSE(history.check(late).empty());
    Failovers then;
    then.add_old_answers(55, 65);
    expect_none(history.check(then));
    EXPECT_EQ(then.old(), 1U);
    CounterHistory counter("n");
    counter.incremented({0, 1}, applied, 1);
    counter.incremented({50, 51}, applied, 2);
    counter.read({60, 61}, 1);
    EXPECT_EQ(counter.check(2, late).size(), 1U);
    expect_none(counter.check(2, then));
}

TEST(ChaosFailover, IdsInSlotsOfTheirOwnAreLostByTheirOwnFailovers) {
    IdHistory history("l");
    history.added(1, applied, 95);
    history.added(2, applied, 95);
    Failovers some = a_failover();
    Failovers none;
    const auto of = [&](std::uint64_t id) -> Failovers& { return id == 1 ? some : none; };
    expect_one(history.check({}, of), "2 was applied, and is not there");
    EXPECT_EQ(some.lost(), 1U);
}

TEST(ChaosFailover, ACounterMayGoBackOnceByWhatWasAcknowledgedShortlyBefore) {
    CounterHistory history("n");
    history.incremented({0, 1}, applied, 1);
    history.incremented({94, 95}, applied, 2);
    history.incremented({120, 121}, applied, 2);
    history.read({122, 123}, 2);
    EXPECT_EQ(history.check(2).size(), 3U);  // too few, one answer twice, and backwards
    Failovers failovers = a_failover();
    expect_none(history.check(2, failovers));
    EXPECT_EQ(failovers.lost(), 1U);
    expect_one(history.check(1, failovers), "3 INCRs were applied");
    history.incremented({130, 131}, applied, 2);
    EXPECT_EQ(history.check(3, failovers).size(), 2U);  // again, and nobody has failed over
}

}  // namespace
}  // namespace redoubt::chaos
