// apps: the tokenizer of `redoubt exec --stdin` reads lines as redis-cli does.
#include "apps/tokenizer.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt::apps {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using Tokens = std::vector<std::string>;

Tokens tokens(std::string_view line) {
    const auto result = tokenize(line);
    if (const auto* error = std::get_if<TokenizeError>(&result)) {
        ADD_FAILURE() << line << ": column " << error->column << ": " << error->message;
        return {};
    }
    return std::get<Tokens>(result);
}

TokenizeError error_of(std::string_view line) {
    const auto result = tokenize(line);
    if (const auto* error = std::get_if<TokenizeError>(&result)) return *error;
    ADD_FAILURE() << line << ": was taken";
    return {};
}

TEST(Tokenizer, SplitsAtWhiteSpace) {
    EXPECT_EQ(tokens("GET k"), (Tokens{"GET", "k"}));
    EXPECT_EQ(tokens(" \t SET  k\tv \r"), (Tokens{"SET", "k", "v"}));
    EXPECT_EQ(tokens(""), Tokens{});
    EXPECT_EQ(tokens("  \t "), Tokens{});
}

TEST(Tokenizer, ReadsDoubleQuotesWithEscapes) {
    EXPECT_EQ(tokens(R"(SET k "two words")"), (Tokens{"SET", "k", "two words"}));
    EXPECT_EQ(tokens(R"("\n\r\t\b\a\"\\\q")"), (Tokens{"\n\r\t\b\a\"\\q"}));
    EXPECT_EQ(tokens(R"("\x00\x41\xfF")"), (Tokens{"\x00\x41\xff"s}));
    EXPECT_EQ(tokens(R"("\xg1 \x4")"), (Tokens{"xg1 x4"}));  // not two digits: as any other character
    EXPECT_EQ(tokens(R"("it's")"), (Tokens{"it's"}));
}

TEST(Tokenizer, ReadsSingleQuotesWithTheirOneEscape) {
    EXPECT_EQ(tokens(R"('two words')"), (Tokens{"two words"}));
    EXPECT_EQ(tokens(R"('it\'s \n \\ "x"')"), (Tokens{R"(it's \n \\ "x")"}));
}

TEST(Tokenizer, KeepsEmptyArguments) { EXPECT_EQ(tokens(R"(SET "" '')"), (Tokens{"SET", "", ""})); }

TEST(Tokenizer, LetsQuotesBeginInsideAnArgument) {
    EXPECT_EQ(tokens(R"(a"b c" d)"), (Tokens{"ab c", "d"}));
    EXPECT_EQ(tokens(R"(a'b c')"), (Tokens{"ab c"}));
}

TEST(Tokenizer, TakesABackslashOutsideQuotesAsItIs) {
    EXPECT_EQ(tokens(R"(a\nb)"), (Tokens{R"(a\nb)"}));
    EXPECT_EQ(error_of(R"(a\")").message, "a quote is not closed");  // the quote after a backslash opens one
}

TEST(Tokenizer, KeepsBytesThatAreNotAscii) {
    EXPECT_EQ(tokens("SET \xc3\xa9 \xff"), (Tokens{"SET", "\xc3\xa9", "\xff"}));
}

TEST(Tokenizer, RefusesAQuoteThatIsNotClosed) {
    EXPECT_EQ(error_of(R"(GET "abc)").column, 5u);
    EXPECT_EQ(error_of(R"(GET 'abc)").message, "a quote is not closed");
    EXPECT_EQ(error_of(R"("abc\")").message, "a quote is not closed");
    EXPECT_EQ(error_of(R"("abc\)").message, "a quote is not closed");
    EXPECT_EQ(error_of(R"('abc\')").message, "a quote is not closed");
    EXPECT_EQ(error_of(R"(")").column, 1u);
}

TEST(Tokenizer, RefusesWhatFollowsAClosingQuoteAtOnce) {
    EXPECT_EQ(error_of(R"("a"b)").column, 4u);
    EXPECT_EQ(error_of(R"('a'"b")").message, "white space must follow a closing quote");
}

TEST(Tokenizer, RefusesARawNulByte) { EXPECT_EQ(error_of("GET a\0b"sv).column, 6u); }

}  // namespace
}  // namespace redoubt::apps
