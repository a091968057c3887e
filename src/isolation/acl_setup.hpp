// isolation: sets up one ACL user on one node, and makes sure that the server took every word of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isolation/acl_link.hpp"
#include "isolation/acl_rules.hpp"

namespace redoubt::isolation {

/// An error of the call that needed the user: nothing of it was sent.
Error user_failure(std::string_view user, ErrorKind kind, std::string_view why);
/// The same after the administrator's connection failed.
Error user_failure(std::string_view user, const Error& error);
/// The same after the server answered with an error.
Error user_failure(std::string_view user, const Value& reply);

/// Sends commands for which twice is the same as once: a connection that was lost meanwhile is no failure yet.
result<std::vector<Value>> ask_again(AclLink& link, const std::vector<AclLink::Words>& commands, TimePoint deadline);

/// Makes the user, or sets everything of it anew but its secrets, and adds one by its hash, unless that is empty. Reads
/// the user back, and tries by ACL DRYRUN what it may and may not do. The hashes of all its secrets, or what is wrong.
result<std::vector<std::string>> set_up_user(AclLink& link, const std::string& name, const AclUser& rules,
                                             const std::string& hash, TimePoint deadline);

}  // namespace redoubt::isolation
