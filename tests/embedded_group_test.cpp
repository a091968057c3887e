// embedded: Sentinel and Cluster groups with both real servers: they come up, lose a master, and mend.
#include <redoubt/embedded/embedded_cluster.hpp>
#include <redoubt/embedded/embedded_sentinel.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/base/exceptions.hpp>

#include "support/processes.hpp"
#include "support/raw_client.hpp"
#include "support/servers.hpp"

namespace redoubt {
namespace {

using testing::process_exists;
using testing::RawClient;

std::string role_of(EmbeddedServer& server, const std::string& password = {}) {
    RawClient client(server);
    if (!password.empty()) (void)client.command({"AUTH", password});
    return client.strings({"ROLE"}).at(0);
}

class EmbeddedGroupTest : public ::testing::TestWithParam<std::string> {
protected:
    EmbeddedSentinelOptions sentinel_options() const {
        EmbeddedSentinelOptions made;
        made.program = GetParam();
        return made;
    }
    EmbeddedClusterOptions cluster_options() const {
        EmbeddedClusterOptions made;
        made.program = GetParam();
        return made;
    }
};

TEST_P(EmbeddedGroupTest, SentinelsPromoteAReplicaWhenTheMasterIsKilledAndTakeItBackAsAReplica) {
    EmbeddedSentinel group(sentinel_options());
    ASSERT_EQ(group.nodes(), 3u);
    ASSERT_EQ(group.sentinels(), 3u);
    EXPECT_EQ(group.master(), 0u);
    EXPECT_EQ(role_of(group.node(0)), "master");
    EXPECT_EQ(role_of(group.node(1)), "slave");
    EXPECT_EQ(group.url(), "redis+sentinel://127.0.0.1:" + std::to_string(group.sentinel(0).port()) +
                               ",127.0.0.1:" + std::to_string(group.sentinel(1).port()) +
                               ",127.0.0.1:" + std::to_string(group.sentinel(2).port()) + "/0?master=mymaster");
    RawClient master(group.node(0));
    EXPECT_EQ(master.command({"SET", "k", "v"}), "+OK\r\n");
    EXPECT_EQ(master.command({"WAIT", "2", "5000"}), ":2\r\n");

    EXPECT_EQ(group.kill_master(), 0u);
    const std::size_t heir = group.wait_for_another_master(0);
    EXPECT_NE(heir, 0u);
    EXPECT_EQ(role_of(group.node(heir)), "master");
    EXPECT_EQ(RawClient(group.node(heir)).command({"GET", "k"}), "$1\r\nv\r\n");

    group.restart(0);
    group.wait_until_whole();
    EXPECT_EQ(role_of(group.node(0)), "slave");
    EXPECT_EQ(group.master(), heir);
}

TEST_P(EmbeddedGroupTest, AFailoverIsMadeOnRequestAndPasswordsGuardBothKindsOfServers) {
    EmbeddedSentinelOptions given = sentinel_options();
    given.password = "data-secret";
    given.sentinel_password = "watch-secret";
    given.replicas = 1;
    EmbeddedSentinel group(given);
    EXPECT_EQ(RawClient(group.node(0)).command({"PING"}).substr(0, 7), "-NOAUTH");
    EXPECT_EQ(RawClient(group.sentinel(0)).command({"PING"}).substr(0, 7), "-NOAUTH");
    EXPECT_NE(group.url().find("redis+sentinel://:data-secret@"), std::string::npos);
    EXPECT_NE(group.url().find("&sentinel_password=watch-secret"), std::string::npos);
    EXPECT_EQ(group.begin_failover(), 0u);
    EXPECT_EQ(group.wait_for_another_master(0), 1u);
    EXPECT_EQ(role_of(group.node(1), "data-secret"), "master");
}

TEST_P(EmbeddedGroupTest, EverythingEndsWithTheGroup) {
    std::vector<int> pids;
    std::vector<std::string> folders;
    {
        EmbeddedSentinelOptions given = sentinel_options();
        given.replicas = 1;
        EmbeddedSentinel group(given);
        for (std::size_t i = 0; i != group.nodes(); ++i) {
            pids.push_back(group.node(i).server_pid());
            folders.push_back(group.node(i).directory());
        }
        for (std::size_t i = 0; i != group.sentinels(); ++i) {
            pids.push_back(group.sentinel(i).server_pid());
            folders.push_back(group.sentinel(i).directory());
        }
    }
    ASSERT_EQ(pids.size(), 5u);
    for (const int pid : pids) EXPECT_FALSE(process_exists(pid)) << pid;
    for (const std::string& folder : folders) EXPECT_FALSE(std::filesystem::exists(folder)) << folder;
}

TEST_P(EmbeddedGroupTest, AClusterServesAllSlotsAndMovesThemWhileItDoes) {
    EmbeddedCluster cluster(cluster_options());
    ASSERT_EQ(cluster.nodes(), 6u);
    EXPECT_EQ(cluster.owner_of(0), 0u);
    EXPECT_EQ(cluster.owner_of(EmbeddedCluster::all_slots - 1), 2u);
    EXPECT_EQ(role_of(cluster.node(3)), "slave");

    // "{a}" is slot 15495.
    constexpr std::uint32_t slot = 15495;
    ASSERT_EQ(RawClient(cluster.node(2)).command({"CLUSTER", "KEYSLOT", "{a}1"}), ":15495\r\n");
    RawClient source(cluster.node(2));
    for (int i = 0; i != 250; ++i) {
        ASSERT_EQ(source.command({"SET", "{a}" + std::to_string(i), "v"}), "+OK\r\n");
    }
    cluster.begin_move(slot, 2, 1);
    EXPECT_EQ(source.command({"GET", "{a}7"}), "$1\r\nv\r\n");
    EXPECT_EQ(source.command({"GET", "{a}absent"}),
              "-ASK 15495 127.0.0.1:" + std::to_string(cluster.node(1).port()) + "\r\n");
    cluster.end_move(slot, 2, 1);
    EXPECT_EQ(source.command({"GET", "{a}7"}),
              "-MOVED 15495 127.0.0.1:" + std::to_string(cluster.node(1).port()) + "\r\n");
    EXPECT_EQ(RawClient(cluster.node(1)).command({"CLUSTER", "COUNTKEYSINSLOT", "15495"}), ":250\r\n");
    cluster.move_slots(100, 20, 0, 1);
    EXPECT_EQ(cluster.wait_for_another_owner(110, 0), 1u);
    cluster.wait_until_whole();
}

TEST_P(EmbeddedGroupTest, AReplicaOfAClusterTakesOverTheSlotsOfAKilledMaster) {
    EmbeddedClusterOptions given = cluster_options();
    given.password = "cluster-secret";
    EmbeddedCluster cluster(given);
    EXPECT_EQ(cluster.kill_owner_of(9000), 1u);
    EXPECT_EQ(cluster.wait_for_another_owner(9000, 1), 4u);
    EXPECT_EQ(role_of(cluster.node(4), "cluster-secret"), "master");
    cluster.node(1).restart();
    cluster.wait_until_whole();
    EXPECT_EQ(role_of(cluster.node(1), "cluster-secret"), "slave");
}

TEST(EmbeddedGroupRefusals, NameTheOptionAndWhatIsAllowed) {
    const auto refusal = [](const auto& make) {
        try {
            make();
        } catch (const RedisConfigurationException& refused) {
            return std::string(refused.what());
        }
        return std::string();
    };
    EmbeddedSentinelOptions sentinel;
    sentinel.master_name = "a b";
    EXPECT_NE(refusal([&] { EmbeddedSentinel group(sentinel); }).find("master_name: letters"), std::string::npos);
    sentinel = {};
    sentinel.replicas = 0;
    EXPECT_NE(refusal([&] { EmbeddedSentinel group(sentinel); }).find("replicas: at least 1"), std::string::npos);
    EmbeddedClusterOptions cluster;
    cluster.masters = 2;
    EXPECT_NE(refusal([&] { EmbeddedCluster group(cluster); }).find("masters: at least 3"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(BothServers, EmbeddedGroupTest, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return parameter.param.substr(0, parameter.param.find('-')); });

}  // namespace
}  // namespace redoubt
