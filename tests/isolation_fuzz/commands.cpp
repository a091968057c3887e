// tests: how calls of each allowed command look, one a line, for the fuzzer and for the comparison with live servers.
#include "grammar.hpp"

namespace redoubt::isolation_fuzz {

// Words in capitals and signs stand for themselves, words in small letters for a value of that kind (Grammar::add_value);
// [ ] at most once, ( ) exactly once, each with alternatives by |, { } one to three times; #kind is a count with as many
// keys, @streams keys with as many ids. A line that begins with ~ has a
// long reply and is taken more rarely, one that begins with ! has a parser of its own and is taken more often.
std::string_view command_lines() {
    return R"(
APPEND str val
DECR str
DECRBY str int
GET str
GETDEL str
GETEX str [ EX uint | PX uint | EXAT uint | PXAT uint | PERSIST ]
GETRANGE str int int
GETSET str val
INCR str
INCRBY str int
INCRBYFLOAT str float
LCS str str [ LEN | IDX [ MINMATCHLEN uint ] [ WITHMATCHLEN ] ]
MGET { str }
MSET { str val }
MSETNX { str val }
PSETEX str uint val
SET str val [ NX | XX ] [ GET ] [ EX uint | PX uint | EXAT uint | PXAT uint | KEEPTTL ]
SETEX str uint val
SETNX str val
SETRANGE str uint val
STRLEN str
SUBSTR str int int
BITCOUNT str [ int int [ BYTE | BIT ] ]
BITFIELD str { GET bits uint | SET bits uint int | INCRBY bits uint int | OVERFLOW ( WRAP | SAT | FAIL ) }
BITFIELD_RO str { GET bits uint }
BITOP ( AND | OR | XOR | NOT ) str { str }
BITPOS str ( 0 | 1 ) [ int [ int [ BYTE | BIT ] ] ]
GETBIT str uint
SETBIT str uint ( 0 | 1 )
PFADD hll { val }
PFCOUNT { hll }
PFMERGE hll { hll }
!COPY key key [ REPLACE ]
DEL { key }
DUMP key
EXISTS { key }
EXPIRE key uint [ NX | XX | GT | LT ]
EXPIREAT key uint [ NX | XX | GT | LT ]
EXPIRETIME key
OBJECT ENCODING key
OBJECT FREQ key
OBJECT HELP
OBJECT IDLETIME key
OBJECT REFCOUNT key
PERSIST key
PEXPIRE key uint [ NX | XX | GT | LT ]
PEXPIREAT key uint [ NX | XX | GT | LT ]
PEXPIRETIME key
PTTL key
RENAME key key
RENAMENX key key
!SCAN cursor [ MATCH glob ] [ COUNT positive ] [ TYPE type ]
!SORT list [ BY NOSORT | BY glob ] [ LIMIT uint int ] [ GET # ] [ ASC | DESC ] [ ALPHA ] [ STORE list ]
!SORT set [ ALPHA ] [ GET # ] [ STORE list ] [ LIMIT uint int ] [ DESC ] [ BY NOSORT ]
!SORT_RO list [ BY NOSORT ] [ LIMIT uint int ] [ GET # ] [ ASC | DESC ] [ ALPHA ]
TOUCH { key }
TTL key
TYPE key
UNLINK { key }
BLMOVE list list ( LEFT | RIGHT ) ( LEFT | RIGHT ) secs
!BLMPOP secs #list ( LEFT | RIGHT ) [ COUNT uint ]
BLPOP { list } secs
BRPOP { list } secs
BRPOPLPUSH list list secs
LINDEX list int
LINSERT list ( BEFORE | AFTER ) member val
LLEN list
LMOVE list list ( LEFT | RIGHT ) ( LEFT | RIGHT )
LMPOP #list ( LEFT | RIGHT ) [ COUNT uint ]
LPOP list [ uint ]
LPOS list member [ RANK int ] [ COUNT uint ] [ MAXLEN uint ]
LPUSH list { val }
LPUSHX list { val }
LRANGE list int int
LREM list int member
LSET list int val
LTRIM list int int
RPOP list [ uint ]
RPOPLPUSH list list
RPUSH list { val }
RPUSHX list { val }
SADD set { member }
SCARD set
SDIFF { set }
SDIFFSTORE set { set }
SINTER { set }
SINTERCARD #set [ LIMIT uint ]
SINTERSTORE set { set }
SISMEMBER set member
SMEMBERS set
SMISMEMBER set { member }
SMOVE set set member
SPOP set [ uint ]
SRANDMEMBER set [ int ]
SREM set { member }
SSCAN set cursor [ MATCH glob ] [ COUNT uint ]
SUNION { set }
SUNIONSTORE set { set }
HDEL hash { field }
HEXISTS hash field
HGET hash field
HGETALL hash
HINCRBY hash field int
HINCRBYFLOAT hash field float
HKEYS hash
HLEN hash
HMGET hash { field }
HMSET hash { field val }
HRANDFIELD hash [ int [ WITHVALUES ] ]
HSCAN hash cursor [ MATCH glob ] [ COUNT uint ]
HSET hash { field val }
HSETNX hash field val
HSTRLEN hash field
HVALS hash
GEOADD geo [ NX | XX ] [ CH ] { lon lat place }
GEODIST geo place place [ unit ]
GEOHASH geo { place }
GEOPOS geo { place }
!GEORADIUS geo lon lat radius unit [ COUNT uint [ ANY ] ] [ ASC | DESC ] [ STORE zset | STOREDIST zset ]
!GEORADIUS geo lon lat radius unit [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ COUNT uint ] [ ASC | DESC ]
GEORADIUS_RO geo lon lat radius unit [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ COUNT uint [ ANY ] ] [ ASC | DESC ]
!GEORADIUSBYMEMBER geo place radius unit [ COUNT uint [ ANY ] ] [ ASC | DESC ] [ STORE zset | STOREDIST zset ]
!GEORADIUSBYMEMBER geo place radius unit [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ ASC | DESC ]
GEORADIUSBYMEMBER_RO geo place radius unit [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ COUNT uint ] [ ASC | DESC ]
GEOSEARCH geo ( FROMMEMBER place | FROMLONLAT lon lat ) ( BYRADIUS radius unit | BYBOX radius radius unit ) [ ASC | DESC ] [ COUNT uint [ ANY ] ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]
!GEOSEARCHSTORE zset geo ( FROMMEMBER place | FROMLONLAT lon lat ) ( BYRADIUS radius unit | BYBOX radius radius unit ) [ ASC | DESC ] [ COUNT uint ] [ STOREDIST ]
!BZMPOP secs #zset ( MIN | MAX ) [ COUNT uint ]
BZPOPMAX { zset } secs
BZPOPMIN { zset } secs
ZADD zset [ NX | XX | GT | LT ] [ CH ] { float member }
ZADD zset INCR float member
ZCARD zset
ZCOUNT zset bound bound
ZDIFF #zset [ WITHSCORES ]
ZDIFFSTORE zset #zset
ZINCRBY zset float member
ZINTER #zset [ AGGREGATE ( SUM | MIN | MAX ) ] [ WITHSCORES ]
ZINTERCARD #zset [ LIMIT uint ]
ZINTERSTORE zset #zset [ AGGREGATE ( SUM | MIN | MAX ) ]
ZLEXCOUNT zset lex lex
ZMPOP #zset ( MIN | MAX ) [ COUNT uint ]
ZMSCORE zset { member }
ZPOPMAX zset [ uint ]
ZPOPMIN zset [ uint ]
ZRANDMEMBER zset [ int [ WITHSCORES ] ]
ZRANGE zset int int [ REV ] [ WITHSCORES ]
ZRANGE zset bound bound BYSCORE [ LIMIT uint int ] [ WITHSCORES ]
ZRANGE zset lex lex BYLEX [ LIMIT uint int ]
ZRANGEBYLEX zset lex lex [ LIMIT uint int ]
ZRANGEBYSCORE zset bound bound [ WITHSCORES ] [ LIMIT uint int ]
ZRANGESTORE zset zset int int [ REV ]
ZRANGESTORE zset zset bound bound BYSCORE [ LIMIT uint int ]
ZRANK zset member
ZREM zset { member }
ZREMRANGEBYLEX zset lex lex
ZREMRANGEBYRANK zset int int
ZREMRANGEBYSCORE zset bound bound
ZREVRANGE zset int int [ WITHSCORES ]
ZREVRANGEBYLEX zset lex lex [ LIMIT uint int ]
ZREVRANGEBYSCORE zset bound bound [ WITHSCORES ] [ LIMIT uint int ]
ZREVRANK zset member
ZSCAN zset cursor [ MATCH glob ] [ COUNT uint ]
ZSCORE zset member
ZUNION #zset [ AGGREGATE ( SUM | MIN | MAX ) ] [ WITHSCORES ]
!ZUNIONSTORE zset #zset [ AGGREGATE ( SUM | MIN | MAX ) ]
XACK stream group { id }
XADD stream [ NOMKSTREAM ] [ ( MAXLEN | MINID ) [ = | ~ ] uint ] ( * | id ) { field val }
XAUTOCLAIM stream group consumer uint id [ COUNT uint ] [ JUSTID ]
XCLAIM stream group consumer uint { id } [ IDLE uint ] [ RETRYCOUNT uint ] [ FORCE ] [ JUSTID ]
XDEL stream { id }
XGROUP CREATE stream group ( $ | id ) [ MKSTREAM ] [ ENTRIESREAD uint ]
XGROUP CREATECONSUMER stream group consumer
XGROUP DELCONSUMER stream group consumer
XGROUP DESTROY stream group
XGROUP HELP
XGROUP SETID stream group ( $ | id )
XINFO CONSUMERS stream group
XINFO GROUPS stream
XINFO HELP
XINFO STREAM stream [ FULL [ COUNT uint ] ]
XLEN stream
XPENDING stream group [ [ IDLE uint ] id id uint [ consumer ] ]
XRANGE stream ( - | id ) ( + | id ) [ COUNT uint ]
!XREAD [ COUNT int ] [ BLOCK ms ] STREAMS @streams
!XREADGROUP GROUP group consumer [ COUNT int ] [ BLOCK ms ] [ NOACK ] STREAMS @streams
XREVRANGE stream ( + | id ) ( - | id ) [ COUNT uint ]
XSETID stream id
XTRIM stream ( MAXLEN | MINID ) [ = | ~ ] uint [ LIMIT uint ]
ECHO val
PING [ val ]
TIME
CLUSTER KEYSLOT key
MEMORY HELP
MEMORY USAGE key [ SAMPLES uint ]
!PUBLISH channel val
!SPUBLISH channel val
!PUBSUB CHANNELS [ glob ]
PUBSUB HELP
PUBSUB NUMSUB { channel }
!PUBSUB SHARDCHANNELS [ glob ]
PUBSUB SHARDNUMSUB { channel }
COMMAND COUNT
~COMMAND
~COMMAND DOCS [ GET ]
~COMMAND INFO [ GET ]
~COMMAND LIST
)";
}

}  // namespace redoubt::isolation_fuzz
