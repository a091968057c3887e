// dispatch: the key by which encoded commands keep their order.
#include "dispatch/first_key.hpp"

#include <initializer_list>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "support/scripted_operation.hpp"

namespace redoubt::dispatch {
namespace {

std::string encoded(std::initializer_list<std::string_view> words) {
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string_view word : words) bytes += testing::bulk(word);
    return bytes;
}

TEST(FirstKey, IsWhereTheTableSays) {
    EXPECT_EQ(first_key(encoded({"GET", "proj:p:k"})), "proj:p:k");
    EXPECT_EQ(first_key(encoded({"SET", "k", "v", "EX", "5"})), "k");
    EXPECT_EQ(first_key(encoded({"MSET", "a", "1", "b", "2"})), "a");
    EXPECT_EQ(first_key(encoded({"BITOP", "AND", "to", "from"})), "to");
    EXPECT_EQ(first_key(encoded({"OBJECT", "ENCODING", "k"})), "k");
    EXPECT_EQ(first_key(encoded({"PING"})), "");
    EXPECT_EQ(first_key(encoded({"SET", "", "v"})), "");
}

TEST(CommandName, IsFoundInWhicheverOrderItIsAskedFor) {
    const std::string all = encoded({"GET", "a"}) + encoded({"OBJECT", "ENCODING", "k"}) + encoded({"PING"}) +
                            encoded({"SET", "k", "*3\r\n$4\r\nLPOP"}) + encoded({"INCR", "n"});
    constexpr std::string_view names[] = {"GET", "OBJECT ENCODING", "PING", "SET", "INCR"};
    NamesPosition at;
    for (std::uint32_t i = 0; i != 5; ++i) EXPECT_EQ(command_name(all, i, at), names[i]);
    for (std::uint32_t i = 5; i-- != 0;) EXPECT_EQ(command_name(all, i, at), names[i]);
    EXPECT_EQ(command_name(all, 4, at), "INCR");
    EXPECT_EQ(command_name(all, 5, at), "");
    EXPECT_EQ(command_name(all, 3, at), "SET");
    EXPECT_EQ(command_name("", 0, at), "");
}

TEST(FirstKey, OfSeveralCommandsIsThatOfTheFirstThatHasOne) {
    EXPECT_EQ(first_key(encoded({"GET", "a"}) + encoded({"GET", "b"})), "a");
    EXPECT_EQ(first_key(encoded({"MULTI"}) + encoded({"INCR", "b"}) + encoded({"EXEC"})), "b");
    EXPECT_EQ(first_key(encoded({"PING"}) + encoded({"PING"})), "");
}

TEST(FirstKey, OfAReadOfStreamsStandsBehindItsOptions) {
    EXPECT_EQ(first_key(encoded({"XREAD", "streams", "s", "0"})), "s");
    EXPECT_EQ(first_key(encoded({"XREAD", "COUNT", "2", "BLOCK", "5", "STREAMS", "s", "t", "0", "0"})), "s");
    EXPECT_EQ(first_key(encoded({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"})), "s");
    EXPECT_EQ(first_key(encoded({"XREAD", "COUNT", "2"})), "");
    EXPECT_EQ(first_key(encoded({"XREAD", "COUNT", "2", "STREAMS"})), "");
}

TEST(FirstKey, OfAnythingElseIsNone) {
    const std::string whole = encoded({"BITOP", "AND", "to", "from"});
    for (std::size_t size = 0; size != whole.size(); ++size) {
        const std::string_view key = first_key(std::string_view(whole).substr(0, size));
        EXPECT_TRUE(key.empty() || key == "to") << key;
    }
    EXPECT_EQ(first_key("*99999999999999999999\r\n$99999999999999999999\r\nx"), "");
    EXPECT_EQ(first_key("nonsense"), "");
}

}  // namespace
}  // namespace redoubt::dispatch
