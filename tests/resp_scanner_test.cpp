// resp: framing, for each type, each way to cut it, each limit, and garbage.
#include "resp/scanner.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

using redoubt::ReplyLimits;
using redoubt::resp::ReplyScanner;
using Status = ReplyScanner::Status;
using namespace std::string_literals;
using namespace std::string_view_literals;

std::string nested(std::size_t depth) {
    std::string bytes;
    for (std::size_t i = 0; i < depth; ++i) bytes += "*1\r\n";
    return bytes + ":1\r\n";
}

// Complete frames; each is one.
const std::vector<std::string> frames = {
    "+OK\r\n",
    "+\r\n",
    "+PONG\r\n",
    "-ERR no such thing\r\n",
    ":0\r\n",
    ":1\r\n",
    ":-1\r\n",
    ":9223372036854775807\r\n",
    ":-9223372036854775808\r\n",
    "$0\r\n\r\n",
    "$1\r\na\r\n",
    "$5\r\n\r\n\r\n\n\r\n",
    "$64\r\n" + std::string(64, 'x') + "\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "_\r\n",
    "#t\r\n",
    "#f\r\n",
    ",3.14\r\n",
    ",10\r\n",
    ",-1.5e-7\r\n",
    ",inf\r\n",
    ",-inf\r\n",
    ",nan\r\n",
    ",-nan\r\n",
    "(12345678901234567890123\r\n",
    "(-1\r\n",
    "!5\r\nERR x\r\n",
    "=4\r\ntxt:\r\n",
    "=8\r\nmkd:abcd\r\n",
    "*0\r\n",
    "*2\r\n$1\r\na\r\n:2\r\n",
    "*3\r\n*0\r\n*1\r\n*-1\r\n_\r\n",
    "%0\r\n",
    "%1\r\n+k\r\n*1\r\n:1\r\n",
    "~0\r\n",
    "~2\r\n+a\r\n+b\r\n",
    ">2\r\n+message\r\n*1\r\n+x\r\n",
    "|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n",
    "|0\r\n+v\r\n",
    "|1\r\n+k\r\n*1\r\n+x\r\n>1\r\n+p\r\n",
    "*2\r\n|1\r\n+k\r\n+v\r\n:1\r\n:2\r\n",
    "%1\r\n|1\r\n+k\r\n|0\r\n+v\r\n:1\r\n:2\r\n",
    nested(32),
};

TEST(resp_scanner, complete_frames_end_where_they_end) {
    ReplyScanner scanner{ReplyLimits{}};
    for (const std::string& frame : frames) {
        SCOPED_TRACE(frame);
        ASSERT_EQ(scanner.scan(frame), Status::complete) << scanner.error();
        EXPECT_EQ(scanner.size(), frame.size());
        ASSERT_EQ(scanner.scan(frame + "$5\r\nhel"), Status::complete);
        EXPECT_EQ(scanner.size(), frame.size());
        ASSERT_EQ(scanner.scan(frame + "garbage"), Status::complete);
        EXPECT_EQ(scanner.size(), frame.size());
    }
}

TEST(resp_scanner, every_split_in_two_and_byte_by_byte) {
    ReplyScanner scanner{ReplyLimits{}};
    for (const std::string& frame : frames) {
        SCOPED_TRACE(frame);
        for (std::size_t cut = 0; cut < frame.size(); ++cut) {
            ASSERT_EQ(scanner.scan(std::string_view{frame}.substr(0, cut)), Status::need_more);
            EXPECT_GT(scanner.needed(), cut);
            EXPECT_LE(scanner.needed(), frame.size());
            ASSERT_EQ(scanner.scan(frame), Status::complete);
            ASSERT_EQ(scanner.size(), frame.size());
        }
        for (std::size_t size = 0; size < frame.size(); ++size) {
            // Each time somewhere else, of its own size: nothing is kept of the buffer, or looked at past it.
            const std::unique_ptr<char[]> copy{new char[size]};
            frame.copy(copy.get(), size);
            ASSERT_EQ(scanner.scan({copy.get(), size}), Status::need_more);
        }
        ASSERT_EQ(scanner.scan(frame), Status::complete);
        ASSERT_EQ(scanner.size(), frame.size());
    }
}

