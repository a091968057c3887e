// service: every typed command on sorted sets and places, on all four surfaces of both servers.
#include "support/surfaces.hpp"

namespace redoubt {
namespace {

using testing::sorted;
using Texts = std::vector<std::string>;
using Members = std::vector<ScoredMember>;

class TypedSortedSets : public testing::TypedCommandsTest {};

const std::vector<std::string_view> two{"z", "y"};

const auto sorted_sets = [](auto& surface) {
    const std::vector<ScoreMemberView> members{{1, "a"}, {2, "b"}, {3, "c"}};
    EXPECT_EQ(CALL(zadd, "z", members), 3);
    EXPECT_EQ(CALL(zadd, "z", 5, "c", {.xx = true, .gt = true, .ch = true}), 1);
    EXPECT_EQ(CALL(zadd_incr, "z", 1, "none", {.xx = true}), std::nullopt);
    EXPECT_EQ(CALL(zadd_incr, "z", 1, "a"), 2);
    EXPECT_EQ(CALL(zincrby, "z", -1, "a"), 1);
    EXPECT_EQ(CALL(zcard, "z"), 3);
    EXPECT_EQ(CALL(zcount, "z", ScoreBound::open(1), ScoreBound::highest()), 2);
    EXPECT_EQ(CALL(zlexcount, "z", LexBound::lowest(), LexBound::highest()), 3);
    EXPECT_EQ(CALL(zscore, "z", "b"), 2);
    EXPECT_EQ(CALL(zmscore, "z", "b", "none"), (std::vector<std::optional<double>>{2, std::nullopt}));
    EXPECT_EQ(CALL(zrank, "z", "b"), 1);
    EXPECT_EQ(CALL(zrevrank, "z", "none"), std::nullopt);
    EXPECT_TRUE(CALL(zrandmember, "z").has_value());
    EXPECT_EQ(sorted(CALL(zrandmember, "z", 5)), (Texts{"a", "b", "c"}));
    EXPECT_EQ(CALL(zrandmember_with_scores, "z", -4).size(), 4U);
    EXPECT_EQ(CALL(zscan, "z", 0, {.match = "a"}).members, (Members{{"a", 1}}));
    surface.raw().command({"ZADD", surface.stored("y"), "2", "b", "5", "c"});
    EXPECT_EQ(CALL(zdiff, "z", "y"), Texts{"a"});
    EXPECT_EQ(CALL(zdiff_with_scores, two), (Members{{"a", 1}}));
    EXPECT_EQ(CALL(zinter, "z", "y"), (Texts{"b", "c"}));
    const std::vector<double> weights{1, 0.5};
    EXPECT_EQ(CALL(zinter_with_scores, two, {.weights = weights}), (Members{{"b", 3}, {"c", 7.5}}));
    EXPECT_EQ(CALL(zunion, two, {.aggregate = Aggregate::max}), (Texts{"a", "b", "c"}));
    EXPECT_EQ(CALL(zunion_with_scores, two), (Members{{"a", 1}, {"b", 4}, {"c", 10}}));
    EXPECT_EQ(CALL(zdiffstore, "d", "z", "y"), 1);
    EXPECT_EQ(CALL(zinterstore, "d", two, {.weights = weights}), 2);
    EXPECT_EQ(CALL(zunionstore, "d", "z", "y"), 3);
    EXPECT_EQ(CALL(zintercard, two, 1), 1);
    EXPECT_EQ(CALL(zrem, "d", "a", "none"), 1);
    EXPECT_EQ(CALL(zremrangebyrank, "d", 0, 0), 1);
    EXPECT_EQ(CALL(zremrangebyscore, "d", 0, 1), 0);
    EXPECT_EQ(CALL(zremrangebylex, "d", LexBound::lowest(), LexBound::open("zz")), 1);
    EXPECT_EQ(CALL(zmpop, two, ScoreEnd::highest, 2), (KeyedMembers{"z", {{"c", 5}, {"b", 2}}}));
    EXPECT_EQ(CALL(zmpop, "none", ScoreEnd::highest), std::nullopt);
    EXPECT_EQ(CALL(zpopmin, "z"), (Members{{"a", 1}}));
    EXPECT_EQ(CALL(zpopmin, "z"), Members{});
    // In a transaction nothing waits: what is not there at once is nil.
    EXPECT_EQ(CALL(bzmpop, two, ScoreEnd::lowest, 1s), (KeyedMembers{"y", {{"b", 2}}}));
    EXPECT_EQ(CALL(bzpopmax, two, 1s), (KeyedMember{"y", "c", 5}));
    EXPECT_EQ(CALL(bzpopmin, "y", 1ms), std::nullopt);
    EXPECT_EQ(CALL(bzmpop, "y", ScoreEnd::lowest, 1ms), std::nullopt);
    CALL(zadd, "z", 1, "m");
    EXPECT_EQ(CALL(zpopmax, "z", 5), (Members{{"m", 1}}));
};

const auto ranges = [](auto& surface) {
    surface.raw().command({"ZADD", surface.stored("z"), "1", "a", "2", "b", "5", "c"});
    EXPECT_EQ(CALL(zrange, "z", 0, -1, true), (Texts{"c", "b", "a"}));
    EXPECT_EQ(CALL(zrange_with_scores, "z", 0, 0), (Members{{"a", 1}}));
    EXPECT_EQ(CALL(zrange_by_score, "z", 2, ScoreBound::open(5)), Texts{"b"});
    EXPECT_EQ(CALL(zrange_by_score, "z", 1, 5, {.rev = true, .offset = 1, .count = 1}), Texts{"b"});
    EXPECT_EQ(CALL(zrange_by_score_with_scores, "z", ScoreBound::lowest(), 1), (Members{{"a", 1}}));
    EXPECT_EQ(CALL(zrange_by_lex, "z", LexBound::closed("a"), LexBound::highest(), {.offset = 2}), Texts{"c"});
    EXPECT_EQ(CALL(zrangestore, "y", "z", 1, 2), 2);
    EXPECT_EQ(CALL(zrangestore_by_score, "y", "z", 1, 5, {.rev = true, .count = 2}), 2);
    EXPECT_EQ(CALL(zrangestore_by_lex, "y", "z", LexBound::open("b"), LexBound::highest()), 1);
    EXPECT_EQ(CALL(zrevrange, "z", 0, 1), (Texts{"c", "b"}));
    EXPECT_EQ(CALL(zrevrange_with_scores, "z", 0, 1), (Members{{"c", 5}, {"b", 2}}));
    EXPECT_EQ(CALL(zrangebyscore, "z", ScoreBound::open(1), 5), (Texts{"b", "c"}));
    EXPECT_EQ(CALL(zrangebyscore_with_scores, "z", 1, 5, {.offset = 1, .count = 1}), (Members{{"b", 2}}));
    EXPECT_EQ(CALL(zrevrangebyscore, "z", ScoreBound::highest(), 2), (Texts{"c", "b"}));
    EXPECT_EQ(CALL(zrevrangebyscore_with_scores, "z", 2, 1, {.offset = 1}), (Members{{"a", 1}}));
    EXPECT_EQ(CALL(zrangebylex, "z", LexBound::lowest(), LexBound::closed("a")), Texts{"a"});
    EXPECT_EQ(CALL(zrevrangebylex, "z", LexBound::open("c"), LexBound::lowest()), (Texts{"b", "a"}));
};

const auto places = [](auto& surface) {
    const std::vector<GeoMemberView> members{{13.361389, 38.115556, "Palermo"}, {15.087269, 37.502669, "Catania"}};
    EXPECT_EQ(CALL(geoadd, "g", members), 2);
    EXPECT_EQ(CALL(geoadd, "g", 13.361389, 38.115556, "Palermo", {.xx = true, .ch = true}), 0);
    EXPECT_NEAR(CALL(geodist, "g", "Palermo", "Catania").value(), 166274.1516, 0.001);
    EXPECT_NEAR(CALL(geodist, "g", "Palermo", "Catania", GeoUnit::km).value(), 166.2742, 0.0001);
    EXPECT_EQ(CALL(geodist, "g", "Palermo", "none"), std::nullopt);
    EXPECT_EQ(CALL(geohash, "g", "Palermo", "none"),
              (std::vector<std::optional<std::string>>{"sqc8b49rny0", std::nullopt}));
    const auto positions = CALL(geopos, "g", "none", "Catania");
    ASSERT_EQ(positions.size(), 2U);
    EXPECT_EQ(positions[0], std::nullopt);
    EXPECT_NEAR(positions[1].value().longitude, 15.087269, 0.00001);
    EXPECT_NEAR(positions[1].value().latitude, 37.502669, 0.00001);
    const GeoOrigin origin = GeoOrigin::at(15, 37);
    const GeoArea far = GeoArea::radius(200, GeoUnit::km);
    const GeoArea near = GeoArea::box(200, 200, GeoUnit::km);
    EXPECT_EQ(CALL(geosearch, "g", origin, far, {.order = GeoOrder::nearest_first}), (Texts{"Catania", "Palermo"}));
    EXPECT_EQ(CALL(geosearch, "g", origin, far, {.order = GeoOrder::farthest_first, .count = 1}), Texts{"Palermo"});
    EXPECT_EQ(CALL(geosearch, "g", origin, far, {.count = 1, .any = true}).size(), 1U);
    EXPECT_EQ(CALL(geosearch, "g", GeoOrigin::of("Catania"), near), Texts{"Catania"});
    const auto found = CALL(geosearch_detailed, "g", origin, near);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].member, "Catania");
    EXPECT_NEAR(found[0].distance, 56.4413, 0.0001);
    EXPECT_EQ(found[0].hash, 3479447370796909);
    EXPECT_NEAR(found[0].position.latitude, 37.502669, 0.00001);
    EXPECT_EQ(CALL(geosearchstore, "d", "g", origin, far), 2);
    EXPECT_EQ(CALL(geosearchstore_distances, "d", "g", origin, near, {.order = GeoOrder::nearest_first, .count = 1}),
              1);
    EXPECT_EQ(surface.raw().command({"ZCARD", surface.stored("d")}), ":1\r\n");
};

TEST_P(TypedSortedSets, SortedSets) { on_every_surface("sorted sets", sorted_sets); }
TEST_P(TypedSortedSets, Ranges) { on_every_surface("ranges of sorted sets", ranges); }
TEST_P(TypedSortedSets, Places) { on_every_surface("geo", places); }

REDOUBT_TYPED_COMMANDS(TypedSortedSets);

}  // namespace
}  // namespace redoubt
