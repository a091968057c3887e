// topology: how fresh replicas are, by scripts of what servers say, without a server.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "topology/replica_lag.hpp"

namespace redoubt::topology {
namespace {

constexpr TimePoint start{std::chrono::hours(1)};
constexpr TimePoint at(int milliseconds) { return start + std::chrono::milliseconds(milliseconds); }

ReplicationReport master_at(std::int64_t offset, std::string replid = "one") {
    ReplicationReport report;
    report.master = true;
    report.replid = std::move(replid);
    report.offset = offset;
    return report;
}
ReplicationReport replica_at(std::int64_t offset, std::string replid = "one") {
    ReplicationReport report;
    report.link_up = true;
    report.replid = std::move(replid);
    report.offset = offset;
    return report;
}
ReplicationReport cut_off(std::int64_t offset, std::string replid = "one") {
    ReplicationReport report = replica_at(offset, std::move(replid));
    report.link_up = false;
    return report;
}

class ReplicaLagTest : public ::testing::Test {
protected:
    /// Milliseconds from the start; -1: not known.
    long fresh(std::uint16_t replica = 0) const {
        const TimePoint time = lag.fresh_as_of(replica);
        return time == ReplicaLag::never ? -1 : static_cast<long>((time - start) / std::chrono::milliseconds(1));
    }
    bool usable_at(int milliseconds) const {
        return ReplicaLag::is_within(lag.fresh_as_of(0), at(milliseconds), bound);
    }
    static constexpr Duration bound = std::chrono::milliseconds(1000);
    ReplicaLag lag{bound};
};

TEST_F(ReplicaLagTest, IsNotKnownBeforeBothHaveAnswered) {
    EXPECT_EQ(fresh(), -1);
    lag.on_replica(0, replica_at(100));
    EXPECT_EQ(fresh(), -1);
    EXPECT_FALSE(usable_at(0));
    lag.on_master(master_at(100), at(10));
    EXPECT_EQ(fresh(), -1);  // what the replica said before is compared when it says something again
    lag.on_replica(0, replica_at(100));
    EXPECT_EQ(fresh(), 10);
    EXPECT_TRUE(usable_at(1010));
    EXPECT_FALSE(usable_at(1011));
}

TEST_F(ReplicaLagTest, IsThatOfTheNewestOffsetReached) {
    lag.on_master(master_at(100), at(0));
    lag.on_master(master_at(200), at(250));
    lag.on_master(master_at(300), at(500));
    lag.on_replica(0, replica_at(299));
    EXPECT_EQ(fresh(), 250);
    lag.on_replica(0, replica_at(300));
    EXPECT_EQ(fresh(), 500);
    lag.on_replica(0, replica_at(99));
    EXPECT_EQ(fresh(), -1);
    lag.on_replica(1, replica_at(1000));
    EXPECT_EQ(fresh(1), 500);
    EXPECT_EQ(fresh(0), -1);
}

// Nothing was written, so an old offset is the newest one.
TEST_F(ReplicaLagTest, OfAnIdleMasterIsThatOfItsLastAnswer) {
    for (int time = 0; time <= 5000; time += 250) {
        lag.on_master(master_at(100), at(time));
        lag.on_replica(0, replica_at(100));
        EXPECT_EQ(fresh(), time);
    }
}

TEST_F(ReplicaLagTest, GrowsWhileAReplicaHangsOrFallsBehind) {
    lag.on_master(master_at(100), at(0));
    lag.on_replica(0, replica_at(100));
    lag.on_replica(1, replica_at(100));
    for (int time = 250; time <= 2000; time += 250) {
        lag.on_master(master_at(100 + time), at(time));
        lag.on_replica(1, replica_at(100));  // it answers, and gets nothing new; number 0 does not answer
        EXPECT_EQ(usable_at(time), time <= 1000) << time;
        EXPECT_EQ(fresh(1), time <= 1000 ? 0 : -1) << time;
    }
    lag.on_replica(0, replica_at(2100));
    EXPECT_EQ(fresh(), 2000);
}

TEST_F(ReplicaLagTest, GrowsWhileTheMasterDoesNotAnswer) {
    lag.on_master(master_at(100), at(0));
    for (int time = 10; time <= 1500; time += 100) {
        lag.on_replica(0, replica_at(100));
        EXPECT_EQ(fresh(), 0);
        EXPECT_EQ(usable_at(time), time <= 1000) << time;
    }
}

TEST_F(ReplicaLagTest, TakesAnswersInAnyOrder) {
    lag.on_master(master_at(300), at(500));
    lag.on_master(master_at(100), at(0));
    lag.on_master(master_at(200), at(250));
    lag.on_replica(0, replica_at(250));
    EXPECT_EQ(fresh(), 250);
    lag.on_replica(0, replica_at(350));
    EXPECT_EQ(fresh(), 500);
}

TEST_F(ReplicaLagTest, OfAReplicaThatIsCutOffIsThatOfWhatItHad) {
    lag.on_master(master_at(100), at(0));
    lag.on_replica(0, replica_at(100));
    lag.on_master(master_at(100), at(250));
    lag.on_replica(0, cut_off(100));
    EXPECT_EQ(fresh(), 0);  // what it has applied since is no proof that it has all
    // It has begun anew with older data, or with another history's.
    lag.on_replica(0, cut_off(90));
    EXPECT_EQ(fresh(), -1);
    lag.on_replica(0, replica_at(100));
    EXPECT_EQ(fresh(), 250);
    lag.on_replica(0, cut_off(100, "two"));
    EXPECT_EQ(fresh(), -1);
    // One that was never heard of.
    lag.on_replica(5, cut_off(100));
    EXPECT_EQ(fresh(5), -1);
}

TEST_F(ReplicaLagTest, IsNotKnownWhileAllItsDataIsReplaced) {
    lag.on_master(master_at(100), at(0));
    lag.on_replica(0, replica_at(100));
    ReplicationReport syncing = cut_off(100);
    syncing.syncing = true;
    lag.on_replica(0, syncing);
    EXPECT_EQ(fresh(), -1);
    lag.on_replica(0, cut_off(100));
    EXPECT_EQ(fresh(), -1);
    lag.on_replica(0, replica_at(120));
    EXPECT_EQ(fresh(), 0);
}

TEST_F(ReplicaLagTest, IsNotKnownAfterItsConnectionHasEnded) {
    lag.on_master(master_at(100), at(0));
    lag.on_replica(0, replica_at(100));
    lag.on_lost(0);
    EXPECT_EQ(fresh(), -1);
    lag.on_replica(0, cut_off(100));
    EXPECT_EQ(fresh(), -1);
}

// The promoted one writes a history of its own; its offset may be larger or smaller than the old master's.
TEST_F(ReplicaLagTest, FollowsTheHistoryOfANewMaster) {
    lag.on_master(master_at(1000), at(0));
    lag.on_replica(0, replica_at(1000));
    lag.on_replica(1, replica_at(1000));
    lag.on_master(master_at(900, "two"), at(250));
    lag.on_replica(0, master_at(900, "two"));  // it is the one
    EXPECT_EQ(fresh(0), -1);
    lag.on_replica(1, replica_at(1000));  // it has not changed over yet, and is no older for that
    EXPECT_EQ(fresh(1), 0);
    lag.on_replica(1, cut_off(1000));
    EXPECT_EQ(fresh(1), 0);
    lag.on_replica(1, replica_at(899, "two"));
    EXPECT_EQ(fresh(1), -1);
    lag.on_replica(1, replica_at(900, "two"));
    EXPECT_EQ(fresh(1), 250);
}

TEST_F(ReplicaLagTest, AMasterThatIsNoneAnyMoreSaysNothing) {
    lag.on_master(master_at(100), at(0));
    lag.on_master(replica_at(50), at(250));
    lag.on_replica(0, replica_at(100));
    EXPECT_EQ(fresh(), 0);
    EXPECT_EQ(lag.samples(), 1u);
}

TEST_F(ReplicaLagTest, OfLongAgoIsKnownMoreRoughlyAndNeverTooYoung) {
    ReplicaLag days{std::chrono::hours(48)};
    for (int second = 0; second != 20'000; ++second) days.on_master(master_at(second), at(second * 1000));
    EXPECT_LE(days.samples(), 65u);
    for (int second = 0; second < 20'000; second += 700) {
        days.on_replica(0, replica_at(second));
        EXPECT_LE(days.fresh_as_of(0), at(second * 1000));
    }
    days.on_replica(0, replica_at(19'998));
    EXPECT_EQ(days.fresh_as_of(0), at(19'998'000));
    days.on_replica(0, replica_at(10'000));
    EXPECT_NE(days.fresh_as_of(0), ReplicaLag::never);
    lag.on_master(master_at(1), at(0));
    lag.on_master(master_at(2), at(1001));
    EXPECT_EQ(lag.samples(), 1u);
}

TEST(ReplicaWatchInterval, IsAQuarterOfTheBoundInReason) {
    EXPECT_EQ(watch_interval(std::chrono::seconds(1)), std::chrono::milliseconds(250));
    EXPECT_EQ(watch_interval(std::chrono::milliseconds(1)), std::chrono::milliseconds(10));
    EXPECT_EQ(watch_interval(std::chrono::hours(1)), std::chrono::seconds(1));
}

// --- what servers say -----------------------------------------------------------------------------------------------

TEST(Replication, IsReadOfAMaster) {
    const auto report = read_replication(
        "# Replication\r\nrole:master\r\nconnected_slaves:4\r\n"
        "slave0:ip=127.0.0.1,port=7001,state=online,offset=14,lag=0\r\n"
        "slave1:ip=::1,port=7002,state=online,offset=14,lag=1,type=replica\r\n"
        "slave2:ip=127.0.0.1,port=7003,state=wait_bgsave,offset=0,lag=0\r\n"
        "slave3:ip=127.0.0.1,port=0,state=online,offset=0,lag=0\r\n"
        "master_failover_state:no-failover\r\nmaster_replid:abc\r\nmaster_replid2:000\r\nmaster_repl_offset:14\r\n");
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->master);
    EXPECT_EQ(report->replid, "abc");
    EXPECT_EQ(report->offset, 14);
    EXPECT_EQ(report->replicas, (std::vector<NodeAddress>{{"127.0.0.1", 7001}, {"::1", 7002}}));
}

TEST(Replication, IsReadOfAReplica) {
    const std::string text =
        "# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:7000\r\nmaster_link_status:up\r\n"
        "master_sync_in_progress:0\r\nslave_read_repl_offset:30\r\nslave_repl_offset:20\r\nslave_priority:100\r\n"
        "connected_slaves:0\r\nmaster_replid:abc\r\nmaster_repl_offset:25\r\n";
    const auto report = read_replication(text);
    ASSERT_TRUE(report);
    EXPECT_EQ(*report, replica_at(20, "abc"));
    std::string down = text;
    down.replace(down.find("status:up"), 9, "status:down");
    down.replace(down.find("progress:0"), 10, "progress:1");
    const auto other = read_replication(down);
    ASSERT_TRUE(other);
    EXPECT_FALSE(other->link_up);
    EXPECT_TRUE(other->syncing);
}

TEST(Replication, IsNothingOfAnythingElse) {
    EXPECT_FALSE(read_replication(""));
    EXPECT_FALSE(read_replication("# Replication\r\nrole:master\r\n"));
    EXPECT_FALSE(read_replication("role:sentinel\r\nmaster_replid:abc\r\nmaster_repl_offset:14\r\n"));
    EXPECT_FALSE(read_replication("role:master\r\nmaster_replid:abc\r\nmaster_repl_offset:-1\r\n"));
    EXPECT_FALSE(read_replication("role:slave\r\nmaster_replid:abc\r\nmaster_repl_offset:14\r\n"));
    EXPECT_FALSE(read_replication("role:master\r\nmaster_replid:\r\nmaster_repl_offset:14\r\n"));
}

}  // namespace
}  // namespace redoubt::topology
