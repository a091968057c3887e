// resp: each reader on the shapes of RESP2 and RESP3, and on what it must refuse.
#include <redoubt/resp/read_reply.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace redoubt;

using Strings = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;
using Scores = std::vector<ScoredMember>;

const KeyPrefix prefix{"proj:a:"};

// The reading of one whole frame; fails the test when it is refused or leaves something over.
template <class T>
T read(std::string_view frame, T out = {}) {
    ReplyCursor cursor{frame};
    const ReadOutcome outcome = read_reply(cursor, prefix, out);
    EXPECT_TRUE(outcome) << frame << "\nexpected " << outcome.expected() << ", got " << to_string(outcome.got());
    EXPECT_TRUE(cursor.at_end()) << frame;
    return out;
}

// The refusal of a frame; the next reply on the cursor must still be readable.
template <class T>
ReadOutcome refusal(std::string_view frame) {
    const std::string two = std::string{frame} + ":77\r\n";
    ReplyCursor cursor{two};
    T out{};
    const ReadOutcome outcome = read_reply(cursor, prefix, out);
    EXPECT_EQ(outcome.status(), ReadOutcome::Status::mismatch) << frame;
    EXPECT_FALSE(outcome.expected().empty()) << frame;
    EXPECT_EQ(cursor.next().integer, 77) << "behind " << frame;
    EXPECT_TRUE(cursor.at_end()) << frame;
    return outcome;
}

template <class T>
void refuses(std::string_view expected, std::initializer_list<std::string_view> frames) {
    for (const std::string_view frame : frames) EXPECT_EQ(refusal<T>(frame).expected(), expected) << frame;
}

constexpr std::string_view err = "-ERR x\r\n";
constexpr std::string_view nil2 = "$-1\r\n";
constexpr std::string_view nil3 = "_\r\n";
constexpr std::string_view list_with_error = "*2\r\n$1\r\n1\r\n-ERR x\r\n";
constexpr std::string_view list_with_nil = "*2\r\n$1\r\n1\r\n_\r\n";

TEST(resp_read_reply, ok) {
    read<Ok>("+OK\r\n");
    read<Ok>("$2\r\nOK\r\n");
    refuses<Ok>("OK", {err, nil2, nil3, "+QUEUED\r\n", ":1\r\n", "*1\r\n+OK\r\n"});
}

TEST(resp_read_reply, strings) {
    EXPECT_EQ(read<std::string>("$3\r\na\r\n\r\n"), "a\r\n");
    EXPECT_EQ(read<std::string>("+PONG\r\n"), "PONG");
    EXPECT_EQ(read<std::string>("=7\r\ntxt:abc\r\n"), "abc");
    EXPECT_EQ(read<std::string>("|1\r\n+a\r\n+b\r\n$0\r\n\r\n", "before"), "");
    refuses<std::string>("string", {err, nil2, nil3, ":1\r\n", "*1\r\n+a\r\n", "%1\r\n+a\r\n*1\r\n+b\r\n", ",1\r\n"});
    using Maybe = std::optional<std::string>;
    EXPECT_EQ(read<Maybe>("$1\r\na\r\n"), "a");
    EXPECT_EQ(read<Maybe>(nil2, "before"), std::nullopt);
    EXPECT_EQ(read<Maybe>(nil3, "before"), std::nullopt);
    EXPECT_EQ(read<Maybe>("*-1\r\n", "before"), std::nullopt);
    refuses<Maybe>("string or nil", {err, ":1\r\n", "*0\r\n"});
}

TEST(resp_read_reply, integers) {
    EXPECT_EQ(read<std::int64_t>(":-9223372036854775808\r\n"), std::numeric_limits<std::int64_t>::min());
    refuses<std::int64_t>("integer", {err, nil2, nil3, "$1\r\n1\r\n", ",1\r\n", "#t\r\n", "*1\r\n:1\r\n"});
    using Maybe = std::optional<std::int64_t>;
    EXPECT_EQ(read<Maybe>(":3\r\n"), 3);
    EXPECT_EQ(read<Maybe>(nil2, 1), std::nullopt);
    refuses<Maybe>("integer or nil", {err, "+1\r\n"});
}

