// isolation: raw commands: what passes and how it is sent, what is refused and why, and keys in replies.
#include "isolation/raw_command.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/encoded.hpp"

namespace redoubt::isolation {
namespace {

const KeyPrefix prefix{"proj:a:"};
using Words = std::vector<std::string>;

result<RawCommand> parse(const Words& words) {
    // Views of the caller's words: kept here until the next call, so that the result can be encoded.
    static Words kept;
    kept = words;
    const std::vector<std::string_view> views(kept.begin(), kept.end());
    return RawCommand::parse(views);
}

std::string sent(const Words& words) {
    const auto command = parse(words);
    if (!command) return "refused: " + std::string{command.error().reason()};
    return testing::encoded(command->spec(), command->arguments(), prefix);
}

std::string refused(const Words& words) {
    const auto command = parse(words);
    if (command) return "passed";
    EXPECT_EQ(command.error().kind, ErrorKind::isolation);
    EXPECT_EQ(command.error().certainty, Certainty::not_sent);
    EXPECT_EQ(command.error().stage, Stage::admission);
    return std::string{command.error().reason()};
}

std::string bytes(const Words& words) { return testing::resp(words); }

bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

TEST(RawCommand, KeysAtFixedPositionsGetThePrefix) {
    EXPECT_EQ(sent({"HSET", "h", "f", "1"}), bytes({"HSET", "proj:a:h", "f", "1"}));
    EXPECT_EQ(sent({"hset", "h", "h", "h"}), bytes({"HSET", "proj:a:h", "h", "h"}));
    EXPECT_EQ(sent({"DEL", "a", "b", "c"}), bytes({"DEL", "proj:a:a", "proj:a:b", "proj:a:c"}));
    EXPECT_EQ(sent({"MSET", "a", "1", "b", "2"}), bytes({"MSET", "proj:a:a", "1", "proj:a:b", "2"}));
    EXPECT_EQ(sent({"MSET", "a", "1", "b"}), bytes({"MSET", "proj:a:a", "1", "proj:a:b"}));
    EXPECT_EQ(sent({"BITOP", "AND", "d", "a", "b"}), bytes({"BITOP", "AND", "proj:a:d", "proj:a:a", "proj:a:b"}));
    EXPECT_EQ(sent({"LCS", "a", "b", "LEN"}), bytes({"LCS", "proj:a:a", "proj:a:b", "LEN"}));
    EXPECT_EQ(sent({"object", "Encoding", "k"}), bytes({"OBJECT", "ENCODING", "proj:a:k"}));
    EXPECT_EQ(sent({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"}),
              bytes({"XGROUP", "CREATE", "proj:a:s", "g", "$", "MKSTREAM"}));
    EXPECT_EQ(sent({"PFMERGE", "d", "s"}), bytes({"PFMERGE", "proj:a:d", "proj:a:s"}));
    EXPECT_EQ(sent({"COPY", "a", "b", "replace"}), bytes({"COPY", "proj:a:a", "proj:a:b", "replace"}));
    EXPECT_EQ(sent({"RENAME", "a", "proj:b:x"}), bytes({"RENAME", "proj:a:a", "proj:a:proj:b:x"}));
}

TEST(RawCommand, APrefixThatTheCallerWritesIsPartOfTheKey) {
    EXPECT_EQ(sent({"GET", "proj:other:k"}), bytes({"GET", "proj:a:proj:other:k"}));
    EXPECT_EQ(sent({"GET", "proj:a:k"}), bytes({"GET", "proj:a:proj:a:k"}));
    EXPECT_EQ(sent({"GET", ""}), bytes({"GET", "proj:a:"}));
    EXPECT_EQ(sent({"GET", std::string{"\0\r\n*", 4}}), bytes({"GET", std::string{"proj:a:\0\r\n*", 11}}));
}

TEST(RawCommand, CountedKeysGetThePrefix) {
    EXPECT_EQ(sent({"SINTERCARD", "2", "a", "b", "LIMIT", "3"}),
              bytes({"SINTERCARD", "2", "proj:a:a", "proj:a:b", "LIMIT", "3"}));
    EXPECT_EQ(sent({"ZUNIONSTORE", "d", "2", "a", "b", "WEIGHTS", "1", "2"}),
              bytes({"ZUNIONSTORE", "proj:a:d", "2", "proj:a:a", "proj:a:b", "WEIGHTS", "1", "2"}));
    EXPECT_EQ(sent({"LMPOP", "1", "a", "LEFT"}), bytes({"LMPOP", "1", "proj:a:a", "LEFT"}));
    EXPECT_EQ(sent({"ZDIFF", "1", "a"}), bytes({"ZDIFF", "1", "proj:a:a"}));
}

TEST(RawCommand, CountsThatCanBeReadInTwoWaysAreRefused) {
    for (const std::string count :
         {"-1", "0", "00", "+1", "01", "1 ", " 1", "1.0", "0x1", "1e0", "", "one", "9223372036854775808",
          "18446744073709551617", "100000", "4294967297", "99999999999999999999999999", "3", "99999"}) {
        EXPECT_TRUE(holds(refused({"ZDIFF", count, "a", "b"}), "its number of keys must be a plain number")) << count;
        EXPECT_TRUE(holds(refused({"ZUNIONSTORE", "d", count, "a", "b"}), "its number of keys")) << count;
    }
    EXPECT_TRUE(holds(refused({"ZDIFF", std::string{"1\0", 2}, "a"}), "its number of keys"));
    EXPECT_EQ(sent({"ZDIFF", "2", "a", "b"}), bytes({"ZDIFF", "2", "proj:a:a", "proj:a:b"}));
}

TEST(RawCommand, KeylessOnesAreSentAsTheyAre) {
    EXPECT_EQ(sent({"PING"}), bytes({"PING"}));
    EXPECT_EQ(sent({"ECHO", "proj:b:k"}), bytes({"ECHO", "proj:b:k"}));
    EXPECT_EQ(sent({"COMMAND", "DOCS", "GET"}), bytes({"COMMAND", "DOCS", "GET"}));
    EXPECT_EQ(sent({"TIME"}), bytes({"TIME"}));
}

TEST(RawCommand, RefusalsNameTheCommandAndWhatToUse) {
    EXPECT_EQ(refused({"keys", "*"}), "KEYS is refused: lists the keys of every project; use scan()");
    EXPECT_EQ(refused({"FLUSHALL"}), "FLUSHALL is refused: erases every project; delete by scan() and UNLINK");
    EXPECT_TRUE(holds(refused({"AUTH", "secret-password"}), "AUTH is refused: only Redoubt itself sends it"));
    EXPECT_TRUE(holds(refused({"MULTI"}), "use transaction()"));
    EXPECT_TRUE(holds(refused({"EVAL", "return 1", "0"}), "EVAL is refused: a script can reach"));
    EXPECT_TRUE(holds(refused({"SUBSCRIBE", "c"}), "only through a subscriber"));
    EXPECT_TRUE(holds(refused({"WAIT", "1", "10"}), "which other calls share"));
    EXPECT_TRUE(holds(refused({"FCALL", "f", "0"}), "shared by the whole server"));
    EXPECT_TRUE(holds(refused({"PUBSUB", "NUMPAT"}), "counts the patterns of every project"));
    EXPECT_EQ(parse({"keys", "*"}).error().operation, "KEYS");
}

TEST(RawCommand, WhateverThePolicyDoesNotAllowIsRefused) {
    std::size_t passed = 0;
    for (const CommandSpec& spec : command_table()) {
        Words words;
        const std::size_t space = spec.name.find(' ');
        words.emplace_back(spec.name.substr(0, space));
        if (space != std::string_view::npos) words.emplace_back(spec.name.substr(space + 1));
        // A count of one wherever a count may stand; enough words for any arity.
        const auto wanted = static_cast<std::size_t>(std::abs(spec.arity));
        while (words.size() < wanted) words.emplace_back("1");
        if (spec.policy == Policy::numkeys) words.resize(std::max<std::size_t>(words.size(), 5), "1");
        if (spec.name == "PFMERGE" || spec.name.ends_with("NUMSUB")) words.emplace_back("1");
        if (spec.name == "XREAD") words = {"XREAD", "STREAMS", "1", "1"};
        if (spec.name == "XREADGROUP") words = {"XREADGROUP", "GROUP", "1", "1", "STREAMS", "1", "1"};
        const bool open = spec.policy < Policy::typed_only;
        const std::string reason = refused(words);
        EXPECT_EQ(reason == "passed", open) << spec.name << ": " << reason;
        if (!open) {
            EXPECT_TRUE(holds(reason, std::string{spec.name} + " is refused: ")) << reason;
        }
        passed += open ? 1 : 0;
    }
    EXPECT_EQ(passed, 199U);  // 160 with fixed keys, 12 with counted ones, 14 special, 13 without
}

TEST(RawCommand, BareContainersAndUnknownSubcommands) {
    EXPECT_EQ(refused({"OBJECT"}),
              "OBJECT is refused: it needs a subcommand; allowed: ENCODING, FREQ, HELP, IDLETIME, REFCOUNT");
    EXPECT_EQ(refused({"CONFIG"}),
              "CONFIG is refused: it needs a subcommand; none of its subcommands is open to a project");
    EXPECT_EQ(refused({"OBJECT", "my-secret", "k"}),
              "OBJECT is refused: its subcommand is not in the command table; allowed: ENCODING, FREQ, HELP, "
              "IDLETIME, REFCOUNT");
    EXPECT_TRUE(holds(refused({"OBJECT", "", "k"}), "OBJECT is refused"));
    EXPECT_TRUE(holds(refused({"OBJECT", std::string{"ENCODING\0", 9}, "k"}), "its subcommand is not"));
    EXPECT_TRUE(holds(refused({"OBJECT", "ENCODING ", "k"}), "its subcommand is not"));
    EXPECT_TRUE(holds(refused({"COMMAND", "GETKEYZ"}), "its subcommand is not"));
    EXPECT_TRUE(holds(refused({"COMMAND", ""}), "its subcommand is not"));
}

TEST(RawCommand, NamesThatAreNoNames) {
    EXPECT_EQ(refused({}), "a command needs a name");
    for (const std::string& name :
         {std::string{"GET "}, std::string{" GET"}, std::string{"GET\r\nFLUSHALL"}, std::string{"GET\0", 4},
          std::string{""}, std::string{"OBJECT ENCODING"}, std::string{"G\xC3\x89T"}}) {
        EXPECT_EQ(refused({name, "k"}),
                  "A command is refused: its name must be of the bytes 0x21 to 0x7E, without spaces; a subcommand is a "
                  "word of its own");
    }
    EXPECT_EQ(refused({"JSON.SET", "k"}),
              "JSON.SET is refused: it is not in the command table, and what is not known cannot be confined");
    EXPECT_EQ(refused({std::string(1000, 'x'), "k"}).substr(0, 77), std::string(64, 'x') + " is refused: ");
}

TEST(RawCommand, ArgumentsAreNeverInTheMessage) {
    for (const Words& words : std::vector<Words>{{"GET", "SECRET1", "SECRET2"},
                                                 {"SET", "SECRET"},
                                                 {"AUTH", "SECRET"},
                                                 {"NOSUCH", "SECRET"},
                                                 {"CONFIG", "SECRET", "SECRET"},
                                                 {"ZDIFF", "SECRET", "SECRET"},
                                                 {"SCAN", "SECRET"},
                                                 {"SCAN", "0", "SECRET", "SECRET"},
                                                 {"SCAN", "0", "COUNT", "SECRET"},
                                                 {"COPY", "SECRET", "SECRET", "DB", "SECRET"}}) {
        const auto command = parse(words);
        ASSERT_FALSE(command) << words[0];
        EXPECT_FALSE(holds(command.error().message(), "SECRET")) << command.error().message();
    }
}

TEST(RawCommand, ArityIsChecked) {
    EXPECT_EQ(refused({"GET"}), "GET is refused: it takes exactly 1 argument after its name, not 0");
    EXPECT_EQ(refused({"GET", "a", "b"}), "GET is refused: it takes exactly 1 argument after its name, not 2");
    EXPECT_EQ(refused({"SET", "a"}), "SET is refused: it takes at least 2 arguments after its name, not 1");
    EXPECT_EQ(refused({"DEL"}), "DEL is refused: it takes at least 1 argument after its name, not 0");
    EXPECT_EQ(refused({"OBJECT", "FREQ"}), "OBJECT FREQ is refused: it takes exactly 1 argument after its name, not 0");
}

TEST(RawCommand, RulesOfSingleCommands) {
    EXPECT_TRUE(holds(refused({"COPY", "a", "b", "DB", "1"}), "leaves the database"));
    EXPECT_TRUE(holds(refused({"COPY", "a", "b", "REPLACE", "dB", "1"}), "leaves the database"));
    EXPECT_EQ(sent({"COPY", "DB", "db"}), bytes({"COPY", "proj:a:DB", "proj:a:db"}));
    EXPECT_TRUE(holds(refused({"PFMERGE", "d"}), "at least one source"));
}

TEST(RawCommand, ScanAlwaysMatchesThePrefix) {
    EXPECT_EQ(sent({"SCAN", "0"}), bytes({"SCAN", "0", "MATCH", "proj:a:*"}));
    EXPECT_EQ(sent({"scan", "17", "match", "u:*", "count", "50", "type", "hash"}),
              bytes({"SCAN", "17", "MATCH", "proj:a:u:*", "COUNT", "50", "TYPE", "hash"}));
    EXPECT_EQ(sent({"SCAN", "0", "TYPE", "string", "MATCH", "proj:b:*"}),
              bytes({"SCAN", "0", "MATCH", "proj:a:proj:b:*", "TYPE", "string"}));
    EXPECT_EQ(sent({"SCAN", "0", "COUNT", "10000"}), bytes({"SCAN", "0", "MATCH", "proj:a:*", "COUNT", "10000"}));
    for (const std::string count : {"10001", "99999999", "9223372036854775807"}) {
        EXPECT_EQ(sent({"SCAN", "0", "COUNT", count}), bytes({"SCAN", "0", "MATCH", "proj:a:*", "COUNT", "10000"}));
    }
    for (const std::string count : {"0", "-1", "+5", "05", "", "99999999999999999999"}) {
        EXPECT_TRUE(holds(refused({"SCAN", "0", "COUNT", count}), "its COUNT must be")) << count;
    }
    for (const Words& words : std::vector<Words>{{"SCAN", "0", "MATCH", "a", "MATCH", "*"},
                                                 {"SCAN", "0", "MATCH", "a", "match", "*"},
                                                 {"SCAN", "0", "COUNT", "1", "COUNT", "2"},
                                                 {"SCAN", "0", "MATCH"},
                                                 {"SCAN", "0", "NOVALUES"},
                                                 {"SCAN", "0", "SLOT", "1"}}) {
        EXPECT_TRUE(holds(refused(words), "MATCH, COUNT and TYPE")) << words.back();
    }
    for (const std::string cursor : {"", "-1", "x", "0 ", "123456789012345678901"}) {
        EXPECT_TRUE(holds(refused({"SCAN", cursor}), "its cursor")) << cursor;
    }
    EXPECT_EQ(parse({"SCAN", "0"})->spec().reply, ReplyRule::scan_page);
}

TEST(RawCommand, RetryIsRefinedByTheArguments) {
    const auto retry = [](const Words& words) { return parse(words)->retry(); };
    EXPECT_EQ(retry({"SET", "k", "v"}), RetryCategory::idempotent);
    EXPECT_EQ(retry({"SET", "k", "v", "ex", "10"}), RetryCategory::idempotent);
    for (const std::string option : {"NX", "xx", "GET", "KEEPTTL", "IFEQ", "SOMETHING"}) {
        EXPECT_EQ(retry({"SET", "k", "v", option}), RetryCategory::conditional) << option;
    }
    EXPECT_EQ(retry({"GETEX", "k"}), RetryCategory::read_only);
    EXPECT_EQ(retry({"GETEX", "k", "EX", "5"}), RetryCategory::idempotent);
    EXPECT_EQ(retry({"GETEX", "k", "EXAT", "5"}), RetryCategory::conditional);
    EXPECT_EQ(retry({"ZADD", "z", "1", "m"}), RetryCategory::idempotent);
    EXPECT_EQ(retry({"ZADD", "z", "GT", "1", "m"}), RetryCategory::conditional);
    EXPECT_EQ(retry({"ZADD", "z", "incr", "1", "m"}), RetryCategory::accumulating);
    EXPECT_EQ(retry({"GEOADD", "g", "NX", "1", "1", "m"}), RetryCategory::conditional);
    EXPECT_EQ(retry({"EXPIRE", "k", "5"}), RetryCategory::idempotent);
    EXPECT_EQ(retry({"EXPIRE", "k", "5", "NX"}), RetryCategory::conditional);
    EXPECT_EQ(retry({"GET", "k"}), RetryCategory::read_only);
    EXPECT_EQ(retry({"INCR", "k"}), RetryCategory::accumulating);
    EXPECT_EQ(retry({"BITFIELD", "k", "GET", "u8", "0"}), RetryCategory::read_only);
    EXPECT_EQ(retry({"BITFIELD", "k", "SET", "u8", "0", "1"}), RetryCategory::conditional);
    EXPECT_EQ(retry({"BITFIELD", "k", "GET", "u8", "0", "incrby", "u8", "0", "1"}), RetryCategory::accumulating);
    EXPECT_EQ(retry({"SORT", "k", "GET", "#"}), RetryCategory::read_only);
    EXPECT_EQ(retry({"SORT", "k", "STORE", "d"}), RetryCategory::conditional);
    EXPECT_EQ(retry({"GEORADIUS", "k", "0", "0", "1", "m"}), RetryCategory::read_only);
    EXPECT_EQ(retry({"GEORADIUS", "k", "0", "0", "1", "m", "STOREDIST", "d"}), RetryCategory::conditional);
    EXPECT_EQ(retry({"XREAD", "STREAMS", "s", "0"}), RetryCategory::read_only);
    EXPECT_EQ(retry({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"}), RetryCategory::accumulating);
}

// --- replies

struct Read {
    ReadOutcome outcome;
    Value value;
    std::size_t dropped = 0;
};

Read read(std::string_view frame, ReplyRule rule) {
    ReplyCursor cursor{frame};
    Read result;
    result.outcome = read_raw_reply(cursor, prefix, rule, result.value, &result.dropped);
    return result;
}

TEST(RawReply, ScanPagesLoseForeignKeysAndThePrefix) {
    const Read page =
        read("*2\r\n$2\r\n17\r\n*3\r\n$8\r\nproj:a:x\r\n$8\r\nproj:b:y\r\n$10\r\nproj:a:abc\r\n", ReplyRule::scan_page);
    ASSERT_TRUE(page.outcome);
    EXPECT_EQ(page.dropped, 1U);
    EXPECT_EQ(page.value.elements[0].text, "17");
    ASSERT_EQ(page.value.elements[1].elements.size(), 2U);
    EXPECT_EQ(page.value.elements[1].elements[0].text, "x");
    EXPECT_EQ(page.value.elements[1].elements[1].text, "abc");
    EXPECT_EQ(read("*1\r\n$1\r\n0\r\n", ReplyRule::scan_page).outcome.status(), ReadOutcome::Status::mismatch);
    EXPECT_EQ(read(":1\r\n", ReplyRule::scan_page).outcome.status(), ReadOutcome::Status::mismatch);
}

TEST(RawReply, TheFirstElementLosesThePrefix) {
    const Read popped = read("*2\r\n$8\r\nproj:a:x\r\n*1\r\n$8\r\nproj:a:v\r\n", ReplyRule::first_element);
    ASSERT_TRUE(popped.outcome);
    EXPECT_EQ(popped.value.elements[0].text, "x");
    EXPECT_EQ(popped.value.elements[1].elements[0].text, "proj:a:v");  // a value stays as it is
    EXPECT_EQ(read("*2\r\n$8\r\nproj:b:x\r\n$1\r\nv\r\n", ReplyRule::first_element).outcome.status(),
              ReadOutcome::Status::foreign_key);
    EXPECT_EQ(read("*2\r\n:1\r\n$1\r\nv\r\n", ReplyRule::first_element).outcome.status(),
              ReadOutcome::Status::foreign_key);
    EXPECT_TRUE(read("*-1\r\n", ReplyRule::first_element).outcome);
    EXPECT_TRUE(read("_\r\n", ReplyRule::first_element).value.is_null());
    EXPECT_EQ(read("*0\r\n", ReplyRule::first_element).outcome.status(), ReadOutcome::Status::mismatch);
}

TEST(RawReply, StreamsLoseThePrefixInBothProtocols) {
    const Read map = read("%1\r\n$8\r\nproj:a:s\r\n*0\r\n", ReplyRule::stream_map);
    ASSERT_TRUE(map.outcome);
    EXPECT_EQ(map.value.elements[0].text, "s");
    const Read array = read("*1\r\n*2\r\n$8\r\nproj:a:s\r\n*0\r\n", ReplyRule::stream_map);
    ASSERT_TRUE(array.outcome);
    EXPECT_EQ(array.value.elements[0].elements[0].text, "s");
    EXPECT_EQ(read("%1\r\n$8\r\nproj:b:s\r\n*0\r\n", ReplyRule::stream_map).outcome.status(),
              ReadOutcome::Status::foreign_key);
    EXPECT_EQ(read("*1\r\n*2\r\n$8\r\nproj:b:s\r\n*0\r\n", ReplyRule::stream_map).outcome.status(),
              ReadOutcome::Status::foreign_key);
    EXPECT_TRUE(read("_\r\n", ReplyRule::stream_map).outcome);
    EXPECT_EQ(read("*1\r\n:1\r\n", ReplyRule::stream_map).outcome.status(), ReadOutcome::Status::mismatch);
}

TEST(RawReply, ListsOfChannelsLoseForeignOnesAndThePrefix) {
    const Read list = read("*3\r\n$8\r\nproj:a:x\r\n$8\r\nproj:b:y\r\n:1\r\n", ReplyRule::name_list);
    ASSERT_TRUE(list.outcome);
    EXPECT_EQ(list.dropped, 2U);
    ASSERT_EQ(list.value.elements.size(), 1U);
    EXPECT_EQ(list.value.elements[0].text, "x");
    EXPECT_TRUE(read("*0\r\n", ReplyRule::name_list).outcome);
    EXPECT_EQ(read(":1\r\n", ReplyRule::name_list).outcome.status(), ReadOutcome::Status::mismatch);
}

TEST(RawReply, CountsOfChannelsLoseThePrefix) {
    for (const char* const frame : {"*2\r\n$8\r\nproj:a:x\r\n:3\r\n", "%1\r\n$8\r\nproj:a:x\r\n:3\r\n"}) {
        const Read counts = read(frame, ReplyRule::name_counts);
        ASSERT_TRUE(counts.outcome);
        EXPECT_EQ(counts.value.elements[0].text, "x");
        EXPECT_EQ(counts.value.elements[1].integer, 3);
    }
    EXPECT_EQ(read("*2\r\n$8\r\nproj:b:x\r\n:3\r\n", ReplyRule::name_counts).outcome.status(),
              ReadOutcome::Status::foreign_key);
    EXPECT_EQ(read("*1\r\n$8\r\nproj:a:x\r\n", ReplyRule::name_counts).outcome.status(), ReadOutcome::Status::mismatch);
    EXPECT_EQ(read(":1\r\n", ReplyRule::name_counts).outcome.status(), ReadOutcome::Status::mismatch);
}

TEST(RawReply, OthersAreLeftAlone) {
    const Read members = read("*1\r\n$8\r\nproj:b:x\r\n", ReplyRule::none);
    ASSERT_TRUE(members.outcome);
    EXPECT_EQ(members.value.elements[0].text, "proj:b:x");
}

}  // namespace
}  // namespace redoubt::isolation
