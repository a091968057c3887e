// isolation: the parsers of raw commands that need one of their own, each against what the server would make of the words.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isolation/raw_command.hpp"
#include "support/encoded.hpp"

namespace redoubt::isolation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Strings = std::vector<std::string>;

const KeyPrefix prefix{"proj:a:"};

result<RawCommand> parse(const Strings& words) {
    static Strings kept;  // the result holds views of them
    kept = words;
    const std::vector<std::string_view> views(kept.begin(), kept.end());
    return RawCommand::parse(views);
}

std::string sent(const Strings& words) {
    const auto command = parse(words);
    if (!command) return "refused: " + std::string{command.error().reason()};
    return testing::encoded(command->spec(), command->arguments(), prefix);
}

/// Why it is refused, behind `X is refused: `.
std::string why(const Strings& words) {
    const auto command = parse(words);
    if (command) return "passed";
    EXPECT_EQ(command.error().certainty, Certainty::not_sent);
    const std::string reason{command.error().reason()};
    const std::string head = std::string{command.error().operation} + " is refused: ";
    EXPECT_TRUE(reason.starts_with(head)) << reason;
    return reason.substr(std::min(head.size(), reason.size()));
}

std::string bytes(const Strings& words) { return testing::resp(words); }

TEST(ParseSort, ReadsAndWritesOwnKeysAlone) {
    EXPECT_EQ(sent({"SORT", "k"}), bytes({"SORT", "proj:a:k"}));
    EXPECT_EQ(sent({"sort", "k", "limit", "0", "-1", "desc", "alpha", "get", "#", "store", "d"}),
              bytes({"SORT", "proj:a:k", "limit", "0", "-1", "desc", "alpha", "get", "#", "store", "proj:a:d"}));
    EXPECT_EQ(sent({"SORT", "k", "STORE", "STORE"}), bytes({"SORT", "proj:a:k", "STORE", "proj:a:STORE"}));
    EXPECT_EQ(sent({"SORT", "STORE"}), bytes({"SORT", "proj:a:STORE"}));
    EXPECT_EQ(sent({"SORT_RO", "k", "GET", "#", "GET", "#", "ASC"}),
              bytes({"SORT_RO", "proj:a:k", "GET", "#", "GET", "#", "ASC"}));
}

TEST(ParseSort, ByWithoutAStarBecomesNosort) {
    for (const std::string by : {"nosort", "x", "", "proj:b:k", "STORE", "->f"}) {
        EXPECT_EQ(sent({"SORT", "k", "BY", by}), bytes({"SORT", "proj:a:k", "BY", "nosort"})) << by;
    }
}

TEST(ParseSort, RefusesPatternsAndDuplicates) {
    EXPECT_EQ(why({"SORT", "k", "BY", "w*"}), "a BY with `*` reads other keys; BY nosort is allowed");
    EXPECT_EQ(why({"SORT", "k", "BY", std::string{"x\0*", 3}}), why({"SORT", "k", "BY", "w*"}));
    EXPECT_EQ(why({"SORT_RO", "k", "GET", "*"}), "a GET with a pattern reads other keys; GET # is allowed");
    EXPECT_EQ(why({"SORT", "k", "GET", "x"}), why({"SORT", "k", "GET", "*"}));
    EXPECT_EQ(why({"SORT", "k", "GET", "#->f"}), why({"SORT", "k", "GET", "*"}));
    EXPECT_EQ(why({"SORT", "k", "STORE", "a", "sTore", "b"}), "it takes STORE at most once");
    EXPECT_EQ(why({"SORT", "k", "BY", "nosort", "BY", "nosort"}), "it takes BY at most once");
}

