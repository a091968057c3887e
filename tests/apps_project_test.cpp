// apps: `redoubt project` as an administrator runs it, with both real servers.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/acl_service.hpp"
#include "support/run_program.hpp"

namespace redoubt {
namespace {

using testing::contains;
using testing::Ran;
using testing::RawClient;
using Words = std::vector<std::string>;

class ProjectCommand : public testing::AclServiceTest {
protected:
    Ran project(const Words& arguments, Words environment = {}) {
        Words words{REDOUBT_PROGRAM, "project"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        environment.push_back("REDIS_ADMIN_URL=" + server().url());
        return testing::run_program(words, environment);
    }
    std::string done(const Words& arguments, const Words& environment = {}) {
        const Ran ran = project(arguments, environment);
        EXPECT_EQ(ran.status, 0) << ran.err;
        EXPECT_EQ(ran.err, "");
        return ran.out;
    }
    Words with_master() { return {"REDIS_ACL_SECRET=" + std::string(testing::acl_master)}; }
};

TEST_P(ProjectCommand, AddListRotateRemove) {
    EXPECT_EQ(done({"list"}), "");
    EXPECT_EQ(done({"list", "--json"}), "{\"projects\":[]}\n");
    EXPECT_EQ(done({"add", "beta"}, with_master()), "added beta\n");
    EXPECT_EQ(done({"add", "alpha", "--json"}, with_master()), "{\"added\":\"alpha\"}\n");
    EXPECT_EQ(done({"list"}), "alpha\nbeta\n");
    EXPECT_EQ(done({"list", "--json"}), "{\"projects\":[\"alpha\",\"beta\"]}\n");
    RawClient alpha = raw_as("alpha");
    EXPECT_EQ(alpha.command({"SET", "proj:alpha:k", "v"}), "+OK\r\n");
    EXPECT_TRUE(alpha.command({"GET", "proj:beta:k"}).starts_with("-NOPERM"));

    // The same master secret again: nothing changes but that foreign secrets go.
    raw().command({"ACL", "SETUSER", "proj_alpha", ">old"});
    EXPECT_EQ(done({"rotate", "alpha"}, with_master()), "rotated alpha\n");
    EXPECT_EQ(secrets_of_user("proj_alpha"), 1u);
    (void)raw_as("alpha");

    EXPECT_EQ(done({"remove", "alpha", "--confirm", "alpha"}), "removed alpha\n");
    EXPECT_EQ(done({"list"}), "beta\n");
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}), Words{"proj:alpha:k"});
}

/// What a process with acl_users=on does about a secret that the command took away.
TEST_P(ProjectCommand, RotationWithoutAMasterMakesProcessesTakeNewSecrets) {
    RedisServiceConfig given = acl_config();
    given.acl_secret.clear();
    RedisService& service = start(given);
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    alpha.set("k", "v");
    EXPECT_EQ(done({"rotate", "alpha"}), "rotated alpha\n");
    EXPECT_EQ(secrets_of_user("proj_alpha"), 0u);
    EXPECT_EQ(alpha.get("k"), "v");                                         // its connection stays
    EXPECT_EQ(alpha.async().get("k")(boost::asio::use_future).get(), "v");  // and this one is new
    EXPECT_EQ(secrets_of_user("proj_alpha"), 1u);
}

TEST_P(ProjectCommand, RemoveWantsToBeSure) {
    done({"add", "alpha"}, with_master());
    for (const Words& arguments : {Words{"remove", "alpha"}, Words{"remove", "alpha", "--confirm", "beta"}}) {
        const Ran ran = project(arguments);
        EXPECT_EQ(ran.status, 2);
        EXPECT_TRUE(contains(ran.err, "--confirm alpha")) << ran.err;
    }
    EXPECT_EQ(done({"list"}), "alpha\n");
}

TEST_P(ProjectCommand, FailuresHaveAStatusAndOneLine) {
    const Ran unknown = project({"remove", "nobody", "--confirm", "nobody"});
    EXPECT_EQ(unknown.status, 1);
    EXPECT_TRUE(contains(unknown.err, "no such user")) << unknown.err;
    const Ran bad_id = project({"add", "a:b"});
    EXPECT_EQ(bad_id.status, 1);
    EXPECT_TRUE(contains(bad_id.err, "RedisProjectIsolationException")) << bad_id.err;
    EXPECT_EQ(project({"add"}).status, 2);
    EXPECT_EQ(project({}).status, 2);
    const Ran wrong = project({"list", "--admin-url", "unix://boss:wrong-one@" + server().socket_path()});
    EXPECT_EQ(wrong.status, 1);
    EXPECT_TRUE(contains(wrong.err, "RedisAuthenticationException")) << wrong.err;
    EXPECT_FALSE(contains(wrong.err, "wrong-one")) << wrong.err;
    const Ran nothing = testing::run_program({REDOUBT_PROGRAM, "project", "list"}, {});
    EXPECT_EQ(nothing.status, 1);
    EXPECT_TRUE(contains(nothing.err, "REDIS_ADMIN_URL")) << nothing.err;
    for (const Ran& ran : {unknown, bad_id, wrong, nothing}) {
        EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
        EXPECT_EQ(ran.out, "");
    }
    EXPECT_EQ(users(), Words{"default"});
}

REDOUBT_BOTH_SERVERS(ProjectCommand);

}  // namespace
}  // namespace redoubt