TEST(resp_read_reply, doubles) {
    EXPECT_EQ(read<double>(",3.25\r\n"), 3.25);
    EXPECT_EQ(read<double>("$4\r\n3.25\r\n"), 3.25);
    EXPECT_EQ(read<double>("+1e3\r\n"), 1000);
    EXPECT_EQ(read<double>(":7\r\n"), 7);
    EXPECT_EQ(read<double>(",+1.5\r\n"), 1.5);
    EXPECT_EQ(read<double>(",inf\r\n"), std::numeric_limits<double>::infinity());
    EXPECT_EQ(read<double>("$4\r\n-inf\r\n"), -std::numeric_limits<double>::infinity());
    EXPECT_TRUE(std::isnan(read<double>(",nan\r\n")));
    EXPECT_TRUE(std::isnan(read<double>(",-nan\r\n")));
    EXPECT_EQ(read<double>(",3.1400000000000001\r\n"), 3.14);
    refuses<double>("double", {err, nil2, nil3, "$0\r\n\r\n", "$3\r\n1.x\r\n", "$2\r\n 1\r\n", "$2\r\n+-\r\n", "*0\r\n",
                               ",1e999\r\n", "#t\r\n", "$1\r\n+\r\n", "$3\r\n+-1\r\n"});
    using Maybe = std::optional<double>;
    EXPECT_EQ(read<Maybe>("$3\r\n1.5\r\n"), 1.5);
    EXPECT_EQ(read<Maybe>(nil3, 1.0), std::nullopt);
    refuses<Maybe>("double or nil", {err, "+abc\r\n", "*0\r\n"});
}

TEST(resp_read_reply, booleans) {
    for (const std::string_view yes : {":1\r\n", "#t\r\n", "+OK\r\n"}) EXPECT_TRUE(read<bool>(yes, false)) << yes;
    for (const std::string_view no : {":0\r\n", "#f\r\n", "$-1\r\n", "_\r\n"}) EXPECT_FALSE(read<bool>(no, true)) << no;
    refuses<bool>("boolean (0, 1, true, false, OK or nil)", {err, ":2\r\n", ":-1\r\n", "+NO\r\n", "*0\r\n", ",1\r\n"});
}

TEST(resp_read_reply, lists) {
    EXPECT_EQ(read<Strings>("*2\r\n$1\r\na\r\n+b\r\n", {"before"}), (Strings{"a", "b"}));
    EXPECT_EQ(read<Strings>("~1\r\n$1\r\na\r\n"), Strings{"a"});
    EXPECT_EQ(read<Strings>("*0\r\n", {"before"}), Strings{});
    refuses<Strings>("array of strings", {err, nil2, "*-1\r\n", list_with_error, list_with_nil, "*1\r\n:1\r\n",
                                          "*2\r\n*1\r\n+a\r\n+b\r\n", "%1\r\n+a\r\n+b\r\n", "+a\r\n"});

    using Maybes = std::vector<std::optional<std::string>>;
    EXPECT_EQ(read<Maybes>("*3\r\n$1\r\na\r\n$-1\r\n_\r\n"), (Maybes{"a", std::nullopt, std::nullopt}));
    refuses<Maybes>("array of strings and nils", {err, nil2, list_with_error, "*1\r\n:1\r\n"});

    using Doubles = std::vector<std::optional<double>>;
    EXPECT_EQ(read<Doubles>("*4\r\n$3\r\n1.5\r\n,2\r\n_\r\n:3\r\n"), (Doubles{1.5, 2.0, std::nullopt, 3.0}));
    refuses<Doubles>("array of doubles and nils", {err, nil2, list_with_error, "*1\r\n+a\r\n"});

    using Integers = std::vector<std::int64_t>;
    EXPECT_EQ(read<Integers>("*2\r\n:1\r\n:-2\r\n"), (Integers{1, -2}));
    refuses<Integers>("array of integers", {err, nil2, "*1\r\n_\r\n", "*2\r\n:1\r\n-ERR x\r\n", "*1\r\n+1\r\n"});

    EXPECT_EQ(read<std::vector<bool>>("*4\r\n:1\r\n:0\r\n#t\r\n_\r\n"), (std::vector<bool>{true, false, true, false}));
    refuses<std::vector<bool>>("array of booleans", {err, nil2, "*1\r\n:2\r\n", "*2\r\n:1\r\n-ERR x\r\n"});
}

TEST(resp_read_reply, a_refusal_shows_the_element) {
    EXPECT_EQ(refusal<Strings>(list_with_error).got(), RespType::error);
    EXPECT_EQ(refusal<Strings>(list_with_nil).got(), RespType::null);
    EXPECT_EQ(refusal<Strings>("%1\r\n+a\r\n+b\r\n").got(), RespType::map);
    EXPECT_EQ(refusal<StringMap>("%1\r\n+a\r\n-ERR x\r\n").got(), RespType::error);
    EXPECT_EQ(refusal<ScanPage>("*2\r\n$1\r\n0\r\n*1\r\n-ERR x\r\n").got(), RespType::error);
}