TEST(ParseSort, RefusesWhatItCannotPlace) {
    const std::string grammar = "after its key it takes BY, LIMIT, GET, ASC, DESC, ALPHA and STORE";
    for (const Strings& words : std::vector<Strings>{{"SORT", "k", "STORE"},
                                                     {"SORT", "k", "LIMIT", "1"},
                                                     {"SORT", "k", "GET"},
                                                     {"SORT", "k", "BY"},
                                                     {"SORT", "k", ""},
                                                     {"SORT", "k", "STORE ", "d"},
                                                     {"SORT", "k", std::string{"STORE\0", 6}, "d"},
                                                     {"SORT", "k", "LIMIT", "STORE"}}) {
        EXPECT_EQ(why(words), grammar) << words.back();
    }
    EXPECT_EQ(why({"SORT_RO", "k", "STORE", "d"}), "after its key it takes BY, LIMIT, GET, ASC, DESC and ALPHA");
    for (const std::string number : {"", "STORE", "+1", "01", " 1", "1 ", "-0", "1.0", "0x1", "9223372036854775808",
                                     "-9223372036854775809", "99999999999999999999"}) {
        EXPECT_EQ(why({"SORT", "k", "LIMIT", number, "1"}), "its LIMIT takes two whole numbers") << number;
        EXPECT_EQ(why({"SORT", "k", "LIMIT", "0", number}), "its LIMIT takes two whole numbers") << number;
    }
    EXPECT_NE(sent({"SORT", "k", "LIMIT", "-9223372036854775808", "9223372036854775807"}).find("LIMIT"),
              std::string::npos);
}

TEST(ParseGeoradius, StoresAtOneOwnKey) {
    EXPECT_EQ(sent({"GEORADIUS", "k", "1", "2", "3", "m"}), bytes({"GEORADIUS", "proj:a:k", "1", "2", "3", "m"}));
    EXPECT_EQ(sent({"georadius", "k", "1", "2", "3", "m", "withdist", "count", "1", "any", "asc", "storedist", "d"}),
              bytes({"GEORADIUS", "proj:a:k", "1", "2", "3", "m", "withdist", "count", "1", "any", "asc", "storedist",
                     "proj:a:d"}));
    EXPECT_EQ(sent({"GEORADIUSBYMEMBER", "k", "STORE", "3", "m", "STORE", "STORE"}),
              bytes({"GEORADIUSBYMEMBER", "proj:a:k", "STORE", "3", "m", "STORE", "proj:a:STORE"}));
    EXPECT_EQ(sent({"GEORADIUS", "k", "STORE", "STORE", "STORE", "m"}),
              bytes({"GEORADIUS", "proj:a:k", "STORE", "STORE", "STORE", "m"}));
}

TEST(ParseGeoradius, RefusesASecondDestinationAndWhatItCannotPlace) {
    const std::string once = "it takes one of STORE and STOREDIST, and that once";
    for (const std::string first : {"STORE", "StoreDist"}) {
        for (const std::string second : {"store", "STOREDIST"}) {
            EXPECT_EQ(why({"GEORADIUS", "k", "1", "2", "3", "m", first, "mine", second, "theirs"}), once);
            EXPECT_EQ(why({"GEORADIUSBYMEMBER", "k", "x", "3", "m", first, "mine", second, "theirs"}), once);
        }
    }
    EXPECT_EQ(why({"GEORADIUS", "k", "1", "2", "3", "m", "COUNT", "STORE", "STORE", "d"}),
              "its COUNT takes a whole number");
    const std::string grammar =
        "its options are WITHCOORD, WITHDIST, WITHHASH, COUNT with ANY, ASC, DESC, STORE and STOREDIST";
    for (const std::string word : {"STORE", "COUNT", "", "store ", "FROMMEMBER", "x"}) {
        EXPECT_EQ(why({"GEORADIUS", "k", "1", "2", "3", "m", word}), grammar) << word;
    }
}

TEST(ParseStreams, KeysFollowTheOptions) {
    EXPECT_EQ(sent({"XREAD", "STREAMS", "s", "0"}), bytes({"XREAD", "STREAMS", "proj:a:s", "0"}));
    EXPECT_EQ(sent({"xread", "count", "2", "streams", "s", "t", "0", "$"}),
              bytes({"XREAD", "count", "2", "streams", "proj:a:s", "proj:a:t", "0", "$"}));
    EXPECT_EQ(sent({"XREAD", "STREAMS", "STREAMS", "STREAMS"}),
              bytes({"XREAD", "STREAMS", "proj:a:STREAMS", "STREAMS"}));
    EXPECT_EQ(sent({"XREADGROUP", "GROUP", "STREAMS", "STREAMS", "NOACK", "STREAMS", "s", ">"}),
              bytes({"XREADGROUP", "GROUP", "STREAMS", "STREAMS", "NOACK", "STREAMS", "proj:a:s", ">"}));
}

