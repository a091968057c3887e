// dispatch: a watched call in words: its commands without anything that its caller gave, and what several are called.
#include "dispatch/call_words.hpp"

#include <gtest/gtest.h>

#include "support/encoded.hpp"

namespace redoubt::dispatch {
namespace {

std::string bytes(const std::vector<std::string>& words) { return redoubt::testing::resp(words); }

TEST(RedactedText, ShowsNamesAlone) {
    EXPECT_EQ(redacted(bytes({"SET", "key", "value", "EX", "10"}), 100), "SET ? ? ? ?");
    EXPECT_EQ(redacted(bytes({"PING"}), 100), "PING");
    EXPECT_EQ(redacted(bytes({"OBJECT", "ENCODING", "key"}), 100), "OBJECT ENCODING ?");
    EXPECT_EQ(redacted(bytes({"GET", "a"}) + bytes({"DEL", "b", "c"}), 100), "GET ?; DEL ? ?");
}

TEST(RedactedText, SaysNothingOfWhatIsNotInTheTable) { EXPECT_EQ(redacted(bytes({"secret", "word"}), 100), "? ?"); }

TEST(RedactedText, IsBounded) {
    std::vector<std::string> words{"MGET"};
    words.resize(10'000, "key");
    const std::string text = redacted(bytes(words), 20);
    EXPECT_EQ(text, "MGET ? ? ? ? ? ? ...");
    EXPECT_EQ(text.size(), 20u);
    EXPECT_EQ(redacted(bytes({"GET", "a"}), 2), "..");
}

TEST(RedactedText, OfNothingIsNothing) { EXPECT_EQ(redacted({}, 100), ""); }

CallInfo described(const std::string& bytes, std::uint32_t count, bool atomic) {
    CallInfo call;
    describe_commands(call, bytes, count, atomic);
    return call;
}

TEST(DescribedCommands, HaveACommonNameOrNone) {
    const std::string get = bytes({"GET", "a"});
    const std::string set = bytes({"SET", "a", "b"});
    EXPECT_EQ(described(get, 1, false).commands, 1u);
    EXPECT_EQ(described(get, 1, false).each, "");
    EXPECT_EQ(described(get + get + get, 3, false).each, "GET");
    EXPECT_EQ(described(get + set + get, 3, false).each, "");
    EXPECT_EQ(described(get + set + get, 3, false).commands, 3u);
}

TEST(DescribedCommands, OfATransactionAreThoseInside) {
    const std::string inside = bytes({"INCR", "a"}) + bytes({"INCR", "b"});
    const CallInfo call = described(bytes({"MULTI"}) + inside + bytes({"EXEC"}), 4, true);
    EXPECT_EQ(call.commands, 2u);
    EXPECT_EQ(call.each, "INCR");
}

}  // namespace
}  // namespace redoubt::dispatch
