// service: what INFO tells is read, and what was seen is judged: pure, without a server.
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "service/monitor.hpp"
#include "service/node_watch.hpp"

namespace redoubt::service {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr TimePoint start{1000s};

const std::string server_part =
    "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.0.1\r\nrun_id:abc\r\n"
    "uptime_in_seconds:50\r\n";
std::string memory_part(std::int64_t used, std::int64_t max, std::string_view policy = "volatile-lru") {
    return "used_memory:" + std::to_string(used) + "\r\nused_memory_rss:300\r\nused_memory_peak:900\r\n" +
           "total_system_memory:10000\r\nmaxmemory:" + std::to_string(max) +
           "\r\nmaxmemory_policy:" + std::string(policy) + "\r\nmem_fragmentation_ratio:1.25\r\nevicted_keys:100\r\n";
}
const std::string master_part =
    "role:master\r\nconnected_slaves:3\r\n"
    "slave0:ip=10.0.0.1,port=6380,state=online,offset=900,lag=0\r\n"
    "slave1:ip=fe80::1,port=6381,state=online,offset=1000,lag=11\r\n"
    "slave2:ip=10.0.0.3,port=6382,state=wait_bgsave,offset=0,lag=0\r\nmaster_repl_offset:1000\r\n";
const std::string replica_part =
    "role:slave\r\nmaster_host:10.0.0.9\r\nmaster_port:6379\r\nmaster_link_status:down\r\n"
    "master_last_io_seconds_ago:-1\r\nmaster_sync_in_progress:0\r\nslave_read_repl_offset:1200\r\n"
    "slave_repl_offset:1000\r\nmaster_link_down_since_seconds:7\r\nmaster_repl_offset:1000\r\n";

TEST(ServerInfo, TellsOfAMasterAndItsReplicas) {
    const ReplicationReading read = read_replication(master_part);
    ASSERT_EQ(read.replicas.size(), 3u);
    EXPECT_EQ(read.good, 1u);
    EXPECT_EQ(
        json::serialize(replication_json(read)),
        R"({"role":"master","lag_bytes":1000,"lag_seconds":11,"good_replicas":1,"expected_replicas":1,"replicas":[)"
        R"({"endpoint":"10.0.0.1:6380","state":"online","link_status":"up","lag_bytes":100,"lag_seconds":0},)"
        R"({"endpoint":"[fe80::1]:6381","state":"online","link_status":"down","lag_bytes":0,"lag_seconds":11},)"
        R"({"endpoint":"10.0.0.3:6382","state":"wait_bgsave","link_status":"down","lag_bytes":1000,"lag_seconds":0}]})");
}

TEST(ServerInfo, TellsOfAReplicaWithoutItsMaster) {
    const ReplicationReading read = read_replication(replica_part);
    EXPECT_TRUE(read.is_down());
    EXPECT_EQ(json::serialize(replication_json(read)),
              R"({"role":"replica","master":"10.0.0.9:6379","link_status":"down","lag_bytes":200,"lag_seconds":-1,)"
              R"("sync_in_progress":false,"link_down_seconds":7})");
    EXPECT_EQ(json::serialize(replication_json(read_replication(""))), R"({"role":"unknown"})");
    EXPECT_FALSE(read_replication("").is_down());
}

TEST(ServerInfo, TellsOfMemoryAgainstEitherLimit) {
    const MemoryReading own = read_memory(server_part + memory_part(400, 500));
    EXPECT_DOUBLE_EQ(own.usage_fraction, 0.8);
    EXPECT_FALSE(own.limit_is_machine);
    EXPECT_DOUBLE_EQ(own.fragmentation, 1.25);
    EXPECT_DOUBLE_EQ(own.evicted_per_second_since_start, 2.0);
    const MemoryReading machine = read_memory(memory_part(400, 0));
    EXPECT_TRUE(machine.limit_is_machine);
    EXPECT_DOUBLE_EQ(machine.usage_fraction, 0.04);
    EXPECT_FALSE(read_memory("used_memory_rss:3\r\n").known);
    EXPECT_EQ(json::serialize(memory_json(read_memory(""), {})), R"({"status":"unknown"})");
}

TEST(EvictionRate, IsTheDifferenceOfTwoLooksASecondApart) {
    EvictionRate rate;
    EXPECT_EQ(rate.observe(100, "a", start), std::nullopt);
    EXPECT_EQ(rate.observe(150, "a", start + 500ms), std::nullopt);
    EXPECT_EQ(rate.observe(300, "a", start + 2s), 100.0);
    EXPECT_EQ(rate.observe(999, "a", start + 2500ms), 100.0);  // too soon: the last one holds
    EXPECT_EQ(rate.observe(300, "a", start + 4s), 0.0);
    EXPECT_EQ(rate.observe(5, "b", start + 6s), std::nullopt);  // restarted
    EXPECT_EQ(rate.observe(25, "b", start + 8s), 10.0);
    EXPECT_EQ(rate.observe(1, "b", start + 10s), std::nullopt);  // CONFIG RESETSTAT
}

TEST(ExpectedReplicas, AreTheMostOfTheLastHour) {
    ExpectedReplicas replicas;
    EXPECT_EQ(replicas.observe(0, start), 0u);
    EXPECT_EQ(replicas.observe(2, start + 1min), 2u);
    EXPECT_EQ(replicas.observe(1, start + 2min), 2u);
    EXPECT_EQ(replicas.observe(1, start + 60min), 2u);
    EXPECT_EQ(replicas.observe(1, start + 61min), 1u);
    EXPECT_EQ(replicas.observe(3, start + 62min), 3u);
}

// --- judging ----------------------------------------------------------------------------------------------------------

NodeSample sample_of(std::string info, CircuitState circuit = CircuitState::closed) {
    NodeSample sample;
    sample.endpoint = "cache:6379";
    sample.circuit = circuit;
    sample.ping_ms = 0.2;
    sample.set_get_delete_ms = 0.5;
    sample.info = std::move(info);
    return sample;
}
NodeSample failed_sample(CircuitState circuit, ErrorKind kind) {
    NodeSample sample = sample_of("", circuit);
    sample.failed_step = "ping";
    sample.failure = Error::of(kind, Certainty::not_sent, Stage::admission, "it failed");
    return sample;
}
json::object judge(std::vector<NodeSample> samples, std::size_t projects = 1) {
    const RedisServiceConfig config;
    std::vector<NodeReading> readings;
    for (NodeSample& sample : samples) {
        readings.push_back(NodeWatch(config).observe(std::move(sample), start).reading);
    }
    HealthContext context;
    context.projects = projects;
    return judge_health(readings, std::move(context), config);
}
std::string status_of(std::vector<NodeSample> samples) {
    return std::string(judge(std::move(samples)).at("status").as_string());
}

TEST(Judgement, FollowsTheRules) {
    const std::string well = server_part + memory_part(100, 1000) + "role:master\r\n";
    EXPECT_EQ(status_of({sample_of(well)}), "healthy");
    EXPECT_EQ(status_of({sample_of(well, CircuitState::disabled)}), "healthy");
    EXPECT_EQ(status_of({sample_of(well, CircuitState::half_open)}), "degraded");
    EXPECT_EQ(status_of({sample_of(well, CircuitState::open)}), "unhealthy");
    EXPECT_EQ(status_of({sample_of(well, CircuitState::forced_open)}), "unhealthy");
    EXPECT_EQ(status_of({sample_of(memory_part(850, 1000))}), "degraded");
    EXPECT_EQ(status_of({sample_of(memory_part(950, 1000))}), "unhealthy");
    EXPECT_EQ(status_of({sample_of(replica_part)}), "degraded");
    EXPECT_EQ(status_of({failed_sample(CircuitState::closed, ErrorKind::timeout)}), "unhealthy");
    EXPECT_EQ(status_of({failed_sample(CircuitState::open, ErrorKind::circuit_open)}), "unhealthy");
    EXPECT_EQ(status_of({failed_sample(CircuitState::half_open, ErrorKind::circuit_open)}), "degraded");
    // It closed between the refusal and the look.
    EXPECT_EQ(status_of({failed_sample(CircuitState::closed, ErrorKind::circuit_open)}), "degraded");
    // It failed in earnest while half-open.
    EXPECT_EQ(status_of({failed_sample(CircuitState::half_open, ErrorKind::timeout)}), "unhealthy");
    // A managed server that refuses INFO.
    NodeSample silent = failed_sample(CircuitState::closed, ErrorKind::server);
    silent.failed_step = "info";
    EXPECT_EQ(status_of({silent}), "healthy");
}

TEST(Judgement, SeveralNodesAreListedAndTheWorstDecides) {
    NodeSample other = failed_sample(CircuitState::closed, ErrorKind::timeout);
    other.endpoint = "cache:6380";
    const json::value health = judge({sample_of(server_part + "role:master\r\n"), other});
    EXPECT_EQ(health.at("status").as_string(), "unhealthy");
    ASSERT_EQ(health.at("nodes").as_array().size(), 2u);
    EXPECT_EQ(
        json::serialize(health.at("nodes").at(0)),
        R"({"endpoint":"cache:6379","role":"master","status":"healthy","circuit_breaker":"closed","kind":"valkey",)"
        R"("version":"8.0.1"})");
    EXPECT_EQ(health.at("nodes").at(1).at("status").as_string(), "unhealthy");
    EXPECT_TRUE(std::string_view(health.at("problems").at(0).as_string()).starts_with("cache:6380: ping failed: "));
    EXPECT_EQ(health.at("factory").at("status").as_string(), "unhealthy");
}

TEST(Judgement, AMastersReplicasAreListedWithTheirLag) {
    const json::value health = judge(
        {sample_of("role:master\r\nconnected_slaves:2\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=900,lag=0\r\n"
                   "slave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=12\r\nmaster_repl_offset:1000\r\n")});
    ASSERT_EQ(health.at("nodes").as_array().size(), 3u);
    EXPECT_EQ(json::serialize(health.at("nodes").at(1)),
              R"({"endpoint":"10.0.0.2:6379","role":"replica","status":"healthy","master":"cache:6379",)"
              R"("state":"online","lag_bytes":100,"lag_seconds":0})");
    EXPECT_EQ(health.at("nodes").at(2).at("status").as_string(), "degraded");
    EXPECT_EQ(health.at("nodes").at(2).at("lag_bytes").to_number<int>(), 1000);
}

TEST(Judgement, AdviceStandsBesideTheStatus) {
    const auto advised = [](std::string_view policy, std::int64_t max, std::size_t projects) {
        const json::value health = judge({sample_of(memory_part(100, max, policy))}, projects);
        EXPECT_EQ(health.at("status").as_string(), "healthy");
        EXPECT_TRUE(health.at("problems").as_array().empty());
        return json::serialize(health.at("advice"));
    };
    EXPECT_EQ(advised("volatile-lru", 1000, 5), "[]");
    EXPECT_EQ(advised("allkeys-lru", 1000, 1), "[]");
    EXPECT_NE(advised("allkeys-lru", 1000, 2).find("another project's keys"), std::string::npos);
    EXPECT_NE(advised("noeviction", 1000, 1).find("no eviction policy"), std::string::npos);
    EXPECT_NE(advised("volatile-lru", 0, 1).find("no memory limit"), std::string::npos);
}

TEST(Jitter, IsATwentiethEitherWay) {
    EXPECT_EQ(jittered(100s, 0.0), 95s);
    EXPECT_EQ(jittered(100s, 0.5), 100s);
    EXPECT_NEAR(std::chrono::duration<double>(jittered(100s, 0.999999)).count(), 105, 0.001);
}

}  // namespace
}  // namespace redoubt::service
