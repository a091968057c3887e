// topology: the pure machine that keeps the map of a Cluster fresh. It takes events and returns what to do next; a driver
// does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include <redoubt/base/clock.hpp>

#include "topology/node_address.hpp"
#include "topology/slot_map.hpp"

namespace redoubt::topology {

/// What the driver is to do.
struct RefresherAction {
    enum class Kind : std::uint8_t {
        ask,     ///< this node for its map: `on_map` or `on_failed` with `number` follows
        adopt,   ///< `map()` is another one now
        absent,  ///< there is no map, and no node gave one: `text` says who said what
    };
    Kind kind = Kind::ask;
    std::size_t number = 0;
    NodeAddress address;
    std::string text;
    friend bool operator==(const RefresherAction&, const RefresherAction&) = default;
};
std::ostream& operator<<(std::ostream& out, const RefresherAction& action);

/// One node is asked at a time, the next one when that fails: first those that the map names, begun at any of them,
/// then the seeds, and those that are silent last. However many callers are sent elsewhere at once, it is refreshed once, and again soon after if more are.
class ClusterRefresher {
public:
    struct Settings {
        std::vector<NodeAddress> seeds;
        Duration refresh = std::chrono::seconds(30);               ///< while all is well
        Duration hasty = std::chrono::milliseconds(20);            ///< between two refreshes that are asked for
        Duration first_pause = std::chrono::milliseconds(100);     ///< after all nodes have failed
        Duration longest_pause = std::chrono::seconds(2);          ///< it doubles up to this
        Duration longest_unease = std::chrono::milliseconds(250);  ///< while a master is down: it doubles up to this
    };
    /// `chance` gives numbers in [0, 1), by which pauses are spread and the first node is chosen. `is_silent`: this node
    /// did not answer others lately, so that its own answer may take all the time that it is given.
    ClusterRefresher(Settings settings, std::function<double()> chance,
                     std::function<bool(const NodeAddress&)> is_silent = {});

    using Actions = std::vector<RefresherAction>;
    Actions start(TimePoint now) { return on_time(now); }
    /// Of another question than the last one: ignored. `uneasy`: a master does not answer us, so that another one may soon
    /// take its place, although nobody is let pass to it who could be sent there.
    Actions on_map(std::size_t number, SlotMap map, TimePoint now, bool uneasy = false);
    Actions on_failed(std::size_t number, const std::string& why, TimePoint now);
    /// A node sent somebody elsewhere, or failed: the map is old, or about to change.
    Actions on_doubt(TimePoint now);
    Actions on_time(TimePoint now);

    /// When `on_time` is due.
    TimePoint wakes_at() const noexcept { return asking_ ? TimePoint::max() : next_; }
    const std::optional<SlotMap>& map() const noexcept { return map_; }

private:
    void begin(TimePoint now, Actions& actions);
    void ask_next(TimePoint now, Actions& actions);
    Duration spread(Duration pause) const {
        return std::chrono::duration_cast<Duration>(pause * (0.75 + chance_() / 2));
    }

    Settings settings_;
    std::function<double()> chance_;
    std::function<bool(const NodeAddress&)> is_silent_;
    std::optional<SlotMap> map_;
    std::vector<NodeAddress> to_ask_;  // in this refresh, the next one last
    std::string failures_;             // of this refresh
    std::size_t number_ = 0;           // of the last question
    NodeAddress asked_;
    bool asking_ = false;
    bool again_ = false;  // doubted while it was asked
    TimePoint next_ = TimePoint::min();
    Duration pause_{};
    Duration unease_{};  // the next pause while a master is down
};

}  // namespace redoubt::topology
