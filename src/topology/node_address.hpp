// topology: where a node is.
#pragma once

#include <string>

#include <redoubt/base/config.hpp>

namespace redoubt::topology {

/// A host, name or address, and a port.
using NodeAddress = Target::Seed;

/// `127.0.0.1:6379`, `[::1]:6379`.
inline std::string to_text(const NodeAddress& address) {
    const bool ipv6 = address.host.find(':') != std::string::npos;
    return (ipv6 ? '[' + address.host + ']' : address.host) + ':' + std::to_string(address.port);
}

}  // namespace redoubt::topology
