// resp: our reading of glob patterns against the servers' own.
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "resp/glob.hpp"
#include "support/live_service.hpp"

namespace redoubt {
namespace {

using resp::glob_matches;

TEST(Glob, KnowsItsElements) {
    EXPECT_TRUE(glob_matches("", ""));
    EXPECT_FALSE(glob_matches("", "a"));
    EXPECT_TRUE(glob_matches("*", ""));
    EXPECT_TRUE(glob_matches("h?llo*", "hello world"));
    EXPECT_TRUE(glob_matches("h[ae]llo", "hallo"));
    EXPECT_FALSE(glob_matches("h[^e]llo", "hello"));
    EXPECT_TRUE(glob_matches("[c-a]", "b"));
    EXPECT_TRUE(glob_matches("a\\*", "a*"));
    EXPECT_FALSE(glob_matches("a\\*", "ab"));
    EXPECT_TRUE(glob_matches(std::string("a\0*", 3), std::string("a\0\xff", 3)));
}

TEST(Glob, TakesNoExponentialTime) {
    std::string pattern;
    for (int i = 0; i != 60; ++i) pattern += "a*";
    EXPECT_FALSE(glob_matches(pattern + "b", std::string(4000, 'a')));
}

class GlobOfServers : public testing::LiveServiceTest {};

TEST_P(GlobOfServers, AgreesWithKeys) {
    std::mt19937 random(2611);
    const auto any = [&](std::string_view alphabet, std::size_t longest) {
        std::string text(random() % (longest + 1), ' ');
        for (char& byte : text) byte = alphabet[random() % alphabet.size()];
        return text;
    };
    std::set<std::string> keys;
    while (keys.size() != 300) keys.insert(any("abc-]^\\*?[", 6));
    // With something in front of both, as the prefix is: of an empty text the servers say that no star matches it.
    for (const std::string& key : keys) raw().command({"SET", "k" + key, "1"});
    int matched = 0;
    for (int round = 0; round != 4000; ++round) {
        const std::string pattern = any("abc*?[]^-\\", 8);
        std::vector<std::string> ours;
        for (const std::string& key : keys) {
            if (glob_matches(pattern, key)) ours.push_back("k" + key);
        }
        matched += static_cast<int>(ours.size());
        ASSERT_EQ(ours, raw().sorted_strings({"KEYS", "k" + pattern})) << pattern;
    }
    EXPECT_GT(matched, 4000);
}
REDOUBT_BOTH_SERVERS(GlobOfServers);

}  // namespace
}  // namespace redoubt
