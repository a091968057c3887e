// resp: builders of the commands on sorted sets; those that wait are in blocking.hpp.
#pragma once

#include <limits>

#include <redoubt/resp/cmd/hashes.hpp>

namespace redoubt {

using ScoreList = std::span<const ScoreMemberView>;
using ScoreBraces = std::initializer_list<ScoreMemberView>;

/// An end of a range of scores: a number is included; `ScoreBound::open(5)` is not; infinities are the ends.
struct ScoreBound {
    double score = 0;
    bool exclusive = false;

    constexpr ScoreBound(double value) : score(value) {}  // NOLINT: `zcount("z", 1, 5)` is what one writes
    static constexpr ScoreBound open(double value) {
        ScoreBound bound{value};
        bound.exclusive = true;
        return bound;
    }
    static constexpr ScoreBound lowest() { return {-std::numeric_limits<double>::infinity()}; }
    static constexpr ScoreBound highest() { return {std::numeric_limits<double>::infinity()}; }
};

/// An end of a range of members in byte order.
struct LexBound {
    enum class Kind : std::uint8_t { closed, open, lowest, highest };
    Kind kind = Kind::lowest;
    std::string_view member = {};

    static constexpr LexBound closed(std::string_view member) { return {Kind::closed, member}; }
    static constexpr LexBound open(std::string_view member) { return {Kind::open, member}; }
    static constexpr LexBound lowest() { return {Kind::lowest, {}}; }
    static constexpr LexBound highest() { return {Kind::highest, {}}; }
};

/// What ZADD does with members that exist: nx adds only, xx updates only, gt and lt raise or lower only.
struct ZaddOptions {
    bool nx = false;
    bool xx = false;
    bool gt = false;
    bool lt = false;
    bool ch = false;  ///< counts changed members too, not only new ones
};

/// A part of a range by score or by member.
struct ZrangeOptions {
    bool rev = false;                                   ///< from the highest down; the bounds stay lowest first
    std::uint32_t offset = 0;                           ///< how many to leave out
    std::optional<std::uint32_t> count = std::nullopt;  ///< how many to return at most
};

/// A part of a range whose direction the command's name says.
struct ZlimitOptions {
    std::uint32_t offset = 0;                           ///< how many to leave out
    std::optional<std::uint32_t> count = std::nullopt;  ///< how many to return at most
};

/// Members, and the sorted set that they came from.
struct KeyedMembers {
    std::string key;
    std::vector<ScoredMember> members;
    friend bool operator==(const KeyedMembers&, const KeyedMembers&) = default;
};

enum class ScoreEnd : std::uint8_t { lowest, highest };
enum class Aggregate : std::uint8_t { sum, min, max };

/// How ZUNION and ZINTER join scores.
struct ZjoinOptions {
    std::span<const double> weights = {};  ///< a factor for each key, or none
    Aggregate aggregate = Aggregate::sum;
};

template <class... Options>
inline constexpr bool are_plain_options = ((std::is_trivially_destructible_v<Options> &&
                                            std::is_trivially_copyable_v<Options>)&&...);
static_assert(
    are_plain_options<ScoreBound, LexBound, ZaddOptions, ZrangeOptions, ZlimitOptions, ZjoinOptions, ScoreMemberView>);

namespace cmd {

/// Adds members or updates their scores; says how many are new.
Command<std::int64_t> zadd(std::string_view key, double score, std::string_view member, ZaddOptions options = {});
Command<std::int64_t> zadd(std::string_view key, ScoreList members, ZaddOptions options = {});
Command<std::int64_t> zadd(std::string_view key, ScoreBraces members, ZaddOptions options = {});
/// ZADD ... INCR: adds to the score, and returns it; nullopt when a condition was not met.
Command<std::optional<double>> zadd_incr(std::string_view key, double by, std::string_view member,
                                         ZaddOptions options = {});
Command<double> zincrby(std::string_view key, double by, std::string_view member);  ///< adds to the score
Command<std::int64_t> zrem(std::string_view key, std::string_view member);          ///< says how many there were
Command<std::int64_t> zrem(std::string_view key, TextList members);
Command<std::int64_t> zrem(std::string_view key, TextBraces members);

Command<std::int64_t> zcard(std::string_view key);                                     ///< how many members
Command<std::int64_t> zcount(std::string_view key, ScoreBound min, ScoreBound max);    ///< how many lie between
Command<std::int64_t> zlexcount(std::string_view key, LexBound min, LexBound max);     ///< how many lie between
Command<std::optional<double>> zscore(std::string_view key, std::string_view member);  ///< nullopt: no such member
Command<std::vector<std::optional<double>>> zmscore(std::string_view key, TextList members);
Command<std::vector<std::optional<double>>> zmscore(std::string_view key, TextBraces members);
/// The place of a member, from the lowest score or from the highest; 0 is the first.
Command<std::optional<std::int64_t>> zrank(std::string_view key, std::string_view member);
Command<std::optional<std::int64_t>> zrevrank(std::string_view key, std::string_view member);

/// Members by place, from `start` to `stop`, both included; negative ones count from the end.
Command<std::vector<std::string>> zrange(std::string_view key, std::int64_t start, std::int64_t stop, bool rev = false);
Command<std::vector<ScoredMember>> zrange_with_scores(std::string_view key, std::int64_t start, std::int64_t stop,
                                                      bool rev = false);
/// Members by score: ZRANGE ... BYSCORE.
Command<std::vector<std::string>> zrange_by_score(std::string_view key, ScoreBound min, ScoreBound max,
                                                  ZrangeOptions options = {});
Command<std::vector<ScoredMember>> zrange_by_score_with_scores(std::string_view key, ScoreBound min, ScoreBound max,
                                                               ZrangeOptions options = {});
/// Members in byte order, of a set whose scores are all equal: ZRANGE ... BYLEX.
Command<std::vector<std::string>> zrange_by_lex(std::string_view key, LexBound min, LexBound max,
                                                ZrangeOptions options = {});
/// The same, stored over `destination`; says how many members that has.
Command<std::int64_t> zrangestore(std::string_view destination, std::string_view source, std::int64_t start,
                                  std::int64_t stop, bool rev = false);
Command<std::int64_t> zrangestore_by_score(std::string_view destination, std::string_view source, ScoreBound min,
                                           ScoreBound max, ZrangeOptions options = {});

Command<std::int64_t> zrangestore_by_lex(std::string_view destination, std::string_view source, LexBound min,
                                         LexBound max, ZrangeOptions options = {});
/// The older names of ZRANGE with its options: what is reversed takes its bounds as they are written, highest first.
Command<std::vector<std::string>> zrevrange(std::string_view key, std::int64_t start, std::int64_t stop);
Command<std::vector<ScoredMember>> zrevrange_with_scores(std::string_view key, std::int64_t start, std::int64_t stop);
Command<std::vector<std::string>> zrangebyscore(std::string_view key, ScoreBound min, ScoreBound max,
                                                ZlimitOptions options = {});
Command<std::vector<ScoredMember>> zrangebyscore_with_scores(std::string_view key, ScoreBound min, ScoreBound max,
                                                             ZlimitOptions options = {});
Command<std::vector<std::string>> zrevrangebyscore(std::string_view key, ScoreBound max, ScoreBound min,
                                                   ZlimitOptions options = {});
Command<std::vector<ScoredMember>> zrevrangebyscore_with_scores(std::string_view key, ScoreBound max, ScoreBound min,
                                                                ZlimitOptions options = {});
Command<std::vector<std::string>> zrangebylex(std::string_view key, LexBound min, LexBound max,
                                              ZlimitOptions options = {});
Command<std::vector<std::string>> zrevrangebylex(std::string_view key, LexBound max, LexBound min,
                                                 ZlimitOptions options = {});

/// Each removes a range; says how many there were.
Command<std::int64_t> zremrangebyrank(std::string_view key, std::int64_t start, std::int64_t stop);
Command<std::int64_t> zremrangebyscore(std::string_view key, ScoreBound min, ScoreBound max);
Command<std::int64_t> zremrangebylex(std::string_view key, LexBound min, LexBound max);
/// Takes up to `count` members with the lowest or the highest scores.
Command<std::vector<ScoredMember>> zpopmin(std::string_view key, std::uint32_t count = 1);
Command<std::vector<ScoredMember>> zpopmax(std::string_view key, std::uint32_t count = 1);
/// Takes up to `count` members from the first of the sorted sets that has some; nullopt when none has.
Command<std::optional<KeyedMembers>> zmpop(std::string_view key, ScoreEnd from, std::uint32_t count = 1);
Command<std::optional<KeyedMembers>> zmpop(TextList keys, ScoreEnd from, std::uint32_t count = 1);
Command<std::optional<KeyedMembers>> zmpop(TextBraces keys, ScoreEnd from, std::uint32_t count = 1);
/// A random member; up to `count` distinct ones; with a negative count exactly that many, with repetitions.
Command<std::optional<std::string>> zrandmember(std::string_view key);
Command<std::vector<std::string>> zrandmember(std::string_view key, std::int64_t count);
Command<std::vector<ScoredMember>> zrandmember_with_scores(std::string_view key, std::int64_t count);

/// The first without the others; what all share; what any has.
Command<std::vector<std::string>> zdiff(TextList keys);
Command<std::vector<std::string>> zdiff(TextBraces keys);
Command<std::vector<ScoredMember>> zdiff_with_scores(TextList keys);
Command<std::vector<ScoredMember>> zdiff_with_scores(TextBraces keys);
Command<std::vector<std::string>> zinter(TextList keys, ZjoinOptions options = {});
Command<std::vector<std::string>> zinter(TextBraces keys, ZjoinOptions options = {});
Command<std::vector<ScoredMember>> zinter_with_scores(TextList keys, ZjoinOptions options = {});
Command<std::vector<ScoredMember>> zinter_with_scores(TextBraces keys, ZjoinOptions options = {});
Command<std::vector<std::string>> zunion(TextList keys, ZjoinOptions options = {});
Command<std::vector<std::string>> zunion(TextBraces keys, ZjoinOptions options = {});
Command<std::vector<ScoredMember>> zunion_with_scores(TextList keys, ZjoinOptions options = {});
Command<std::vector<ScoredMember>> zunion_with_scores(TextBraces keys, ZjoinOptions options = {});
/// The same, stored over `destination`; says how many members that has.
Command<std::int64_t> zdiffstore(std::string_view destination, TextList keys);
Command<std::int64_t> zdiffstore(std::string_view destination, TextBraces keys);
Command<std::int64_t> zinterstore(std::string_view destination, TextList keys, ZjoinOptions options = {});
Command<std::int64_t> zinterstore(std::string_view destination, TextBraces keys, ZjoinOptions options = {});
Command<std::int64_t> zunionstore(std::string_view destination, TextList keys, ZjoinOptions options = {});
Command<std::int64_t> zunionstore(std::string_view destination, TextBraces keys, ZjoinOptions options = {});
/// How many members all share, counted up to `limit` (0: all).
Command<std::int64_t> zintercard(TextList keys, std::uint32_t limit = 0);
Command<std::int64_t> zintercard(TextBraces keys, std::uint32_t limit = 0);

/// One page of the members. Start with 0, go on with the page's cursor until that is 0.
Command<SortedSetScanPage> zscan(std::string_view key, std::uint64_t cursor, MemberScanOptions options = {});

}  // namespace cmd
}  // namespace redoubt
