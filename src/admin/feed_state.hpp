// admin: the live feed's memory: readings in, events for the page out, the last quarter of an hour kept. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "admin/feed_conditions.hpp"
#include "admin/feed_reading.hpp"

namespace redoubt::admin {

/// Not thread-safe. Events are whole server-sent events, as text: `history`, which a new client gets first, and `sample`,
/// once a second. Their shape is between this class and the page in web/.
class FeedState {
public:
    static constexpr std::size_t capacity = 900;  ///< samples: 15 minutes
    static constexpr std::size_t kept_entries = 100;

    /// Becomes part of the next sample.
    void add(BreakerChange change);
    /// The next `sample`.
    std::string take(const FeedReading& reading);
    std::string history() const;

private:
    struct Point {
        double time = 0;
        double calls = 0;     ///< a second
        double failures = 0;  ///< a second
        std::optional<double> p50_ms;
        std::optional<double> p99_ms;
        std::optional<double> memory_bytes;
        double connections = 0;
        double in_use = 0;
        double waiting = 0;
        bool trouble = false;
    };
    struct Totals {
        double created = 0;
        double busy = 0;
        double waiting = 0;
        double in_flight = 0;
    };

    static boost::json::object json_of(const Point& point);
    void count_calls(const FeedReading& reading, Point& point);
    static boost::json::array pools_json(const boost::json::object& pools, Totals& totals);

    FeedConditions conditions_;
    std::optional<double> calls_before_;
    double failures_before_ = 0;
    std::deque<DurationHistogram> durations_before_;  ///< of the last seconds, the oldest first
    std::deque<Point> points_;
    std::deque<BreakerChange> changes_;
    std::deque<Alert> alerts_;
    std::size_t new_changes_ = 0;
};

}  // namespace redoubt::admin
