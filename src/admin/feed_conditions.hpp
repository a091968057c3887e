// admin: what is wrong, condition by condition: of each reading, and as alerts when one begins, worsens or ends. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "admin/feed_reading.hpp"

namespace redoubt::admin {

enum class Level : unsigned char { good, degraded, unhealthy, unreachable };
/// `healthy`, `degraded`, `unhealthy`, `unreachable`.
std::string_view to_string(Level level) noexcept;

/// Something that is not as it should be.
struct Condition {
    std::string subject;  ///< `server`, `circuit breaker`, `memory`, `health check`, `pools`
    Level level = Level::good;
    std::string text;    ///< a sentence for people
    bool counts = true;  ///< for the status; what only delays is told and does not count
};

struct Alert {
    double time = 0;
    std::string_view severity;  ///< `critical`, `warning`, `resolved`
    std::string text;
};

/// Remembers from reading to reading. Not thread-safe.
class FeedConditions {
public:
    /// What is wrong now, the worst first; new alerts are added to `alerts`.
    std::vector<Condition> judge(const FeedReading& reading, std::vector<Alert>& alerts);

private:
    struct Lasting {
        Level level = Level::good;
        double since = 0;
    };

    void judge_server(const FeedReading& reading, std::string_view breaker, std::vector<Condition>& found);
    void judge_pools(const boost::json::object& factory, std::vector<Condition>& found);
    void tell(const std::vector<Condition>& found, double now, std::vector<Alert>& alerts);

    std::map<std::string, Lasting, std::less<>> lasting_;
    std::string unreachable_why_;  ///< why the last probe that got as far as the server failed; empty: it did not
    double reachability_since_ = 0;
    int rounds_with_waiters_ = 0;
    int rounds_without_waiters_ = 0;
    std::string pools_text_;
};

/// An error in one sentence for people, without what only programs want to know.
std::string why_of(const Error& error);

/// The members of a JSON object that may or may not be there.
const boost::json::object& object_in(const boost::json::object& parent, std::string_view name) noexcept;
std::string_view text_in(const boost::json::object& parent, std::string_view name) noexcept;
double number_in(const boost::json::object& parent, std::string_view name) noexcept;  ///< 0: absent

}  // namespace redoubt::admin
