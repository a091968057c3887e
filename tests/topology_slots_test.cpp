// topology: slots, the map of a Cluster and redirects; against the specification and against real servers.
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/embedded/embedded_cluster.hpp>

#include "support/raw_client.hpp"
#include "support/servers.hpp"
#include "topology/redirect.hpp"
#include "topology/slot.hpp"
#include "topology/slot_map.hpp"

namespace redoubt::topology {
namespace {

using testing::RawClient;

// The check value of the specification's appendix A.
TEST(Slots, TheCrcIsThatOfTheSpecification) {
    EXPECT_EQ(crc16_by_bytes("123456789", 0), 0x31C3);
    EXPECT_EQ(crc16("123456789"), 0x31C3);
}

TEST(Slots, TheCrcIsTheSameByWordsAndByBytes) {
    std::minstd_rand random(7);
    for (std::size_t size = 0; size != 70; ++size) {
        for (int i = 0; i != 200; ++i) {
            std::string bytes(size, '\0');
            for (char& byte : bytes) byte = static_cast<char>(random() >> 5);
            const auto before = static_cast<std::uint16_t>(random());
            const std::uint32_t crc = crc16_by_bytes(bytes, before);
            ASSERT_EQ(crc16(bytes, before), crc & 0xffffu) << size << " bytes behind " << before;
            const bool braced = (crc16_and_braces(bytes, before) & brace_bits) != 0;
            ASSERT_EQ(braced, bytes.find('{') != std::string::npos) << bytes;
            ASSERT_EQ(braced, (crc & brace_bits) != 0) << bytes;
        }
    }
}

TEST(Slots, ATagIsWhatStandsInTheFirstBracesIfAnything) {
    EXPECT_EQ(hashed_part("{user1000}.following"), "user1000");
    EXPECT_EQ(hashed_part("foo{}{bar}"), "foo{}{bar}");
    EXPECT_EQ(hashed_part("foo{{bar}}zap"), "{bar");
    EXPECT_EQ(hashed_part("foo{bar}{zap}"), "bar");
    EXPECT_EQ(hashed_part("foo{bar"), "foo{bar");
    EXPECT_EQ(hashed_part("foo}bar{"), "foo}bar{");
    EXPECT_EQ(hashed_part("}{a}"), "a");
    EXPECT_EQ(hashed_part("proj:{alpha}:k"), "alpha");
    EXPECT_EQ(hashed_part(""), "");
}

TEST(Redirects, AreReadAndNothingElseIs) {
    const NodeAddress asked{"10.0.0.9", 7000};
    const auto read = [&](std::string_view text) { return parse_redirect(text, asked); };
    EXPECT_EQ(read("MOVED 3999 127.0.0.1:6381"), (Redirect{Redirect::Kind::moved, 3999, {"127.0.0.1", 6381}}));
    EXPECT_EQ(read("ASK 16383 host.example:1"), (Redirect{Redirect::Kind::ask, 16383, {"host.example", 1}}));
    EXPECT_EQ(read("MOVED 1 :6381"), (Redirect{Redirect::Kind::moved, 1, {"10.0.0.9", 6381}}));
    EXPECT_EQ(read("MOVED 1 ?:6381"), (Redirect{Redirect::Kind::moved, 1, {"10.0.0.9", 6381}}));
    EXPECT_EQ(read("MOVED 1 ::1:6381"), (Redirect{Redirect::Kind::moved, 1, {"::1", 6381}}));
    EXPECT_EQ(read("MOVED 1 [::1]:6381"), (Redirect{Redirect::Kind::moved, 1, {"::1", 6381}}));
    for (const auto* const text :
         {"", "MOVED", "MOVED ", "MOVED 1", "MOVED 1 ", "MOVED 1 h", "MOVED 1 h:", "MOVED 1 h:0", "MOVED 1 h:65536",
          "MOVED 16384 h:1", "MOVED -1 h:1", "MOVED x h:1", "MOVEDX 1 h:1", "ERR MOVED 1 h:1",
          "TRYAGAIN Multiple keys request during rehashing of slot"}) {
        EXPECT_FALSE(read(text).has_value()) << text;
    }
}

// Two shards, in RESP3 as one would send it; the second one's old master is down.
constexpr std::string_view shards =
    "*2\r\n"
    "%2\r\n$5\r\nslots\r\n*4\r\n:0\r\n:99\r\n:200\r\n:16383\r\n$5\r\nnodes\r\n*2\r\n"
    "%7\r\n$2\r\nid\r\n$2\r\nid\r\n$4\r\nport\r\n:7000\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n$8\r\nendpoint\r\n$0\r\n\r\n"
    "$4\r\nrole\r\n$6\r\nmaster\r\n$18\r\nreplication-offset\r\n:12\r\n$6\r\nhealth\r\n$6\r\nonline\r\n"
    "%4\r\n$4\r\nport\r\n:7001\r\n$8\r\nendpoint\r\n$1\r\n?\r\n$4\r\nrole\r\n$7\r\nreplica\r\n$6\r\nhealth\r\n$"
    "7\r\nloading\r\n"
    "%2\r\n$5\r\nslots\r\n*2\r\n:100\r\n:150\r\n$5\r\nnodes\r\n*2\r\n"
    "%4\r\n$4\r\nport\r\n:7002\r\n$8\r\nendpoint\r\n$1\r\nh\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$6\r\nhealth\r\n$"
    "4\r\nfail\r\n"
    "%4\r\n$4\r\nport\r\n:7003\r\n$8\r\nendpoint\r\n$1\r\nh\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$6\r\nhealth\r\n$"
    "6\r\nonline\r\n";

TEST(SlotMaps, OfShardsNameTheMasterThatIsOnline) {
    const auto map = SlotMap::from_shards(shards, {"asked", 1});
    ASSERT_TRUE(map.has_value());
    ASSERT_EQ(map->nodes().size(), 4u);
    EXPECT_EQ(map->nodes()[0].address, (NodeAddress{"10.0.0.1", 7000}));
    EXPECT_EQ(map->nodes()[0].offset, 12u);
    EXPECT_EQ(map->nodes()[1].address, (NodeAddress{"asked", 7001}));
    EXPECT_FALSE(map->nodes()[1].master);
    EXPECT_FALSE(map->nodes()[1].online);
    EXPECT_EQ(map->nodes()[3].shard, 1u);
    EXPECT_EQ(map->owner(0), 0);
    EXPECT_EQ(map->owner(99), 0);
    EXPECT_EQ(map->owner(100), 3);
    EXPECT_EQ(map->owner(151), SlotMap::nobody);
    EXPECT_EQ(map->uncovered(), (std::vector<std::pair<std::uint16_t, std::uint16_t>>{{151, 199}}));
    EXPECT_EQ(map->find({"h", 7003}), 3);
    EXPECT_EQ(map->find({"h", 7004}), SlotMap::nobody);
}

TEST(SlotMaps, RefuseWhatIsNoSuchReply) {
    const NodeAddress asked{"h", 1};
    for (const auto* const frame :
         {"+OK\r\n", "-ERR This instance has cluster support disabled\r\n", "*1\r\n:1\r\n", "*1\r\n*1\r\n:1\r\n",
          "*1\r\n*2\r\n$5\r\nslots\r\n*2\r\n:5\r\n:4\r\n", "*1\r\n*2\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16384\r\n",
          "*1\r\n*2\r\n$5\r\nslots\r\n*1\r\n:0\r\n", "*1\r\n*2\r\n$5\r\nnodes\r\n*1\r\n*2\r\n$4\r\nport\r\n:0\r\n"}) {
        EXPECT_FALSE(SlotMap::from_shards(frame, asked).has_value()) << frame;
    }
    for (const auto* const frame : {"+OK\r\n", "*1\r\n:1\r\n", "*1\r\n*1\r\n:1\r\n", "*1\r\n*2\r\n:0\r\n:16384\r\n",
                                    "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nh\r\n", "*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n"}) {
        EXPECT_FALSE(SlotMap::from_slots(frame, asked).has_value()) << frame;
    }
}

class LiveSlotsTest : public ::testing::TestWithParam<std::string> {};

// Random keys full of braces, and what the server makes of them; and both of its maps, in both protocols.
TEST_P(LiveSlotsTest, KeysAndMapsAreAsTheServerSays) {
    EmbeddedClusterOptions options;
    options.program = GetParam();
    EmbeddedCluster cluster(options);
    RawClient client(cluster.node(0));
    std::mt19937 random(20261123);
    constexpr std::string_view alphabet = "ab{}{}:\r\n\xff";
    for (int i = 0; i != 2000; ++i) {
        std::string key(random() % 12, '\0');
        for (char& byte : key) byte = alphabet[random() % alphabet.size()];
        ASSERT_EQ(client.command({"CLUSTER", "KEYSLOT", key}), ":" + std::to_string(slot_of(key)) + "\r\n")
            << ::testing::PrintToString(key);
    }

    const NodeAddress asked{"127.0.0.1", cluster.node(0).port()};
    const auto check = [&](const std::optional<SlotMap>& map, std::size_t nodes) {
        ASSERT_TRUE(map.has_value());
        EXPECT_GE(map->nodes().size(), nodes);
        EXPECT_TRUE(map->uncovered().empty());
        for (const int number : {0, 5460, 5461, 10921, 10922, 16383}) {
            const auto slot = static_cast<std::uint16_t>(number);
            const std::size_t owner = cluster.owner_of(slot);
            ASSERT_NE(map->owner(slot), SlotMap::nobody);
            const SlotMap::Node& node = map->nodes()[map->owner(slot)];
            EXPECT_EQ(node.address, (NodeAddress{"127.0.0.1", cluster.node(owner).port()})) << slot;
            EXPECT_EQ(node.id, cluster.node_id(owner));
            EXPECT_TRUE(node.master);
        }
        std::size_t masters = 0;
        for (const SlotMap::Node& node : map->nodes()) masters += node.master ? 1 : 0;
        EXPECT_EQ(masters, 3u);
    };
    for (const char* protocol : {"2", "3"}) {
        client.command({"HELLO", protocol});
        check(SlotMap::from_shards(client.command({"CLUSTER", "SHARDS"}), asked), 6);
        // It leaves out replicas of which it has not heard that they have data.
        check(SlotMap::from_slots(client.command({"CLUSTER", "SLOTS"}), asked), 3);
    }
}

INSTANTIATE_TEST_SUITE_P(BothServers, LiveSlotsTest, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return parameter.param.substr(0, parameter.param.find('-')); });

TEST(KeySlots, AgreeWithTheWholeKeyWhateverThePrefixAndTheBraces) {
    const std::vector<std::string> pieces{"", "a", "{", "}", "{}", "{t}", "key", "}{", "{{x}", "{a"};
    for (const std::string prefix : {"", "proj:a:", "proj:{a}:", "p{", "p{}:", "p}{x:"}) {
        const KeySlots slots(prefix);
        for (const std::string& one : pieces) {
            for (const std::string& two : pieces) {
                for (const std::string& three : pieces) {
                    const std::string key = one + two + three;
                    ASSERT_EQ(slots(key), slot_of(prefix + key)) << prefix << ' ' << key;
                }
            }
        }
    }
    EXPECT_EQ(KeySlots("proj:{a}:").only(), slot_of("a"));
    EXPECT_EQ(KeySlots("proj:a:").only(), any_slot);
}

}  // namespace
}  // namespace redoubt::topology
