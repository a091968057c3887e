// topology: a Cluster as one of its nodes sees it: who serves which slots, and who follows whom.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "topology/node_address.hpp"
#include "topology/slot.hpp"

namespace redoubt::topology {

/// A plain value; immutable once it is made.
class SlotMap {
public:
    struct Node {
        NodeAddress address;
        std::string id;
        bool master = false;
        bool online = true;        ///< as the others see it; CLUSTER SLOTS does not say
        std::size_t shard = 0;     ///< nodes of one shard have the same slots
        std::uint64_t offset = 0;  ///< of replication; CLUSTER SLOTS does not say
        friend bool operator==(const Node&, const Node&) = default;
    };
    static constexpr std::uint16_t nobody = 0xffff;

    /// The reply of CLUSTER SHARDS, in RESP2 or RESP3; `asked`: who gave it, for a node that leaves its own host out.
    /// nullopt: it is no such reply.
    static std::optional<SlotMap> from_shards(std::string_view frame, const NodeAddress& asked);
    /// The same of CLUSTER SLOTS, for servers before Redis 7.
    static std::optional<SlotMap> from_slots(std::string_view frame, const NodeAddress& asked);

    const std::vector<Node>& nodes() const noexcept { return nodes_; }
    /// The number of the node that serves the slot, in `nodes`; `nobody`.
    std::uint16_t owner(std::uint16_t slot) const noexcept { return owners_[slot]; }
    /// The number of the node at this address; `nobody`.
    std::uint16_t find(const NodeAddress& address) const noexcept;
    /// Slots that nobody serves, as first and last of each range.
    std::vector<std::pair<std::uint16_t, std::uint16_t>> uncovered() const;
    friend bool operator==(const SlotMap&, const SlotMap&) = default;

private:
    SlotMap() { owners_.fill(nobody); }
    bool cover(std::int64_t first, std::int64_t last, std::uint16_t owner) noexcept;

    std::vector<Node> nodes_;
    std::array<std::uint16_t, slot_count> owners_;
};

}  // namespace redoubt::topology
