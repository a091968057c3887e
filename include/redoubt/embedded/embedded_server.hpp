// embedded: a real redis-server or valkey-server as a private child process, for demos and tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <redoubt/base/clock.hpp>

namespace redoubt {

using namespace std::chrono_literals;

/// What to start. Everything has a default that works.
struct EmbeddedServerOptions {
    std::string program;              ///< path or name; empty: redis-server, else valkey-server, from PATH
    std::string max_memory = "64mb";  ///< `maxmemory`; eviction is `allkeys-lru`
    bool tcp = false;                 ///< also listen on a free loopback port (127.0.0.1)
    bool tls = false;                 ///< also listen with TLS on a free loopback port; see `tls_cert_file`
    std::string tls_cert_file;        ///< PEM files given to the server when `tls` is set
    std::string tls_key_file;
    std::string tls_ca_file;
    std::string password;                      ///< `requirepass`; empty: none
    bool persistent = false;                   ///< AOF with `appendfsync always`, so that a restart keeps its data
    Duration start_timeout = 5s;               ///< until it answers PING
    std::vector<std::string> extra_arguments;  ///< appended as they are: `--databases`, `1`
    /// Lines for the end of its configuration file, which nobody else can read: `replicaof 127.0.0.1 7000`.
    std::string extra_configuration;
};

/// A server in a temporary folder of its own (mode 0700) with a Unix socket, held by a supervisor process
/// with a pipe to its owner: it ends with the owner, even when that gets SIGKILL, and its folder goes with it.
/// Not thread-safe: one thread at a time.
class EmbeddedServer {
public:
    /// Starts the server and waits until it answers.
    /// @throws RedisConfigurationException when no server program is installed, naming the install line
    /// @throws RedisConnectionException when it does not answer in time, with the end of its log
    explicit EmbeddedServer(EmbeddedServerOptions options = {});
    ~EmbeddedServer();
    EmbeddedServer(EmbeddedServer&&) noexcept;
    EmbeddedServer& operator=(EmbeddedServer&&) noexcept;

    /// `unix:///tmp/.../redis.sock`, with the password when there is one.
    std::string url() const;
    std::string tcp_url() const;  ///< `redis://127.0.0.1:port`; empty unless `tcp`
    std::string tls_url() const;  ///< `rediss://127.0.0.1:port`; empty unless `tls`
    std::string socket_path() const;
    std::uint16_t port() const noexcept;
    std::uint16_t tls_port() const noexcept;
    /// `redis-server 7.0.15` or `valkey-server 8.0.1`.
    std::string version() const;
    int server_pid() const noexcept;  ///< 0 while it is not running
    std::string directory() const;

    void kill();    ///< SIGKILL, and waits until it is gone
    void stop();    ///< SIGTERM, and waits until it is gone
    void pause();   ///< SIGSTOP: it hangs
    void resume();  ///< SIGCONT
    /// Starts it again on the same socket and ports, and waits until it answers. Kills it first when it runs.
    void restart();
    /// As `restart`, but returns as soon as the process is started.
    void restart_without_waiting();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace redoubt
