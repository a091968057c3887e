// topology: a Cluster node's word that another one serves a key: MOVED and ASK.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "topology/node_address.hpp"

namespace redoubt::topology {

struct Redirect {
    enum class Kind : std::uint8_t {
        moved,  ///< the slot is served there now
        ask,    ///< this one command is to go there, after ASKING: the slot is on its way
    };
    Kind kind = Kind::moved;
    std::uint16_t slot = 0;
    NodeAddress to;
    friend bool operator==(const Redirect&, const Redirect&) = default;
};

/// `MOVED 3999 127.0.0.1:6381`, `ASK 3999 [::1]:6381` or, from a node that does not know its own host's name,
/// `MOVED 3999 :6381`, which means the host that was `asked`. nullopt: it is none, or malformed.
std::optional<Redirect> parse_redirect(std::string_view error, const NodeAddress& asked);

}  // namespace redoubt::topology