TEST(resp_read_reply, maps_in_every_shape) {
    for (const std::string_view frame :
         {"%2\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n", "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n",
          "*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"}) {
        EXPECT_EQ(read<StringMap>(frame, {{"before", "x"}}), (StringMap{{"a", "1"}, {"b", "2"}}));
        EXPECT_EQ(read<Pairs>(frame, {{"before", "x"}}), (Pairs{{"a", "1"}, {"b", "2"}}));
    }
    for (const std::string_view frame : {"%0\r\n", "*0\r\n"}) {
        EXPECT_EQ(read<StringMap>(frame, {{"before", "x"}}), StringMap{});
        EXPECT_EQ(read<Pairs>(frame, {{"before", "x"}}), Pairs{});
    }
    EXPECT_EQ(read<Pairs>("*4\r\n+a\r\n+1\r\n+a\r\n+1\r\n"), (Pairs{{"a", "1"}, {"a", "1"}}));
    const std::initializer_list<std::string_view> bad = {err,
                                                         nil2,
                                                         "*1\r\n+a\r\n",
                                                         "*3\r\n+a\r\n+b\r\n+c\r\n",
                                                         list_with_error,
                                                         list_with_nil,
                                                         "%1\r\n+a\r\n:1\r\n",
                                                         "%1\r\n_\r\n+a\r\n",
                                                         "*2\r\n*2\r\n+a\r\n+b\r\n*1\r\n+c\r\n",
                                                         "*2\r\n*2\r\n+a\r\n+b\r\n+c\r\n",
                                                         "+a\r\n",
                                                         "*2\r\n*3\r\n+a\r\n+b\r\n+c\r\n*1\r\n+d\r\n",
                                                         "*2\r\n+a\r\n*1\r\n+b\r\n"};
    refuses<StringMap>("map of strings", bad);
    refuses<Pairs>("pairs of strings", bad);
}

TEST(resp_read_reply, scores_in_every_shape) {
    const Scores expected{{"a", 1.5}, {"b", -std::numeric_limits<double>::infinity()}};
    for (const std::string_view frame :
         {"*4\r\n$1\r\na\r\n$3\r\n1.5\r\n$1\r\nb\r\n$4\r\n-inf\r\n", "*4\r\n$1\r\na\r\n,1.5\r\n$1\r\nb\r\n,-inf\r\n",
          "*2\r\n*2\r\n$1\r\na\r\n,1.5\r\n*2\r\n$1\r\nb\r\n,-inf\r\n",
          "%2\r\n$1\r\na\r\n,1.5\r\n$1\r\nb\r\n,-inf\r\n"}) {
        EXPECT_EQ(read<Scores>(frame, {{"before", 1}}), expected);
    }
    EXPECT_EQ(read<Scores>("*0\r\n", {{"before", 1}}), Scores{});
    refuses<Scores>("members with scores", {err, nil2, "*2\r\n+a\r\n+b\r\n", "*1\r\n+a\r\n", "*2\r\n:1\r\n,1\r\n",
                                            "*1\r\n*2\r\n+a\r\n_\r\n", "*1\r\n*1\r\n+a\r\n", list_with_error});
}

