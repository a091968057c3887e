// service: what a project's keys take of the server's memory, measured on a sample of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <redoubt/base/clock.hpp>
#include <redoubt/service/execution.hpp>

namespace redoubt {

/// How much is measured. Whichever bound is met first ends it; the report says so.
struct MemoryReportOptions {
    std::string_view match = {};               ///< a glob over the project's own keys; empty: all
    std::size_t max_keys = 10'000;             ///< keys measured, 1 to 1'000'000; the names of so many are kept
    Duration time = std::chrono::seconds(30);  ///< for all of it; above 0. Two thirds of it at most for the walk
    std::uint32_t page = 1000;                 ///< keys that one step of the walk looks at, 1 to 10'000
    std::size_t top = 10;                      ///< the largest keys that are listed, 0 to 1'000
    /// Elements that the server looks at to estimate a collection (MEMORY USAGE SAMPLES); 0: all of them, which holds the
    /// server up for large ones.
    std::uint32_t elements = 5;
};
static_assert(std::is_trivially_destructible_v<MemoryReportOptions>);

/// How far it is.
struct MemoryReportProgress {
    bool measuring = false;      ///< first the keys are walked, then the sample is measured
    double fraction = 0;         ///< of the present part, 0 to 1
    std::uint64_t found = 0;     ///< keys seen so far
    std::uint64_t measured = 0;  ///< of the sample
};
/// Told after each step; false ends it, and the report is of what was measured.
using MemoryReportCallback = std::function<bool(const MemoryReportProgress&)>;

/// What was measured, and what that lets one expect of the whole project.
///
/// Sizes are the server's MEMORY USAGE: a key with its value and its entry in the keyspace, without the keyspace's own
/// tables. The keys that are measured are a simple random sample without replacement of those that the walk (SCAN) tells
/// of (reservoir sampling: Vitter, "Random Sampling with a Reservoir", ACM TOMS 11(1), 1985, algorithm R), so the order of
/// SCAN, which is not random, does not matter once the walk is complete. The estimate of the total is
/// `found * mean`, its standard error
///
///     found * sqrt(1 - n / found) * s / sqrt(n)
///
/// with `n` keys measured and `s` the standard deviation of their sizes (Cochran, Sampling Techniques, 3rd ed., 1977,
/// sections 2.5 to 2.7; the root of `1 - n / found` is the finite population correction, so the error is 0 when all are
/// measured). The interval is the estimate +- 1.96 standard errors (95%), which is right for many keys of like sizes;
/// where few keys hold most of the memory and the sample misses them, the truth is above it.
///
/// A walk that was ended early has seen the share of the keyspace's table that its cursor tells (its bits, reversed). The
/// number of keys is then `found / share`, taking that keys lie in the table by their hash, as if at random; its variance,
/// `keys^2 * (1 - share) / found`, is added as for a product of two independent estimates (Goodman, "On the Exact Variance
/// of Products", JASA 55, 1960). Keys that come, go or grow meanwhile are neither right nor wrong.
struct MemoryReport {
    struct Key {
        std::string name;  ///< without the prefix
        std::string type;
        std::int64_t bytes = 0;
        bool expires = false;
    };
    /// Of the measured keys, those that have something in common.
    struct Group {
        std::string name;  ///< the type or the pattern; `(other)`: of those past the first 1000 patterns
        std::uint64_t keys = 0;
        std::int64_t bytes = 0;
    };

    std::uint64_t found = 0;     ///< keys that the walk told of; one that it told of twice counts twice
    std::uint64_t measured = 0;  ///< of them
    std::uint64_t gone = 0;      ///< chosen, but no longer there when they were to be measured
    bool walked_all = false;     ///< `found` are all that there are
    bool stopped = false;        ///< by the callback
    double share_walked = 0;     ///< of the keyspace
    std::int64_t bytes = 0;      ///< of the measured keys
    double seconds = 0;

    std::uint64_t without_ttl = 0;         ///< measured keys that never expire
    std::int64_t without_ttl_bytes = 0;    ///< of those
    double estimated_keys = 0;             ///< of the project; `found` when it was walked whole
    double estimated_bytes = 0;            ///< of the project
    double standard_error_bytes = 0;       ///< see above
    double low_bytes = 0, high_bytes = 0;  ///< 95%, never below what was measured

    std::vector<Key> largest;     ///< of the measured, by size
    std::vector<Group> types;     ///< by size
    std::vector<Group> patterns;  ///< by size; at most 1000 and `(other)`
};

/// Keys and patterns are texts of the project's own: for its eyes, not for a log. Bytes that are no UTF-8 become `\xHH`.
boost::json::object to_json(const MemoryReport& report);

/// A key's name with what varies from key to key replaced by `*`: decimal numbers, UUIDs, and runs of at least eight
/// hexadecimal digits with a digit and a letter among them. `user:1234:cart` and `user:99:cart` are `user:*:cart`.
std::string key_pattern(std::string_view key);

namespace service {

// What the clients' methods of these names do.
MemoryReport memory_report(const Handle& handle, const MemoryReportOptions& options,
                           const MemoryReportCallback& progress);
boost::asio::awaitable<MemoryReport> async_memory_report(Handle handle, MemoryReportOptions options, std::string match,
                                                         MemoryReportCallback progress);

}  // namespace service
}  // namespace redoubt
