// embedded: a Cluster of masters and replicas as private child processes, for demos and tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <redoubt/base/clock.hpp>
#include <redoubt/embedded/embedded_server.hpp>

namespace redoubt {

/// What to start. Everything has a default that works.
struct EmbeddedClusterOptions {
    std::string program;           ///< of all of them; path or name; empty: redis-server, else valkey-server, from PATH
    std::size_t masters = 3;       ///< at least 3, so that most of them can vote when one is down
    std::size_t replicas = 1;      ///< of each master
    std::string password;          ///< empty: none
    Duration node_timeout = 1s;    ///< a node that does not answer for so long is down
    bool full_coverage = false;    ///< all slots fail while some have no master (`cluster-require-full-coverage`)
    Duration start_timeout = 30s;  ///< until the cluster is whole
    std::string extra_configuration = {};  ///< lines for the end of each server's configuration file
};

/// Servers on free loopback ports, each as `EmbeddedServer` says: all end with their owner, and their folders with
/// them. Node `i` begins as a master for `i < masters`; node `masters + i` as a replica of node `i % masters`.
/// Not thread-safe, but for `move_slots`, which may run beside anything that starts or ends no server.
class EmbeddedCluster {
public:
    static constexpr std::uint32_t all_slots = 16384;

    /// Starts all of them, spreads the slots evenly, and waits until the cluster is whole.
    /// @throws RedisConfigurationException, RedisConnectionException as EmbeddedServer does
    explicit EmbeddedCluster(EmbeddedClusterOptions options = {});
    ~EmbeddedCluster();
    EmbeddedCluster(EmbeddedCluster&&) noexcept;
    EmbeddedCluster& operator=(EmbeddedCluster&&) noexcept;

    /// `redis+cluster://127.0.0.1:p,127.0.0.1:p,.../`, every node, with the password when there is one.
    std::string url() const;

    std::size_t nodes() const noexcept;
    EmbeddedServer& node(std::size_t index);
    std::string node_id(std::size_t index) const;  ///< as CLUSTER MYID says; it stays over restarts

    /// The node that serves a slot, as most running nodes see it; `nodes()` when none does.
    std::size_t owner_of(std::uint32_t slot) const;
    /// Ends the master of a slot by SIGKILL; returns which node it was.
    std::size_t kill_owner_of(std::uint32_t slot);
    /// Waits until another node than this one serves the slot, in the eyes of every running node; returns it.
    /// @throws RedisOperationTimeoutException when that does not happen in time
    std::size_t wait_for_another_owner(std::uint32_t slot, std::size_t than, Duration patience = 30s) const;

    /// Moves slots with their keys, one after the other, while they are served: as `redis-cli --cluster reshard` does.
    /// @throws RedisConnectionException when a server refuses a step
    void move_slots(std::uint32_t first, std::uint32_t count, std::size_t from, std::size_t to) const;
    /// The first step of it alone: the slot is left half way, `from` sends whoever asks for a key that it no longer has
    /// to `to` (ASK). `end_move` does the rest.
    void begin_move(std::uint32_t slot, std::size_t from, std::size_t to) const;
    void end_move(std::uint32_t slot, std::size_t from, std::size_t to) const;

    /// Waits until every node answers, all slots are served, every replica follows, and all nodes see the same.
    /// @throws RedisOperationTimeoutException when that does not happen in time
    void wait_until_whole(Duration patience = 30s) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace redoubt