TEST(resp_read_reply, scan_pages_strip_their_own_and_drop_foreign_keys) {
    const ScanPage page = read<ScanPage>(
        "*2\r\n$20\r\n18446744073709551615\r\n*4\r\n$9\r\nproj:a:k1\r\n$9\r\nproj:b:k2\r\n$2\r\nk3\r\n$7\r\nproj:a:"
        "\r\n");
    EXPECT_EQ(page.cursor, std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(page.keys, (Strings{"k1", ""}));
    EXPECT_EQ(page.foreign, 2u);

    ScanPage used;
    used.keys = {"before"};
    used.foreign = 9;
    const ScanPage last = read<ScanPage>("*2\r\n:0\r\n~0\r\n", used);
    EXPECT_EQ(last.cursor, 0u);
    EXPECT_TRUE(last.keys.empty());
    EXPECT_EQ(last.foreign, 0u);

    ReplyCursor cursor{"*2\r\n$1\r\n0\r\n*1\r\n$2\r\nk3\r\n"};
    ScanPage unprefixed;
    ASSERT_TRUE(read_reply(cursor, KeyPrefix{}, unprefixed));
    EXPECT_EQ(unprefixed.keys, Strings{"k3"});

    refuses<ScanPage>(
        "cursor and array of keys",
        {err, nil2, "*0\r\n", "*1\r\n$1\r\n0\r\n", "*3\r\n$1\r\n0\r\n*0\r\n*0\r\n", "*2\r\n$1\r\nx\r\n*0\r\n",
         "*2\r\n$2\r\n-1\r\n*0\r\n", "*2\r\n:-1\r\n*0\r\n", "*2\r\n$20\r\n18446744073709551616\r\n*0\r\n",
         "*2\r\n$0\r\n\r\n*0\r\n", "*2\r\n*0\r\n*0\r\n", "*2\r\n-0\r\n*0\r\n", "*2\r\n$1\r\n0\r\n_\r\n",
         "*2\r\n$1\r\n0\r\n*1\r\n:1\r\n", "*2\r\n$1\r\n0\r\n*2\r\n_\r\n*1\r\n+a\r\n"});
}

TEST(resp_read_reply, pages_of_the_other_scans) {
    const auto hash = read<HashScanPage>("*2\r\n$1\r\n7\r\n*2\r\n$1\r\nf\r\n$10\r\nproj:b:abc\r\n");
    EXPECT_EQ(hash.cursor, 7u);
    EXPECT_EQ(hash.fields, (Pairs{{"f", "proj:b:abc"}}));
    refuses<HashScanPage>("cursor and pairs of strings",
                          {err, "*2\r\n$1\r\n0\r\n*1\r\n+a\r\n", "*2\r\n$1\r\n0\r\n+a\r\n", "*2\r\n_\r\n*0\r\n"});

    const auto set = read<SetScanPage>("*2\r\n$1\r\n7\r\n*2\r\n$1\r\na\r\n$10\r\nproj:b:abc\r\n");
    EXPECT_EQ(set.cursor, 7u);
    EXPECT_EQ(set.members, (Strings{"a", "proj:b:abc"}));
    refuses<SetScanPage>("cursor and array of members",
                         {err, "*2\r\n$1\r\n0\r\n_\r\n", "*2\r\n$1\r\n0\r\n*1\r\n_\r\n"});

    const auto sorted = read<SortedSetScanPage>("*2\r\n$1\r\n7\r\n*2\r\n$1\r\na\r\n$3\r\n1.5\r\n");
    EXPECT_EQ(sorted.cursor, 7u);
    EXPECT_EQ(sorted.members, (Scores{{"a", 1.5}}));
    refuses<SortedSetScanPage>("cursor and members with scores", {err, "*2\r\n$1\r\n0\r\n*2\r\n+a\r\n+b\r\n"});
}

TEST(resp_read_reply, times_to_live) {
    const KeyTtl before{true, std::chrono::milliseconds{9}};
    EXPECT_EQ(read<KeyTtl>(":-2\r\n", before), (KeyTtl{false, std::nullopt}));
    EXPECT_EQ(read<KeyTtl>(":-1\r\n", before), (KeyTtl{true, std::nullopt}));
    EXPECT_EQ(read<KeyTtl>(":0\r\n"), (KeyTtl{true, std::chrono::milliseconds{0}}));
    EXPECT_EQ(read<KeyTtl>(":1500\r\n"), (KeyTtl{true, std::chrono::milliseconds{1500}}));
    refuses<KeyTtl>("milliseconds, -1 or -2", {err, nil2, ":-3\r\n", "+1\r\n"});
}

TEST(resp_read_reply, a_value_holds_anything) {
    Value used;
    used.type = RespType::real;
    used.real = 2;
    used.elements.resize(3);
    const Value value = read<Value>("*3\r\n-ERR x\r\n%1\r\n+k\r\n,2.50\r\n$-1\r\n", used);
    EXPECT_EQ(value.type, RespType::array);
    EXPECT_EQ(value.real, 0);
    ASSERT_EQ(value.elements.size(), 3u);
    EXPECT_TRUE(value.elements[0].is_error());
    EXPECT_EQ(value.elements[0].text, "ERR x");
    ASSERT_EQ(value.elements[1].elements.size(), 2u);
    EXPECT_EQ(value.elements[1].elements[1].real, 2.5);
    EXPECT_EQ(value.elements[1].elements[1].text, "2.50");
    EXPECT_TRUE(value.elements[2].is_null());
    refuses<Value>("double of 64 bits", {",1e999\r\n", "*3\r\n*1\r\n,1e999\r\n+a\r\n+b\r\n"});
}

}  // namespace
