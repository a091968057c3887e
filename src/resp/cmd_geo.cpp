// resp: builders of the commands on places.
#include <array>

#include "resp/cmd_support.hpp"

namespace redoubt::cmd {
namespace {

using Words = std::span<const std::string_view>;

// A search has more words than a command has room for arguments, so those that stand together are runs.
constexpr std::array<std::array<std::string_view, 3>, 4> units_ascending{
    {{"m", "ASC"}, {"km", "ASC"}, {"mi", "ASC"}, {"ft", "ASC"}}};
constexpr std::array<std::array<std::string_view, 3>, 4> units_descending{
    {{"m", "DESC"}, {"km", "DESC"}, {"mi", "DESC"}, {"ft", "DESC"}}};
constexpr std::array<std::string_view, 4> any_with_all{"ANY", "WITHCOORD", "WITHDIST", "WITHHASH"};
constexpr std::array<std::string_view, 2> any_store_distances{"ANY", "STOREDIST"};

std::string_view name_of(GeoUnit unit) { return units_ascending[static_cast<std::size_t>(unit)][0]; }

Words unit_and_order(GeoUnit unit, GeoOrder order) {
    const auto& units = order == GeoOrder::farthest_first ? units_descending : units_ascending;
    return Words(units[static_cast<std::size_t>(unit)]).first(order == GeoOrder::any ? 1 : 2);
}

template <class Reply>
void check_point(Building<Reply>& command, double longitude, double latitude) {
    // What the server takes: the range of the projection whose cells the hashes are.
    if (!(longitude >= -180 && longitude <= 180)) command.set_invalid("a longitude must be from -180 to 180");
    if (!(latitude >= -85.05112878 && latitude <= 85.05112878)) {
        command.set_invalid("a latitude must be from -85.05112878 to 85.05112878");
    }
}

template <class Reply>
void add_add_options(Building<Reply>& command, const GeoAddOptions& options) {
    if (options.nx) command.add(text("NX"));
    if (options.xx) command.add(text("XX"));
    if (options.ch) command.add(text("CH"));
    if (options.nx && options.xx) command.set_invalid("nx and xx exclude each other");
    if (options.nx || options.xx) command.set_retry(RetryCategory::conditional);
}

/// The tail of a search; `ending` begins with ANY, which only stays where it is asked for.
template <class Reply>
void add_search(Building<Reply>& command, const GeoOrigin& origin, const GeoArea& area, const GeoSearchOptions& options,
                Words ending) {
    if (origin.is_member) {
        command.add(text("FROMMEMBER"));
        command.add(text(origin.member));
    } else {
        command.add(text("FROMLONLAT"));
        command.add(Argument::real(origin.point.longitude));
        command.add(Argument::real(origin.point.latitude));
        check_point(command, origin.point.longitude, origin.point.latitude);
    }
    const auto add_length = [&](double length) {
        command.add(Argument::real(length));
        if (!(length >= 0) || std::isinf(length)) command.set_invalid("a length must be a number from 0 on");
    };
    command.add(text(area.is_box ? "BYBOX" : "BYRADIUS"));
    add_length(area.width);
    if (area.is_box) add_length(area.height);
    command.add(Argument::texts(unit_and_order(area.unit, options.order)));
    if (options.count) {
        command.add(text("COUNT"));
        command.add(number(*options.count));
        if (*options.count == 0) command.set_invalid("count must not be 0");
    }
    if (options.any && !options.count) command.set_invalid("any needs a count");
    if (!options.any) ending = ending.subspan(1);
    if (!ending.empty()) command.add(Argument::texts(ending));
}

Building<std::int64_t> build_store(std::string_view destination, std::string_view source, const GeoOrigin& origin,
                                   const GeoArea& area, const GeoSearchOptions& options, Words ending) {
    auto command = build<std::int64_t>(spec_of("GEOSEARCHSTORE"), key(destination), key(source));
    add_search(command, origin, area, options, ending);
    refine_store(command, destination, {&source, 1});
    return command;
}

}  // namespace

Command<std::int64_t> geoadd(std::string_view of_key, double longitude, double latitude, std::string_view member,
                             GeoAddOptions options) {
    auto command = build<std::int64_t>(spec_of("GEOADD"), key(of_key));
    add_add_options(command, options);
    command.add(Argument::real(longitude));
    command.add(Argument::real(latitude));
    command.add(text(member));
    check_point(command, longitude, latitude);
    return command;
}
Command<std::int64_t> geoadd(std::string_view of_key, GeoList members, GeoAddOptions options) {
    auto command = build<std::int64_t>(spec_of("GEOADD"), key(of_key));
    add_add_options(command, options);
    command.add(Argument::locations(members));
    if (members.empty()) command.set_invalid("it needs at least one member");
    for (const GeoMemberView& entry : members) check_point(command, entry.longitude, entry.latitude);
    return command;
}
Command<std::int64_t> geoadd(std::string_view of_key, GeoBraces members, GeoAddOptions options) {
    return geoadd(of_key, GeoList{members.begin(), members.size()}, options);
}
Command<std::optional<double>> geodist(std::string_view of_key, std::string_view first, std::string_view second,
                                       GeoUnit unit) {
    return build<std::optional<double>>(spec_of("GEODIST"), key(of_key), text(first), text(second),
                                        text(name_of(unit)));
}
Command<std::vector<std::optional<std::string>>> geohash(std::string_view of_key, TextList members) {
    return build_of_texts<std::vector<std::optional<std::string>>>(spec_of("GEOHASH"), of_key, members);
}
Command<std::vector<std::optional<std::string>>> geohash(std::string_view of_key, TextBraces members) {
    return geohash(of_key, list_of(members));
}
Command<std::vector<std::optional<GeoPoint>>> geopos(std::string_view of_key, TextList members) {
    return build_of_texts<std::vector<std::optional<GeoPoint>>>(spec_of("GEOPOS"), of_key, members);
}
Command<std::vector<std::optional<GeoPoint>>> geopos(std::string_view of_key, TextBraces members) {
    return geopos(of_key, list_of(members));
}
Command<std::vector<std::string>> geosearch(std::string_view of_key, GeoOrigin origin, GeoArea area,
                                            GeoSearchOptions options) {
    auto command = build<std::vector<std::string>>(spec_of("GEOSEARCH"), key(of_key));
    add_search(command, origin, area, options, Words(any_with_all).first(1));
    return command;
}
Command<std::vector<GeoMatch>> geosearch_detailed(std::string_view of_key, GeoOrigin origin, GeoArea area,
                                                  GeoSearchOptions options) {
    auto command = build<std::vector<GeoMatch>>(spec_of("GEOSEARCH"), key(of_key));
    add_search(command, origin, area, options, any_with_all);
    return command;
}
Command<std::int64_t> geosearchstore(std::string_view destination, std::string_view source, GeoOrigin origin,
                                     GeoArea area, GeoSearchOptions options) {
    return build_store(destination, source, origin, area, options, Words(any_store_distances).first(1));
}
Command<std::int64_t> geosearchstore_distances(std::string_view destination, std::string_view source, GeoOrigin origin,
                                               GeoArea area, GeoSearchOptions options) {
    return build_store(destination, source, origin, area, options, any_store_distances);
}

}  // namespace redoubt::cmd
