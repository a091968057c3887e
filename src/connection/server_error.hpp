// connection: what a server's error reply means: which exception, whether the command was applied, and whether
// it tells of a node in trouble. Pure.
#pragma once

#include <string_view>

#include <redoubt/base/error.hpp>
#include <redoubt/resp/key_prefix.hpp>

namespace redoubt::connection {

/// The `Error` of an error reply such as `WRONGTYPE Operation against ...`. The own prefix is removed from its
/// text, so that it names keys as the caller does; foreign project prefixes never occur in it (keys in error
/// texts are the command's own). What is not believed is `unknown`.
Error from_server_error(std::string_view text, const KeyPrefix& prefix, ErrorTrust trust = ErrorTrust::full);

/// True for the replies that count against the node's breaker: LOADING, CLUSTERDOWN, MASTERDOWN.
bool is_node_failure(std::string_view error_prefix) noexcept;

/// The command is at the wrong node of a Cluster, or its slot is on the way: MOVED, ASK, TRYAGAIN, CLUSTERDOWN.
bool is_about_place(std::string_view error_prefix) noexcept;

/// The server's own state refuses the command, whatever it is, and another moment may lift that: LOADING, BUSY...
bool is_passing(std::string_view error_prefix) noexcept;

}  // namespace redoubt::connection
