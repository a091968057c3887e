// isolation: the rules of ACL users; see the header.
#include "isolation/acl_rules.hpp"

#include <algorithm>
#include <utility>

#include "isolation/project_id.hpp"

namespace redoubt::isolation {
namespace {

bool knows(std::span<const std::string> known, std::string_view name) {
    return std::find(known.begin(), known.end(), name) != known.end();
}

// Commands of a container that the table does not grant, those that it does not know included.
void add_removals(std::vector<std::string>& out, std::string_view container, AclRole role,
                  std::span<const std::string> known) {
    for (const std::string& name : known) {
        const std::size_t bar = name.find('|');
        if (bar == std::string::npos || std::string_view(name).substr(0, bar) != container) continue;
        const CommandSpec* spec =
            find_command(std::string_view(name).substr(0, bar), std::string_view(name).substr(bar + 1));
        if (spec == nullptr || !is_granted(*spec, role)) out.push_back("-" + name);
    }
}

std::string keyspace_pattern(const AclUser& user) {
    return "__keyspace@" + std::to_string(user.database) + "__:" + user.prefix.glob_escaped() + "*";
}

}  // namespace

std::string acl_user_of(std::string_view project_id) { return std::string(acl_user_prefix).append(project_id); }

std::optional<std::string_view> project_of_acl_user(std::string_view user) noexcept {
    if (!user.starts_with(acl_user_prefix)) return std::nullopt;
    return user.substr(acl_user_prefix.size());
}

std::string acl_name(const CommandSpec& spec) {
    std::string name(spec.name);
    for (char& byte : name) {
        if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
        if (byte == ' ') byte = '|';
    }
    return name;
}

bool is_granted(const CommandSpec& spec, AclRole role) noexcept {
    switch (spec.acl) {
        case AclGrant::none: return false;
        case AclGrant::wire: return true;
        case AclGrant::project: return role != AclRole::scan;
        case AclGrant::script: return role == AclRole::script_project;
        case AclGrant::scan: return role == AclRole::scan;
    }
    return false;
}

std::vector<std::string> acl_grants(const AclUser& user, std::span<const std::string> known) {
    std::vector<std::string> grants;
    std::vector<std::string> removals;
    for (const CommandSpec& spec : command_table()) {
        if (!is_granted(spec, user.role)) continue;
        std::string name = acl_name(spec);
        if (!knows(known, name)) continue;
        if (spec.name == "SELECT") {
            // Only the database of the configuration: its first argument is part of the grant.
            if (user.database != 0) grants.push_back("+select|" + std::to_string(user.database));
            continue;
        }
        if (spec.words == 1) add_removals(removals, name, user.role, known);
        grants.push_back("+" + std::move(name));
    }
    std::sort(removals.begin(), removals.end());
    grants.insert(grants.end(), removals.begin(), removals.end());
    return grants;
}

std::vector<std::string> acl_rules(const AclUser& user, std::span<const std::string> known) {
    std::vector<std::string> rules{"on", "clearselectors", "resetkeys"};
    if (user.role != AclRole::scan) rules.push_back(acl_key_pattern(user));
    rules.emplace_back("resetchannels");
    for (std::string& channels : acl_channel_patterns(user)) rules.push_back(std::move(channels));
    rules.emplace_back("-@all");
    std::vector<std::string> grants = acl_grants(user, known);
    std::move(grants.begin(), grants.end(), std::back_inserter(rules));
    return rules;
}

std::string acl_key_pattern(const AclUser& user) {
    return user.role == AclRole::scan ? std::string() : "~" + user.prefix.glob_escaped() + "*";
}

std::vector<std::string> acl_channel_patterns(const AclUser& user) {
    if (user.role == AclRole::scan) return {};
    return {"&" + user.prefix.glob_escaped() + "*", "&" + keyspace_pattern(user)};
}

std::vector<AclCheck> acl_checks(const AclUser& user) {
    // No project's key, because its own prefix is never another's.
    const std::string foreign = "redoubt-check:x";
    const std::string own = std::string(user.prefix.view()) + "x";
    const bool scans = user.role == AclRole::scan;
    const bool scripts = user.role == AclRole::script_project;
    const bool works = !scans;
    return {
        {true, {"PING"}},
        {works, {"GET", own}},
        {works, {"SET", own, "v"}},
        {works, {"MGET", own, own}},
        {works, {"PUBLISH", own, "v"}},
        {works, {"SUBSCRIBE", own}},
        {works, {"MULTI"}},
        {works, {"PSUBSCRIBE", user.prefix.glob_escaped() + "*"}},
        {works, {"PSUBSCRIBE", keyspace_pattern(user)}},
        {scripts, {"EVAL", "return 1", "0"}},
        {scans, {"SCAN", "0"}},
        {scans, {"PUBSUB", "CHANNELS"}},
        {false, {"GET", foreign}},
        {false, {"SET", foreign, "v"}},
        {false, {"MGET", own, foreign}},
        {false, {"RENAME", own, foreign}},
        {false, {"PFMERGE", foreign}},
        {false, {"GEORADIUS", own, "0", "0", "1", "km", "STORE", own, "STORE", foreign}},
        {false, {"SORT", own, "STORE", foreign}},
        {false, {"PUBLISH", foreign, "v"}},
        {false, {"SUBSCRIBE", foreign}},
        {false, {"PSUBSCRIBE", "*"}},
        {false, {"PSUBSCRIBE", "__keyspace@" + std::to_string(user.database) + "__:*"}},
        {false, {"PSUBSCRIBE", "__keyevent@" + std::to_string(user.database) + "__:*"}},
        {false, {"KEYS", "*"}},
        {false, {"RANDOMKEY"}},
        {false, {"DBSIZE"}},
        {false, {"FLUSHDB"}},
        {false, {"FLUSHALL"}},
        {false, {"MOVE", own, "1"}},
        {false, {"SWAPDB", "0", "1"}},
        {false, {"CONFIG", "GET", "*"}},
        {false, {"ACL", "WHOAMI"}},
        {false, {"CLIENT", "LIST"}},
        {false, {"CLIENT", "KILL", "ID", "1"}},
        {false, {"CLIENT", "TRACKING", "on"}},
        {false, {"FCALL", "f", "0"}},
        {false, {"FUNCTION", "LIST"}},
        {false, {"SCRIPT", "FLUSH"}},
        {false, {"MONITOR"}},
        {false, {"SELECT", user.database == 7 ? "8" : "7"}},
    };
}

}  // namespace redoubt::isolation
