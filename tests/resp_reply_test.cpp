// resp: walking frames in place, and a prefix as a literal in a pattern.
#include <redoubt/resp/reply.hpp>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/resp/key_prefix.hpp>

namespace {

using redoubt::ReplyCursor;
using redoubt::ReplyNode;
using redoubt::RespType;

struct Case {
    std::string frame;
    RespType type;
    std::string_view text;
    std::int64_t integer;
    std::int64_t children;
};

TEST(resp_reply, each_type_as_a_node) {
    const std::vector<Case> cases = {
        {"+OK\r\n", RespType::simple, "OK", 0, 0},
        {"+\r\n", RespType::simple, "", 0, 0},
        {"-ERR x\r\n", RespType::error, "ERR x", 0, 0},
        {":42\r\n", RespType::integer, "42", 42, 0},
        {":-9223372036854775808\r\n", RespType::integer, "-9223372036854775808",
         std::numeric_limits<std::int64_t>::min(), 0},
        {":9223372036854775807\r\n", RespType::integer, "9223372036854775807", std::numeric_limits<std::int64_t>::max(),
         0},
        {"$5\r\na\r\nbc\r\n", RespType::bulk, "a\r\nbc", 0, 0},
        {"$0\r\n\r\n", RespType::bulk, "", 0, 0},
        {"$-1\r\n", RespType::null, "", 0, 0},
        {"*-1\r\n", RespType::null, "", 0, 0},
        {"_\r\n", RespType::null, "", 0, 0},
        {"#t\r\n", RespType::boolean, "", 1, 0},
        {"#f\r\n", RespType::boolean, "", 0, 0},
        {",3.14\r\n", RespType::real, "3.14", 0, 0},
        {"(123\r\n", RespType::big_number, "123", 0, 0},
        {"!5\r\nERR x\r\n", RespType::bulk_error, "ERR x", 0, 0},
        {"=7\r\ntxt:abc\r\n", RespType::verbatim, "abc", 0, 0},
        {"*2\r\n:1\r\n:2\r\n", RespType::array, "", 2, 2},
        {"~1\r\n:1\r\n", RespType::set, "", 1, 1},
        {">1\r\n:1\r\n", RespType::push, "", 1, 1},
        {"%1\r\n:1\r\n:2\r\n", RespType::map, "", 1, 2},
        {"|1\r\n+a\r\n*1\r\n+b\r\n|0\r\n:7\r\n", RespType::integer, "7", 7, 0},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.frame);
        ReplyCursor cursor{one.frame};
        for (const ReplyNode& node : {cursor.peek(), cursor.next()}) {
            EXPECT_EQ(node.type, one.type);
            EXPECT_EQ(node.text, one.text);
            EXPECT_EQ(node.integer, one.integer);
            EXPECT_EQ(node.children(), one.children);
        }
        EXPECT_EQ(cursor.at_end(), one.children == 0);
        ReplyCursor skipped{one.frame};
        skipped.skip();
        EXPECT_TRUE(skipped.at_end());
    }
}

TEST(resp_reply, depth_first_and_attributes_are_not_seen) {
    const std::string frame =
        "*4\r\n|1\r\n+k\r\n%1\r\n:1\r\n:2\r\n%1\r\n$1\r\na\r\n~2\r\n:1\r\n|1\r\n+x\r\n+y\r\n:2\r\n$-1\r\n*0\r\n+"
        "end\r\n";
    ReplyCursor cursor{frame};
    std::string seen;
    while (!cursor.at_end()) seen += static_cast<char>(cursor.next().type);
    EXPECT_EQ(seen, "*%$~::_*+");
}

TEST(resp_reply, skip_passes_one_element_with_everything_in_it) {
    const std::string frame =
        "*3\r\n%1\r\n+k\r\n*2\r\n:1\r\n|1\r\n+a\r\n+b\r\n:2\r\n|1\r\n+a\r\n*1\r\n+b\r\n$1\r\nx\r\n:9\r\n";
    ReplyCursor cursor{frame};
    cursor.next();
    cursor.skip();
    EXPECT_EQ(cursor.peek().text, "x");
    cursor.skip();
    EXPECT_EQ(cursor.next().integer, 9);
    EXPECT_TRUE(cursor.at_end());
}

TEST(resp_reply, past_the_end_is_null) {
    ReplyCursor cursor{"$1\r\na\r\n"};
    EXPECT_EQ(cursor.next().text, "a");
    EXPECT_TRUE(cursor.at_end());
    EXPECT_TRUE(cursor.next().is_null());
    EXPECT_TRUE(cursor.peek().is_null());
    cursor.skip();
    EXPECT_TRUE(cursor.at_end());
    EXPECT_TRUE(ReplyCursor{{}}.next().is_null());
}

TEST(resp_reply, kinds) {
    EXPECT_TRUE(ReplyCursor{"=4\r\ntxt:\r\n"}.next().is_string());
    EXPECT_TRUE(ReplyCursor{"+a\r\n"}.next().is_string());
    EXPECT_FALSE(ReplyCursor{":1\r\n"}.next().is_string());
    EXPECT_TRUE(ReplyCursor{"!1\r\na\r\n"}.next().is_error());
    EXPECT_TRUE(ReplyCursor{"-a\r\n"}.next().is_error());
    EXPECT_FALSE(ReplyCursor{"+a\r\n"}.next().is_error());
}

TEST(resp_reply, types_have_names) {
    EXPECT_EQ(redoubt::to_string(RespType::bulk), "bulk string");
    EXPECT_EQ(redoubt::to_string(RespType::array), "array");
    for (const char c : std::string_view{"+-:$*_#,(!=%~|>"}) {
        EXPECT_NE(redoubt::to_string(static_cast<RespType>(c)), "unknown type") << c;
    }
}

TEST(resp_reply, a_prefix_in_a_pattern_is_literal) {
    EXPECT_EQ(redoubt::KeyPrefix{"proj:a.b-c_d:"}.glob_escaped(), "proj:a.b-c_d:");
    EXPECT_EQ(redoubt::KeyPrefix{"a*b?c[d]e\\f^g:{h}"}.glob_escaped(), "a\\*b\\?c\\[d\\]e\\\\f\\^g:{h}");
    EXPECT_EQ(redoubt::KeyPrefix{}.glob_escaped(), "");
}

}  // namespace
