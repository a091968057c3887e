// tests: what is done to the nodes of a Cluster; see the header.
#include "chaos/cluster_schedule.hpp"

#include <fmt/format.h>

namespace redoubt::chaos {

ClusterSchedule::Step ClusterSchedule::next() {
    Step step;
    const std::uint32_t any = random_.below(cluster_fault_kinds);
    step.fault = static_cast<ClusterFault>(number_ < cluster_fault_kinds ? number_ : any);
    ++number_;
    step.shard = random_.below(3);
    step.other = (step.shard + 1 + random_.below(2)) % 3;
    const bool moves = step.fault == ClusterFault::move || random_.one_in(2);
    step.slots = moves ? random_.between(20, 60) : 0;
    step.milliseconds = random_.below(1500);
    // `move_slots` may run beside anything that ends no server.
    if (step.fault == ClusterFault::kill) step.slots = 0;
    return step;
}

std::string to_string(const ClusterSchedule::Step& step) {
    return fmt::format("{:<20} shard {}, other {}, {:>2} slots, away for {:>4} ms longer",
                       cluster_fault_names[static_cast<std::size_t>(step.fault)], step.shard, step.other, step.slots,
                       step.milliseconds);
}

}  // namespace redoubt::chaos
