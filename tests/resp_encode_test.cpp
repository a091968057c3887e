// resp: the bytes of encoded commands: lengths, prefixes, numbers, runs; and never more than the bound.
#include <redoubt/resp/command.hpp>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "resp/building.hpp"
#include "support/encoded.hpp"

namespace redoubt {
namespace {

using testing::encoded;

const KeyPrefix prefix{"proj:a:"};

std::string encoded_with(std::string_view name, std::vector<Argument> arguments, const KeyPrefix& with = prefix) {
    return encoded(*find_command(name), arguments, with);
}

/// The one argument after the name, without its `$n` and line ends; fails when the length is wrong.
std::string argument_of(Argument argument, const KeyPrefix& with = prefix) {
    const std::string bytes = encoded_with("ECHO", {argument}, with);
    const std::string head = "*2\r\n$4\r\nECHO\r\n$";
    EXPECT_EQ(bytes.substr(0, head.size()), head);
    const std::size_t line_end = bytes.find("\r\n", head.size());
    const std::size_t size = std::stoul(bytes.substr(head.size(), line_end - head.size()));
    EXPECT_EQ(bytes.size(), line_end + 2 + size + 2);
    EXPECT_EQ(bytes.substr(bytes.size() - 2), "\r\n");
    return bytes.substr(line_end + 2, size);
}

TEST(Encode, CommandsByteForByte) {
    EXPECT_EQ(encoded_with("PING", {}), "*1\r\n$4\r\nPING\r\n");
    EXPECT_EQ(encoded_with("GET", {Argument::key("user_data")}), "*2\r\n$3\r\nGET\r\n$16\r\nproj:a:user_data\r\n");
    EXPECT_EQ(encoded_with("SET", {Argument::key("k"), Argument::text("")}),
              "*3\r\n$3\r\nSET\r\n$8\r\nproj:a:k\r\n$0\r\n\r\n");
    const std::array<Argument, 1> key{Argument::key("k")};
    EXPECT_EQ(encoded(*find_command("OBJECT", "ENCODING"), key, prefix),
              "*3\r\n$6\r\nOBJECT\r\n$8\r\nENCODING\r\n$8\r\nproj:a:k\r\n");
}

TEST(Encode, ThePrefixIsAddedOnceToKeysOnly) {
    EXPECT_EQ(argument_of(Argument::key("proj:a:k")), "proj:a:proj:a:k");
    EXPECT_EQ(argument_of(Argument::key("proj:other:k")), "proj:a:proj:other:k");
    EXPECT_EQ(argument_of(Argument::key("")), "proj:a:");
    EXPECT_EQ(argument_of(Argument::key({})), "proj:a:");
    EXPECT_EQ(argument_of(Argument::text("k")), "k");
    EXPECT_EQ(argument_of(Argument::text({})), "");
    EXPECT_EQ(argument_of(Argument::closed_text("k")), "[k");
    EXPECT_EQ(argument_of(Argument::open_text("k")), "(k");
    EXPECT_EQ(argument_of(Argument::key("k"), KeyPrefix{}), "k");
    EXPECT_EQ(argument_of(Argument::key({}), KeyPrefix{}), "");
}

TEST(Encode, BytesAreKeptAsTheyAre) {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
    EXPECT_EQ(argument_of(Argument::text(all)), all);
    EXPECT_EQ(argument_of(Argument::key(all)), "proj:a:" + all);
}

TEST(Encode, LengthsAroundEachPowerOfTen) {
    for (const std::size_t size : {9U, 10U, 99U, 100U, 101U, 999U, 1000U, 9999U, 10000U, 99999U, 100000U, 1000000U}) {
        const std::string text(size, 'x');
        EXPECT_EQ(argument_of(Argument::text(text)), text);
        const std::string key(size - 7, 'x');
        EXPECT_EQ(argument_of(Argument::key(key)), "proj:a:" + key);
    }
}

TEST(Encode, GlobsGetTheEscapedPrefix) {
    EXPECT_EQ(argument_of(Argument::glob("user:*")), "proj:a:user:*");
    const KeyPrefix braces{"proj:{a}:"};
    EXPECT_EQ(argument_of(Argument::glob("*"), braces), "proj:{a}:*");
    const KeyPrefix odd{R"(a*b?c[d]e\f^g:)"};
    EXPECT_EQ(argument_of(Argument::glob("*"), odd), R"(a\*b\?c\[d\]e\\f\^g:*)");
    EXPECT_EQ(argument_of(Argument::glob("*"), odd), odd.glob_escaped() + "*");
    EXPECT_EQ(argument_of(Argument::glob("[a-c]\\*")), "proj:a:[a-c]\\*");
    EXPECT_EQ(argument_of(Argument::glob("*"), KeyPrefix{}), "*");
}

TEST(Encode, Integers) {
    for (const std::int64_t number :
         {std::int64_t{0}, std::int64_t{-1}, std::int64_t{42}, std::numeric_limits<std::int64_t>::max(),
          std::numeric_limits<std::int64_t>::min()}) {
        EXPECT_EQ(argument_of(Argument::integer(number)), std::to_string(number));
    }
    EXPECT_EQ(argument_of(Argument::unsigned_integer(std::numeric_limits<std::uint64_t>::max())),
              "18446744073709551615");
    EXPECT_EQ(argument_of(Argument::unsigned_integer(std::uint64_t{1} << 63)), "9223372036854775808");
}

TEST(Encode, DoublesAreTheShortestThatReadBack) {
    EXPECT_EQ(argument_of(Argument::real(0.1)), "0.1");
    EXPECT_EQ(argument_of(Argument::real(3)), "3");
    EXPECT_EQ(argument_of(Argument::real(-2.5)), "-2.5");
    EXPECT_EQ(argument_of(Argument::real(std::numeric_limits<double>::infinity())), "inf");
    EXPECT_EQ(argument_of(Argument::real(-std::numeric_limits<double>::infinity())), "-inf");
    EXPECT_EQ(argument_of(Argument::open_real(1.5)), "(1.5");
    EXPECT_EQ(argument_of(Argument::open_real(-std::numeric_limits<double>::infinity())), "(-inf");

    std::vector<double> numbers{std::numeric_limits<double>::max(),
                                std::numeric_limits<double>::lowest(),
                                std::numeric_limits<double>::min(),
                                std::numeric_limits<double>::denorm_min(),
                                -1.7976931348623157e+308,
                                1e22,
                                123456789012345680.0,
                                0.30000000000000004};
    std::mt19937_64 random{7};
    for (int i = 0; i < 2000; ++i) {
        const double number = std::bit_cast<double>(random());
        if (std::isfinite(number)) numbers.push_back(number);
    }
    for (const double number : numbers) {
        EXPECT_EQ(std::strtod(argument_of(Argument::real(number)).c_str(), nullptr), number);
        EXPECT_EQ(argument_of(Argument::open_real(number)), "(" + argument_of(Argument::real(number)));
    }
}

TEST(Encode, RunsStandForTheirElements) {
    const std::array<std::string_view, 3> texts{"a", "", "proj:b:c"};
    const std::array<TextPair, 2> pairs{TextPair{"f", "v"}, TextPair{"", "w"}};
    const std::array<ScoreMemberView, 2> scores{ScoreMemberView{1.5, "m"}, ScoreMemberView{2, "n"}};
    const std::array<double, 2> reals{0.5, 2};
    const auto bytes = [](std::vector<std::string> words) { return testing::resp(words); };
    EXPECT_EQ(encoded_with("MGET", {Argument::keys(texts)}), bytes({"MGET", "proj:a:a", "proj:a:", "proj:a:proj:b:c"}));
    EXPECT_EQ(encoded_with("ECHO", {Argument::texts(texts)}), bytes({"ECHO", "a", "", "proj:b:c"}));
    EXPECT_EQ(encoded_with("MSET", {Argument::key_pairs(pairs)}), bytes({"MSET", "proj:a:f", "v", "proj:a:", "w"}));
    EXPECT_EQ(encoded_with("HSET", {Argument::key("h"), Argument::pairs(pairs)}),
              bytes({"HSET", "proj:a:h", "f", "v", "", "w"}));
    EXPECT_EQ(encoded_with("ZADD", {Argument::key("z"), Argument::scores(scores)}),
              bytes({"ZADD", "proj:a:z", "1.5", "m", "2", "n"}));
    EXPECT_EQ(encoded_with("ECHO", {Argument::reals(reals)}), bytes({"ECHO", "0.5", "2"}));
    EXPECT_EQ(encoded_with("ECHO", {Argument::texts({}), Argument::key_pairs({}), Argument::reals({})}),
              bytes({"ECHO"}));
}

TEST(Encode, ManyArgumentsAreCountedExactly) {
    const std::vector<std::string_view> texts(12345, "x");
    const std::string bytes = encoded_with("MGET", {Argument::keys(texts)});
    EXPECT_EQ(bytes.substr(0, 8), "*12346\r\n");
    EXPECT_EQ(bytes.size(), 8 + 10 + texts.size() * (4 + 8 + 2));
}

TEST(Encode, AViewIsEncodedLikeItsParts) {
    resp::Building<std::string> view{*find_command("GET"), nullptr};
    view.add(Argument::key("k"));
    std::string buffer(encoded_bound(view, prefix), '\0');
    const char* end = encode(view, prefix, buffer.data());
    buffer.resize(static_cast<std::size_t>(end - buffer.data()));
    EXPECT_EQ(buffer, encoded_with("GET", {Argument::key("k")}));
    EXPECT_EQ(encoded_bound(view, prefix), encoded_bound(view.spec(), view.arguments(), prefix));
}

TEST(Encode, AViewRefusesMoreArgumentsThanItHolds) {
    resp::Building<std::string> view{*find_command("MGET"), nullptr};
    for (std::size_t i = 0; i < CommandView::max_arguments; ++i) view.add(Argument::key("k"));
    EXPECT_TRUE(view.invalid().empty());
    view.add(Argument::key("k"));
    EXPECT_EQ(view.invalid(), "too many arguments for a command value");
    EXPECT_EQ(view.arguments().size(), CommandView::max_arguments);
    view.set_invalid("another text");
    EXPECT_EQ(view.invalid(), "too many arguments for a command value");
}

}  // namespace
}  // namespace redoubt