TEST(resp_scanner, pushes_are_flagged_and_only_they) {
    ReplyScanner scanner{ReplyLimits{}};
    for (const std::string& frame : frames) {
        SCOPED_TRACE(frame);
        ASSERT_EQ(scanner.scan(frame), Status::complete);
        EXPECT_EQ(scanner.is_push(), frame.find('>') != std::string::npos);
        // The flag goes with its frame, on the short way and on the long one.
        for (const std::string_view plain :
             {"+OK\r\n"sv, ":1\r\n"sv, "$1\r\na\r\n"sv, "$-1\r\n"sv, "_\r\n"sv, "*0\r\n"sv}) {
            ASSERT_EQ(scanner.scan(">1\r\n+p\r\n"), Status::complete);
            ASSERT_TRUE(scanner.is_push());
            ASSERT_EQ(scanner.scan(plain), Status::complete);
            EXPECT_FALSE(scanner.is_push()) << plain;
        }
    }
}

TEST(resp_scanner, a_promised_string_counts_in_full) {
    ReplyScanner scanner{ReplyLimits{}};
    ASSERT_EQ(scanner.scan("$1000\r\nabc"), Status::need_more);
    EXPECT_EQ(scanner.needed(), 7u + 1000u + 2u);
    ReplyScanner inside{ReplyLimits{}};
    ASSERT_EQ(inside.scan("*2\r\n:1\r\n$1000\r\n"), Status::need_more);
    EXPECT_EQ(inside.needed(), 8u + 7u + 1000u + 2u);
}

TEST(resp_scanner, finished_elements_are_not_looked_at_again) {
    ReplyScanner scanner{ReplyLimits{}};
    std::string bytes = "*3\r\n:1\r\n$3\r\nabc\r\n+long li";
    ASSERT_EQ(scanner.scan(bytes), Status::need_more);
    const std::size_t seen = bytes.size();
    bytes += "ne\r\n";
    // What it has passed may be anything now, but for the type of the element that was cut.
    const std::size_t cut = bytes.find('+');
    for (std::size_t i = 0; i < seen; ++i) {
        if (i != cut) bytes[i] = '\n';
    }
    ASSERT_EQ(scanner.scan(bytes), Status::complete) << scanner.error();
    EXPECT_EQ(scanner.size(), bytes.size());
}

struct Wrong {
    std::string bytes;
    std::string_view text;  // in the error
};