TEST(ParseStreams, RefusesWhatItCannotPlace) {
    const std::string grammar = "before STREAMS it takes COUNT and BLOCK, each with a number and at most once";
    EXPECT_EQ(why({"XREAD", "COUNT", "1", "COUNT", "1", "STREAMS", "s", "0"}), grammar);
    EXPECT_EQ(why({"XREAD", "BLOCK", "1", "BLOCK", "0", "STREAMS", "s", "0"}), grammar);
    EXPECT_EQ(why({"XREAD", "GROUP", "g", "c", "STREAMS", "s", "0"}), grammar);
    EXPECT_EQ(why({"XREAD", "NOACK", "STREAMS", "s", "0"}), grammar);
    EXPECT_EQ(why({"XREAD", "COUNT", "1", "x"}), grammar);
    EXPECT_EQ(why({"XREAD", "COUNT", "STREAMS", "STREAMS", "s", "0"}), "its COUNT takes a whole number");
    EXPECT_EQ(why({"XREAD", "STREAMS", "s", "t", "0"}), "after STREAMS it takes as many keys as ids");
    EXPECT_EQ(why({"XREAD", "COUNT", "1", "STREAMS"}), "after STREAMS it takes as many keys as ids");
    EXPECT_EQ(why({"XREADGROUP", "COUNT", "1", "GROUP", "g", "c", "STREAMS", "s", ">"}),
              "it begins with GROUP, a group and a consumer");
    EXPECT_EQ(why({"XREADGROUP", "GROUP", "g", "c", "GROUP", "g", "c", "STREAMS", "s", ">"}),
              "before STREAMS it takes GROUP, a group and a consumer, then COUNT, BLOCK and NOACK, each at most once");
    for (const std::string block : {"-1", "+1", "", "01", "1.5", "STREAMS", "31536000001", "9223372036854775807"}) {
        EXPECT_EQ(why({"XREAD", "BLOCK", block, "STREAMS", "s", "0"}),
                  "its BLOCK takes a plain number of milliseconds, of at most a year")
            << block;
    }
}

TEST(BlockTime, IsReadAsTheServerReadsIt) {
    const auto wait = [](const Strings& words) { return parse(words).value().block_time(); };
    EXPECT_EQ(wait({"LPOP", "k"}), Duration::zero());
    EXPECT_EQ(wait({"XREAD", "STREAMS", "s", "0"}), Duration::zero());
    EXPECT_EQ(wait({"XREAD", "BLOCK", "250", "STREAMS", "s", "0"}), milliseconds(250));
    EXPECT_EQ(wait({"XREAD", "BLOCK", "0", "STREAMS", "s", "0"}), CommandView::forever);
    EXPECT_EQ(wait({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "7", "STREAMS", "s", ">"}), milliseconds(7));
    EXPECT_EQ(wait({"BLPOP", "k", "l", "1"}), milliseconds(1000));
    EXPECT_EQ(wait({"BRPOP", "k", "0.25"}), milliseconds(250));
    EXPECT_EQ(wait({"BLPOP", "k", "0"}), CommandView::forever);
    EXPECT_EQ(wait({"BLPOP", "k", "0.000"}), CommandView::forever);
    EXPECT_EQ(wait({"BLPOP", "k", "0.0001"}), milliseconds(1));
    EXPECT_EQ(wait({"BLPOP", "k", "2.0500001"}), milliseconds(2051));
    EXPECT_EQ(wait({"BLPOP", "k", "31536000"}), hours(24 * 365));
    EXPECT_EQ(wait({"BLMOVE", "k", "l", "LEFT", "RIGHT", "3"}), milliseconds(3000));
    EXPECT_EQ(wait({"BRPOPLPUSH", "k", "l", "3"}), milliseconds(3000));
    EXPECT_EQ(wait({"BZPOPMIN", "k", "3"}), milliseconds(3000));
    EXPECT_EQ(wait({"BLMPOP", "0.5", "2", "k", "l", "LEFT", "COUNT", "9"}), milliseconds(500));
    EXPECT_EQ(wait({"BZMPOP", "4", "1", "k", "MIN"}), milliseconds(4000));
    for (const std::string time : {"", "-1", "+1", "1e3", "inf", "nan", "0x1", ".5", "1.", "1,5", " 1", "1 ", "1.5.5",
                                   "31536001", "99999999999999999999"}) {
        const std::string reason =
            "its time-out must be a plain number of seconds, such as 1 or 0.25, of at most a year";
        EXPECT_EQ(why({"BLPOP", "k", time}), reason) << time;
        EXPECT_EQ(why({"BZMPOP", time, "1", "k", "MIN"}), reason) << time;
    }
    EXPECT_EQ(why({"BLMPOP", "1", "3", "k", "LEFT"}),
              "its number of keys must be a plain number from 1 to 99999, followed by as many keys");
}

