// topology: the freshness of replicas; see the header.
#include "topology/replica_lag.hpp"

#include <algorithm>
#include <utility>

#include "base/text_values.hpp"

namespace redoubt::topology {
namespace {

/// The next line, without its end; empty at the end of the text.
std::string_view take_line(std::string_view& text) noexcept {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

/// `slave0:ip=127.0.0.1,port=7001,state=online,offset=14,lag=0`. nullopt: it is not that far.
std::optional<NodeAddress> read_replica(std::string_view fields) {
    NodeAddress address;
    bool online = false;
    while (!fields.empty()) {
        const std::size_t end = std::min(fields.find(','), fields.size());
        const std::string_view field = fields.substr(0, end);
        fields.remove_prefix(std::min(end + 1, fields.size()));
        if (field.starts_with("ip=")) {
            address.host = field.substr(3);
        } else if (field.starts_with("port=")) {
            address.port = base::parse_unsigned<std::uint16_t>(field.substr(5)).value_or(0);
        } else if (field.starts_with("state=")) {
            online = field.substr(6) == "online";
        }
    }
    if (!online || address.host.empty() || address.port == 0) return std::nullopt;
    return address;
}

bool is_replica_line(std::string_view name) noexcept {
    return name.size() > 5 && name.starts_with("slave") &&
           std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<ReplicationReport> read_replication(std::string_view info) {
    ReplicationReport report;
    std::optional<std::int64_t> of_master;
    std::optional<std::int64_t> of_replica;
    bool has_role = false;
    const auto number = [](std::string_view text) -> std::optional<std::int64_t> {
        const auto read = base::parse_unsigned<std::uint64_t>(text);
        if (!read || *read > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
        return static_cast<std::int64_t>(*read);
    };
    while (!info.empty()) {
        const std::string_view line = take_line(info);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = line.substr(colon + 1);
        if (name == "role") {
            has_role = value == "master" || value == "slave";
            report.master = value == "master";
        } else if (name == "master_link_status") {
            report.link_up = value == "up";
        } else if (name == "master_sync_in_progress") {
            report.syncing = value != "0";
        } else if (name == "master_replid") {
            report.replid = value;
        } else if (name == "master_repl_offset") {
            of_master = number(value);
        } else if (name == "slave_repl_offset") {
            of_replica = number(value);
        } else if (is_replica_line(name)) {
            if (auto address = read_replica(value)) report.replicas.push_back(std::move(*address));
        }
    }
    // What a replica has applied; its own log may be behind that or not be kept at all.
    const std::optional<std::int64_t> offset = report.master ? of_master : of_replica;
    if (!has_role || !offset || report.replid.empty()) return std::nullopt;
    report.offset = *offset;
    return report;
}

void ReplicaLag::on_master(const ReplicationReport& report, TimePoint asked) {
    if (!report.master) return;  // not any more: what it says is another's
    const auto place = std::upper_bound(samples_.begin(), samples_.end(), asked,
                                        [](TimePoint time, const Sample& sample) { return time < sample.asked; });
    samples_.insert(place, {asked, report.replid, report.offset});
    const TimePoint newest = samples_.back().asked;
    std::erase_if(samples_, [&](const Sample& sample) { return newest - sample.asked > bound_; });
    if (samples_.size() > most_samples) thin_out();
}

// Every second of those that are not the newest: the older a time is, the more roughly it is known, and never too young.
void ReplicaLag::thin_out() {
    std::size_t at = 0;
    const std::size_t kept = samples_.size() - most_samples / 4;
    std::erase_if(samples_, [&](const Sample&) {
        const std::size_t number = at++;
        return number < kept && number % 2 == 1;
    });
}

TimePoint ReplicaLag::newest_reached(const ReplicationReport& report) const noexcept {
    for (auto sample = samples_.rbegin(); sample != samples_.rend(); ++sample) {
        if (sample->offset <= report.offset && sample->replid == report.replid) return sample->asked;
    }
    return never;
}

void ReplicaLag::on_replica(std::uint16_t replica, const ReplicationReport& report) {
    if (report.master || report.syncing) {
        replicas_.erase(replica);
        return;
    }
    if (report.link_up) {
        replicas_[replica] = {report.replid, report.offset, newest_reached(report)};
        return;
    }
    // It goes on with what it has, which is as fresh as it was; unless it is something else.
    const auto known = replicas_.find(replica);
    if (known == replicas_.end()) return;
    if (known->second.replid != report.replid || report.offset < known->second.offset) replicas_.erase(known);
}

TimePoint ReplicaLag::fresh_as_of(std::uint16_t replica) const noexcept {
    const auto known = replicas_.find(replica);
    return known == replicas_.end() ? never : known->second.fresh;
}

}  // namespace redoubt::topology
