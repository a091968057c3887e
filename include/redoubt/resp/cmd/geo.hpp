// resp: builders of the commands on places: sorted sets whose scores are geohashes.
#pragma once

#include <redoubt/resp/cmd/keys.hpp>

namespace redoubt {

/// Degrees: longitude from -180 to 180, latitude from -85.05112878 to 85.05112878.
struct GeoPoint {
    double longitude = 0;
    double latitude = 0;
    friend bool operator==(const GeoPoint&, const GeoPoint&) = default;
};

/// A member with its place, as an argument.
struct GeoMemberView {
    double longitude = 0;
    double latitude = 0;
    std::string_view member = {};
};

using GeoList = std::span<const GeoMemberView>;
using GeoBraces = std::initializer_list<GeoMemberView>;

/// Metres, kilometres, miles, feet.
enum class GeoUnit : std::uint8_t { m, km, mi, ft };
enum class GeoOrder : std::uint8_t { any, nearest_first, farthest_first };

/// What GEOADD does with members that exist: nx adds only, xx updates only.
struct GeoAddOptions {
    bool nx = false;
    bool xx = false;
    bool ch = false;  ///< counts moved members too, not only new ones
};

/// Where a search begins: `GeoOrigin::of("Palermo")` or `GeoOrigin::at(13.36, 38.11)`.
struct GeoOrigin {
    bool is_member = false;
    std::string_view member = {};
    GeoPoint point = {};

    static constexpr GeoOrigin of(std::string_view member) { return {true, member, {}}; }
    static constexpr GeoOrigin at(double longitude, double latitude) { return {false, {}, {longitude, latitude}}; }
};

/// How far it goes: `GeoArea::radius(5, GeoUnit::km)`, or a box with the origin in the middle.
struct GeoArea {
    bool is_box = false;
    double width = 0;  ///< of a box; the radius of a circle
    double height = 0;
    GeoUnit unit = GeoUnit::m;

    static constexpr GeoArea radius(double radius, GeoUnit unit) { return {false, radius, 0, unit}; }
    static constexpr GeoArea box(double width, double height, GeoUnit unit) { return {true, width, height, unit}; }
};

struct GeoSearchOptions {
    GeoOrder order = GeoOrder::any;
    std::optional<std::uint32_t> count = std::nullopt;  ///< at most so many, the nearest; not 0
    bool any = false;                                   ///< with `count`: the first found instead of the nearest
};

/// A member that a search found. The distance is in the unit of the search's area.
struct GeoMatch {
    std::string member;
    double distance = 0;
    std::int64_t hash = 0;
    GeoPoint position;
    friend bool operator==(const GeoMatch&, const GeoMatch&) = default;
};

template <class... Options>
inline constexpr bool are_plain_geo_options = ((std::is_trivially_destructible_v<Options> &&
                                                std::is_trivially_copyable_v<Options>)&&...);
static_assert(are_plain_geo_options<GeoMemberView, GeoAddOptions, GeoOrigin, GeoArea, GeoSearchOptions>);

// More than one member or place is read at once, so these have a reader of their own.
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::optional<GeoPoint>>& out);
ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<GeoMatch>& out);

namespace cmd {

/// Adds members or moves them; says how many are new.
Command<std::int64_t> geoadd(std::string_view key, double longitude, double latitude, std::string_view member,
                             GeoAddOptions options = {});
Command<std::int64_t> geoadd(std::string_view key, GeoList members, GeoAddOptions options = {});
Command<std::int64_t> geoadd(std::string_view key, GeoBraces members, GeoAddOptions options = {});
/// The distance between two members; nullopt when one does not exist.
Command<std::optional<double>> geodist(std::string_view key, std::string_view first, std::string_view second,
                                       GeoUnit unit = GeoUnit::m);
/// For each member its geohash of 11 characters; nullopt for one that does not exist.
Command<std::vector<std::optional<std::string>>> geohash(std::string_view key, TextList members);
Command<std::vector<std::optional<std::string>>> geohash(std::string_view key, TextBraces members);
/// For each member its place, as exactly as it is stored; nullopt for one that does not exist.
Command<std::vector<std::optional<GeoPoint>>> geopos(std::string_view key, TextList members);
Command<std::vector<std::optional<GeoPoint>>> geopos(std::string_view key, TextBraces members);
/// The members in an area. An error reply when the origin is a member that does not exist.
Command<std::vector<std::string>> geosearch(std::string_view key, GeoOrigin origin, GeoArea area,
                                            GeoSearchOptions options = {});
/// The same with the distance, hash and place of each.
Command<std::vector<GeoMatch>> geosearch_detailed(std::string_view key, GeoOrigin origin, GeoArea area,
                                                  GeoSearchOptions options = {});
/// The same, stored over `destination` with the geohashes as scores; says how many members that has.
Command<std::int64_t> geosearchstore(std::string_view destination, std::string_view source, GeoOrigin origin,
                                     GeoArea area, GeoSearchOptions options = {});
/// The same with the distances as scores.
Command<std::int64_t> geosearchstore_distances(std::string_view destination, std::string_view source, GeoOrigin origin,
                                               GeoArea area, GeoSearchOptions options = {});

}  // namespace cmd
}  // namespace redoubt