TEST(ParseKeys, OfBlockingCommandsGetThePrefix) {
    EXPECT_EQ(sent({"BLPOP", "k", "l", "1"}), bytes({"BLPOP", "proj:a:k", "proj:a:l", "1"}));
    EXPECT_EQ(sent({"BLMPOP", "1", "2", "k", "l", "LEFT"}),
              bytes({"BLMPOP", "1", "2", "proj:a:k", "proj:a:l", "LEFT"}));
    EXPECT_EQ(sent({"BLMOVE", "k", "l", "LEFT", "LEFT", "1"}),
              bytes({"BLMOVE", "proj:a:k", "proj:a:l", "LEFT", "LEFT", "1"}));
}

TEST(ParseChannels, ChannelsAndPatternsGetThePrefix) {
    EXPECT_EQ(sent({"PUBLISH", "c", "c"}), bytes({"PUBLISH", "proj:a:c", "c"}));
    EXPECT_EQ(sent({"SPUBLISH", "proj:b:c", ""}), bytes({"SPUBLISH", "proj:a:proj:b:c", ""}));
    EXPECT_EQ(sent({"PUBSUB", "CHANNELS"}), bytes({"PUBSUB", "CHANNELS", "proj:a:*"}));
    EXPECT_EQ(sent({"PUBSUB", "channels", "n?"}), bytes({"PUBSUB", "CHANNELS", "proj:a:n?"}));
    EXPECT_EQ(sent({"PUBSUB", "SHARDCHANNELS", "proj:b:*"}), bytes({"PUBSUB", "SHARDCHANNELS", "proj:a:proj:b:*"}));
    EXPECT_EQ(sent({"PUBSUB", "NUMSUB", "c", "d"}), bytes({"PUBSUB", "NUMSUB", "proj:a:c", "proj:a:d"}));
    EXPECT_EQ(sent({"PUBSUB", "SHARDNUMSUB", "c"}), bytes({"PUBSUB", "SHARDNUMSUB", "proj:a:c"}));
    EXPECT_EQ(why({"PUBSUB", "NUMSUB"}), "it needs a channel");
    EXPECT_EQ(why({"PUBSUB", "CHANNELS", "a", "b"}), "it takes one pattern at most");
    EXPECT_EQ(sent({"CLUSTER", "KEYSLOT", "k"}), bytes({"CLUSTER", "KEYSLOT", "proj:a:k"}));
}

TEST(Rules, EachHasANameOfItsOwnAndHoldsUnlessATestSaysOtherwise) {
    const Rules all;
    EXPECT_TRUE(all.all_hold());
    for (std::size_t i = 0; i < rule_names.size(); ++i) {
        const auto rule = static_cast<Rule>(i);
        EXPECT_TRUE(all.holds(rule)) << rule_names[i];
        const Rules fewer = all.without(rule);
        for (std::size_t j = 0; j < rule_names.size(); ++j) EXPECT_EQ(fewer.holds(static_cast<Rule>(j)), i != j);
    }
}

}  // namespace
}  // namespace redoubt::isolation
