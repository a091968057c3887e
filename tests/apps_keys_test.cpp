// apps: `redoubt keys` as a user runs it.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/live_service.hpp"
#include "support/run_program.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::Ran;
using Words = std::vector<std::string>;

class KeysCommand : public testing::LiveServiceTest {
protected:
    Ran keys(Words arguments) {
        arguments.insert(arguments.begin(), {REDOUBT_PROGRAM, "keys"});
        arguments.insert(arguments.end(), {"--url", server().url()});
        return testing::run_program(arguments, {});
    }
    void plant() {
        for (int i = 0; i != 2500; ++i) raw().command({"SET", "proj:alpha:k" + std::to_string(i), "v"});
        for (int i = 0; i != 10; ++i) raw().command({"SET", "proj:alpha:user:" + std::to_string(i), "v"});
        raw().command({"SET", "proj:alphabet:k", "v"});
        raw().command({"SET", "k", "v"});
    }
};

TEST_P(KeysCommand, CountsAndDeletesOneProjectsAlone) {
    plant();
    EXPECT_EQ(keys({"count", "--project", "alpha"}).out, "2510\n");
    EXPECT_EQ(keys({"count", "--project", "alpha", "--match", "user:*", "--json"}).out, "{\"keys\":10}\n");
    EXPECT_EQ(keys({"delete", "--project", "alpha", "--match", "user:*", "--dry-run"}).out,
              "10 keys would be deleted\n");
    EXPECT_EQ(keys({"delete", "--project", "alpha", "--match", "user:*", "--confirm", "alpha"}).out,
              "10 keys deleted\n");
    const Ran rest = keys({"delete", "--project", "alpha", "--confirm", "alpha", "--json"});
    EXPECT_EQ(rest.status, 0) << rest.err;
    EXPECT_TRUE(contains(rest.out, "\"deleted\":2500,\"cursor\":0,\"finished\":true")) << rest.out;
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}), (Words{"k", "proj:alphabet:k"}));
}

TEST_P(KeysCommand, WantsToBeSure) {
    plant();
    for (const Words& arguments :
         {Words{"delete", "--project", "alpha"}, Words{"delete", "--project", "alpha", "--confirm", "alphabet"}}) {
        const Ran ran = keys(arguments);
        EXPECT_EQ(ran.status, 2);
        EXPECT_TRUE(contains(ran.err, "--confirm alpha")) << ran.err;
    }
    EXPECT_EQ(keys({"delete", "--confirm", "alpha"}).status, 2);
    EXPECT_EQ(keys({"delete", "--project", "a:b", "--confirm", "a:b"}).status, 1);
    EXPECT_EQ(keys({"count", "--project", "alpha"}).out, "2510\n");
}

REDOUBT_BOTH_SERVERS(KeysCommand);

}  // namespace
}  // namespace redoubt
