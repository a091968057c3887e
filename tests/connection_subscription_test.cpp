// connection: the machine of a connection that listens, by scripts of what a server says.
#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "connection/subscription.hpp"

namespace redoubt::connection {
namespace {

const TimePoint start = TimePoint{} + 1h;
using Standing = Subscription::Standing;
using Kind = SubscriptionEvent::Kind;

SubscriptionSettings settings_with(const SubscriberOptions& options = {}, bool one_pattern = false) {
    SubscriptionSettings settings;
    settings.prefix = KeyPrefix("proj:a:");
    settings.one_pattern = one_pattern;
    settings.attempt_timeout = 2s;
    settings.options = options;
    return settings;
}

std::string words(std::initializer_list<std::string_view> all, char type = '>') {
    std::string bytes = type + std::to_string(all.size()) + "\r\n";
    for (const std::string_view word : all) {
        const bool number = !word.empty() && word.front() == ':';
        bytes += number ? std::string(word) + "\r\n"
                        : "$" + std::to_string(word.size()) + "\r\n" + std::string(word) + "\r\n";
    }
    return bytes;
}

struct Rig : Subscription {
    using Subscription::Subscription;
    std::string sent() {
        std::string bytes(output());
        written(bytes.size());
        return bytes;
    }
    bool hear(const std::string& bytes, TimePoint now = start) {
        std::string_view left = bytes;
        bool good = true;
        while (!left.empty() && good) {
            const auto space = read_space();
            const std::size_t size = std::min(space.size(), left.size());
            std::copy_n(left.data(), size, space.data());
            left.remove_prefix(size);
            good = commit_read(size, now);
        }
        return good;
    }
    std::string next_line() {
        const auto event = next();
        if (!event) return "nothing";
        if (event->kind == Kind::gap) return "gap " + std::to_string(event->lost) + " " + event->payload;
        return event->channel + (event->pattern.empty() ? "" : "|" + event->pattern) + "=" + event->payload;
    }
};

TEST(Subscription, AsksConfirmsAndStrips) {
    Rig rig(settings_with());
    rig.add(Subscribed::channel, "news", start);
    rig.add(Subscribed::pattern, "n*", start);
    EXPECT_EQ(rig.sent(), "");  // no connection yet
    rig.connected(start);
    EXPECT_EQ(rig.sent(), words({"subscribe", "proj:a:news"}, '*') + words({"psubscribe", "proj:a:n*"}, '*'));
    EXPECT_EQ(rig.standing(Subscribed::channel, "news"), Standing::asked);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:news", ":1"})));
    EXPECT_EQ(rig.standing(Subscribed::channel, "news"), Standing::confirmed);
    // RESP2 has arrays.
    ASSERT_TRUE(rig.hear(words({"psubscribe", "proj:a:n*", ":2"}, '*') + words({"message", "proj:a:news", "hi"}, '*') +
                         words({"pmessage", "proj:a:n*", "proj:a:news", "hi"})));
    EXPECT_EQ(rig.next_line(), "news=hi");
    EXPECT_EQ(rig.next_line(), "news|n*=hi");
    EXPECT_EQ(rig.next_line(), "nothing");
}

TEST(Subscription, KeyspaceEventsAreOfOwnKeys) {
    Rig rig(settings_with());
    rig.connected(start);
    rig.add(Subscribed::keyspace, "user:*", start);
    EXPECT_EQ(rig.sent(), words({"psubscribe", "__keyspace@0__:proj:a:user:*"}, '*'));
    ASSERT_TRUE(rig.hear(words({"psubscribe", "__keyspace@0__:proj:a:user:*", ":1"})));
    ASSERT_TRUE(
        rig.hear(words({"pmessage", "__keyspace@0__:proj:a:user:*", "__keyspace@0__:proj:a:user:7", "expired"})));
    EXPECT_EQ(rig.next_line(), "user:7|user:*=expired");
    EXPECT_FALSE(rig.hear(words({"pmessage", "__keyspace@0__:proj:a:user:*", "__keyspace@0__:proj:b:user:7", "set"})));
    EXPECT_EQ(rig.fault()->kind, ErrorKind::isolation);
}

TEST(Subscription, AForeignChannelIsAFault) {
    for (const std::string& frame :
         {words({"message", "proj:b:news", "x"}), words({"message", "news", "x"}),
          words({"smessage", "proj:ab:n", "x"}), words({"pmessage", "*", "proj:b:news", "x"}),
          words({"pmessage", "proj:a:*", "proj:b:news", "x"})}) {
        Rig rig(settings_with());
        rig.add(Subscribed::channel, "news", start);
        rig.connected(start);
        EXPECT_FALSE(rig.hear(frame)) << frame;
        EXPECT_EQ(rig.fault()->kind, ErrorKind::isolation);
        EXPECT_EQ(rig.next_line(), "nothing");
    }
}

TEST(Subscription, AnswersThatFitNothingAreAFault) {
    for (const std::string& frame :
         {words({"subscribe", "proj:a:other", ":1"}), words({"unsubscribe", "proj:a:news", ":0"}),
          words({"psubscribe", "proj:a:news", ":1"}), words({"pong", ""}), std::string("+PONG\r\n"),
          std::string(":1\r\n"), std::string("*?\r\n"), words({"subscribe", "proj:a:news", ":1"}) + "+PONG\r\n"}) {
        Rig rig(settings_with());
        rig.add(Subscribed::channel, "news", start);
        rig.connected(start);
        EXPECT_FALSE(rig.hear(frame)) << frame;
        EXPECT_EQ(rig.fault()->kind, ErrorKind::connection) << frame;
    }
}

TEST(Subscription, ARefusalEndsItsNameAlone) {
    Rig rig(settings_with());
    rig.connected(start);
    rig.add(Subscribed::channel, "a", start);
    rig.add(Subscribed::channel, "b", start);
    ASSERT_TRUE(rig.hear("-NOPERM no access to proj:a:a\r\n" + words({"subscribe", "proj:a:b", ":1"})));
    EXPECT_EQ(rig.standing(Subscribed::channel, "a"), Standing::refused);
    EXPECT_EQ(rig.refusal(Subscribed::channel, "a")->kind, ErrorKind::authentication);
    EXPECT_EQ(rig.refusal(Subscribed::channel, "a")->reason(), "NOPERM no access to a");
    EXPECT_EQ(rig.standing(Subscribed::channel, "b"), Standing::confirmed);
    rig.lost("gone");
    rig.connected(start);
    (void)rig.sent();
    rig.add(Subscribed::channel, "a", start);  // tried again when it is asked for again
    EXPECT_EQ(rig.sent(), words({"subscribe", "proj:a:a"}, '*'));
}

TEST(Subscription, AGapIsToldOnceAllStandsAgain) {
    Rig rig(settings_with());
    rig.add(Subscribed::channel, "a", start);
    rig.add(Subscribed::channel, "b", start);
    rig.connected(start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"}) + words({"subscribe", "proj:a:b", ":2"})));
    EXPECT_EQ(rig.next_line(), "nothing");  // the first time is no gap
    rig.lost("reset by peer");
    EXPECT_EQ(rig.standing(Subscribed::channel, "a"), Standing::asked);
    rig.lost("again");
    rig.connected(start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"})));
    EXPECT_EQ(rig.next_line(), "nothing");
    rig.lost("a third time, half way");
    rig.connected(start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"}) + words({"subscribe", "proj:a:b", ":2"}) +
                         words({"message", "proj:a:b", "new"})));
    EXPECT_EQ(rig.next_line(), "gap 0 reset by peer");
    EXPECT_EQ(rig.next_line(), "b=new");
    EXPECT_EQ(rig.next_line(), "nothing");
}

TEST(Subscription, HalfAFrameDoesNotOutliveItsConnection) {
    Rig rig(settings_with());
    rig.add(Subscribed::channel, "a", start);
    rig.connected(start);
    const std::string confirmation = words({"subscribe", "proj:a:a", ":1"});
    for (std::size_t cut = 0; cut != confirmation.size(); ++cut) {
        ASSERT_TRUE(rig.hear(confirmation.substr(0, cut)));
        rig.lost("cut");
        rig.connected(start);
    }
    ASSERT_TRUE(rig.hear(confirmation));
    EXPECT_EQ(rig.standing(Subscribed::channel, "a"), Standing::confirmed);
}

TEST(Subscription, UnsubscribedIsNotHeardAnyMore) {
    Rig rig(settings_with());
    rig.connected(start);
    rig.add(Subscribed::channel, "a", start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"})));
    (void)rig.sent();
    rig.remove(Subscribed::channel, "a", start);
    EXPECT_EQ(rig.sent(), words({"unsubscribe", "proj:a:a"}, '*'));
    EXPECT_FALSE(rig.wants_connection());
    ASSERT_TRUE(rig.hear(words({"message", "proj:a:a", "late"}) + words({"unsubscribe", "proj:a:a", ":0"})));
    EXPECT_EQ(rig.next_line(), "nothing");
    EXPECT_FALSE(rig.awaits_answer());
    // And at once again.
    rig.add(Subscribed::channel, "a", start);
    rig.remove(Subscribed::channel, "a", start);
    rig.add(Subscribed::channel, "a", start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"}) + words({"unsubscribe", "proj:a:a", ":0"})));
    EXPECT_EQ(rig.standing(Subscribed::channel, "a"), Standing::asked);  // the server has not come so far yet
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"}) + words({"message", "proj:a:a", "now"})));
    EXPECT_EQ(rig.next_line(), "a=now");
}

TEST(Subscription, ASilentServerIsAskedAndThenGivenUp) {
    Rig rig(settings_with({.ping_interval = 10s}));
    EXPECT_EQ(rig.wake_at(), TimePoint::max());
    rig.add(Subscribed::channel, "a", start);
    rig.connected(start);
    EXPECT_EQ(rig.wake_at(), start + 2s);  // the subscription is to be answered
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"}), start + 1s));
    EXPECT_EQ(rig.wake_at(), start + 11s);
    (void)rig.sent();
    EXPECT_TRUE(rig.on_time(start + 10s));
    EXPECT_EQ(rig.sent(), "");
    EXPECT_TRUE(rig.on_time(start + 11s));
    EXPECT_EQ(rig.sent(), words({"ping"}, '*'));
    ASSERT_TRUE(rig.hear("+PONG\r\n", start + 12s));
    EXPECT_TRUE(rig.on_time(start + 22s));
    ASSERT_TRUE(rig.hear(words({"pong", ""}, '*'), start + 23s));
    EXPECT_TRUE(rig.on_time(start + 33s));
    EXPECT_TRUE(rig.on_time(start + 34s));
    EXPECT_FALSE(rig.on_time(start + 35s));
    EXPECT_EQ(rig.fault()->kind, ErrorKind::timeout);
}

TEST(Subscription, AFullBufferDropsTheOldestAndSaysSo) {
    Rig rig(settings_with({.max_buffered = 3}));
    rig.add(Subscribed::channel, "a", start);
    rig.connected(start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"})));
    for (int i = 0; i != 10; ++i) ASSERT_TRUE(rig.hear(words({"message", "proj:a:a", std::to_string(i)})));
    EXPECT_EQ(rig.dropped_in_all(), 7u);
    EXPECT_EQ(rig.next_line(), "gap 7 more came than was received, and the buffer was full");
    EXPECT_EQ(rig.next_line(), "a=7");
    EXPECT_EQ(rig.next_line(), "a=8");
    EXPECT_EQ(rig.next_line(), "a=9");
    EXPECT_EQ(rig.next_line(), "nothing");
    // A gap in the buffer outlives what is dropped around it.
    rig.lost("cut");
    rig.connected(start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"})));
    for (int i = 0; i != 5; ++i) ASSERT_TRUE(rig.hear(words({"message", "proj:a:a", std::to_string(i)})));
    EXPECT_EQ(rig.next_line(), "gap 3 more came than was received, and the buffer was full");
    EXPECT_EQ(rig.next_line(), "gap 0 cut");
    EXPECT_EQ(rig.next_line(), "a=3");
}

TEST(Subscription, BytesAreBoundedToo) {
    Rig rig(settings_with({.max_buffered_bytes = 10'000}));
    rig.add(Subscribed::channel, "a", start);
    rig.connected(start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"})));
    for (int i = 0; i != 100; ++i) ASSERT_TRUE(rig.hear(words({"message", "proj:a:a", std::string(1000, 'x')})));
    std::size_t kept = 0;
    (void)rig.next();
    while (rig.next()) ++kept;
    EXPECT_GE(kept, 8u);
    EXPECT_LE(kept, 10u);
}

TEST(Subscription, OrReadingPauses) {
    Rig rig(settings_with({.max_buffered = 2, .overflow = SubscriptionOverflow::pause}));
    rig.add(Subscribed::channel, "a", start);
    rig.connected(start);
    ASSERT_TRUE(rig.hear(words({"subscribe", "proj:a:a", ":1"}) + words({"message", "proj:a:a", "1"})));
    EXPECT_TRUE(rig.may_read());
    ASSERT_TRUE(rig.hear(words({"message", "proj:a:a", "2"}) + words({"message", "proj:a:a", "3"})));
    EXPECT_FALSE(rig.may_read());
    // An answer may lie unread behind messages: that is not the server's silence.
    EXPECT_TRUE(rig.on_time(start + 11s));
    EXPECT_TRUE(rig.on_time(start + 1min));
    EXPECT_EQ(rig.next_line(), "a=1");
    EXPECT_FALSE(rig.may_read());
    EXPECT_EQ(rig.next_line(), "a=2");
    EXPECT_TRUE(rig.may_read());
    EXPECT_EQ(rig.dropped_in_all(), 0u);
}

TEST(Subscription, UnderOnePatternGlobsAreMatchedHere) {
    Rig rig(settings_with({}, true));
    rig.add(Subscribed::pattern, "n*", start);
    rig.add(Subscribed::pattern, "*s", start);
    rig.connected(start);
    EXPECT_EQ(rig.sent(), words({"psubscribe", "proj:a:*"}, '*'));
    ASSERT_TRUE(rig.hear(words({"psubscribe", "proj:a:*", ":1"})));
    EXPECT_EQ(rig.standing(Subscribed::pattern, "n*"), Standing::confirmed);
    EXPECT_EQ(rig.standing(Subscribed::pattern, "*s"), Standing::confirmed);
    rig.add(Subscribed::pattern, "x", start);
    EXPECT_EQ(rig.standing(Subscribed::pattern, "x"), Standing::confirmed);
    EXPECT_EQ(rig.sent(), "");
    ASSERT_TRUE(rig.hear(words({"pmessage", "proj:a:*", "proj:a:news", "1"}) +
                         words({"pmessage", "proj:a:*", "proj:a:other", "2"}) +
                         words({"pmessage", "proj:a:*", "proj:a:x", "3"})));
    EXPECT_EQ(rig.next_line(), "news|*s=1");
    EXPECT_EQ(rig.next_line(), "news|n*=1");
    EXPECT_EQ(rig.next_line(), "x|x=3");
    EXPECT_EQ(rig.next_line(), "nothing");
    rig.remove(Subscribed::pattern, "n*", start);
    rig.remove(Subscribed::pattern, "*s", start);
    EXPECT_EQ(rig.sent(), "");
    rig.remove(Subscribed::pattern, "x", start);
    EXPECT_EQ(rig.sent(), words({"punsubscribe", "proj:a:*"}, '*'));
}

}  // namespace
}  // namespace redoubt::connection
