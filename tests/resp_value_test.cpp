// resp: values as text and as JSON. The table of texts was captured from `redis-cli -3 --no-raw` 7.0.15, fed with
// these very frames by a stand-in for a server.
#include <redoubt/resp/value.hpp>

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/resp/read_reply.hpp>

namespace {

using redoubt::RespType;
using redoubt::Value;
using namespace std::string_literals;

Value value_of(std::string_view frame) {
    redoubt::ReplyCursor cursor{frame};
    Value value;
    EXPECT_TRUE(read_reply(cursor, {}, value));
    EXPECT_TRUE(cursor.at_end());
    return value;
}

struct Golden {
    std::string frame;
    std::string text;
};

const std::vector<Golden> golden = {
    {"+OK\r\n", "OK"},
    {"+\r\n", ""},
    {"-ERR bad thing\r\n", "(error) ERR bad thing"},
    {":1\r\n", "(integer) 1"},
    {":-5\r\n", "(integer) -5"},
    {"$5\r\nhello\r\n", "\"hello\""},
    {"$0\r\n\r\n", "\"\""},
    {"$18\r\na\"b\\c\n\r\t\007\010\000\033\177\303\251'x \r\n"s,
     "\"a\\\"b\\\\c\\n\\r\\t\\a\\b\\x00\\x1b\\x7f\\xc3\\xa9'x \""},
    {"$-1\r\n", "(nil)"},
    {"*-1\r\n", "(nil)"},
    {"_\r\n", "(nil)"},
    {",3.14\r\n", "(double) 3.14"},
    {",3.1400000000000001\r\n", "(double) 3.1400000000000001"},
    {",inf\r\n", "(double) inf"},
    {",-inf\r\n", "(double) -inf"},
    {",1e+20\r\n", "(double) 1e+20"},
    {",10\r\n", "(double) 10"},
    {"#t\r\n", "(true)"},
    {"#f\r\n", "(false)"},
    {"=15\r\ntxt:Some string\r\n", "Some string"},
    {"=11\r\nmkd:# a\n\nb\001\r\n", "# a\n\nb\001"},
    {"=4\r\ntxt:\r\n", ""},
    {"*0\r\n", "(empty array)"},
    {"%0\r\n", "(empty hash)"},
    {"~0\r\n", "(empty set)"},
    {"*2\r\n$1\r\na\r\n:2\r\n", "1) \"a\"\n2) (integer) 2"},
    {"*3\r\n*2\r\n:1\r\n:2\r\n*0\r\n*1\r\n*1\r\n_\r\n",
     "1) 1) (integer) 1\n   2) (integer) 2\n2) (empty array)\n3) 1) 1) (nil)"},
    {"%1\r\n$1\r\nk\r\n$1\r\nv\r\n", "1# \"k\" => \"v\""},
    {"%2\r\n$1\r\nk\r\n*2\r\n:1\r\n:2\r\n+s\r\n%1\r\n:1\r\n#t\r\n",
     "1# \"k\" => \n   1) (integer) 1\n   2) (integer) 2\n2# s => 1# (integer) 1 => (true)"},
    {"~2\r\n$1\r\na\r\n$1\r\nb\r\n", "1~ \"a\"\n2~ \"b\""},
    {"*1\r\n-ERR in\r\n", "1) (error) ERR in"},
    {"*2\r\n%1\r\n$1\r\na\r\n~1\r\n:1\r\n=8\r\ntxt:a\nbc\r\n", "1) 1# \"a\" => 1~ (integer) 1\n2) a\nbc"},
    {"*11\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n:7\r\n*2\r\n+x\r\n+y\r\n",
     " 1) (integer) 7\n 2) (integer) 7\n 3) (integer) 7\n 4) (integer) 7\n 5) (integer) 7\n 6) (integer) 7\n 7) "
     "(integer) 7\n 8) (integer) 7\n 9) (integer) 7\n10) (integer) 7\n11) 1) x\n    2) y"},
    {"%10\r\n:7\r\n+x\r\n:7\r\n+x\r\n:7\r\n+x\r\n:7\r\n+x\r\n:7\r\n+x\r\n:7\r\n+x\r\n:7\r\n+x\r\n:7\r\n+x\r\n:7\r\n+"
     "x\r\n$1\r\nk\r\n*2\r\n+x\r\n*1\r\n+y\r\n",
     " 1# (integer) 7 => x\n 2# (integer) 7 => x\n 3# (integer) 7 => x\n 4# (integer) 7 => x\n 5# (integer) 7 => x\n "
     "6# (integer) 7 => x\n 7# (integer) 7 => x\n 8# (integer) 7 => x\n 9# (integer) 7 => x\n10# \"k\" => \n    1) x\n "
     "   2) 1) y"},
    {"%1\r\n*2\r\n:1\r\n:2\r\n$1\r\nv\r\n", "1# 1) (integer) 1\n   2) (integer) 2 => \"v\""},
    {"%1\r\n%1\r\n:1\r\n:2\r\n%0\r\n", "1# 1# (integer) 1 => (integer) 2 => (empty hash)"},
    {"*1\r\n,2.5\r\n", "1) (double) 2.5"},
    {"%1\r\n+k\r\n%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", "1# k => \n   1# a => (integer) 1\n   2# b => (integer) 2"},
    {"%1\r\n+k\r\n%1\r\n+a\r\n:1\r\n", "1# k => 1# a => (integer) 1"},
    {"%1\r\n+k\r\n~2\r\n+a\r\n:1\r\n", "1# k => \n   1~ a\n   2~ (integer) 1"},
    {"%1\r\n+k\r\n~1\r\n~2\r\n:1\r\n:2\r\n", "1# k => \n   1~ 1~ (integer) 1\n      2~ (integer) 2"},
    {"*2\r\n:0\r\n%2\r\n+k\r\n*2\r\n+a\r\n+b\r\n+l\r\n*3\r\n+x\r\n+y\r\n%1\r\n+q\r\n*2\r\n:1\r\n:2\r\n",
     "1) (integer) 0\n2) 1# k => \n      1) a\n      2) b\n   2# l => \n      1) x\n      2) y\n      3) 1# q => \n    "
     "        1) (integer) 1\n            2) (integer) 2"},
    {"*2\r\n:0\r\n%2\r\n+k\r\n*1\r\n+a\r\n+l\r\n*0\r\n", "1) (integer) 0\n2) 1# k => 1) a\n   2# l => (empty array)"},
    {"%1\r\n*2\r\n:1\r\n:2\r\n*2\r\n:1\r\n:2\r\n",
     "1# 1) (integer) 1\n   2) (integer) 2 => \n   1) (integer) 1\n   2) (integer) 2"},
    {"%1\r\n+k\r\n%1\r\n+l\r\n*2\r\n:1\r\n:2\r\n", "1# k => \n   1# l => \n      1) (integer) 1\n      2) (integer) 2"},
    {"%1\r\n+k\r\n%1\r\n*2\r\n:1\r\n:2\r\n+l\r\n", "1# k => 1# 1) (integer) 1\n      2) (integer) 2 => l"},
    {"%1\r\n+k\r\n*1\r\n*2\r\n:1\r\n:2\r\n", "1# k => \n   1) 1) (integer) 1\n      2) (integer) 2"},
    {"%1\r\n%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n+v\r\n",
     "1# 1# (integer) 1 => (integer) 2\n   2# (integer) 3 => (integer) 4 => v"},
    {"%1\r\n+k\r\n=8\r\ntxt:a\nbc\r\n", "1# k => a\nbc"},
    {"%1\r\n+k\r\n=7\r\ntxt:ab\n\r\n", "1# k => ab\n"},
    {"%1\r\n+k\r\n*1\r\n=8\r\ntxt:a\nbc\r\n", "1# k => 1) a\nbc"},
    {"%1\r\n=8\r\ntxt:a\nbc\r\n+k\r\n", "1# a\nbc => k"},
    {"%1\r\n+k\r\n-a\r\n", "1# k => (error) a"},
    {"%1\r\n+k\r\n_\r\n", "1# k => (nil)"},
};

TEST(resp_value, prints_as_redis_cli_does) {
    for (const Golden& one : golden) {
        SCOPED_TRACE(one.frame);
        EXPECT_EQ(redoubt::to_cli_text(value_of(one.frame)), one.text);
    }
}

// redis-cli 7.0 fails on these types.
TEST(resp_value, prints_what_redis_cli_cannot) {
    EXPECT_EQ(redoubt::to_cli_text(value_of("(123456789012345678901\r\n")), "(big number) 123456789012345678901");
    EXPECT_EQ(redoubt::to_cli_text(value_of("!5\r\nERR x\r\n")), "(error) ERR x");
    EXPECT_EQ(redoubt::to_cli_text(value_of(",nan\r\n")), "(double) nan");
    EXPECT_EQ(redoubt::to_cli_text(value_of("|1\r\n+ttl\r\n:3600\r\n+OK\r\n")), "OK");
    EXPECT_EQ(redoubt::to_cli_text(value_of(">0\r\n")), "(empty push)");
    EXPECT_EQ(redoubt::to_cli_text(value_of(">2\r\n$1\r\na\r\n:42\r\n")), "1) \"a\"\n2) (integer) 42");
    Value made;
    made.type = RespType::real;
    made.real = 2.5;
    EXPECT_EQ(redoubt::to_cli_text(made), "(double) 2.5");
}

TEST(resp_value, json) {
    const std::vector<Golden> table = {
        {"+OK\r\n", R"("OK")"},
        {"$-1\r\n", "null"},
        {":-7\r\n", "-7"},
        {"#t\r\n", "true"},
        {"#f\r\n", "false"},
        {",3.1400000000000001\r\n", "3.14"},
        {",1e+20\r\n", "1e+20"},
        {",inf\r\n", R"("inf")"},
        {",-inf\r\n", R"("-inf")"},
        {",nan\r\n", R"("nan")"},
        {",-nan\r\n", R"("nan")"},
        {"(123456789012345678901\r\n", R"("123456789012345678901")"},
        {"-ERR \"x\"\r\n", R"({"error":"ERR \"x\""})"},
        {"!5\r\nERR x\r\n", R"({"error":"ERR x"})"},
        {"=7\r\ntxt:abc\r\n", R"("abc")"},
        {"*3\r\n:1\r\n*0\r\n~1\r\n+a\r\n", R"([1,[],["a"]])"},
        {"%0\r\n", "{}"},
        {"%2\r\n$1\r\na\r\n:1\r\n+b\r\n%1\r\n:1\r\n:2\r\n", R"({"a":1,"b":[[1,2]]})"},
        {"%2\r\n$1\r\na\r\n:1\r\n:2\r\n:3\r\n", R"([["a",1],[2,3]])"},
        {"$8\r\n\"\\/\n\r\t\x01\x7f\r\n", R"("\"\\/\n\r\t\u0001\u007f")"},
        {"$3\r\na\0b\r\n"s, R"("a\u0000b")"},
        {"$9\r\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\r\n", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"$4\r\n\xff\xc3\x28\xc3\r\n", R"("\u00ff\u00c3(\u00c3")"},       // no start, cut, cut at the end
        {"$2\r\n\xc0\x80\r\n", R"("\u00c0\u0080")"},                      // overlong
        {"$3\r\n\xe0\x80\x80\r\n", R"("\u00e0\u0080\u0080")"},            // overlong
        {"$3\r\n\xed\xa0\x80\r\n", R"("\u00ed\u00a0\u0080")"},            // a surrogate
        {"$4\r\n\xf0\x80\x80\x80\r\n", R"("\u00f0\u0080\u0080\u0080")"},  // overlong
        {"$4\r\n\xf4\x90\x80\x80\r\n", R"("\u00f4\u0090\u0080\u0080")"},  // past the last character
        {"$3\r\n\xe2\x82"
         "a\r\n",
         R"("\u00e2\u0082a")"},
    };
    for (const Golden& one : table) {
        SCOPED_TRACE(one.frame);
        EXPECT_EQ(redoubt::to_json_text(value_of(one.frame)), one.text);
    }
}

TEST(resp_value, equal_by_everything_in_it) {
    const Value value = value_of("%1\r\n$1\r\na\r\n*2\r\n,1.5\r\n$-1\r\n");
    const Value copy = value;
    EXPECT_EQ(copy, value);
    EXPECT_NE(value_of("%1\r\n$1\r\na\r\n*2\r\n,1.5\r\n:0\r\n"), value);
    EXPECT_NE(value_of("+a\r\n"), value_of("$1\r\na\r\n"));
    EXPECT_TRUE(value_of("*-1\r\n").is_null());
    EXPECT_TRUE(value_of("!1\r\na\r\n").is_error());
    EXPECT_EQ(value_of(",1.5\r\n").real, 1.5);
    EXPECT_EQ(value_of(",-inf\r\n").real, -std::numeric_limits<double>::infinity());
    EXPECT_EQ(value_of("#t\r\n").integer, 1);
    EXPECT_EQ(value_of("%1\r\n:1\r\n:2\r\n").elements.size(), 2u);
}

}  // namespace
