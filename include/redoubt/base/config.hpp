// base: RedisServiceConfig, the whole configuration, and the target that its URL names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/read_from.hpp>

namespace redoubt {

using namespace std::chrono_literals;

/// When a node's breaker opens and closes. Defaults: the original's.
///
/// It opens after `failure_threshold` failures in a row, unless one of the rates is above 0: then it opens when, of the
/// calls in a sliding window, at least that share failed, or was slow. Both rates may be used together. HALF_OPEN is the
/// same in each mode, but that a slow probe counts as a failed one where slow calls matter.
struct CircuitBreakerConfig {
    std::uint32_t failure_threshold = 5;  ///< consecutive failures that open it; 1..1'000'000
    Duration recovery_timeout = 60s;      ///< OPEN to HALF_OPEN; above 0
    std::uint32_t success_threshold = 3;  ///< successful probes in HALF_OPEN that close it; 1..1'000'000
    std::uint32_t half_open_permits = 1;  ///< probes in flight at once in HALF_OPEN; 1..1'000

    double failure_rate_threshold = 0;    ///< share of failed calls that opens it, 0..1; 0: off
    double slow_call_rate_threshold = 0;  ///< share of slow calls that opens it, 0..1; 0: off
    /// A call that takes longer is slow, whether it succeeds or fails. The time of its last attempt counts, with what
    /// it waited for a connection; commands that block at the server (BLPOP) are never slow. Below `attempt_timeout`.
    Duration slow_call_duration = 1s;
    std::uint32_t window_calls = 100;         ///< the window is the last so many calls; 1..100'000
    Duration window_time = Duration::zero();  ///< above 0: the last so much time instead, in tenths; 0..1 h
    std::uint32_t minimum_calls = 20;         ///< fewer in the window never open it; 1..100'000, at most `window_calls`
};

/// TLS, used with `rediss://`. Verification is on unless `verify` is false.
struct TlsConfig {
    bool verify = true;       ///< off only in `development`
    std::string ca;           ///< PEM file of authorities; empty: the system's
    std::string cert;         ///< PEM file of the client certificate; empty: none
    std::string key;          ///< PEM file of its key; both or neither
    std::string server_name;  ///< name to verify and to send as SNI; empty: the host of the URL
};

/// Bounds on one reply: past one of them the reply is an error and its wire is closed, before memory is
/// taken for it.
struct ReplyLimits {
    std::size_t max_bulk_bytes = 512u << 20;    ///< one string; the server's own default limit
    std::size_t max_reply_bytes = 1024u << 20;  ///< one whole reply
    std::size_t max_elements = 16u << 20;       ///< elements over all levels of one reply
    std::uint32_t max_depth = 32;               ///< nesting
};

/// `production` needs a project id on every call, and a password for any host that is neither loopback
/// nor a Unix socket. `development` allows the unprefixed pool `default` and `tls_verify=no`.
enum class Environment : std::uint8_t { production, development };

/// `automatic` asks for RESP3 and falls back to RESP2 only when the server does not know HELLO.
enum class Protocol : std::uint8_t { automatic, resp2, resp3 };

/// Whose connections a project's calls use. `dedicated`: its own. `shared`: those of all projects together, served
/// in turn, so that very many small projects need few connections; a project is then kept apart by its key prefix
/// alone, and `max_connections` bounds the one pool of each I/O thread.
enum class PoolMode : std::uint8_t { dedicated, shared };

/// Whether each project has a user of its own at the server (ACL), `proj_<id>`, that can do and reach nothing but the
/// project's. `provisioned`: Redoubt makes the users, through `admin_url`. `existing`: the operator has made them
/// (`redoubt project add`), and Redoubt only logs in.
enum class AclUsers : std::uint8_t { off, provisioned, existing };

/// How the servers of a URL belong together: one server (`redis://`), a master with replicas whom Sentinels watch
/// (`redis+sentinel://`), or a Cluster (`redis+cluster://`).
enum class Deployment : std::uint8_t { standalone, sentinel, cluster };

/// What a URL names. Holds secrets: never log one; `to_string` masks them.
struct Target {
    enum class Scheme : std::uint8_t { tcp, tls, unix_socket };
    /// One of several servers to begin with.
    struct Seed {
        std::string host;  ///< name or address, without brackets
        std::uint16_t port = 0;
        friend bool operator==(const Seed&, const Seed&) = default;
    };
    Scheme scheme = Scheme::tcp;
    std::string host;  ///< name or address (no brackets); empty for a Unix socket
    std::uint16_t port = 0;
    std::string path;      ///< of the Unix socket
    std::string user;      ///< empty: the server's `default`
    std::string password;  ///< empty: none
    std::uint32_t database = 0;
    Deployment deployment = Deployment::standalone;
    std::vector<Seed> seeds;  ///< the Sentinels, or some nodes of the Cluster; `host` and `port` are the first one's
    std::string master_name;  ///< by which the Sentinels know the master

