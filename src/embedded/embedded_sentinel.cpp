// embedded: EmbeddedSentinel: a master with replicas, and the Sentinels that watch them.
#include <redoubt/embedded/embedded_sentinel.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <redoubt/base/error.hpp>

#include "embedded/questions.hpp"
#include "embedded/server_files.hpp"

namespace redoubt {

using namespace embedded;

namespace {

[[noreturn]] void raise_configuration(std::string text) {
    raise(Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::admission, std::move(text)));
}

void check(const EmbeddedSentinelOptions& options) {
    const auto in_a_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
               c == '_';
    };
    if (options.master_name.empty() ||
        !std::all_of(options.master_name.begin(), options.master_name.end(), in_a_name)) {
        raise_configuration("master_name: letters, digits, and . - _, at least one");
    }
    if (options.replicas == 0) raise_configuration("replicas: at least 1, else nobody can be promoted");
    if (options.sentinels == 0) raise_configuration("sentinels: at least 1");
    if (options.down_after < 1ms || options.failover_timeout < 1ms) {
        raise_configuration("down_after and failover_timeout: at least 1 ms");
    }
}

long long milliseconds(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

struct EmbeddedSentinel::Impl {
    explicit Impl(EmbeddedSentinelOptions given);

    Place place_of(const EmbeddedServer& server, const std::string& password) const {
        return {server.socket_path(), password};
    }
    std::string data_configuration() const;
    std::string sentinel_configuration() const;
    void hurry_sentinels() const;
    /// The node with this port; none: how many there are.
    std::size_t node_at(const std::string& port) const;
    std::size_t ask_master(const Place& sentinel) const;
    void ask_failover_again(std::size_t old) const;
    std::string what_is_missing() const;

    EmbeddedSentinelOptions options;
    std::optional<std::size_t> giving_way;  // the master that a failover was asked for
    std::vector<EmbeddedServer> nodes;
    std::vector<EmbeddedServer> sentinels;
    std::vector<Place> node_places;
    std::vector<Place> sentinel_places;
};

// A replica follows at once, and not after the seconds for which a server usually waits for another replica to come.
std::string EmbeddedSentinel::Impl::data_configuration() const {
    std::string text = "repl-diskless-sync yes\nrepl-diskless-sync-delay 0\n";
    if (!options.password.empty()) text += fmt::format("masterauth {}\n", options.password);
    return text + options.extra_configuration;
}

std::string EmbeddedSentinel::Impl::sentinel_configuration() const {
    const std::string& name = options.master_name;
    std::string text =
        fmt::format("sentinel monitor {} 127.0.0.1 {} {}\n", name, nodes.front().port(), options.sentinels / 2 + 1);
    text += fmt::format("sentinel down-after-milliseconds {} {}\n", name, milliseconds(options.down_after));
    text += fmt::format("sentinel failover-timeout {} {}\n", name, milliseconds(options.failover_timeout));
    text += fmt::format("sentinel parallel-syncs {} {}\n", name, options.replicas);
    if (!options.password.empty()) text += fmt::format("sentinel auth-pass {} {}\n", name, options.password);
    return text;
}

EmbeddedSentinel::Impl::Impl(EmbeddedSentinelOptions given) : options(std::move(given)) {
    check(options);
    const TimePoint began = Clock::now();
    EmbeddedServerOptions data;
    data.program = options.program;
    data.tcp = true;
    data.password = options.password;
    data.start_timeout = options.start_timeout;
    for (std::size_t i = 0; i != options.replicas + 1; ++i) {
        data.extra_configuration = data_configuration();
        if (i != 0) data.extra_configuration += fmt::format("\nreplicaof 127.0.0.1 {}", nodes.front().port());
        nodes.emplace_back(data);
        node_places.push_back(place_of(nodes.back(), options.password));
    }
    EmbeddedServerOptions watcher = data;
    watcher.password = options.sentinel_password;
    watcher.extra_arguments = {"--sentinel"};
    watcher.extra_configuration = sentinel_configuration();
    for (std::size_t i = 0; i != options.sentinels; ++i) {
        sentinels.emplace_back(watcher);
        sentinel_places.push_back(place_of(sentinels.back(), options.sentinel_password));
    }
    hurry_sentinels();
    wait_until("master with replicas and Sentinels", options.start_timeout - (Clock::now() - began),
               [&] { return what_is_missing(); });
}

// A Sentinel connects to a new master no sooner than a ping period, one second, after it last tried to connect to the old
// one, and takes it for down when it has not answered for `down_after`: where that is less, it makes a second failover of
// one. It looks at replicas every ten seconds only, but while their master is down every second; five ping periods must
// be longer than that, else it finds none to promote.
void EmbeddedSentinel::Impl::hurry_sentinels() const {
    for (const Place& sentinel : sentinel_places) {
        ask_or_raise(sentinel, "SENTINEL DEBUG",
                     {"SENTINEL", "DEBUG", "ping-period", "250", "ask-period", "250", "info-period", "1000",
                      "publish-period", "500"});
    }
}

std::size_t EmbeddedSentinel::Impl::node_at(const std::string& port) const {
    const auto found = std::find_if(nodes.begin(), nodes.end(),
                                    [&](const EmbeddedServer& node) { return std::to_string(node.port()) == port; });
    return static_cast<std::size_t>(found - nodes.begin());
}

std::size_t EmbeddedSentinel::Impl::ask_master(const Place& sentinel) const {
    const std::vector<std::string> address =
        ask(sentinel, {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", options.master_name});
    return address.size() == 2 ? node_at(address[1]) : nodes.size();
}

// A Sentinel that finds no replica good enough at that moment gives up, and tells nobody.
void EmbeddedSentinel::Impl::ask_failover_again(std::size_t old) const {
    const std::vector<std::string> fields = ask(sentinel_places.front(), {"SENTINEL", "MASTER", options.master_name});
    const auto field = [&](std::string_view name) -> std::string {
        for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
            if (fields[i] == name) return fields[i + 1];
        }
        return {};
    };
    // Of one answer, so that what is asked for cannot have happened between two.
    if (node_at(field("port")) != old || field("flags").find("failover_in_progress") != std::string::npos) return;
    (void)ask(sentinel_places.front(), {"SENTINEL", "FAILOVER", options.master_name});
}

std::string EmbeddedSentinel::Impl::what_is_missing() const {
    const std::size_t master = ask_master(sentinel_places.front());
    if (master == nodes.size()) return "the Sentinels name no master";
    for (const Place& sentinel : sentinel_places) {
        if (ask_master(sentinel) != master) return "the Sentinels do not agree";
        const std::string usable = ask_one(sentinel, {"SENTINEL", "CKQUORUM", options.master_name});
        if (!usable.starts_with(fmt::format("OK {} usable", options.sentinels))) return usable;
        const std::vector<std::string> about = ask(sentinel, {"SENTINEL", "MASTER", options.master_name});
        const auto at = std::find(about.begin(), about.end(), "num-slaves");
        if (at == about.end() || *(at + 1) != std::to_string(options.replicas)) return "a Sentinel misses a replica";
        const auto flags = std::find(about.begin(), about.end(), "flags");
        if (flags == about.end() || *(flags + 1) != "master") return "the master is in doubt";
        const std::vector<std::string> all = ask(sentinel, {"SENTINEL", "REPLICAS", options.master_name});
        for (auto one = all.begin(); one != all.end(); ++one) {
            if (*one == "flags" && *(one + 1) != "slave") return "a Sentinel has not seen a replica: " + *(one + 1);
            if (*one == "master-port" && *(one + 1) != std::to_string(nodes[master].port())) {
                return "a Sentinel has seen a replica follow another master";
            }
        }
    }
    const std::string port = std::to_string(nodes[master].port());
    for (std::size_t i = 0; i != nodes.size(); ++i) {
        const std::string info = ask_one(node_places[i], {"INFO", "replication"});
        if (i == master) {
            if (field_of(info, "role") != "master") return "the master does not say that it is one";
        } else if (field_of(info, "master_port") != port || field_of(info, "master_link_status") != "up") {
            return fmt::format("node {} does not follow the master yet", i);
        }
    }
    return {};
}

EmbeddedSentinel::EmbeddedSentinel(EmbeddedSentinelOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
EmbeddedSentinel::~EmbeddedSentinel() = default;
EmbeddedSentinel::EmbeddedSentinel(EmbeddedSentinel&&) noexcept = default;
EmbeddedSentinel& EmbeddedSentinel::operator=(EmbeddedSentinel&&) noexcept = default;

std::string EmbeddedSentinel::url() const {
    std::string hosts;
    for (const EmbeddedServer& one : impl_->sentinels) {
        hosts += fmt::format("{}127.0.0.1:{}", hosts.empty() ? "" : ",", one.port());
    }
    const EmbeddedSentinelOptions& options = impl_->options;
    std::string text = "redis+sentinel://";
    if (!options.password.empty()) text += fmt::format(":{}@", percent_encode(options.password));
    text += fmt::format("{}/0?master={}", hosts, options.master_name);
    if (!options.sentinel_password.empty()) {
        text += fmt::format("&sentinel_password={}", percent_encode(options.sentinel_password));
    }
    return text;
}

std::size_t EmbeddedSentinel::nodes() const noexcept { return impl_->nodes.size(); }
EmbeddedServer& EmbeddedSentinel::node(std::size_t index) { return impl_->nodes.at(index); }
std::size_t EmbeddedSentinel::sentinels() const noexcept { return impl_->sentinels.size(); }
EmbeddedServer& EmbeddedSentinel::sentinel(std::size_t index) { return impl_->sentinels.at(index); }

std::size_t EmbeddedSentinel::master() const {
    for (const Place& sentinel : impl_->sentinel_places) {
        try {
            const std::size_t found = impl_->ask_master(sentinel);
            if (found != impl_->nodes.size()) return found;
        } catch (const std::exception&) {
            continue;  // another one may answer
        }
    }
    raise(Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, "no Sentinel names the master"));
}

std::size_t EmbeddedSentinel::kill_master() {
    const std::size_t found = master();
    impl_->nodes[found].kill();
    return found;
}

std::size_t EmbeddedSentinel::begin_failover() {
    const std::size_t found = master();
    ask_or_raise(impl_->sentinel_places.front(), "SENTINEL FAILOVER",
                 {"SENTINEL", "FAILOVER", impl_->options.master_name});
    impl_->giving_way = found;
    return found;
}

std::size_t EmbeddedSentinel::wait_for_another_master(std::size_t than, Duration patience) const {
    std::size_t found = than;
    wait_until("other master", patience, [&]() -> std::string {
        found = master();
        if (found == than) {
            if (impl_->giving_way == than) impl_->ask_failover_again(than);
            return "the Sentinels name the old one";
        }
        for (const Place& sentinel : impl_->sentinel_places) {
            if (impl_->ask_master(sentinel) != found) return "the Sentinels do not agree";
        }
        const std::string role = ask_one(impl_->node_places[found], {"ROLE"});
        return role == "master" ? "" : "the new one does not say that it is the master";
    });
    impl_->giving_way.reset();
    return found;
}

void EmbeddedSentinel::restart(std::size_t node) {
    const std::size_t leader = master();
    impl_->nodes.at(node).restart();
    if (node == leader) return;
    ask_or_raise(impl_->node_places[node], "REPLICAOF",
                 {"REPLICAOF", "127.0.0.1", std::to_string(impl_->nodes[leader].port())});
}

void EmbeddedSentinel::wait_until_whole(Duration patience) const {
    wait_until("whole group", patience, [&] {
        impl_->hurry_sentinels();  // one that was started again does not remember it
        return impl_->what_is_missing();
    });
}

}  // namespace redoubt
