// isolation: makes the users of the server (ACL): one a project, and the scan user; on every node, and again when a
// server has forgotten them. One thread does it all, begun with the first user, so that no caller's loop ever waits.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <redoubt/base/config.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/resp/value.hpp>

#include "isolation/acl_link.hpp"
#include "isolation/acl_rules.hpp"
#include "pool/identity.hpp"

namespace redoubt::isolation {

/// Thread-safe. Provisioning adds this process's secret to a user and sets everything else of it anew; it leaves other
/// secrets alone, so that several processes can have one each. Only rotation takes secrets away.
class AclProvisioner : public std::enable_shared_from_this<AclProvisioner> {
    struct Private {};  // for create()

public:
    /// `database`: of the projects' connections.
    /// @throws RedisConfigurationException when `admin_url` or the TLS files cannot be used
    static std::shared_ptr<AclProvisioner> create(const RedisServiceConfig& config, std::uint32_t database);
    AclProvisioner(Private, const RedisServiceConfig& config, std::uint32_t database);
    ~AclProvisioner();

    /// As whom the pool of a checked project logs in.
    std::shared_ptr<pool::Identity> project_identity(std::string_view project);
    std::shared_ptr<pool::Identity> scan_identity();

    // For the administrator; they wait, at most until `deadline`. The first four need `admin_url`.
    /// Makes the project's user, or makes it anew.
    std::optional<Error> provision(std::string_view project, TimePoint deadline);
    /// Gives it another secret, lets new connections use that, and takes all others away; connections that are open
    /// stay. Other processes find their secret refused when they next connect, and add one again.
    std::optional<Error> rotate(std::string_view project, TimePoint deadline);
    /// Deletes the user, which ends its connections. Its handles in this process fail until it is provisioned again.
    std::optional<Error> remove(std::string_view project, TimePoint deadline);
    /// The ids of the projects that have a user, in order.
    result<std::vector<std::string>> list(TimePoint deadline);
    /// One command on a connection of its own, outside every project.
    result<Value> command(const std::vector<std::string>& words, TimePoint deadline);
    bool has_administrator() const noexcept { return !sessions_.empty(); }

    /// Fails what waits, ends the thread. Nothing is provisioned afterwards.
    void stop() noexcept;

private:
    class User;
    using Done = pool::Identity::Done;
    struct Task {
        std::function<std::optional<Error>()> run;
        Done done;
        TimePoint deadline;
    };

    void enqueue(Task task);
    bool begin_thread() noexcept;
    void work();
    std::optional<Error> run_and_wait(std::function<std::optional<Error>()> run, TimePoint deadline);
    std::shared_ptr<User> user(std::string_view project);
    AclLink make_link(std::size_t node) const;

    // On the thread.
    using Words = AclLink::Words;
    std::optional<Error> provision_user(User& user, bool another_secret, TimePoint deadline);
    std::optional<Error> rotate_user(User& user, TimePoint deadline);
    std::optional<Error> remove_user(User& user, TimePoint deadline);
    /// @throws what the provider throws
    std::string make_secret(const User& user) const;
    std::optional<Error> take_known_secret(User& user) const;
    void make_links();
    bool secrets_are_derived() const { return !master_.empty() || provider_ != nullptr; }
    bool may_run_scripts(std::string_view project) const;

    AclUsers mode_;
    std::vector<connection::SessionSettings> sessions_;  // of the administrator, one a node
    std::shared_ptr<const connection::TlsContext> tls_;
    Duration connection_timeout_;
    std::string master_;
    std::function<std::string(std::string_view)> provider_;
    std::string script_projects_;
    std::uint32_t database_;

    std::mutex users_mutex_;
    std::map<std::string, std::shared_ptr<User>, std::less<>> users_;

    std::shared_ptr<StopSignal> stop_;
    std::mutex mutex_;
    std::condition_variable work_came_;
    std::deque<Task> tasks_;
    std::thread thread_;
    std::vector<AclLink> links_;  // the thread's
};

}  // namespace redoubt::isolation
