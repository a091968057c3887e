// tests: what is done to the nodes of a Cluster, and in which order: a pure function of a seed.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "support/random.hpp"

namespace redoubt::chaos {

enum class ClusterFault : std::uint8_t {
    kill,     ///< SIGKILL of a master, which comes back as a replica
    move,     ///< slots go from one master to another while they are written
    hang,     ///< SIGSTOP of a master, and SIGCONT after its replica has taken its place
    request,  ///< CLUSTER FAILOVER: nothing is wrong with the master
    cut_off,  ///< no other node reaches the master, but clients do, until its replica has taken its place
};
constexpr std::size_t cluster_fault_kinds = static_cast<std::size_t>(ClusterFault::cut_off) + 1;
constexpr std::array<std::string_view, cluster_fault_kinds> cluster_fault_names{
    "SIGKILL of a master", "slots moved live", "SIGSTOP of a master", "CLUSTER FAILOVER", "a master cut off"};

class ClusterSchedule {
public:
    struct Step {
        ClusterFault fault = ClusterFault::kill;
        std::uint32_t shard = 0;         ///< whose master it is done to; of a move: the one that gives
        std::uint32_t other = 0;         ///< of a move: the one that takes
        std::uint32_t slots = 0;         ///< to move; of the others: meanwhile, between the other two masters
        std::uint32_t milliseconds = 0;  ///< that the old master stays away after another one has its place
    };
    explicit ClusterSchedule(std::uint64_t seed) : random_(seed ^ 0x5eed'c105'7e20'0000u) {}
    /// One of each kind first.
    Step next();

private:
    testing::Random random_;
    std::uint32_t number_ = 0;
};
std::string to_string(const ClusterSchedule::Step& step);

}  // namespace redoubt::chaos
