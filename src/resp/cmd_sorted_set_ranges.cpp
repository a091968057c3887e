// resp: builders of the commands on ranges of sorted sets, by place, score and bytes.
#include "resp/cmd_support.hpp"

namespace redoubt::cmd {
namespace {

using Texts = std::vector<std::string>;
using Members = std::vector<ScoredMember>;

template <class Reply>
void add_bound(Building<Reply>& command, ScoreBound bound) {
    command.add(bound.exclusive ? Argument::open_real(bound.score) : Argument::real(bound.score));
    if (std::isnan(bound.score)) command.set_invalid("a bound must not be NaN");
}

template <class Reply>
void add_bound(Building<Reply>& command, LexBound bound) {
    switch (bound.kind) {
        case LexBound::Kind::closed: command.add(Argument::closed_text(bound.member)); break;
        case LexBound::Kind::open: command.add(Argument::open_text(bound.member)); break;
        case LexBound::Kind::lowest: command.add(text("-")); break;
        case LexBound::Kind::highest: command.add(text("+")); break;
    }
}

/// ZRANGE's tail: the bounds, BYSCORE or BYLEX, REV, LIMIT. The server wants the upper bound first with REV.
template <class Reply, class Bound>
void add_range(Building<Reply>& command, std::string_view by, Bound min, Bound max, const ZrangeOptions& options) {
    add_bound(command, options.rev ? max : min);
    add_bound(command, options.rev ? min : max);
    command.add(text(by));
    if (options.rev) command.add(text("REV"));
    if (options.offset != 0 || options.count) {
        command.add(text("LIMIT"));
        command.add(number(options.offset));
        command.add(number(options.count ? std::int64_t{*options.count} : -1));
    }
}

template <class Reply>
Building<Reply> build_by_place(std::string_view of_key, std::int64_t start, std::int64_t stop, bool rev) {
    auto command = build<Reply>(spec_of("ZRANGE"), key(of_key), number(start), number(stop));
    if (rev) command.add(text("REV"));
    return command;
}

template <class Reply>
Building<Reply> build_by_score(std::string_view of_key, ScoreBound min, ScoreBound max, const ZrangeOptions& options) {
    auto command = build<Reply>(spec_of("ZRANGE"), key(of_key));
    add_range(command, "BYSCORE", min, max, options);
    return command;
}

template <class Reply>
void add_limit(Building<Reply>& command, const ZlimitOptions& options) {
    if (options.offset == 0 && !options.count) return;
    command.add(text("LIMIT"));
    command.add(number(options.offset));
    command.add(number(options.count ? std::int64_t{*options.count} : -1));
}

/// The older commands: the bounds as they are, WITHSCORES, LIMIT.
template <class Reply, class Bound>
Building<Reply> build_older(const CommandSpec& spec, std::string_view of_key, Bound first, Bound second,
                            const ZlimitOptions& options) {
    auto command = build<Reply>(spec, key(of_key));
    add_bound(command, first);
    add_bound(command, second);
    if constexpr (std::is_same_v<Reply, Members>) command.add(text("WITHSCORES"));
    add_limit(command, options);
    return command;
}

}  // namespace

Command<std::int64_t> zcount(std::string_view of_key, ScoreBound min, ScoreBound max) {
    auto command = build<std::int64_t>(spec_of("ZCOUNT"), key(of_key));
    add_bound(command, min);
    add_bound(command, max);
    return command;
}
Command<std::int64_t> zlexcount(std::string_view of_key, LexBound min, LexBound max) {
    auto command = build<std::int64_t>(spec_of("ZLEXCOUNT"), key(of_key));
    add_bound(command, min);
    add_bound(command, max);
    return command;
}
Command<Texts> zrange(std::string_view of_key, std::int64_t start, std::int64_t stop, bool rev) {
    return build_by_place<Texts>(of_key, start, stop, rev);
}
Command<Members> zrange_with_scores(std::string_view of_key, std::int64_t start, std::int64_t stop, bool rev) {
    return with_scores(build_by_place<Members>(of_key, start, stop, rev));
}
Command<Texts> zrange_by_score(std::string_view of_key, ScoreBound min, ScoreBound max, ZrangeOptions options) {
    return build_by_score<Texts>(of_key, min, max, options);
}
Command<Members> zrange_by_score_with_scores(std::string_view of_key, ScoreBound min, ScoreBound max,
                                             ZrangeOptions options) {
    return with_scores(build_by_score<Members>(of_key, min, max, options));
}
Command<Texts> zrange_by_lex(std::string_view of_key, LexBound min, LexBound max, ZrangeOptions options) {
    auto command = build<Texts>(spec_of("ZRANGE"), key(of_key));
    add_range(command, "BYLEX", min, max, options);
    return command;
}
Command<std::int64_t> zrangestore(std::string_view destination, std::string_view source, std::int64_t start,
                                  std::int64_t stop, bool rev) {
    auto command =
        build<std::int64_t>(spec_of("ZRANGESTORE"), key(destination), key(source), number(start), number(stop));
    if (rev) command.add(text("REV"));
    refine_store(command, destination, {&source, 1});
    return command;
}
Command<std::int64_t> zrangestore_by_score(std::string_view destination, std::string_view source, ScoreBound min,
                                           ScoreBound max, ZrangeOptions options) {
    auto command = build<std::int64_t>(spec_of("ZRANGESTORE"), key(destination), key(source));
    add_range(command, "BYSCORE", min, max, options);
    refine_store(command, destination, {&source, 1});
    return command;
}
Command<std::int64_t> zrangestore_by_lex(std::string_view destination, std::string_view source, LexBound min,
                                         LexBound max, ZrangeOptions options) {
    auto command = build<std::int64_t>(spec_of("ZRANGESTORE"), key(destination), key(source));
    add_range(command, "BYLEX", min, max, options);
    refine_store(command, destination, {&source, 1});
    return command;
}

Command<Texts> zrevrange(std::string_view of_key, std::int64_t start, std::int64_t stop) {
    return build<Texts>(spec_of("ZREVRANGE"), key(of_key), number(start), number(stop));
}
Command<Members> zrevrange_with_scores(std::string_view of_key, std::int64_t start, std::int64_t stop) {
    return with_scores(build<Members>(spec_of("ZREVRANGE"), key(of_key), number(start), number(stop)));
}
Command<Texts> zrangebyscore(std::string_view of_key, ScoreBound min, ScoreBound max, ZlimitOptions options) {
    return build_older<Texts>(spec_of("ZRANGEBYSCORE"), of_key, min, max, options);
}
Command<Members> zrangebyscore_with_scores(std::string_view of_key, ScoreBound min, ScoreBound max,
                                           ZlimitOptions options) {
    return build_older<Members>(spec_of("ZRANGEBYSCORE"), of_key, min, max, options);
}
Command<Texts> zrevrangebyscore(std::string_view of_key, ScoreBound max, ScoreBound min, ZlimitOptions options) {
    return build_older<Texts>(spec_of("ZREVRANGEBYSCORE"), of_key, max, min, options);
}
Command<Members> zrevrangebyscore_with_scores(std::string_view of_key, ScoreBound max, ScoreBound min,
                                              ZlimitOptions options) {
    return build_older<Members>(spec_of("ZREVRANGEBYSCORE"), of_key, max, min, options);
}
Command<Texts> zrangebylex(std::string_view of_key, LexBound min, LexBound max, ZlimitOptions options) {
    return build_older<Texts>(spec_of("ZRANGEBYLEX"), of_key, min, max, options);
}
Command<Texts> zrevrangebylex(std::string_view of_key, LexBound max, LexBound min, ZlimitOptions options) {
    return build_older<Texts>(spec_of("ZREVRANGEBYLEX"), of_key, max, min, options);
}

Command<std::int64_t> zremrangebyrank(std::string_view of_key, std::int64_t start, std::int64_t stop) {
    return build<std::int64_t>(spec_of("ZREMRANGEBYRANK"), key(of_key), number(start), number(stop));
}
Command<std::int64_t> zremrangebyscore(std::string_view of_key, ScoreBound min, ScoreBound max) {
    auto command = build<std::int64_t>(spec_of("ZREMRANGEBYSCORE"), key(of_key));
    add_bound(command, min);
    add_bound(command, max);
    return command;
}
Command<std::int64_t> zremrangebylex(std::string_view of_key, LexBound min, LexBound max) {
    auto command = build<std::int64_t>(spec_of("ZREMRANGEBYLEX"), key(of_key));
    add_bound(command, min);
    add_bound(command, max);
    return command;
}

}  // namespace redoubt::cmd
