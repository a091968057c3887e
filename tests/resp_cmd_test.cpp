// resp: the bytes that every builder of commands.inc sends, and its retry category.
#include <redoubt/resp/cmd.hpp>

#include <limits>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/golden.hpp"

namespace redoubt {
namespace {

using namespace std::chrono_literals;
using enum RetryCategory;

using testing::covered;

constexpr double infinity = std::numeric_limits<double>::infinity();
const std::chrono::sys_seconds moment{1700000000s};
const std::chrono::sys_time<std::chrono::milliseconds> exact_moment{1700000000123ms};

void check_strings() {
    const std::vector<std::string_view> two{"a", "b"};
    const std::vector<TextPair> pairs{{"a", "1"}, {"b", "2"}};
    SENDS(get, ("k"), read_only, "GET <k");
    SENDS(set, ("k", "v"), idempotent, "SET <k v");
    SENDS(set, ("k", "v", {.ex = 1h}), idempotent, "SET <k v EX 3600");
    SENDS(set, ("k", "v", {.px = 1500ms}), idempotent, "SET <k v PX 1500");
    SENDS(set, ("k", "v", {.exat = moment}), idempotent, "SET <k v EXAT 1700000000");
    SENDS(set, ("k", "v", {.pxat = exact_moment}), idempotent, "SET <k v PXAT 1700000000123");
    SENDS(set, ("k", "v", {.keepttl = true}), conditional, "SET <k v KEEPTTL");
    SENDS(set, ("k", "v", {.ex = 5s, .nx = true}), conditional, "SET <k v NX EX 5");
    SENDS(set, ("k", "v", {.xx = true}), conditional, "SET <k v XX");
    SENDS(set_get, ("k", "v"), conditional, "SET <k v GET");
    SENDS(set_get, ("k", "v", {.ex = 5s}), conditional, "SET <k v EX 5 GET");
    SENDS(getset, ("k", "v"), conditional, "GETSET <k v");
    SENDS(getex, ("k"), read_only, "GETEX <k");
    SENDS(getex, ("k", {.ex = 1min}), idempotent, "GETEX <k EX 60");
    SENDS(getex, ("k", {.px = 10ms}), idempotent, "GETEX <k PX 10");
    SENDS(getex, ("k", {.exat = moment}), conditional, "GETEX <k EXAT 1700000000");
    SENDS(getex, ("k", {.pxat = exact_moment}), conditional, "GETEX <k PXAT 1700000000123");
    SENDS(getex, ("k", {.persist = true}), idempotent, "GETEX <k PERSIST");
    SENDS(getdel, ("k"), accumulating, "GETDEL <k");
    SENDS(setnx, ("k", "v"), conditional, "SETNX <k v");
    SENDS(setex, ("k", 1min, "v"), idempotent, "SETEX <k 60 v");
    SENDS(psetex, ("k", 1s, "v"), idempotent, "PSETEX <k 1000 v");
    SENDS(mget, (two), read_only, "MGET <a <b");
    SENDS(mget, ({"a", "b", "c"}), read_only, "MGET <a <b <c");
    SENDS(mset, (pairs), idempotent, "MSET <a 1 <b 2");
    SENDS(mset, ({{"a", "1"}}), idempotent, "MSET <a 1");
    SENDS(msetnx, (pairs), conditional, "MSETNX <a 1 <b 2");
    SENDS(msetnx, ({{"a", "1"}, {"b", "2"}}), conditional, "MSETNX <a 1 <b 2");
    SENDS(getrange, ("k", 0, -1), read_only, "GETRANGE <k 0 -1");
    SENDS(setrange, ("k", 5, "v"), idempotent, "SETRANGE <k 5 v");
    SENDS(append, ("k", "v"), accumulating, "APPEND <k v");
    SENDS(strlen, ("k"), read_only, "STRLEN <k");
    SENDS(lcs, ("a", "b"), read_only, "LCS <a <b");
    SENDS(lcs_length, ("a", "b"), read_only, "LCS <a <b LEN");
    SENDS(lcs_matches, ("a", "b"), read_only, "LCS <a <b IDX WITHMATCHLEN");
    SENDS(lcs_matches, ("a", "b", 4), read_only, "LCS <a <b IDX MINMATCHLEN 4 WITHMATCHLEN");
    SENDS(incr, ("k"), accumulating, "INCR <k");
    SENDS(decr, ("k"), accumulating, "DECR <k");
    SENDS(incrby, ("k", -5), accumulating, "INCRBY <k -5");
    SENDS(decrby, ("k", 5), accumulating, "DECRBY <k 5");
    SENDS(incrbyfloat, ("k", 0.5), accumulating, "INCRBYFLOAT <k 0.5");
}

void check_keys() {
    const std::vector<std::string_view> two{"a", "b"};
    SENDS(del, ("k"), idempotent, "DEL <k");
    SENDS(del, (two), idempotent, "DEL <a <b");
    SENDS(del, ({"a", "b"}), idempotent, "DEL <a <b");
    SENDS(unlink, ("k"), idempotent, "UNLINK <k");
    SENDS(unlink, (two), idempotent, "UNLINK <a <b");
    SENDS(unlink, ({"a", "b"}), idempotent, "UNLINK <a <b");
    SENDS(exists, ("k"), read_only, "EXISTS <k");
    SENDS(exists, (two), read_only, "EXISTS <a <b");
    SENDS(exists, ({"a"}), read_only, "EXISTS <a");
    SENDS(touch, ("k"), read_only, "TOUCH <k");
    SENDS(touch, (two), read_only, "TOUCH <a <b");
    SENDS(touch, ({"a", "b"}), read_only, "TOUCH <a <b");
    SENDS(expire, ("k", 1h), idempotent, "EXPIRE <k 3600");
    SENDS(expire, ("k", 1s, {.nx = true}), conditional, "EXPIRE <k 1 NX");
    SENDS(expire, ("k", 1s, {.xx = true, .gt = true}), conditional, "EXPIRE <k 1 XX GT");
    SENDS(pexpire, ("k", 1s, {.lt = true}), conditional, "PEXPIRE <k 1000 LT");
    SENDS(expireat, ("k", moment), idempotent, "EXPIREAT <k 1700000000");
    SENDS(expireat, ("k", std::chrono::sys_seconds{-5s}), idempotent, "EXPIREAT <k -5");
    SENDS(pexpireat, ("k", exact_moment, {.gt = true}), conditional, "PEXPIREAT <k 1700000000123 GT");
    SENDS(ttl, ("k"), read_only, "TTL <k");
    SENDS(pttl, ("k"), read_only, "PTTL <k");
    SENDS(expiretime, ("k"), read_only, "EXPIRETIME <k");
    SENDS(pexpiretime, ("k"), read_only, "PEXPIRETIME <k");
    SENDS(persist, ("k"), idempotent, "PERSIST <k");
    SENDS(sort, ("l"), read_only, "SORT <l");
    SENDS(sort, ("l", {.desc = true, .alpha = true, .offset = 1, .count = 2}), read_only,
          "SORT <l LIMIT 1 2 DESC ALPHA");
    SENDS(sort_ro, ("l", {.nosort = true, .offset = 5}), read_only, "SORT_RO <l BY nosort LIMIT 5 -1");
    SENDS(sort_store, ("d", "l"), idempotent, "SORT <l STORE <d");
    SENDS(sort_store, ("l", "l", {.count = 3}), accumulating, "SORT <l LIMIT 0 3 STORE <l");
    SENDS(type, ("k"), read_only, "TYPE <k");
    SENDS(rename, ("a", "b"), conditional, "RENAME <a <b");
    SENDS(renamenx, ("a", "b"), conditional, "RENAMENX <a <b");
    SENDS(copy, ("a", "b"), conditional, "COPY <a <b");
    SENDS(copy, ("a", "b", true), idempotent, "COPY <a <b REPLACE");
    SENDS(dump, ("k"), read_only, "DUMP <k");
    SENDS(object_encoding, ("k"), read_only, "OBJECT ENCODING <k");
    SENDS(object_idletime, ("k"), read_only, "OBJECT IDLETIME <k");
    SENDS(object_freq, ("k"), read_only, "OBJECT FREQ <k");
    SENDS(object_refcount, ("k"), read_only, "OBJECT REFCOUNT <k");
    SENDS(memory_usage, ("k"), read_only, "MEMORY USAGE <k SAMPLES 5");
    SENDS(scan, (0), read_only, "SCAN 0 MATCH <*");
    SENDS(scan, (18446744073709551615U, {.match = "u:*", .count = 10000, .type = "hash"}), read_only,
          "SCAN 18446744073709551615 MATCH <u:* COUNT 10000 TYPE hash");
    SENDS(ping, (), read_only, "PING");
    SENDS(ping, ("hello"), read_only, "PING hello");
    SENDS(echo, ("hello"), read_only, "ECHO hello");
    SENDS(time, (), read_only, "TIME");
}

void check_hashes() {
    const std::vector<std::string_view> two{"a", "b"};
    const std::vector<TextPair> pairs{{"a", "1"}, {"b", "2"}};
    SENDS(hset, ("h", "f", "v"), idempotent, "HSET <h f v");
    SENDS(hset, ("h", pairs), idempotent, "HSET <h a 1 b 2");
    SENDS(hset, ("h", {{"a", "1"}, {"b", "2"}}), idempotent, "HSET <h a 1 b 2");
    SENDS(hsetnx, ("h", "f", "v"), conditional, "HSETNX <h f v");
    SENDS(hget, ("h", "f"), read_only, "HGET <h f");
    SENDS(hmget, ("h", two), read_only, "HMGET <h a b");
    SENDS(hmget, ("h", {"a", "b"}), read_only, "HMGET <h a b");
    SENDS(hgetall, ("h"), read_only, "HGETALL <h");
    SENDS(hdel, ("h", "f"), idempotent, "HDEL <h f");
    SENDS(hdel, ("h", two), idempotent, "HDEL <h a b");
    SENDS(hdel, ("h", {"a", "b"}), idempotent, "HDEL <h a b");
    SENDS(hexists, ("h", "f"), read_only, "HEXISTS <h f");
    SENDS(hlen, ("h"), read_only, "HLEN <h");
    SENDS(hstrlen, ("h", "f"), read_only, "HSTRLEN <h f");
    SENDS(hkeys, ("h"), read_only, "HKEYS <h");
    SENDS(hvals, ("h"), read_only, "HVALS <h");
    SENDS(hincrby, ("h", "f", 3), accumulating, "HINCRBY <h f 3");
    SENDS(hincrbyfloat, ("h", "f", -0.25), accumulating, "HINCRBYFLOAT <h f -0.25");
    SENDS(hrandfield, ("h"), read_only, "HRANDFIELD <h");
    SENDS(hrandfield, ("h", -3), read_only, "HRANDFIELD <h -3");
    SENDS(hrandfield_with_values, ("h", 2), read_only, "HRANDFIELD <h 2 WITHVALUES");
    SENDS(hscan, ("h", 0), read_only, "HSCAN <h 0");
    SENDS(hscan, ("h", 5, {.match = "f*", .count = 7}), read_only, "HSCAN <h 5 MATCH f* COUNT 7");
}

void check_lists() {
    const std::vector<std::string_view> two{"a", "b"};
    SENDS(lpush, ("l", "e"), accumulating, "LPUSH <l e");
    SENDS(lpush, ("l", two), accumulating, "LPUSH <l a b");
    SENDS(lpush, ("l", {"a", "b"}), accumulating, "LPUSH <l a b");
    SENDS(rpush, ("l", "e"), accumulating, "RPUSH <l e");
    SENDS(rpush, ("l", two), accumulating, "RPUSH <l a b");
    SENDS(rpush, ("l", {"a", "b"}), accumulating, "RPUSH <l a b");
    SENDS(lpushx, ("l", "e"), accumulating, "LPUSHX <l e");
    SENDS(lpushx, ("l", two), accumulating, "LPUSHX <l a b");
    SENDS(lpushx, ("l", {"a"}), accumulating, "LPUSHX <l a");
    SENDS(rpushx, ("l", "e"), accumulating, "RPUSHX <l e");
    SENDS(rpushx, ("l", two), accumulating, "RPUSHX <l a b");
    SENDS(rpushx, ("l", {"a"}), accumulating, "RPUSHX <l a");
    SENDS(lpop, ("l"), accumulating, "LPOP <l");
    SENDS(lpop, ("l", 2), accumulating, "LPOP <l 2");
    SENDS(rpop, ("l"), accumulating, "RPOP <l");
    SENDS(blpop, ("l", 1500ms), accumulating, "BLPOP <l 1.5");
    SENDS(blpop, (two, 0ms), accumulating, "BLPOP <a <b 0");
    SENDS(blpop, ({"a", "b"}, 2s), accumulating, "BLPOP <a <b 2");
    SENDS(brpop, ("l", 10ms), accumulating, "BRPOP <l 0.01");
    SENDS(brpop, (two, 1s), accumulating, "BRPOP <a <b 1");
    SENDS(brpop, ({"a"}, 1s), accumulating, "BRPOP <a 1");
    SENDS(brpoplpush, ("s", "d", 1s), accumulating, "BRPOPLPUSH <s <d 1");
    SENDS(lmpop, ("l", ListEnd::left), accumulating, "LMPOP 1 <l LEFT COUNT 1");
    SENDS(lmpop, (two, ListEnd::right, 3), accumulating, "LMPOP 2 <a <b RIGHT COUNT 3");
    SENDS(lmpop, ({"a", "b"}, ListEnd::left), accumulating, "LMPOP 2 <a <b LEFT COUNT 1");
    SENDS(blmpop, ("l", ListEnd::left, 1s), accumulating, "BLMPOP 1 1 <l LEFT COUNT 1");
    SENDS(blmpop, (two, ListEnd::right, 500ms, 2), accumulating, "BLMPOP 0.5 2 <a <b RIGHT COUNT 2");
    SENDS(blmpop, ({"a"}, ListEnd::left, 0s), accumulating, "BLMPOP 0 1 <a LEFT COUNT 1");
    SENDS(blmove, ("s", "d", ListEnd::left, ListEnd::right, 1s), accumulating, "BLMOVE <s <d LEFT RIGHT 1");
    SENDS(rpop, ("l", 2), accumulating, "RPOP <l 2");
    SENDS(lmove, ("a", "b", ListEnd::left, ListEnd::right), accumulating, "LMOVE <a <b LEFT RIGHT");
    SENDS(rpoplpush, ("a", "b"), accumulating, "RPOPLPUSH <a <b");
    SENDS(llen, ("l"), read_only, "LLEN <l");
    SENDS(lindex, ("l", -1), read_only, "LINDEX <l -1");
    SENDS(lset, ("l", 0, "e"), idempotent, "LSET <l 0 e");
    SENDS(linsert, ("l", ListPlace::before, "p", "e"), accumulating, "LINSERT <l BEFORE p e");
    SENDS(linsert, ("l", ListPlace::after, "p", "e"), accumulating, "LINSERT <l AFTER p e");
    SENDS(lrange, ("l", 0, -1), read_only, "LRANGE <l 0 -1");
    SENDS(ltrim, ("l", 0, 99), idempotent, "LTRIM <l 0 99");
    SENDS(ltrim, ("l", -100, -1), idempotent, "LTRIM <l -100 -1");
    SENDS(ltrim, ("l", 1, -1), accumulating, "LTRIM <l 1 -1");
    SENDS(ltrim, ("l", 0, -2), accumulating, "LTRIM <l 0 -2");
    SENDS(lrem, ("l", 0, "e"), idempotent, "LREM <l 0 e");
    SENDS(lrem, ("l", -2, "e"), accumulating, "LREM <l -2 e");
    SENDS(lpos, ("l", "e"), read_only, "LPOS <l e");
    SENDS(lpos, ("l", "e", {.rank = -1, .maxlen = 10}), read_only, "LPOS <l e RANK -1 MAXLEN 10");
    SENDS(lpos_all, ("l", "e"), read_only, "LPOS <l e COUNT 0");
    SENDS(lpos_all, ("l", "e", 3, {.rank = 2}), read_only, "LPOS <l e COUNT 3 RANK 2");
}

void check_sets() {
    const std::vector<std::string_view> two{"a", "b"};
    SENDS(sadd, ("s", "m"), idempotent, "SADD <s m");
    SENDS(sadd, ("s", two), idempotent, "SADD <s a b");
    SENDS(sadd, ("s", {"a", "b"}), idempotent, "SADD <s a b");
    SENDS(srem, ("s", "m"), idempotent, "SREM <s m");
    SENDS(srem, ("s", two), idempotent, "SREM <s a b");
    SENDS(srem, ("s", {"a", "b"}), idempotent, "SREM <s a b");
    SENDS(smembers, ("s"), read_only, "SMEMBERS <s");
    SENDS(sismember, ("s", "m"), read_only, "SISMEMBER <s m");
    SENDS(smismember, ("s", two), read_only, "SMISMEMBER <s a b");
    SENDS(smismember, ("s", {"a"}), read_only, "SMISMEMBER <s a");
    SENDS(scard, ("s"), read_only, "SCARD <s");
    SENDS(spop, ("s"), accumulating, "SPOP <s");
    SENDS(spop, ("s", 3), accumulating, "SPOP <s 3");
    SENDS(srandmember, ("s"), read_only, "SRANDMEMBER <s");
    SENDS(srandmember, ("s", -3), read_only, "SRANDMEMBER <s -3");
    SENDS(smove, ("a", "b", "m"), conditional, "SMOVE <a <b m");
    SENDS(sdiff, (two), read_only, "SDIFF <a <b");
    SENDS(sdiff, ({"a", "b"}), read_only, "SDIFF <a <b");
    SENDS(sinter, (two), read_only, "SINTER <a <b");
    SENDS(sinter, ({"a", "b"}), read_only, "SINTER <a <b");
    SENDS(sunion, (two), read_only, "SUNION <a <b");
    SENDS(sunion, ({"a", "b"}), read_only, "SUNION <a <b");
    SENDS(sdiffstore, ("d", two), idempotent, "SDIFFSTORE <d <a <b");
    SENDS(sdiffstore, ("a", {"b", "a"}), accumulating, "SDIFFSTORE <a <b <a");
    SENDS(sinterstore, ("d", two), idempotent, "SINTERSTORE <d <a <b");
    SENDS(sinterstore, ("d", {"a"}), idempotent, "SINTERSTORE <d <a");
    SENDS(sunionstore, ("d", two), idempotent, "SUNIONSTORE <d <a <b");
    SENDS(sunionstore, ("d", {"a"}), idempotent, "SUNIONSTORE <d <a");
    SENDS(sintercard, (two), read_only, "SINTERCARD 2 <a <b");
    SENDS(sintercard, ({"a", "b"}, 5), read_only, "SINTERCARD 2 <a <b LIMIT 5");
    SENDS(sscan, ("s", 3, {.match = "m*"}), read_only, "SSCAN <s 3 MATCH m*");
}

void check_sorted_sets() {
    const std::vector<std::string_view> two{"a", "b"};
    const std::vector<ScoreMemberView> members{{1.5, "a"}, {-infinity, "b"}};
    const std::vector<double> weights{1, 0.5};
    SENDS(zadd, ("z", 1.5, "m"), idempotent, "ZADD <z 1.5 m");
    SENDS(zadd, ("z", members), idempotent, "ZADD <z 1.5 a -inf b");
    SENDS(zadd, ("z", {{1, "a"}, {2, "b"}}, {.ch = true}), idempotent, "ZADD <z CH 1 a 2 b");
    SENDS(zadd, ("z", 1, "m", {.nx = true}), conditional, "ZADD <z NX 1 m");
    SENDS(zadd, ("z", 1, "m", {.xx = true, .gt = true, .ch = true}), conditional, "ZADD <z XX GT CH 1 m");
    SENDS(zadd, ("z", 1, "m", {.lt = true}), conditional, "ZADD <z LT 1 m");
    SENDS(zadd_incr, ("z", 2, "m", {.xx = true}), accumulating, "ZADD <z XX INCR 2 m");
    SENDS(zincrby, ("z", 2.5, "m"), accumulating, "ZINCRBY <z 2.5 m");
    SENDS(zrem, ("z", "m"), idempotent, "ZREM <z m");
    SENDS(zrem, ("z", two), idempotent, "ZREM <z a b");
    SENDS(zrem, ("z", {"a", "b"}), idempotent, "ZREM <z a b");
    SENDS(zcard, ("z"), read_only, "ZCARD <z");
    SENDS(zcount, ("z", 1, ScoreBound::open(5)), read_only, "ZCOUNT <z 1 (5");
    SENDS(zcount, ("z", ScoreBound::lowest(), ScoreBound::highest()), read_only, "ZCOUNT <z -inf inf");
    SENDS(zlexcount, ("z", LexBound::lowest(), LexBound::open("m")), read_only, "ZLEXCOUNT <z - (m");
    SENDS(zscore, ("z", "m"), read_only, "ZSCORE <z m");
    SENDS(zmscore, ("z", two), read_only, "ZMSCORE <z a b");
    SENDS(zmscore, ("z", {"a"}), read_only, "ZMSCORE <z a");
    SENDS(zrank, ("z", "m"), read_only, "ZRANK <z m");
    SENDS(zrevrank, ("z", "m"), read_only, "ZREVRANK <z m");
    SENDS(zrange, ("z", 0, -1), read_only, "ZRANGE <z 0 -1");
    SENDS(zrange, ("z", 0, -1, true), read_only, "ZRANGE <z 0 -1 REV");
    SENDS(zrange_with_scores, ("z", 0, 9), read_only, "ZRANGE <z 0 9 WITHSCORES");
    SENDS(zrange_by_score, ("z", 1, 5), read_only, "ZRANGE <z 1 5 BYSCORE");
    SENDS(zrange_by_score, ("z", 1, 5, {.rev = true, .offset = 2, .count = 3}), read_only,
          "ZRANGE <z 5 1 BYSCORE REV LIMIT 2 3");
    SENDS(zrange_by_score, ("z", 1, 5, {.offset = 2}), read_only, "ZRANGE <z 1 5 BYSCORE LIMIT 2 -1");
    SENDS(zrange_by_score_with_scores, ("z", 1, ScoreBound::open(5), {.rev = true, .count = 3}), read_only,
          "ZRANGE <z (5 1 BYSCORE REV LIMIT 0 3 WITHSCORES");
    SENDS(zrange_by_lex, ("z", LexBound::closed("a"), LexBound::highest()), read_only, "ZRANGE <z [a + BYLEX");
    SENDS(zrangestore, ("d", "s", 0, 9, true), idempotent, "ZRANGESTORE <d <s 0 9 REV");
    SENDS(zrangestore, ("s", "s", 1, 9), accumulating, "ZRANGESTORE <s <s 1 9");
    SENDS(zrangestore_by_score, ("d", "s", 1, 5), idempotent, "ZRANGESTORE <d <s 1 5 BYSCORE");
    SENDS(zrangestore_by_lex, ("d", "s", LexBound::open("a"), LexBound::highest()), idempotent,
          "ZRANGESTORE <d <s (a + BYLEX");
    SENDS(zrevrange, ("z", 0, 9), read_only, "ZREVRANGE <z 0 9");
    SENDS(zrevrange_with_scores, ("z", 0, 9), read_only, "ZREVRANGE <z 0 9 WITHSCORES");
    SENDS(zrangebyscore, ("z", 1, ScoreBound::open(5)), read_only, "ZRANGEBYSCORE <z 1 (5");
    SENDS(zrangebyscore_with_scores, ("z", 1, 5, {.offset = 2}), read_only,
          "ZRANGEBYSCORE <z 1 5 WITHSCORES LIMIT 2 -1");
    SENDS(zrevrangebyscore, ("z", ScoreBound::highest(), 1, {.count = 3}), read_only,
          "ZREVRANGEBYSCORE <z inf 1 LIMIT 0 3");
    SENDS(zrevrangebyscore_with_scores, ("z", 5, 1), read_only, "ZREVRANGEBYSCORE <z 5 1 WITHSCORES");
    SENDS(zrangebylex, ("z", LexBound::lowest(), LexBound::closed("m")), read_only, "ZRANGEBYLEX <z - [m");
    SENDS(zrevrangebylex, ("z", LexBound::open("m"), LexBound::lowest(), {.offset = 1, .count = 2}), read_only,
          "ZREVRANGEBYLEX <z (m - LIMIT 1 2");
    SENDS(zremrangebyrank, ("z", 0, 9), accumulating, "ZREMRANGEBYRANK <z 0 9");
    SENDS(zremrangebyscore, ("z", ScoreBound::open(1), 2), idempotent, "ZREMRANGEBYSCORE <z (1 2");
    SENDS(zremrangebylex, ("z", LexBound::closed("a"), LexBound::open("b")), idempotent, "ZREMRANGEBYLEX <z [a (b");
    SENDS(zpopmin, ("z"), accumulating, "ZPOPMIN <z 1");
    SENDS(zpopmax, ("z", 3), accumulating, "ZPOPMAX <z 3");
    const std::vector<std::string_view> sets{"a", "b"};
    SENDS(bzpopmin, ("z", 1s), accumulating, "BZPOPMIN <z 1");
    SENDS(bzpopmin, (sets, 1s), accumulating, "BZPOPMIN <a <b 1");
    SENDS(bzpopmin, ({"a"}, 1s), accumulating, "BZPOPMIN <a 1");
    SENDS(bzpopmax, ("z", 1s), accumulating, "BZPOPMAX <z 1");
    SENDS(bzpopmax, (sets, 1s), accumulating, "BZPOPMAX <a <b 1");
    SENDS(bzpopmax, ({"a"}, 1s), accumulating, "BZPOPMAX <a 1");
    SENDS(zmpop, ("z", ScoreEnd::lowest), accumulating, "ZMPOP 1 <z MIN COUNT 1");
    SENDS(zmpop, (sets, ScoreEnd::highest, 3), accumulating, "ZMPOP 2 <a <b MAX COUNT 3");
    SENDS(zmpop, ({"a"}, ScoreEnd::lowest), accumulating, "ZMPOP 1 <a MIN COUNT 1");
    SENDS(bzmpop, ("z", ScoreEnd::lowest, 1s), accumulating, "BZMPOP 1 1 <z MIN COUNT 1");
    SENDS(bzmpop, (sets, ScoreEnd::highest, 1s, 3), accumulating, "BZMPOP 1 2 <a <b MAX COUNT 3");
    SENDS(bzmpop, ({"a"}, ScoreEnd::lowest, 1s), accumulating, "BZMPOP 1 1 <a MIN COUNT 1");
    SENDS(zrandmember, ("z"), read_only, "ZRANDMEMBER <z");
    SENDS(zrandmember, ("z", 2), read_only, "ZRANDMEMBER <z 2");
    SENDS(zrandmember_with_scores, ("z", -2), read_only, "ZRANDMEMBER <z -2 WITHSCORES");
    SENDS(zdiff, (two), read_only, "ZDIFF 2 <a <b");
    SENDS(zdiff, ({"a", "b"}), read_only, "ZDIFF 2 <a <b");
    SENDS(zdiff_with_scores, (two), read_only, "ZDIFF 2 <a <b WITHSCORES");
    SENDS(zdiff_with_scores, ({"a"}), read_only, "ZDIFF 1 <a WITHSCORES");
    SENDS(zinter, (two, {.weights = weights}), read_only, "ZINTER 2 <a <b WEIGHTS 1 0.5");
    SENDS(zinter, ({"a", "b"}), read_only, "ZINTER 2 <a <b");
    SENDS(zinter_with_scores, (two), read_only, "ZINTER 2 <a <b WITHSCORES");
    SENDS(zinter_with_scores, ({"a"}, {.aggregate = Aggregate::max}), read_only,
          "ZINTER 1 <a AGGREGATE MAX WITHSCORES");
    SENDS(zunion, (two, {.aggregate = Aggregate::min}), read_only, "ZUNION 2 <a <b AGGREGATE MIN");
    SENDS(zunion, ({"a", "b"}), read_only, "ZUNION 2 <a <b");
    SENDS(zunion_with_scores, (two), read_only, "ZUNION 2 <a <b WITHSCORES");
    SENDS(zunion_with_scores, ({"a"}), read_only, "ZUNION 1 <a WITHSCORES");
    SENDS(zdiffstore, ("d", two), idempotent, "ZDIFFSTORE <d 2 <a <b");
    SENDS(zdiffstore, ("d", {"a"}), idempotent, "ZDIFFSTORE <d 1 <a");
    SENDS(zinterstore, ("d", two, {.weights = weights}), idempotent, "ZINTERSTORE <d 2 <a <b WEIGHTS 1 0.5");
    SENDS(zinterstore, ("d", {"a"}), idempotent, "ZINTERSTORE <d 1 <a");
    SENDS(zunionstore, ("b", two), accumulating, "ZUNIONSTORE <b 2 <a <b");
    SENDS(zunionstore, ("d", {"a"}), idempotent, "ZUNIONSTORE <d 1 <a");
    SENDS(zintercard, (two), read_only, "ZINTERCARD 2 <a <b");
    SENDS(zintercard, ({"a", "b"}, 5), read_only, "ZINTERCARD 2 <a <b LIMIT 5");
    SENDS(zscan, ("z", 0, {.count = 100}), read_only, "ZSCAN <z 0 COUNT 100");
}

/// Those of commands_*.inc have tests of their own.
std::set<std::string> listed_elsewhere() {
    std::set<std::string> listed;
#define REDOUBT_COMMAND(name, parameters, arguments) listed.insert(#name);
#define REDOUBT_KEYS_COMMAND(name) listed.insert(#name);
#define REDOUBT_MEMBERS_COMMAND(name) listed.insert(#name);
#include <redoubt/service/commands_bitmaps.inc>
#include <redoubt/service/commands_geo.inc>
#include <redoubt/service/commands_streams.inc>
#undef REDOUBT_COMMAND
#undef REDOUBT_KEYS_COMMAND
#undef REDOUBT_MEMBERS_COMMAND
    return listed;
}

TEST(Builders, SendWhatTheySayAndNoneIsLeftOut) {
    check_strings();
    check_keys();
    check_hashes();
    check_lists();
    check_sets();
    check_sorted_sets();
    std::set<std::string> listed;
#define REDOUBT_COMMAND(name, parameters, arguments) listed.insert(#name);
#define REDOUBT_KEYS_COMMAND(name) listed.insert(#name);
#define REDOUBT_MEMBERS_COMMAND(name) listed.insert(#name);
#include <redoubt/service/commands.inc>
#undef REDOUBT_COMMAND
#undef REDOUBT_KEYS_COMMAND
#undef REDOUBT_MEMBERS_COMMAND
    EXPECT_GE(listed.size(), 200U);
    for (const std::string& name : listed_elsewhere()) listed.erase(name);
    EXPECT_EQ(covered(), listed);
}

}  // namespace
}  // namespace redoubt
