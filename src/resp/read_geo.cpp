// resp: readers of places.
#include <redoubt/resp/cmd/geo.hpp>

#include "resp/read_fields.hpp"

namespace redoubt {
namespace {

ReadOutcome read_point(ReplyCursor& cursor, const KeyPrefix& prefix, GeoPoint& out) {
    return resp::read_tuple(cursor, "longitude and latitude", 2, 2, [&](std::int64_t) {
        return resp::read_in_turn([&] { return read_reply(cursor, prefix, out.longitude); },
                                  [&] { return read_reply(cursor, prefix, out.latitude); });
    });
}

}  // namespace

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::optional<GeoPoint>>& out) {
    return resp::read_each(cursor, "array of places and nils", out, [&](ReplyCursor& at, std::optional<GeoPoint>& one) {
        if (!at.peek().is_null()) return read_point(at, prefix, one.emplace());
        at.skip();
        return ReadOutcome::ok();
    });
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<GeoMatch>& out) {
    constexpr std::string_view expected = "members with distance, hash and place";
    return resp::read_each(cursor, expected, out, [&](ReplyCursor& at, GeoMatch& one) {
        return resp::read_tuple(at, expected, 4, 4, [&](std::int64_t) {
            return resp::read_in_turn([&] { return read_reply(at, prefix, one.member); },
                                      [&] { return read_reply(at, prefix, one.distance); },
                                      [&] { return read_reply(at, prefix, one.hash); },
                                      [&] { return read_point(at, prefix, one.position); });
        });
    });
}

}  // namespace redoubt
