// embedded: EmbeddedCluster: masters and replicas that share the slots, put together without redis-cli.
#include <redoubt/embedded/embedded_cluster.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <redoubt/base/error.hpp>

#include "embedded/questions.hpp"
#include "embedded/raw_connection.hpp"
#include "embedded/server_files.hpp"

namespace redoubt {

using namespace embedded;

namespace {

constexpr std::string_view keys_a_step = "100";

[[noreturn]] void raise_configuration(std::string text) {
    raise(Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::admission, std::move(text)));
}

void check(const EmbeddedClusterOptions& options) {
    if (options.masters < 3) raise_configuration("masters: at least 3, so that most of them can vote when one is down");
    if (options.node_timeout < 100ms) raise_configuration("node_timeout: at least 100 ms");
}

/// The slots that each node serves, in one node's eyes.
using View = std::map<std::string, std::string>;

/// Lines of CLUSTER NODES: id, address, flags, master, ping, pong, epoch, link, slots that are whole.
View view_of(const std::string& text) {
    View view;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::vector<std::string> words;
        for (std::size_t from = at; from < end;) {
            const std::size_t stop = std::min(text.find(' ', from), end);
            words.push_back(text.substr(from, stop - from));
            from = stop + 1;
        }
        at = end + 1;
        std::string slots;
        for (std::size_t i = 8; i < words.size(); ++i) {
            if (!words[i].starts_with('[')) slots += words[i] + ' ';  // half moved: [slot->-id]
        }
        if (!slots.empty()) view[words[0]] = slots;
    }
    return view;
}

bool holds(const std::string& slots, std::uint32_t slot) {
    for (std::size_t at = 0; at < slots.size();) {
        const std::size_t end = slots.find(' ', at);
        const std::string range = slots.substr(at, end - at);
        const std::size_t dash = range.find('-');
        const auto first = static_cast<std::uint32_t>(std::stoul(range));
        const auto last =
            dash == std::string::npos ? first : static_cast<std::uint32_t>(std::stoul(range.substr(dash + 1)));
        if (slot >= first && slot <= last) return true;
        at = end + 1;
    }
    return false;
}

}  // namespace

struct EmbeddedCluster::Impl {
    explicit Impl(EmbeddedClusterOptions given);

    void start_all();
    void join();
    std::string configuration(std::uint16_t bus_port) const;
    void set_slot(std::size_t node, std::uint32_t slot, std::string_view state, std::size_t other) const;
    std::string what_is_missing() const;
    std::size_t number_of(const std::string& id) const;
    /// Who serves the slot in this node's eyes; as many as there are nodes: nobody.
    std::size_t owner_in_the_eyes_of(std::size_t node, std::uint32_t slot) const;

    EmbeddedClusterOptions options;
    std::vector<PortReservation> bus_ports;
    std::vector<EmbeddedServer> nodes;
    std::vector<Place> places;
    std::vector<std::string> ports;
    std::vector<std::string> ids;
};

EmbeddedCluster::Impl::Impl(EmbeddedClusterOptions given) : options(std::move(given)) {
    check(options);
    const TimePoint began = Clock::now();
    start_all();
    join();
    wait_until("whole cluster", options.start_timeout - (Clock::now() - began), [&] { return what_is_missing(); });
}

std::string EmbeddedCluster::Impl::configuration(std::uint16_t bus_port) const {
    std::string text = fmt::format(
        "cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-port {}\ncluster-node-timeout {}\n"
        "cluster-require-full-coverage {}\ncluster-allow-replica-migration no\n"
        // However long a replica was cut off: here it is rather old than not there.
        "cluster-replica-validity-factor 0\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 0\n",
        bus_port, std::chrono::duration_cast<std::chrono::milliseconds>(options.node_timeout).count(),
        options.full_coverage ? "yes" : "no");
    if (!options.password.empty()) text += fmt::format("masterauth {}\n", options.password);
    return text + options.extra_configuration;
}

