// embedded: a master, its replicas and the Sentinels that watch them, as private child processes, for demos and tests.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <redoubt/base/clock.hpp>
#include <redoubt/embedded/embedded_server.hpp>

namespace redoubt {

/// What to start. Everything has a default that works.
struct EmbeddedSentinelOptions {
    std::string program;  ///< of all of them; path or name; empty: redis-server, else valkey-server, from PATH
    std::string master_name = "mymaster";
    std::size_t replicas = 2;
    std::size_t sentinels = 3;             ///< most of them have to agree that a master is down
    std::string password;                  ///< of the master and its replicas; empty: none
    std::string sentinel_password;         ///< of the Sentinels; empty: none
    Duration down_after = 500ms;           ///< a master that does not answer for so long is down
    Duration failover_timeout = 2s;        ///< a master's next failover begins no sooner than twice this after the last
    Duration start_timeout = 30s;          ///< until all of them answer and know one another
    std::string extra_configuration = {};  ///< lines for the end of each data server's configuration file
};

/// Servers on free loopback ports, each as `EmbeddedServer` says: all end with their owner, and their folders with
/// them. Not thread-safe: one thread at a time.
class EmbeddedSentinel {
public:
    /// Starts all of them and waits until the Sentinels know one another and every replica.
    /// @throws RedisConfigurationException, RedisConnectionException as EmbeddedServer does
    explicit EmbeddedSentinel(EmbeddedSentinelOptions options = {});
    ~EmbeddedSentinel();
    EmbeddedSentinel(EmbeddedSentinel&&) noexcept;
    EmbeddedSentinel& operator=(EmbeddedSentinel&&) noexcept;

    /// `redis+sentinel://127.0.0.1:p,127.0.0.1:p,127.0.0.1:p/0?master=mymaster`, with the passwords when there are any.
    std::string url() const;

    std::size_t nodes() const noexcept;  ///< the master and its replicas
    EmbeddedServer& node(std::size_t index);
    std::size_t sentinels() const noexcept;
    EmbeddedServer& sentinel(std::size_t index);

    /// The node that the Sentinels call the master, as a number below `nodes()`.
    /// @throws RedisConnectionException when none of them answers
    std::size_t master() const;
    /// Ends the master by SIGKILL; returns which node it was.
    std::size_t kill_master();
    /// Asks a Sentinel for a failover although nothing is wrong; returns who was the master.
    std::size_t begin_failover();
    /// Waits until all Sentinels call another node than this one the master, and that one says so, too; returns it.
    /// @throws RedisOperationTimeoutException when that does not happen in time
    std::size_t wait_for_another_master(std::size_t than, Duration patience = 30s) const;
    /// Starts a node again as a replica of the master. (By itself an old master believes that it still is one, until the
    /// Sentinels have looked at it for some ten seconds.)
    void restart(std::size_t node);
    /// Waits until every node answers, one of them is the master, the others follow it, and the Sentinels agree.
    /// @throws RedisOperationTimeoutException when that does not happen in time
    void wait_until_whole(Duration patience = 30s) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace redoubt
