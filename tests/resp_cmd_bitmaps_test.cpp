// resp: the bytes, retry categories, refusals and readers of the builders of commands_bitmaps.inc and commands_geo.inc.
#include <cmath>
#include <limits>

#include "support/golden.hpp"

namespace redoubt {
namespace {

using enum RetryCategory;
using testing::covered;
using testing::read_as;
using testing::refused_as;

constexpr double infinity = std::numeric_limits<double>::infinity();

void check_bitmaps() {
    const std::vector<std::string_view> two{"a", "b"};
    SENDS(setbit, ("k", 7, true), idempotent, "SETBIT <k 7 1");
    SENDS(getbit, ("k", 4294967295U), read_only, "GETBIT <k 4294967295");
    SENDS(bitcount, ("k"), read_only, "BITCOUNT <k");
    SENDS(bitcount, ("k", 0, -1), read_only, "BITCOUNT <k 0 -1");
    SENDS(bitcount, ("k", 5, 30, BitUnit::bit), read_only, "BITCOUNT <k 5 30 BIT");
    SENDS(bitpos, ("k", false), read_only, "BITPOS <k 0");
    SENDS(bitpos, ("k", true, 2), read_only, "BITPOS <k 1 2 -1");
    SENDS(bitpos, ("k", true, 7, 15, BitUnit::bit), read_only, "BITPOS <k 1 7 15 BIT");
    SENDS(bitop, (BitOperator::bit_and, "d", two), idempotent, "BITOP AND <d <a <b");
    SENDS(bitop, (BitOperator::bit_or, "d", {"a"}), idempotent, "BITOP OR <d <a");
    SENDS(bitop, (BitOperator::bit_xor, "a", {"b", "a"}), accumulating, "BITOP XOR <a <b <a");
    SENDS(bitop_not, ("d", "s"), idempotent, "BITOP NOT <d <s");
    SENDS(bitop_not, ("s", "s"), accumulating, "BITOP NOT <s <s");
    using Op = BitfieldOperation;
    const std::vector<Op> reads{Op::get(BitfieldType::u(8), 0), Op::get(BitfieldType::i(64), 3).nth()};
    SENDS(bitfield, ("k", reads), read_only, "BITFIELD <k GET u8 0 GET i64 #3");
    SENDS(bitfield, ("k", {Op::set(BitfieldType::i(5), 4294967295U, -1)}), conditional,
          "BITFIELD <k SET i5 4294967295 -1");
    SENDS(bitfield,
          ("k", {Op::incrby(BitfieldType::u(63), 1, 2), Op::incrby(BitfieldType::u(2), 0, 1, Op::Overflow::sat),
                 Op::get(BitfieldType::u(1), 0), Op::incrby(BitfieldType::u(2), 0, 1, Op::Overflow::sat),
                 Op::set(BitfieldType::u(2), 0, 1, Op::Overflow::fail), Op::incrby(BitfieldType::u(2), 0, -9)}),
          accumulating,
          "BITFIELD <k INCRBY u63 1 2 OVERFLOW SAT INCRBY u2 0 1 GET u1 0 INCRBY u2 0 1 OVERFLOW FAIL SET u2 0 1 "
          "OVERFLOW WRAP INCRBY u2 0 -9");
    SENDS(bitfield_ro, ("k", reads), read_only, "BITFIELD_RO <k GET u8 0 GET i64 #3");
    SENDS(bitfield_ro, ("k", {Op::get(BitfieldType::u(1), 0)}), read_only, "BITFIELD_RO <k GET u1 0");
    SENDS(pfadd, ("k", "e"), idempotent, "PFADD <k e");
    SENDS(pfadd, ("k", two), idempotent, "PFADD <k a b");
    SENDS(pfadd, ("k", {"a", "b"}), idempotent, "PFADD <k a b");
    SENDS(pfcount, ("k"), read_only, "PFCOUNT <k");
    SENDS(pfcount, (two), read_only, "PFCOUNT <a <b");
    SENDS(pfcount, ({"a", "b"}), read_only, "PFCOUNT <a <b");
    SENDS(pfmerge, ("d", two), idempotent, "PFMERGE <d <a <b");
    SENDS(pfmerge, ("d", {"a"}), idempotent, "PFMERGE <d <a");
}

void check_geo() {
    const std::vector<std::string_view> two{"a", "b"};
    const std::vector<GeoMemberView> members{{13.5, 38, "a"}, {-180, -85, "b"}};
    SENDS(geoadd, ("g", 13.5, 38, "m"), idempotent, "GEOADD <g 13.5 38 m");
    SENDS(geoadd, ("g", members, {.ch = true}), idempotent, "GEOADD <g CH 13.5 38 a -180 -85 b");
    SENDS(geoadd, ("g", {{1, 2, "a"}}, {.xx = true}), conditional, "GEOADD <g XX 1 2 a");
    SENDS(geoadd, ("g", 1, 2, "m", {.nx = true, .ch = true}), conditional, "GEOADD <g NX CH 1 2 m");
    SENDS(geodist, ("g", "a", "b"), read_only, "GEODIST <g a b m");
    SENDS(geodist, ("g", "a", "b", GeoUnit::mi), read_only, "GEODIST <g a b mi");
    SENDS(geohash, ("g", two), read_only, "GEOHASH <g a b");
    SENDS(geohash, ("g", {"a"}), read_only, "GEOHASH <g a");
    SENDS(geopos, ("g", two), read_only, "GEOPOS <g a b");
    SENDS(geopos, ("g", {"a"}), read_only, "GEOPOS <g a");
    const GeoOrigin from = GeoOrigin::at(15, 37.5);
    const GeoArea box = GeoArea::box(400, 0.5, GeoUnit::ft);
    SENDS(geosearch, ("g", GeoOrigin::of("m"), GeoArea::radius(5, GeoUnit::km)), read_only,
          "GEOSEARCH <g FROMMEMBER m BYRADIUS 5 km");
    SENDS(geosearch, ("g", from, box, {.order = GeoOrder::farthest_first, .count = 3, .any = true}), read_only,
          "GEOSEARCH <g FROMLONLAT 15 37.5 BYBOX 400 0.5 ft DESC COUNT 3 ANY");
    SENDS(geosearch_detailed, ("g", from, box, {.order = GeoOrder::nearest_first, .count = 3, .any = true}), read_only,
          "GEOSEARCH <g FROMLONLAT 15 37.5 BYBOX 400 0.5 ft ASC COUNT 3 ANY WITHCOORD WITHDIST WITHHASH");
    SENDS(geosearch_detailed, ("g", from, box), read_only,
          "GEOSEARCH <g FROMLONLAT 15 37.5 BYBOX 400 0.5 ft WITHCOORD WITHDIST WITHHASH");
    SENDS(geosearchstore, ("d", "g", from, box, {.count = 3}), idempotent,
          "GEOSEARCHSTORE <d <g FROMLONLAT 15 37.5 BYBOX 400 0.5 ft COUNT 3");
    SENDS(geosearchstore, ("g", "g", from, box), accumulating,
          "GEOSEARCHSTORE <g <g FROMLONLAT 15 37.5 BYBOX 400 0.5 ft");
    SENDS(geosearchstore_distances, ("d", "g", from, box, {.order = GeoOrder::nearest_first, .count = 3, .any = true}),
          idempotent, "GEOSEARCHSTORE <d <g FROMLONLAT 15 37.5 BYBOX 400 0.5 ft ASC COUNT 3 ANY STOREDIST");
}

TEST(BuildersOfBitmapsAndPlaces, SendWhatTheySayAndNoneIsLeftOut) {
    check_bitmaps();
    check_geo();
    std::set<std::string> listed;
#define REDOUBT_COMMAND(name, parameters, arguments) listed.insert(#name);
#define REDOUBT_KEYS_COMMAND(name) listed.insert(#name);
#define REDOUBT_MEMBERS_COMMAND(name) listed.insert(#name);
#include <redoubt/service/commands_bitmaps.inc>
#include <redoubt/service/commands_geo.inc>
#undef REDOUBT_COMMAND
#undef REDOUBT_KEYS_COMMAND
#undef REDOUBT_MEMBERS_COMMAND
    EXPECT_EQ(covered(), listed);
}

TEST(BuildersOfBitmapsAndPlaces, RefuseWhatTheServerWouldRefuseOrMisread) {
    using Op = BitfieldOperation;
    constexpr std::string_view bits = "an integer of a bitfield has 1 to 64 bits, an unsigned one 1 to 63";
    EXPECT_EQ(cmd::bitfield("k", {Op::get(BitfieldType::u(64), 0)}).invalid(), bits);
    EXPECT_EQ(cmd::bitfield("k", {Op::get(BitfieldType::i(0), 0)}).invalid(), bits);
    EXPECT_EQ(cmd::bitfield("k", {Op::get(BitfieldType::i(65), 0)}).invalid(), bits);
    EXPECT_EQ(cmd::bitfield("k", BitfieldList{}).invalid(), "it needs at least one operation");
    EXPECT_EQ(cmd::bitfield_ro("k", {Op::set(BitfieldType::u(1), 0, 1)}).invalid(),
              "it only reads; to write, use bitfield()");
    EXPECT_EQ(cmd::bitop(BitOperator::bit_or, "d", TextList{}).invalid(), "it needs at least one source");
    EXPECT_EQ(cmd::pfmerge("d", TextList{}).invalid(), "it needs at least one source");

    constexpr std::string_view longitude = "a longitude must be from -180 to 180";
    constexpr std::string_view latitude = "a latitude must be from -85.05112878 to 85.05112878";
    EXPECT_EQ(cmd::geoadd("g", 181, 0, "m").invalid(), longitude);
    EXPECT_EQ(cmd::geoadd("g", {{0, 0, "a"}, {0, -86, "b"}}).invalid(), latitude);
    EXPECT_EQ(cmd::geoadd("g", std::nan(""), 0, "m").invalid(), longitude);
    EXPECT_EQ(cmd::geoadd("g", 0, infinity, "m").invalid(), latitude);
    EXPECT_EQ(cmd::geoadd("g", GeoList{}).invalid(), "it needs at least one member");
    EXPECT_EQ(cmd::geoadd("g", 0, 0, "m", {.nx = true, .xx = true}).invalid(), "nx and xx exclude each other");
    const GeoArea area = GeoArea::radius(1, GeoUnit::m);
    EXPECT_EQ(cmd::geosearch("g", GeoOrigin::at(0, 90), area).invalid(), latitude);
    EXPECT_EQ(cmd::geosearch("g", GeoOrigin::of("m"), area, {.count = 0}).invalid(), "count must not be 0");
    EXPECT_EQ(cmd::geosearch("g", GeoOrigin::of("m"), area, {.any = true}).invalid(), "any needs a count");
    for (const double length : {-1.0, std::nan(""), infinity}) {
        EXPECT_EQ(cmd::geosearch("g", GeoOrigin::of("m"), GeoArea::radius(length, GeoUnit::m)).invalid(),
                  "a length must be a number from 0 on");
        EXPECT_EQ(cmd::geosearchstore("d", "g", GeoOrigin::of("m"), GeoArea::box(1, length, GeoUnit::m)).invalid(),
                  "a length must be a number from 0 on");
    }
}

TEST(BuildersOfBitmapsAndPlaces, ReadBothProtocols) {
    using Op = BitfieldOperation;
    const std::vector<std::optional<std::int64_t>> numbers{1, std::nullopt};
    EXPECT_EQ(read_as(cmd::bitfield("k", {Op::get(BitfieldType::u(1), 0)}), "*2\r\n:1\r\n$-1\r\n"), numbers);
    EXPECT_EQ(read_as(cmd::bitfield("k", {Op::get(BitfieldType::u(1), 0)}), "*2\r\n:1\r\n_\r\n"), numbers);
    const std::vector<std::optional<GeoPoint>> points{GeoPoint{13.5, 38}, std::nullopt};
    EXPECT_EQ(read_as(cmd::geopos("g", {"a"}), "*2\r\n*2\r\n$4\r\n13.5\r\n$2\r\n38\r\n*-1\r\n"), points);
    EXPECT_EQ(read_as(cmd::geopos("g", {"a"}), "*2\r\n*2\r\n,13.5\r\n,38\r\n_\r\n"), points);
    const auto search = cmd::geosearch_detailed("g", GeoOrigin::of("m"), GeoArea::radius(1, GeoUnit::m));
    const std::vector<GeoMatch> matches{{"m", 0.5, 7, {13.5, 38}}};
    EXPECT_EQ(read_as(search, "*1\r\n*4\r\n$1\r\nm\r\n$3\r\n0.5\r\n:7\r\n*2\r\n$4\r\n13.5\r\n$2\r\n38\r\n"), matches);
    EXPECT_EQ(read_as(search, "*1\r\n*4\r\n$1\r\nm\r\n$3\r\n0.5\r\n:7\r\n*2\r\n,13.5\r\n,38\r\n"), matches);
    EXPECT_EQ(refused_as(search, "*1\r\n*4\r\n$1\r\nm\r\n$3\r\n0.5\r\n:7\r\n*1\r\n,13.5\r\n").expected(),
              "members with distance, hash and place");
    EXPECT_EQ(refused_as(search, "*1\r\n$1\r\nm\r\n").got(), RespType::bulk);
    EXPECT_EQ(refused_as(cmd::geopos("g", {"a"}), "*1\r\n:1\r\n").expected(), "array of places and nils");
}

}  // namespace
}  // namespace redoubt