const std::vector<Wrong> wrong = {
    {"HTTP/1.1 400 Bad Request\r\n", "does not speak RESP"},
    {"HTTP/1.1 400 Bad Request\r\n", "HTTP"},
    {"\x15\x03\x01", "TLS"},
    {"SSH-2.0\r\n", "does not speak RESP"},
    {"\r\n", "does not speak RESP"},
    {"\0"s, "does not speak RESP"},
    {"?1\r\n", "does not speak RESP"},
    {"*1\r\nx", "unknown type"},
    {"$a\r\n", "length"},
    {"$\r\n", "length"},
    {"$?\r\n", "length"},
    {"$+1\r\n", "length"},
    {"$01\r\n", "length"},
    {"$-\r\n", "length"},
    {"$-0\r\n", "length"},
    {"$ 1\r\n", "length"},
    {"$1 \r\n", "length"},
    {"$1\n", "length"},
    {"$1\rx", "length"},
    {"$99999999999999999999\r\n", "length"},
    {"$-2\r\n", "negative"},
    {"!-1\r\n", "negative"},
    {"=-1\r\n", "negative"},
    {"$3\r\nabcd\r\n", "where its length says"},
    {"$3\r\nabc\n\n", "where its length says"},
    {"$3\r\nabc\r\r", "where its length says"},
    {"$0\r\nab", "where its length says"},
    {"*a\r\n", "count"},
    {"*?\r\n", "count"},
    {"*01\r\n", "count"},
    {"*-2\r\n", "negative"},
    {"%-1\r\n", "negative"},
    {"~-1\r\n", "negative"},
    {">-1\r\n", "negative"},
    {"|-1\r\n", "negative"},
    {":\r\n", "integer"},
    {":1.5\r\n", "integer"},
    {":+1\r\n", "integer"},
    {":007\r\n", "integer"},
    {":-0\r\n", "integer"},
    {":9223372036854775808\r\n", "integer"},
    {":-9223372036854775809\r\n", "integer"},
    {":1\n", "integer"},
    {":92233720368547758070\r\n", "integer"},
    {":1\r\r", "integer"},
    {",\r\n", "double"},
    {",abc\r\n", "double"},
    {",1.2.3\r\n", "double"},
    {",1e\r\n", "double"},
    {",0x10\r\n", "double"},
    {",1 \r\n", "double"},
    {",+\r\n", "double"},
    {"(\r\n", "big number"},
    {"(12a\r\n", "big number"},
    {"(-\r\n", "big number"},
    {"#x\r\n", "boolean"},
    {"#true\r\n", "boolean"},
    {"#t\rx", "CR without LF"},
    {"_x\r\n", "null"},
    {"_\rx", "CR without LF"},
    {"+O\nK\r\n", "without CR"},
    {"+O\rK\r\n", "without LF"},
    {"-a\r\r\n", "without LF"},
    {"+\n\r\n", "without CR"},
    {"=3\r\ntxt\r\n", "format"},
    {"=4\r\ntxtx\r\n", "format"},
    {"*1\r\n>1\r\n+a\r\n", "push"},
    {"|1\r\n>0\r\n", "push"},
};

TEST(resp_scanner, garbage_is_refused_with_a_reason) {
    for (const Wrong& one : wrong) {
        SCOPED_TRACE(one.bytes);
        ReplyScanner scanner{ReplyLimits{}};
        ASSERT_EQ(scanner.scan(one.bytes), Status::error);
        EXPECT_NE(scanner.error().find(one.text), std::string_view::npos) << scanner.error();
        EXPECT_FALSE(scanner.over_limit());
        EXPECT_EQ(scanner.scan("+OK\r\n"), Status::error) << "an error lasts";

        ReplyScanner slow{ReplyLimits{}};
        Status status = Status::need_more;
        for (std::size_t size = 0; size <= one.bytes.size() && status == Status::need_more; ++size) {
            status = slow.scan(std::string_view{one.bytes}.substr(0, size));
        }
        EXPECT_EQ(status, Status::error);
        EXPECT_EQ(slow.error(), scanner.error());
    }
}

TEST(resp_scanner, an_endless_number_is_refused_at_once) {
    ReplyScanner scanner{ReplyLimits{}};
    EXPECT_EQ(scanner.scan("$" + std::string(30, '1')), Status::error);
    ReplyScanner zeros{ReplyLimits{}};
    EXPECT_EQ(zeros.scan("*00"), Status::error);
}

struct Limit {
    ReplyLimits limits;
    std::string fits;
    std::string over;  // enough of the reply to see it
    std::string_view text;
};