    /// `host:port`, `[::1]:6379` or the path, without credentials; the master's name with Sentinels, and the first
    /// node's with a Cluster.
    std::string endpoint() const;
    /// A Unix socket, `localhost`, 127.0.0.0/8 or ::1; each of the seeds where there are several.
    bool is_local() const;
};

/// The URL of a target with its password masked: `rediss://user:***@host:6379/2`.
std::string to_string(const Target& target);

/// As whom to log in at the server. Holds a secret: never log one.
struct Credentials {
    std::string user;      ///< empty: the server's `default`
    std::string password;  ///< empty: none
};

/// What one project may take of what it shares with others, so that none can crowd out the rest. 0: no limit of its own.
struct ProjectLimits {
    std::size_t max_in_flight = 0;  ///< commands on one of its connections that are not answered, of a long pipeline,
                                    ///< too; more wait. In shared mode connections belong to nobody, and take turns
    /// Calls past it wait for their turn; one whose turn would come after its deadline is refused at once, with
    /// `retry_after`. Each whole 16 KiB of a reply count as one more command, for which those that follow wait.
    std::uint32_t commands_per_second = 0;
    std::uint32_t burst = 0;           ///< how many at once after a pause; 0: a tenth of a second's
    std::size_t max_connections = 0;   ///< at least 3; 0: as configured for all. Not in shared mode
    std::size_t max_queued_bytes = 0;  ///< of its calls that wait for a connection; 0: as configured for all
    std::size_t max_reply_bytes = 0;   ///< one whole reply; 0: as configured for all. Not in shared mode
};

/// All settings of a `RedisService`. Fields may be set by hand, by `from_env()` or by URL options
/// (`redis://host/0?attempt_timeout=1.5&client_name=x`), which win over fields. Durations in the
/// environment and in URLs are seconds as decimal numbers (`1.5`) or with a unit (`250ms`, `30s`, `5m`).
struct RedisServiceConfig {
    std::string url = "redis://localhost:5240";

    std::size_t max_connections = 10;          ///< a project's pool capacity; at least 10 (REQ-001)
    std::size_t min_idle_connections = 0;      ///< kept open a project; at most `max_connections`
    std::size_t max_total_connections = 1000;  ///< over all projects
    std::size_t max_waiting = 10'000;          ///< callers that may wait for a wire of one pool
    /// Connections that the service opens in a second; whoever wants more waits, until its deadline. A second's worth, and
    /// at least two pools' (2 * `max_connections`), may come at once after a pause. 0: no limit.
    std::uint32_t max_connects_per_second = 200;

    PoolMode pool_mode = PoolMode::dedicated;
    /// In a Cluster: a project's keys are all in one slot, and so at one node, because they are stored as `proj:{id}:key`
    /// with the braces; transactions and commands of several keys may then use any of them. Only with a redis+cluster://
    /// URL, and for all services of one Cluster or none: `initialize` refuses the one that differs.
    bool key_colocation = false;
    Duration idle_timeout = 5min;       ///< a connection unused for so long is closed, down to the minimum; 0: never
    Duration connection_lifetime = 1h;  ///< a connection is replaced after this, less up to a tenth; 0: never

    Duration connection_timeout = 10s;  ///< one connect with TLS and handshake
    Duration operation_timeout = 10s;   ///< a whole call: queueing, connecting, every attempt and pause
    Duration attempt_timeout = 2s;      ///< one attempt, inside the above
    std::uint32_t max_retries = 3;      ///< attempts after the first
    Duration retry_delay = 1s;          ///< base of the exponential backoff with full jitter
    Duration retry_delay_max = 10s;     ///< its cap
    /// Retry `unknown` outcomes of writes for which twice is the same as once (`SET k v`, `DEL`). Off: even
    /// those can undo what another client wrote in between.
    bool retry_idempotent_writes = false;
    /// `close` lets the calls under way finish for so long. The default is `attempt_timeout`'s: by then what was sent has
    /// been answered, or would not be. 0: they fail at once.
    Duration drain_timeout = 2s;
    /// So that an outage is not multiplied: each pool has so many tokens, a failure takes one, a success gives back
    /// `retry_budget_refill`, and calls are tried again only while more than half are left. 1..1'000'000
    std::uint32_t retry_budget = 10;
    double retry_budget_refill = 0.1;  ///< tokens; above 0, at most 1

