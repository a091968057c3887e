// tests: attempts of one project to reach what belongs to others, each with the rule that stops it.
#pragma once

#include <string>
#include <vector>

#include "isolation/rules.hpp"

namespace redoubt::testing {

/// A word in braces is a key of the attacker's own, `{mine}`.
struct Attack {
    const char* name;
    isolation::Rule rule;
    std::vector<std::string> words;
    /// A number above 0 in the answer tells of others.
    bool counts = false;
    /// The server has no rule against it: one user can do it to the other databases of its own keys.
    bool past_acl = false;
};

inline const std::vector<Attack>& attacks() {
    using enum isolation::Rule;
    static const std::vector<Attack> all{
        // Naming another's key outright.
        {"get", key_prefix, {"GET", "proj:beta:secret"}},
        {"get_lower_case", key_prefix, {"get", "proj:beta:secret"}},
        {"set", key_prefix, {"SET", "proj:beta:secret", "x"}},
        {"append", key_prefix, {"APPEND", "proj:beta:secret", "x"}},
        {"del", key_prefix, {"DEL", "proj:beta:secret"}},
        {"unlink", key_prefix, {"UNLINK", "proj:beta:secret"}},
        {"getdel", key_prefix, {"GETDEL", "proj:beta:secret"}},
        {"dump", key_prefix, {"DUMP", "proj:beta:secret"}},
        {"expire", key_prefix, {"PEXPIRE", "proj:beta:secret", "100000"}},
        {"hgetall", key_prefix, {"HGETALL", "proj:beta:hash"}},
        {"lrange", key_prefix, {"LRANGE", "proj:beta:list", "0", "-1"}},
        {"smembers", key_prefix, {"SMEMBERS", "proj:beta:set"}},
        {"zrange", key_prefix, {"ZRANGE", "proj:beta:zset", "0", "-1"}},
        {"xrange", key_prefix, {"XRANGE", "proj:beta:stream", "-", "+"}},
        {"xgroup_create", key_prefix, {"XGROUP", "CREATE", "proj:beta:stream", "g", "0"}},
        {"xinfo", key_prefix, {"XINFO", "STREAM", "proj:beta:stream"}},
        {"hscan", key_prefix, {"HSCAN", "proj:beta:hash", "0"}},
        {"guess_exists", key_prefix, {"EXISTS", "proj:beta:secret"}, true},
        {"guess_strlen", key_prefix, {"STRLEN", "proj:beta:secret"}, true},
        {"guess_memory", key_prefix, {"MEMORY", "USAGE", "proj:beta:secret"}, true},
        {"guess_idle_time", key_prefix, {"TOUCH", "proj:beta:secret"}, true},
        // A key behind the first.
        {"mget_second", every_key, {"MGET", "{mine}", "proj:beta:secret"}},
        {"mset_second", every_key, {"MSET", "{a}", "1", "proj:beta:secret", "x"}},
        {"del_second", every_key, {"DEL", "{mine}", "proj:beta:secret"}},
        {"rename_onto", every_key, {"RENAME", "{mine}", "proj:beta:secret"}},
        {"copy_onto", every_key, {"COPY", "{mine}", "proj:beta:secret", "REPLACE"}},
        {"lmove_into", every_key, {"LMOVE", "{list}", "proj:beta:list", "LEFT", "LEFT"}},
        {"rpoplpush_into", every_key, {"RPOPLPUSH", "{list}", "proj:beta:list"}},
        {"smove_into", every_key, {"SMOVE", "{set}", "proj:beta:set", "m"}},
        {"sunion_second", every_key, {"SUNION", "{none}", "proj:beta:set"}},
        {"sdiffstore_from", every_key, {"SUNIONSTORE", "{stolen}", "proj:beta:set"}},
        {"zrangestore_from", every_key, {"ZRANGESTORE", "{stolen}", "proj:beta:zset", "0", "-1"}},
        {"bitop_from", every_key, {"BITOP", "OR", "{stolen}", "proj:beta:secret"}},
        {"lcs_second", every_key, {"LCS", "{guess}", "proj:beta:secret"}},
        {"pfcount_second", every_key, {"PFCOUNT", "{none}", "proj:beta:hll"}, true},
        {"blpop_second", every_key, {"BLPOP", "{none}", "proj:beta:list", "0.01"}},
        {"geosearchstore_from",
         every_key,
         {"GEOSEARCHSTORE", "{stolen}", "proj:beta:geo", "FROMLONLAT", "0", "0", "BYRADIUS", "20000", "km"}},
        // A key that a count announces.
        {"zunion_second", counted_keys, {"ZUNION", "2", "{none}", "proj:beta:zset"}},
        {"zunionstore_second", counted_keys, {"ZUNIONSTORE", "{stolen}", "2", "{none}", "proj:beta:zset"}},
        {"sintercard_second", counted_keys, {"SINTERCARD", "2", "{set}", "proj:beta:set"}, true},
        {"lmpop_second", counted_keys, {"LMPOP", "2", "{none}", "proj:beta:list", "LEFT"}},
        {"zmpop_second", counted_keys, {"ZMPOP", "2", "{none}", "proj:beta:zset", "MIN"}},
        {"blmpop_second", counted_keys, {"BLMPOP", "0.01", "2", "{none}", "proj:beta:list", "LEFT"}},
        // Where the server reads an option otherwise than its own key specifications.
        {"copy_db", copy_within_database, {"COPY", "{mine}", "{mine}", "DB", "1"}, false, true},
        {"copy_replace_db", copy_within_database, {"COPY", "{mine}", "{a}", "replace", "db", "1"}, false, true},
        {"georadius_two_stores",
         one_geo_store,
         {"GEORADIUS", "{geo}", "0", "0", "20000", "km", "STORE", "{a}", "STORE", "proj:beta:secret"}},
        {"georadius_store_and_dist",
         one_geo_store,
         {"GEORADIUS", "{geo}", "0", "0", "20000", "km", "STORE", "{a}", "STOREDIST", "proj:beta:secret"}},
        {"georadiusbymember_two_stores",
         one_geo_store,
         {"GEORADIUSBYMEMBER", "{geo}", "m", "20000", "km", "STORE", "{a}", "STORE", "proj:beta:secret"}},
        {"sort_two_stores", one_sort_store, {"SORT", "{list}", "ALPHA", "STORE", "{a}", "STORE", "proj:beta:secret"}},
        {"sort_get", sort_own_key_alone, {"SORT", "{list}", "BY", "nosort", "GET", "proj:beta:*"}},
        {"sort_ro_get", sort_own_key_alone, {"SORT_RO", "{list}", "BY", "nosort", "GET", "proj:beta:*"}},
        {"sort_second_get", sort_own_key_alone, {"SORT", "{list}", "BY", "nosort", "GET", "#", "GET", "proj:beta:*"}},
        {"xread_key_named_streams", stream_grammar, {"XREAD", "STREAMS", "proj:beta:stream", "STREAMS", "0", "0"}},
        {"scan_all", scan_match, {"SCAN", "0", "COUNT", "10000"}},
        {"scan_foreign_pattern", scan_match, {"SCAN", "0", "MATCH", "proj:beta:*", "COUNT", "10000"}},
        {"pubsub_channels", scan_match, {"PUBSUB", "CHANNELS"}},
        {"pubsub_channels_pattern", scan_match, {"PUBSUB", "CHANNELS", "proj:beta:*"}},
        {"scan_two_matches", one_scan_match, {"SCAN", "0", "MATCH", "x", "MATCH", "*", "COUNT", "10000"}},
        // Channels.
        {"publish", channel_prefix, {"PUBLISH", "proj:beta:canary-news", "x"}},
        {"spublish", channel_prefix, {"SPUBLISH", "proj:beta:canary-shard", "x"}},
        {"numsub", channel_prefix, {"PUBSUB", "NUMSUB", "proj:beta:canary-news"}, true},
        {"shardnumsub", channel_prefix, {"PUBSUB", "SHARDNUMSUB", "proj:beta:canary-shard"}, true},
        // What belongs to the whole server.
        {"keys", refusals, {"KEYS", "*"}},
        {"randomkey", refusals, {"RANDOMKEY"}},
        {"dbsize", refusals, {"DBSIZE"}, true},
        {"flushdb", refusals, {"FLUSHDB"}},
        {"flushall", refusals, {"FLUSHALL", "ASYNC"}},
        {"swapdb", refusals, {"SWAPDB", "0", "1"}},
        {"move", refusals, {"MOVE", "{mine}", "1"}},
        {"info_keyspace", refusals, {"INFO", "keyspace"}, true},
        {"memory_stats", refusals, {"MEMORY", "STATS"}, true},
        {"pubsub_numpat", refusals, {"PUBSUB", "NUMPAT"}, true},
        {"slowlog", refusals, {"SLOWLOG", "GET", "100"}},
        {"config_get", refusals, {"CONFIG", "GET", "proc-title-template"}},
        {"config_set", refusals, {"CONFIG", "SET", "maxmemory", "1mb"}},
        {"acl_list", refusals, {"ACL", "LIST"}},
        {"acl_setuser", refusals, {"ACL", "SETUSER", "mallory", "on", "nopass", "+@all", "~*"}},
        {"client_list", refusals, {"CLIENT", "LIST"}},
        {"client_kill", refusals, {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}},
        {"client_kill_pubsub", refusals, {"CLIENT", "KILL", "TYPE", "pubsub"}},
        {"client_tracking", refusals, {"CLIENT", "TRACKING", "ON", "BCAST"}},
        {"client_reply_off", refusals, {"CLIENT", "REPLY", "OFF"}},
        {"monitor", refusals, {"MONITOR"}},
        {"sync", refusals, {"SYNC"}},
        {"subscribe", refusals, {"SUBSCRIBE", "proj:beta:canary-news"}},
        {"psubscribe", refusals, {"PSUBSCRIBE", "*"}},
        {"ssubscribe", refusals, {"SSUBSCRIBE", "proj:beta:canary-shard"}},
        {"select", refusals, {"SELECT", "1"}},
        {"multi", refusals, {"MULTI"}},
        {"eval", refusals, {"EVAL", "return redis.call('GET', 'proj:beta:secret')", "0"}},
        {"eval_ro", refusals, {"EVAL_RO", "return redis.call('GET', 'proj:beta:secret')", "0"}},
        {"eval_redefine", refusals, {"EVAL", "return redis.call('FLUSHALL')", "0"}},
        {"function_list", refusals, {"FUNCTION", "LIST", "WITHCODE"}},
        {"function_take_over",
         refusals,
         {"FUNCTION", "LOAD", "REPLACE",
          "#!lua name=canarylib\nredis.register_function('canaryf', function() return 'taken' end)"}},
        {"function_flush", refusals, {"FUNCTION", "FLUSH"}},
        {"fcall", refusals, {"FCALL", "canaryf", "0"}},
        {"replicaof", refusals, {"REPLICAOF", "127.0.0.1", "1"}},
        {"shutdown", refusals, {"SHUTDOWN", "NOSAVE"}},
    };
    return all;
}

}  // namespace redoubt::testing