const std::vector<Limit> limits = {
    {{.max_bulk_bytes = 10}, "$10\r\n0123456789\r\n", "$11\r\n", "max_bulk_bytes"},
    {{.max_bulk_bytes = 10}, "*1\r\n$10\r\n0123456789\r\n", "*1\r\n$11\r\n", "max_bulk_bytes"},
    {{.max_bulk_bytes = 10}, "+0123456789\r\n", "+01234567890", "max_bulk_bytes"},
    {{.max_bulk_bytes = 10}, "-0123456789\r\n", "-01234567890\r\n", "max_bulk_bytes"},
    {{.max_bulk_bytes = 1}, "+O\r\n", "+OK\r\n", "max_bulk_bytes"},
    {{}, "$0\r\n\r\n", "$9223372036854775807\r\n", "max_bulk_bytes"},
    {{.max_reply_bytes = 16}, "$9\r\n012345678\r\n+OK", "$11\r\n", "max_reply_bytes"},
    {{.max_reply_bytes = 16}, "*3\r\n:1\r\n:2\r\n:3\r\n", "*3\r\n:1\r\n:2\r\n:10\r\n", "max_reply_bytes"},
    {{.max_reply_bytes = 16}, "+0123456789abc\r\n", "+0123456789abcd\r", "max_reply_bytes"},
    {{.max_reply_bytes = 16}, "*4\r\n_\r\n_\r\n_\r\n_\r\n", "*5\r\n", "max_reply_bytes"},
    {{.max_reply_bytes = 20}, "|0\r\n|0\r\n|0\r\n|0\r\n_\r\n", "|0\r\n|0\r\n|0\r\n|0\r\n|0\r\n", "max_reply_bytes"},
    {{.max_elements = 3}, "*3\r\n_\r\n_\r\n_\r\n", "*4\r\n", "max_elements"},
    {{.max_elements = 3}, "*2\r\n*1\r\n_\r\n_\r\n", "*2\r\n*2\r\n", "max_elements"},
    {{.max_elements = 3}, "%1\r\n_\r\n_\r\n", "%2\r\n", "max_elements"},
    {{.max_elements = 3}, "|1\r\n_\r\n_\r\n_\r\n", "|1\r\n_\r\n_\r\n*2\r\n", "max_elements"},
    {{}, "*0\r\n", "*9223372036854775807\r\n", "max_elements"},
    {{}, "%0\r\n", "%9223372036854775807\r\n", "max_elements"},
    {{.max_depth = 2}, "*1\r\n*1\r\n_\r\n", "*1\r\n*1\r\n*0\r\n", "max_depth"},
    {{.max_depth = 2}, "*1\r\n|1\r\n_\r\n_\r\n_\r\n", "*1\r\n|1\r\n_\r\n%0\r\n", "max_depth"},
    {{.max_depth = 0}, ":1\r\n", "*0\r\n", "max_depth"},
    {{.max_depth = 1000}, nested(ReplyScanner::deepest), nested(ReplyScanner::deepest + 1), "max_depth"},
};

TEST(resp_scanner, each_limit_holds_to_the_byte) {
    for (const Limit& one : limits) {
        SCOPED_TRACE(one.over);
        ReplyScanner scanner{one.limits};
        ASSERT_EQ(scanner.scan(one.fits), Status::complete) << scanner.error();
        ASSERT_EQ(scanner.scan(one.over), Status::error);
        EXPECT_TRUE(scanner.over_limit());
        EXPECT_NE(scanner.error().find(one.text), std::string_view::npos) << scanner.error();

        ReplyScanner slow{one.limits};
        Status status = Status::need_more;
        for (std::size_t size = 0; size <= one.over.size() && status == Status::need_more; ++size) {
            status = slow.scan(std::string_view{one.over}.substr(0, size));
        }
        EXPECT_EQ(status, Status::error);
        EXPECT_EQ(slow.error(), scanner.error());
    }
}

TEST(resp_scanner, elements_are_counted_by_frame) {
    ReplyScanner scanner{{.max_elements = 2}};
    for (int i = 0; i < 5; ++i) ASSERT_EQ(scanner.scan("*2\r\n_\r\n_\r\n"), Status::complete);
}

TEST(resp_scanner, a_pipeline_of_frames) {
    std::string all;
    for (const std::string& frame : frames) all += frame;
    ReplyScanner scanner{ReplyLimits{}};
    std::string_view rest = all;
    for (const std::string& frame : frames) {
        ASSERT_EQ(scanner.scan(rest), Status::complete);
        ASSERT_EQ(scanner.size(), frame.size());
        rest.remove_prefix(scanner.size());
    }
    EXPECT_EQ(scanner.scan(rest), Status::need_more);
}

}  // namespace
