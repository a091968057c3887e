// resp: what is known of every command: keys, policy, reply rule, retry category. The single source for
// encoding, isolation and retry. One line a command in src/resp/command_table.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <redoubt/base/retry_category.hpp>

namespace redoubt {

/// What a project's client may do with a command (shared/reference of the policy: ARCHITECTURE.md).
enum class Policy : std::uint8_t {
    keys,          ///< every key at the positions of `keys` is prefixed
    numkeys,       ///< a count argument says how many keys follow
    special,       ///< a parser of its own
    keyless,       ///< no key and harmless: sent unchanged
    typed_only,    ///< only through an object of its own (transaction, subscriber, script), never raw
    library_only,  ///< only Redoubt itself sends it
    refused,       ///< never; `reason` says why and what to use instead
};

/// How keys in the reply are to be treated.
enum class ReplyRule : std::uint8_t {
    none,           ///< no key in it
    scan_page,      ///< [cursor, [keys]]: foreign dropped, own stripped
    first_element,  ///< [key, ...]: the key is stripped
    stream_map,     ///< XREAD: each stream's name is stripped
    name_list,      ///< [name, ...]: foreign dropped, own stripped (PUBSUB CHANNELS)
    name_counts,    ///< [name, count, ...] or a map: each name is stripped (PUBSUB NUMSUB)
};

/// Which user of the server (ACL) is granted the command, where each project has one of its own.
enum class AclGrant : std::uint8_t {
    none,     ///< no user that Redoubt makes
    wire,     ///< every one: what Redoubt itself sends on each connection
    project,  ///< every project's: the server's own checks keep it to the project's keys and channels
    script,   ///< a project's that may run scripts
    scan,     ///< the scan user's alone: the server cannot confine it, so it has a user with nothing else
};

/// Where keys stand in argv (the command's name is 0; a subcommand counts). `first` 0: no static keys.
/// `last` may be negative: -1 is the last argument, -2 the one before.
struct KeyPositions {
    std::int16_t first = 0;
    std::int16_t last = 0;
    std::int16_t step = 1;
    std::int16_t numkeys = 0;  ///< position of the count argument, 0 when there is none
};

/// One line of the table.
struct CommandSpec {
    std::string_view name;   ///< upper case; `OBJECT ENCODING` for a subcommand
    std::int16_t arity = 0;  ///< as COMMAND says: with the name; negative: at least
    Policy policy = Policy::refused;
    KeyPositions keys;
    ReplyRule reply = ReplyRule::none;
    RetryCategory retry = RetryCategory::never;
    bool blocking = false;          ///< may wait on the server: then it needs a wire of its own
    std::string_view reason;        ///< of a refusal; static text
    std::string_view encoded_name;  ///< the name as bulk strings, ready to send: `$3\r\nGET\r\n`
    std::uint8_t words = 1;         ///< 2 for a subcommand
    AclGrant acl = AclGrant::none;
    /// Its answer depends on the data under its keys alone, and it writes nothing: a replica can give it as well.
    bool at_replicas = false;
};

/// The whole table, sorted by name.
std::span<const CommandSpec> command_table() noexcept;

/// By name, any case: `get`, or `OBJECT` with `encoding`. For a container both words are needed; a
/// subcommand that is given for a command without any is ignored. nullptr when it is not in the table.
const CommandSpec* find_command(std::string_view name, std::string_view subcommand = {}) noexcept;

}  // namespace redoubt
