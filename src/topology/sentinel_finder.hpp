// topology: the pure machine that finds a master by its Sentinels and follows it. It takes events and returns what to do
// next; a driver does it.
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

namespace redoubt::topology {

/// What one Sentinel says of the master. A later failover has a larger epoch.
struct MasterReport {
    NodeAddress address;
    std::uint64_t epoch = 0;
    friend bool operator==(const MasterReport&, const MasterReport&) = default;
};

/// What the driver is to do.
struct FinderAction {
    enum class Kind : std::uint8_t {
        connect,  ///< to Sentinel number `index`: `on_connected` or `on_lost` follows
        ask,      ///< Sentinel number `index`: `on_report` or `on_lost` follows
        verify,   ///< whether `address` says of itself that it is the master: `on_verified` with `index` follows
        move,     ///< all callers to `address`
        absent,   ///< nobody knows the master: `text` says who said what
    };
    Kind kind = Kind::connect;
    std::size_t index = 0;
    NodeAddress address;
    std::string text;
    friend bool operator==(const FinderAction&, const FinderAction&) = default;
};
std::ostream& operator<<(std::ostream& out, const FinderAction& action);

/// Every Sentinel is asked once at a time: now and then, at once when one of them announces something, and often while
/// the master is in doubt or unknown. Whoever is named by the report of the highest epoch, and says of itself that it is
/// the master, is it. A Sentinel that has not heard of the last failover is not believed, unless most of them say the
/// same (somebody has set them up anew).
class SentinelFinder {
public:
    struct Settings {
        std::string master_name;
        std::vector<NodeAddress> sentinels;
        Duration refresh = std::chrono::seconds(5);             ///< between two rounds while all is well
        Duration hasty = std::chrono::milliseconds(50);         ///< between two rounds in doubt, to begin with
        Duration least_hasty = std::chrono::milliseconds(500);  ///< it doubles up to this
        Duration doubt = std::chrono::seconds(10);              ///< how long one lasts that nothing has renewed
        Duration reconnect = std::chrono::milliseconds(250);    ///< to a Sentinel, after a failure
        Duration least_reconnect = std::chrono::seconds(5);     ///< it doubles up to this
    };
    /// `chance` gives numbers in [0, 1), by which pauses are spread.
    SentinelFinder(Settings settings, std::function<double()> chance);

    using Actions = std::vector<FinderAction>;
    Actions start(TimePoint now);
    Actions on_connected(std::size_t sentinel, TimePoint now);
    /// It could not be reached, did not answer in time, or its connection was lost.
    Actions on_lost(std::size_t sentinel, const std::string& why, TimePoint now);
    /// nullopt: it does not know a master of that name.
    Actions on_report(std::size_t sentinel, const std::optional<MasterReport>& report, TimePoint now);
    /// It has announced something about the master.
    Actions on_news(std::size_t sentinel, TimePoint now);
    /// `why_not` empty: it is the master. Of another verification than the last one: ignored.
    Actions on_verified(std::size_t verification, const std::string& why_not, TimePoint now);
    /// A call or a connection failed in a way that may mean that the master is another one.
    Actions on_doubt(TimePoint now);
    Actions on_time(TimePoint now);

    /// When `on_time` is due.
    TimePoint wakes_at() const noexcept;
    const std::optional<NodeAddress>& master() const noexcept { return master_; }
    bool in_doubt(TimePoint now) const noexcept { return !master_ || now < doubt_until_; }
    std::size_t connected() const noexcept;

private:
    enum class Link : std::uint8_t { resting, connecting, connected };
    struct Sentinel {
        Link link = Link::resting;
        TimePoint connect_at{};
        unsigned failures = 0;
        bool tried = false;  // since the last `absent`
        bool asked = false;
        bool again = false;  // asked for while it was asked
        std::optional<MasterReport> report;
        std::string trouble;  // why it has none
    };
    struct Verification {
        std::size_t number = 0;
        MasterReport of;
    };

    void ask(std::size_t sentinel, Actions& actions);
    void judge(TimePoint now, Actions& actions);
    std::optional<MasterReport> believed() const;
    void end_round(TimePoint now, Actions& actions);
    Duration spread(Duration pause) const {
        return std::chrono::duration_cast<Duration>(pause * (0.75 + chance_() / 2));
    }

    Settings settings_;
    std::function<double()> chance_;
    std::vector<Sentinel> sentinels_;
    std::optional<NodeAddress> master_;
    std::uint64_t epoch_ = 0;
    std::optional<Verification> verifying_;
    std::size_t verifications_ = 0;
    std::string refusal_;  // why the last one that was named is not the master
    TimePoint doubt_until_ = TimePoint::min();
    TimePoint next_round_ = TimePoint::min();
    TimePoint last_round_ = TimePoint::min();
    Duration haste_{};
};

/// Of the reply of SENTINEL GET-MASTER-ADDR-BY-NAME and of SENTINEL MASTER. nullopt: the name is not known, or they are
/// no such replies. A Sentinel that is promoting a replica names it in the first before it does in the second; the epoch
/// stands in the second alone.
std::optional<MasterReport> read_master_report(std::string_view address_frame, std::string_view master_frame);

/// Whether a message of `+switch-master` or `+promoted-slave` is about this master.
bool is_about_master(std::string_view message, std::string_view master_name);

}  // namespace redoubt::topology
