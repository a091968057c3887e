// topology: how fresh replicas are, from what they and their master say of replication. Pure: no sockets, no clock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/base/clock.hpp>

#include "topology/node_address.hpp"

namespace redoubt::topology {

/// What one server says of replication.
struct ReplicationReport {
    bool master = false;
    bool link_up = false;               ///< of a replica: it hears its master
    bool syncing = false;               ///< of a replica: all its data is about to be replaced
    std::string replid;                 ///< of the history that its data comes from
    std::int64_t offset = 0;            ///< in that history, up to where it has it
    std::vector<NodeAddress> replicas;  ///< of a master: those that follow it
    friend bool operator==(const ReplicationReport&, const ReplicationReport&) = default;
};
/// From the text of INFO replication. nullopt: it is none.
std::optional<ReplicationReport> read_replication(std::string_view info);

/// How often servers are asked: four times within the bound, in reason.
constexpr Duration watch_interval(Duration bound) noexcept {
    return std::clamp<Duration>(bound / 4, std::chrono::milliseconds(10), std::chrono::seconds(1));
}

/// The replicas of one master, by numbers of the caller's choice. A master's offset, asked for at some time, is what the
/// master had then at least. A replica of the same history that has come so far is as fresh as that time. So whatever
/// stops being known (a master or a replica that does not answer, a link that is broken) only makes a replica look older
/// than it is, and the bound holds whichever it was.
class ReplicaLag {
public:
    /// `bound`: nobody wants to know of anything older.
    explicit ReplicaLag(Duration bound) noexcept : bound_(bound) {}

    /// `asked`: when the question was sent.
    void on_master(const ReplicationReport& report, TimePoint asked);
    void on_replica(std::uint16_t replica, const ReplicationReport& report);
    /// Its connection has ended: what is there when it comes back may be another process, with older data.
    void on_lost(std::uint16_t replica) { replicas_.erase(replica); }

    static constexpr TimePoint never = TimePoint::min();
    /// It has all that its master had at that time; `never`: not known.
    TimePoint fresh_as_of(std::uint16_t replica) const noexcept;
    static bool is_within(TimePoint fresh_as_of, TimePoint now, Duration bound) noexcept {
        return fresh_as_of != never && now - fresh_as_of <= bound;
    }
    std::size_t samples() const noexcept { return samples_.size(); }

private:
    struct Sample {
        TimePoint asked;
        std::string replid;
        std::int64_t offset;
    };
    struct Replica {
        std::string replid;
        std::int64_t offset = 0;
        TimePoint fresh = never;
    };
    static constexpr std::size_t most_samples = 64;

    TimePoint newest_reached(const ReplicationReport& report) const noexcept;
    void thin_out();

    Duration bound_;
    std::vector<Sample> samples_;  // by time
    std::map<std::uint16_t, Replica> replicas_;
};

}  // namespace redoubt::topology
