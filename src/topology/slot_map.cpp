// topology: the slot map; see the header.
#include "topology/slot_map.hpp"

#include <algorithm>

#include <redoubt/resp/reply.hpp>

namespace redoubt::topology {
namespace {

// However strange the answer: no more than a Cluster can have.
constexpr std::size_t most_nodes = 4096;

bool is_list(const ReplyNode& node) noexcept { return node.type == RespType::array || node.type == RespType::set; }
bool is_fields(const ReplyNode& node) noexcept { return node.type == RespType::map || node.type == RespType::array; }

bool is_port(std::int64_t number) noexcept { return number > 0 && number < 65536; }

/// A node that does not know its own host's name leaves it out, and one that was told to announce a name and has none
/// says "?".
std::string host_or(std::string_view host, const NodeAddress& asked) {
    return host.empty() || host == "?" ? asked.host : std::string(host);
}

/// One node of CLUSTER SHARDS. nullopt: malformed.
std::optional<SlotMap::Node> read_node(ReplyCursor& cursor, const NodeAddress& asked) {
    const ReplyNode head = cursor.next();
    if (!is_fields(head) || head.children() % 2 != 0) return std::nullopt;
    SlotMap::Node node;
    std::string_view host;
    std::string_view ip;
    std::int64_t port = 0;
    for (std::int64_t i = 0; i < head.children(); i += 2) {
        const ReplyNode name = cursor.next();
        const ReplyNode value = cursor.peek();
        cursor.skip();
        if (name.text == "id") {
            node.id = value.text;
        } else if (name.text == "endpoint") {
            host = value.text;
        } else if (name.text == "ip") {
            ip = value.text;
        } else if (name.text == "port") {
            port = value.integer;
        } else if (name.text == "role") {
            node.master = value.text == "master";
        } else if (name.text == "health") {
            node.online = value.text == "online";
        } else if (name.text == "replication-offset") {
            node.offset = static_cast<std::uint64_t>(std::max<std::int64_t>(value.integer, 0));
        }
    }
    if (!is_port(port)) return std::nullopt;
    node.address = {host_or(host.empty() ? ip : host, asked), static_cast<std::uint16_t>(port)};
    return node;
}

}  // namespace

bool SlotMap::cover(std::int64_t first, std::int64_t last, std::uint16_t owner) noexcept {
    if (first < 0 || first > last || last >= static_cast<std::int64_t>(slot_count)) return false;
    std::fill(owners_.begin() + first, owners_.begin() + last + 1, owner);
    return true;
}

std::optional<SlotMap> SlotMap::from_shards(std::string_view frame, const NodeAddress& asked) {
    ReplyCursor cursor(frame);
    const ReplyNode shards = cursor.next();
    if (!is_list(shards)) return std::nullopt;
    SlotMap map;
    for (std::int64_t shard = 0; shard < shards.children(); ++shard) {
        const ReplyNode head = cursor.next();
        if (!is_fields(head) || head.children() % 2 != 0) return std::nullopt;
        std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
        const std::size_t first = map.nodes_.size();
        for (std::int64_t i = 0; i < head.children(); i += 2) {
            const ReplyNode name = cursor.next();
            if (name.text == "slots") {
                const ReplyNode slots = cursor.next();
                if (!is_list(slots) || slots.children() % 2 != 0) return std::nullopt;
                for (std::int64_t at = 0; at < slots.children(); at += 2) {
                    const std::int64_t from = cursor.next().integer;
                    ranges.emplace_back(from, cursor.next().integer);
                }
            } else if (name.text == "nodes") {
                const ReplyNode nodes = cursor.next();
                if (!is_list(nodes)) return std::nullopt;
                for (std::int64_t at = 0; at < nodes.children(); ++at) {
                    std::optional<Node> node = read_node(cursor, asked);
                    if (!node || map.nodes_.size() == most_nodes) return std::nullopt;
                    node->shard = static_cast<std::size_t>(shard);
                    map.nodes_.push_back(std::move(*node));
                }
            } else {
                cursor.skip();
            }
        }
        // After a failover the old master may be named one still, as long as it is down.
        std::uint16_t owner = nobody;
        for (std::size_t i = first; i != map.nodes_.size(); ++i) {
            const bool better = owner == nobody || (map.nodes_[i].online && !map.nodes_[owner].online);
            if (map.nodes_[i].master && better) owner = static_cast<std::uint16_t>(i);
        }
        for (const auto& [from, to] : ranges) {
            if (!map.cover(from, to, owner)) return std::nullopt;
        }
    }
    return map;
}

std::optional<SlotMap> SlotMap::from_slots(std::string_view frame, const NodeAddress& asked) {
    ReplyCursor cursor(frame);
    const ReplyNode ranges = cursor.next();
    if (!is_list(ranges)) return std::nullopt;
    SlotMap map;
    for (std::int64_t range = 0; range < ranges.children(); ++range) {
        const ReplyNode head = cursor.next();
        if (!is_list(head) || head.children() < 2) return std::nullopt;
        const std::int64_t from = cursor.next().integer;
        const std::int64_t to = cursor.next().integer;
        std::uint16_t owner = nobody;
        for (std::int64_t i = 2; i < head.children(); ++i) {
            const ReplyNode node = cursor.next();
            if (!is_list(node) || node.children() < 2) return std::nullopt;
            const std::string_view host = cursor.next().text;
            const std::int64_t port = cursor.next().integer;
            const std::string_view id = node.children() > 2 ? cursor.next().text : std::string_view();
            for (std::int64_t at = 3; at < node.children(); ++at) cursor.skip();
            if (!is_port(port)) return std::nullopt;
            const NodeAddress address{host_or(host, asked), static_cast<std::uint16_t>(port)};
            std::uint16_t number = map.find(address);
            if (number == nobody) {
                if (map.nodes_.size() == most_nodes) return std::nullopt;
                number = static_cast<std::uint16_t>(map.nodes_.size());
                map.nodes_.push_back({address, std::string(id), i == 2, true, 0, 0});
            }
            // The master comes first, and its shard is called after it.
            if (i == 2) owner = number;
            map.nodes_[number].shard = owner;
        }
        if (!map.cover(from, to, owner)) return std::nullopt;
    }
    return map;
}

std::uint16_t SlotMap::find(const NodeAddress& address) const noexcept {
    const auto found =
        std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& node) { return node.address == address; });
    return found == nodes_.end() ? nobody : static_cast<std::uint16_t>(found - nodes_.begin());
}

std::vector<std::pair<std::uint16_t, std::uint16_t>> SlotMap::uncovered() const {
    std::vector<std::pair<std::uint16_t, std::uint16_t>> gaps;
    for (std::size_t at = 0; at != slot_count; ++at) {
        if (owners_[at] != nobody) continue;
        const auto slot = static_cast<std::uint16_t>(at);
        if (!gaps.empty() && gaps.back().second + 1u == at) {
            gaps.back().second = slot;
        } else {
            gaps.emplace_back(slot, slot);
        }
    }
    return gaps;
}

}  // namespace redoubt::topology