    std::size_t max_queued_commands = 1'000'000;  ///< a wire's commands that are not answered
    std::size_t max_queued_bytes = 256u << 20;    ///< a wire's bytes that are not written
    ReplyLimits reply_limits;

    Duration health_check_interval = 30s;    ///< background monitor; 0 turns it off
    double memory_warning_threshold = 0.8;   ///< fraction of the memory limit, in (0, 1]
    double memory_critical_threshold = 0.9;  ///< above the warning, at most 1

    /// Who logs in, instead of the user and the password of `url`: asked before each connection is opened, and once more
    /// when the server refuses a login, so that a password can be rotated while the service runs. Connections that are
    /// open keep their login. Called from any thread; must not block. What it throws ends the dial.
    std::function<Credentials()> credentials_provider;

    /// As whom to log in at the Sentinels, which have users of their own. Empty: no login. Only with a redis+sentinel://
    /// URL, whose options they may be, too.
    std::string sentinel_user;
    std::string sentinel_password;
    /// Which nodes answer commands that only read, where a call's options do not say (`CallOptions::read_from`). `replica`
    /// needs Sentinels or a Cluster; one server alone is master and nearest at once.
    ReadFrom read_from = ReadFrom::master;
    /// A replica answers reads only while it is known to have all that its master had so long ago; above 0. Replicas are
    /// looked at four times in this time, but at most every 10 ms and at least every second.
    Duration max_replica_lag = 1s;

    /// A second wall behind the key prefix. Not with `pool_mode` shared: a connection never changes its user.
    AclUsers acl_users = AclUsers::off;
    /// The server as an administrator: makes ACL users, and is behind `RedisService::admin()`. Holds a secret. Not taken
    /// from the options of `url`.
    std::string admin_url;
    /// The secrets of ACL users are derived from this one (HMAC-SHA256), so that several processes agree on them; at
    /// least 32 bytes. Empty: random ones, each process its own.
    std::string acl_secret;
    /// The secret of a project's user, instead of `acl_secret`; the scan user's for an empty project. Called from any
    /// thread; must not block. What it throws ends the dial.
    std::function<std::string(std::string_view project)> acl_secret_provider;
    /// Projects, separated by commas, whose users may run scripts.
    std::string script_projects;
    /// The operator vouches that the server keeps scripts inside (CVE-2025-46818, CVE-2025-67733): a distribution's
    /// patches do not show in its version.
    bool scripts_attested = false;
    /// Scripts for every project, though nothing confines them. In `development` only.
    bool allow_unconfined_scripts = false;

    ProjectLimits project_limits;  ///< of each project
    /// The limits of one project, instead of `project_limits`. Asked once, when the project is first used; any thread.
    std::function<ProjectLimits(std::string_view project)> limits_of_project;

    CircuitBreakerConfig circuit_breaker;
    TlsConfig tls;
    Environment environment = Environment::production;
    Protocol protocol = Protocol::automatic;
    std::string client_name;  ///< CLIENT SETNAME; empty: `redoubt`
    /// How long to look for an answer again and again before sleeping until it comes: saves the wake-up of a thread at
    /// the price of CPU time. 0: off.
    Duration busy_poll = Duration::zero();
    std::size_t io_threads = 1;  ///< of `RedisService(config)`; 1..64

    /// Reads the variables of the README's table; what is absent keeps its default.
    /// @throws RedisConfigurationException naming every bad variable, its value (secrets masked) and what
    ///         is allowed.
    static RedisServiceConfig from_env();
    /// The same from any source, for tests: returns a variable's value, or nullopt when it is not set.
    static RedisServiceConfig from_env(const std::function<std::optional<std::string>(std::string_view name)>& lookup);

    /// Applies the URL's options to the fields, checks every field, and returns what the URL names.
    /// @throws RedisConfigurationException as above, for all bad fields at once.
    Target resolve();
    /// What `admin_url` names; nullopt when it is empty.
    /// @throws RedisConfigurationException when it names nothing
    std::optional<Target> admin_target() const;
};

}  // namespace redoubt
