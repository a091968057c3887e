// resp: the command table as constants: the rows, sorted, with their encoded names. Seen by the builders, so
// that each knows its row when it is compiled.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <redoubt/resp/command_table.hpp>

namespace redoubt::resp {

// Why a command is refused, where several share the reason; each completes "X is refused: ".
namespace reasons {
inline constexpr std::string_view script =
    "a script can reach keys that it does not declare: only through a script object, where the configuration allows it";
inline constexpr std::string_view functions =
    "functions are code shared by the whole server; another project can replace them";
inline constexpr std::string_view subscriber = "changes the state of its connection: only through a subscriber";
inline constexpr std::string_view transaction =
    "changes the state of its connection: use transaction(), with watch() where it is needed";
inline constexpr std::string_view access_control = "access control belongs to the administrator";
inline constexpr std::string_view configuration = "server configuration belongs to the administrator";
inline constexpr std::string_view statistics = "statistics of the whole server; use get_metrics()";
inline constexpr std::string_view slow_log = "shows other projects' commands and arguments";
inline constexpr std::string_view cluster_admin = "cluster administration";
inline constexpr std::string_view routing = "belongs to the routing of a cluster";
inline constexpr std::string_view handshake = "belongs to the handshake: set it in the configuration";
inline constexpr std::string_view administration = "server administration";
inline constexpr std::string_view global_scripts = "acts on other projects' scripts";
inline constexpr std::string_view code_loading = "loads code into the server";
inline constexpr std::string_view memory_statistics =
    "statistics of the whole server; use health_check(), or MEMORY USAGE for one key";
inline constexpr std::string_view tracking = "changes the state of its connection, and tells of other projects' keys";
inline constexpr std::string_view pooled = "connections are shared and belong to the pool";
inline constexpr std::string_view others_connections = "acts on other projects' connections";
inline constexpr std::string_view own_table =
    "not needed: Redoubt has a table of its own; use COMMAND INFO or COMMAND DOCS";
inline constexpr std::string_view identity =
    "the identity is fixed when the connection is made: set it in the configuration";
inline constexpr std::string_view shared_wire =
    "it waits for the writes of the connection that it is sent on, which other calls share";
inline constexpr std::string_view debugging = "for debugging the server";
inline constexpr std::string_view erases = "erases every project; delete by scan() and UNLINK";
inline constexpr std::string_view payload =
    "makes the server parse a binary payload that it should not trust; use the typed writes";
}  // namespace reasons

// The words that the rows are written in.
namespace rows {
using namespace reasons;
using enum RetryCategory;
using enum ReplyRule;

/// A row is a CommandSpec that has not got its encoded name yet.
using Row = CommandSpec;
inline constexpr bool waits = true;

/// One key, at this position.
constexpr KeyPositions at(std::int16_t position) { return {position, position}; }

constexpr Row keyed(std::string_view name, std::int16_t arity, KeyPositions keys, RetryCategory retry,
                    ReplyRule reply = none, bool blocking = false) {
    return {name, arity, Policy::keys, keys, reply, retry, blocking, {}, {}, 1};
}
constexpr Row counted(std::string_view name, std::int16_t arity, KeyPositions keys, RetryCategory retry,
                      ReplyRule reply = none, bool blocking = false) {
    return {name, arity, Policy::numkeys, keys, reply, retry, blocking, {}, {}, 1};
}
/// One with a parser of its own (src/isolation/raw_command.cpp says which).
constexpr Row special(std::string_view name, std::int16_t arity, KeyPositions keys, RetryCategory retry,
                      ReplyRule reply = none, bool blocking = false) {
    return {name, arity, Policy::special, keys, reply, retry, blocking, {}, {}, 1};
}
constexpr Row keyless(std::string_view name, std::int16_t arity, RetryCategory retry) {
    return {name, arity, Policy::keyless, {}, none, retry, false, {}, {}, 1};
}
constexpr Row typed(std::string_view name, std::int16_t arity, KeyPositions keys, RetryCategory retry,
                    std::string_view reason, bool blocking = false) {
    return {name, arity, Policy::typed_only, keys, none, retry, blocking, reason, {}, 1};
}
constexpr Row library(std::string_view name, std::int16_t arity, RetryCategory retry, std::string_view reason) {
    return {name, arity, Policy::library_only, {}, none, retry, false, reason, {}, 1};
}
constexpr Row refuse(std::string_view name, std::int16_t arity, KeyPositions keys, std::string_view reason) {
    return {name, arity, Policy::refused, keys, none, never, false, reason, {}, 1};
}
constexpr Row container(std::string_view name, std::int16_t arity) {
    return refuse(name, arity, {}, "it needs a subcommand");
}

inline constexpr Row unsorted[] = {
#include "resp/table_connection.inc"
#include "resp/table_hashes.inc"
#include "resp/table_keys.inc"
#include "resp/table_lists.inc"
#include "resp/table_messages.inc"
#include "resp/table_server.inc"
#include "resp/table_sets.inc"
#include "resp/table_sorted_sets.inc"
#include "resp/table_streams.inc"
#include "resp/table_strings.inc"
};
}  // namespace rows

inline constexpr std::size_t command_count = std::size(rows::unsorted);

constexpr auto sort_rows() {
    std::array<CommandSpec, command_count> sorted{};
    std::copy(std::begin(rows::unsorted), std::end(rows::unsorted), sorted.begin());
    std::sort(sorted.begin(), sorted.end(),
              [](const CommandSpec& left, const CommandSpec& right) { return left.name < right.name; });
    return sorted;
}
inline constexpr auto sorted_rows = sort_rows();

/// Writes `$3\r\nGET\r\n` for each word of a name; counts only where `out` is null.
constexpr std::size_t encode_name(std::string_view name, char* out) {
    std::size_t written = 0;
    const auto put = [&](char byte) {
        if (out != nullptr) out[written] = byte;
        ++written;
    };
    while (!name.empty()) {
        const std::size_t size = std::min(name.find(' '), name.size());
        put('$');
        if (size > 9) put(static_cast<char>('0' + size / 10));
        put(static_cast<char>('0' + size % 10));
        put('\r');
        put('\n');
        for (std::size_t i = 0; i < size; ++i) put(name[i]);
        put('\r');
        put('\n');
        name.remove_prefix(std::min(size + 1, name.size()));
    }
    return written;
}

constexpr std::size_t names_size() {
    std::size_t total = 0;
    for (const CommandSpec& row : rows::unsorted) total += encode_name(row.name, nullptr);
    return total;
}

/// All encoded names in a row, in the order of `sorted_rows`.
constexpr auto encode_names() {
    std::array<char, names_size()> names{};
    std::size_t at = 0;
    for (const CommandSpec& row : sorted_rows) at += encode_name(row.name, names.data() + at);
    return names;
}
inline constexpr auto encoded_names = encode_names();

/// Whose users of the server have a command, where that does not follow from its policy.
struct AclException {
    std::string_view name;
    AclGrant grant;
};
inline constexpr AclException acl_exceptions[] = {
    // Every connection begins with these. AUTH and HELLO a server never refuses; a proxy may.
    {"AUTH", AclGrant::wire},
    {"CLIENT SETNAME", AclGrant::wire},
    {"HELLO", AclGrant::wire},
    {"PING", AclGrant::wire},
    {"READONLY", AclGrant::wire},
    {"SELECT", AclGrant::wire},
    // A script can reach keys that it does not declare; the server's ACL stops it there.
    {"EVAL", AclGrant::script},
    {"EVALSHA", AclGrant::script},
    {"EVALSHA_RO", AclGrant::script},
    {"EVAL_RO", AclGrant::script},
    {"SCRIPT EXISTS", AclGrant::script},
    {"SCRIPT LOAD", AclGrant::script},
    // They name or count what belongs to every project, and no ACL of the server can confine that.
    {"PUBSUB CHANNELS", AclGrant::scan},
    {"PUBSUB NUMSUB", AclGrant::scan},
    {"PUBSUB SHARDCHANNELS", AclGrant::scan},
    {"PUBSUB SHARDNUMSUB", AclGrant::scan},
    {"SCAN", AclGrant::scan},
    // The server's key check looks at the first STORE and executes the last; of PFMERGE with a destination alone it
    // sees no key at all. With users of the server these are refused.
    {"GEORADIUS", AclGrant::none},
    {"GEORADIUSBYMEMBER", AclGrant::none},
    {"PFMERGE", AclGrant::none},
};

/// What a project's client may send, its user may do.
constexpr AclGrant acl_grant(const CommandSpec& row) {
    for (const AclException& exception : acl_exceptions) {
        if (exception.name == row.name) return exception.grant;
    }
    return row.policy == Policy::library_only || row.policy == Policy::refused ? AclGrant::none : AclGrant::project;
}

/// Of those that only read keys: what is known of a key at one node is not what another knows (when it was used last), or
/// the answer goes on at the node that began it (a cursor).
inline constexpr std::string_view only_at_masters[] = {
    "HSCAN", "OBJECT FREQ", "OBJECT IDLETIME", "OBJECT REFCOUNT", "SSCAN", "TOUCH", "ZSCAN",
};

constexpr bool may_go_to_replicas(const CommandSpec& row) {
    if (row.retry != RetryCategory::read_only) return false;
    // The others of those with parsers of their own have no keys.
    if (row.policy == Policy::special) return row.name == "SORT_RO" || row.name == "XREAD";
    if (row.policy != Policy::keys && row.policy != Policy::numkeys) return false;
    return std::find(std::begin(only_at_masters), std::end(only_at_masters), row.name) == std::end(only_at_masters);
}

constexpr auto complete_rows() {
    std::array<CommandSpec, command_count> complete = sorted_rows;
    std::size_t at = 0;
    for (CommandSpec& row : complete) {
        const std::size_t size = encode_name(row.name, nullptr);
        row.encoded_name = {encoded_names.data() + at, size};
        row.words = row.name.find(' ') == std::string_view::npos ? 1 : 2;
        row.acl = acl_grant(row);
        row.at_replicas = may_go_to_replicas(row);
        at += size;
    }
    return complete;
}

/// The table.
inline constexpr std::array<CommandSpec, command_count> commands = complete_rows();

/// A builder's row, found when it is compiled: a misspelt name does not compile.
consteval const CommandSpec& spec_of(std::string_view name) {
    for (const CommandSpec& row : commands) {
        if (row.name == name) return row;
    }
    throw "no such command in the table";
}

}  // namespace redoubt::resp
