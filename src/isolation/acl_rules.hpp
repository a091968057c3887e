// isolation: what the users of the server (ACL) may do, as the words of ACL SETUSER, from the command table alone. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/resp/command_table.hpp>
#include <redoubt/resp/key_prefix.hpp>

namespace redoubt::isolation {

/// Whose user it is.
enum class AclRole : std::uint8_t {
    project,         ///< a project's: its own keys and channels
    script_project,  ///< the same, and it may run scripts
    scan,            ///< SCAN and the listing of channels for all projects, and nothing else
};

inline constexpr std::string_view acl_user_prefix = "proj_";
inline constexpr std::string_view acl_scan_user = "redoubt_scan";
/// `proj_<id>`.
std::string acl_user_of(std::string_view project_id);
/// The id of a user's project; nullopt for a user that is no project's.
std::optional<std::string_view> project_of_acl_user(std::string_view user) noexcept;

/// The table's name as the server has it: `client|setname`.
std::string acl_name(const CommandSpec& spec);
bool is_granted(const CommandSpec& spec, AclRole role) noexcept;

/// One user.
struct AclUser {
    AclRole role = AclRole::project;
    KeyPrefix prefix;            ///< of its project; not for the scan user
    std::uint32_t database = 0;  ///< the only one it may SELECT; 0: none
};

/// `+get`, ...: what is granted of the commands that the server knows (COMMAND LIST, lower case), and behind it, as
/// `-command|getkeys`, what a granted container would bring along.
std::vector<std::string> acl_grants(const AclUser& user, std::span<const std::string> known);
/// The user's keys and channels, then all its commands: everything of ACL SETUSER but secrets, so that what an
/// existing user could do beyond is taken away, and its secrets stay.
std::vector<std::string> acl_rules(const AclUser& user, std::span<const std::string> known);
/// `~proj:a:*`; empty for the scan user.
std::string acl_key_pattern(const AclUser& user);
/// `&proj:a:*`, and the channels on which the server tells of the project's keys: `&__keyspace@0__:proj:a:*`. A pattern
/// to subscribe to is compared with these as a text.
std::vector<std::string> acl_channel_patterns(const AclUser& user);

/// A command to be tried by ACL DRYRUN.
struct AclCheck {
    bool allowed = false;
    std::vector<std::string> words;
};
/// What must pass and what must fail for this user, whatever the server makes of the rules.
std::vector<AclCheck> acl_checks(const AclUser& user);

}  // namespace redoubt::isolation