void EmbeddedCluster::Impl::start_all() {
    EmbeddedServerOptions server;
    server.program = options.program;
    server.tcp = true;
    server.password = options.password;
    server.start_timeout = options.start_timeout;
    for (std::size_t i = 0; i != options.masters * (1 + options.replicas); ++i) {
        server.extra_configuration = configuration(bus_ports.emplace_back().port());
        nodes.emplace_back(server);
        places.push_back({nodes.back().socket_path(), options.password});
        ports.push_back(std::to_string(nodes.back().port()));
        ids.push_back(ask_one(places.back(), {"CLUSTER", "MYID"}));
    }
}

void EmbeddedCluster::Impl::join() {
    for (std::size_t i = 0; i != options.masters; ++i) {
        const std::string first = std::to_string(all_slots * i / options.masters);
        const std::string last = std::to_string(all_slots * (i + 1) / options.masters - 1);
        ask_or_raise(places[i], "CLUSTER ADDSLOTSRANGE", {"CLUSTER", "ADDSLOTSRANGE", first, last});
    }
    for (std::size_t i = 0; i != nodes.size(); ++i) {
        // Else two of them begin with the same, and one has to step back first.
        ask_or_raise(places[i], "CLUSTER SET-CONFIG-EPOCH", {"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
        if (i == 0) continue;
        const std::string bus = std::to_string(bus_ports[i].port());
        ask_or_raise(places[0], "CLUSTER MEET", {"CLUSTER", "MEET", "127.0.0.1", ports[i], bus});
    }
    for (std::size_t i = options.masters; i != nodes.size(); ++i) {
        const std::string& master = ids[i % options.masters];
        wait_until("replica that knows its master", options.start_timeout, [&] {
            (void)ask(places[i], {"CLUSTER", "REPLICATE", master});
            return std::string();
        });
    }
}

std::size_t EmbeddedCluster::Impl::number_of(const std::string& id) const {
    return static_cast<std::size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin());
}

std::size_t EmbeddedCluster::Impl::owner_in_the_eyes_of(std::size_t node, std::uint32_t slot) const {
    for (const auto& [id, slots] : view_of(ask_one(places[node], {"CLUSTER", "NODES"}))) {
        if (holds(slots, slot)) return number_of(id);
    }
    return nodes.size();
}

std::string EmbeddedCluster::Impl::what_is_missing() const {
    std::optional<View> first;
    const std::string all = std::to_string(all_slots);
    for (std::size_t i = 0; i != nodes.size(); ++i) {
        const std::string info = ask_one(places[i], {"CLUSTER", "INFO"});
        if (field_of(info, "cluster_known_nodes") != std::to_string(nodes.size())) {
            return fmt::format("node {} does not know all others", i);
        }
        if (field_of(info, "cluster_state") != "ok" || field_of(info, "cluster_slots_ok") != all) {
            return fmt::format("for node {} not all slots are served", i);
        }
        View view = view_of(ask_one(places[i], {"CLUSTER", "NODES"}));
        const bool serves = view.contains(ids[i]);
        if (!first) first = view;
        if (*first != view) return fmt::format("node {} sees other owners than node 0", i);
        const std::string replication = ask_one(places[i], {"INFO", "replication"});
        const bool master = field_of(replication, "role") == "master";
        if (serves && !master) return fmt::format("node {} has slots and is no master", i);
        if (!serves && (master || field_of(replication, "master_link_status") != "up")) {
            return fmt::format("node {} does not follow its master", i);
        }
    }
    return {};
}

EmbeddedCluster::EmbeddedCluster(EmbeddedClusterOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
EmbeddedCluster::~EmbeddedCluster() = default;
EmbeddedCluster::EmbeddedCluster(EmbeddedCluster&&) noexcept = default;
EmbeddedCluster& EmbeddedCluster::operator=(EmbeddedCluster&&) noexcept = default;

std::string EmbeddedCluster::url() const {
    std::string hosts;
    for (const std::string& port : impl_->ports) hosts += fmt::format("{}127.0.0.1:{}", hosts.empty() ? "" : ",", port);
    const std::string& password = impl_->options.password;
    return fmt::format("redis+cluster://{}{}/", password.empty() ? "" : fmt::format(":{}@", percent_encode(password)),
                       hosts);
}

std::size_t EmbeddedCluster::nodes() const noexcept { return impl_->nodes.size(); }
EmbeddedServer& EmbeddedCluster::node(std::size_t index) { return impl_->nodes.at(index); }
std::string EmbeddedCluster::node_id(std::size_t index) const { return impl_->ids.at(index); }

std::size_t EmbeddedCluster::owner_of(std::uint32_t slot) const {
    std::map<std::size_t, std::size_t> votes;
    for (std::size_t i = 0; i != impl_->nodes.size(); ++i) {
        try {
            ++votes[impl_->owner_in_the_eyes_of(i, slot)];
        } catch (const std::exception&) {
            continue;  // it does not run
        }
    }
    const auto most =
        std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == votes.end() ? impl_->nodes.size() : most->first;
}

std::size_t EmbeddedCluster::kill_owner_of(std::uint32_t slot) {
    const std::size_t owner = owner_of(slot);
    if (owner == impl_->nodes.size()) {
        raise(Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, "no node serves the slot"));
    }
    impl_->nodes[owner].kill();
    return owner;
}

std::size_t EmbeddedCluster::wait_for_another_owner(std::uint32_t slot, std::size_t than, Duration patience) const {
    std::size_t found = than;
    wait_until("other owner of the slot", patience, [&]() -> std::string {
        for (std::size_t i = 0; i != impl_->nodes.size(); ++i) {
            if (impl_->nodes[i].server_pid() == 0) continue;
            found = impl_->owner_in_the_eyes_of(i, slot);
            if (found == than || found == impl_->nodes.size()) return fmt::format("node {} sees none", i);
        }
        return {};
    });
    return found;
}

// Said again it changes nothing, and Valkey refuses it (NOREPLICAS) while a replica does not confirm it soon enough.
void EmbeddedCluster::Impl::set_slot(std::size_t node, std::uint32_t slot, std::string_view state,
                                     std::size_t other) const {
    wait_until("CLUSTER SETSLOT", options.start_timeout, [&] {
        (void)ask(places.at(node), {"CLUSTER", "SETSLOT", std::to_string(slot), state, ids.at(other)});
        return std::string();
    });
}

void EmbeddedCluster::begin_move(std::uint32_t slot, std::size_t from, std::size_t to) const {
    impl_->set_slot(to, slot, "IMPORTING", from);
    impl_->set_slot(from, slot, "MIGRATING", to);
}

void EmbeddedCluster::end_move(std::uint32_t slot, std::size_t from, std::size_t to) const {
    const std::string number = std::to_string(slot);
    const Place& source = impl_->places.at(from);
    for (;;) {
        const std::vector<std::string> keys = ask(source, {"CLUSTER", "GETKEYSINSLOT", number, keys_a_step});
        if (keys.empty()) break;
        std::vector<std::string_view> words{"MIGRATE", "127.0.0.1", impl_->ports.at(to), "", "0", "5000"};
        if (!source.password.empty()) words.insert(words.end(), {"AUTH", source.password});
        words.emplace_back("KEYS");
        words.insert(words.end(), keys.begin(), keys.end());
        RawConnection connection = RawConnection::to_unix_socket(source.socket, 10s);
        if (!source.password.empty()) {
            const std::string_view auth[] = {"AUTH", source.password};
            (void)connection.exchange(auth);
        }
        const std::string answer = connection.exchange(words);
        if (answer.starts_with('-')) {
            raise(Error::with_detail(ErrorKind::connection, Certainty::unknown, Stage::reply,
                                     "embedded servers: MIGRATE: " + answer.substr(1, answer.size() - 3)));
        }
    }
    // The new owner first, so that at no moment a node sends callers to one that would send them back.
    impl_->set_slot(to, slot, "NODE", to);
    impl_->set_slot(from, slot, "NODE", to);
}

void EmbeddedCluster::move_slots(std::uint32_t first, std::uint32_t count, std::size_t from, std::size_t to) const {
    for (std::uint32_t slot = first; slot != first + count; ++slot) {
        begin_move(slot, from, to);
        end_move(slot, from, to);
    }
}

void EmbeddedCluster::wait_until_whole(Duration patience) const {
    wait_until("whole cluster", patience, [&] { return impl_->what_is_missing(); });
}

}  // namespace redoubt
