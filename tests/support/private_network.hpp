// tests: a network of the test's own, in which nodes can be cut off from each other, and from their Sentinels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <redoubt/embedded/embedded_cluster.hpp>
#include <redoubt/embedded/embedded_sentinel.hpp>

namespace redoubt::testing {

/// Runs a program to its end without its output; its status.
inline int run_quietly(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        const int nowhere = ::open("/dev/null", O_WRONLY);
        ::dup2(nowhere, 1);
        ::dup2(nowhere, 2);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    int ended = 0;
    if (child < 0 || ::waitpid(child, &ended, 0) != child) throw std::runtime_error("cannot run " + words.front());
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : 128;
}

/// Before anything else in `main`, with one thread: goes on as this same program in a user and network namespace of its
/// own, with loopback alone. False: this machine does not allow that, and nothing has changed. True: it is there.
inline bool enter_private_network(char** words) {
    constexpr const char* mark = "REDOUBT_PRIVATE_NETWORK";
    // What is routed to the hole is never heard of again. A blackhole route would tell the sender at once, and a node
    // that cannot connect from its own address tries another one.
    constexpr const char* script =
        "ip link set lo up && ip rule add pref 100 lookup local && ip rule del pref 0 && "
        "ip link add hole type veth peer name bottom && ip link set hole up arp off && ip link set bottom up && "
        "echo 1 > /proc/sys/net/ipv4/conf/hole/route_localnet && ip route add default dev hole table 66";
    if (std::getenv(mark) != nullptr) return true;
    if (run_quietly({"unshare", "-rn", "sh", "-c", script}) != 0) return false;
    ::setenv(mark, "1", 1);
    const std::string program = std::filesystem::read_symlink("/proc/self/exe");
    const std::string then = std::string(script) + " && exec \"$@\"";
    std::vector<char*> argv;
    const std::vector<std::string> before{"unshare", "-rn", "sh", "-c", then, "sh", program};
    for (const std::string& word : before) argv.push_back(const_cast<char*>(word.c_str()));
    for (char** word = words + 1; *word != nullptr; ++word) argv.push_back(*word);
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    throw std::runtime_error("cannot run unshare");
}

/// Each node connects to the others from an address of its own, so that what it sends and what is sent to it by another
/// node is known from what clients send. For inside a private network.
class CutOff {
public:
    explicit CutOff(EmbeddedCluster& cluster) {
        for (std::size_t i = 0; i != cluster.nodes(); ++i) {
            const std::string bus = setting_of(cluster.node(i), "cluster-port");
            ports_.push_back({std::to_string(cluster.node(i).port()), bus});
            restart(cluster.node(i), "cluster-announce-ip 127.0.0.1\n");
        }
        cluster.wait_until_whole(std::chrono::seconds(60));
    }
    /// The Sentinels are others, too.
    explicit CutOff(EmbeddedSentinel& group) {
        for (std::size_t i = 0; i != group.nodes(); ++i) {
            ports_.push_back({std::to_string(group.node(i).port())});
            restart(group.node(i), "replica-announce-ip 127.0.0.1\n");
        }
        for (std::size_t i = 0; i != group.sentinels(); ++i) {
            restart(group.sentinel(i), "sentinel announce-ip 127.0.0.1\n");
        }
        group.wait_until_whole(std::chrono::seconds(60));
    }
    ~CutOff() { heal(); }
    CutOff(const CutOff&) = delete;
    CutOff& operator=(const CutOff&) = delete;

    /// Nothing comes through any more between this node and the others; clients reach it as before.
    void cut(std::size_t node) {
        add({"from", address(node)});
        add({"to", address(node)});
        for (const std::string& port : ports_.at(node)) {
            add({"from", all_addresses, "ipproto", "tcp", "dport", port});
            add({"to", all_addresses, "ipproto", "tcp", "sport", port});
        }
    }
    void heal() {
        for (; rules_ != 0; --rules_) (void)run_quietly({"ip", "rule", "del", "pref", preference});
    }

private:
    static constexpr const char* all_addresses = "127.0.0.16/28";
    static constexpr const char* preference = "50";
    static std::string address(std::size_t node) { return fmt::format("127.0.0.{}", 16 + node); }
    static std::string file_of(const EmbeddedServer& server) { return server.directory() + "/redis.conf"; }
    static std::string setting_of(const EmbeddedServer& server, const std::string& name) {
        std::ifstream file(file_of(server));
        for (std::string line; std::getline(file, line);) {
            if (line.starts_with(name + ' ')) return line.substr(name.size() + 1);
        }
        throw std::runtime_error("no " + name + " in " + file_of(server));
    }
    /// With the next address. A Sentinel writes its file again while it runs.
    void restart(EmbeddedServer& server, const std::string& announcement) {
        server.kill();
        // Only 127.0.0.1 itself is let in by the protected mode; the servers listen on loopback alone.
        std::ofstream(file_of(server), std::ios::app)
            << "\nprotected-mode no\nbind-source-addr " << address(addresses_++) << '\n'
            << announcement;
        server.restart_without_waiting();
    }
    void add(const std::vector<std::string>& selector) {
        std::vector<std::string> words{"ip", "rule", "add", "pref", preference};
        words.insert(words.end(), selector.begin(), selector.end());
        words.insert(words.end(), {"lookup", "66"});
        if (run_quietly(words) != 0)
            throw std::runtime_error("cannot cut a node off: " + fmt::format("{}", fmt::join(words, " ")));
        ++rules_;
    }

    std::vector<std::vector<std::string>> ports_;  // of each node
    std::size_t addresses_ = 0;
    std::size_t rules_ = 0;
};

}  // namespace redoubt::testing
